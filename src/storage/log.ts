// One partition's log: segments in ascending order, the last of them active. Synchronous but for `flush`; it belongs to
// one thread. It takes batches that were checked and stamped before, and knows nothing of producers or the wire.
// Files, crash policy and recovery: FORMAT.md.

import { assert, present } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import { RETENTION_SEGMENTS_MAX } from '../core/limits.ts';
import type { Clock } from '../core/platform.ts';
import { Compaction } from './cleaner.ts';
import { DELETED_DIRECTORY_SUFFIX, parentPath } from './file-names.ts';
import { LogAppender } from './log-appender.ts';
import type { LogConfig } from './log-config.ts';
import { type FlushScope, LogFlusher } from './log-flusher.ts';
import { type LoadedLog, loadLog } from './log-loader.ts';
import type { AppendInfo, LogOptions, ReadRequest, SegmentDescription } from './log-options.ts';
import { LogReader } from './log-reader.ts';
import { ProducerFiles } from './producer-files.ts';
import { type LeavingFiles, RemovedFiles } from './removed-files.ts';
import { countDue, totalBytes } from './retention.ts';
import { Segment, type SegmentHome } from './segment.ts';
import { describeSegment, removeSegmentsFrom, segmentIndexOf } from './segment-list.ts';
import { locateBatch } from './segment-read.ts';
import { findMaxTimestamp, findTimestamp, type TimestampedOffset } from './timestamps.ts';

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
  #fault: LogFault | undefined;
  #flushFailed = false;
  readonly #flusher: LogFlusher;
  readonly #removed: RemovedFiles;
  readonly reader: LogReader;
  /** What stands beside the batches for the sake of producers and their transactions. */
  readonly producers: ProducerFiles;
  /** For cleanup.policy=compact. */
  readonly compaction: Compaction;
  readonly #appender: LogAppender;
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
    this.#fault = loaded.fault;
    this.#appender = this.#createAppender(options, !loaded.trustsCleanEnd);
    this.reader = new LogReader(loaded.home, (offset) => this.#segmentOf(offset));
    this.#removed = new RemovedFiles(loaded.home, (error) => this.#fail(error));
    this.producers = new ProducerFiles(loaded, { segments: () => this.#segments, fail: (error) => this.#fail(error) });
    this.compaction = this.#createCompaction(options);
    this.#flusher = new LogFlusher(loaded.home, options.clock, {
      recoveryPoint: loaded.recoveryPoint,
      isBehind: loaded.logEndOffset > loaded.recoveryPoint,
      directoryUnflushed: loaded.created || !loaded.trustsCleanEnd,
      parentUnflushed: loaded.created,
      truncation: loaded.truncation,
    });
  }

  #createAppender({ clock, staging }: LogOptions, tailChecked: boolean): LogAppender {
    const log = {
      active: () => this.#active,
      logEndOffset: () => this.#logEndOffset,
      roll: () => this.#roll(),
      appended: (logEndOffset: number) => {
        this.#logEndOffset = logEndOffset;
        this.#flusher.noteAppend();
      },
    };
    return new LogAppender(this.#home, log, { clock, staging, tailChecked });
  }

  #createCompaction({ clock }: LogOptions): Compaction {
    const log = {
      segments: () => this.#segments,
      logStartOffset: () => this.#logStartOffset,
      logEndOffset: () => this.#logEndOffset,
      recoveryPoint: () => this.recoveryPoint,
      isReadOnly: () => this.#fault !== undefined || this.#closed,
      replace: (old: readonly Segment[], segment: Segment) => {
        const [first] = old;
        this.#segments.splice(first === undefined ? 0 : this.#segments.indexOf(first), old.length, segment);
        this.reader.forget();
      },
      retire: (files: LeavingFiles) => this.#removed.retire(files, clock.now()),
      fail: (error: unknown) => this.#fail(error),
    };
    return new Compaction(this.#home, log, { producers: this.producers, clock });
  }

  get logStartOffset(): number {
    return this.#logStartOffset;
  }

  get logEndOffset(): number {
    return this.#logEndOffset;
  }

  /** Everything below is on stable storage. */
  get recoveryPoint(): number {
    return this.#flusher.recoveryPoint;
  }

  /** Base offset of the next batch: the log end, but while batches are staged. */
  get nextOffset(): number {
    return this.#appender.nextOffset;
  }

  get sizeBytes(): number {
    return totalBytes(this.#segments);
  }

  /** The newest leader epoch that the log has batches of, or -1. */
  get latestEpoch(): number {
    return this.#home.epochs.latestEpoch;
  }

  get unflushedRecords(): number {
    return this.nextOffset - this.recoveryPoint;
  }

  /** Monotonic time of the first append that is not flushed; undefined when there is none. */
  get unflushedSinceMs(): number | undefined {
    return this.#flusher.unflushedSinceMs;
  }

  /** The first fault that made the log read-only. */
  get fault(): LogFault | undefined {
    return this.#fault;
  }

  /**
   * Appends one batch, already checked and stamped. When it returns the bytes are the operating system's. Throws
   * ERR_PARTITION_READ_ONLY after an earlier fault, and ERR_STORAGE or ERR_CORRUPT_LOG for the first one; the log is then as
   * before the call. `reserve`d scratch of the kernels may be overwritten, once the batch is safe.
   */
  append(batch: Uint8Array, info: AppendInfo): void {
    this.stage(batch, info, false);
    this.commit();
  }

  /**
   * As {@link append}, but the batch may wait for {@link commit}, to be written with those around it; till then nobody sees
   * it, and nothing but appends may be asked of the log. `stays`: its bytes are left alone meanwhile. Returns whether the
   * commit must come at once. After a throw nothing is staged, and of what was that stands in the log which is below its end.
   */
  stage(batch: Uint8Array, info: AppendInfo, stays: boolean): boolean {
    try {
      this.#assertWritable();
      return this.#appender.stage(batch, info, stays);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /** Writes what was staged with one write. After a throw the log is as before all of it. */
  commit(): void {
    try {
      this.#appender.commit();
    } catch (error) {
      throw this.#fail(error);
    }
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
    return this.reader.read(offset, { ...request, offsetEnd });
  }

  /** Where in a file the batches of a {@link read} lie. Undefined where they are to be read. Throws as that does. */
  range(request: Omit<ReadRequest, 'memory' | 'minOneBatch'>): ReturnType<LogReader['range']> {
    this.#assertOpen();
    if (request.offset < this.#logStartOffset) return undefined;
    return this.reader.range({ ...request, offsetEnd: Math.min(request.offsetEnd, this.#logEndOffset) });
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
    const first = segmentIndexOf(this.#segments, this.#logStartOffset);
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
    this.#assertFlushable();
    try {
      await this.#flusher.flush(this.#flushScope());
    } catch (error) {
      throw this.#failFlush(error);
    }
  }

  /** As {@link flush}, before it returns. */
  flushSync(): void {
    this.#assertFlushable();
    try {
      this.#flusher.flushSync(this.#flushScope());
    } catch (error) {
      throw this.#failFlush(error);
    }
  }

  #flushScope(): FlushScope {
    return { segments: this.#segments, logEndOffset: this.#logEndOffset };
  }

  #failFlush(error: unknown): unknown {
    if (error instanceof LogFault) this.#flushFailed = true;
    return this.#fail(error);
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
    this.#home.epochs.truncateFromStart(offset);
  }

  /**
   * Cuts the log so that it ends at `offset` or, where that lies inside a batch, at the batch's beginning. Cutting below
   * the log start empties the log, which then begins at `offset`.
   */
  truncateTo(offset: number): void {
    this.#assertWritable();
    assert(!this.#appender.hasStaged, 'nothing waits to be written');
    if (offset >= this.#logEndOffset) return;
    this.compaction.interrupt();
    this.#assertWritable();
    this.reader.forget();
    this.#appender.trustTail();
    try {
      this.#removed.finish();
      if (offset <= this.#logStartOffset) this.#restartAt(offset);
      else this.#cutAt(offset);
      this.#home.gaps.truncate(this.#logEndOffset);
      this.producers.truncateTo(this.#logEndOffset);
      this.#home.epochs.truncateFromEnd(this.#logEndOffset);
    } catch (error) {
      throw this.#fail(error);
    }
    this.#flusher.noteCut(this.#logEndOffset);
  }

  #restartAt(offset: number): void {
    this.#flusher.prepareCut(offset);
    this.#logEndOffset = offset;
    this.#logStartOffset = offset;
    removeSegmentsFrom(this.#segments, 0, this.#home);
    this.producers.forget();
    this.#segments = [Segment.create(this.#home, { baseOffset: offset, nowMs: this.#clock.now() })];
    this.#flusher.noteDirectoryChange();
  }

  #cutAt(offset: number): void {
    const index = segmentIndexOf(this.#segments, offset);
    const segment = present(this.#segments[index], 'segment of the offset');
    const { position, header } = locateBatch(segment, this.#home, offset);
    // The batch to go begins below the log start: nothing is left above it.
    if (header.baseOffset < this.#logStartOffset) {
      this.#restartAt(this.#logStartOffset);
      return;
    }
    this.#flusher.prepareCut(header.baseOffset);
    removeSegmentsFrom(this.#segments, index + 1, this.#home);
    this.#logEndOffset = header.baseOffset;
    segment.truncateTo(position);
    // Where compaction took out what was there, the log ends behind the last batch that is left.
    if (header.baseOffset > offset) this.#logEndOffset = segment.lastBatchEnd ?? segment.baseOffset;
  }

  /**
   * Takes out segments by log start offset, size and age, the oldest first, and returns how many. The active segment is
   * rolled when it is due itself. A log with a fault keeps everything.
   */
  applyRetention(nowMs: number): number {
    this.#assertOpen();
    if (this.#fault !== undefined) return 0;
    try {
      const scope = { segments: this.#segments, logStartOffset: this.#logStartOffset, nowMs };
      const count = Math.min(countDue(scope, this.#home), RETENTION_SEGMENTS_MAX);
      if (count === 0) return 0;
      this.compaction.interrupt();
      this.#assertWritable();
      if (count === this.#segments.length) this.#roll();
      for (let index = 0; index < count; index++) this.#deleteOldest(nowMs);
      return count;
    } catch (error) {
      if (error instanceof LogFault && error.code === 'ERR_CORRUPT_LOG') return 0;
      throw this.#fail(error);
    }
  }

  #deleteOldest(nowMs: number): void {
    const [segment, next] = this.#segments;
    assert(segment !== undefined && next !== undefined, 'the active segment stays');
    this.#removed.leave(segment.leave(this.producers.leave(next.baseOffset)), nowMs);
    this.#segments.shift();
    this.reader.forget();
    if (next.baseOffset > this.#logStartOffset) this.#advanceLogStart(next.baseOffset);
  }

  /** Removes files taken out at least file.delete.delay.ms ago. Throws what failed beside the log since the last call. */
  removeDeletedFiles(nowMs: number): void {
    this.#assertOpen();
    this.#removed.removeDue(nowMs, this.#home.config.fileDeleteDelayMs);
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
    if (!config.compacts) this.compaction.interrupt();
  }

  /**
   * Flushes everything, indexes too, so that the next start reads no segment data. A log with a fault is closed as it
   * is, and recovered by the next open.
   */
  close(): void {
    if (this.#closed) return;
    try {
      if (this.#fault === undefined) this.#closeInOrder();
      else this.#active.forbidCleanStart();
    } finally {
      this.#release();
    }
  }

  #closeInOrder(): void {
    const active = this.#active;
    try {
      this.#removed.finish();
      const writes = active.unflushed || active.indexesUnflushed || active.inspected || active.unsealed;
      if (writes) active.seal();
      this.flushSync();
      active.flushIndexesSync();
    } catch (error) {
      active.forbidCleanStart();
      throw this.#fail(error);
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
    return this.#segments.map((segment) => describeSegment(segment, this.#endOffsetOf(segment)));
  }

  get #active(): Segment {
    return present(this.#segments.at(-1), 'active segment');
  }

  #segmentOf(offset: number): Segment {
    return present(this.#segments[segmentIndexOf(this.#segments, offset)], 'segment of the offset');
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
    const next = Segment.create(this.#home, { baseOffset: this.#logEndOffset, nowMs: this.#clock.now() });
    this.#flusher.noteDirectoryChange();
    this.#segments.push(next);
    this.#appender.trustTail();
  }

  #assertOpen(): void {
    assert(!this.#closed, `${this.directory} is open`);
  }

  #assertWritable(): void {
    this.#assertOpen();
    const fault = this.#fault;
    if (fault !== undefined)
      throw new LogFault('ERR_PARTITION_READ_ONLY', `${this.directory} is read-only: ${fault.message}`, fault);
  }

  /** What was appended before a failed append may still be flushed; nothing may after a failed flush. */
  #assertFlushable(): void {
    this.#assertOpen();
    if (this.#flushFailed) this.#assertWritable();
  }

  /** Keeps the first fault and returns the one to throw; what was staged goes. Bugs pass through. */
  #fail(error: unknown): unknown {
    this.#appender.abandon();
    if (error instanceof LogFault) this.#fault ??= error;
    return error;
  }

  #release(): void {
    this.compaction.interrupt();
    this.#closed = true;
    this.#flusher.close();
    this.#removed.abandon();
    this.reader.forget();
    for (const segment of this.#segments) segment.release();
  }
}
