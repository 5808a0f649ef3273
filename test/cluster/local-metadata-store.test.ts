// The embedded metadata store: transactions, one write for many, and what a start makes of the file.

import { expect, test } from 'vitest';
import { LocalMetadataStore } from '../../src/cluster/local-metadata-store.ts';
import { METADATA_FILE } from '../../src/cluster/metadata-file.ts';
import type { MetadataChange, MetadataEvent, TopicRecord } from '../../src/cluster/metadata-store.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { silentLogger } from '../support/silent-logger.ts';

const IDS = ['AAECAwQFBgcICQoLDA0ODw', 'AQECAwQFBgcICQoLDA0ODw', 'AgECAwQFBgcICQoLDA0ODw'] as const;

/** Counts how often the file is written. */
class CountingStore extends MemoryStore {
  writes = 0;

  override replaceSmall(path: string, content: Uint8Array): void {
    this.writes++;
    super.replaceSmall(path, content);
  }
}

function open(store: MemoryStore, clusterId = 'cluster'): LocalMetadataStore {
  return LocalMetadataStore.open({ store, clusterId, nodeId: 7, logger: silentLogger });
}

function create(name: string, id: string = IDS[0], partitionCount = 1): MetadataChange {
  return { kind: 'create-topic', name, id, partitionCount, configs: {} };
}

function topic(metadata: LocalMetadataStore, name: string): TopicRecord {
  const found = metadata.topic(name);
  if (found === undefined) throw new Error(`no topic ${name}`);
  return found;
}

test('every start is an epoch, and the epoch leads every partition', async () => {
  const store = new MemoryStore();
  const first = open(store);
  expect(first.brokerEpoch).toBe(1);
  await first.commit([create('a', IDS[0], 2)]);
  const second = open(store);
  expect(second.brokerEpoch).toBe(2);
  expect(topic(second, 'a').partitions).toEqual(
    Array(2).fill({ leader: 7, leaderEpoch: 2, replicas: [7], inSyncReplicas: [7] }),
  );
  expect(second.controllerId()).toBe(7);
});

test('everything outlives a restart', async () => {
  const store = new MemoryStore();
  const metadata = open(store);
  await metadata.commit([create('a', IDS[0], 2), create('b', IDS[1])]);
  await metadata.commit([{ kind: 'delete-topic', id: IDS[1] }]);
  const { revision, partitions } = topic(metadata, 'a');
  const configs = { 'retention.ms': '5' };
  await metadata.commit([{ kind: 'configure-topic', id: IDS[0], revision, configs }]);
  const next = topic(metadata, 'a').revision;
  await metadata.commit([{ kind: 'add-partitions', id: IDS[0], revision: next, partitionCount: 4 }]);
  for (const nodeId of [7, undefined]) {
    const before = metadata.brokerConfigs(nodeId).revision;
    await metadata.commit([{ kind: 'configure-broker', nodeId, revision: before, configs: { key: `${nodeId}` } }]);
  }
  expect(partitions).toHaveLength(2);
  const again = open(store);
  expect([...again.topics()].map(({ name, id, partitions: all }) => [name, id, all.length])).toEqual([
    ['a', IDS[0], 4],
  ]);
  expect(topic(again, 'a').configs).toEqual(configs);
  expect(topic(again, 'a').revision).toBe(topic(metadata, 'a').revision);
  expect([...again.deletedTopics()]).toEqual([{ name: 'b', id: IDS[1], partitionCount: 1 }]);
  expect(again.brokerConfigs(7).configs).toEqual({ key: '7' });
  expect(again.brokerConfigs(undefined).configs).toEqual({ key: 'undefined' });
});

test('transactions of one turn share one write, and each succeeds or fails alone', async () => {
  const store = new CountingStore();
  const metadata = open(store);
  const before = store.writes;
  const commits = Array.from({ length: 100 }, (_, index) => create(`t${index % 50}`, idOf(index)));
  const results = await Promise.all(commits.map((change) => metadata.commit([change])));
  expect(results.filter(({ outcome }) => outcome === 'committed')).toHaveLength(50);
  expect(results.filter(({ outcome }) => outcome === 'conflict')).toHaveLength(50);
  expect(store.writes - before).toBe(1);
  expect(metadata.topicCount()).toBe(50);
});

function idOf(index: number): string {
  return `${String(index).padStart(4, '0')}${IDS[0].slice(4)}`;
}

test('all changes of a transaction are made, or none', async () => {
  const store = new CountingStore();
  const metadata = open(store);
  const events: MetadataEvent[] = [];
  metadata.observe((event) => events.push(event));
  const before = store.writes;
  const result = await metadata.commit([create('a', IDS[0]), create('b', IDS[0])]);
  expect(result).toEqual({ outcome: 'conflict' });
  expect(metadata.topicCount()).toBe(0);
  expect(events).toEqual([]);
  expect(store.writes).toBe(before);
});

test('a change on an old revision, a topic that is gone or another broker is a conflict', async () => {
  const metadata = open(new MemoryStore());
  await metadata.commit([create('a')]);
  const { revision } = topic(metadata, 'a');
  const configure: MetadataChange = { kind: 'configure-topic', id: IDS[0], revision, configs: { x: '1' } };
  expect((await metadata.commit([configure])).outcome).toBe('committed');
  const conflicts: MetadataChange[] = [
    configure,
    create('a', IDS[1]),
    { kind: 'add-partitions', id: IDS[0], revision: topic(metadata, 'a').revision, partitionCount: 1 },
    { kind: 'delete-topic', id: IDS[2] },
    { kind: 'forget-deleted', id: IDS[2] },
    { kind: 'configure-broker', nodeId: 8, revision: metadata.brokerConfigs(8).revision, configs: {} },
    { kind: 'configure-broker', nodeId: 7, revision: 999, configs: {} },
  ];
  for (const change of conflicts) expect((await metadata.commit([change])).outcome, change.kind).toBe('conflict');
});

test('observers are told before the promise resolves, in order', async () => {
  const metadata = open(new MemoryStore());
  const told: string[] = [];
  metadata.observe((event) => told.push(event.kind));
  await Promise.all([
    metadata.commit([create('a')]).then(() => told.push('resolved')),
    metadata.commit([create('b', IDS[1])]),
  ]);
  await metadata.commit([{ kind: 'delete-topic', id: IDS[1] }]);
  expect(told).toEqual(['topic-created', 'topic-created', 'resolved', 'topic-deleted']);
});

test('what cannot be written did not happen', async () => {
  const store = new MemoryStore();
  const metadata = open(store);
  const events: MetadataEvent[] = [];
  metadata.observe((event) => events.push(event));
  store.fail({ nth: 1, code: 'ENOSPC', sticky: true });
  const result = await metadata.commit([create('a')]);
  expect(result).toMatchObject({ outcome: 'failed', fault: { code: 'ERR_STORAGE' } });
  expect([metadata.topicCount(), events.length]).toEqual([0, 0]);
  store.heal();
  expect((await metadata.commit([create('a')])).outcome).toBe('committed');
});

test.each([
  ['no JSON', 'x'],
  ['an empty file', ''],
  ['a list', '[]'],
  ['another format', '{"format":2}'],
  ['another cluster', '{"format":1,"clusterId":"other"}'],
  ['no epoch', '{"format":1,"clusterId":"cluster","revision":1,"topics":[],"deleted":[]}'],
  [
    'topics that are no list',
    '{"format":1,"clusterId":"cluster","brokerEpoch":1,"revision":1,"topics":{},"deleted":[]}',
  ],
  [
    'a topic without an id',
    '{"format":1,"clusterId":"cluster","brokerEpoch":1,"revision":1,"topics":[{"name":"a","partitions":1}],"deleted":[]}',
  ],
])('a file with %s is ERR_DATA_DIRECTORY_UNREADABLE and stays as it is', (_, text) => {
  const store = new MemoryStore();
  const bytes = new TextEncoder().encode(text);
  store.put(METADATA_FILE, bytes);
  expect(() => open(store)).toThrow(expect.objectContaining({ code: 'ERR_DATA_DIRECTORY_UNREADABLE' }));
  expect(store.readSmall(METADATA_FILE)).toEqual(bytes);
});

test('producer ids are given once, across conflicts, failed writes and restarts', async () => {
  const store = new MemoryStore();
  const metadata = open(store);
  expect(metadata.nextProducerId()).toBe(0);
  const take = (first: number, count = 10): MetadataChange => ({ kind: 'take-producer-ids', first, count });
  expect(await metadata.commit([take(0)])).toMatchObject({ outcome: 'committed' });
  expect(await metadata.commit([take(0)])).toEqual({ outcome: 'conflict' });
  expect(await metadata.commit([take(10, Number.MAX_SAFE_INTEGER)])).toEqual({ outcome: 'conflict' });
  expect(metadata.nextProducerId()).toBe(10);
  expect(await metadata.commit([take(10)])).toMatchObject({ outcome: 'committed' });
  expect(open(store).nextProducerId()).toBe(20);
});

test('what was committed outlives a power loss', async () => {
  for (const kept of [0, 1]) {
    const store = new MemoryStore({ simulatesCrashes: true });
    const metadata = open(store);
    await metadata.commit([create('a')]);
    await metadata.commit([{ kind: 'take-producer-ids', first: 0, count: 10 }]);
    const after = open(store.afterPowerLoss(() => kept));
    expect(topic(after, 'a').id).toBe(IDS[0]);
    expect(after.nextProducerId()).toBe(10);
  }
});

test('a store without a file begins with what it is given, beyond every leader epoch, and once', () => {
  const store = new MemoryStore();
  const options = { store, clusterId: 'cluster', nodeId: 7, logger: silentLogger };
  const first = LocalMetadataStore.open({
    ...options,
    initial: () => ({
      topics: [{ name: 'a', id: IDS[0], partitionCount: 2, configs: { 'retention.ms': '5' } }],
      deleted: [{ name: 'b', id: IDS[1], partitionCount: 3 }],
      leaderEpochMax: 41,
      groupConfigs: new Map([['billing', { 'consumer.session.timeout.ms': '50000' }]]),
      nextProducerId: 3000,
    }),
  });
  expect(first.brokerEpoch).toBe(42);
  expect(topic(first, 'a')).toMatchObject({ id: IDS[0], configs: { 'retention.ms': '5' } });
  expect(topic(first, 'a').partitions).toMatchObject([{ leaderEpoch: 42 }, { leaderEpoch: 42 }]);
  expect([...first.deletedTopics()]).toEqual([{ name: 'b', id: IDS[1], partitionCount: 3 }]);
  expect(first.groupConfigs('billing').configs).toEqual({ 'consumer.session.timeout.ms': '50000' });
  expect(first.nextProducerId()).toBe(3000);
  const second = LocalMetadataStore.open({
    ...options,
    initial: () => {
      throw new Error('there is a file');
    },
  });
  expect(second.brokerEpoch).toBe(43);
});
