// kafkajs in consumer groups against a broker process: members that join, leave and are cut off, commits, and a broker
// that is killed.

import type { Consumer, Kafka } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Collector, Names, QUICK_GROUPS, useBroker } from './client-broker.ts';
import { kafkaOver, TRANSPORTS } from './kafkajs-transports.ts';

const PARTITIONS = 4;

interface Seen {
  readonly value: string;
  readonly partition: number;
  readonly by: string;
}

describe.each(TRANSPORTS)('kafkajs groups over %s', (transport) => {
  const broker = useBroker(`kafkajs-groups-${transport}`, { configuration: QUICK_GROUPS });
  const names = new Names(`groups-${transport}`);
  let kafka: Kafka;
  const consumers: Consumer[] = [];

  beforeAll(() => {
    kafka = kafkaOver(transport, broker);
  });

  afterAll(async () => {
    await Promise.all(consumers.map((consumer) => consumer.disconnect()));
  });

  async function topicWith(values: readonly string[]): Promise<string> {
    const topic = names.next();
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] });
    await admin.disconnect();
    await produce(topic, values);
    return topic;
  }

  async function produce(topic: string, values: readonly string[]): Promise<void> {
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({
      topic,
      messages: values.map((value, index) => ({ value, partition: index % PARTITIONS })),
    });
    await producer.disconnect();
  }

  /** A member that is in the group when the promise resolves. */
  async function member(
    by: string,
    { groupId, topic, seen }: { readonly groupId: string; readonly topic: string; readonly seen: Collector<Seen> },
  ): Promise<{ readonly consumer: Consumer; readonly assigned: Collector<number> }> {
    const consumer = kafka.consumer({
      groupId,
      sessionTimeout: 60_000,
      heartbeatInterval: 200,
      rebalanceTimeout: 60_000,
      maxWaitTimeInMs: 100,
    });
    consumers.push(consumer);
    const assigned = new Collector<number>();
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      assigned.add(payload.memberAssignment[topic]?.length ?? 0);
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommitThreshold: 1,
      eachMessage: ({ message, partition }) => {
        seen.add({ value: message.value?.toString() ?? '', partition, by });
        return Promise.resolve();
      },
    });
    await assigned.count(1);
    return { consumer, assigned };
  }

  function numbered(prefix: string, count: number): string[] {
    return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
  }

  it('share partitions, take over those of a member that leaves, and go on where it committed', async () => {
    const topic = await topicWith(numbered('a', 8));
    const groupId = names.next();
    const seen = new Collector<Seen>();
    const first = await member('first', { groupId, topic, seen });
    await seen.count(8);
    const second = await member('second', { groupId, topic, seen });
    await first.assigned.until((sizes) => sizes.at(-1) === 2);
    expect(second.assigned.values.at(-1)).toBe(2);
    await produce(topic, numbered('b', 8));
    await seen.count(16);
    expect(new Set(seen.values.slice(8).map(({ by }) => by))).toEqual(new Set(['first', 'second']));
    await second.consumer.disconnect();
    await first.assigned.until((sizes) => sizes.at(-1) === PARTITIONS);
    await produce(topic, numbered('c', 8));
    await seen.count(24);
    expect(seen.values.map(({ value }) => value).sort()).toEqual(
      [...numbered('a', 8), ...numbered('b', 8), ...numbered('c', 8)].sort(),
    );
    await first.consumer.disconnect();
    const again = new Collector<Seen>();
    await member('third', { groupId, topic, seen: again });
    await produce(topic, numbered('d', 4));
    await again.count(4);
    expect(again.values.map(({ value }) => value).sort()).toEqual(numbered('d', 4));
  });

  it('are listed, described, reset and deleted by an administrator', async () => {
    const topic = await topicWith(numbered('a', 4));
    const groupId = names.next();
    const seen = new Collector<Seen>();
    const { consumer } = await member('one', { groupId, topic, seen });
    await seen.count(4);
    const admin = kafka.admin();
    await admin.connect();
    expect((await admin.listGroups()).groups).toContainEqual({ groupId, protocolType: 'consumer' });
    const { groups } = await admin.describeGroups([groupId]);
    expect(groups[0]).toMatchObject({ state: 'Stable', protocol: 'RoundRobinAssigner', protocolType: 'consumer' });
    await consumer.disconnect();
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 2, offset: '0' }] });
    const offsets = await admin.fetchOffsets({ groupId, topics: [topic] });
    const byPartition = offsets[0]?.partitions.sort((one, other) => one.partition - other.partition);
    expect(byPartition?.map(({ offset }) => offset)).toEqual(['1', '1', '0', '1']);
    await admin.deleteGroups([groupId]);
    expect((await admin.listGroups()).groups.map((each) => each.groupId)).not.toContain(groupId);
    await admin.disconnect();
  });

  it('outlive a SIGKILL of the broker: nothing committed is read again or lost', async () => {
    const topic = await topicWith(numbered('a', 40));
    const groupId = names.next();
    const seen = new Collector<Seen>();
    const { consumer } = await member('one', { groupId, topic, seen });
    await seen.count(40);
    await consumer.commitOffsets(
      Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition, offset: '10' })),
    );
    await broker.killAndRestart();
    await produce(topic, numbered('b', 8));
    await seen.until((values) => values.filter(({ value }) => value.startsWith('b')).length >= 8);
    expect(seen.values.filter(({ value }) => value.startsWith('a'))).toHaveLength(40);
    await consumer.disconnect();
  });
});
