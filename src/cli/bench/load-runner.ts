// Runs a load in this thread or in several, all of them from the same moment, and puts together what they tell.

import { once } from 'node:events';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { LogFault } from '../../core/fault.ts';
import { type Load, NOTHING } from './load.ts';
import { createLoad } from './load-factory.ts';
import type { LoadCommand, LoadReport, LoadThreadData } from './load-messages.ts';
import { MonotonicClock } from './monotonic-clock.ts';
import { type LoadCount, type LoadPlan, type LoadResult, type LoadShare, shareOf } from './plan.ts';

/** From the command to begin to the beginning, in milliseconds: every thread has heard of it by then. */
const START_DELAY_MS = 20;
/** How often counts are looked at, in milliseconds. */
const LOOK_MS = 100;

/** A share of the load, wherever it runs. */
interface Part {
  readonly count: LoadCount;
  open(): Promise<void>;
  run(startMs: number): Promise<LoadResult>;
  stop(): void;
  close(): void;
}

export interface RunOptions {
  readonly threads: number;
  /** Told a few times a second, once the measurement has begun. */
  readonly onCount: (count: LoadCount, nowMs: number) => void;
}

/** Runs the plan; resolves with the results of all its threads. Throws the first fault of any. */
export async function runLoad(plan: LoadPlan, { threads, onCount }: RunOptions): Promise<LoadResult[]> {
  const parts: Part[] = await Promise.all(sharesOf(plan, threads).map((share) => partOf(plan, share, threads)));
  const stop = (): void => parts.forEach((part) => void part.stop());
  process.once('SIGINT', stop);
  try {
    await Promise.all(parts.map((part) => part.open()));
    const clock = new MonotonicClock();
    const startMs = clock.now() + START_DELAY_MS;
    const timer = setInterval(() => {
      const count = sumOf(parts.map((part) => part.count));
      if (plan.kind === 'consume' && count.records >= (plan.records ?? Number.POSITIVE_INFINITY)) stop();
      const nowMs = clock.now();
      if (nowMs >= startMs + plan.warmUpSeconds * 1000) onCount(count, nowMs);
    }, LOOK_MS);
    try {
      return await Promise.all(parts.map((part) => part.run(startMs)));
    } finally {
      clearInterval(timer);
    }
  } finally {
    process.off('SIGINT', stop);
    for (const part of parts) part.close();
  }
}

function sharesOf({ clients }: LoadPlan, threads: number): LoadShare[] {
  let firstClient = 0;
  return Array.from({ length: threads }, (_, thread) => {
    const share = { firstClient, clients: shareOf(clients, thread, threads) };
    firstClient += share.clients;
    return share;
  });
}

function partOf(plan: LoadPlan, share: LoadShare, threads: number): Promise<Load> | Part {
  return threads === 1 ? createLoad(plan, share) : new ThreadPart({ plan, share });
}

export function sumOf(counts: readonly LoadCount[]): LoadCount {
  return counts.reduce((sum, { records, bytes }) => ({ records: sum.records + records, bytes: sum.bytes + bytes }));
}

class ThreadPart implements Part {
  readonly #worker: Worker;
  #count: LoadCount = NOTHING;
  readonly #opened: Promise<void>;
  readonly #result: Promise<LoadResult>;

  constructor(workerData: LoadThreadData) {
    this.#worker = new Worker(createRequire(import.meta.url).resolve('#bench/load-thread.js'), { workerData });
    const failed = once(this.#worker, 'exit').then(() => {
      throw new LogFault('ERR_CLOSED', 'a thread of the load ended before its work was done');
    });
    this.#opened = Promise.race([this.#told('open'), failed]).then(() => undefined);
    this.#result = Promise.race([this.#told('result'), failed]).then((report) => report.result);
    // Whichever comes first is thrown to the caller; what follows from it is not another fault.
    this.#opened.catch(() => undefined);
    this.#result.catch(() => undefined);
  }

  get count(): LoadCount {
    return this.#count;
  }

  #told<Type extends 'open' | 'result'>(type: Type): Promise<Extract<LoadReport, { readonly type: Type }>> {
    return new Promise((resolve, reject) => {
      this.#worker.on('error', reject);
      this.#worker.on('message', (report: LoadReport) => {
        if (isOf(report, type)) resolve(report);
        else if (report.type === 'count') this.#count = report.count;
        else if (report.type === 'fault') reject(LogFault.fromRecord(report.fault));
      });
    });
  }

  open(): Promise<void> {
    return this.#opened;
  }

  run(startMs: number): Promise<LoadResult> {
    this.#command({ type: 'run', startMs });
    return this.#result;
  }

  stop(): void {
    this.#command({ type: 'stop' });
  }

  #command(command: LoadCommand): void {
    this.#worker.postMessage(command);
  }

  close(): void {
    void this.#worker.terminate();
  }
}

function isOf<Type extends LoadReport['type']>(
  report: LoadReport,
  type: Type,
): report is Extract<LoadReport, { readonly type: Type }> {
  return report.type === type;
}
