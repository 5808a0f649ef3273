// One record batch on its way to a partition, and the queue of such batches. It decides when a batch is full and in
// which order batches go; sending them is the producer's business.

import { assert, present } from '../core/assert.ts';
import type { Clock, TimerHandle } from '../core/platform.ts';
import { BatchMemory } from '../wasm/batch-memory.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { type EncodableRecord, type EncodedRecords, RecordBatchEncoder } from '../wasm/record-batch-encoder.ts';
import { assembleBatch, restampBatch } from './batch-stamp.ts';
import type { Compressor } from './compression.ts';
import { type BatchStamp, PartitionSequence, type ProducerIdentity } from './producer-identity.ts';

const IDLE_ENCODERS_MAX = 8;

/** Where an acknowledged batch lies: the offset of its first record (-1 with acks=0) and the broker's time, or -1. */
export interface BatchPlace {
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
  readonly fault?: undefined;
}

/** How a batch ended. */
export type BatchOutcome = BatchPlace | { readonly fault: Error };

/** Told once when a batch that holds its records has ended. */
export interface BatchObserver {
  settle(batch: ProducerBatch, outcome: BatchOutcome): void;
}

/** A batch being filled, then sealed. */
export class ProducerBatch {
  readonly queue: PartitionQueue;
  /** Place in the queue's order, kept by retries. */
  readonly position: number;
  readonly createdMs: number;
  readonly #observers = new Set<BatchObserver>();
  #lastObserver: BatchObserver | undefined;
  failures = 0;
  /** Called when no more records can be added. */
  onSeal: (() => void) | undefined;
  recordCount = 0;
  /** Bytes of the batch, encoded. */
  byteCount = 0;
  #encoder: RecordBatchEncoder | undefined;
  #sealed: Uint8Array | undefined;
  /** Whether `#sealed` is memory of the pool. */
  #isPooled = false;
  /** The encoded records, until they are compressed. */
  #plain: EncodedRecords | undefined;
  /** Set when the batch is sealed. */
  #stamp: BatchStamp | undefined;

  constructor(queue: PartitionQueue, position: number, createdMs: number) {
    this.queue = queue;
    this.position = position;
    this.createdMs = createdMs;
    this.#encoder = queue.encoders.take();
  }

  /** Adds a record for `observer`; returns the bytes by which the batch has grown. */
  append(record: EncodableRecord, observer: BatchObserver): number {
    const encoder = present(this.#encoder, 'the encoder of a batch that is not sealed');
    encoder.append(record);
    const grown = encoder.byteCount - this.byteCount;
    this.byteCount += grown;
    this.recordCount++;
    if (this.#lastObserver !== observer) this.#observe(observer);
    return grown;
  }

  #observe(observer: BatchObserver): void {
    this.#lastObserver = observer;
    this.#observers.add(observer);
  }

  /** The batch as it goes over the wire. */
  get bytes(): Uint8Array {
    return present(this.#sealed, 'the bytes of a sealed batch');
  }

  /** Encodes the batch: no record can be added any more, and the records given need not be kept. */
  seal(): void {
    const encoder = present(this.#encoder, 'the encoder of a batch that is not sealed');
    const stamp = this.queue.sequence.take(this.recordCount);
    this.#stamp = stamp;
    if (this.queue.compressor === undefined) {
      this.#sealed = encoder.finish(stamp);
      this.#isPooled = true;
    } else this.#plain = encoder.finishRecords();
    this.#encoder = undefined;
    this.queue.encoders.give(encoder);
    this.onSeal?.();
  }

  /** Compresses a sealed batch where its producer does so; afterwards it has its bytes. */
  async compress(): Promise<void> {
    const { compressor } = this.queue;
    if (this.#sealed !== undefined || this.#plain === undefined || compressor === undefined) return;
    const plain = this.#plain;
    const bytes = await compressor.compress(plain.bytes);
    const stamp = present(this.#stamp, 'the numbers of a sealed batch');
    this.#sealed = assembleBatch(this.queue.kernels, { ...plain, bytes, compression: compressor.number }, stamp);
    this.#plain = undefined;
  }

  /** Gives a sealed batch that is not on the wire the partition's next numbers, in place of those it had. */
  restamp(): void {
    this.#stamp = this.queue.sequence.take(this.recordCount);
    if (this.#sealed === undefined) return;
    this.#sealed = restampBatch(this.queue.kernels, this.#sealed, this.#stamp);
    this.#isPooled = false;
  }

  settle(outcome: BatchOutcome): void {
    for (const observer of this.#observers) observer.settle(this, outcome);
    // A batch that the broker has answered for has left every buffer on the way; of others nobody knows.
    if (this.#isPooled && this.#sealed !== undefined && outcome.fault === undefined && outcome.baseOffset >= 0) {
      this.queue.encoders.recycle(this.#sealed);
      this.#sealed = undefined;
    }
  }
}

/** Encoders and memory between two batches. */
export class EncoderPool {
  readonly kernels: Kernels;
  readonly #memory: BatchMemory;
  readonly #idle: RecordBatchEncoder[] = [];

  /** Keeps up to `memoryBytesMax` bytes of memory. */
  constructor(kernels: Kernels, memoryBytesMax: number) {
    this.kernels = kernels;
    this.#memory = new BatchMemory(memoryBytesMax);
  }

  take(): RecordBatchEncoder {
    return this.#idle.pop() ?? new RecordBatchEncoder(this.kernels, this.#memory);
  }

  give(encoder: RecordBatchEncoder): void {
    if (this.#idle.length < IDLE_ENCODERS_MAX) this.#idle.push(encoder);
  }

  /** Takes the memory of a batch that nobody reads any more. */
  recycle(batch: Uint8Array): void {
    this.#memory.give(batch);
  }
}

export interface QueueOptions {
  readonly encoders: EncoderPool;
  readonly batchBytes: number;
  readonly clock: Clock;
  /** Compresses the batches; undefined for none. */
  readonly compressor: Compressor | undefined;
  readonly identity: ProducerIdentity;
}

/** The batches of one partition, oldest first: those to be sent again, those that are full, the one being filled. */
export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  readonly #options: QueueOptions;
  readonly sequence: PartitionSequence;
  /** Full or sent before, in the order of their positions. */
  #closed: ProducerBatch[] = [];
  #open: ProducerBatch | undefined;
  #position = 0;
  readonly #onWire = new Set<ProducerBatch>();
  /** Set while the batch being filled lingers. */
  lingerTimer: TimerHandle | undefined;
  /** The batch being filled may go, full or not. */
  isDue = false;
  /** A retry waits for its time. */
  isBackingOff = false;
  /** The partition has refused the sequence numbers: they begin anew once nothing is on the wire. */
  mustRestart = false;

  constructor(topic: string, partition: number, options: QueueOptions) {
    this.topic = topic;
    this.partition = partition;
    this.#options = options;
    this.sequence = new PartitionSequence(options.identity);
  }

  get compressor(): Compressor | undefined {
    return this.#options.compressor;
  }

  get encoders(): EncoderPool {
    return this.#options.encoders;
  }

  get kernels(): Kernels {
    return this.#options.encoders.kernels;
  }

  /** Whether a batch may be sent now, apart from how many are on the wire. */
  get isReady(): boolean {
    if (this.isBackingOff) return false;
    return this.#closed.length > 0 || (this.isDue && this.#open !== undefined);
  }

  /** Batches on the wire. */
  get inFlight(): number {
    return this.#onWire.size;
  }

  /** Whether a batch waits to which nothing can be added any more. */
  get hasClosed(): boolean {
    return this.#closed.length > 0;
  }

  /** Bytes of the batch that would be sent next. */
  get nextBytes(): number {
    return (this.#closed[0] ?? this.#open)?.byteCount ?? 0;
  }

  /** The batch for a record of up to `recordBytes` more bytes; a full one is closed and followed by another. */
  batchFor(recordBytes: number): ProducerBatch {
    const open = this.#open;
    if (open !== undefined && open.byteCount + recordBytes <= this.#options.batchBytes) return open;
    this.#close();
    this.#open = new ProducerBatch(this, this.#position++, this.#options.clock.monotonic());
    return this.#open;
  }

  #close(): void {
    const open = this.#open;
    if (open === undefined) return;
    open.seal();
    this.#closed.push(open);
    this.#open = undefined;
    this.isDue = false;
  }

  /** Takes the oldest batch out, to be sent: it is on the wire until it is landed or put back. */
  shift(): ProducerBatch | undefined {
    if (this.#closed.length === 0) this.#close();
    const batch = this.#closed.shift();
    if (batch !== undefined) this.#onWire.add(batch);
    return batch;
  }

  /** The batch has ended. */
  land(batch: ProducerBatch): void {
    this.#onWire.delete(batch);
  }

  /** Whether every batch before this one has ended. */
  isOldest(batch: ProducerBatch): boolean {
    const [first] = this.#closed;
    if (first !== undefined && first.position < batch.position) return false;
    for (const other of this.#onWire) if (other.position < batch.position) return false;
    return true;
  }

  /** Puts a batch back that is to be sent again, before all that came after it. */
  putBack(batch: ProducerBatch): void {
    this.#onWire.delete(batch);
    const index = this.#closed.findIndex((other) => other.position > batch.position);
    if (index < 0) this.#closed.push(batch);
    else this.#closed.splice(index, 0, batch);
  }

  /** Begins the sequence numbers anew, those of the batches that wait too; none may be on the wire. */
  restart(identity?: ProducerIdentity): void {
    assert(this.#onWire.size === 0, 'numbers change while nobody knows them');
    this.sequence.restart(identity);
    for (const batch of this.#closed) batch.restamp();
    this.mustRestart = false;
  }

  /** Every batch that waits, taken out. */
  drain(): ProducerBatch[] {
    this.#close();
    return this.#closed.splice(0);
  }
}
