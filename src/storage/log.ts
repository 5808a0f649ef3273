// One partition's log: segments in ascending order, the last of them active. Synchronous but for `flush`; it belongs to
// one thread. It takes batches that were checked and stamped before, and knows nothing of producers or the wire.
// Files, crash policy and recovery: FORMAT.md.

import { BATCH_BASE_OFFSET, BATCH_HEADER_BYTES } from '../../assembly/shared/batch-layout.ts';
import { assert, present } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import { RETENTION_SEGMENTS_MAX } from '../core/limits.ts';
import type { Clock, Store } from '../core/platform.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { readInt64, viewOf } from './batch-header.ts';
import { DELETED_DIRECTORY_SUFFIX, parentPath } from './file-names.ts';
import type { LogConfig } from './log-config.ts';
import { type LoadedLog, loadLog } from './log-loader.ts';
import { Segment, type SegmentHome } from './segment.ts';
import { locateBatch, type ReadLimits, readBatches, type SegmentBytes } from './segment-read.ts';
import type { Damage } from './segment-scan.ts';
import { findMaxTimestamp, findTimestamp, largestTimestampOf, type TimestampedOffset } from './timestamps.ts';

export interface LogOptions {
  readonly store: Store;
  readonly kernels: Kernels;
  readonly clock: Clock;
  /** `<topic>-<partition>`, in the store. */
  readonly directory: string;
  /** As Kafka prints it: base64url of 16 bytes. */
  readonly topicId: string;
  readonly config: LogConfig;
  /** Offset up to which the log was known to be on stable storage. */
  readonly recoveryPoint: number;
  /** Log start offset as checkpointed last. */
  readonly logStartOffset: number;
  /** The log was closed in order by the process before, and `recoveryPoint` is its end. */
  readonly cleanShutdown: boolean;
}

export interface AppendInfo {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Largest timestamp in the batch, as its header says; -1 for none. */
  readonly maxTimestamp: number;
  readonly offsetOfMaxTimestamp: number;
  readonly leaderEpoch: number;
}

export interface ReadRequest extends ReadLimits {
  readonly offset: number;
}

/** A segment as tools show it. */
export interface SegmentDescription {
  readonly path: string;
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly sizeBytes: number;
  readonly offsetIndexEntries: number;
  readonly timeIndexEntries: number;
  readonly damages: readonly Damage[];
}

/** Where the batch of an offset begins: sequential readers need no index. */
interface ReadHint {
  readonly offset: number;
  readonly segment: Segment;
  readonly position: number;
}

const HINTS_MAX = 4;
const EMPTY = new Uint8Array(0);

export class Log {
  readonly directory: string;
  readonly #home: SegmentHome;
  readonly #clock: Clock;
  readonly #topicId: string;
  /** Ascending, never empty. */
  #segments: Segment[];
  #logStartOffset: number;
  #logEndOffset: number;
  #recoveryPoint: number;
  #unflushedSinceMs: number | undefined;
  /** The first append since the running flush began. */
  #sinceFlushBeganMs: number | undefined;
  #fault: LogFault | undefined;
  #flushFailed = false;
  #flushing = false;
  /** What a running flush may raise the recovery point to: lowered when the log is cut meanwhile. */
  #flushEndMax = Number.POSITIVE_INFINITY;
  /** Files were created or renamed in the directory since it was last flushed. */
  #directoryUnflushed: boolean;
  #parentUnflushed: boolean;
  /** The active segment's end was compared with its last batch, or written by this process. */
  #tailChecked: boolean;
  #deleted: { paths: readonly string[]; atMs: number }[] = [];
  #hints: ReadHint[] = [];
  #nextHint = 0;
  #closed = false;

  /**
   * Opens the log in `directory`, which is created where it is absent, and recovers it where it was not closed in order.
   * Damage that recovery finds does not fail the call: it makes the log read-only, as {@link fault} says. Throws
   * `LogFault` ERR_CORRUPT_LOG where there is nothing to serve from, and ERR_STORAGE.
   */
  static open(options: LogOptions): Log {
    return new Log(options);
  }

  private constructor(options: LogOptions) {
    this.directory = options.directory;
    this.#clock = options.clock;
    this.#topicId = options.topicId;
    const loaded: LoadedLog = loadLog(options, (segment) => this.#endOffsetOf(segment));
    this.#home = loaded.home;
    this.#segments = loaded.segments;
    this.#logStartOffset = loaded.logStartOffset;
    this.#logEndOffset = loaded.logEndOffset;
    this.#recoveryPoint = loaded.recoveryPoint;
    this.#fault = loaded.fault;
    this.#tailChecked = !loaded.trustsCleanEnd;
    this.#directoryUnflushed = loaded.created || !loaded.trustsCleanEnd;
    this.#parentUnflushed = loaded.created;
    if (this.#logEndOffset > this.#recoveryPoint) this.#unflushedSinceMs = this.#clock.monotonic();
  }

  get logStartOffset(): number {
    return this.#logStartOffset;
  }

  get logEndOffset(): number {
    return this.#logEndOffset;
  }

  /** Everything below is on stable storage. */
  get recoveryPoint(): number {
    return this.#recoveryPoint;
  }

  get sizeBytes(): number {
    let bytes = 0;
    for (const segment of this.#segments) bytes += segment.sizeBytes;
    return bytes;
  }

  /** The newest leader epoch that the log has batches of, or -1. */
  get latestEpoch(): number {
    return this.#home.epochs.latestEpoch;
  }

  get unflushedRecords(): number {
    return this.#logEndOffset - this.#recoveryPoint;
  }

  /** Monotonic time of the first append that is not flushed; undefined when there is none. */
  get unflushedSinceMs(): number | undefined {
    return this.#unflushedSinceMs;
  }

  /** The first fault that made the log read-only. */
  get fault(): LogFault | undefined {
    return this.#fault;
  }

  /**
   * Appends one batch, already checked and stamped, with one write. When it returns the bytes are the operating
   * system's. Throws ERR_PARTITION_READ_ONLY after an earlier fault, and ERR_STORAGE or ERR_CORRUPT_LOG for the first
   * one; the log is then as before the call. It does not touch the kernels' memory, where the batch usually lies.
   */
  append(batch: Uint8Array, info: AppendInfo): void {
    this.#assertWritable();
    assert(batch.length >= BATCH_HEADER_BYTES, 'a batch has a header');
    assert(info.baseOffset === this.#logEndOffset, `offset ${info.baseOffset} is not the end ${this.#logEndOffset}`);
    assert(readInt64(viewOf(batch), BATCH_BASE_OFFSET) === info.baseOffset, 'the batch carries its base offset');
    try {
      this.#prepareAppend(batch.length, info);
      this.#active.write(batch);
    } catch (error) {
      throw this.#fail(error);
    }
    const { lastOffset, maxTimestamp } = info;
    this.#active.note({ bytes: batch.length, lastOffset, maxTimestamp });
    this.#logEndOffset = lastOffset + 1;
    const nowMs = this.#unflushedSinceMs === undefined || this.#flushing ? this.#clock.monotonic() : 0;
    this.#unflushedSinceMs ??= nowMs;
    if (this.#flushing) this.#sinceFlushBeganMs ??= nowMs;
  }

  #prepareAppend(batchBytes: number, info: AppendInfo): void {
    if (!this.#tailChecked) this.#checkTail();
    if (this.#active.isFullFor(batchBytes, info.lastOffset, info.maxTimestamp)) this.#roll();
    const { epochs } = this.#home;
    assert(info.leaderEpoch >= epochs.latestEpoch, `leader epoch ${info.leaderEpoch} is below ${epochs.latestEpoch}`);
    if (info.leaderEpoch > epochs.latestEpoch) epochs.assign(info.leaderEpoch, info.baseOffset);
    if (this.#active.sizeBytes === 0) this.#active.sinceMs = this.#clock.now();
    this.#active.prepareAppend();
  }

  /**
   * A fresh buffer of whole batches (at byte offset 0 of its ArrayBuffer), beginning with the one that contains `offset`
   * and ending before `offsetEnd`, within one segment. Empty at the end, or where the first batch is above `maxBytes`
   * and `minOneBatch` is false. Throws ERR_OFFSET_OUT_OF_RANGE, ERR_STORAGE, and ERR_CORRUPT_LOG for a damaged place.
   */
  read(request: ReadRequest): Uint8Array {
    this.#assertOpen();
    const { offset } = request;
    if (offset < this.#logStartOffset || offset > this.#logEndOffset) {
      const range = `${this.#logStartOffset} to ${this.#logEndOffset}`;
      throw new LogFault('ERR_OFFSET_OUT_OF_RANGE', `${this.directory}: offset ${offset} is outside of ${range}`);
    }
    const offsetEnd = Math.min(request.offsetEnd, this.#logEndOffset);
    if (offset >= offsetEnd) return EMPTY;
    const limits = { maxBytes: request.maxBytes, minOneBatch: request.minOneBatch, offsetEnd };
    return this.#readHinted(offset, limits) ?? this.#readLocated(offset, limits);
  }

  #readHinted(offset: number, limits: ReadLimits): Uint8Array | undefined {
    const hint = this.#hints.find((each) => each.offset === offset);
    if (hint === undefined) return undefined;
    const { position } = hint;
    const rolled = position === hint.segment.sizeBytes && hint.segment !== this.#active;
    const segment = rolled ? this.#segmentOf(offset) : hint.segment;
    const at = rolled ? 0 : position;
    if (rolled && segment.baseOffset !== offset) return undefined;
    const read = readBatches(segment, this.#home, { position: at, baseOffset: offset, ...limits });
    return read === undefined ? undefined : this.#served(segment, at, read);
  }

  #readLocated(offset: number, limits: ReadLimits): Uint8Array {
    const segment = this.#segmentOf(offset);
    const place = locateBatch(segment, this.#home, offset);
    const { baseOffset } = place.header;
    const read = readBatches(segment, this.#home, { position: place.position, baseOffset, ...limits });
    if (read !== undefined) return this.#served(segment, place.position, read);
    // The batch was found damaged: now it is located as such, or behind a damage that covers less than was feared.
    const again = locateBatch(segment, this.#home, offset);
    const second = readBatches(segment, this.#home, {
      position: again.position,
      baseOffset: again.header.baseOffset,
      ...limits,
    });
    if (second !== undefined) return this.#served(segment, again.position, second);
    const where = `${segment.path}: at offset ${again.header.baseOffset}, position ${again.position}`;
    throw new LogFault('ERR_CORRUPT_LOG', `${where}: the file changes while it is read`);
  }

  #served(segment: Segment, position: number, read: SegmentBytes): Uint8Array {
    if (read.bytes.length === 0) return EMPTY;
    this.#hints[this.#nextHint] = { offset: read.nextOffset, segment, position: position + read.bytes.length };
    this.#nextHint = (this.#nextHint + 1) % HINTS_MAX;
    return read.bytes;
  }

  /**
   * The first record below `offsetEnd` whose timestamp is at or above `timestampMs`. Exact within uncompressed batches; a
   * compressed one answers with its base offset and largest timestamp, one with log append time likewise.
   */
  offsetForTimestamp(timestampMs: number, offsetEnd: number): TimestampedOffset | undefined {
    return findTimestamp(this.#scope(offsetEnd), this.#home, timestampMs);
  }

  /** The first record below `offsetEnd` that has the largest timestamp there (KIP-734); undefined where none has one. */
  offsetOfMaxTimestamp(offsetEnd: number): TimestampedOffset | undefined {
    return findMaxTimestamp(this.#scope(offsetEnd), this.#home);
  }

  #scope(offsetEnd: number) {
    this.#assertOpen();
    const first = this.#segmentIndexOf(this.#logStartOffset);
    const end = Math.min(offsetEnd, this.#logEndOffset);
    const segments = this.#segments.slice(first).filter((segment) => segment.baseOffset < end);
    return { segments, logStartOffset: this.#logStartOffset, offsetEnd: end };
  }

  /** The largest epoch not above `leaderEpoch` and its exclusive end, by Kafka's rules; -1 and -1 where unknown. */
  epochEnd(leaderEpoch: number): { leaderEpoch: number; endOffset: number } {
    return this.#home.epochs.epochEnd(leaderEpoch, this.#logEndOffset);
  }

  /** Epoch of the batch at `offset`, or -1. */
  epochAt(offset: number): number {
    return this.#home.epochs.epochAt(offset);
  }

  /**
   * Resolves when everything appended before the call is on stable storage; the recovery point has then reached that
   * end. One at a time. Rejects with ERR_STORAGE, after which the log stays read-only until it is reopened: a flush that
   * failed may have lost pages that a second one would not miss.
   */
  async flush(): Promise<void> {
    assert(!this.#flushing, 'one flush at a time');
    this.#assertFlushable();
    const end = this.#logEndOffset;
    const segments = this.#unflushedSegments();
    if (segments.length === 0 && !this.#directoryUnflushed) {
      this.#flushed(end);
      return;
    }
    this.#flushing = true;
    this.#flushEndMax = Number.POSITIVE_INFINITY;
    this.#sinceFlushBeganMs = undefined;
    try {
      const results = await Promise.allSettled(segments.map((segment) => this.#flushSegment(segment)));
      if (this.#closed) return;
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      this.#flushDirectory();
      this.#flushed(Math.min(end, this.#flushEndMax));
    } catch (error) {
      this.#flushFailed = true;
      throw this.#fail(error);
    } finally {
      this.#flushing = false;
    }
  }

  /** As {@link flush}, before it returns. */
  flushSync(): void {
    this.#assertFlushable();
    try {
      for (const segment of this.#unflushedSegments()) {
        segment.unflushed = false;
        segment.file.flushSync();
        if (segment !== this.#active) segment.flushIndexesSync();
      }
      this.#flushDirectory();
    } catch (error) {
      this.#flushFailed = true;
      throw this.#fail(error);
    }
    this.#flushed(this.#logEndOffset);
  }

  #unflushedSegments(): Segment[] {
    return this.#segments.filter(
      (segment) => segment.unflushed || segment.flushing || (segment !== this.#active && segment.indexesUnflushed),
    );
  }

  /** Indexes of the active segment are left out: after a crash they are rebuilt in any case. */
  async #flushSegment(segment: Segment): Promise<void> {
    const sealed = segment !== this.#active;
    const { unflushed } = segment;
    segment.unflushed = false;
    segment.flushing = true;
    try {
      await Promise.all([unflushed ? segment.file.flush() : undefined, sealed ? segment.flushIndexes() : undefined]);
    } finally {
      segment.flushing = false;
    }
    if (sealed && !this.#closed) segment.releaseIndexFiles();
  }

  #flushDirectory(): void {
    const { store } = this.#home;
    if (this.#parentUnflushed) store.flushDirectory(parentPath(this.directory));
    this.#parentUnflushed = false;
    if (this.#directoryUnflushed) store.flushDirectory(this.directory);
    this.#directoryUnflushed = false;
  }

  #flushed(end: number): void {
    this.#recoveryPoint = Math.max(this.#recoveryPoint, end);
    this.#unflushedSinceMs = this.#recoveryPoint >= this.#logEndOffset ? undefined : this.#sinceFlushBeganMs;
  }

  /**
   * Moves the log start offset up to `offset`; lower ones change nothing. Segments that end below go with the next
   * retention. Throws ERR_OFFSET_OUT_OF_RANGE above the log end, ERR_PARTITION_READ_ONLY after a fault.
   */
  deleteRecordsBefore(offset: number): void {
    this.#assertWritable();
    if (offset > this.#logEndOffset) {
      const message = `${this.directory}: offset ${offset} is above the log end ${this.#logEndOffset}`;
      throw new LogFault('ERR_OFFSET_OUT_OF_RANGE', message);
    }
    if (offset <= this.#logStartOffset) return;
    this.#advanceLogStart(offset);
  }

  #advanceLogStart(offset: number): void {
    this.#logStartOffset = offset;
    try {
      this.#home.epochs.truncateFromStart(offset);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * Cuts the log so that it ends at `offset` or, where that lies inside a batch, at the batch's beginning. Cutting below
   * the log start empties the log, which then begins at `offset`.
   */
  truncateTo(offset: number): void {
    this.#assertWritable();
    if (offset >= this.#logEndOffset) return;
    this.#hints = [];
    this.#tailChecked = true;
    try {
      if (offset <= this.#logStartOffset) this.#restartAt(offset);
      else this.#cutAt(offset);
      this.#home.epochs.truncateFromEnd(this.#logEndOffset);
    } catch (error) {
      throw this.#fail(error);
    }
    this.#recoveryPoint = Math.min(this.#recoveryPoint, this.#logEndOffset);
    this.#flushEndMax = Math.min(this.#flushEndMax, this.#logEndOffset);
  }

  #restartAt(offset: number): void {
    this.#logEndOffset = offset;
    this.#logStartOffset = offset;
    this.#removeSegmentsFrom(0);
    this.#segments = [Segment.create(this.#home, offset, this.#clock.now())];
    this.#directoryUnflushed = true;
  }

  #cutAt(offset: number): void {
    const index = this.#segmentIndexOf(offset);
    const segment = present(this.#segments[index], 'segment of the offset');
    const { position, header } = locateBatch(segment, this.#home, offset);
    this.#removeSegmentsFrom(index + 1);
    this.#logEndOffset = header.baseOffset;
    segment.truncateTo(position);
  }

  /** Newest first, so that a crash in between leaves a log without a hole. */
  #removeSegmentsFrom(index: number): void {
    while (this.#segments.length > index) {
      present(this.#segments.at(-1), 'last segment').removeFiles();
      this.#segments.pop();
      this.#home.store.flushDirectory(this.directory);
    }
  }

  /**
   * Takes out segments by log start offset, size and age, the oldest first, and returns how many. The active segment is
   * rolled when it is due itself. A log with a fault keeps everything.
   */
  applyRetention(nowMs: number): number {
    this.#assertOpen();
    if (this.#fault !== undefined) return 0;
    try {
      const count = Math.min(this.#countDue(nowMs), RETENTION_SEGMENTS_MAX);
      if (count === 0) return 0;
      if (count === this.#segments.length) this.#roll();
      for (let index = 0; index < count; index++) this.#deleteOldest(nowMs);
      return count;
    } catch (error) {
      if (error instanceof LogFault && error.code === 'ERR_CORRUPT_LOG') return 0;
      throw this.#fail(error);
    }
  }

  #countDue(nowMs: number): number {
    const { deletes, retentionBytes, retentionMs } = this.#home.config;
    let excessBytes = deletes && retentionBytes >= 0 ? this.sizeBytes - retentionBytes : Number.NEGATIVE_INFINITY;
    let count = 0;
    for (const segment of this.#segments) {
      const next = this.#segments[count + 1];
      excessBytes -= segment.sizeBytes;
      const isEmptyLast = next === undefined && segment.sizeBytes === 0;
      const belowStart = next !== undefined && next.baseOffset <= this.#logStartOffset;
      const tooMuch = excessBytes >= 0 && next !== undefined;
      if (isEmptyLast) break;
      if (!belowStart && !tooMuch && !(deletes && retentionMs >= 0 && this.#isOlder(segment, nowMs - retentionMs)))
        break;
      count += 1;
    }
    return count;
  }

  #isOlder(segment: Segment, timestamp: number): boolean {
    const largest = largestTimestampOf(segment, this.#home);
    if (segment !== this.#active) segment.releaseIndexFiles();
    return largest >= 0 && largest < timestamp;
  }

  /** One rename at a time reaches the disk, so that a crash never leaves a hole between segments. */
  #deleteOldest(nowMs: number): void {
    const segment = present(this.#segments[0], 'oldest segment');
    const next = present(this.#segments[1], 'segment behind the oldest');
    const paths = segment.renameToDeleted();
    this.#segments.shift();
    this.#deleted.push({ paths, atMs: nowMs });
    this.#hints = this.#hints.filter((hint) => hint.segment !== segment);
    this.#nextHint = this.#hints.length % HINTS_MAX;
    this.#home.store.flushDirectory(this.directory);
    if (next.baseOffset > this.#logStartOffset) this.#advanceLogStart(next.baseOffset);
  }

  /** Removes files that retention took out at least file.delete.delay.ms ago. */
  removeDeletedFiles(nowMs: number): void {
    this.#assertOpen();
    const delay = this.#home.config.fileDeleteDelayMs;
    while (this.#deleted.length > 0) {
      const oldest = present(this.#deleted[0], 'oldest deleted segment');
      if (nowMs - oldest.atMs < delay) return;
      for (const path of oldest.paths) this.#home.store.remove(path);
      this.#deleted.shift();
    }
  }

  /** Rolls the active segment when segment.ms have passed since its first append, or since it was opened with data. */
  rollIfDue(nowMs: number): void {
    this.#assertOpen();
    const active = this.#active;
    if (this.#fault !== undefined || active.sizeBytes === 0) return;
    if (nowMs - active.sinceMs <= this.#home.config.segmentMs) return;
    try {
      this.#roll();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  configure(config: LogConfig): void {
    this.#home.config = config;
  }

  /**
   * Flushes everything, indexes too, so that the next start reads no segment data. A log with a fault is closed as it
   * is, and recovered by the next open.
   */
  close(): void {
    if (this.#closed) return;
    try {
      if (this.#fault === undefined) this.#closeInOrder();
      else this.#forbidCleanStart();
    } finally {
      this.#release();
    }
  }

  #closeInOrder(): void {
    try {
      const active = this.#active;
      const writes = active.unflushed || active.indexesUnflushed || active.inspected;
      if (writes) active.seal();
      this.flushSync();
      active.flushIndexesSync();
      if (this.#directoryUnflushed) this.#flushDirectory();
    } catch (error) {
      this.#forbidCleanStart();
      throw this.#fail(error);
    }
  }

  /** Without its offset index the active segment is recovered, whatever the marker of a clean shutdown says. */
  #forbidCleanStart(): void {
    try {
      this.#active.release();
      this.#home.store.remove(this.#active.offsetIndex.path);
    } catch {
      // The first fault is the one to report.
    }
  }

  /** Closes the log and removes its directory. A crash in between leaves a name that the next start removes. */
  remove(): void {
    this.#release();
    const { store } = this.#home;
    const doomed = `${this.directory}.${this.#topicId}${DELETED_DIRECTORY_SUFFIX}`;
    store.rename(this.directory, doomed);
    store.flushDirectory(parentPath(this.directory));
    store.removeDirectory(doomed);
  }

  /** The segments, oldest first. */
  describe(): SegmentDescription[] {
    return this.#segments.map((segment) => ({
      path: segment.path,
      baseOffset: segment.baseOffset,
      endOffset: this.#endOffsetOf(segment),
      sizeBytes: segment.sizeBytes,
      offsetIndexEntries: segment.offsetIndex.count,
      timeIndexEntries: segment.timeIndex.count,
      damages: segment.damages,
    }));
  }

  get #active(): Segment {
    return present(this.#segments.at(-1), 'active segment');
  }

  #segmentIndexOf(offset: number): number {
    let low = 0;
    let high = this.#segments.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if (present(this.#segments[middle], 'segment').baseOffset <= offset) low = middle;
      else high = middle;
    }
    return low;
  }

  #segmentOf(offset: number): Segment {
    return present(this.#segments[this.#segmentIndexOf(offset)], 'segment of the offset');
  }

  #endOffsetOf(segment: Segment): number {
    const next = this.#segments[this.#segments.indexOf(segment) + 1];
    return next?.baseOffset ?? this.#logEndOffset;
  }

  /** Seals the active segment and begins one at the log end. Segments follow each other without a gap. */
  #roll(): void {
    const full = this.#active;
    if (full.sizeBytes === 0) return;
    full.seal();
    const next = Segment.create(this.#home, this.#logEndOffset, this.#clock.now());
    this.#directoryUnflushed = true;
    this.#segments.push(next);
    this.#tailChecked = true;
  }

  /** After a clean start, before the first append: the file ends where its last batch does, or it was changed since. */
  #checkTail(): void {
    const active = this.#active;
    if (active.sizeBytes > 0 && !active.endsWithBatchBefore(this.#logEndOffset)) {
      const where = `${active.path}: at offset ${this.#logEndOffset}, position ${active.lastBatchPosition}`;
      throw new LogFault('ERR_CORRUPT_LOG', `${where}: the file was changed after it had been closed`);
    }
    this.#tailChecked = true;
  }

  #assertOpen(): void {
    assert(!this.#closed, `${this.directory} is open`);
  }

  #assertWritable(): void {
    this.#assertOpen();
    const fault = this.#fault;
    if (fault === undefined) return;
    throw new LogFault('ERR_PARTITION_READ_ONLY', `${this.directory} is read-only: ${fault.message}`, fault);
  }

  /** What was appended before a failed append may still be flushed; nothing may after a failed flush. */
  #assertFlushable(): void {
    this.#assertOpen();
    if (this.#flushFailed) this.#assertWritable();
  }

  /** Keeps the first fault and returns the one to throw. Bugs pass through. */
  #fail(error: unknown): unknown {
    if (error instanceof LogFault) this.#fault ??= error;
    return error;
  }

  #release(): void {
    this.#closed = true;
    this.#hints = [];
    for (const segment of this.#segments) segment.release();
  }
}
