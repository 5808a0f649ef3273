// Clients that write to a topic; what is timed is how long records take to be acknowledged.

import { connectToServer } from '../server-connection.ts';
import { type Load, NOTHING } from './load.ts';
import { Measurement } from './measurement.ts';
import { MonotonicClock } from './monotonic-clock.ts';
import { Pacer } from './pacer.ts';
import { type LoadCount, type LoadResult, type LoadShare, type ProducePlan, shareOf } from './plan.ts';
import { RecordSource } from './record-source.ts';
import { Schedule } from './schedule.ts';
import { type Burst, WritingClient } from './writing-client.ts';

export class ProduceLoad implements Load {
  readonly #plan: ProducePlan;
  readonly #share: LoadShare;
  readonly #clock = new MonotonicClock();
  readonly #clients: WritingClient[] = [];
  #measurement: Measurement | undefined;

  constructor(plan: ProducePlan, share: LoadShare) {
    this.#plan = plan;
    this.#share = share;
  }

  get count(): LoadCount {
    return this.#measurement?.count ?? NOTHING;
  }

  async open(): Promise<void> {
    const { server, topic, producer, content, clients } = this.#plan;
    for (let index = 0; index < this.#share.clients; index++) {
      const source = new RecordSource(content, { first: this.#share.firstClient + index, step: clients });
      const client = await connectToServer(server);
      const writing = new WritingClient({
        client,
        topic,
        producer,
        value: () => source.value(),
        key: () => source.key(),
      });
      this.#clients.push(writing);
    }
  }

  async run(startMs: number): Promise<LoadResult> {
    const { rate, clients, records } = this.#plan;
    const measurement = new Measurement(startMs, this.#plan);
    this.#measurement = measurement;
    const pacer = rate === undefined ? undefined : new Pacer({ startMs, rate: (rate * this.#share.clients) / clients });
    try {
      await this.#clock.at(startMs);
      await Promise.all(
        this.#clients.map(async (client, index) => {
          const number = this.#share.firstClient + index;
          const schedule = scheduleOf({ startMs, rate, clients, number });
          await client.run({
            clock: this.#clock,
            measurement,
            records: records === undefined ? undefined : shareOf(records, number, clients),
            pace: schedule === undefined || pacer === undefined ? undefined : { schedule, pacer },
            onAcknowledged: (burst, nowMs) => acknowledge({ measurement, schedule, burst, nowMs }),
          });
        }),
      );
    } finally {
      await pacer?.close();
    }
    return measurement.result();
  }

  stop(): void {
    this.#measurement?.stop();
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}

interface Rhythm {
  readonly startMs: number;
  readonly rate: number | undefined;
  readonly clients: number;
  /** Of the client, from 0. */
  readonly number: number;
}

/** The clients take turns: each is due in the gaps of the others. */
export function scheduleOf({ startMs, rate, clients, number }: Rhythm): Schedule | undefined {
  if (rate === undefined) return undefined;
  const intervalMs = (1000 * clients) / rate;
  return new Schedule({ startMs: startMs + (number * intervalMs) / clients, intervalMs });
}

interface Acknowledged {
  readonly measurement: Measurement;
  readonly schedule: Schedule | undefined;
  readonly burst: Burst;
  readonly nowMs: number;
}

function acknowledge({ measurement, schedule, burst, nowMs }: Acknowledged): void {
  const { first, records, bytes, givenMs } = burst;
  measurement.add(records, bytes, nowMs);
  const sinceGivenMs = nowMs - givenMs;
  if (schedule === undefined) {
    measurement.time(sinceGivenMs, sinceGivenMs, records);
    return;
  }
  for (let index = first; index < first + records; index++) {
    measurement.time(nowMs - schedule.dueMs(index), sinceGivenMs, 1);
  }
}
