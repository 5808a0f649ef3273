// Makes the code caches of the command and of its partition threads: a broker is started and used once, so that they have
// what a start compiles, and each of its threads writes what V8 has compiled of its script by then. Part of the build.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from '../platform/node/connect.ts';

/** A start, one record, and the writing of two files take a second; a build may have a busy machine. */
const RECORDING_MS_MAX = 300_000;

/** `entry` is the command's file. */
export async function makeCodeCaches(entry: string): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-code-cache-'));
  const recorder = new URL('code-cache-recorder.js', import.meta.url).href;
  const listeners = ['--http', '127.0.0.1:0', '--kafka', '127.0.0.1:0'];
  const child = spawn(
    process.execPath,
    ['--import', recorder, entry, 'start', '--data-dir', directory, '--log-level', 'warn', ...listeners],
    // What NODE_OPTIONS of a build say is not what a broker is started with.
    { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], env: { ...process.env, NODE_OPTIONS: '' } },
  );
  try {
    const signal = AbortSignal.timeout(RECORDING_MS_MAX);
    await use(await ready(child));
    child.send('record');
    await once(child, 'message', { signal });
  } finally {
    child.kill();
    if (child.exitCode === null) await once(child, 'exit');
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Ready {
  readonly kafka: string;
}

async function ready({ stdout }: ChildProcess): Promise<Ready> {
  if (stdout === null) throw new Error('the broker has no output');
  for await (const line of createInterface({ input: stdout })) {
    const said: { readonly msg?: string } & Ready = JSON.parse(line);
    if (said.msg === 'ready') return said;
  }
  throw new Error('the broker ended before it was ready');
}

/** What the first client of a broker does. What is compiled for a start is in memory from then on, so this is all. */
async function use({ kafka }: Ready): Promise<void> {
  const client = await connect(`kafka://${kafka}`);
  await client.admin().createTopics({ topics: [{ topic: 'first', numPartitions: 1 }] });
  await client.producer().send({ topic: 'first', messages: [{ value: 'record' }] });
  client.close();
}
