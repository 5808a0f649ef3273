// What a start makes of a data directory that another broker wrote.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { initialMetadata } from '../../src/embedded/initial-metadata.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { createRecordBatchCodec } from '../../src/wasm/record-batch-codec.ts';
import { silentLogger } from '../support/silent-logger.ts';

/**
 * Written by Kafka 4.3.1: topics `kept` (2 partitions, configurations set and taken back, then 3 partitions) and `gone`
 * (3 partitions, deleted), and a producer's id; then a shutdown in order, after which no partition has a leader.
 */
const LOG = Buffer.from(readFileSync(join(import.meta.dirname, 'kafka-metadata-log.base64'), 'latin1'), 'base64');
const DIRECTORIES = ['__cluster_metadata-0', 'kept-0', 'kept-1', 'kept-2'];
const KEPT = {
  name: 'kept',
  id: expect.stringMatching(/^[\w-]{22}$/),
  partitionCount: 3,
  configs: { 'cleanup.policy': 'delete', 'segment.bytes': '2097152', 'max.message.bytes': '5000' },
};

const recordBatches = createRecordBatchCodec(Kernels.create(loadWasmModule('plain')));
let store: MemoryStore;

beforeEach(() => {
  store = new MemoryStore();
});

function put(path: string, content: Uint8Array): void {
  store.createDirectory(path.slice(0, path.lastIndexOf('/')));
  store.replaceSmall(path, content);
}

function read(partitions: readonly string[]): ReturnType<typeof initialMetadata> {
  return initialMetadata({ store, partitions: new Set(partitions), recordBatches, logger: silentLogger });
}

test("Kafka's topics, configurations, leader epochs and producer ids are taken over", () => {
  put('__cluster_metadata-0/00000000000000000000.log', LOG);
  const found = read(DIRECTORIES);
  expect(found).toMatchObject({ topics: [KEPT], nextProducerId: 1000 });
  expect(found?.deleted).toMatchObject([{ name: 'gone', partitionCount: 3 }]);
  // Made with epoch 0; without a leader since the shutdown.
  expect(found?.leaderEpochMax).toBe(1);
});

test('a snapshot stands for the log up to its end', () => {
  put('__cluster_metadata-0/00000000000000000000.log', LOG);
  const end = Array.from(recordBatches.decode(LOG)).reduce((most, { lastOffset }) => Math.max(most, lastOffset + 1), 0);
  put(`__cluster_metadata-0/${String(end).padStart(20, '0')}-0000000001.checkpoint`, LOG);
  const found = read(DIRECTORIES);
  // Read twice, the changes of leaders would have counted twice.
  expect(found).toMatchObject({ topics: [KEPT], leaderEpochMax: 1 });
});

test('a log that ends in the middle of a batch, at any byte, is read up to there', () => {
  for (let bytes = 0; bytes < LOG.length; bytes += 7) {
    put('__cluster_metadata-0/00000000000000000000.log', LOG.subarray(0, bytes));
    expect(read(DIRECTORIES)?.nextProducerId).toBeLessThanOrEqual(1000);
  }
});

test('a topic whose directories lie elsewhere is left out', () => {
  put('__cluster_metadata-0/00000000000000000000.log', LOG);
  expect(read(['__cluster_metadata-0'])?.topics).toEqual([]);
});

test('a log that is damaged is a fault that names it', () => {
  const damaged = Uint8Array.from(LOG);
  damaged[300] = (damaged[300] ?? 0) ^ 1;
  put('__cluster_metadata-0/00000000000000000000.log', damaged);
  expect(() => read(DIRECTORIES)).toThrow(/__cluster_metadata-0/);
});

test('without a metadata log the leader epochs of the partitions count', () => {
  put('orders-0/leader-epoch-checkpoint', new TextEncoder().encode('0\n2\n0 0\n6 100\n'));
  put('orders-1/leader-epoch-checkpoint', new TextEncoder().encode('0\n1\n4 0\n'));
  expect(read(['orders-0', 'orders-1'])).toEqual({
    topics: [],
    deleted: [],
    leaderEpochMax: 6,
    groupConfigs: new Map(),
    nextProducerId: 0,
  });
  expect(read([])).toBeUndefined();
});
