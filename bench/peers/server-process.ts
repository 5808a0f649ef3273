// Spawns a server, keeps the end of what it prints, and ends it. Servers do not outlive this process.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ServerProcess } from './peer.ts';

const OUTPUT_CHARACTERS_MAX = 8000;

export interface SpawnOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly address: string;
  readonly url?: string;
}

export function spawnServer({ command, args, address, url }: SpawnOptions): ServerProcess {
  const spawnedAt = process.hrtime.bigint();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  exited.then(() => process.removeListener('exit', kill));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-OUTPUT_CHARACTERS_MAX);
    });
  }
  if (child.pid === undefined) throw new Error(`${command} cannot be started`);
  return {
    pid: child.pid,
    spawnedAt,
    address,
    ...(url === undefined ? {} : { url }),
    output: () => output,
    end: async (signal) => {
      child.kill(signal);
      await exited;
    },
  };
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}
