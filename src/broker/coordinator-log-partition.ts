// One partition of a coordinator's log and the state that follows from it. State changes only by applying records, the
// same way whether they are new or read back at the start, so that a restart gives back exactly the state that was live.
//
// New records are applied at once, in the order in which they will stand in the log, and written by group commit: one
// append is under way, and what comes meanwhile is the next batch. Whoever wrote is told when its records are durable;
// whoever reads waits for what was written before (`durable`). When an append fails, the state is ahead of the log: it
// is thrown away, everybody who waits is told, and the log is read again.

import { type FaultRecord, LogFault } from '../core/fault.ts';
import { COORDINATOR_BATCH_BYTES_MAX } from '../core/limits.ts';
import type { Clock } from '../core/platform.ts';
import {
  type BatchProducer,
  type BatchRecord,
  isCommitMarker,
  type RecordBatchCodec,
  type StoredBatch,
} from '../core/record-batch-codec.ts';
import type { AppendReply, PartitionExecutor, PartitionOutcome } from '../partition/commands.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import type { RecordFormat } from './coordinator-log-format.ts';
import type { RoutedPartition } from './router.ts';

/** Log bytes that one step of a replay reads; the event loop turns in between. */
const REPLAY_BYTES = 1024 * 1024;
/** Bytes of one batch beside keys and values, and of one record; rather too many than too few. */
const BATCH_OVERHEAD_BYTES = 64;
const RECORD_OVERHEAD_BYTES = 32;
/** How long after a lost owner the replay tries again. */
const RETRY_MS = 100;
/** How often it does, before the partition is given up. */
const RETRIES_MAX = 50;

/**
 * Refusals after which the log takes other writes. Of a lost owner nobody knows whether it wrote, and a new one takes its
 * place; a producer that is fenced in the log says nothing of the others. Any other refusal is for good.
 */
const PASSING: ReadonlySet<PartitionOutcome> = new Set([
  'worker-lost',
  'invalid-producer-epoch',
  'invalid-txn-state',
  'out-of-order-sequence',
]);

/** Where a record stands. */
export interface RecordPlace {
  /** Grows along the log; for telling which of two records is the later one. Not the offset. */
  readonly order: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** The transaction in which it is staged; undefined for a record that holds at once. */
  readonly producer: BatchProducer | undefined;
}

/** The state behind one partition. Given the same records in the same order it must end up the same. */
export interface StateMachine<R> {
  apply(record: R, place: RecordPlace): void;
  /** A transaction of the producer ended in this partition; no error where nothing was staged. */
  endTransaction(producerId: number, committed: boolean): void;
  /** Everything has been read: requests follow, and timers may run. */
  loaded(): void;
  /** The state is thrown away. Whoever waits inside it is to be answered with this error code. */
  unloaded(errorCode: number): void;
}

export interface CoordinatorLogPartitionOptions<R, M extends StateMachine<R>> {
  readonly partition: RoutedPartition;
  readonly executor: PartitionExecutor;
  readonly codec: RecordBatchCodec;
  readonly format: RecordFormat<R>;
  readonly clock: Clock;
  /** Whether an append is answered from stable storage, or when the operating system has it. */
  readonly flushes: () => boolean;
  readonly machine: () => M;
  /** A record of a kind that is not known, or a replay or append that failed. */
  readonly report: (message: string, fault: FaultRecord) => void;
}

interface PendingWrite {
  readonly records: readonly BatchRecord[];
  readonly bytes: number;
  readonly producer: BatchProducer | undefined;
  resolve(errorCode: number): void;
}

interface ReadRecords {
  readonly records: Uint8Array;
  readonly logEndOffset: number;
}

export class CoordinatorLogPartition<R, M extends StateMachine<R>> {
  readonly #options: CoordinatorLogPartitionOptions<R, M>;
  #machine: M;
  /** What requests are answered with; NONE while the state is complete. */
  #errorCode: number = ERROR_CODES.COORDINATOR_LOAD_IN_PROGRESS;
  /** The log takes nothing more; what was read from it can still be asked for. */
  #readOnly = false;
  #order = 0;
  #waiting: PendingWrite[] = [];
  #appending: PendingWrite[] = [];
  #last: Promise<number> | undefined;
  #loading: Promise<void>;
  #closed = false;

  constructor(options: CoordinatorLogPartitionOptions<R, M>) {
    this.#options = options;
    this.#machine = options.machine();
    this.#loading = this.#load();
  }

  get machine(): M {
    return this.#machine;
  }

  /** NONE, or what a request is to be answered with instead: the state is being read, or cannot be. */
  get errorCode(): number {
    return this.#errorCode;
  }

  /** Resolves when nothing is being read. */
  whenLoaded(): Promise<void> {
    return this.#loading;
  }

  /**
   * Applies the records at once and writes them as one batch, which a crash leaves whole or not at all. Resolves with
   * NONE when they are durable, else with an error code: the state is then what the log says. With no records it
   * resolves when everything before is durable. A producer stages the records in its transaction.
   */
  write(records: readonly R[], producer?: BatchProducer): Promise<number> {
    if (this.#errorCode !== ERROR_CODES.NONE) return Promise.resolve(this.#errorCode);
    if (records.length === 0) return this.durable() ?? Promise.resolve(ERROR_CODES.NONE);
    if (this.#readOnly) return Promise.resolve(ERROR_CODES.COORDINATOR_NOT_AVAILABLE);
    const timestamp = this.#options.clock.now();
    const encoded = records.map((record) => ({ ...this.#options.format.encode(record), timestamp }));
    const bytes = sizeOf(encoded);
    if (bytes > COORDINATOR_BATCH_BYTES_MAX) return Promise.resolve(ERROR_CODES.RECORD_LIST_TOO_LARGE);
    for (const record of records) this.#machine.apply(record, { order: this.#order++, timestamp, producer });
    const written = new Promise<number>((resolve) => {
      this.#waiting.push({ records: encoded, bytes, producer, resolve });
    });
    this.#last = written;
    this.#pump();
    return written;
  }

  /** Resolves with NONE when all that was written is durable; undefined where it is. Reads wait for it. */
  durable(): Promise<number> | undefined {
    return this.#appending.length === 0 && this.#waiting.length === 0 ? undefined : this.#last;
  }

  /** Tells the state of a marker that somebody else wrote to this partition. */
  endTransaction(producerId: number, committed: boolean): void {
    // While the log is read the marker comes along with it: it was durable before this call.
    if (this.#errorCode === ERROR_CODES.NONE) this.#machine.endTransaction(producerId, committed);
  }

  /** Takes no more writes and resolves when those under way have been answered. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#loading;
    this.#errorCode = ERROR_CODES.COORDINATOR_NOT_AVAILABLE;
    await this.durable();
    await this.#loading;
    this.#machine.unloaded(this.#errorCode);
  }

  #pump(): void {
    if (this.#appending.length > 0 || this.#waiting.length === 0) return;
    const group = this.#nextGroup();
    this.#appending = group;
    const { executor, codec, partition, flushes } = this.#options;
    const batch = codec.encode(
      group.flatMap(({ records }) => records),
      group[0]?.producer,
    );
    executor.appendFromCoordinator(partition.handle, batch, flushes()).then(
      (reply) => this.#appended(group, reply),
      (error: unknown) => this.#fail({ code: 'ERR_STORAGE', message: String(error) }, false),
    );
  }

  /** Writes that can share a batch: of one producer, within the bounds of a batch. */
  #nextGroup(): PendingWrite[] {
    const producer = this.#waiting[0]?.producer;
    let bytes = 0;
    const end = this.#waiting.findIndex((write, index) => {
      bytes += write.bytes;
      return index > 0 && (write.producer !== producer || bytes > COORDINATOR_BATCH_BYTES_MAX);
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  #appended(group: readonly PendingWrite[], reply: AppendReply): void {
    if (reply.outcome !== 'ok') {
      const fault = reply.fault ?? { code: 'ERR_STORAGE', message: `the append was answered with ${reply.outcome}` };
      this.#fail(fault, !PASSING.has(reply.outcome));
      return;
    }
    this.#appending = [];
    for (const { resolve } of group) resolve(ERROR_CODES.NONE);
    this.#pump();
  }

  #fail(fault: FaultRecord, readOnly: boolean): void {
    this.#options.report('an append to the log of a coordinator failed', fault);
    this.#readOnly ||= readOnly;
    const lost = [...this.#appending, ...this.#waiting];
    this.#appending = [];
    this.#waiting = [];
    const errorCode = readOnly ? ERROR_CODES.COORDINATOR_NOT_AVAILABLE : ERROR_CODES.NOT_COORDINATOR;
    const before = this.#machine;
    this.#machine = this.#options.machine();
    this.#errorCode = ERROR_CODES.COORDINATOR_LOAD_IN_PROGRESS;
    this.#loading = this.#load();
    before.unloaded(errorCode);
    for (const { resolve } of lost) resolve(errorCode);
  }

  async #load(): Promise<void> {
    try {
      await this.#replay();
      if (this.#closed) return;
      this.#errorCode = ERROR_CODES.NONE;
      this.#machine.loaded();
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      this.#errorCode = ERROR_CODES.COORDINATOR_NOT_AVAILABLE;
      this.#options.report('the log of a coordinator cannot be read', error.toRecord());
    }
  }

  async #replay(): Promise<void> {
    const { partition, codec } = this.#options;
    let offset = (await this.#whenOpen()).logStartOffset;
    let retries = 0;
    while (offset < (partition.state?.logEndOffset ?? 0)) {
      const read = await this.#read(offset);
      if (read === undefined) {
        if (++retries > RETRIES_MAX) throw this.#unreadable('its owner was lost again and again');
        await this.#pause();
        continue;
      }
      const from = offset;
      for (const batch of codec.decode(read.records)) {
        if (batch.lastOffset >= offset) this.#applyBatch(batch, offset);
        offset = Math.max(offset, batch.lastOffset + 1);
      }
      // Compaction of somebody else's may leave nothing up to the end, and Kafka's does.
      if (read.records.length === 0) offset = read.logEndOffset;
      if (offset <= from) throw this.#unreadable(`nothing could be read at offset ${offset}`);
    }
    this.#order = offset;
  }

  async #whenOpen(): Promise<{ readonly logStartOffset: number }> {
    const { partition } = this.#options;
    for (let retries = 0; ; retries++) {
      if (partition.state !== undefined) return partition.state;
      if (partition.fault !== undefined) throw LogFault.fromRecord(partition.fault);
      if (retries > RETRIES_MAX || this.#closed) throw this.#unreadable('it is not open');
      await this.#pause();
    }
  }

  /** Undefined where the owner was lost. No records: there were none from `offset` to what was then the log end. */
  async #read(offset: number): Promise<ReadRecords | undefined> {
    const { partition, executor } = this.#options;
    const read = { handle: partition.handle, offset, maxBytes: REPLAY_BYTES } as const;
    const { reads } = await executor.fetch({
      maxBytes: REPLAY_BYTES,
      minOneBatch: true,
      reads: [{ ...read, end: 'log-end', currentLeaderEpoch: -1, lastFetchedEpoch: -1 }],
    });
    const [reply] = reads;
    if (reply?.outcome === 'ok') return { records: reply.records, logEndOffset: reply.state?.logEndOffset ?? offset };
    if (reply?.outcome === 'worker-lost') return undefined;
    throw reply?.fault === undefined
      ? this.#unreadable(`it answered ${reply?.outcome}`)
      : LogFault.fromRecord(reply.fault);
  }

  #applyBatch(batch: StoredBatch, fromOffset: number): void {
    const records = batch.records();
    if (batch.isControl) {
      for (const { key } of records) this.#machine.endTransaction(batch.producerId, isCommitMarker(key));
      return;
    }
    const { producerId, producerEpoch } = batch;
    const producer = batch.isTransactional ? { producerId, producerEpoch } : undefined;
    for (const { key, value, offset, timestamp } of records) {
      if (key === null || offset < fromOffset) continue;
      const record = this.#options.format.decode(key, value);
      if (record !== undefined) this.#machine.apply(record, { order: offset, timestamp, producer });
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#options.clock.schedule(RETRY_MS, resolve));
  }

  #unreadable(reason: string): LogFault {
    return new LogFault('ERR_STORAGE', `${this.#options.partition.directory} cannot be read: ${reason}`);
  }
}

function sizeOf(records: readonly BatchRecord[]): number {
  let bytes = BATCH_OVERHEAD_BYTES;
  for (const { key, value } of records) bytes += RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  return bytes;
}
