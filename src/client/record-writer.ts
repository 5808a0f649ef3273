// Many small records into one topic, with counters where `send` has a promise for each call.

import type { EncodableRecord } from '../wasm/record-batch-encoder.ts';
import { asError } from './broker-fault.ts';
import type { BatchObserver, BatchOutcome, ProducerBatch } from './producer-batch.ts';
import { bytesOf, type Content } from './record.ts';
import type { TopicSink } from './topic-sink.ts';

const NO_HEADERS: EncodableRecord['headers'] = [];

/** What a {@link RecordWriter} has brought to the log so far. */
export interface WriteSummary {
  /** Records acknowledged. */
  readonly records: number;
  /** Bytes of their keys and values. */
  readonly bytes: number;
}

/** Writes records one after another. Made by `producer.writer()`. */
export class RecordWriter implements BatchObserver {
  readonly #sink: TopicSink;
  readonly #partition: number | undefined;
  readonly #flush: () => Promise<void>;
  readonly #inBatches = new Map<ProducerBatch, Tally>();
  #lastBatch: ProducerBatch | undefined;
  #lastTally: Tally = newTally();
  /** What holds records of the checkpoint to come. */
  readonly #sinceCheckpoint = new Set<Tally>();
  /** The record that is being taken: one object for all of them. */
  readonly #record: { key: Uint8Array | null; value: Uint8Array | null; headers: typeof NO_HEADERS; timestamp: number };
  #records = 0;
  #bytes = 0;
  #fault: Error | undefined;

  constructor(sink: TopicSink, partition: number | undefined, flush: () => Promise<void>) {
    this.#sink = sink;
    this.#partition = partition;
    this.#flush = flush;
    this.#record = { key: null, value: null, headers: NO_HEADERS, timestamp: 0 };
  }

  /** What is acknowledged by now. */
  get summary(): WriteSummary {
    return { records: this.#records, bytes: this.#bytes };
  }

  /**
   * Takes a record. Undefined while there is room for more, else a promise to wait for before the next call: it bounds
   * the memory. The bytes may be reused when it has returned undefined or the promise has resolved. Throws the fault of
   * a record that was taken earlier and lost.
   */
  write(value: Content, key: Content = null): Promise<void> | undefined {
    if (this.#fault !== undefined) throw this.#fault;
    const record = this.#record;
    record.key = bytesOf(key);
    record.value = bytesOf(value);
    record.timestamp = this.#sink.now();
    if (!this.#sink.isOpen) return this.#later({ ...record });
    this.#append(record);
    return this.#sink.whenFree();
  }

  #append(record: EncodableRecord): void {
    const batch = this.#sink.append(record, this.#partition, this);
    if (batch !== this.#lastBatch) this.#turnTo(batch);
    this.#lastTally.records++;
    this.#lastTally.bytes +=
      (record.key === null ? 0 : record.key.length) + (record.value === null ? 0 : record.value.length);
  }

  #turnTo(batch: ProducerBatch): void {
    let tally = this.#inBatches.get(batch);
    if (tally === undefined) {
      tally = newTally();
      this.#inBatches.set(batch, tally);
    }
    this.#sinceCheckpoint.add(tally);
    this.#lastBatch = batch;
    this.#lastTally = tally;
  }

  #later(record: EncodableRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#sink.admit({
        run: () => {
          if (this.#sink.isFull) return false;
          try {
            this.#append(record);
            resolve();
          } catch (error) {
            reject(asError(error));
          }
          return true;
        },
        fail: reject,
      });
    });
  }

  settle(batch: ProducerBatch, outcome: BatchOutcome): void {
    const tally = this.#inBatches.get(batch);
    this.#inBatches.delete(batch);
    if (batch === this.#lastBatch) this.#lastBatch = undefined;
    if (outcome.fault !== undefined) this.#fault ??= outcome.fault;
    else if (tally !== undefined) this.#count(tally);
    if (tally === undefined) return;
    this.#sinceCheckpoint.delete(tally);
    for (const checkpoint of tally.checkpoints) checkpoint.settle(outcome.fault);
  }

  #count(tally: Tally): void {
    this.#records += tally.records;
    this.#bytes += tally.bytes;
  }

  /**
   * Resolves when the records taken since the last checkpoint are acknowledged: one promise for as many records as you
   * like. It hurries none of them. Throws the fault that lost one. Call it when no `write` has to be waited for.
   */
  checkpoint(): Promise<void> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    const tallies = [...this.#sinceCheckpoint];
    this.#sinceCheckpoint.clear();
    // Records that follow in the same batch belong to the checkpoint after this one.
    this.#lastBatch = undefined;
    if (tallies.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const checkpoint = new Checkpoint(tallies.length, resolve, reject);
      for (const tally of tallies) tally.checkpoints.push(checkpoint);
    });
  }

  /** Resolves when every record taken is acknowledged. Throws the first fault that lost one. */
  async flush(): Promise<WriteSummary> {
    await this.#flush();
    if (this.#fault !== undefined) throw this.#fault;
    return this.summary;
  }
}

/** What a batch holds of this writer. */
interface Tally {
  records: number;
  bytes: number;
  readonly checkpoints: Checkpoint[];
}

function newTally(): Tally {
  return { records: 0, bytes: 0, checkpoints: [] };
}

/** Some records that are waited for, by the batches that hold them. */
class Checkpoint {
  #batches: number;
  readonly #resolve: () => void;
  readonly #reject: (fault: Error) => void;

  constructor(batches: number, resolve: () => void, reject: (fault: Error) => void) {
    this.#batches = batches;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  settle(fault: Error | undefined): void {
    this.#batches--;
    if (fault !== undefined) this.#reject(fault);
    else if (this.#batches === 0) this.#resolve();
  }
}
