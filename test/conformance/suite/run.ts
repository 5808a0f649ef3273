// Runs the suite on a host. Every case has its own place, so that they depend on nothing but the host.

import { BROKER_CASES } from './broker-cases.ts';
import { GOLDEN_CASES } from './golden-cases.ts';
import type { CaseResult, ConformanceCase, ConformanceHost, ConformanceReport } from './host.ts';
import { LOG_CASES } from './log-cases.ts';
import { STORE_CASES } from './store-cases.ts';

/** The cases by what they need; every name is there once. */
export const CASES: readonly ConformanceCase[] = [...STORE_CASES, ...LOG_CASES, ...GOLDEN_CASES, ...BROKER_CASES];

/** A case that takes longer does not pass; its machine may be a busy one. */
const CASE_MS_MAX = 240_000;

export interface RunOptions {
  /** Part of the names of the cases to run; all by default. */
  readonly only?: string | undefined;
  /** Hears of each result as it comes. */
  readonly onResult?: ((result: CaseResult) => void) | undefined;
}

/** The cases whose names hold `only`. */
export function casesOf(only = ''): readonly ConformanceCase[] {
  return CASES.filter(({ name }) => name.includes(only));
}

/** Runs every case that the host can, one after another. Never rejects for a case that does not pass. */
export async function runConformance(host: ConformanceHost, options: RunOptions = {}): Promise<ConformanceReport> {
  const results: CaseResult[] = [];
  for (const each of casesOf(options.only)) {
    if (each.needs === 'broker' && !host.hasBroker) continue;
    const result = await runCase(each, host);
    results.push(result);
    options.onResult?.(result);
  }
  return { host: host.name, results };
}

async function runCase(each: ConformanceCase, host: ConformanceHost): Promise<CaseResult> {
  const startedAt = performance.now();
  const elapsed = (): number => Math.round(performance.now() - startedAt);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`it took longer than ${CASE_MS_MAX} ms`)), CASE_MS_MAX);
  });
  try {
    await Promise.race([each.run(host), late]);
    return { name: each.name, passed: true, milliseconds: elapsed() };
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}\n${error.stack ?? ''}` : String(error);
    return { name: each.name, passed: false, milliseconds: elapsed(), reason };
  } finally {
    clearTimeout(timer);
  }
}
