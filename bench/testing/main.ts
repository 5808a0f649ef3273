// `npm run bench:testing`: how long a test waits for its Kafka, from the start to the first acknowledged record of a kafkajs
// producer: with `millrace/testing`, and with Apache Kafka on the JVM, whose jars bench/peers/install.sh fetches.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { kafkaPeer } from '../peers/kafka-peer.ts';
import { kafkaJars } from '../peers/paths.ts';
import { sendFirstRecord } from './first-record.ts';

const ROUNDS = 5;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Formatting the directory belongs to it: a test begins with an empty one. */
async function startOnJvm(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-testing-'));
  const options = { directory, ports: [await freePort(), await freePort()], guarantee: 'default' } as const;
  const startedMs = performance.now();
  await kafkaPeer.prepare(options);
  const server = kafkaPeer.start(options);
  try {
    await sendFirstRecord(server.address, 'orders');
    return performance.now() - startedMs;
  } finally {
    await server.end('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
}

async function startInProcess(): Promise<{ readonly first: number; readonly next: number }> {
  const file = fileURLToPath(new URL('./fixture-start.js', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [file]);
  return JSON.parse(stdout);
}

function median(values: readonly number[]): number {
  return [...values].sort((one, other) => one - other)[values.length >> 1] ?? Number.NaN;
}

function report(name: string, values: readonly number[]): void {
  const spread = `${Math.round(Math.min(...values))} to ${Math.round(Math.max(...values))}`;
  process.stdout.write(`${name.padEnd(44)} ${Math.round(median(values)).toString().padStart(7)} ms  (${spread})\n`);
}

const processors = cpus();
process.stdout.write(`${processors.length} x ${processors[0]?.model}; Node ${process.version}; ${ROUNDS} rounds\n`);
const fixtures = [];
const jvm = [];
for (let round = 0; round < ROUNDS; round++) {
  fixtures.push(await startInProcess());
  if (kafkaJars() !== undefined) jvm.push(await startOnJvm());
}
report(
  'millrace/testing, its loading included',
  fixtures.map(({ first }) => first),
);
report(
  'millrace/testing, the next in the process',
  fixtures.map(({ next }) => next),
);
if (jvm.length > 0) report(`Apache Kafka ${kafkaPeer.version} on the JVM`, jvm);
else process.stdout.write('Apache Kafka is not installed: run `bash bench/peers/install.sh`\n');
