// Clients that read a topic, each some of its partitions, as fast as they come.

import type { Client, Consumer, TopicPartition } from '../../client/index.ts';
import { LogFault } from '../../core/fault.ts';
import { connectToServer } from '../server-connection.ts';
import { type Load, NOTHING } from './load.ts';
import { Measurement } from './measurement.ts';
import { MonotonicClock } from './monotonic-clock.ts';
import type { ConsumePlan, LoadCount, LoadResult, LoadShare } from './plan.ts';

interface Reader {
  readonly client: Client;
  readonly consumer: Consumer;
  readonly places: readonly TopicPartition[];
}

export class ConsumeLoad implements Load {
  readonly #plan: ConsumePlan;
  readonly #share: LoadShare;
  readonly #clock = new MonotonicClock();
  readonly #readers: Reader[] = [];
  #measurement: Measurement | undefined;

  constructor(plan: ConsumePlan, share: LoadShare) {
    this.#plan = plan;
    this.#share = share;
  }

  get count(): LoadCount {
    return this.#measurement?.count ?? NOTHING;
  }

  async open(): Promise<void> {
    const { server, topic, clients, fetchBytes, partitionBytes } = this.#plan;
    for (let index = 0; index < this.#share.clients; index++) {
      const client = await connectToServer(server);
      const consumer = client.consumer({
        ...(fetchBytes === undefined ? {} : { maxBytes: fetchBytes }),
        ...(partitionBytes === undefined ? {} : { partitionBytes }),
      });
      const { partitions } = await client.admin().describeTopic(topic);
      const places = partitions
        .filter(({ partition }) => partition % clients === this.#share.firstClient + index)
        .map(({ partition }) => ({ topic, partition }));
      this.#readers.push({ client, consumer, places });
    }
  }

  async run(startMs: number): Promise<LoadResult> {
    const measurement = new Measurement(startMs, this.#plan);
    this.#measurement = measurement;
    await this.#clock.at(startMs);
    const timer = Number.isFinite(measurement.untilMs)
      ? setTimeout(() => this.stop(), measurement.untilMs - this.#clock.now())
      : undefined;
    try {
      await Promise.all(this.#readers.map((reader) => this.#read(reader, measurement)));
    } finally {
      clearTimeout(timer);
    }
    return measurement.result();
  }

  /** To its end, or until it is stopped, which may be before it has begun. */
  async #read(reader: Reader, measurement: Measurement): Promise<void> {
    try {
      await this.#take(reader, measurement);
    } catch (error) {
      if (!measurement.isStopped || !(error instanceof LogFault) || error.code !== 'ERR_CLOSED') throw error;
    }
  }

  async #take({ consumer, places }: Reader, measurement: Measurement): Promise<void> {
    const { from, follows, records: limit } = this.#plan;
    if (places.length > 0) await consumer.assign(places.map((place) => ({ ...place, from })));
    for await (const { records } of consumer.batches({ untilEnd: !follows })) {
      const nowMs = this.#clock.now();
      let bytes = 0;
      for (const { key, value } of records) bytes += (key?.length ?? 0) + (value?.length ?? 0);
      if (nowMs >= measurement.fromMs) measurement.add(records.length, bytes, nowMs);
      if (limit !== undefined && measurement.count.records >= limit) this.stop();
      if (measurement.isStopped) break;
    }
    await consumer.close();
  }

  stop(): void {
    this.#measurement?.stop();
    for (const { consumer } of this.#readers) void consumer.close();
  }

  close(): void {
    for (const { client } of this.#readers) client.close();
  }
}
