// Log compaction (cleanup.policy=compact): keeps the last record of every key. It says when a log is due, and does one
// round at a time in small steps: reads what is new and notes the last offset of each key, then goes through the whole
// log from its beginning and writes segments that hold what stays. Readers see a segment as it was until the new one has
// taken its place. It decides neither when a step runs nor how fast: whoever has the thread does.

import { ATTRIBUTE_CONTROL } from '../../assembly/shared/batch-layout.ts';
import { present } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import { CLEANER_GROUP_SEGMENTS_MAX, CLEANER_RECORDS_PER_STEP } from '../core/limits.ts';
import type { Clock } from '../core/platform.ts';
import { BatchFilter, type LastOfProducers, loadRecords, markerKindOf } from './cleaner-filter.ts';
import { KeyOffsetMap } from './cleaner-offset-map.ts';
import { CleanedSegment, settle } from './cleaner-output.ts';
import { BatchRecords } from './cleaner-records.ts';
import { SegmentSource } from './cleaner-source.ts';
import { CleanedTransactions } from './cleaner-transactions.ts';
import type { ProducerFiles } from './producer-files.ts';
import type { LeavingFiles } from './removed-files.ts';
import type { Segment, SegmentHome } from './segment.ts';
import { HeaderWalk } from './segment-read.ts';
import { largestTimestampOf } from './timestamps.ts';

const RELATIVE_OFFSET_MAX = 0x7fff_ffff;
/** A record takes at least this much of a log, so no more keys can come out of so many bytes. */
const KEYED_RECORD_BYTES_MIN = 8;
/** Unless it is compressed. */
const COMPRESSION_FACTOR = 16;

/** What compaction needs of the log that it works on. */
export interface CompactedLog {
  segments(): readonly Segment[];
  logStartOffset(): number;
  logEndOffset(): number;
  recoveryPoint(): number;
  isReadOnly(): boolean;
  /** Puts `segment` in the place of these, which follow each other. */
  replace(old: readonly Segment[], segment: Segment): void;
  /** Files that are out of sight and to be removed later. */
  retire(files: LeavingFiles): void;
  /** Makes the log read-only and returns the error to throw. */
  fail(error: unknown): unknown;
}

/** What only the partition knows. */
export interface CleanerBounds {
  readonly nowMs: number;
  /** No record at or behind it is touched: the last stable offset. */
  readonly stableEnd: number;
}

export interface Assessment {
  /** Part of the log, without what cannot be cleaned yet, that is new since the last round. */
  readonly dirtyRatio: number;
  /** Whether a round is to be begun, as soon as what it covers is flushed. */
  readonly isDue: boolean;
  readonly needsFlush: boolean;
}

/** Between two steps: bytes that were read or written, or something to wait for. */
export type CleanStep = { readonly bytes: number } | { readonly wait: Promise<unknown> };

export interface RoundResult {
  /** The log changed its segments meanwhile, or cannot be cleaned any more; what was done so far holds. */
  readonly interrupted: boolean;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

const NOT_DUE: Assessment = { dirtyRatio: 0, isDue: false, needsFlush: false };

interface Plan {
  readonly firstDirtyOffset: number;
  /** Behind the last segment that may be cleaned. */
  readonly end: number;
  /** From the beginning of the log to there. */
  readonly segments: readonly Segment[];
  readonly dirty: readonly Segment[];
}

export class Compaction {
  readonly #home: SegmentHome;
  readonly #log: CompactedLog;
  readonly #producers: ProducerFiles;
  readonly #records: BatchRecords;
  #round = 0;
  #output: CleanedSegment | undefined;
  /** The rest of a swap whose new segment is in the log already. */
  #settling: Generator<void, void, void> | undefined;

  constructor(
    home: SegmentHome,
    log: CompactedLog,
    tools: { readonly producers: ProducerFiles; readonly clock: Clock },
  ) {
    this.#home = home;
    this.#log = log;
    this.#producers = tools.producers;
    this.#records = new BatchRecords(home.kernels, secretOf(tools.clock));
  }

  /** Whether a round is due, by min.cleanable.dirty.ratio and max.compaction.lag.ms. Throws LogFault. */
  assess(bounds: CleanerBounds): Assessment {
    if (!this.#mayClean()) return NOT_DUE;
    const { dirty, segments, end } = this.#plan(bounds);
    const dirtyBytes = totalBytes(dirty);
    if (dirtyBytes === 0) return NOT_DUE;
    const dirtyRatio = dirtyBytes / totalBytes(segments);
    const isDue = dirtyRatio > this.#home.config.minCleanableDirtyRatio || this.#isLate(dirty, bounds.nowMs);
    const flushed = end <= this.#log.recoveryPoint() && segments.every((each) => !each.unflushed && !each.flushing);
    return { dirtyRatio, isDue, needsFlush: isDue && !flushed };
  }

  #mayClean(): boolean {
    const { config } = this.#home;
    return config.compacts && config.cleaner.enabled && !this.#log.isReadOnly() && this.#log.segments().length > 1;
  }

  /** Whole segments below the active one and the last stable offset, but for those that are too young. */
  #plan({ nowMs, stableEnd }: CleanerBounds): Plan {
    const { minCompactionLagMs } = this.#home.config;
    const firstDirtyOffset = this.#firstDirtyOffset();
    const segments: Segment[] = [];
    for (const segment of this.#log.segments().slice(0, -1)) {
      const end = this.#home.endOffsetOf(segment);
      if (end > stableEnd) break;
      const young = minCompactionLagMs > 0 && end > firstDirtyOffset;
      if (young && largestTimestampOf(segment, this.#home) > nowMs - minCompactionLagMs) break;
      segments.push(segment);
    }
    const dirty = segments.filter((segment) => this.#home.endOffsetOf(segment) > firstDirtyOffset);
    const last = segments.at(-1);
    return { firstDirtyOffset, segments, dirty, end: last === undefined ? 0 : this.#home.endOffsetOf(last) };
  }

  /** As it was noted, unless the log has moved since. */
  #firstDirtyOffset(): number {
    const { firstDirtyOffset } = this.#home.gaps;
    const start = this.#log.logStartOffset();
    return firstDirtyOffset < start || firstDirtyOffset > this.#log.logEndOffset() ? start : firstDirtyOffset;
  }

  #isLate(dirty: readonly Segment[], nowMs: number): boolean {
    const { maxCompactionLagMs } = this.#home.config;
    if (maxCompactionLagMs >= nowMs) return false;
    return dirty.some((segment) => {
      segment.firstTimestamp ??= new HeaderWalk(segment, {
        position: 0,
        offset: undefined,
      }).next()?.header.maxTimestamp;
      const timestamp = segment.firstTimestamp ?? -1;
      return timestamp > 0 && timestamp < nowMs - maxCompactionLagMs;
    });
  }

  /**
   * Ends the round that is under way: segments are about to go, or the log closes. A swap that cannot be carried to its
   * end makes the log read-only.
   */
  interrupt(): void {
    this.#round += 1;
    const [output, settling] = [this.#output, this.#settling];
    this.#output = undefined;
    this.#settling = undefined;
    try {
      output?.discard();
      // The new segment holds already. What cannot be finished makes the log read-only, and the next open finishes it.
      for (let isDone = settling === undefined; !isDone; ) isDone = settling?.next().done === true;
    } catch (error) {
      // Files that cannot be removed are removed by the next open: none of them has taken anything's place.
      if (!(error instanceof LogFault)) throw error;
    }
  }

  /**
   * One round. `lastOfProducers` is asked for every new segment. Throws LogFault: the log is then as it was, or
   * read-only where files could not be put in their places.
   */
  *clean(bounds: CleanerBounds, lastOfProducers: () => LastOfProducers): Generator<CleanStep, RoundResult, void> {
    this.interrupt();
    const round = this.#round;
    const plan = this.#plan(bounds);
    const bytesBefore = totalBytes(plan.segments);
    let bytesAfter = 0;
    const result = (interrupted: boolean): RoundResult => ({ interrupted, bytesBefore, bytesAfter });
    const isOver = () => this.#round !== round || !this.#mayClean();
    try {
      const { map, mapEnd } = yield* this.#fillMap(plan, isOver);
      if (isOver()) return result(true);
      this.#forgetOpenTransactions(mapEnd);
      const cleaned = plan.segments.filter((segment) => segment.baseOffset < mapEnd);
      const transactions = new CleanedTransactions();
      const { config, kernels, codecs } = this.#home;
      const { deleteRetentionMs } = config;
      const [records, { nowMs }] = [this.#records, bounds];
      const filter = new BatchFilter({ kernels, records, codecs, map, mapEnd, nowMs, deleteRetentionMs, transactions });
      for (let next = 0; next < cleaned.length; ) {
        const tools = { filter, transactions, lastOfProducers, isOver, nowMs };
        const { group, output } = yield* this.#writeGroup(cleaned.slice(next), tools);
        if (isOver()) return result(true);
        next += group.length;
        bytesAfter += output?.sizeBytes ?? totalBytes(group);
        if (output === undefined) yield NO_BYTES;
        else yield* this.#swap(output, group, isOver);
        if (isOver()) return result(true);
      }
      this.#home.gaps.advance(mapEnd);
      return result(false);
    } finally {
      if (this.#round === round) this.interrupt();
    }
  }

  /** Notes the last offset of every key from the first dirty offset on, as far as there is room. */
  *#fillMap(plan: Plan, isOver: () => boolean): Generator<CleanStep, { map: KeyOffsetMap; mapEnd: number }, void> {
    const { dedupeBufferBytes, loadFactor } = this.#home.config.cleaner;
    const density = this.#home.codecs === undefined ? 1 : COMPRESSION_FACTOR;
    // Every record has an offset of its own, too. Each slot that is not needed is memory that is touched for nothing.
    const keysMax = Math.min(
      (totalBytes(plan.dirty) * density) / KEYED_RECORD_BYTES_MIN,
      plan.end - plan.firstDirtyOffset,
    );
    const map = new KeyOffsetMap({ budgetBytes: dedupeBufferBytes, loadFactor, keysMax });
    const transactions = new CleanedTransactions();
    const records = this.#records;
    for (const [index, segment] of plan.dirty.entries()) {
      this.#addAborted(transactions, segment, index === 0);
      const source = new SegmentSource(segment, { records, epochs: this.#home.epochs });
      for (;;) {
        yield* preparing(source, isOver);
        const batch = isOver() ? undefined : source.next();
        if (batch === undefined) break;
        const { header } = batch;
        yield { bytes: header.bytes };
        if (isOver()) break;
        if ((header.attributes & ATTRIBUTE_CONTROL) !== 0) {
          const kind = markerKindOf(records, batch);
          if (kind !== undefined) transactions.noteMarker(header, kind);
          continue;
        }
        const isAborted = transactions.noteBatch(header);
        if (isAborted || header.lastOffset < plan.firstDirtyOffset || header.recordCount === 0) continue;
        if (!loadRecords(records, this.#home.codecs, batch)) continue;
        for (let record = 0; record < records.count; record++) {
          const offset = header.baseOffset + records.offsetDelta(record);
          if (!records.hasKey(record) || offset < plan.firstDirtyOffset) continue;
          if (!map.put(records.hashes, 4 * record, offset)) return { map, mapEnd: offset };
          if (record % CLEANER_RECORDS_PER_STEP !== CLEANER_RECORDS_PER_STEP - 1) continue;
          yield NO_BYTES;
          if (isOver()) break;
        }
      }
      if (isOver()) return { map, mapEnd: plan.firstDirtyOffset };
    }
    return { map, mapEnd: plan.end };
  }

  /** The aborted transactions that begin in the segment, or have begun before the first one. */
  #addAborted(transactions: CleanedTransactions, segment: Segment, isFirst: boolean): void {
    const from = segment.baseOffset;
    const entries = this.#producers.aborted({ from, end: this.#home.endOffsetOf(segment) });
    transactions.add(isFirst ? entries : entries.filter((entry) => entry.firstOffset >= from));
  }

  /**
   * A snapshot tells of transactions that were open at its offset. Compaction may take the marker of one away, and then
   * nothing would end it if its snapshot were used: it goes before.
   */
  #forgetOpenTransactions(end: number): void {
    this.#producers.removeSnapshots(
      (offset, records) => offset < end && records.some((each) => each.transactionStart >= 0),
    );
  }

  /**
   * Writes what stays of the first of these segments and of as many behind it as fit into one; tells how many. No output
   * where all of it stays, or the round is over.
   */
  *#writeGroup(segments: readonly Segment[], tools: GroupTools): Generator<CleanStep, CleanedGroup, void> {
    const { filter, transactions, lastOfProducers, isOver, nowMs } = tools;
    const output = new CleanedSegment(this.#home, { baseOffset: present(segments[0], 'segment').baseOffset, nowMs });
    this.#output = output;
    const producers = lastOfProducers();
    const group: Segment[] = [];
    let changed = false;
    for (const segment of segments) {
      group.push(segment);
      this.#addAborted(transactions, segment, segment === this.#log.segments()[0]);
      const markers = this.#abortMarkers(segment);
      const source = new SegmentSource(segment, { records: this.#records, epochs: this.#home.epochs });
      let isLast = false;
      for (;;) {
        yield* preparing(source, isOver);
        const batch = isOver() ? undefined : source.next();
        if (batch === undefined) break;
        let bytes = batch.header.bytes;
        isLast = source.isAtEnd && !this.#fits(group, segments[group.length], output.sizeBytes + bytes);
        const kept = yield* between(filter.apply(batch, producers, isLast));
        if (isOver()) break;
        if (kept !== batch.bytes) changed = true;
        if (kept !== undefined) {
          bytes += output.append(kept);
          yield* writingBehind(output, isOver);
          if (isOver()) break;
        }
        const marker = kept === undefined ? undefined : markers.get(batch.header.lastOffset);
        if (marker !== undefined) output.appendAborted(marker);
        yield { bytes };
        if (isOver()) break;
      }
      if (isOver()) return { group, output: undefined };
      if (isLast) break;
    }
    if (output.sizeBytes === 0 || (!changed && group.length === 1)) {
      this.#output = undefined;
      output.discard();
      return { group, output: undefined };
    }
    yield { wait: output.finish() };
    return { group, output };
  }

  /** Whether one more segment may join: by what it has now, of which less will be left. */
  #fits(group: readonly Segment[], next: Segment | undefined, outputBytes: number): boolean {
    const [first, last] = [group[0], group.at(-1)];
    if (next === undefined || first === undefined || last === undefined) return false;
    const { segmentBytes, segmentIndexBytes } = this.#home.config;
    let [offsetIndexBytes, timeIndexBytes] = [0, 0];
    for (const segment of [...group, next]) {
      offsetIndexBytes += segment.offsetIndex.sizeBytes;
      timeIndexBytes += segment.timeIndex.sizeBytes;
      segment.releaseIndexFiles();
    }
    return (
      outputBytes + next.sizeBytes <= segmentBytes &&
      Math.max(offsetIndexBytes, timeIndexBytes) <= segmentIndexBytes &&
      this.#home.endOffsetOf(next) - first.baseOffset <= RELATIVE_OFFSET_MAX &&
      group.length < CLEANER_GROUP_SEGMENTS_MAX
    );
  }

  #abortMarkers(segment: Segment) {
    const [from, end] = [segment.baseOffset, this.#home.endOffsetOf(segment)];
    const entries = this.#producers.aborted({ from, end }).filter(({ lastOffset }) => lastOffset < end);
    return new Map(entries.map((entry) => [entry.lastOffset, entry]));
  }

  /** Puts the new segment in the place of the old ones: cleaner-output.ts. From its step 2 on it is carried to its end. */
  *#swap(output: CleanedSegment, old: readonly Segment[], isOver: () => boolean): Generator<CleanStep, void, void> {
    this.#home.gaps.prepare(this.#home.endOffsetOf(present(old.at(-1), 'segment of a group')));
    output.flushNames();
    yield NO_BYTES;
    if (isOver()) return;
    this.#output = undefined;
    this.#enter(output);
    const segment = output.take();
    this.#log.replace(old, segment);
    const settling = this.#settle(segment, old);
    this.#settling = settling;
    do {
      yield NO_BYTES;
      if (isOver()) return;
    } while (settling.next().done !== true);
    this.#settling = undefined;
  }

  #enter(output: CleanedSegment): void {
    try {
      output.enter();
    } catch (error) {
      try {
        output.discard();
      } catch {
        // The next open may find the new segment whole and take it: nothing may be written until then.
        throw this.#log.fail(error);
      }
      throw error;
    }
  }

  /** Steps 3 and 4, a segment's files at a time. */
  *#settle(segment: Segment, old: readonly Segment[]): Generator<void, void, void> {
    const { store, directory } = this.#home;
    try {
      for (const each of old) {
        this.#log.retire(each.leave());
        yield;
      }
      store.flushDirectory(directory);
      yield;
      settle(this.#home, segment);
    } catch (error) {
      throw this.#log.fail(error);
    }
  }
}

const NO_BYTES: CleanStep = { bytes: 0 };

/** Reads a large batch in parts; one that is small takes no step. */
function* preparing(source: SegmentSource, isOver: () => boolean): Generator<CleanStep, void, void> {
  while (!isOver() && source.prepare()) yield NO_BYTES;
}

function* writingBehind(output: CleanedSegment, isOver: () => boolean): Generator<CleanStep, void, void> {
  for (let bytes = output.writeBehind(); bytes > 0; bytes = output.writeBehind()) {
    yield { bytes };
    if (isOver()) return;
  }
}

/** Steps that move no bytes, and what they come to. */
function* between<T>(steps: Generator<void, T, void>): Generator<CleanStep, T, void> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    yield NO_BYTES;
  }
}

/** So that nobody outside can know which keys share a hash. */
function secretOf(clock: Clock): Uint8Array {
  return new Uint8Array(new Float64Array([clock.monotonic() + Math.PI, clock.now() * Math.E]).buffer);
}

interface CleanedGroup {
  readonly group: readonly Segment[];
  readonly output: CleanedSegment | undefined;
}

interface GroupTools {
  readonly filter: BatchFilter;
  readonly transactions: CleanedTransactions;
  readonly lastOfProducers: () => LastOfProducers;
  readonly isOver: () => boolean;
  readonly nowMs: number;
}

function totalBytes(segments: readonly Segment[]): number {
  let bytes = 0;
  for (const segment of segments) bytes += segment.sizeBytes;
  return bytes;
}
