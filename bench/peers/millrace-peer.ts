// Millrace as `millrace start` starts it.

import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { kafkaIsReady, SHORT_RETENTION } from './kafka-peer.ts';
import { CLI, ROOT } from './paths.ts';
import type { Peer } from './peer.ts';
import { spawnServer } from './server-process.ts';

function version(): string {
  const manifest: { readonly version: string } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  return manifest.version;
}

export const millracePeer: Peer = {
  name: 'millrace',
  version: version(),
  speaksKafka: true,
  configuration: (guarantee) => (guarantee === 'relaxed' ? 'millrace.acks.all.flush=false' : 'default'),
  async prepare({ directory }) {
    mkdirSync(join(directory, 'data'), { recursive: true });
  },
  start({ directory, ports: [kafka, http], guarantee }) {
    const settings = [...SHORT_RETENTION, ...(guarantee === 'relaxed' ? ['millrace.acks.all.flush=false'] : [])];
    const args = [
      ...[CLI, 'start', '--data-dir', join(directory, 'data'), '--log-level', 'warn'],
      ...['--kafka', `127.0.0.1:${kafka}`, '--http', `127.0.0.1:${http}`],
      ...settings.flatMap((setting) => ['--set', setting]),
    ];
    const url = `ws://127.0.0.1:${http}`;
    return spawnServer({ command: process.execPath, args, address: `127.0.0.1:${kafka}`, url });
  },
  whenReady: kafkaIsReady,
};
