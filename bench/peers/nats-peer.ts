// NATS JetStream with files: flushed every two minutes as it ships, or before every answer.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstAnswer } from './line-socket.ts';
import { program } from './paths.ts';
import type { Peer, StartOptions } from './peer.ts';
import { spawnServer } from './server-process.ts';

function configurationFile({ directory }: StartOptions): string {
  return join(directory, 'nats.conf');
}

export function natsPeer(version: string): Peer {
  return {
    name: 'nats',
    version,
    speaksKafka: false,
    configuration: (guarantee) => (guarantee === 'durable' ? 'sync_interval: always' : 'default'),
    async prepare(options) {
      const store = join(options.directory, 'data');
      mkdirSync(store, { recursive: true });
      const flush = options.guarantee === 'durable' ? ', sync_interval: always' : '';
      const listen = `listen: "127.0.0.1:${options.ports[0]}"`;
      writeFileSync(configurationFile(options), `${listen}\njetstream { store_dir: "${store}"${flush} }\n`);
    },
    start(options) {
      const args = ['--config', configurationFile(options)];
      return spawnServer({ command: program('nats-server'), args, address: `127.0.0.1:${options.ports[0]}` });
    },
    async whenReady({ address }) {
      await firstAnswer(address, 'CONNECT {"verbose":false}\r\nPING\r\n', (text) => text.includes('PONG'));
    },
  };
}
