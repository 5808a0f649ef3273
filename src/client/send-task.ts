// One call of `send`: its records on their way into batches, and its promise.

import { LogFault } from '../core/fault.ts';
import type { EncodableHeader } from '../wasm/record-batch-encoder.ts';
import { asError } from './broker-fault.ts';
import type { BatchObserver, BatchOutcome, BatchPlace, ProducerBatch } from './producer-batch.ts';
import { bytesOf, type HeadersInput, headerPairs, type RecordInput, type RecordMetadata } from './record.ts';
import type { SinkTask, TopicSink } from './topic-sink.ts';

const NO_HEADERS: readonly EncodableHeader[] = [];

export interface SendCall {
  readonly records: readonly RecordInput[];
  readonly partition: number | undefined;
  readonly resolve: (places: RecordMetadata[]) => void;
  readonly reject: (fault: Error) => void;
}

/** A record of the call: which one, and which of its batch. */
interface Placement {
  readonly index: number;
  readonly offsetDelta: number;
  readonly timestamp: number;
}

export class SendTask implements SinkTask, BatchObserver {
  readonly #sink: TopicSink;
  readonly #call: SendCall;
  readonly #places: RecordMetadata[];
  readonly #placements = new Map<ProducerBatch, Placement[]>();
  #appended = 0;
  #ended = false;

  constructor(sink: TopicSink, call: SendCall) {
    this.#sink = sink;
    this.#call = call;
    this.#places = new Array(call.records.length);
  }

  run(): boolean {
    const { records } = this.#call;
    try {
      while (this.#appended < records.length && !this.#ended) {
        if (this.#sink.isFull) return false;
        this.#append(records[this.#appended]);
        this.#appended++;
      }
    } catch (error) {
      this.fail(asError(error));
    }
    return true;
  }

  #append(input: RecordInput | undefined): void {
    if (input === undefined) return;
    const timestamp = input.timestamp === undefined ? this.#sink.now() : timeOf(input.timestamp);
    const record = {
      key: bytesOf(input.key),
      value: bytesOf(input.value),
      headers: encodable(input.headers),
      timestamp,
    };
    const batch = this.#sink.append(record, input.partition ?? this.#call.partition, this);
    const placement = { index: this.#appended, offsetDelta: batch.recordCount - 1, timestamp };
    const placements = this.#placements.get(batch);
    if (placements === undefined) this.#placements.set(batch, [placement]);
    else placements.push(placement);
  }

  settle(batch: ProducerBatch, outcome: BatchOutcome): void {
    const placements = this.#placements.get(batch) ?? [];
    this.#placements.delete(batch);
    if (outcome.fault === undefined) this.#place(batch, placements, outcome);
    else this.fail(outcome.fault);
    if (this.#placements.size === 0 && this.#appended === this.#call.records.length) this.#succeed();
  }

  #place(batch: ProducerBatch, placements: readonly Placement[], outcome: BatchPlace): void {
    const { topic, partition } = batch.queue;
    const { baseOffset, logAppendTimeMs } = outcome;
    for (const { index, offsetDelta, timestamp } of placements) {
      this.#places[index] = {
        topic,
        partition,
        offset: baseOffset < 0 ? -1 : baseOffset + offsetDelta,
        timestamp: logAppendTimeMs < 0 ? timestamp : logAppendTimeMs,
      };
    }
  }

  #succeed(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.resolve(this.#places);
  }

  fail(fault: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#call.reject(fault);
  }
}

function timeOf(timestamp: number | string): number {
  const time = Number(timestamp);
  if (Number.isSafeInteger(time)) return time;
  throw new LogFault('ERR_USAGE', `a timestamp is a whole number of milliseconds since 1970, not ${timestamp}`);
}

function encodable(headers: HeadersInput | undefined): readonly EncodableHeader[] {
  if (headers === undefined) return NO_HEADERS;
  return headerPairs(headers).map(([key, value]) => ({ key, value: bytesOf(value) }));
}
