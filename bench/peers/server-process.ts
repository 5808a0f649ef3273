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
  const gone = once(child, 'exit').then(() => undefined);
  const kill = (): void => void child.kill('SIGKILL');
  // Before the directories of the servers are removed.
  process.prependOnceListener('exit', kill);
  gone.then(() => process.removeListener('exit', kill));
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
    gone,
    output: () => output,
    end: async (signal) => {
      child.kill(signal);
      await gone;
    },
  };
}

/** Two ports of loopback that were free a moment ago. */
export async function freePorts(): Promise<readonly [number, number]> {
  const servers = [createServer(), createServer()];
  const ports: number[] = [];
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address !== null && typeof address !== 'string') ports.push(address.port);
  }
  for (const server of servers) server.close();
  const [first, second] = ports;
  if (first === undefined || second === undefined) throw new Error('no port is free');
  return [first, second];
}
