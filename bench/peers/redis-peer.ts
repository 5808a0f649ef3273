// Redis Streams with its append-only file: flushed every second as it ships, or before every answer.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { firstAnswer } from './line-socket.ts';
import type { Peer } from './peer.ts';
import { spawnServer } from './server-process.ts';

export function redisPeer(version: string): Peer {
  return {
    name: 'redis',
    version,
    speaksKafka: false,
    configuration: (guarantee) => (guarantee === 'durable' ? 'appendfsync always' : 'appendfsync everysec'),
    async prepare({ directory }) {
      mkdirSync(join(directory, 'data'), { recursive: true });
    },
    start({ directory, ports: [port], guarantee }) {
      const args = [
        ...['--port', String(port), '--bind', '127.0.0.1', '--dir', join(directory, 'data'), '--save', ''],
        ...['--appendonly', 'yes', '--appendfsync', guarantee === 'durable' ? 'always' : 'everysec'],
      ];
      return spawnServer({ command: 'redis-server', args, address: `127.0.0.1:${port}` });
    },
    async whenReady({ address }) {
      await firstAnswer(address, 'PING\r\n', (text) => text.includes('+PONG'));
    },
  };
}
