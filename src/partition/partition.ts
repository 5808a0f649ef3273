// One partition's state machine over its log: checks and stamps what comes in, bounds what goes out, fences readers by
// leader epoch. Single-threaded and synchronous; it knows neither threads nor the wire protocol.

import { STATUS_OK } from '../../assembly/shared/status.ts';
import { assert, present } from '../core/assert.ts';
import type { BatchCodecs } from '../core/compression.ts';
import { type FaultRecord, LogFault } from '../core/fault.ts';
import type { Clock } from '../core/platform.ts';
import type { Assessment, CleanerBounds, CleanStep, RoundResult } from '../storage/cleaner.ts';
import type { Log } from '../storage/log.ts';
import type { LogConfig } from '../storage/log-config.ts';
import type { ReadLimits } from '../storage/segment-read.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { RecordBatchEncoder } from '../wasm/record-batch-encoder.ts';
import { producerRefusal, type Refusal, statusRefusal, timeRefusal } from './batch-check.ts';
import { BatchContent } from './batch-content.ts';
import {
  type AppendOrigin,
  type AppendReply,
  type DeleteRecordsReply,
  type DescribeProducersReply,
  type EpochEndCommand,
  type EpochEndReply,
  type ListOffsetCommand,
  type ListOffsetReply,
  type PartitionOutcome,
  type PartitionRead,
  type PartitionState,
  type ReadReply,
  readEnd,
  SPECIAL_TIMESTAMPS,
  type WriteMarkerCommand,
} from './commands.ts';
import { PartitionProducers } from './partition-producers.ts';
import type { BatchStanding, DuplicateBatch, Marker, ProducerBatch, ProducerVerdict } from './producer-state.ts';
import { giveBack, NO_RANGE, type ReadPlaces, readTo } from './read-places.ts';
import { encodeMarker } from './transaction-marker.ts';

const NO_RECORDS = new Uint8Array(0);
/** What Kafka answers where an epoch or an offset is not known (OffsetForLeaderEpoch). */
const UNDEFINED_EPOCH = -1;
const UNDEFINED_OFFSET = -1;

export interface PartitionOptions {
  readonly kernels: Kernels;
  readonly clock: Clock;
  readonly config: LogConfig;
  readonly leaderEpoch: number;
  /** For reading and converting compressed batches; without them they pass unread. */
  readonly codecs?: BatchCodecs | undefined;
}

/** Compaction tells records apart by their keys. */
const KEYLESS: Refusal = { outcome: 'invalid-record', message: 'a compacted topic takes no record without a key' };

/** What is written, as far as producers go: a batch of one with an id, a coordinator's marker, or neither. */
type Written = ProducerBatch | Marker | undefined;

/** Where a batch comes from. */
export interface BatchSource {
  readonly origin: AppendOrigin;
  /** Its bytes are left alone until the partition is settled. */
  readonly stays: boolean;
}

/** A checked batch on its way into the log. */
interface LogEntry {
  readonly nowMs: number;
  readonly written: Written;
  readonly stays: boolean;
}

/** The reply to an append that is staged; what becomes of it is entered later. */
type StagedReply = { -readonly [Key in keyof AppendReply]: AppendReply[Key] };

export class Partition {
  readonly log: Log;
  readonly #kernels: Kernels;
  readonly #clock: Clock;
  readonly #leaderEpoch: number;
  readonly #producers: PartitionProducers;
  readonly #content: BatchContent;
  #config: LogConfig;
  #staged: StagedReply[] = [];
  #state: PartitionState | undefined;

  /** Takes the log over, and reads the state of its producers. Throws LogFault where that fails; the log is then closed. */
  static open(log: Log, options: PartitionOptions): Partition {
    try {
      return new Partition(log, options);
    } catch (error) {
      log.close();
      throw error;
    }
  }

  private constructor(log: Log, options: PartitionOptions) {
    this.log = log;
    this.#kernels = options.kernels;
    this.#clock = options.clock;
    this.#config = options.config;
    this.#leaderEpoch = options.leaderEpoch;
    this.#content = new BatchContent(options.kernels, options.codecs);
    this.#producers = new PartitionProducers(log, this.#times());
  }

  get config(): LogConfig {
    return this.#config;
  }

  /** Where the partition stands. The same object as long as nothing moved. */
  state(): PartitionState {
    assert(this.#staged.length === 0, 'what is staged is settled before anything else is asked');
    const { log } = this;
    const known = this.#state;
    const highWatermark = log.logEndOffset;
    // A transaction may be open whose beginning retention or DeleteRecords have taken out.
    const lastStableOffset = Math.max(log.logStartOffset, this.#producers.lastStableOffset(highWatermark));
    if (
      known !== undefined &&
      known.lastStableOffset === lastStableOffset &&
      known.logEndOffset === log.logEndOffset &&
      known.logStartOffset === log.logStartOffset &&
      known.recoveryPoint === log.recoveryPoint &&
      known.sizeBytes === log.sizeBytes
    ) {
      return known;
    }
    this.#state = {
      logStartOffset: log.logStartOffset,
      lastStableOffset,
      highWatermark,
      logEndOffset: log.logEndOffset,
      recoveryPoint: log.recoveryPoint,
      sizeBytes: log.sizeBytes,
      revision: known === undefined ? 0 : known.revision + 1,
    };
    return this.#state;
  }

  /** Appends the one record batch at `pointer` of the kernels' memory, stamping it there. */
  append(pointer: number, length: number, origin: AppendOrigin): AppendReply {
    const reply = this.stage(pointer, length, { origin, stays: false });
    this.settle();
    return reply;
  }

  /** Batches were staged, and nobody knows yet whether they will be in the log. */
  get hasStaged(): boolean {
    return this.#staged.length > 0;
  }

  /**
   * As {@link append}, but the batch may wait for those around it, to be written with them. What the reply says holds when
   * {@link settle} has returned, which must come before anything else but appends is asked of the partition.
   */
  stage(pointer: number, length: number, source: BatchSource): AppendReply {
    const { origin } = source;
    const now = this.#clock.now();
    const unsound = this.#check(pointer, length, origin);
    if (unsound !== undefined) return this.#refused(unsound);
    const { summary } = this.#kernels;
    const producer = summary.producerId < 0 ? undefined : producerOf(summary);
    const verdict = producer === undefined ? undefined : this.#verdict(producer, origin);
    // A repeated batch has passed its checks before, and may be too old for them by now.
    if (verdict !== undefined) {
      return 'refusal' in verdict ? this.#refused(verdict.refusal) : this.#repeat(verdict.duplicate);
    }
    // A coordinator reads its own batches back, and wants them as it wrote them.
    const admission = origin === 'coordinator' ? { pointer } : this.#content.admit(pointer, this.#config);
    if ('refusal' in admission) return this.#refused(admission.refusal);
    if (this.#config.compacts && summary.hasKeylessRecord) return this.#refused(KEYLESS);
    const untimely = timeRefusal(summary, this.#config, now);
    if (untimely !== undefined) return this.#refused(untimely);
    // What was converted lies in scratch, whatever held the original.
    const stays = source.stays && admission.pointer === pointer;
    return this.#write(admission.pointer, { nowMs: now, written: producer, stays });
  }

  /** Writes what is staged; each of the replies that were given for it is true from here on. */
  settle(): void {
    if (this.#staged.length === 0) return;
    try {
      this.log.commit();
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
    }
    this.#conclude();
  }

  /** Nothing is staged in the log any more: a batch stands below its end, or was lost to the log's fault. */
  #conclude(): void {
    const staged = this.#staged;
    this.#staged = [];
    const { logEndOffset, fault } = this.log;
    this.#producers.conclude(logEndOffset);
    const state = this.state();
    for (const reply of staged) {
      if (reply.baseOffset < logEndOffset) reply.state = state;
      else Object.assign(reply, this.#refuse('storage-error', present(fault, 'fault of the log').toRecord()));
    }
  }

  /** A verdict upon what may still fail to be written would be none. */
  #verdict(producer: ProducerBatch, origin: AppendOrigin): ProducerVerdict {
    const verdict = this.#producers.check(producer, origin);
    if (verdict === undefined || this.#staged.length === 0) return verdict;
    this.settle();
    return this.#producers.check(producer, origin);
  }

  /** Appends the control batch that ends a producer's transaction. */
  writeMarker(command: WriteMarkerCommand): AppendReply {
    const { producerId, producerEpoch, commit, coordinatorEpoch, transactionVersion } = command;
    const marker: Marker = { producerId, producerEpoch, commit, coordinatorEpoch };
    this.settle();
    const refusal = this.#producers.checkMarker(marker, transactionVersion);
    if (refusal !== undefined) return this.#refused(refusal);
    const kernels = this.#kernels;
    const now = this.#clock.now();
    try {
      const record = encodeMarker({ commit, coordinatorEpoch }, now);
      const header = { isTransactional: true, isControl: true, producerId, producerEpoch };
      const batch = new RecordBatchEncoder(kernels).encode([record], header);
      const pointer = kernels.reserve(batch.length);
      kernels.bytes().set(batch, pointer);
      const status = kernels.validateBatch(pointer, batch.length);
      assert(status === STATUS_OK, `a marker passes its check, not status ${status}`);
      return this.#write(pointer, { nowMs: now, written: marker, stays: false });
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      return this.#refuse('storage-error', error.toRecord());
    }
  }

  describeProducers(): DescribeProducersReply {
    return { outcome: 'ok', producers: this.#producers.describe() };
  }

  /** Where a reader has to stop now. */
  readEnd(which: PartitionRead['end']): number {
    return readEnd(this.state(), which);
  }

  /** What is read is left in the best of the places. */
  read(read: PartitionRead, limits: Omit<ReadLimits, 'offsetEnd'>, places: ReadPlaces = {}): ReadReply {
    const fence = this.#fence(read.currentLeaderEpoch);
    if (fence !== undefined) return this.#noRecords(fence);
    const state = this.state();
    const offsetEnd = readEnd(state, read.end);
    if (read.offset < state.logStartOffset) return this.#noRecords('offset-out-of-range');
    // Before the end is looked at: a reader beyond it under an old epoch has to cut its log, not to reset (KIP-595).
    const diverging = this.#divergence(read);
    if (diverging !== undefined) {
      return { outcome: 'ok', records: NO_RECORDS, state, divergingEpoch: diverging, abortedTransactions: undefined };
    }
    if (read.offset > state.logEndOffset) return this.#noRecords('offset-out-of-range');
    let range = NO_RANGE;
    try {
      // Between the end for this reader and the log's own there is something, but not for it yet.
      if (read.offset < offsetEnd) range = readTo(places, this, { read, limits: { ...limits, offsetEnd } });
      const { records, lent, granted } = range;
      const abortedTransactions = read.end === 'last-stable' ? this.#producers.aborted(read.offset, range) : undefined;
      const where = { records, lent, range: granted?.range };
      return { outcome: 'ok', ...where, state, divergingEpoch: undefined, abortedTransactions };
    } catch (error) {
      giveBack(places, range);
      if (!(error instanceof LogFault)) throw error;
      return { ...this.#noRecords(outcomeOf(error)), fault: error.toRecord() };
    }
  }

  listOffset(command: ListOffsetCommand): ListOffsetReply {
    const fence = this.#fence(command.currentLeaderEpoch);
    if (fence !== undefined) return { outcome: fence, offset: -1, timestamp: -1, leaderEpoch: -1 };
    try {
      return { outcome: 'ok', ...this.#findOffset(command) };
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      return { outcome: outcomeOf(error), fault: error.toRecord(), offset: -1, timestamp: -1, leaderEpoch: -1 };
    }
  }

  epochEnd(command: EpochEndCommand): EpochEndReply {
    const fence = this.#fence(command.currentLeaderEpoch);
    if (fence !== undefined) return { outcome: fence, leaderEpoch: UNDEFINED_EPOCH, endOffset: UNDEFINED_OFFSET };
    return { outcome: 'ok', ...this.log.epochEnd(command.leaderEpoch) };
  }

  deleteRecords(beforeOffset: number): DeleteRecordsReply {
    const state = this.state();
    const offset = beforeOffset === -1 ? state.highWatermark : beforeOffset;
    if (offset < 0 || offset > state.highWatermark) return { outcome: 'offset-out-of-range', state };
    try {
      // An offset below the log start is already gone; Kafka answers it with the log start as it is.
      if (offset > state.logStartOffset) this.log.deleteRecordsBefore(offset);
      return { outcome: 'ok', state: this.state() };
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      return { outcome: outcomeOf(error), fault: error.toRecord(), state: this.state() };
    }
  }

  configure(config: LogConfig): void {
    this.#config = config;
    this.log.configure(config);
  }

  /** Cuts the log as {@link Log.truncateTo} does, and forgets what the producers had written behind. */
  truncateTo(offset: number): void {
    this.log.truncateTo(offset);
    this.#producers.reload(this.#times());
  }

  /** Rolls by time, retention, removal of deleted files and of producers that have been idle for too long. */
  maintain(nowMs: number): void {
    this.log.rollIfDue(nowMs);
    this.#producers.noteRoll();
    this.log.applyRetention(nowMs);
    this.#producers.noteRoll();
    this.log.removeDeletedFiles(nowMs);
    this.#producers.expireIfDue(nowMs, this.#config.producerIdExpirationMs);
  }

  /** Whether the log is due for compaction. Throws LogFault. */
  assessCompaction(nowMs: number): Assessment {
    return this.log.compaction.assess(this.#cleanerBounds(nowMs));
  }

  /** One round of compaction, in steps. Throws LogFault. */
  *compact(nowMs: number): Generator<CleanStep, RoundResult, void> {
    this.#producers.checkIndexes();
    return yield* this.log.compaction.clean(this.#cleanerBounds(nowMs), () => this.#producers.lastOfProducers());
  }

  #cleanerBounds(nowMs: number): CleanerBounds {
    return { nowMs, stableEnd: this.state().lastStableOffset };
  }

  /** Flushes and closes the log in order, so that the next start reads nothing of it. */
  close(): void {
    this.#producers.close();
    this.log.close();
  }

  #times(): { readonly nowMs: number; readonly expirationMs: number } {
    return { nowMs: this.#clock.now(), expirationMs: this.#config.producerIdExpirationMs };
  }

  #check(pointer: number, length: number, origin: AppendOrigin): Refusal | undefined {
    if (length > this.#config.maxMessageBytes) {
      return {
        outcome: 'message-too-large',
        message: `the batch has ${length} bytes, max.message.bytes allows ${this.#config.maxMessageBytes}`,
      };
    }
    const status = this.#kernels.validateBatch(pointer, length);
    if (status !== STATUS_OK) return statusRefusal(status);
    const { summary } = this.#kernels;
    if (summary.batchBytes !== length) {
      return { outcome: 'invalid-record', message: 'a produce request carries exactly one record batch per partition' };
    }
    return producerRefusal(summary, origin);
  }

  /** Takes the batch whose check has filled the summary; markers are written at once. */
  #write(pointer: number, entry: LogEntry): AppendReply {
    try {
      return this.#writeBatch(pointer, entry);
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      return this.#refuse('storage-error', error.toRecord());
    }
  }

  #writeBatch(pointer: number, { nowMs, written, stays }: LogEntry): AppendReply {
    const kernels = this.#kernels;
    const { summary } = kernels;
    const { batchBytes, lastOffsetDelta, offsetDeltaOfMaxTimestamp } = summary;
    const baseOffset = this.log.nextOffset;
    const stamped = this.#config.stampsLogAppendTime;
    const maxTimestamp = stamped ? nowMs : summary.recordsMaxTimestamp;
    if (stamped) kernels.stampLogAppendTime(pointer, nowMs);
    // The header is made to say what the records say, as Kafka does: some producers do not keep it.
    else if (maxTimestamp !== summary.maxTimestamp) kernels.stampMaxTimestamp(pointer, maxTimestamp);
    kernels.stampBatch(pointer, baseOffset, this.#leaderEpoch);
    const lastOffset = baseOffset + lastOffsetDelta;
    const info = {
      baseOffset,
      lastOffset,
      maxTimestamp,
      // With the broker's time all records carry the same one, and Kafka then names the first.
      offsetOfMaxTimestamp: stamped ? baseOffset : baseOffset + offsetDeltaOfMaxTimestamp,
      leaderEpoch: this.#leaderEpoch,
    };
    const isMarker = written !== undefined && 'commit' in written;
    const mustCommit = this.log.stage(kernels.bytes().subarray(pointer, pointer + batchBytes), info, stays);
    // Before a roll is noted: that may need the scratch memory in which the batch lies.
    if (mustCommit || isMarker) this.log.commit();
    this.#producers.noteRoll();
    if (written !== undefined) this.#note(written, { baseOffset, timestamp: maxTimestamp, nowMs });
    const logAppendTimeMs = stamped ? nowMs : -1;
    const reply: StagedReply = {
      outcome: 'ok',
      baseOffset,
      lastOffset,
      logAppendTimeMs,
      isInPlace: stays,
      state: undefined,
    };
    this.#staged.push(reply);
    if (mustCommit || isMarker) this.#conclude();
    return reply;
  }

  #note(written: ProducerBatch | Marker, standing: BatchStanding): void {
    if ('commit' in written) this.#producers.noteMarker(written, standing);
    else this.#producers.note(written, standing);
  }

  /** A batch that an idempotent producer sends again is answered as it was before. */
  #repeat({ baseOffset, lastOffset, timestamp }: DuplicateBatch): AppendReply {
    const logAppendTimeMs = this.#config.stampsLogAppendTime ? timestamp : -1;
    this.settle();
    return { outcome: 'ok', baseOffset, lastOffset, logAppendTimeMs, state: this.state() };
  }

  #findOffset(command: ListOffsetCommand): { offset: number; timestamp: number; leaderEpoch: number } {
    const state = this.state();
    const offsetEnd = readEnd(state, command.end);
    switch (command.timestamp) {
      case SPECIAL_TIMESTAMPS.latest:
        return { offset: offsetEnd, timestamp: -1, leaderEpoch: this.#leaderEpoch };
      case SPECIAL_TIMESTAMPS.earliest:
      case SPECIAL_TIMESTAMPS.earliestLocal:
        return { offset: state.logStartOffset, timestamp: -1, leaderEpoch: this.log.epochAt(state.logStartOffset) };
      case SPECIAL_TIMESTAMPS.latestTiered:
        return { offset: -1, timestamp: -1, leaderEpoch: -1 };
      case SPECIAL_TIMESTAMPS.max:
        return this.log.offsetOfMaxTimestamp(offsetEnd) ?? { offset: -1, timestamp: -1, leaderEpoch: -1 };
      default:
        return (
          this.log.offsetForTimestamp(command.timestamp, offsetEnd) ?? { offset: -1, timestamp: -1, leaderEpoch: -1 }
        );
    }
  }

  #fence(currentLeaderEpoch: number): 'fenced-leader-epoch' | 'unknown-leader-epoch' | undefined {
    if (currentLeaderEpoch < 0 || currentLeaderEpoch === this.#leaderEpoch) return undefined;
    return currentLeaderEpoch < this.#leaderEpoch ? 'fenced-leader-epoch' : 'unknown-leader-epoch';
  }

  #divergence(read: PartitionRead): ReadReply['divergingEpoch'] {
    if (read.lastFetchedEpoch < 0) return undefined;
    const known = this.log.epochEnd(read.lastFetchedEpoch);
    const agrees = known.leaderEpoch === read.lastFetchedEpoch && known.endOffset >= read.offset;
    return agrees ? undefined : { epoch: known.leaderEpoch, endOffset: known.endOffset };
  }

  #noRecords(outcome: PartitionOutcome): ReadReply {
    return {
      outcome,
      records: NO_RECORDS,
      state: this.state(),
      divergingEpoch: undefined,
      abortedTransactions: undefined,
    };
  }

  #refused({ outcome, message }: Refusal): AppendReply {
    return this.#refuse(outcome, { code: 'ERR_BROKER', message });
  }

  #refuse(outcome: PartitionOutcome, fault: FaultRecord): AppendReply {
    this.settle();
    return { outcome, fault, baseOffset: -1, lastOffset: -1, logAppendTimeMs: -1, state: this.state() };
  }
}

/** What of a batch its producer's state is about; the summary itself holds only until the next check. */
function producerOf(summary: ProducerBatch): ProducerBatch {
  const { producerId, producerEpoch, baseSequence, lastOffsetDelta, isTransactional } = summary;
  return { producerId, producerEpoch, baseSequence, lastOffsetDelta, isTransactional };
}

function outcomeOf(fault: LogFault): PartitionOutcome {
  if (fault.code === 'ERR_OFFSET_OUT_OF_RANGE') return 'offset-out-of-range';
  return fault.code === 'ERR_CORRUPT_LOG' ? 'corrupt-log' : 'storage-error';
}
