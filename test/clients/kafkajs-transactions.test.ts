// kafkajs with transactions against a broker process: commits and aborts as read_committed consumers see them, offsets
// that go with the records, and a broker that is killed between any two steps.

import type { Kafka, Producer } from 'kafkajs';
import { beforeAll, describe, expect, it } from 'vitest';
import { runCommand } from '../support/run-command.ts';
import { Collector, Names, QUICK_GROUPS, useBroker } from './client-broker.ts';
import { kafkaOver } from './kafkajs-transports.ts';

const PARTITIONS = 3;

describe('kafkajs transactions over TCP', () => {
  const broker = useBroker('kafkajs-transactions', {
    configuration: [...QUICK_GROUPS, 'transaction.state.log.num.partitions=4'],
  });
  const names = new Names('transactions');
  let kafka: Kafka;

  beforeAll(() => {
    kafka = kafkaOver('TCP', broker);
  });

  async function newTopic(): Promise<string> {
    const topic = names.next();
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] });
    await admin.disconnect();
    return topic;
  }

  async function newProducer(transactionalId = names.next()): Promise<Producer> {
    const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    return producer;
  }

  /** Everything that a read_committed consumer gets until the value `last` has come from every partition. */
  async function committed(topic: string, last: string): Promise<string[]> {
    const consumer = kafka.consumer({ groupId: names.next(), sessionTimeout: 60_000 });
    const seen = new Collector<string>();
    let ends = 0;
    const ended = new Collector<number>();
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message }) => {
        const value = message.value?.toString() ?? '';
        if (value === last) ended.add(++ends);
        else seen.add(value);
      },
    });
    await ended.count(PARTITIONS);
    await consumer.disconnect();
    return seen.values.toSorted();
  }

  const spread = (value: string): { value: string; partition: number }[] =>
    Array.from({ length: PARTITIONS }, (_, partition) => ({ value, partition }));

  async function finish(producer: Producer, topic: string): Promise<string> {
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: spread('end') });
    await transaction.commit();
    return 'end';
  }

  it('shows what was committed, on every partition, and nothing of what was aborted', async () => {
    const topic = await newTopic();
    const producer = await newProducer();
    const expected: string[] = [];
    for (let round = 0; round < 12; round++) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: spread(`value-${round}`) });
      if (round % 3 === 0) await transaction.abort();
      else {
        await transaction.commit();
        expected.push(...spread(`value-${round}`).map(({ value }) => value));
      }
    }
    expect(await committed(topic, await finish(producer, topic))).toEqual(expected.toSorted());
    await producer.disconnect();
  });

  it('is read by the command as it ended, where that is asked for', async () => {
    const topic = await newTopic();
    const producer = await newProducer();
    for (const value of ['committed', 'aborted', 'open']) {
      const transaction = await producer.transaction();
      await transaction.send({ topic, messages: [{ value, partition: 0 }] });
      if (value === 'committed') await transaction.commit();
      else if (value === 'aborted') await transaction.abort();
    }
    const read = async (...options: string[]): Promise<string> => {
      const { stdout } = await runCommand(['consume', topic, '--until-end', ...options], {
        server: `ws://${broker.http}`,
      });
      return stdout.toString();
    };
    expect(await read('--isolation', 'read_committed')).toBe('committed\n');
    expect(await read()).toBe('committed\naborted\nopen\n');
    await producer.disconnect();
  });

  it('fences the older of two producers of one id', async () => {
    const topic = await newTopic();
    const id = names.next();
    const older = await newProducer(id);
    const open = await older.transaction();
    await open.send({ topic, messages: spread('older') });
    const newer = await newProducer(id);
    const transaction = await newer.transaction();
    await transaction.send({ topic, messages: spread('newer') });
    await transaction.commit();
    await expect(open.send({ topic, messages: spread('late') })).rejects.toThrow();
    expect(await committed(topic, await finish(newer, topic))).toEqual(spread('newer').map(({ value }) => value));
    await newer.disconnect();
    await older.disconnect().catch(() => {});
  });

  it('commits the offsets of what it consumed together with what it produced', async () => {
    const topic = await newTopic();
    const groupId = names.next();
    const producer = await newProducer();
    const admin = kafka.admin();
    await admin.connect();
    const offset = async (): Promise<string | undefined> => {
      const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
      return found?.partitions.find(({ partition }) => partition === 0)?.offset;
    };
    const aborted = await producer.transaction();
    await aborted.sendOffsets({
      consumerGroupId: groupId,
      topics: [{ topic, partitions: [{ partition: 0, offset: '3' }] }],
    });
    await aborted.abort();
    expect(await offset()).toBe('-1');
    const kept = await producer.transaction();
    await kept.send({ topic, messages: spread('made') });
    await kept.sendOffsets({
      consumerGroupId: groupId,
      topics: [{ topic, partitions: [{ partition: 0, offset: '5' }] }],
    });
    await kept.commit();
    // The markers follow the answer.
    await expect.poll(offset, { interval: 5 }).toBe('5');
    await admin.disconnect();
    await producer.disconnect();
  });

  it('goes on over three kills of the broker, and what it was told is what readers see', async () => {
    const topic = await newTopic();
    const producer = await newProducer();
    const told: string[] = [];
    const unsure: string[] = [];
    for (let round = 0; round < 9; round++) {
      const value = `value-${round}`;
      const transaction = await producer.transaction();
      const killed = round % 3 === 1 ? broker.killAndRestart() : undefined;
      try {
        await transaction.send({ topic, messages: spread(value) });
        await transaction.commit();
        told.push(value);
      } catch {
        unsure.push(value);
        await transaction.abort().catch(() => {});
      }
      await killed;
    }
    const last = await newProducer(names.next());
    const values = await committed(topic, await finish(last, topic));
    for (const value of told) expect(values.filter((each) => each === value)).toHaveLength(PARTITIONS);
    for (const value of unsure) expect([0, PARTITIONS]).toContain(values.filter((each) => each === value).length);
    expect(told.length).toBeGreaterThanOrEqual(3);
    await last.disconnect();
    await producer.disconnect().catch(() => {});
  });
});
