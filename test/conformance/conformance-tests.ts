// Makes a vitest test of each case of the conformance suite, from the report that a host's runner gives: in this very
// process, or as one line of JSON from another runtime. A case without a result is a failure.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { beforeAll, describe, expect, test } from 'vitest';
import type { CaseResult, ConformanceReport } from './suite/host.ts';
import { casesOf } from './suite/run.ts';

const RUN_MS_MAX = 1_200_000;

export interface ConformanceTests {
  /** Heads the tests. */
  readonly title: string;
  /** Runs the suite, once. */
  readonly run: () => Promise<ConformanceReport>;
  /** Part of the names of the cases that it runs; all by default. */
  readonly only?: string;
  /** The host has no broker: its cases are not expected. */
  readonly withoutBroker?: boolean;
}

export function conformanceTests({ title, run, only, withoutBroker = false }: ConformanceTests): void {
  describe(title, () => {
    let results: ReadonlyMap<string, CaseResult> = new Map();
    beforeAll(async () => {
      const report = await run();
      results = new Map(report.results.map((result) => [result.name, result]));
    }, RUN_MS_MAX);
    for (const { name, needs } of casesOf(only)) {
      if (withoutBroker && needs === 'broker') continue;
      test(name, () => {
        const result = results.get(name);
        expect(result, 'the runner gave a result').toBeDefined();
        expect(result?.reason).toBe(undefined);
        expect(result?.passed).toBe(true);
      });
    }
  });
}

/** Runs a command whose last line of JSON with `results` is the report. Rejects with its output when there is none. */
export async function reportOf(command: string, args: readonly string[]): Promise<ConformanceReport> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let report: ConformanceReport | undefined;
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    if (line.startsWith('{"host":')) report = JSON.parse(line);
  });
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
  const ended = new Promise<string>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(String(code ?? signal)));
  });
  const stuck = setTimeout(() => child.kill('SIGKILL'), RUN_MS_MAX - 10_000);
  const ending = await ended;
  clearTimeout(stuck);
  if (report === undefined) throw new Error(`${command} ended (${ending}) without a report:\n${lines.join('\n')}`);
  return report;
}
