// Runs clients that are programs of their own against a broker process, and turns what they print into tests.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../../house/source-files.ts';
import { BrokerProcess, PROCESS_MS_MAX, temporaryDirectory } from '../../support/broker-process.ts';
import { QUICK_GROUPS } from '../client-broker.ts';

export const EXTERNAL = join(ROOT, 'test/clients/external');
/** Where install.sh puts what no package manager of the system has. */
export const INSTALLED = join(ROOT, 'dist/clients');
/** A suite may take this long: the clients have timers of their own, and the JVM starts slowly. */
const SUITE_MS_MAX = 600_000;

export interface ProgramResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function runProgram(
  command: string,
  args: readonly string[],
  options: { readonly input?: string; readonly cwd?: string; readonly timeoutMs?: number } = {},
): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: 'pipe',
      cwd: options.cwd,
      timeout: options.timeoutMs ?? PROCESS_MS_MAX,
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
    );
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** Declares the suite of a client, or says loudly why it cannot run: then it fails where CI runs it. */
export function describeClient(name: string, needs: readonly string[], suite: () => void): void {
  const missing = needs.filter((path) => !existsSync(path));
  if (missing.length === 0) {
    describe(name, suite);
    return;
  }
  const reason = `${name} CANNOT RUN: ${missing.join(', ')} is not there (test/clients/external/install.sh installs it)`;
  console.error(`\n*** ${reason} ***\n`);
  it.skipIf(process.env.CI !== 'true')(`${name} is installed`, () => {
    throw new Error(reason);
  });
}

/** A broker for the tests of one `describe`, with quick groups. */
export function useExternalBroker(
  label: string,
  { configuration = [], ...options }: { readonly kafka?: string; readonly configuration?: readonly string[] } = {},
): () => BrokerProcess {
  let broker: BrokerProcess | undefined;
  const directory = temporaryDirectory(label);
  beforeAll(async () => {
    const settings = [...QUICK_GROUPS, ...configuration].flatMap((entry) => ['--set', entry]);
    broker = await BrokerProcess.start({ dataDirectory: directory.path, arguments: settings, ...options });
  });
  afterAll(async () => {
    await broker?.stop('SIGTERM');
    directory.remove();
  });
  return () => {
    if (broker === undefined) throw new Error('the broker has not started');
    return broker;
  };
}

interface CaseResult {
  readonly case: string;
  /** Why it failed; null where it passed. */
  readonly failure: string | null;
}

function parseCases(output: string): CaseResult[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line): CaseResult => JSON.parse(line));
}

/** One test for each of these cases, of a program that prints a line of JSON for each that it has run. */
export function testCases(
  names: readonly string[],
  run: (bootstrap: string) => Promise<ProgramResult>,
  broker: () => BrokerProcess,
): void {
  let cases: readonly CaseResult[] = [];
  let result: ProgramResult | undefined;

  beforeAll(async () => {
    result = await run(broker().kafka);
    cases = parseCases(result.stdout);
  }, SUITE_MS_MAX);

  for (const name of names) {
    it(name, () => {
      const found = cases.find((each) => each.case === name);
      if (found === undefined) throw new Error(`the case did not run\n${result?.stderr.slice(-2000)}`);
      if (found.failure !== null) throw new Error(found.failure);
    });
  }

  it('ran to its end, and no case is missing from this list', () => {
    expect(result?.code).toBe(0);
    expect(cases.map((each) => each.case).sort()).toEqual([...names].sort());
  });
}

/** `produce: acks=..., codec` for each of both. */
export function produceCases(acks: readonly string[], codecs: readonly string[]): string[] {
  return acks.flatMap((each) => codecs.map((codec) => `produce: acks=${each}, ${codec}`));
}
