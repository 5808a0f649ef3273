// One segment of a log: its file, its two indexes and what is known of its content. It knows neither the segments beside
// it nor the log's end; log.ts decides when it is rolled, flushed, cut or removed.

import { BATCH_HEADER_BYTES } from '../../assembly/shared/batch-layout.ts';
import { OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES } from '../../assembly/shared/index-layout.ts';
import { present } from '../core/assert.ts';
import type { BatchCodecs } from '../core/compression.ts';
import type { Store, StoreFile } from '../core/platform.ts';
import { type BatchHeader, headerProblem, readBatchHeader, viewOf } from '../wasm/batch-header.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { RunBatch, RunSize } from './append-run.ts';
import type { EpochCheckpoint } from './epoch-checkpoint.ts';
import {
  joinPath,
  LOG_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  SEGMENT_SUFFIXES,
  segmentFileName,
  TIME_INDEX_SUFFIX,
  TRANSACTION_INDEX_SUFFIX,
} from './file-names.ts';
import type { LogConfig } from './log-config.ts';
import type { OffsetGaps } from './offset-gaps.ts';
import { type OffsetEntry, OffsetIndex } from './offset-index.ts';
import type { LeavingFiles } from './removed-files.ts';
import { type Damage, type ScanResult, scanBatches } from './segment-scan.ts';
import type { SpareFiles } from './spare-files.ts';
import { type TimeEntry, TimeIndex } from './time-index.ts';
import { TransactionIndex } from './transaction-index.ts';
import { VerifiedRanges } from './verified-ranges.ts';

/** What every segment of one log shares. */
export interface SegmentHome {
  readonly store: Store;
  readonly kernels: Kernels;
  readonly codecs: BatchCodecs | undefined;
  readonly directory: string;
  readonly epochs: EpochCheckpoint;
  readonly gaps: OffsetGaps;
  readonly spares: SpareFiles;
  config: LogConfig;
  /** Offset at which a segment's offsets end: the next segment's base offset, or the log end. */
  endOffsetOf(segment: Segment): number;
}

const RELATIVE_OFFSET_MAX = 0x7fff_ffff;
const NO_TIMESTAMP: TimeEntry = { timestamp: -1, offset: -1 };
const NO_DAMAGE: readonly Damage[] = [];

export class Segment {
  readonly baseOffset: number;
  /** Behind the names of all files, while compaction writes the segment; empty for the log's own. */
  suffix: string;
  readonly #home: SegmentHome;
  /** Log bytes that count; the file may be longer behind them after a failed write. */
  sizeBytes: number;
  /** The log file has bytes that are not known to be on stable storage. */
  unflushed = false;
  /** An asynchronous flush runs: what it covers is not on stable storage yet. */
  flushing = false;
  /** Bytes at and beyond were written by this process, or checked: no CRC is needed to serve them. */
  trustedFrom: number;
  damages: readonly Damage[] = NO_DAMAGE;
  /** Every batch was checked since the log was opened, and `damages` is complete. */
  inspected = false;
  /** Wall-clock time of the first append by this process, or of opening. */
  sinceMs: number;
  /** Timestamp of the first batch, for rolls; undefined when not known. */
  firstTimestamp: number | undefined;
  /** Largest timestamp of the batches and where it came in (last offset of its batch); undefined before it was read. */
  largest: TimeEntry | undefined;
  #indexChecked = false;
  #file: StoreFile | undefined;
  #offsetIndex: OffsetIndex | undefined;
  #timeIndex: TimeIndex | undefined;
  #transactionIndex: TransactionIndex | undefined;
  #verified: VerifiedRanges | undefined;
  #bytesSinceEntry = 0;
  #lastBatchPosition = -1;
  #lastBatchOffset = -1;
  /** Ranges of the log file that somebody else sends from: until they come back the file is not used for anything else. */
  lentRanges = 0;
  /** It is no part of the log any more: its files are not opened again. */
  hasLeft = false;
  /** Batches came in since the indexes were last given entries for the end. */
  unsealed = false;

  constructor(home: SegmentHome, place: { baseOffset: number; sizeBytes: number; nowMs: number }, suffix = '') {
    this.#home = home;
    this.suffix = suffix;
    this.baseOffset = place.baseOffset;
    this.sizeBytes = place.sizeBytes;
    this.trustedFrom = place.sizeBytes;
    this.sinceMs = place.nowMs;
    if (place.sizeBytes > 0) return;
    this.largest = NO_TIMESTAMP;
    this.inspected = true;
  }

  /** Creates the files of an empty segment; stale indexes in the way are removed. */
  static create(home: SegmentHome, place: { baseOffset: number; nowMs: number }, suffix = ''): Segment {
    const segment = new Segment(home, { ...place, sizeBytes: 0 }, suffix);
    for (const suffix of [OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX])
      home.store.remove(segment.pathOf(suffix));
    segment.#file = home.spares.create(segment.path);
    return segment;
  }

  /** Where the log's offsets may have gaps. */
  get gaps(): OffsetGaps {
    return this.#home.gaps;
  }

  get path(): string {
    return this.pathOf(LOG_SUFFIX);
  }

  get file(): StoreFile {
    this.#file ??= this.#home.store.open(this.path, { create: false });
    return this.#file;
  }

  get offsetIndex(): OffsetIndex {
    this.#offsetIndex ??= new OffsetIndex(this.#home, this.pathOf(OFFSET_INDEX_SUFFIX), this.baseOffset);
    return this.#offsetIndex;
  }

  get timeIndex(): TimeIndex {
    this.#timeIndex ??= new TimeIndex(this.#home, this.pathOf(TIME_INDEX_SUFFIX), this.baseOffset);
    return this.#timeIndex;
  }

  get transactionIndex(): TransactionIndex {
    this.#transactionIndex ??= new TransactionIndex(this.#home.store, this.pathOf(TRANSACTION_INDEX_SUFFIX));
    return this.#transactionIndex;
  }

  get verified(): VerifiedRanges {
    this.#verified ??= new VerifiedRanges();
    return this.#verified;
  }

  pathOf(suffix: string): string {
    return joinPath(this.#home.directory, segmentFileName(this.baseOffset, suffix)) + this.suffix;
  }

  /** Whether a batch needs a new segment, when `run` is written to this one before it. */
  isFullFor({ bytes, lastOffset, maxTimestamp }: RunBatch, run: RunSize): boolean {
    const sizeBytes = this.sizeBytes + run.bytes;
    if (sizeBytes === 0) return lastOffset - this.baseOffset > RELATIVE_OFFSET_MAX;
    const { segmentBytes, segmentMs, segmentIndexBytes } = this.#home.config;
    if (sizeBytes + bytes > segmentBytes || lastOffset - this.baseOffset > RELATIVE_OFFSET_MAX) return true;
    const first = this.firstTimestamp ?? run.firstTimestamp ?? -1;
    if (first >= 0 && maxTimestamp - first > segmentMs) return true;
    // At most an entry for each batch. The time index keeps one free, for the largest timestamp when it is sealed.
    const offsetIndexBytes = this.offsetIndex.sizeBytes + (run.count + 1) * OFFSET_ENTRY_BYTES;
    const timeIndexBytes = this.timeIndex.sizeBytes + (run.count + 2) * TIME_ENTRY_BYTES;
    return offsetIndexBytes > segmentIndexBytes || timeIndexBytes > segmentIndexBytes;
  }

  /** Makes sure that indexing the next batch, behind those of `run`, cannot fail any more. */
  prepareAppend(run: RunSize): void {
    if (this.sizeBytes === 0 && run.count === 0) this.#emptyIndexes();
    if (this.#bytesSinceEntry + run.bytes <= this.#home.config.indexIntervalBytes) return;
    // Filling the tails cannot fail once there is room in them.
    this.offsetIndex.makeRoom(run.count + 1);
    this.timeIndex.makeRoom(run.count + 1);
    this.timeIndex.last();
  }

  /** Entries beside an empty log are left over from something else. */
  #emptyIndexes(): void {
    if (this.offsetIndex.count > 0) this.offsetIndex.reset();
    if (this.timeIndex.count > 0) this.timeIndex.reset();
  }

  /** Appends to the file. After a throw the file is cut back as far as the store allows, and nothing was appended. */
  write(pieces: readonly Uint8Array[]): void {
    const [first] = pieces;
    try {
      if (pieces.length === 1 && first !== undefined) this.file.write(first, this.sizeBytes);
      else this.file.writeAll(pieces, this.sizeBytes);
    } catch (error) {
      this.#cutBack();
      throw error;
    }
    this.unflushed = true;
  }

  #cutBack(): void {
    try {
      this.file.truncate(this.sizeBytes);
    } catch {
      // The first failure is the one that is reported; reopening cuts the torn tail.
    }
  }

  /** Counts a batch that stands at the end of the segment, and indexes it where the interval is over. */
  note(header: { bytes: number; lastOffset: number; maxTimestamp: number; recordCount?: number }): void {
    const position = this.sizeBytes;
    let largest = present(this.largest, 'largest timestamp of a segment that grows');
    // A batch that compaction has emptied says when its producer wrote, and has no record of that time.
    if (header.maxTimestamp > largest.timestamp && header.recordCount !== 0) {
      largest = { timestamp: header.maxTimestamp, offset: header.lastOffset };
      this.largest = largest;
    }
    if (this.#bytesSinceEntry > this.#home.config.indexIntervalBytes) {
      this.offsetIndex.append(header.lastOffset, position);
      this.timeIndex.maybeAppend(largest.timestamp, largest.offset);
      this.#bytesSinceEntry = 0;
    }
    this.#bytesSinceEntry += header.bytes;
    this.firstTimestamp ??= header.maxTimestamp;
    this.#lastBatchPosition = position;
    this.#lastBatchOffset = header.lastOffset;
    this.unsealed = true;
    this.sizeBytes += header.bytes;
  }

  /** Takes up where a cleanly closed segment ended: its last batch, known from the index's last entry. */
  resume(lastBatch: OffsetEntry): void {
    this.#indexChecked = true;
    this.#lastBatchPosition = lastBatch.position;
    this.#lastBatchOffset = lastBatch.offset;
    this.#bytesSinceEntry = this.sizeBytes - lastBatch.position;
  }

  /** Offset behind the last batch, where that is known. */
  get lastBatchEnd(): number | undefined {
    return this.#lastBatchOffset < 0 ? undefined : this.#lastBatchOffset + 1;
  }

  get lastBatchPosition(): number {
    return this.#lastBatchPosition;
  }

  /** Whether the last batch ends the file and the offsets; also learns the first batch's timestamp. */
  endsWithBatchBefore(endOffset: number): boolean {
    const last = this.#headerAt(this.#lastBatchPosition);
    this.firstTimestamp ??= this.#headerAt(0)?.maxTimestamp;
    return (
      last !== undefined && last.lastOffset + 1 === endOffset && this.#lastBatchPosition + last.bytes === this.sizeBytes
    );
  }

  #headerAt(position: number): BatchHeader | undefined {
    const bytes = new Uint8Array(BATCH_HEADER_BYTES);
    const read = this.file.read(bytes, position);
    const view = viewOf(bytes);
    const sound = read === bytes.length && headerProblem(view, 0, this.sizeBytes - position) === undefined;
    return sound ? readBatchHeader(view, 0) : undefined;
  }

  /**
   * Checks every byte up to `end` and rebuilds both indexes from what is sound. The segment's size becomes the end of the
   * last sound batch, in memory alone.
   */
  inspect(end: number, epochs: 'check' | 'note'): ScanResult {
    this.#forget();
    const checked: { start: number; end: number } = { start: 0, end: 0 };
    const known = this.#home.epochs;
    const result = scanBatches({
      kernels: this.#home.kernels,
      file: this.file,
      from: 0,
      end,
      expectedOffset: this.baseOffset,
      gaps: this.gaps,
      epochAt: epochs === 'check' ? (offset) => known.expectedAt(offset) : undefined,
      onBatch: (header: BatchHeader, position: number) => {
        if (epochs === 'note') known.note(header.leaderEpoch, header.baseOffset);
        if (position !== checked.end) {
          this.verified.add(checked.start, checked.end);
          checked.start = position;
        }
        checked.end = position + header.bytes;
        this.sizeBytes = position;
        this.note(header);
      },
    });
    this.verified.add(checked.start, checked.end);
    this.sizeBytes = result.position;
    this.damages = result.damages;
    this.inspected = true;
    return result;
  }

  /**
   * Inspects a segment of a running log, whose size and end are given: what is not sound becomes damage, to the end. Also
   * the way in which a missing or broken index is rebuilt.
   */
  examine(): void {
    const size = this.sizeBytes;
    const endOffset = this.#home.endOffsetOf(this);
    const { tail, position, nextOffset } = this.#inspectOrRestore(size);
    this.sizeBytes = size;
    if (tail !== undefined || (nextOffset < endOffset && !this.gaps.allowAtEnd(nextOffset, endOffset))) {
      const reason = tail?.reason ?? 'the segment ends before the next one begins';
      this.damages = [...this.damages, { position, end: size, offset: nextOffset, nextOffset: endOffset, reason }];
    }
    this.seal();
  }

  /** A store that refuses to read leaves the segment as it was, but for entries that its indexes lack from now on. */
  #inspectOrRestore(size: number): ScanResult {
    const { largest, firstTimestamp, damages } = this;
    const end = { position: this.#lastBatchPosition, offset: this.#lastBatchOffset, bytes: this.#bytesSinceEntry };
    try {
      return this.inspect(size, 'check');
    } catch (error) {
      this.sizeBytes = size;
      this.largest = largest;
      this.firstTimestamp = firstTimestamp;
      this.damages = damages;
      this.#lastBatchPosition = end.position;
      this.#lastBatchOffset = end.offset;
      this.#bytesSinceEntry = end.bytes;
      throw error;
    }
  }

  /** Looks at the offset index once, and rebuilds it where it cannot be the index of this log file. */
  ensureIndex(): void {
    if (this.inspected || this.#indexChecked) return;
    this.#indexChecked = true;
    const last = this.offsetIndex.isWhole() ? this.offsetIndex.last() : undefined;
    const { indexIntervalBytes, maxMessageBytes } = this.#home.config;
    const unindexedMax = indexIntervalBytes + 2 * maxMessageBytes;
    const position = last?.position ?? 0;
    const sound = position >= 0 && position < this.sizeBytes && this.sizeBytes - position <= unindexedMax;
    if (this.sizeBytes > 0 && !sound) this.examine();
  }

  #forget(): void {
    this.offsetIndex.reset();
    this.timeIndex.reset();
    this.#verified = undefined;
    this.largest = NO_TIMESTAMP;
    this.#bytesSinceEntry = 0;
    this.#lastBatchPosition = -1;
    this.#lastBatchOffset = -1;
    this.firstTimestamp = undefined;
    this.sizeBytes = 0;
  }

  /** Cuts the file behind the bytes that count. */
  truncateFile(): void {
    this.file.truncate(this.sizeBytes);
    this.unflushed = true;
  }

  /**
   * Cuts the log at `position`, where a batch begins, on stable storage when it returns, and the indexes with it.
   * Everything is inspected again.
   */
  truncateTo(position: number): void {
    this.file.truncate(position);
    // Otherwise a power loss could bring back what was cut, between batches written later.
    this.file.flushSync();
    this.inspect(position, 'check');
    this.trustedFrom = position;
    this.unflushed = true;
  }

  /**
   * Writes out both indexes with an entry for the last batch and one for the largest timestamp: a later start then knows
   * the segment's end and its age without reading the log.
   */
  seal(): void {
    if (this.#lastBatchPosition >= 0) {
      const last = this.offsetIndex.last();
      if (last === undefined || last.offset < this.#lastBatchOffset) {
        this.offsetIndex.append(this.#lastBatchOffset, this.#lastBatchPosition);
        this.#bytesSinceEntry = this.sizeBytes - this.#lastBatchPosition;
      }
      if (this.largest !== undefined) this.timeIndex.maybeAppend(this.largest.timestamp, this.largest.offset);
    }
    this.offsetIndex.spill();
    this.timeIndex.spill();
    this.unsealed = false;
  }

  flushIndexesSync(): void {
    this.#offsetIndex?.flushSync(this.flushing);
    this.#timeIndex?.flushSync(this.flushing);
    this.#transactionIndex?.flushSync(this.flushing);
  }

  async flushIndexes(): Promise<void> {
    await Promise.all([this.#offsetIndex?.flush(), this.#timeIndex?.flush(), this.#transactionIndex?.flush()]);
  }

  get indexesUnflushed(): boolean {
    const sparse = this.#offsetIndex?.unflushed === true || this.#timeIndex?.unflushed === true;
    return sparse || this.#transactionIndex?.unflushed === true;
  }

  /** Gives up handles and index buffers. */
  release(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#offsetIndex?.release();
    this.#timeIndex?.release();
    this.#transactionIndex?.release();
    this.#offsetIndex = undefined;
    this.#timeIndex = undefined;
    this.#transactionIndex = undefined;
  }

  /** Gives up index handles that a look at the end of the index left open. */
  releaseIndexFiles(): void {
    this.#offsetIndex?.releaseFile();
    this.#timeIndex?.releaseFile();
    this.#transactionIndex?.release();
  }

  /** Without its offset index the active segment is recovered, whatever the marker of a clean shutdown says. */
  forbidCleanStart(): void {
    try {
      this.release();
      this.#home.store.remove(this.offsetIndex.path);
    } catch {
      // The first fault is the one to report.
    }
  }

  removeFiles(): void {
    this.hasLeft = true;
    this.release();
    for (const suffix of SEGMENT_SUFFIXES) this.#home.store.remove(this.pathOf(suffix));
  }

  /** Gives up handles; returns all files that may be there, and those beside. The log file goes before them, last of its own: no index is orphaned. */
  leave(beside: readonly string[] = []): LeavingFiles {
    this.hasLeft = true;
    this.release();
    return {
      paths: [...SEGMENT_SUFFIXES.toReversed().map((suffix) => this.pathOf(suffix)), ...beside],
      isLent: () => this.lentRanges > 0,
    };
  }
}
