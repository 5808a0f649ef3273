// What is said of directories that no metadata knows.

import { expect, test } from 'vitest';
import { converge } from '../../src/broker/convergence.ts';
import { LocalMetadataStore } from '../../src/cluster/local-metadata-store.ts';
import type { LogFields } from '../../src/core/logger.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { MemoryCheckpoints } from './fixture.ts';
import { ManualClock } from './manual-clock.ts';

test('topics of Kafka’s own are told once each, without alarm; any other directory without metadata is a warning', async () => {
  const store = new MemoryStore();
  for (const name of ['__cluster_metadata-0', '__share_group_state-0', '__share_group_state-1', 'lost-0']) {
    store.put(`${name}/00000000000000000000.log`, new Uint8Array(0));
  }
  const said: (readonly [level: string, fields: LogFields | undefined])[] = [];
  const logger = {
    ...silentLogger,
    info: (_: string, fields?: LogFields) => said.push(['info', fields]),
    warn: (_: string, fields?: LogFields) => said.push(['warn', fields]),
  };
  const metadata = LocalMetadataStore.open({ store, clusterId: 'c', nodeId: 1, logger: silentLogger });
  await converge({ metadata, directory: new MemoryCheckpoints(store), logger, clock: new ManualClock() });
  expect(said).toEqual([
    ['warn', { directory: 'lost-0' }],
    ['info', { topic: '__cluster_metadata', what: expect.stringContaining('metadata log') }],
    ['info', { topic: '__share_group_state', what: expect.stringContaining('share groups') }],
  ]);
});
