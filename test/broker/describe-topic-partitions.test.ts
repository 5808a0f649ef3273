// DescribeTopicPartitions: pages of partitions, and where the next one begins (KIP-966).

import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { describeTopicPartitions } from '../../src/protocol/messages/75-describe-topic-partitions.ts';
import { ZERO_UUID } from '../../src/protocol/uuid.ts';
import { BrokerFixture, NODE_ID } from './fixture.ts';

interface Cursor {
  readonly topicName: string;
  readonly partitionIndex: number;
}

interface Query {
  readonly topics?: readonly string[];
  readonly limit?: number;
  readonly cursor?: Cursor | null;
}

function ask(fixture: BrokerFixture, { topics = [], limit, cursor = null }: Query = {}) {
  return fixture.request(describeTopicPartitions, 0, {
    topics: topics.map((name) => ({ name })),
    ...(limit === undefined ? {} : { responsePartitionLimit: limit }),
    cursor,
  });
}

type Response = Awaited<ReturnType<typeof ask>>;

/** `name: partitions` of each topic. */
function told({ topics }: Response): string[] {
  return topics.map(({ name, partitions }) => `${name}: ${partitions.map((each) => each.partitionIndex).join(' ')}`);
}

async function fruits(config: Readonly<Record<string, string>> = {}): Promise<BrokerFixture> {
  const fixture = await BrokerFixture.start({ config });
  await fixture.createTopic('plums', 4);
  await fixture.createTopic('apples', 2);
  await fixture.createTopic('Quinces', 1);
  return fixture;
}

test('a topic is told with its id, leaders and replicas, and without eligible leader replicas', async () => {
  const fixture = await fruits();
  const topicId = await fixture.createTopic('figs', 1);
  const { topics, nextCursor } = await ask(fixture, { topics: ['figs'] });
  expect(nextCursor).toBeNull();
  expect(topics).toMatchObject([{ errorCode: 0, name: 'figs', topicId, isInternal: false }]);
  expect(topics[0]?.partitions).toEqual([
    {
      errorCode: 0,
      partitionIndex: 0,
      leaderId: NODE_ID,
      leaderEpoch: 1,
      replicaNodes: [NODE_ID],
      isrNodes: [NODE_ID],
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
      offlineReplicas: [],
    },
  ]);
});

test('no topics means all of them, in the order of their names, each once', async () => {
  const fixture = await fruits();
  expect(told(await ask(fixture))).toEqual(['Quinces: 0', 'apples: 0 1', 'plums: 0 1 2 3']);
  expect(told(await ask(fixture, { topics: ['plums', 'apples', 'plums'] }))).toEqual(['apples: 0 1', 'plums: 0 1 2 3']);
});

test('pages of every size bring each partition once', async () => {
  const fixture = await fruits();
  for (const topics of [[], ['plums', 'apples', 'Quinces']]) {
    for (let limit = 1; limit <= 8; limit++) {
      const seen: string[] = [];
      let cursor: Cursor | null = null;
      do {
        const response: Response = await ask(fixture, { topics, limit, cursor });
        const places = response.topics.flatMap(({ name, partitions }) =>
          partitions.map(({ partitionIndex }) => `${name}-${partitionIndex}`),
        );
        expect(places.length).toBeGreaterThan(0);
        expect(places.length).toBeLessThanOrEqual(limit);
        seen.push(...places);
        cursor = response.nextCursor;
      } while (cursor !== null);
      expect(seen, `limit ${limit}`).toEqual([
        'Quinces-0',
        'apples-0',
        'apples-1',
        'plums-0',
        'plums-1',
        'plums-2',
        'plums-3',
      ]);
    }
  }
});

test('the cursor names the partition, or the topic, that had no room', async () => {
  const fixture = await fruits();
  expect((await ask(fixture, { limit: 2 })).nextCursor).toEqual({ topicName: 'apples', partitionIndex: 1 });
  expect((await ask(fixture, { limit: 3 })).nextCursor).toEqual({ topicName: 'plums', partitionIndex: 0 });
  expect((await ask(fixture, { limit: 7 })).nextCursor).toBeNull();
  // A topic that is named and does not exist gets the cursor too: nobody has looked whether it exists.
  expect((await ask(fixture, { topics: ['apples', 'none'], limit: 2 })).nextCursor).toEqual({
    topicName: 'none',
    partitionIndex: 0,
  });
});

test('the broker allows no more partitions than max.request.partition.size.limit, and always one', async () => {
  const fixture = await fruits({ 'max.request.partition.size.limit': '3' });
  expect(told(await ask(fixture))).toEqual(['Quinces: 0', 'apples: 0 1']);
  expect(told(await ask(fixture, { limit: 2 }))).toEqual(['Quinces: 0', 'apples: 0']);
  for (const limit of [0, -5]) expect(told(await ask(fixture, { limit }))).toEqual(['Quinces: 0']);
});

test('topics that do not exist are told where they were named, and take no room', async () => {
  const fixture = await fruits();
  const { topics } = await ask(fixture, { topics: ['none', 'plums', 'no/slash'], limit: 4 });
  expect(topics.map(({ name, errorCode, topicId }) => [name, errorCode, topicId === ZERO_UUID])).toEqual([
    ['no/slash', ERROR_CODES.INVALID_TOPIC_EXCEPTION, true],
    ['none', ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION, true],
    ['plums', 0, false],
  ]);
});

test('a cursor in a topic that is gone goes on with the next, where all topics are asked for', async () => {
  const fixture = await fruits();
  const cursor = { topicName: 'nectarines', partitionIndex: 3 };
  expect(told(await ask(fixture, { cursor }))).toEqual(['plums: 0 1 2 3']);
});

test('a cursor behind the last partition has nothing left of its topic', async () => {
  const fixture = await fruits();
  const response = await ask(fixture, { cursor: { topicName: 'apples', partitionIndex: 2_147_483_647 }, limit: 5 });
  expect(told(response)).toEqual(['apples: ', 'plums: 0 1 2 3']);
  expect(response.nextCursor).toBeNull();
});

test('a cursor outside of the topics named, or at a negative partition, is INVALID_REQUEST for each of them', async () => {
  const fixture = await fruits();
  const refused: readonly Query[] = [
    { topics: ['apples', 'plums'], cursor: { topicName: 'none', partitionIndex: 0 } },
    { topics: ['apples', 'plums'], cursor: { topicName: 'apples', partitionIndex: -1 } },
  ];
  for (const query of refused) {
    const { topics, nextCursor } = await ask(fixture, query);
    expect(topics.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['apples', ERROR_CODES.INVALID_REQUEST],
      ['plums', ERROR_CODES.INVALID_REQUEST],
    ]);
    expect(nextCursor).toBeNull();
  }
});
