// @platformatic/kafka's consumers against a broker process: both group protocols, offsets and transactions.

import { setTimeout as delay } from 'node:timers/promises';
import {
  Admin,
  Consumer,
  type ConsumerOptions,
  MessagesStreamFallbackModes,
  MessagesStreamModes,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Collector, Names, QUICK_GROUPS, useBroker } from './client-broker.ts';

const broker = useBroker('platformatic-groups', { configuration: QUICK_GROUPS });
const names = new Names('platformatic-groups');
const closers: (() => Promise<void>)[] = [];
let admin: Admin;

function options() {
  return { clientId: 'platformatic', bootstrapBrokers: [broker.kafka], retries: 10, retryDelay: 100, strict: true };
}

beforeAll(() => {
  admin = new Admin(options());
});

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

afterAll(async () => {
  await admin.close();
});

async function topicOf(partitions = 1): Promise<string> {
  const topic = names.next();
  await admin.createTopics({ topics: [topic], partitions, replicas: 1 });
  return topic;
}

async function fill(topic: string, count: number, partitions = 1): Promise<void> {
  const producer = new Producer({ ...options(), serializers: stringSerializers });
  const messages = Array.from({ length: count }, (_, i) => ({ topic, value: `value ${i}`, partition: i % partitions }));
  await producer.send({ messages });
  await producer.close();
}

type Text = Consumer<string, string, string, string>;
const CLASSIC = {
  groupProtocol: 'classic',
  sessionTimeout: 60_000,
  heartbeatInterval: 200,
  rebalanceTimeout: 60_000,
} as const;
const CONSUMER = { groupProtocol: 'consumer' } as const;

function member(groupId: string, group: typeof CLASSIC | typeof CONSUMER = CLASSIC): Text {
  const all: ConsumerOptions<string, string, string, string> = {
    ...options(),
    ...group,
    groupId,
    maxWaitTime: 100,
    autocommit: false,
    deserializers: stringDeserializers,
  };
  const consumer = new Consumer(all);
  closers.push(async () => {
    if (!consumer.closed) await consumer.close(true);
  });
  return consumer;
}

/** Values that come by a stream of the topic, from the committed offset or the beginning. */
async function stream(consumer: Text, topic: string, isolationLevel = 1): Promise<Collector<string>> {
  const values = new Collector<string>();
  const messages = await consumer.consume({
    topics: [topic],
    mode: MessagesStreamModes.COMMITTED,
    fallbackMode: MessagesStreamFallbackModes.EARLIEST,
    isolationLevel,
  });
  messages.on('data', ({ value }) => values.add(value));
  messages.on('error', () => undefined);
  return values;
}

const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from }, (_, index) => `value ${from + index}`);

/** Partitions of each member, once they are so many each. */
async function settled(members: readonly Text[], each: number): Promise<number[]> {
  const sizes = (): number[] => members.map(({ assignments }) => assignments?.flatMap((a) => a.partitions).length ?? 0);
  // The client tells of assignments at different times in its two protocols: they are looked at instead.
  while (sizes().some((size) => size !== each)) await delay(20);
  return members.flatMap(({ assignments }) => assignments?.flatMap((a) => a.partitions) ?? []).toSorted();
}

describe.each([
  ['classic', CLASSIC],
  ['consumer (KIP-848)', CONSUMER],
])('a %s group', (_, group) => {
  it('consumes from the beginning, commits, and goes on there', async () => {
    const topic = await topicOf();
    await fill(topic, 100);
    const first = member(topic, group);
    const values = await stream(first, topic);
    expect(await values.count(100)).toEqual(numbered(0, 100));
    await first.commit({ offsets: [{ topic, partition: 0, offset: 40n, leaderEpoch: 0 }] });
    await first.close(true);
    const second = member(topic, group);
    expect(await (await stream(second, topic)).count(60)).toEqual(numbered(40, 100));
    const committed = await second.listCommittedOffsets({ topics: [{ topic, partitions: [0] }] });
    expect(committed.get(topic)).toEqual([40n]);
  });

  it('shares partitions among members that join and leave', async () => {
    const topic = await topicOf(4);
    const first = member(topic, group);
    await stream(first, topic);
    expect(await settled([first], 4)).toEqual([0, 1, 2, 3]);
    const second = member(topic, group);
    await stream(second, topic);
    expect(await settled([first, second], 2)).toEqual([0, 1, 2, 3]);
    await second.close(true);
    expect(await settled([first], 4)).toEqual([0, 1, 2, 3]);
  });
});

describe('producers of @platformatic/kafka with an id', () => {
  it('produce idempotently', async () => {
    const topic = await topicOf();
    const producer = new Producer({ ...options(), idempotent: true, serializers: stringSerializers });
    for (let offset = 0n; offset < 20n; offset++) {
      const { offsets } = await producer.send({ messages: [{ topic, value: `value ${offset}` }] });
      expect(offsets).toEqual([{ topic, partition: 0, offset }]);
    }
    await producer.close();
  });

  it('commit and abort transactions', async () => {
    const topic = await topicOf();
    const producer = new Producer({
      ...options(),
      idempotent: true,
      transactionalId: `tx-${topic}`,
      serializers: stringSerializers,
    });
    // This client keeps one aborted transaction of a producer for each fetch, so there is no second one here.
    for (let round = 0; round < 3; round++) {
      const transaction = await producer.beginTransaction();
      const messages = numbered(round * 5, round * 5 + 5).map((value) => ({ topic, value }));
      await transaction.send({ messages });
      if (round % 2 === 0) await transaction.commit();
      else await transaction.abort();
    }
    await producer.close();
    await fill(topic, 1);
    const committed = await stream(member(topic), topic, 1);
    const uncommitted = await stream(member(`${topic}-all`), topic, 0);
    expect(await committed.count(11)).toEqual([...numbered(0, 5), ...numbered(10, 15), 'value 0']);
    expect(await uncommitted.count(16)).toEqual([...numbered(0, 15), 'value 0']);
  });
});

describe('groups as the admin of @platformatic/kafka sees them', () => {
  it('are listed, described, reset and deleted', async () => {
    const topic = await topicOf();
    await fill(topic, 3);
    const consumer = member(topic);
    await (await stream(consumer, topic)).count(3);
    expect((await admin.listGroups()).get(topic)).toMatchObject({ protocolType: 'consumer' });
    const described = (await admin.describeGroups({ groups: [topic] })).get(topic);
    expect(described?.members.size).toBe(1);
    await consumer.close(true);
    const topics = [{ name: topic, partitionOffsets: [{ partition: 0, offset: 2n }] }];
    await admin.alterConsumerGroupOffsets({ groupId: topic, topics });
    const [offsets] = await admin.listConsumerGroupOffsets({ groups: [topic] });
    expect(offsets?.topics[0]?.partitions[0]).toMatchObject({ committedOffset: 2n });
    await admin.deleteGroups({ groups: [topic] });
    expect((await admin.listGroups()).has(topic)).toBe(false);
  });
});
