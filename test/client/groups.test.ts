// Consumers in groups against the real broker, in one process.

import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Client, Consumer } from '../../src/client/index.ts';
import { type MemoryBroker, startMemoryBroker } from '../net/memory-broker.ts';
import { clientOf, take } from './fixture.ts';

let served: MemoryBroker;
let client: Client;

beforeEach(async () => {
  served = await startMemoryBroker({
    configs: { 'group.consumer.min.heartbeat.interval.ms': '20', 'group.consumer.heartbeat.interval.ms': '20' },
  });
  client = clientOf(served.broker);
  await client.admin().createTopics({ topics: [{ topic: 'orders', numPartitions: 4 }] });
});

afterEach(async () => {
  client.close();
  await served.close();
});

async function produce(first: number, count: number): Promise<void> {
  const producer = client.producer();
  const messages = Array.from({ length: count }, (_, index) => ({
    value: `${first + index}`,
    partition: (first + index) % 4,
  }));
  await producer.send({ topic: 'orders', messages });
  await producer.close();
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Reads in the background into `values`. */
function reading(consumer: Consumer, values: string[]): Promise<void> {
  return consumer.run({ eachMessage: ({ message }) => void values.push(message.text()) });
}

test('a member goes on where its group committed, and begins at the start or the end where it has not', async () => {
  await produce(0, 8);
  const first = client.consumer({ groupId: 'group' });
  await first.subscribe({ topics: ['orders'], from: 'beginning' });
  expect(first.assignment).toHaveLength(4);
  expect((await take(first, 5)).length).toBe(5);
  await first.close();
  const second = client.consumer({ groupId: 'group' });
  await second.subscribe({ topics: ['orders'], from: 'beginning' });
  expect((await take(second, 3)).length).toBe(3);
  await second.close();
  const late = client.consumer({ groupId: 'late' });
  await late.subscribe({ topics: ['orders'] });
  await produce(8, 1);
  expect((await take(late, 1)).map((record) => record.text())).toEqual(['8']);
  await late.close();
});

test('members share partitions, take over from one that leaves, and lose or repeat nothing', async () => {
  const values: string[] = [];
  const members = [1, 2].map(() => client.consumer({ groupId: 'group' }));
  const [one, two] = members;
  const runs: Promise<void>[] = [];
  for (const member of members) {
    await member.subscribe({ pattern: 'ord.*', from: 'beginning' });
    runs.push(reading(member, values));
    await produce(values.length, 4);
    await until(() => values.length % 4 === 0 && values.length > 0);
  }
  await until(() => one?.assignment.length === 2 && two?.assignment.length === 2);
  await produce(8, 8);
  await until(() => values.length >= 16);
  await one?.close();
  await until(() => two?.assignment.length === 4);
  await produce(16, 4);
  await until(() => values.length >= 20);
  await two?.close();
  await Promise.all(runs);
  const expected = Array.from({ length: 20 }, (_, index) => `${index}`);
  expect([...values].sort()).toEqual(expected.sort());
});

test('offsets are committed by hand, and what was only given out by iteration is not committed by itself', async () => {
  await produce(0, 4);
  const groups = client.groups();
  const consumer = client.consumer({ groupId: 'group', autoCommitIntervalMs: 0 });
  await consumer.subscribe({ topics: ['orders'], from: 'beginning' });
  await take(consumer, 4);
  expect(await groups.fetchOffsets('group')).toEqual([]);
  await consumer.commit([{ topic: 'orders', partition: 1, offset: 1, metadata: 'by hand' }]);
  expect(await groups.fetchOffsets('group')).toMatchObject([
    { topic: 'orders', partition: 1, offset: 1, metadata: 'by hand' },
  ]);
  await consumer.commit();
  expect((await groups.fetchOffsets('group')).map(({ offset }) => offset)).toEqual([1, 1, 1, 1]);
  await consumer.close();
  await expect(client.consumer().commit()).rejects.toMatchObject({ code: 'ERR_USAGE' });
  await expect(client.consumer().subscribe({ topics: ['orders'] })).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('a member that the broker has forgotten joins again', async () => {
  await produce(0, 4);
  const values: string[] = [];
  const consumer = client.consumer({ groupId: 'group' });
  await consumer.subscribe({ topics: ['orders'], from: 'beginning' });
  const run = reading(consumer, values);
  await until(() => values.length === 4);
  const [member] = (await client.groups().describe('group')).members;
  const services = served.broker.services;
  await services.groups.consumerHeartbeat(
    {
      groupId: 'group',
      memberId: member?.memberId ?? '',
      memberEpoch: -1,
      instanceId: null,
      rackId: null,
      rebalanceTimeoutMs: -1,
      subscribedTopicNames: null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      owned: undefined,
      client: { clientId: '', clientHost: '' },
    },
    1,
  );
  await until(() => consumer.assignment.length === 0 || values.length > 4);
  await until(() => consumer.assignment.length === 4);
  await produce(4, 4);
  await until(() => values.includes('7') && values.includes('4'));
  await consumer.close();
  await run;
});

test('groups are listed, described, set and deleted; what cannot be is refused by name', async () => {
  const groups = client.groups();
  const consumer = client.consumer({ groupId: 'live' });
  await consumer.subscribe({ topics: ['orders'] });
  await groups.setOffsets('empty', [{ topic: 'orders', partition: 0, offset: 3 }]);
  expect((await groups.list()).map(({ groupId, type }) => [groupId, type])).toEqual([
    ['empty', 'classic'],
    ['live', 'consumer'],
  ]);
  const live = await groups.describe('live');
  expect(live).toMatchObject({ state: 'Stable', type: 'consumer', assignor: 'uniform' });
  expect(live.members[0]?.assignment).toHaveLength(4);
  await expect(groups.setOffsets('live', [{ topic: 'orders', partition: 0, offset: 3 }])).rejects.toMatchObject({
    error: 'UNKNOWN_MEMBER_ID',
  });
  await expect(groups.delete('live')).rejects.toMatchObject({ error: 'NON_EMPTY_GROUP' });
  await expect(groups.describe('none')).rejects.toMatchObject({ error: 'GROUP_ID_NOT_FOUND' });
  await groups.delete('empty');
  expect(await groups.fetchOffsets('empty')).toEqual([]);
  await consumer.close();
});
