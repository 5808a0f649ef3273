// The producers of one partition: their state (producer-state.ts) kept in step with the log. It recovers at open, writes a
// snapshot for every new segment and at close, and finds the aborted transactions of what is read.

import { LogFault } from '../core/fault.ts';
import type { LastOfProducers } from '../storage/cleaner-filter.ts';
import type { Log } from '../storage/log.ts';
import type { ProducerFiles } from '../storage/producer-files.ts';
import { batchBytesAt, lastOffsetAt, viewOf } from '../wasm/batch-header.ts';
import type { Refusal } from './batch-check.ts';
import type { AbortedTransaction, ActiveProducer, AppendOrigin } from './commands.ts';
import { recoverProducers } from './producer-recovery.ts';
import type {
  BatchStanding,
  Marker,
  ProducerBatch,
  ProducerMemo,
  ProducerStates,
  ProducerVerdict,
} from './producer-state.ts';
import type { ReadRange } from './read-ahead.ts';

/** How often idle producers are looked for, at most: Kafka's producer.id.expiration.check.interval.ms. */
const EXPIRATION_CHECK_MS = 600_000;
const NO_TRANSACTIONS: readonly AbortedTransaction[] = [];

export class PartitionProducers {
  readonly #log: Log;
  readonly #files: ProducerFiles;
  #states: ProducerStates;
  /** The snapshot that is known to be sound and on stable storage, or -1. */
  #snapshotOffset: number;
  /** The newest segment whose beginning has a snapshot, or had none to get. */
  #activeBaseOffset: number;
  #nextExpirationMs: number;
  /** How producers were before each batch that is staged, in the order of these. */
  #staged: { readonly baseOffset: number; readonly memo: ProducerMemo }[] = [];
  /** First offset of a transaction that was aborted without getting into the index: readers stop before it. */
  #unindexedFrom = Number.POSITIVE_INFINITY;

  /** Recovers the state of an open log. Throws LogFault ERR_STORAGE and ERR_CORRUPT_LOG. */
  constructor(log: Log, times: { readonly nowMs: number; readonly expirationMs: number }) {
    this.#log = log;
    this.#files = log.producers;
    const recovered = recoverProducers({ log, indexFrom: log.producers.inspectedFrom, ...times });
    this.#states = recovered.states;
    this.#snapshotOffset = recovered.snapshotOffset;
    this.#activeBaseOffset = log.producers.activeBaseOffset;
    this.#nextExpirationMs = times.nowMs + Math.min(EXPIRATION_CHECK_MS, times.expirationMs);
  }

  check(batch: ProducerBatch, origin: AppendOrigin): ProducerVerdict {
    return this.#states.check(batch, origin);
  }

  checkMarker(marker: Marker, transactionVersion: number): Refusal | undefined {
    return this.#states.checkMarker(marker, transactionVersion);
  }

  /** Notes a batch that is staged: until {@link conclude} it may turn out not to be written. */
  note(batch: ProducerBatch, standing: BatchStanding): void {
    this.#staged.push({ baseOffset: standing.baseOffset, memo: this.#states.remember(batch.producerId) });
    this.#states.note(batch, standing);
  }

  /** Nothing is staged any more: what is not below the log end was not written, and is forgotten, the latest first. */
  conclude(logEndOffset: number): void {
    if (this.#staged.length === 0) return;
    for (const { baseOffset, memo } of this.#staged.toReversed()) {
      if (baseOffset >= logEndOffset) this.#states.restore(memo);
    }
    this.#staged = [];
  }

  /** Throws LogFault where the index refuses an abort; the log is read-only from then on. */
  noteMarker(marker: Marker, standing: BatchStanding): void {
    const ended = this.#states.noteMarker(marker, standing);
    if (ended === undefined || ended.commit) return;
    try {
      this.#files.appendAborted(ended);
    } catch (error) {
      this.#unindexedFrom = Math.min(this.#unindexedFrom, ended.firstOffset);
      throw error;
    }
  }

  /** To be called after whatever may roll the log, before the batch that made it roll is noted. */
  noteRoll(): void {
    const { activeBaseOffset } = this.#files;
    if (activeBaseOffset === this.#activeBaseOffset) return;
    this.#activeBaseOffset = activeBaseOffset;
    this.#writeSnapshot(activeBaseOffset, false);
  }

  lastStableOffset(highWatermark: number): number {
    return Math.min(this.#states.lastStableOffset(highWatermark), this.#unindexedFrom);
  }

  describe(): ActiveProducer[] {
    return this.#states.describe();
  }

  /** What compaction must leave a trace of, by producer id. */
  lastOfProducers(): LastOfProducers {
    return this.#states.lastOfProducers();
  }

  /** Makes sure of the indexes that say which transactions were aborted. Throws LogFault. */
  checkIndexes(): void {
    const unsoundFrom = this.#files.unsoundFrom(this.#log.logStartOffset);
    if (unsoundFrom !== undefined) this.#rebuildIndex(unsoundFrom);
  }

  /** The aborted transactions that overlap with what was read from `offset` on. */
  aborted(offset: number, { records, granted }: ReadRange): readonly AbortedTransaction[] {
    const files = this.#files;
    const isEmpty = records.length === 0 && granted === undefined;
    if (isEmpty || !files.mayHaveAborted(offset)) return NO_TRANSACTIONS;
    const unsoundFrom = files.unsoundFrom(offset);
    if (unsoundFrom !== undefined) this.#rebuildIndex(unsoundFrom);
    const entries = files.aborted({ from: offset, end: granted?.nextOffset ?? endOffsetOf(records) });
    return entries.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
  }

  /** The index is written anew as a recovery would; the state that comes with it is the one that is there. */
  #rebuildIndex(indexFrom: number): void {
    recoverProducers({ log: this.#log, indexFrom, nowMs: 0, expirationMs: Number.POSITIVE_INFINITY });
  }

  expireIfDue(nowMs: number, expirationMs: number): void {
    if (nowMs < this.#nextExpirationMs) return;
    this.#nextExpirationMs = nowMs + Math.min(EXPIRATION_CHECK_MS, expirationMs);
    this.#states.expire(nowMs, expirationMs);
  }

  /** The log was cut: what it says of its producers is read again. */
  reload(times: { readonly nowMs: number; readonly expirationMs: number }): void {
    const log = this.#log;
    const recovered = recoverProducers({ log, indexFrom: log.logEndOffset, ...times });
    this.#states = recovered.states;
    this.#snapshotOffset = recovered.snapshotOffset;
    this.#activeBaseOffset = log.producers.activeBaseOffset;
  }

  /** Leaves a snapshot of the log's end, so that the next start reads no batch. */
  close(): void {
    const { logEndOffset, sizeBytes, fault } = this.#log;
    const nothingToTell = sizeBytes === 0 && this.#states.size === 0;
    if (fault !== undefined || nothingToTell || this.#snapshotOffset === logEndOffset) return;
    this.#writeSnapshot(logEndOffset, true);
  }

  #writeSnapshot(offset: number, durable: boolean): void {
    try {
      this.#files.writeSnapshot(offset, this.#states.records(), durable);
    } catch (error) {
      // Without it the next recovery reads more of the log; a store that keeps failing is noticed by the log itself.
      if (!(error instanceof LogFault)) throw error;
    }
  }
}

/** Offset behind the last of these whole batches. */
function endOffsetOf(records: Uint8Array): number {
  const view = viewOf(records);
  let last = 0;
  for (let at = 0; at < records.length; at += batchBytesAt(view, at)) last = at;
  return lastOffsetAt(view, last) + 1;
}
