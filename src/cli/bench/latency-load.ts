// Records through the log and out again at a fixed rate: how long from when each was due to when a consumer has it.
// Producers and consumer share one thread, and so one clock.

import type { Client, ConsumedRecord, Consumer } from '../../client/index.ts';
import { LogFault } from '../../core/fault.ts';
import { connectToServer } from '../server-connection.ts';
import { type Load, NOTHING } from './load.ts';
import { Measurement } from './measurement.ts';
import { MonotonicClock } from './monotonic-clock.ts';
import { Pacer } from './pacer.ts';
import { type LatencyPlan, type LoadCount, type LoadResult, shareOf } from './plan.ts';
import { scheduleOf } from './produce-load.ts';
import { RecordSource } from './record-source.ts';
import { WritingClient } from './writing-client.ts';

/** How long the last records may take to come back, in milliseconds. */
const RETURN_MS_MAX = 30_000;
/** A value begins with when it was due (never, in the warm-up), when it was given to the client, and which run it is of. */
const DUE_BYTE = 0;
const GIVEN_BYTE = 8;
const RUN_BYTE = 16;
/** Bytes that a value has at least. */
const STAMP_BYTES = 24;

export class LatencyLoad implements Load {
  readonly #plan: LatencyPlan;
  readonly #clock = new MonotonicClock();
  /** Tells this run's records from those of others in the same topic. */
  readonly #run = Math.random();
  readonly #clients: WritingClient[] = [];
  #reader: Client | undefined;
  #consumer: Consumer | undefined;
  #measurement: Measurement | undefined;
  #received = 0;
  #allReceived: (() => void) | undefined;

  constructor(plan: LatencyPlan) {
    this.#plan = plan;
  }

  get count(): LoadCount {
    return this.#measurement?.count ?? NOTHING;
  }

  async open(): Promise<void> {
    const { server, topic, clients } = this.#plan;
    this.#reader = await connectToServer(server);
    this.#consumer = this.#reader.consumer();
    await this.#consumer.assign([{ topic, from: 'end' }]);
    for (let index = 0; index < clients; index++) this.#clients.push(await this.#writingClient(index));
  }

  async #writingClient(index: number): Promise<WritingClient> {
    const { server, topic, producer, content, clients } = this.#plan;
    const source = new RecordSource(content, { first: index, step: clients });
    const value = new Uint8Array(content.recordBytes);
    value.set(source.value());
    const view = new DataView(value.buffer);
    return new WritingClient({
      client: await connectToServer(server),
      topic,
      producer,
      value: (dueMs, givenMs, isMeasured) => {
        view.setFloat64(DUE_BYTE, isMeasured ? dueMs : Number.NaN);
        view.setFloat64(GIVEN_BYTE, givenMs);
        view.setFloat64(RUN_BYTE, this.#run);
        return value;
      },
      key: () => source.key(),
    });
  }

  async run(startMs: number): Promise<LoadResult> {
    const { rate } = this.#plan;
    const measurement = new Measurement(startMs, this.#plan);
    this.#measurement = measurement;
    const pacer = new Pacer({ startMs, rate });
    const reading = this.#read(measurement);
    try {
      // A consumer that fails ends the run; otherwise it goes on until it is closed.
      await Promise.race([this.#write(measurement, { startMs, pacer }), reading]);
    } finally {
      await pacer.close();
      await this.#consumer?.close();
    }
    await reading;
    return measurement.result();
  }

  async #write(
    measurement: Measurement,
    { startMs, pacer }: { readonly startMs: number; readonly pacer: Pacer },
  ): Promise<void> {
    const { rate, clients, records } = this.#plan;
    await this.#clock.at(startMs);
    await Promise.all(
      this.#clients.map(async (client, number) => {
        const schedule = scheduleOf({ startMs, rate, clients, number });
        await client.run({
          clock: this.#clock,
          measurement,
          records: records === undefined ? undefined : shareOf(records, number, clients),
          pace: schedule === undefined ? undefined : { schedule, pacer },
          onAcknowledged: () => undefined,
        });
      }),
    );
    await this.#whenReceived(this.#clients.reduce((sum, client) => sum + client.measured, 0));
  }

  async #whenReceived(written: number): Promise<void> {
    const deadlineMs = this.#clock.now() + RETURN_MS_MAX;
    while (this.#received < written) {
      const left = deadlineMs - this.#clock.now();
      if (left <= 0) {
        const missing = written - this.#received;
        throw new LogFault('ERR_TIMEOUT', `${missing} records were acknowledged and did not come back`);
      }
      await this.#nextBatch(left);
    }
  }

  #nextBatch(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, withinMs);
      this.#allReceived = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #read(measurement: Measurement): Promise<void> {
    const consumer = this.#consumer;
    if (consumer === undefined) return;
    for await (const { records } of consumer.batches()) {
      const nowMs = this.#clock.now();
      for (const record of records) this.#receive(measurement, record, nowMs);
      this.#allReceived?.();
    }
  }

  #receive(measurement: Measurement, { key, value }: ConsumedRecord, nowMs: number): void {
    if (value === null || value.length < STAMP_BYTES) return;
    const view = new DataView(value.buffer, value.byteOffset, value.length);
    if (view.getFloat64(RUN_BYTE) !== this.#run) return;
    const givenMs = view.getFloat64(GIVEN_BYTE);
    const dueMs = view.getFloat64(DUE_BYTE);
    if (Number.isNaN(dueMs)) return;
    this.#received++;
    measurement.add(1, value.length + (key?.length ?? 0), nowMs);
    measurement.time(nowMs - dueMs, nowMs - givenMs, 1);
  }

  stop(): void {
    this.#measurement?.stop();
  }

  close(): void {
    for (const client of this.#clients) client.close();
    this.#reader?.close();
  }
}
