// One client of a load that writes: its connection, its producer, and its records, as fast as they are taken or at a
// fixed rate.

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Client, Producer, RecordWriter } from '../../client/index.ts';
import type { Measurement } from './measurement.ts';
import type { ProducerSettings } from './plan.ts';
import type { Schedule } from './schedule.ts';

/** What is written between two looks at the network, in bytes, and at most in records. */
const BURST_BYTES = 64 * 1024;
const BURST_RECORDS_MAX = 1024;
const RECORD_OVERHEAD_BYTES = 20;

export interface WritingOptions {
  readonly client: Client;
  readonly topic: string;
  readonly producer: ProducerSettings;
  /** The next record's value, which is copied before the one after it is asked for. */
  readonly value: (dueMs: number, givenMs: number, isMeasured: boolean) => Uint8Array;
  readonly key: () => Uint8Array | null;
}

export interface WritingRun {
  readonly clock: { now(): number };
  readonly measurement: Measurement;
  /** Records to write, those of the warm-up apart; undefined for no such end. */
  readonly records: number | undefined;
  /** Undefined for as fast as can be. */
  readonly pace: { readonly schedule: Schedule; readonly pacer: { tick(): Promise<void> } } | undefined;
  /** Told of records that are acknowledged and belong to the measurement. */
  readonly onAcknowledged: (burst: Burst, nowMs: number) => void;
}

/** Records that were given to the client one after another. */
export interface Burst {
  /** Number of the first, from 0. */
  readonly first: number;
  readonly records: number;
  readonly bytes: number;
  readonly givenMs: number;
}

export class WritingClient {
  readonly #options: WritingOptions;
  readonly #producer: Producer;
  readonly #writer: RecordWriter;
  #written = 0;
  /** Number of the first record that belongs to the measurement: due in it or, without a rate, written in it. */
  #firstMeasured = Number.POSITIVE_INFINITY;
  #fault: unknown;

  constructor(options: WritingOptions) {
    this.#options = options;
    this.#producer = options.client.producer(producerOptions(options.producer));
    this.#writer = this.#producer.writer(options.topic);
  }

  /** Records of the measurement that were written. */
  get measured(): number {
    return Math.max(0, this.#written - this.#firstMeasured);
  }

  /** Resolves when every record is acknowledged. Throws the first fault that lost one. */
  async run(run: WritingRun): Promise<void> {
    const { clock, pace, measurement } = run;
    if (pace !== undefined) this.#firstMeasured = pace.schedule.dueBefore(measurement.fromMs);
    for (;;) {
      const nowMs = clock.now();
      if (measurement.isStopped || nowMs >= measurement.untilMs || this.#fault !== undefined) break;
      if (pace === undefined && nowMs >= measurement.fromMs) {
        this.#firstMeasured = Math.min(this.#firstMeasured, this.#written);
      }
      const end = this.#firstMeasured + (run.records ?? Number.POSITIVE_INFINITY);
      if (this.#written >= end) break;
      const due = pace === undefined ? end : Math.min(end, pace.schedule.dueBefore(nowMs));
      const isDue = due > this.#written;
      if (isDue) await this.#burst(run, due, nowMs);
      await (isDue || pace === undefined ? nextTurn() : pace.pacer.tick());
    }
    if (this.#fault !== undefined) throw this.#fault;
    await this.#producer.close();
    // By the next turn everybody has been told of the last records.
    await nextTurn();
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Writes records up to a number, though not all at once. */
  async #burst(run: WritingRun, due: number, givenMs: number): Promise<void> {
    const { value, key } = this.#options;
    const schedule = run.pace?.schedule;
    const first = this.#written;
    const isMeasured = first >= this.#firstMeasured;
    const end = Math.min(due, first + BURST_RECORDS_MAX, isMeasured ? due : this.#firstMeasured);
    let bytes = 0;
    let index = first;
    for (let roomBytes = BURST_BYTES; index < end && roomBytes > 0; index++) {
      const recordValue = value(schedule === undefined ? givenMs : schedule.dueMs(index), givenMs, isMeasured);
      const recordKey = key();
      const recordBytes = recordValue.length + (recordKey?.length ?? 0);
      bytes += recordBytes;
      roomBytes -= recordBytes + RECORD_OVERHEAD_BYTES;
      const held = this.#writer.write(recordValue, recordKey);
      if (held !== undefined) await held;
    }
    this.#written = index;
    const burst = { first, records: index - first, bytes, givenMs };
    this.#await(run, isMeasured ? burst : undefined);
  }

  /** Waits for what was just written; nobody is told of the warm-up. */
  #await(run: WritingRun, burst: Burst | undefined): void {
    this.#writer.checkpoint().then(
      () => {
        if (burst !== undefined) run.onAcknowledged(burst, run.clock.now());
      },
      (fault: unknown) => {
        this.#fault ??= fault;
      },
    );
  }

  close(): void {
    this.#options.client.close();
  }
}

function producerOptions(settings: ProducerSettings): Parameters<Client['producer']>[0] {
  const { acks, compression, batchBytes, bufferBytes, lingerMs, maxInFlight, isIdempotent } = settings;
  return {
    acks,
    compression,
    ...(batchBytes === undefined ? {} : { batchBytes }),
    ...(bufferBytes === undefined ? {} : { bufferBytes }),
    ...(lingerMs === undefined ? {} : { lingerMs }),
    ...(maxInFlight === undefined ? {} : { maxInFlight }),
    ...(isIdempotent === undefined ? {} : { idempotent: isIdempotent }),
  };
}
