// The time in which groups are read from their log, and the bytes in which they stand there.

import { expect, test } from 'vitest';
import { GROUP_RECORD_FORMAT, type GroupRecord } from '../../../src/broker/groups/group-records.ts';
import type { PartitionExecutor } from '../../../src/partition/commands.ts';
import { offsetFetch } from '../../../src/protocol/messages/09-offset-fetch.ts';
import { findCoordinator } from '../../../src/protocol/messages/10-find-coordinator.ts';
import { describeGroups } from '../../../src/protocol/messages/15-describe-groups.ts';
import { listGroups } from '../../../src/protocol/messages/16-list-groups.ts';
import { consumerGroupHeartbeat } from '../../../src/protocol/messages/68-consumer-group-heartbeat.ts';
import { BrokerFixture, settle } from '../fixture.ts';
import { ClassicClient, commit, committed, nameOf, rebalance, startGroups } from './group-fixture.ts';
import { topicId } from './shard-fixture.ts';

/** Holds every read of a log back until it is told to let them go. */
class ReadGate {
  #open = false;
  #waiting: (() => void)[] = [];

  wrap(inner: PartitionExecutor): PartitionExecutor {
    const fetch: PartitionExecutor['fetch'] = async (request) => {
      if (!this.#open) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      return inner.fetch(request);
    };
    return new Proxy(inner, {
      get(target, name) {
        if (name === 'fetch') return fetch;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  async letGo(): Promise<void> {
    this.#open = true;
    for (const resolve of this.#waiting) resolve();
    for (let turn = 0; turn < 10; turn++) await settle();
  }
}

test('while groups are read, requests are told to try again, and heartbeats keep their members', async () => {
  const before = await startGroups();
  const member = new ClassicClient(before);
  await rebalance(before, [member]);
  await member.commit(5);
  await before.broker.close();
  const gate = new ReadGate();
  const { store, checkpoints } = before;
  const fixture = await BrokerFixture.start({ store, checkpoints, wrap: (executor) => gate.wrap(executor) });
  const moved = Object.assign(new ClassicClient(fixture), { memberId: member.memberId, generationId: 1 });
  expect(await moved.heartbeat()).toBe('NONE');
  expect(await moved.commit(6)).toBe('COORDINATOR_LOAD_IN_PROGRESS');
  expect(await moved.sync()).toBe('COORDINATOR_LOAD_IN_PROGRESS');
  expect(await moved.leave()).toBe('COORDINATOR_LOAD_IN_PROGRESS');
  expect(nameOf((await moved.joinOnce()).errorCode)).toBe('COORDINATOR_LOAD_IN_PROGRESS');
  expect((await committed(fixture, 'group')).error).toBe('COORDINATOR_LOAD_IN_PROGRESS');
  const old = await fixture.request(offsetFetch, 1, {
    groupId: 'group',
    topics: [{ name: 'orders', partitionIndexes: [0] }],
  });
  expect(nameOf(old.topics[0]?.partitions[0]?.errorCode ?? 0)).toBe('COORDINATOR_LOAD_IN_PROGRESS');
  const listed = await fixture.request(listGroups, 4, { statesFilter: [] });
  expect([nameOf(listed.errorCode), listed.groups.length]).toEqual(['COORDINATOR_LOAD_IN_PROGRESS', 0]);
  const described = await fixture.request(describeGroups, 5, { groups: ['group'], includeAuthorizedOperations: true });
  expect(nameOf(described.groups[0]?.errorCode ?? 0)).toBe('COORDINATOR_LOAD_IN_PROGRESS');
  const beat = { groupId: 'group', memberId: 'one', memberEpoch: 4 };
  const modern = await fixture.request(consumerGroupHeartbeat, 1, beat);
  expect(nameOf(modern.errorCode)).toBe('COORDINATOR_LOAD_IN_PROGRESS');
  await gate.letGo();
  expect(await moved.commit(6)).toBe('NONE');
  expect((await committed(fixture, 'group')).offset).toBe(6);
});

test('the coordinator of every group and transactional id is this broker, one by one or several at once', async () => {
  const fixture = await startGroups();
  const here = { nodeId: 1, host: 'broker.test', port: 8092, errorCode: 0 };
  expect(await fixture.request(findCoordinator, 0, { key: 'group' })).toMatchObject(here);
  expect(await fixture.request(findCoordinator, 3, { key: 'tx', keyType: 1 })).toMatchObject(here);
  const { coordinators } = await fixture.request(findCoordinator, 4, { coordinatorKeys: ['a', 'b'], keyType: 1 });
  expect(coordinators).toMatchObject([
    { key: 'a', ...here },
    { key: 'b', ...here },
  ]);
  const refused = await fixture.request(findCoordinator, 6, { coordinatorKeys: ['a'], keyType: 2 });
  expect(nameOf(refused.coordinators[0]?.errorCode ?? 0)).toBe('INVALID_REQUEST');
});

test('metadata may be as long as the configuration allows', async () => {
  const fixture = await startGroups({ 'offset.metadata.max.bytes': '30000' });
  expect(await commit(fixture, { groupId: 'group', offset: 1, metadata: 'x'.repeat(30_000) })).toBe('NONE');
  expect((await committed(fixture, 'group')).metadata).toHaveLength(30_000);
});

/** The bytes that Kafka 3.9 and 4 write for the same, by the schemas of their coordinators. */
const GOLDEN: readonly (readonly [GroupRecord, string, string])[] = [
  [
    {
      kind: 'offset',
      group: 'g',
      topic: 't',
      partition: 2,
      value: { offset: 258, leaderEpoch: 7, metadata: 'm', commitTimestamp: 1, expireTimestamp: -1 },
    },
    '0001 0001 67 0001 74 00000002',
    '0003 0000000000000102 00000007 0001 6d 0000000000000001',
  ],
  [
    {
      kind: 'offset',
      group: 'g',
      topic: 't',
      partition: 2,
      value: { offset: 258, leaderEpoch: -1, metadata: '', commitTimestamp: 1, expireTimestamp: 2 },
    },
    '0001 0001 67 0001 74 00000002',
    '0001 0000000000000102 0000 0000000000000001 0000000000000002',
  ],
  [
    {
      kind: 'classic-group',
      group: 'g',
      value: {
        protocolType: 'consumer',
        generation: 3,
        protocol: null,
        leader: null,
        currentStateTimestamp: 9,
        members: [],
      },
    },
    '0002 0001 67',
    '0003 0008 636f6e73756d6572 00000003 ffff ffff 0000000000000009 00000000',
  ],
  [{ kind: 'group-epoch', group: 'g', value: { epoch: 5 } }, '0003 0001 67', '0000 00000005 00'],
  [
    {
      kind: 'current',
      group: 'g',
      member: 'm',
      value: {
        memberEpoch: 4,
        previousMemberEpoch: 3,
        state: 1,
        assignedPartitions: [{ topicId: topicId(0), partitions: [1] }],
        partitionsPendingRevocation: [],
      },
    },
    '0008 0001 67 0001 6d',
    `0000 00000004 00000003 01 02 ${'00'.repeat(16)} 02 00000001 00 01 00`,
  ],
];

test.each(GOLDEN)('%j stands in the log in Kafka’s bytes', (record, key, value) => {
  const encoded = GROUP_RECORD_FORMAT.encode(record);
  expect(Buffer.from(encoded.key).toString('hex')).toBe(key.replaceAll(' ', ''));
  expect(Buffer.from(encoded.value ?? []).toString('hex')).toBe(value.replaceAll(' ', ''));
  expect(GROUP_RECORD_FORMAT.decode(encoded.key, encoded.value)).toEqual(record);
  expect(GROUP_RECORD_FORMAT.decode(encoded.key, null)).toEqual({ ...record, value: undefined });
});
