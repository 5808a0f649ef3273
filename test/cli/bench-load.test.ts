// The parts of a load that can be seen only with a time of their own.

import { expect, test } from 'vitest';
import { LatencyHistogram } from '../../src/cli/bench/latency-histogram.ts';
import { RecentRate } from '../../src/cli/bench/live-line.ts';
import { Measurement } from '../../src/cli/bench/measurement.ts';
import { shareOf } from '../../src/cli/bench/plan.ts';
import { scheduleOf } from '../../src/cli/bench/produce-load.ts';
import { type Burst, WritingClient } from '../../src/cli/bench/writing-client.ts';
import { FakeBroker } from '../client/fake-broker.ts';
import { clientOf } from '../client/fixture.ts';

const PRODUCER = {
  acks: 1,
  compression: undefined,
  batchBytes: undefined,
  bufferBytes: undefined,
  lingerMs: undefined,
  maxInFlight: undefined,
  isIdempotent: undefined,
} as const;

test('clients take turns, and a client is due again whatever became of its last record', () => {
  const [first, second] = [0, 1].map((number) => scheduleOf({ startMs: 100, rate: 1000, clients: 2, number }));
  expect([0, 1, 2].map((index) => first?.dueMs(index))).toEqual([100, 102, 104]);
  expect([0, 1, 2].map((index) => second?.dueMs(index))).toEqual([101, 103, 105]);
  expect([99, 100, 100.5, 102, 105].map((ms) => first?.dueBefore(ms))).toEqual([0, 0, 1, 1, 3]);
});

test('a load that was held up writes what was due meanwhile, and each record counts from when it was due', async () => {
  const times = [0, 10, 510, 1000];
  let at = 0;
  const now = (): number => times[at] ?? 1000;
  const tick = async (): Promise<void> => {
    at++;
  };
  const bursts: Burst[] = [];
  const schedule = scheduleOf({ startMs: 0, rate: 100, clients: 1, number: 0 });
  const writing = new WritingClient({
    client: clientOf(new FakeBroker()),
    topic: 'held-up',
    producer: PRODUCER,
    value: () => new Uint8Array(10),
    key: () => null,
  });
  await writing.run({
    clock: { now },
    measurement: new Measurement(0, { records: undefined, seconds: 1, warmUpSeconds: 0 }),
    records: undefined,
    pace: schedule === undefined ? undefined : { schedule, pacer: { tick } },
    onAcknowledged: (burst) => void bursts.push(burst),
  });
  writing.close();
  expect(bursts.map(({ first, records, givenMs }) => [first, records, givenMs])).toEqual([
    [0, 1, 10],
    [1, 50, 510],
  ]);
  expect(schedule?.dueMs(1)).toBe(10);
});

test('latencies of several threads are put together', () => {
  const [left, right] = [new LatencyHistogram(), new LatencyHistogram()];
  for (let index = 1; index <= 99; index++) left.record(index, 1);
  right.record(1000, 1);
  const all = new LatencyHistogram();
  for (const each of [left, right]) all.add(LatencyHistogram.decode(each.encode()));
  expect(all.count).toBe(100);
  const { p50, p99, p999, max } = all.summary();
  expect(p50).toBeCloseTo(50, 0);
  expect(p99).toBeCloseTo(99, 0);
  expect(p999).toBeCloseTo(1000, -1);
  expect(max).toBe(p999);
});

test('the live rate is that of the last second', () => {
  const rate = new RecentRate();
  for (let ms = 0; ms <= 2000; ms += 100) rate.add({ records: ms, bytes: 0 }, ms);
  const faster = Array.from({ length: 11 }, (_, index) =>
    rate.add({ records: 2000 + index * 1000, bytes: index * 500 }, 2000 + index * 100),
  );
  expect(faster.at(-1)).toEqual({ records: 10_000, bytes: 5000 });
});

test('shares add up to the whole', () => {
  for (const [whole, clients] of [
    [10, 3],
    [2, 5],
    [7, 7],
  ] as const) {
    const shares = Array.from({ length: clients }, (_, client) => shareOf(whole, client, clients));
    expect(shares.reduce((sum, share) => sum + share)).toBe(whole);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
  }
});
