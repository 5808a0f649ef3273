// The way of records into the batches of one topic's partitions: in the order of the calls, once the topic is known,
// and only while the producer's memory is not used up.

import { present } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { type EncodableRecord, recordBytesMax } from '../wasm/record-batch-encoder.ts';
import { asError } from './broker-fault.ts';
import type { BufferBudget } from './buffer-budget.ts';
import type { Cluster, TopicPlace } from './cluster.ts';
import type { Compressor } from './compression.ts';
import { TopicPartitioner } from './partitioner.ts';
import { type BatchObserver, EncoderPool, PartitionQueue, type ProducerBatch } from './producer-batch.ts';
import { type IdentitySource, NO_IDENTITY, type ProducerIdentity } from './producer-identity.ts';

/** Records that share one reading of the clock at most: some tens of microseconds. */
const READING_USES_MAX = 128;

/** Records that wait to be taken in. */
export interface SinkTask {
  /** Appends records until all are in (true), or the memory is used up (false; it is called again). */
  run(): boolean;
  /** None of those that are left will be taken. */
  fail(fault: Error): void;
}

export interface SinkOptions {
  readonly topic: string;
  readonly cluster: Cluster;
  readonly kernels: () => Promise<Kernels>;
  readonly budget: BufferBudget;
  readonly batchBytes: number;
  /** Memory that is kept for batches to come, in bytes. */
  readonly memoryBytesMax: number;
  readonly compressor: Compressor | undefined;
  readonly identities: IdentitySource;
  /** Told when a batch has its first record. */
  readonly onOpen: (batch: ProducerBatch) => void;
}

export class TopicSink {
  readonly topic: string;
  readonly #options: SinkOptions;
  readonly #partitioner: TopicPartitioner;
  readonly #queues: PartitionQueue[] = [];
  #waiting: SinkTask[] = [];
  #pumping: Promise<void> | undefined;
  #place: TopicPlace | undefined;
  #encoders: EncoderPool | undefined;
  #identity: ProducerIdentity = NO_IDENTITY;
  #reading = 0;
  #readingUses = 0;
  readonly #endReading = (): void => {
    this.#readingUses = 0;
  };

  constructor(options: SinkOptions) {
    this.topic = options.topic;
    this.#options = options;
    this.#partitioner = new TopicPartitioner(options.cluster.options.random);
  }

  /** Whether a record may be appended now, before nobody else's. */
  get isOpen(): boolean {
    return this.#place !== undefined && this.#waiting.length === 0 && !this.#options.budget.isFull;
  }

  get isFull(): boolean {
    return this.#options.budget.isFull;
  }

  /** Undefined while there is memory for records, else resolves when there is. */
  whenFree(): Promise<void> | undefined {
    return this.#options.budget.whenFree();
  }

  /**
   * Milliseconds since 1970, for records without a timestamp. Reading the clock costs as much as encoding a small
   * record, so that records of one turn of the event loop share a reading, up to a number of them.
   */
  now(): number {
    if (this.#readingUses === 0) {
      this.#reading = this.#options.cluster.options.clock.now();
      queueMicrotask(this.#endReading);
    }
    this.#readingUses = (this.#readingUses + 1) % READING_USES_MAX;
    return this.#reading;
  }

  /** Runs the task when those before it are done. */
  admit(task: SinkTask): void {
    if (this.isOpen && task.run()) return;
    this.#waiting.push(task);
    this.#pumping ??= this.#pump();
  }

  /** Resolves when every task admitted so far has run or failed. */
  async whenAdmitted(): Promise<void> {
    await this.#pumping;
  }

  async #pump(): Promise<void> {
    while (this.#waiting.length > 0) {
      try {
        await this.#prepare();
      } catch (error) {
        const fault = asError(error);
        for (const task of this.#waiting.splice(0)) task.fail(fault);
        break;
      }
      await this.#options.budget.whenFree();
      while (this.#waiting[0]?.run() === true) this.#waiting.shift();
    }
    // Here and not a moment later: a task that is admitted in between would wait for ever.
    this.#pumping = undefined;
  }

  async #prepare(): Promise<void> {
    if (this.#place !== undefined) return;
    // A topic that does not exist yet is asked for only now, so that nothing creates it without a record to hold.
    const [place, kernels, identity] = await Promise.all([
      this.#options.cluster.topic(this.topic, { create: true }),
      this.#options.kernels(),
      this.#options.identities.current(),
    ]);
    this.#identity = identity;
    this.#encoders = new EncoderPool(kernels, this.#options.memoryBytesMax);
    this.#place = place;
  }

  /**
   * Appends a record to the partition, or to that of its key; the sink must be open, or the caller its current task.
   * Returns the batch; the record is the last one in it. Throws ERR_USAGE for a partition that does not exist.
   */
  append(record: EncodableRecord, partition: number | undefined, observer: BatchObserver): ProducerBatch {
    const count = present(this.#place, 'the place of an open topic').partitions.length;
    const queue = this.#queue(partition ?? this.#partitioner.choose(record.key, count), count);
    const batch = queue.batchFor(recordBytesMax(record));
    const isFirst = batch.recordCount === 0;
    this.#options.budget.take(batch.append(record, observer));
    if (isFirst) this.#opened(batch);
    return batch;
  }

  #opened(batch: ProducerBatch): void {
    this.#options.onOpen(batch);
    // The place is renewed here, once a batch: its number of partitions may have grown.
    this.#place = this.#options.cluster.cached(this.topic) ?? this.#place;
    // Records without a key go on with another partition once this batch is on its way.
    batch.onSeal = () => this.#partitioner.moveOn(this.#place?.partitions.length ?? 1);
  }

  #queue(partition: number, count: number): PartitionQueue {
    const known = this.#queues[partition];
    if (known !== undefined) return known;
    if (!Number.isInteger(partition) || partition < 0 || partition >= count) {
      throw new LogFault('ERR_USAGE', `topic ${this.topic} has partitions 0 to ${count - 1}, not ${partition}`);
    }
    const { batchBytes, cluster, compressor } = this.#options;
    const encoders = present(this.#encoders, 'the encoders of an open topic');
    const queue = new PartitionQueue(this.topic, partition, {
      encoders,
      batchBytes,
      compressor,
      clock: cluster.options.clock,
      identity: this.#identity,
    });
    this.#queues[partition] = queue;
    return queue;
  }
}
