// Starts the built broker, or the bare WebSocket server that it is measured against, as a process of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A server process that the load goes to. */
export interface ServerUnderTest {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** The broker on an empty data directory, removed afterwards. */
export async function startBrokerUnderTest(args: readonly string[] = []): Promise<ServerUnderTest> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
  const cli = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url));
  const child = spawnNode([
    cli,
    'start',
    '--data-dir',
    directory,
    '--http',
    '127.0.0.1:0',
    '--kafka',
    '127.0.0.1:0',
    '--log-level',
    'warn',
    ...args,
  ]);
  return under(child, () => rmSync(directory, { recursive: true, force: true }));
}

/** A `ws` server that answers every request at once and keeps nothing: the ceiling of the transport for produce. */
export function startDiscardServer(): Promise<ServerUnderTest> {
  return startBareServer(64);
}

/** A `ws` server that answers every request with as many bytes as a batch has: the ceiling for fetch. */
export function startReplayServer(answerBytes: number): Promise<ServerUnderTest> {
  return startBareServer(answerBytes + 64);
}

function startBareServer(answerBytes: number): Promise<ServerUnderTest> {
  const file = fileURLToPath(new URL('./bare-server.js', import.meta.url));
  return under(spawnNode([file, String(answerBytes)]), () => undefined);
}

function spawnNode(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function under(child: ChildProcess, cleanUp: () => void): Promise<ServerUnderTest> {
  const exited = once(child, 'exit');
  const address = await Promise.race([readyAddress(child), exited.then(() => undefined)]);
  if (address === undefined || child.pid === undefined) throw new Error('the server ended before it was ready');
  return {
    url: `ws://${address}`,
    pid: child.pid,
    stop: async () => {
      child.kill('SIGTERM');
      await exited;
      cleanUp();
    },
  };
}

function readyAddress(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) {
      reject(new Error('the server has no output'));
      return;
    }
    createInterface({ input: child.stdout }).on('line', (line) => {
      const parsed: { msg?: string; http?: string } = line.startsWith('{') ? JSON.parse(line) : {};
      if (parsed.msg === 'ready' && parsed.http !== undefined) resolve(parsed.http);
    });
  });
}
