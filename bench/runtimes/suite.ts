// Appending and reading on each host that has files: Node, Deno and Bun, each beside what people keep records in there. Every
// measurement is a process of its own; the two sides alternate, medians count, and both must have read the same.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BenchmarkContext, row, type Suite, wanted } from '../row.ts';
import { runtime } from './binaries.ts';
import type { WorkResult, WorkSettings } from './work.ts';

interface Host {
  readonly name: 'node' | 'deno' | 'bun';
  readonly baseline: string;
  /** The command, with its arguments before the script. */
  command(): readonly string[];
}

const HOSTS: readonly Host[] = [
  { name: 'node', baseline: 'lines of a file, flushed', command: () => [process.execPath] },
  {
    name: 'deno',
    baseline: 'Deno KV',
    command: () => [runtime('deno').command, 'run', '-A', '--unstable-kv', '--quiet'],
  },
  { name: 'bun', baseline: 'rows of bun:sqlite', command: () => [runtime('bun').command] },
];

const SHAPES = [
  { name: 'one by one', records: 1000, batch: 1, inFlight: 1 },
  { name: 'one by one, 64 in flight', records: 20_000, batch: 1, inFlight: 64 },
  { name: 'batches of 1000', records: 200_000, batch: 1000, inFlight: 1 },
  { name: 'batches of 1000, 8 in flight', records: 400_000, batch: 1000, inFlight: 8 },
] as const;

const ROUNDS = 3;
const TINY_RECORDS = 200;

export const runtimesSuite: Suite = {
  name: 'hosts',
  async run(context) {
    for (const host of HOSTS) for (const shape of SHAPES) await runShape(context, host, shape);
  },
};

async function runShape(context: BenchmarkContext, host: Host, shape: (typeof SHAPES)[number]): Promise<void> {
  const names = { append: `${host.name} append, ${shape.name}`, read: `${host.name} read, ${shape.name}` };
  if (!wanted(context, names.append) && !wanted(context, names.read)) return;
  const results: Record<WorkSettings['side'], WorkResult[]> = { log: [], rows: [] };
  const records = context.tiny ? Math.min(TINY_RECORDS, shape.records) : shape.records;
  for (let round = 0; round < (context.tiny ? 1 : ROUNDS); round++) {
    for (const side of ['log', 'rows'] as const) {
      results[side].push(await measure(host, { ...shape, side, records }));
    }
  }
  const hashes = new Set([...results.log, ...results.rows].map(({ hash }) => hash));
  if (hashes.size !== 1) throw new Error(`${names.append}: what was read is not what was written`);
  const check = [...hashes].map((hash) => hash.toString(16)).join();
  for (const part of ['append', 'read'] as const) {
    if (!wanted(context, names[part]) || (part === 'read' && (shape.batch === 1 || shape.inFlight > 1))) continue;
    const [value, baselineValue] = [median(results.log, part), median(results.rows, part)];
    context.report(row({ name: names[part], unit: 'records/s', value, baseline: host.baseline, baselineValue, check }));
  }
}

async function measure(host: Host, settings: Omit<WorkSettings, 'directory'>): Promise<WorkResult> {
  const directory = mkdtempSync(join(tmpdir(), `millrace-bench-${host.name}-`));
  try {
    const [command = '', ...given] = host.command();
    const work: WorkSettings = { ...settings, directory };
    const { stdout } = await promisify(execFile)(command, [...given, entryOf(host), JSON.stringify(work)]);
    return JSON.parse(stdout);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The compiled work: it is run by the runtime itself, from the built package. */
function entryOf({ name }: Host): string {
  const folder = import.meta.url.endsWith('.ts') ? '../../dist/bench/runtimes/' : './';
  return fileURLToPath(new URL(`${folder}${name}.js`, import.meta.url));
}

function median(results: readonly WorkResult[], part: 'append' | 'read'): number {
  const sorted = results.map((result) => result[part]).toSorted((left, right) => left - right);
  return sorted[sorted.length >> 1] ?? 0;
}
