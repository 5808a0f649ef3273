// What a load came to: as a table for people, and as plain data for programs.

import { availableParallelism } from 'node:os';
import { formatBytes, textTable } from '../text-table.ts';
import { LatencyHistogram, type LatencySummary } from './latency-histogram.ts';
import { sumOf } from './load-runner.ts';
import type { LoadCount, LoadPlan, LoadResult } from './plan.ts';

/** A rate that is missed by more than a fiftieth was not reached. */
const RATE_REACHED = 0.98;

/** The rate of one interval. */
export interface IntervalRate {
  /** End of the interval since the first one began, in seconds. */
  readonly seconds: number;
  readonly recordsPerSecond: number;
}

/** Everything that `--json` stores. Bytes are those of keys and values, a megabyte has a million of them. */
export interface BenchReport {
  readonly plan: LoadPlan;
  readonly threads: number;
  readonly startedAt: string;
  readonly node: string;
  readonly cores: number;
  readonly records: number;
  readonly bytes: number;
  /** From the end of the warm-up to the last record. */
  readonly seconds: number;
  readonly recordsPerSecond: number;
  readonly megabytesPerSecond: number;
  /** From when a record was due, where there is a rate: corrected for coordinated omission. */
  readonly latencyMs: LatencySummary | null;
  /** From when a record was given to the client. */
  readonly uncorrectedLatencyMs: LatencySummary | null;
  /** Processor time of this process, warm-up included. */
  readonly cpuSeconds: number;
  readonly intervals: readonly IntervalRate[];
}

export interface ReportParts {
  readonly plan: LoadPlan;
  readonly threads: number;
  readonly startedAt: Date;
  readonly results: readonly LoadResult[];
  readonly cpuSeconds: number;
  readonly intervals: readonly IntervalRate[];
}

export function reportOf({ plan, threads, startedAt, results, cpuSeconds, intervals }: ReportParts): BenchReport {
  const { records, bytes }: LoadCount = sumOf(results);
  const beganAtMs = Math.min(...results.map((result) => result.beganAtMs));
  const seconds = (Math.max(...results.map((result) => result.endedAtMs)) - beganAtMs) / 1000;
  const perSecond = (amount: number): number => (seconds > 0 ? amount / seconds : 0);
  return {
    plan,
    threads,
    startedAt: startedAt.toISOString(),
    node: process.version,
    cores: availableParallelism(),
    records,
    bytes,
    seconds,
    recordsPerSecond: perSecond(records),
    megabytesPerSecond: perSecond(bytes) / 1e6,
    latencyMs: merged(results.map(({ latencies }) => latencies)),
    uncorrectedLatencyMs: merged(results.map(({ uncorrected }) => uncorrected)),
    cpuSeconds,
    intervals,
  };
}

function merged(encoded: readonly (string | undefined)[]): LatencySummary | null {
  const all = new LatencyHistogram();
  for (const each of encoded) if (each !== undefined) all.add(LatencyHistogram.decode(each));
  return all.count === 0 ? null : all.summary();
}

/** The report as lines for a terminal. */
export function reportText(report: BenchReport): string {
  const { plan, latencyMs } = report;
  const clients = `${plan.clients} ${plan.clients === 1 ? 'client' : 'clients'}`;
  const about = `${plan.kind} ${plan.topic} at ${plan.server}, ${clients}, ${report.seconds.toFixed(2)} s`;
  const heading = ['RECORDS', 'RECORDS/S', 'DATA', 'MB/S'];
  const row = [
    report.records.toLocaleString('en-US'),
    Math.round(report.recordsPerSecond).toLocaleString('en-US'),
    formatBytes(report.bytes),
    report.megabytesPerSecond.toFixed(2),
  ];
  if (latencyMs !== null) {
    heading.push('P50 MS', 'P95 MS', 'P99 MS', 'P99.9 MS', 'MAX MS');
    const { p50, p95, p99, p999, max } = latencyMs;
    row.push(...[p50, p95, p99, p999, max].map((ms) => ms.toFixed(ms < 100 ? 2 : 0)));
  }
  const lines = [about, '', textTable(heading, [row])];
  if (hasFallenBehind(report)) lines.push('', 'The rate was not reached: the broker or this load took longer.');
  return lines.join('\n');
}

function hasFallenBehind({ plan, recordsPerSecond }: BenchReport): boolean {
  return plan.kind !== 'consume' && plan.rate !== undefined && recordsPerSecond < plan.rate * RATE_REACHED;
}
