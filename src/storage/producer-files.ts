// What stands beside a log's batches for the sake of producers: snapshots of their state, the index of aborted
// transactions, and the batches themselves, read again to make either anew. It knows no rule about producers.

import { ATTRIBUTE_CONTROL } from '../../assembly/shared/batch-layout.ts';
import { present } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import type { BatchHeader } from '../wasm/batch-header.ts';
import { RecordBatchDecoder } from '../wasm/record-batch-decoder.ts';
import type { LoadedLog } from './log-loader.ts';
import { decodeSnapshot, encodeSnapshot, type ProducerRecord } from './producer-snapshot.ts';
import type { Segment, SegmentHome } from './segment.ts';
import { type BatchPlace, HeaderWalk, locateBatch, readBatches } from './segment-read.ts';
import type { SnapshotFiles } from './snapshot-files.ts';
import type { AbortedEntry } from './transaction-index.ts';

export interface ProducerSnapshot {
  /** The records tell of every batch below. */
  readonly offset: number;
  readonly records: readonly ProducerRecord[];
}

/** A batch of a producer that has an id. */
export interface ReplayedBatch {
  readonly header: BatchHeader;
  readonly isControl: boolean;
  /** The first record of a control batch; undefined for data, and where compaction has emptied the batch. */
  readonly control: { readonly key: Uint8Array | null; readonly value: Uint8Array | null } | undefined;
}

/** What the files need of the log that they belong to. */
export interface ProducerFilesLog {
  segments(): readonly Segment[];
  /** Makes the log read-only and returns the error to throw. */
  fail(error: unknown): unknown;
}

export class ProducerFiles {
  /** Recovery has read the log from this base offset on; its end where it had nothing to read. */
  readonly inspectedFrom: number;
  readonly #home: SegmentHome;
  readonly #snapshots: SnapshotFiles;
  readonly #log: ProducerFilesLog;

  constructor(loaded: LoadedLog, log: ProducerFilesLog) {
    this.inspectedFrom = loaded.inspectedFrom;
    this.#home = loaded.home;
    this.#snapshots = loaded.snapshots;
    this.#log = log;
    if (!loaded.trustsCleanEnd) this.truncateTo(loaded.logEndOffset);
  }

  /** Where the newest segment begins. */
  get activeBaseOffset(): number {
    return present(this.#segments().at(-1), 'active segment').baseOffset;
  }

  #segments(): readonly Segment[] {
    return this.#log.segments();
  }

  /** The newest sound snapshot at or below `offsetMax`. Broken ones on the way are removed. */
  newestSnapshot(offsetMax: number): ProducerSnapshot | undefined {
    for (const offset of this.#snapshots.offsets.toReversed()) {
      if (offset > offsetMax) continue;
      const content = this.#snapshots.read(offset);
      const records = content === undefined ? undefined : decodeSnapshot(this.#home.kernels, content);
      if (records !== undefined) return { offset, records };
      this.#snapshots.remove((each) => each === offset);
    }
    return undefined;
  }

  /**
   * Writes the snapshot of `offset`, and removes those that stand neither at a segment's beginning nor there: they were
   * written when the log was closed. A `durable` one is on stable storage when it returns.
   */
  writeSnapshot(offset: number, records: readonly ProducerRecord[], durable: boolean): void {
    this.#snapshots.write(offset, encodeSnapshot(this.#home.kernels, records), durable);
    const bases = new Set(this.#segments().map((segment) => segment.baseOffset));
    this.#snapshots.remove((each) => each !== offset && !bases.has(each));
  }

  /** Removes the snapshots that `isStale` names by offset and content, for good. Broken ones are left. */
  removeSnapshots(isStale: (offset: number, records: readonly ProducerRecord[]) => boolean): void {
    const stale = this.#snapshots.offsets.filter((offset) => {
      const content = this.#snapshots.read(offset);
      const records = content === undefined ? undefined : decodeSnapshot(this.#home.kernels, content);
      return records !== undefined && isStale(offset, records);
    });
    this.#snapshots.remove((offset) => stale.includes(offset));
  }

  /** The log was cut: what tells of offsets at or behind its new end goes. */
  truncateTo(logEndOffset: number): void {
    this.#snapshots.remove((offset) => offset > logEndOffset);
    this.#segments().at(-1)?.transactionIndex.truncateTo(logEndOffset);
  }

  /** The log begins anew, with nothing known. */
  forget(): void {
    this.#snapshots.remove(() => true);
  }

  /** Forgets the snapshots of segments that end at or below `offset`; returns their paths. */
  leave(offset: number): string[] {
    return this.#snapshots.leave(offset);
  }

  /**
   * Enters an aborted transaction whose marker was appended just now, or is being read again. Throws ERR_STORAGE, after
   * which the log is read-only.
   */
  appendAborted(entry: AbortedEntry): void {
    try {
      this.#segmentOf(entry.lastOffset).transactionIndex.append(entry);
    } catch (error) {
      throw this.#log.fail(error);
    }
  }

  /** Drops every entry whose marker stands at `offset` or behind it. */
  truncateAborted(offset: number): void {
    for (const segment of this.#segments()) {
      if (this.#home.endOffsetOf(segment) <= offset) continue;
      // A damaged index may name offsets that are not its segment's: what is to be made anew begins empty.
      if (segment.baseOffset >= offset) segment.transactionIndex.reset();
      else segment.transactionIndex.truncateTo(offset);
    }
  }

  /** Whether any transaction that ended at `offset` or behind it may have been aborted. */
  mayHaveAborted(offset: number): boolean {
    const segments = this.#segments();
    for (let index = segments.length - 1; index >= 0; index--) {
      const segment = present(segments[index], 'segment');
      if (segment.transactionIndex.count > 0) return true;
      if (segment.baseOffset <= offset) return false;
    }
    return false;
  }

  /** Base offset of the first segment from `offset` on whose transaction index cannot be right. */
  unsoundFrom(offset: number): number | undefined {
    for (const segment of this.#segments()) {
      const end = this.#home.endOffsetOf(segment);
      if (end > offset && !segment.transactionIndex.isSound(segment.baseOffset, end)) return segment.baseOffset;
    }
    return undefined;
  }

  /** The aborted transactions that overlap with [from, end), by rising first offset. */
  aborted(range: { readonly from: number; readonly end: number }): AbortedEntry[] {
    const found: AbortedEntry[] = [];
    for (const segment of this.#segments()) {
      if (this.#home.endOffsetOf(segment) <= range.from) continue;
      if (segment.transactionIndex.collect(range, found)) break;
    }
    return found.sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** The batches of producers with an id from `from` on, in order. What is damaged is left out. */
  *replay(from: number): Generator<ReplayedBatch, void, undefined> {
    for (const segment of this.#segments()) {
      if (this.#home.endOffsetOf(segment) > from) yield* this.#replaySegment(segment, from);
    }
  }

  *#replaySegment(segment: Segment, from: number): Generator<ReplayedBatch, void, undefined> {
    let next = from;
    let start = this.#startOf(segment, from);
    for (;;) {
      const { inspected } = segment;
      const walk = new HeaderWalk(segment, start);
      let end = start.position;
      for (let place = walk.next(); place !== undefined; place = walk.next()) {
        end = place.position + place.header.bytes;
        if (place.header.baseOffset < next) continue;
        next = place.header.lastOffset + 1;
        if (place.header.producerId >= 0) yield this.#replayed(segment, place);
      }
      if (end === segment.sizeBytes || inspected) return;
      // What stopped the walk becomes damage, which the next one goes around.
      if (!segment.inspected) segment.examine();
      start = { position: 0, offset: segment.baseOffset };
    }
  }

  #startOf(segment: Segment, from: number): { position: number; offset: number } {
    const beginning = { position: 0, offset: segment.baseOffset };
    if (from <= segment.baseOffset) return beginning;
    try {
      const { position, header } = locateBatch(segment, this.#home, from);
      return { position, offset: header.baseOffset };
    } catch (error) {
      if (error instanceof LogFault && error.code === 'ERR_CORRUPT_LOG') return beginning;
      throw error;
    }
  }

  #replayed(segment: Segment, place: BatchPlace): ReplayedBatch {
    const { header } = place;
    const isControl = (header.attributes & ATTRIBUTE_CONTROL) !== 0;
    return { header, isControl, control: isControl ? this.#control(segment, place) : undefined };
  }

  #control(segment: Segment, { position, header }: BatchPlace): ReplayedBatch['control'] {
    const limits = { maxBytes: header.bytes, minOneBatch: true, offsetEnd: header.lastOffset + 1 };
    const read = readBatches(segment, this.#home, { position, baseOffset: header.baseOffset, ...limits });
    if (read === undefined) return undefined;
    const decoder = new RecordBatchDecoder(this.#home.kernels);
    for (const batch of decoder.batches(read.bytes, { checkCrc: false })) return batch.records()[0];
    return undefined;
  }

  #segmentOf(offset: number): Segment {
    const segments = this.#segments();
    let index = segments.length - 1;
    while (index > 0 && present(segments[index], 'segment').baseOffset > offset) index -= 1;
    return present(segments[index], 'segment of a marker');
  }
}
