// Runs a load against a broker and adds what both have used meanwhile: processor time, and memory of the broker.

import { randomUUID } from 'node:crypto';
import type { PooledBroker } from './broker-pool.ts';
import { createTopic, deleteTopic, type TopicOptions, topicExtent } from './kafka-admin.ts';
import { figure, type LoadReport } from './load-programs.ts';
import { cpuSeconds, endedChildrenCpuSeconds, peakMemoryBytes, resetPeakMemory } from './process-usage.ts';
import type { Measurement } from './scenario.ts';

export interface Usage<Result> {
  readonly result: Result;
  /** Of the broker. */
  readonly cpuSeconds: number;
  /** Of the programs that made the load, from their start to their end. */
  readonly loadCpuSeconds: number;
  /** From the begin to the end of the load. */
  readonly seconds: number;
  /** Of the broker. */
  readonly peakBytes: number;
}

/** Runs the load; what it gave, and what broker and load used from its begin to its end. */
export async function used<Result>({ server }: PooledBroker, run: () => Promise<Result>): Promise<Usage<Result>> {
  resetPeakMemory(server.pid);
  const began = performance.now();
  const [broker, loads] = [cpuSeconds(server.pid), endedChildrenCpuSeconds()];
  const result = await run();
  return {
    result,
    cpuSeconds: cpuSeconds(server.pid) - broker,
    loadCpuSeconds: endedChildrenCpuSeconds() - loads,
    seconds: (performance.now() - began) / 1000,
    peakBytes: peakMemoryBytes(server.pid),
  };
}

/** What was used for so many of a unit such as `GB`, and the highest resident memory of the broker. */
function usageFor(usage: Usage<unknown>, amount: number, unit: string): Measurement[] {
  const less = { better: 'less' } as const;
  return [
    { metric: 'broker CPU', unit: `s/${unit}`, value: usage.cpuSeconds / amount, ...less },
    { metric: 'peak memory', unit: 'MB', value: usage.peakBytes / 1e6, ...less },
    { metric: 'load CPU', unit: `s/${unit}`, value: usage.loadCpuSeconds / amount, ...less },
    { metric: 'load', unit: 'cores', value: usage.loadCpuSeconds / usage.seconds, ...less },
  ];
}

/** For each gigabyte: a thousand million bytes of values. */
export function usageMeasurements(usage: Usage<unknown>, totalBytes: number): Measurement[] {
  return usageFor(usage, totalBytes / 1e9, 'GB');
}

export function usagePerMillion(usage: Usage<unknown>, totalRecords: number): Measurement[] {
  return usageFor(usage, totalRecords / 1e6, 'million');
}

/** A report with its throughput, and what was used for it. */
export function throughputMeasurements(usage: Usage<LoadReport>): Measurement[] {
  const { result } = usage;
  return [
    { metric: 'throughput', unit: 'MB/s', value: figure(result, 'bytesPerSecond') / 1e6, better: 'more' },
    ...usageMeasurements(usage, figure(result, 'totalBytes')),
  ];
}

/** Runs with a topic of its own, that is deleted afterwards. */
export async function withTopic<Result>(
  { server }: PooledBroker,
  options: TopicOptions,
  run: (topic: string) => Promise<Result>,
): Promise<Result> {
  const topic = `bench-${randomUUID().slice(0, 8)}`;
  await createTopic(server.address, topic, options);
  const result = await run(topic);
  await deleteTopic(server.address, topic);
  return result;
}

/** Throws where the log has another number of records than were acknowledged; gives how many retention has dropped. */
export async function checkWritten(
  { server }: PooledBroker,
  { topic, partitions, records }: { readonly topic: string; readonly partitions: number; readonly records: number },
): Promise<number> {
  const { written, dropped } = await topicExtent(server.address, topic, partitions);
  if (written !== records) throw new Error(`${topic} has ${written} records where ${records} were acknowledged`);
  return dropped;
}
