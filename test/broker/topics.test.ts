// How topics come, grow, are told of and go.

import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { metadata } from '../../src/protocol/messages/03-metadata.ts';
import { createTopics } from '../../src/protocol/messages/19-create-topics.ts';
import { deleteTopics } from '../../src/protocol/messages/20-delete-topics.ts';
import { describeConfigs } from '../../src/protocol/messages/32-describe-configs.ts';
import { describeLogDirs } from '../../src/protocol/messages/35-describe-log-dirs.ts';
import { createPartitions } from '../../src/protocol/messages/37-create-partitions.ts';
import { describeCluster } from '../../src/protocol/messages/60-describe-cluster.ts';
import { ZERO_UUID } from '../../src/protocol/uuid.ts';
import { fetchAll } from './fetching.ts';
import { BrokerFixture, CLUSTER_ID, NODE_ID, UNKNOWN_ID, valuesOf } from './fixture.ts';

interface Wish {
  readonly name: string;
  readonly numPartitions?: number;
  readonly replicationFactor?: number;
  readonly assignments?: readonly { readonly partitionIndex: number; readonly brokerIds: readonly number[] }[];
  readonly configs?: readonly { readonly name: string; readonly value: string | null }[];
}

async function create(fixture: BrokerFixture, wishes: readonly Wish[], rest: { validateOnly?: boolean } = {}) {
  const topics = wishes.map((wish) => ({
    numPartitions: -1,
    replicationFactor: -1,
    assignments: [],
    configs: [],
    ...wish,
  }));
  return (await fixture.request(createTopics, 7, { topics, ...rest })).topics;
}

async function namesOf(fixture: BrokerFixture): Promise<string[]> {
  return (await fixture.request(metadata, 12, { topics: null })).topics.map(({ name }) => name ?? '').sort();
}

test('valid topics are made beside invalid ones, each refused with its own code', async () => {
  const fixture = await BrokerFixture.start({ config: { 'num.partitions': '3' } });
  await fixture.createTopic('taken.name');
  const config = (name: string, value: string | null) => ({ configs: [{ name, value }] });
  const assigned = (...brokerIds: number[][]) => ({
    assignments: brokerIds.map((ids, partitionIndex) => ({ partitionIndex, brokerIds: ids })),
  });
  const cases: readonly (readonly [Wish, number])[] = [
    [{ name: 'good' }, 0],
    [{ name: 'five', numPartitions: 5, replicationFactor: 1 }, 0],
    [{ name: 'assigned', ...assigned([NODE_ID], [NODE_ID]) }, 0],
    [{ name: '' }, ERROR_CODES.INVALID_TOPIC_EXCEPTION],
    [{ name: '..' }, ERROR_CODES.INVALID_TOPIC_EXCEPTION],
    [{ name: 'no/slash' }, ERROR_CODES.INVALID_TOPIC_EXCEPTION],
    [{ name: 'x'.repeat(250) }, ERROR_CODES.INVALID_TOPIC_EXCEPTION],
    [{ name: 'taken_name' }, ERROR_CODES.INVALID_TOPIC_EXCEPTION],
    [{ name: 'taken.name' }, ERROR_CODES.TOPIC_ALREADY_EXISTS],
    [{ name: '__consumer_offsets' }, ERROR_CODES.INVALID_REQUEST],
    [{ name: 'zero', numPartitions: 0 }, ERROR_CODES.INVALID_PARTITIONS],
    [{ name: 'minus', numPartitions: -2 }, ERROR_CODES.INVALID_PARTITIONS],
    [{ name: 'many', numPartitions: 10_001 }, ERROR_CODES.POLICY_VIOLATION],
    [{ name: 'two', replicationFactor: 2 }, ERROR_CODES.INVALID_REPLICATION_FACTOR],
    [{ name: 'none', replicationFactor: 0 }, ERROR_CODES.INVALID_REPLICATION_FACTOR],
    [{ name: 'both', numPartitions: 1, ...assigned([NODE_ID]) }, ERROR_CODES.INVALID_REQUEST],
    [{ name: 'foreign', ...assigned([2]) }, ERROR_CODES.INVALID_REPLICA_ASSIGNMENT],
    [{ name: 'twice', ...assigned([NODE_ID, NODE_ID]) }, ERROR_CODES.INVALID_REPLICA_ASSIGNMENT],
    [{ name: 'empty', ...assigned([]) }, ERROR_CODES.INVALID_REPLICA_ASSIGNMENT],
    [{ name: 'gap', assignments: [{ partitionIndex: 1, brokerIds: [1] }] }, ERROR_CODES.INVALID_REPLICA_ASSIGNMENT],
    [{ name: 'unknown', ...config('no.such.key', '1') }, ERROR_CODES.INVALID_CONFIG],
    [{ name: 'null', ...config('retention.ms', null) }, ERROR_CODES.INVALID_CONFIG],
    [{ name: 'text', ...config('retention.ms', 'long') }, ERROR_CODES.INVALID_CONFIG],
    [{ name: 'burn', ...config('cleanup.policy', 'burn') }, ERROR_CODES.INVALID_CONFIG],
  ];
  const topics = await create(
    fixture,
    cases.map(([wish]) => wish),
  );
  expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual(cases.map(([{ name }, code]) => [name, code]));
  expect(topics.filter(({ errorCode }) => errorCode !== 0).every(({ errorMessage }) => errorMessage)).toBe(true);
  expect(topics.slice(0, 3).map(({ numPartitions, replicationFactor }) => [numPartitions, replicationFactor])).toEqual([
    [3, 1],
    [5, 1],
    [2, 1],
  ]);
  expect(await namesOf(fixture)).toEqual(['assigned', 'five', 'good', 'taken.name']);
  const retention = topics[0]?.configs?.find(({ name }) => name === 'retention.ms');
  expect(retention).toMatchObject({ value: '604800000', configSource: 5, readOnly: false });
});

test('a name given twice is refused once, and validateOnly makes nothing', async () => {
  const fixture = await BrokerFixture.start();
  const twice = await create(fixture, [{ name: 'a' }, { name: 'a' }, { name: 'b' }], { validateOnly: true });
  expect(twice.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ['a', ERROR_CODES.INVALID_REQUEST],
    ['b', 0],
  ]);
  expect(await namesOf(fixture)).toEqual([]);
});

test('a topic made at the same time by two requests exists once', async () => {
  const fixture = await BrokerFixture.start();
  const both = await Promise.all([create(fixture, [{ name: 'a' }]), create(fixture, [{ name: 'a' }])]);
  const codes = both.map(([topic]) => topic?.errorCode).sort();
  expect(codes).toEqual([0, ERROR_CODES.TOPIC_ALREADY_EXISTS]);
  expect((await fixture.produce('a', fixture.batch('x'))).errorCode).toBe(0);
});

test('Metadata tells all, none or some, by version', async () => {
  const fixture = await BrokerFixture.start();
  const id = await fixture.createTopic('a', 2);
  await fixture.createTopic('b');
  const names = async (version: number, topics: { name: string }[] | null) =>
    (await fixture.request(metadata, version, { topics })).topics.map(({ name }) => name);
  expect(await names(0, [])).toEqual(['a', 'b']);
  expect(await names(1, [])).toEqual([]);
  expect(await names(1, null)).toEqual(['a', 'b']);
  expect(await names(13, [{ name: 'b' }])).toEqual(['b']);
  const byId = await fixture.request(metadata, 12, {
    topics: [
      { topicId: id, name: null },
      { topicId: UNKNOWN_ID, name: null },
    ],
  });
  expect(byId.topics.map(({ name, topicId, errorCode }) => [name, topicId, errorCode])).toEqual([
    ['a', id, 0],
    [null, UNKNOWN_ID, ERROR_CODES.UNKNOWN_TOPIC_ID],
  ]);
  const { brokers, clusterId, controllerId, topics } = await fixture.request(metadata, 9, { topics: [{ name: 'a' }] });
  expect(brokers).toEqual([{ nodeId: NODE_ID, host: 'broker.test', port: 8092, rack: null }]);
  expect([clusterId, controllerId]).toEqual([CLUSTER_ID, NODE_ID]);
  expect(topics[0]?.partitions).toEqual(
    [0, 1].map((partitionIndex) => ({
      errorCode: 0,
      partitionIndex,
      leaderId: NODE_ID,
      leaderEpoch: 1,
      replicaNodes: [NODE_ID],
      isrNodes: [NODE_ID],
      offlineReplicas: [],
    })),
  );
});

test('a topic is made on first use where request and broker allow it, and can be used at once', async () => {
  const fixture = await BrokerFixture.start({ config: { 'num.partitions': '2' } });
  const ask = async (name: string, version: number, allowAutoTopicCreation?: boolean) =>
    (
      await fixture.request(metadata, version, {
        topics: [{ name }],
        ...(allowAutoTopicCreation === undefined ? {} : { allowAutoTopicCreation }),
      })
    ).topics[0];
  expect(await ask('a', 4, false)).toMatchObject({ errorCode: 3, partitions: [] });
  const made = await ask('a', 4, true);
  expect(made).toMatchObject({ errorCode: 0, name: 'a' });
  expect(made?.partitions.map(({ errorCode, leaderId }) => [errorCode, leaderId])).toEqual([
    [0, 1],
    [0, 1],
  ]);
  expect(await fixture.produce('a', fixture.batch('x'), { index: 1 })).toMatchObject({ errorCode: 0 });
  expect(await ask('old', 0)).toMatchObject({ errorCode: 0 });
  expect(await ask('no/slash', 9, true)).toMatchObject({ errorCode: ERROR_CODES.INVALID_TOPIC_EXCEPTION });
  expect(await ask('__consumer_offsets', 9, true)).toMatchObject({ errorCode: 3, isInternal: true });
  const both = await Promise.all([ask('same', 12, true), ask('same', 12, true)]);
  expect(both.map((topic) => topic?.errorCode)).toEqual([0, 0]);
});

test('auto.create.topics.enable=false makes nothing on first use, and admin requests never do', async () => {
  const fixture = await BrokerFixture.start({ config: { 'auto.create.topics.enable': 'false' } });
  const { topics } = await fixture.request(metadata, 9, { topics: [{ name: 'a' }], allowAutoTopicCreation: true });
  expect(topics[0]).toMatchObject({ errorCode: ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION });
  expect((await fixture.produce('a', fixture.batch('x'))).errorCode).toBe(ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION);
  expect(await namesOf(fixture)).toEqual([]);
});

test('authorized operations are told where they are asked for', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a');
  const ask = { includeTopicAuthorizedOperations: true, includeClusterAuthorizedOperations: true };
  const told = await fixture.request(metadata, 8, { topics: null, ...ask });
  expect(told.clusterAuthorizedOperations).toBe(8096);
  expect(told.topics[0]?.topicAuthorizedOperations).toBe(3576);
  const not = await fixture.request(metadata, 8, { topics: null });
  expect(not.clusterAuthorizedOperations).toBe(-2_147_483_648);
});

test('topics are deleted by name and by id, and a new one of the same name begins empty', async () => {
  const fixture = await BrokerFixture.start();
  const first = await fixture.createTopic('a', 2);
  const second = await fixture.createTopic('b');
  await fixture.produce('a', fixture.batch('x'));
  const { responses } = await fixture.request(deleteTopics, 6, {
    topics: [
      { name: 'a', topicId: ZERO_UUID },
      { name: null, topicId: second },
      { name: 'none', topicId: ZERO_UUID },
      { name: null, topicId: UNKNOWN_ID },
      { name: 'a', topicId: second },
      { name: null, topicId: ZERO_UUID },
    ],
    timeoutMs: 1,
  });
  expect(responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
    ['a', ERROR_CODES.INVALID_REQUEST],
    ['b', 0],
    ['none', ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION],
    [null, ERROR_CODES.UNKNOWN_TOPIC_ID],
    [null, ERROR_CODES.INVALID_REQUEST],
  ]);
  await fixture.request(deleteTopics, 1, { topicNames: ['a'], timeoutMs: 1 });
  expect(await namesOf(fixture)).toEqual([]);
  expect(fixture.store.list('').filter(({ isDirectory }) => isDirectory)).toEqual([]);
  const again = await fixture.createTopic('a');
  expect(again).not.toBe(first);
  expect(await fixture.produce('a', fixture.batch('y'))).toMatchObject({ baseOffset: 0 });
  expect(valuesOf(await fetchAll(fixture, 'a'))).toEqual(['y']);
});

test('a topic deleted and made again at the same time ends as one working topic or none', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a', 3);
  const [, made] = await Promise.all([
    fixture.request(deleteTopics, 5, { topicNames: ['a'], timeoutMs: 1 }),
    create(fixture, [{ name: 'a' }]),
  ]);
  const again = made[0]?.errorCode === 0 ? made : await create(fixture, [{ name: 'a' }]);
  expect(again[0]?.errorCode).toBe(0);
  expect(await fixture.produce('a', fixture.batch('y'))).toMatchObject({ errorCode: 0, baseOffset: 0 });
});

test('delete.topic.enable=false refuses deletions', async () => {
  const fixture = await BrokerFixture.start({ config: { 'delete.topic.enable': 'false' } });
  await fixture.createTopic('a');
  const code = async (version: number) =>
    (await fixture.request(deleteTopics, version, { topicNames: ['a'], timeoutMs: 1 })).responses[0]?.errorCode;
  expect(await code(5)).toBe(ERROR_CODES.TOPIC_DELETION_DISABLED);
  expect(await code(1)).toBe(ERROR_CODES.INVALID_REQUEST);
});

test('CreatePartitions grows topics, echoes every one and leaves their records alone', async () => {
  const fixture = await BrokerFixture.start();
  for (const name of ['a', 'b', 'c', 'd', 'e']) await fixture.createTopic(name);
  await fixture.produce('a', fixture.batch('x'));
  const grow = (validateOnly: boolean) =>
    fixture.request(createPartitions, 3, {
      topics: [
        { name: 'a', count: 3, assignments: null },
        { name: 'b', count: 1, assignments: null },
        { name: 'c', count: 0, assignments: null },
        { name: 'd', count: 2, assignments: [{ brokerIds: [NODE_ID] }] },
        { name: 'e', count: 3, assignments: [{ brokerIds: [NODE_ID] }] },
        { name: 'none', count: 3, assignments: null },
      ],
      timeoutMs: 1,
      validateOnly,
    });
  const expected = [
    0,
    ERROR_CODES.INVALID_PARTITIONS,
    ERROR_CODES.INVALID_PARTITIONS,
    0,
    ERROR_CODES.INVALID_REPLICA_ASSIGNMENT,
    3,
  ];
  expect((await grow(true)).results.map(({ errorCode }) => errorCode)).toEqual(expected);
  expect((await fixture.produce('a', fixture.batch('y'), { index: 2 })).errorCode).toBe(3);
  const { results } = await grow(false);
  expect(results.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd', 'e', 'none']);
  expect(results.map(({ errorCode }) => errorCode)).toEqual(expected);
  expect((await fixture.produce('a', fixture.batch('y'), { index: 2 })).errorCode).toBe(0);
  expect(valuesOf(await fetchAll(fixture, 'a'))).toEqual(['x']);
});

test('DescribeCluster tells this broker, and refuses to be a controller', async () => {
  const fixture = await BrokerFixture.start();
  const told = await fixture.request(describeCluster, 2, { includeClusterAuthorizedOperations: true });
  expect(told).toMatchObject({
    errorCode: 0,
    clusterId: CLUSTER_ID,
    controllerId: NODE_ID,
    clusterAuthorizedOperations: 8096,
  });
  expect(told.brokers).toEqual([{ brokerId: NODE_ID, host: 'broker.test', port: 8092, rack: null, isFenced: false }]);
  const code = async (endpointType: number) =>
    (await fixture.request(describeCluster, 1, { includeClusterAuthorizedOperations: false, endpointType })).errorCode;
  expect(await code(2)).toBe(ERROR_CODES.MISMATCHED_ENDPOINT_TYPE);
  expect(await code(3)).toBe(ERROR_CODES.UNSUPPORTED_ENDPOINT_TYPE);
});

test('what is asked for many times over is told once', async () => {
  const fixture = await BrokerFixture.start();
  const topicId = await fixture.createTopic('a', 3);
  const many = <T>(item: T): T[] => Array.from({ length: 1000 }, () => item);
  const byName = await fixture.request(metadata, 12, { topics: many({ name: 'a' }) });
  expect(byName.topics).toHaveLength(1);
  const byId = await fixture.request(metadata, 12, { topics: many({ topicId, name: null }) });
  expect(byId.topics).toHaveLength(1);
  const resources = many({ resourceType: 2, resourceName: 'a', configurationKeys: null });
  expect((await fixture.request(describeConfigs, 4, { resources })).results).toHaveLength(1);
  const sizes = await fixture.request(describeLogDirs, 4, {
    topics: many({ topic: 'a', partitions: many(1) }).slice(500),
  });
  expect(sizes.results[0]?.topics.map(({ partitions }) => partitions.length)).toEqual([1]);
});
