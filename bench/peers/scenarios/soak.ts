// Full load for minutes, with retention at work and a consumer at the tail: memory has to stay flat.

import type { PooledBroker } from '../broker-pool.ts';
import { figure, load } from '../load-programs.ts';
import { checkWritten, withTopic } from '../loaded.ts';
import { residentBytes } from '../process-usage.ts';
import type { LoadScenario, Measurement } from '../scenario.ts';

const PARTITIONS = 8;
const SAMPLE_MS = 1000;
const MIB = 1024 ** 2;
/** What the last third is compared with. */
const EARLIER = 'Millrace, minutes before';

/** Means of resident memory: after a first sixth in which caches fill, and at the end. */
export function thirds(samples: readonly number[]): { readonly early: number; readonly late: number } {
  const mean = (part: readonly number[]): number =>
    part.reduce((sum, value) => sum + value, 0) / Math.max(1, part.length);
  const sixth = Math.floor(samples.length / 6);
  return { early: mean(samples.slice(sixth, sixth * 3)), late: mean(samples.slice(-Math.max(1, sixth * 2))) };
}

async function sampled<Result>({ server }: PooledBroker, run: () => Promise<Result>): Promise<[Result, number[]]> {
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(residentBytes(server.pid)), SAMPLE_MS);
  try {
    return [await run(), samples];
  } finally {
    clearInterval(timer);
  }
}

export function soakScenario(minutes: number): LoadScenario {
  return {
    name: `soak/${minutes}-minutes`,
    peers: ['millrace'],
    roundsMax: 1,
    guarantee: 'default',
    run(broker, { rampMs }) {
      const config = { 'segment.bytes': String(128 * MIB), 'retention.bytes': String(512 * MIB) };
      return withTopic(broker, { partitions: PARTITIONS, config }, async (topic) => {
        const common = { broker: broker.server.address, topic, partitions: PARTITIONS, record_bytes: 1024 };
        const times = { ms: Math.round(minutes * 60_000), ramp_ms: rampMs };
        const [[produced, consumed], samples] = await sampled(broker, () =>
          Promise.all([
            load('kafka-wire', 'produce', { ...common, ...times, per_request: 2, acks: 1 }),
            load('kafka-wire', 'fetch', { ...common, ...times, mode: 'tail' }),
          ]),
        );
        await checkWritten(broker, { topic, partitions: PARTITIONS, records: figure(produced, 'totalRecords') });
        const { early, late } = thirds(samples);
        // In and out: a consumer at the tail that fell behind would show in the lower one.
        const rates = [produced, consumed].map((report) => Math.round(figure(report, 'bytesPerSecond') / 1e6));
        const metric = `memory at ${Math.min(...rates)} MB/s`;
        const beside = { name: EARLIER, version: broker.peer.version, value: early / 1e6, rounds: 1 };
        return [{ metric, unit: 'MB', value: late / 1e6, better: 'less', beside } satisfies Measurement];
      });
    },
  };
}
