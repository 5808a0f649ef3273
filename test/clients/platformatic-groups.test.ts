// @platformatic/kafka's consumers against a broker process: both group protocols, offsets and transactions.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  Admin,
  Consumer,
  type ConsumerOptions,
  type Message,
  MessagesStreamFallbackModes,
  MessagesStreamModes,
  Producer,
  stringDeserializers,
  stringSerializers,
} from '@platformatic/kafka';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Collector, Names, QUICK_GROUPS, useBroker } from './client-broker.ts';

const broker = useBroker('platformatic-groups', { configuration: QUICK_GROUPS });
/** Long enough for any machine. */
const WITHIN = { timeout: 50_000, interval: 20 };
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

interface ClassicGroup {
  readonly groupProtocol: 'classic';
  readonly sessionTimeout: number;
  readonly heartbeatInterval: number;
  readonly rebalanceTimeout: number;
  readonly groupInstanceId?: string;
}

function member(groupId: string, group: ClassicGroup | typeof CONSUMER = CLASSIC): Text {
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

describe('a classic group', () => {
  it('gives the partitions of a member that was killed to those that live', async () => {
    const topic = await topicOf(2);
    const file = fileURLToPath(new URL('./platformatic-member.js', import.meta.url));
    const child = spawn(process.execPath, [file, broker.kafka, topic, topic], { stdio: ['ignore', 'pipe', 'inherit'] });
    closers.push(async () => void child.kill('SIGKILL'));
    await once(child.stdout, 'data');
    const living = member(topic);
    await stream(living, topic);
    await settled([living], 1);
    child.kill('SIGKILL');
    expect(await settled([living], 2)).toEqual([0, 1]);
  });

  it('gives a static member that comes back what it had, under a new id and without a rebalance', async () => {
    const topic = await topicOf(4);
    // So slow that the one that is replaced does not learn of it, and come back itself.
    const times = { sessionTimeout: 300_000, rebalanceTimeout: 300_000, heartbeatInterval: 100_000 };
    const group = { ...CLASSIC, ...times, groupInstanceId: 'one' };
    const first = member(topic, group);
    await stream(first, topic);
    const back = member(topic, group);
    await stream(back, topic);
    expect(await settled([back], 4)).toEqual([0, 1, 2, 3]);
    expect(back.generationId).toBe(first.generationId);
    expect(back.memberId).not.toBe(first.memberId);
    const described = (await admin.describeGroups({ groups: [topic] })).get(topic);
    const members = [...(described?.members.values() ?? [])];
    expect(members).toMatchObject([{ groupInstanceId: 'one', id: back.memberId }]);
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

describe('a transaction of @platformatic/kafka', () => {
  it('carries the offsets of a group, or drops them', async () => {
    const [source, target] = [await topicOf(), await topicOf()];
    await fill(source, 10);
    const reader = member(source);
    const read = new Collector<Message<string, string, string, string>>();
    const messages = await reader.consume({
      topics: [source],
      mode: MessagesStreamModes.COMMITTED,
      fallbackMode: MessagesStreamFallbackModes.EARLIEST,
    });
    messages.on('data', (message) => read.add(message));
    const last = (await read.count(10))[9];
    if (last === undefined) throw new Error('nothing was read');
    const producer = new Producer({
      ...options(),
      idempotent: true,
      transactionalId: `eos-${source}`,
      serializers: stringSerializers,
    });
    for (const commits of [false, true]) {
      const transaction = await producer.beginTransaction();
      await transaction.addConsumer(reader);
      await transaction.send({ messages: [{ topic: target, value: 'seen' }] });
      await transaction.addOffset(last);
      await (commits ? transaction.commit() : transaction.abort());
      // EndTxn is answered when the outcome is decided, and this client does not ask for stable offsets.
      await vi.waitFor(async () => {
        const committed = await reader.listCommittedOffsets({ topics: [{ topic: source, partitions: [0] }] });
        expect(committed.get(source)).toEqual([commits ? 10n : -1n]);
      }, WITHIN);
    }
    const seen = await stream(member(target), target);
    expect(await seen.count(1)).toEqual(['seen']);
    await producer.close();
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
