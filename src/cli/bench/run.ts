// A load from its plan to its report: the topic made ready, the load run with a live line, what it came to.

import { closeSync, openSync, writeFileSync } from 'node:fs';
import { type Admin, BrokerFault } from '../../client/index.ts';
import { LogFault } from '../../core/fault.ts';
import { connectToServer } from '../server-connection.ts';
import { startLiveLine } from './live-line.ts';
import { runLoad } from './load-runner.ts';
import type { LoadCount, LoadPlan } from './plan.ts';
import { type IntervalRate, reportOf, reportText } from './report.ts';

const INTERVAL_MS = 1000;

export interface BenchOptions {
  readonly threads: number;
  /** Partitions that the topic is to have; undefined for those that it has. */
  readonly partitions: number | undefined;
  /** A file for the report. */
  readonly json: string | undefined;
}

/** Runs the plan, prints its table, and stores its report where that is asked for. */
export async function runBench(plan: LoadPlan, options: BenchOptions): Promise<void> {
  const { threads, json } = options;
  if (threads > plan.clients) {
    throw new LogFault('ERR_USAGE', `--threads ${threads}: each needs a client, and --clients is ${plan.clients}`);
  }
  // A report that cannot be stored is told before the load, not after it.
  const file = json === undefined ? undefined : openReport(json);
  await prepareTopic(plan, options);
  const startedAt = new Date();
  const cpuBefore = process.cpuUsage();
  const line = await startLiveLine(plan);
  const intervals = new Intervals();
  const results = await runLoad(plan, {
    threads,
    onCount: (count, nowMs) => {
      line.update(count, nowMs);
      intervals.add(count, nowMs);
    },
  }).finally(() => line.stop());
  const { user, system } = process.cpuUsage(cpuBefore);
  const cpuSeconds = (user + system) / 1e6;
  const report = reportOf({ plan, threads, startedAt, results, cpuSeconds, intervals: intervals.rates });
  process.stdout.write(`${reportText(report)}\n`);
  if (file === undefined) return;
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  closeSync(file);
}

async function prepareTopic({ server, topic, clients, kind }: LoadPlan, { partitions }: BenchOptions): Promise<void> {
  const client = await connectToServer(server);
  try {
    const admin = client.admin();
    if (kind !== 'consume') await create(admin, topic, partitions);
    const count = (await admin.describeTopic(topic)).partitions.length;
    if (partitions !== undefined && count !== partitions) {
      throw new LogFault('ERR_USAGE', `--partitions ${partitions}: the topic ${topic} is there, and has ${count}`);
    }
    if (kind === 'consume' && clients > count) {
      throw new LogFault('ERR_USAGE', `--clients ${clients}: the topic ${topic} has partitions for ${count}`);
    }
  } finally {
    client.close();
  }
}

async function create(admin: Admin, topic: string, partitions: number | undefined): Promise<void> {
  try {
    await admin.createTopics({
      topics: [{ topic, ...(partitions === undefined ? {} : { numPartitions: partitions }) }],
    });
  } catch (error) {
    if (!(error instanceof BrokerFault) || error.error !== 'TOPIC_ALREADY_EXISTS') throw error;
  }
}

function openReport(file: string): number {
  try {
    return openSync(file, 'w');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LogFault('ERR_USAGE', `--json ${file} cannot be written: ${reason}`, error);
  }
}

/** Rates of about a second each, from counts that come more often. */
class Intervals {
  readonly rates: IntervalRate[] = [];
  #firstMs: number | undefined;
  #lastMs = 0;
  #lastRecords = 0;

  add({ records }: LoadCount, nowMs: number): void {
    if (this.#firstMs === undefined) {
      this.#firstMs = nowMs;
      this.#lastMs = nowMs;
    }
    const elapsedMs = nowMs - this.#lastMs;
    if (elapsedMs < INTERVAL_MS) return;
    const recordsPerSecond = ((records - this.#lastRecords) * 1000) / elapsedMs;
    this.rates.push({ seconds: (nowMs - this.#firstMs) / 1000, recordsPerSecond });
    this.#lastMs = nowMs;
    this.#lastRecords = records;
  }
}
