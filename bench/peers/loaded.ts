// Runs a load against a broker and adds what the broker has used meanwhile: processor time and memory.

import { randomUUID } from 'node:crypto';
import type { PooledBroker } from './broker-pool.ts';
import { createTopic, deleteTopic, type TopicOptions, topicExtent } from './kafka-admin.ts';
import { figure, type LoadReport } from './load-programs.ts';
import { cpuSeconds, peakMemoryBytes, resetPeakMemory } from './process-usage.ts';
import type { Measurement } from './scenario.ts';

export interface Usage<Result> {
  readonly result: Result;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** Runs the load; what it gave, and what the broker used from its begin to its end. */
export async function used<Result>({ server }: PooledBroker, run: () => Promise<Result>): Promise<Usage<Result>> {
  resetPeakMemory(server.pid);
  const before = cpuSeconds(server.pid);
  const result = await run();
  return { result, cpuSeconds: cpuSeconds(server.pid) - before, peakBytes: peakMemoryBytes(server.pid) };
}

/** Processor seconds for each gigabyte (a thousand million bytes of values) and the highest resident memory. */
export function usageMeasurements({ cpuSeconds, peakBytes }: Usage<unknown>, totalBytes: number): Measurement[] {
  return [
    { metric: 'broker CPU', unit: 's/GB', value: cpuSeconds / (totalBytes / 1e9), better: 'less' },
    peakMemory(peakBytes),
  ];
}

export function peakMemory(bytes: number): Measurement {
  return { metric: 'peak memory', unit: 'MB', value: bytes / 1e6, better: 'less' };
}

/** A report with its throughput, and what the broker used for it. */
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

/** Throws where the log has another number of records than were acknowledged. */
export async function checkWritten(
  { server }: PooledBroker,
  { topic, partitions, records }: { readonly topic: string; readonly partitions: number; readonly records: number },
): Promise<void> {
  const { written } = await topicExtent(server.address, topic, partitions);
  if (written !== records) throw new Error(`${topic} has ${written} records where ${records} were acknowledged`);
}
