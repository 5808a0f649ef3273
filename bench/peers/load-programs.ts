// Runs the programs that make the load, and reads what they report.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'hdr-histogram-js';
import { CLI, kafkaJars, program } from './paths.ts';

export type LoadOptions = Readonly<Record<string, string | number>>;
/** What a program reports: numbers by name. */
export type LoadReport = Readonly<Record<string, number>>;

const TIMEOUT_MS = 300_000;

/** What a program printed; throws with its complaints where it did not end well, or not in time. */
export async function output(command: string, args: readonly string[], timeoutMs = TIMEOUT_MS): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = (): void => void child.kill('SIGKILL');
  const timer = setTimeout(kill, timeoutMs);
  process.once('exit', kill);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4000);
  });
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  process.removeListener('exit', kill);
  if (code !== 0)
    throw new Error(`${command} ${args.join(' ')}: ended with ${code ?? signal}\n${stderr}${stdout.slice(-2000)}`);
  return stdout;
}

/** Runs a load program of dist/peers/bin with options of the form key=value. */
export async function load(name: string, mode: string, options: LoadOptions): Promise<LoadReport> {
  const words = Object.entries(options).map(([key, value]) => `${key}=${value}`);
  const timeoutMs = TIMEOUT_MS + Number(options.ms ?? 0);
  return numbers(JSON.parse(await output(program(name), [mode, ...words], timeoutMs)));
}

/** The members of an object that are numbers. */
function numbers(value: unknown): LoadReport {
  if (typeof value !== 'object' || value === null) throw new Error('a load reported nothing');
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
}

/** One number of a report. */
export function figure(report: LoadReport, name: string): number {
  const value = report[name];
  if (value === undefined) throw new Error(`the load reported no ${name}`);
  return value;
}

/** Percentiles in milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Runs a load that stores a latency for each record, counted from when it was due, and makes a histogram of them. */
export async function latencyLoad(
  name: string,
  options: LoadOptions,
): Promise<{ readonly report: LoadReport; readonly percentiles: Percentiles }> {
  const directory = mkdtempSync(join(tmpdir(), 'latencies-'));
  try {
    const samples = join(directory, 'samples');
    const report = await load(name, 'latency', { ...options, samples });
    return { report, percentiles: percentilesOf(readFileSync(samples)) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Of microseconds as little-endian 32-bit numbers. */
export function percentilesOf(samples: Uint8Array): Percentiles {
  const histogram = build({ numberOfSignificantValueDigits: 3 });
  const view = new DataView(samples.buffer, samples.byteOffset, samples.byteLength);
  for (let at = 0; at < view.byteLength; at += 4) histogram.recordValue(view.getUint32(at, true));
  const milliseconds = (percentile: number): number => histogram.getValueAtPercentile(percentile) / 1000;
  return { p50: milliseconds(50), p99: milliseconds(99), p999: milliseconds(99.9) };
}

/** Runs `millrace bench` and gives what it stored. */
export async function millraceBench(
  kind: string,
  args: readonly string[],
): Promise<LoadReport & { latencyMs?: unknown }> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  try {
    const json = join(directory, 'report.json');
    await output(process.execPath, [CLI, 'bench', kind, ...args, '--json', json]);
    return JSON.parse(readFileSync(json, 'utf8'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Runs a class of Kafka's tools in a JVM as its own script starts it. */
export function kafkaTool(name: string, args: readonly string[]): Promise<string> {
  const installed = kafkaJars();
  if (installed === undefined) throw new Error('Kafka is not installed');
  const options = ['-Xmx512M', '-server', '-XX:+UseG1GC', '-XX:MaxGCPauseMillis=20', '-Djava.awt.headless=true'];
  const logging = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
  return output('java', [...options, logging, '-cp', installed.jars, name, ...args]);
}
