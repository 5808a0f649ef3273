// What kafkajs reads of a broker process, over TCP and over WebSocket: positions, a killed member's part, transactions.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Consumer, ConsumerConfig, IMemberAssignment, Kafka } from 'kafkajs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Collector, Names, QUICK_GROUPS, useBroker } from './client-broker.ts';
import { kafkaOver, TRANSPORTS } from './kafkajs-transports.ts';

const broker = useBroker('kafkajs-consumers', { configuration: QUICK_GROUPS });

interface Seen {
  readonly value: string;
  readonly partition: number;
  readonly offset: string;
}

describe.each(TRANSPORTS)('kafkajs over %s', (transport) => {
  const names = new Names(`consumers-${transport}`);
  const closers: (() => Promise<void>)[] = [];
  let kafka: Kafka;

  beforeAll(() => {
    kafka = kafkaOver(transport, broker);
  });

  afterEach(async () => {
    await Promise.all(closers.splice(0).map((close) => close()));
  });

  async function topicOf(numPartitions = 1): Promise<string> {
    const topic = names.next();
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions }] });
    await admin.disconnect();
    return topic;
  }

  async function fill(topic: string, count: number, partitions = 1): Promise<void> {
    const producer = kafka.producer();
    await producer.connect();
    const messages = Array.from({ length: count }, (_, index) => ({
      value: `value ${index}`,
      partition: index % partitions,
      timestamp: `${1_750_000_000_000 + index * 1000}`,
    }));
    await producer.send({ topic, messages });
    await producer.disconnect();
  }

  /** A member that collects what it reads and which partitions it has. */
  async function join(topic: string, config: Partial<ConsumerConfig> = {}, isCommitted = true) {
    const seen = new Collector<Seen>();
    const assignments = new Collector<readonly number[]>();
    const consumer = kafka.consumer({
      groupId: topic,
      sessionTimeout: 60_000,
      heartbeatInterval: 200,
      rebalanceTimeout: 60_000,
      maxWaitTimeInMs: 100,
      readUncommitted: !isCommitted,
      ...config,
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      const assignment: IMemberAssignment = payload.memberAssignment;
      assignments.add((assignment[topic] ?? []).toSorted());
    });
    let isOpen = true;
    const leave = async (): Promise<void> => {
      if (!isOpen) return;
      isOpen = false;
      await consumer.disconnect();
    };
    closers.push(leave);
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    return { consumer, seen, assignments, leave };
  }

  async function run(consumer: Consumer, seen: Collector<Seen>): Promise<void> {
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        seen.add({ value: message.value?.toString() ?? '', partition, offset: message.offset });
      },
    });
  }

  async function joined(topic: string, config: Partial<ConsumerConfig> = {}, isCommitted = true) {
    const member = await join(topic, config, isCommitted);
    await run(member.consumer, member.seen);
    return member;
  }

  const values = (seen: readonly Seen[]): string[] => seen.map(({ value }) => value);
  const numbered = (from: number, to: number): string[] =>
    Array.from({ length: to - from }, (_, index) => `value ${from + index}`);

  it('consumes in order from the beginning', async () => {
    const topic = await topicOf();
    await fill(topic, 200);
    const { seen } = await joined(topic);
    expect(values(await seen.count(200))).toEqual(numbered(0, 200));
  });

  it('goes on where its group has committed, metadata and all', async () => {
    const topic = await topicOf();
    await fill(topic, 10);
    const first = await join(topic);
    await first.consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        first.seen.add({ value: message.value?.toString() ?? '', partition, offset: message.offset });
      },
    });
    await first.seen.count(10);
    await first.consumer.commitOffsets([{ topic, partition: 0, offset: '4', metadata: 'half way' }]);
    await first.leave();
    const admin = kafka.admin();
    await admin.connect();
    const offsets = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
    expect(offsets).toEqual([{ topic, partitions: [{ partition: 0, offset: '4', metadata: 'half way' }] }]);
    await admin.disconnect();
    const second = await joined(topic);
    expect(values(await second.seen.count(6))).toEqual(numbered(4, 10));
  });

  it('gives the partitions of a member that was killed to those that live', async () => {
    const topic = await topicOf(2);
    const file = fileURLToPath(new URL('./kafkajs-member.js', import.meta.url));
    const child = spawn(process.execPath, [file, broker.kafka, topic, topic], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = once(child, 'exit');
    const lines = new Collector<string>();
    createInterface({ input: child.stdout }).on('line', (line) => lines.add(line));
    await lines.until((all) => all.at(-1) === '[0,1]' || all.at(-1) === '[1,0]');
    const member = await joined(topic);
    await member.assignments.until((all) => all.at(-1)?.length === 1);
    child.kill('SIGKILL');
    await exited;
    await member.assignments.until((all) => all.at(-1)?.length === 2);
    await fill(topic, 10, 2);
    expect(values(await member.seen.count(10)).toSorted()).toEqual(numbered(0, 10).toSorted());
  });

  it('seeks to an offset found by time', async () => {
    const topic = await topicOf();
    await fill(topic, 10);
    const admin = kafka.admin();
    await admin.connect();
    const [found] = await admin.fetchTopicOffsetsByTimestamp(topic, 1_750_000_006_500);
    await admin.disconnect();
    expect(found?.offset).toBe('7');
    const { consumer, seen } = await join(topic);
    await run(consumer, seen);
    consumer.seek({ topic, partition: 0, offset: '7' });
    const after = await seen.until((all) => all.at(-1)?.offset === '9');
    expect(values(after).slice(-3)).toEqual(numbered(7, 10));
  });

  it('produces idempotently', async () => {
    const topic = await topicOf();
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (let round = 0; round < 20; round++) {
      const [placed] = await producer.send({ topic, messages: [{ value: `value ${round}` }] });
      expect(placed?.baseOffset).toBe(String(round));
    }
    await producer.disconnect();
  });

  it('reads what a transaction committed, and nothing that one aborted', async () => {
    const topic = await topicOf();
    const producer = kafka.producer({ transactionalId: `tx-${topic}`, idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    for (let round = 0; round < 4; round++) {
      const transaction = await producer.transaction();
      const messages = numbered(round * 5, round * 5 + 5).map((value) => ({ value }));
      await transaction.send({ topic, messages });
      if (round % 2 === 0) await transaction.commit();
      else await transaction.abort();
    }
    await producer.disconnect();
    await fill(topic, 1);
    const committed = await joined(topic);
    const uncommitted = await joined(topic, { groupId: `${topic}-all` }, false);
    await Promise.all([committed.seen.count(11), uncommitted.seen.count(21)]);
    expect(values(committed.seen.values)).toEqual([...numbered(0, 5), ...numbered(10, 15), 'value 0']);
    expect(values(uncommitted.seen.values)).toEqual([...numbered(0, 20), 'value 0']);
  });

  it('commits offsets with a transaction, or not', async () => {
    const topic = await topicOf();
    const groupId = `${topic}-group`;
    const producer = kafka.producer({ transactionalId: `tx-${topic}`, idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    const admin = kafka.admin();
    await admin.connect();
    for (const [commits, offset] of [
      [false, '-1'],
      [true, '2'],
    ] as const) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ value: 'value' }] });
      await transaction.sendOffsets({
        consumerGroupId: groupId,
        topics: [{ topic, partitions: [{ partition: 0, offset: '2' }] }],
      });
      if (commits) await transaction.commit();
      else await transaction.abort();
      // A commit is answered when it is decided; who does not ask for stable offsets may still see the one before.
      let found: string | undefined;
      do {
        const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] });
        found = committed?.partitions[0]?.offset;
      } while (commits && found === '-1');
      expect(found).toBe(offset);
    }
    await admin.disconnect();
    await producer.disconnect();
  });
});
