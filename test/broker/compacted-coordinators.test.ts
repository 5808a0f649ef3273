// The logs of the coordinators while they are compacted: what a restart reads from them is the state that was live.

import { expect, test } from 'vitest';
import { deleteGroups } from '../../src/protocol/messages/42-delete-groups.ts';
import { BrokerFixture, settle } from './fixture.ts';
import { commit, committed } from './groups/group-fixture.ts';
import { NEW, OLD, TestProducer } from './transactions/transaction-fixture.ts';

const BACKOFF_MS = 100;
const CONFIG = {
  'offsets.topic.num.partitions': '1',
  'offsets.topic.segment.bytes': '3000',
  'transaction.state.log.num.partitions': '1',
  'transaction.state.log.segment.bytes': '3000',
  'log.cleaner.min.cleanable.ratio': '0',
  'log.cleaner.delete.retention.ms': '1000',
  'log.cleaner.backoff.ms': String(BACKOFF_MS),
  'log.segment.delete.delay.ms': '0',
};
const LOGS = ['__consumer_offsets', '__transaction_state'] as const;
/** A file of the first partition of committed offsets. */
function offsetsFile(baseOffset: number, kind = 'log'): string {
  return `__consumer_offsets-0/${String(baseOffset).padStart(20, '0')}.${kind}`;
}

const GROUPS = ['a', 'b', 'c', 'gone'];

function sizeOf(fixture: BrokerFixture, topic: string): number {
  for (const gauge of fixture.broker.partitions()) if (gauge.topic === topic) return gauge.state?.sizeBytes ?? -1;
  return -1;
}

function contentOf({ store }: BrokerFixture, path: string): Uint8Array {
  const content = store.readSmall(path);
  if (content === undefined) throw new Error(`there is no ${path}`);
  return content;
}

/** Lets compaction look, flush, and go through what is due. */
async function compact(fixture: BrokerFixture): Promise<void> {
  for (let turn = 0; turn < 40; turn++) {
    fixture.clock.advance(BACKOFF_MS);
    await settle();
  }
}

async function stateOf(fixture: BrokerFixture, producers: readonly TestProducer[]): Promise<unknown> {
  const offsets: unknown[] = [];
  for (const group of GROUPS) offsets.push(await committed(fixture, group));
  const transactions: unknown[] = [];
  for (const producer of producers) transactions.push([producer.transactionalId, await producer.completed()]);
  return { offsets, transactions };
}

test('groups, offsets and transactions are the same after compaction and a restart, in order and not', async () => {
  const fixture = await BrokerFixture.start({ config: CONFIG });
  await fixture.createTopic('orders', 1);
  const producers = [new TestProducer(fixture, 'old', OLD), new TestProducer(fixture, 'new', NEW)];
  for (const producer of producers) expect(await producer.init()).toBe('NONE');
  for (let round = 0; round < 60; round++) {
    for (const group of GROUPS) expect(await commit(fixture, { groupId: group, offset: round })).toBe('NONE');
    for (const producer of producers) {
      expect(await producer.addOffsets('c')).toBe('NONE');
      expect(await producer.commitOffset('c', 1000 + round)).toBe('NONE');
      expect(await producer.end(round % 3 > 0)).toBe('NONE');
      await producer.completed();
    }
    if (round % 15 === 14) await compact(fixture);
  }
  const removed = await fixture.request(deleteGroups, 2, { groupsNames: ['gone'] });
  expect(removed.results[0]?.errorCode).toBe(0);
  for (let round = 0; round < 30; round++) await commit(fixture, { groupId: 'a', offset: 500 + round });
  const before = LOGS.map((topic) => sizeOf(fixture, topic));
  // Tombstones and markers go, too.
  for (let round = 0; round < 3; round++) {
    fixture.clock.advance(1001);
    for (let each = 0; each < 30; each++) await commit(fixture, { groupId: 'b', offset: 600 + each });
    await compact(fixture);
  }
  const after = LOGS.map((topic) => sizeOf(fixture, topic));
  console.log(`bytes of ${LOGS.join(', ')} before the last rounds: ${before}, after: ${after}`);
  for (const bytes of after) expect(bytes).toBeLessThan(12_000);
  expect(after[0]).toBeGreaterThan(0);

  const live = await stateOf(fixture, producers);
  expect(live).toMatchObject({ offsets: [{ offset: 529 }, { offset: 629 }, { metadata: 'staged' }, { offset: -1 }] });
  let current = fixture;
  let moved: readonly TestProducer[] = producers;
  for (const clean of [true, false]) {
    current = await current.restart({ clean, config: CONFIG });
    moved = moved.map((producer) => producer.movedTo(current));
    for (let turn = 0; turn < 10; turn++) await settle();
    expect(await stateOf(current, moved)).toEqual(live);
  }
  const [old] = moved;
  if (old === undefined) throw new Error('a producer');
  const epoch = old.producerEpoch;
  expect(await old.init()).toBe('NONE');
  expect(old.producerEpoch).toBe(epoch + 1);
});

test('a compacted topic takes no record without a key', async () => {
  const fixture = await BrokerFixture.start({ config: CONFIG });
  await fixture.createTopic('table', 1, { 'cleanup.policy': 'compact' });
  const refused = await fixture.produce('table', fixture.batch('no key'));
  expect(refused).toMatchObject({ errorCode: 87, baseOffset: -1 });
  expect(refused.errorMessage).toContain('without a key');
});

test('a log of which Kafka’s compaction left nothing up to the end is read', async () => {
  const config = { 'offsets.topic.num.partitions': '1' };
  const fixture = await BrokerFixture.start({ config });
  await fixture.createTopic('orders', 1);
  expect(await commit(fixture, { groupId: 'a', offset: 7 })).toBe('NONE');
  const kept = contentOf(fixture, offsetsFile(0)).length;
  for (const offset of [1, 2, 3]) expect(await commit(fixture, { groupId: 'gone', offset })).toBe('NONE');
  await fixture.broker.close();
  // The segment ends before the offset at which the next one, which is empty, begins: 4, one record for each commit.
  fixture.store.put(offsetsFile(0), contentOf(fixture, offsetsFile(0)).slice(0, kept));
  for (const kind of ['index', 'timeindex']) fixture.store.put(offsetsFile(0, kind), new Uint8Array(0));
  fixture.store.put(offsetsFile(4), new Uint8Array(0));
  fixture.store.put('cleaner-offset-checkpoint', new TextEncoder().encode('0\n1\n__consumer_offsets 0 4\n'));

  const again = await fixture.restart({ clean: false, config });
  for (let turn = 0; turn < 10; turn++) await settle();
  expect(await committed(again, 'a')).toMatchObject({ error: 'NONE', offset: 7 });
  expect(await committed(again, 'gone')).toMatchObject({ offset: -1 });
  expect(await commit(again, { groupId: 'b', offset: 9 })).toBe('NONE');
  const last = await again.restart({ config });
  for (let turn = 0; turn < 10; turn++) await settle();
  expect(await committed(last, 'a')).toMatchObject({ offset: 7 });
  expect(await committed(last, 'b')).toMatchObject({ offset: 9 });
});
