// @platformatic/kafka against a broker process: admin, producing with every codec that it brings, and fetching.

import {
  Admin,
  type CompressionAlgorithmValue,
  ConfigResourceTypes,
  compressionsAlgorithms,
  IncrementalAlterConfigOperationTypes,
  ListOffsetTimestamps,
  Producer,
  stringSerializers,
} from '@platformatic/kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Names, useBroker } from './client-broker.ts';

const broker = useBroker('platformatic');
const names = new Names('platformatic');
let admin: Admin;

function options() {
  return { clientId: 'platformatic', bootstrapBrokers: [broker.kafka], retries: 3, strict: true };
}

beforeAll(() => {
  admin = new Admin(options());
});

afterAll(async () => {
  await admin.close();
});

async function topicOf(partitions = 1): Promise<string> {
  const topic = names.next();
  await admin.createTopics({ topics: [topic], partitions, replicas: 1 });
  return topic;
}

async function offsetAt(topic: string, timestamp: bigint): Promise<bigint | undefined> {
  const [listed] = await admin.listOffsets({
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp }] }],
  });
  return listed?.partitions[0]?.offset;
}

describe('admin of @platformatic/kafka', () => {
  it('creates, lists, describes, extends and deletes topics', async () => {
    const topic = names.next();
    const [created] = await admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 });
    expect(created).toMatchObject({ name: topic, partitions: 2, replicas: 1 });
    expect(await admin.listTopics()).toContain(topic);
    await admin.createPartitions({ topics: [{ name: topic, count: 3 }] });
    const metadata = await admin.metadata({ topics: [topic], forceUpdate: true });
    expect(metadata.topics.get(topic)?.partitions.map(({ leader }) => leader)).toEqual([1, 1, 1]);
    expect([...metadata.brokers.values()].map(({ host, port }) => `${host}:${port}`)).toEqual([broker.kafka]);
    await admin.deleteTopics({ topics: [topic] });
    expect(await admin.listTopics()).not.toContain(topic);
  });

  it('changes and reads configurations', async () => {
    const topic = await topicOf();
    const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: topic };
    const configOperation = IncrementalAlterConfigOperationTypes.SET;
    const change = { name: 'retention.ms', configOperation, value: '7200000' };
    await admin.incrementalAlterConfigs({ resources: [{ ...resource, configs: [change] }] });
    const [described] = await admin.describeConfigs({
      resources: [{ ...resource, configurationKeys: ['retention.ms'] }],
      includeSynonyms: true,
      includeDocumentation: true,
    });
    expect(described?.configs).toEqual([expect.objectContaining({ name: 'retention.ms', value: '7200000' })]);
  });

  it('tells the size of what a topic keeps', async () => {
    const topic = await topicOf();
    const producer = new Producer({ ...options(), serializers: stringSerializers });
    await producer.send({ messages: [{ topic, value: 'x'.repeat(1000) }] });
    await producer.close();
    const [dirs] = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0] }] });
    const partition = dirs?.results[0]?.topics.find(({ name }) => name === topic)?.partitions[0];
    expect(Number(partition?.partitionSize)).toBeGreaterThan(1000);
  });

  it('deletes records up to an offset', async () => {
    const topic = await topicOf();
    const producer = new Producer({ ...options(), serializers: stringSerializers });
    for (const value of ['a', 'b', 'c']) await producer.send({ messages: [{ topic, value }] });
    await producer.close();
    const [deleted] = await admin.deleteRecords({
      topics: [{ name: topic, partitions: [{ partition: 0, offset: 2n }] }],
    });
    expect(deleted?.partitions).toEqual([expect.objectContaining({ partition: 0, lowWatermark: 2n })]);
    expect(await offsetAt(topic, ListOffsetTimestamps.EARLIEST)).toBe(2n);
  });
});

describe('the producer of @platformatic/kafka', () => {
  it.each([-1, 1])('is answered with acks=%i', async (acks) => {
    const topic = await topicOf();
    const producer = new Producer({ ...options(), acks, serializers: stringSerializers });
    for (const offset of [0n, 2n]) {
      const { offsets } = await producer.send({
        messages: [
          { topic, key: 'k', value: 'one' },
          { topic, value: 'two' },
        ],
      });
      expect(offsets).toEqual([{ topic, partition: 0, offset }]);
    }
    await producer.close();
  });

  it('goes on without answers with acks=0', async () => {
    const topic = await topicOf();
    const producer = new Producer({ ...options(), serializers: stringSerializers });
    for (let record = 0; record < 20; record++) {
      await producer.send({ acks: 0, messages: [{ topic, value: `record ${record}` }] });
    }
    const { offsets } = await producer.send({ acks: -1, messages: [{ topic, value: 'the last' }] });
    expect(offsets).toEqual([{ topic, partition: 0, offset: 20n }]);
    await producer.close();
  });

  const codecs = Object.entries(compressionsAlgorithms).filter(([, { available }]) => available);
  it.each(codecs.map(([name]) => name as CompressionAlgorithmValue))('compresses with %s', async (compression) => {
    const topic = await topicOf();
    const producer = new Producer({ ...options(), compression, serializers: stringSerializers });
    const messages = Array.from({ length: 100 }, (_, index) => ({ topic, value: `value ${index} `.repeat(50) }));
    await producer.send({ messages });
    await producer.close();
    expect(await offsetAt(topic, ListOffsetTimestamps.LATEST)).toBe(100n);
    const [dirs] = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0] }] });
    const size = Number(dirs?.results[0]?.topics.find(({ name }) => name === topic)?.partitions[0]?.partitionSize);
    // Batches are kept as they were compressed: 45 kB of text, of which any codec makes far less.
    if (compression === 'none') expect(size).toBeGreaterThan(45_000);
    else expect(size).toBeLessThan(10_000);
  });

  it('finds offsets by time', async () => {
    const topic = await topicOf();
    const producer = new Producer({ ...options(), serializers: stringSerializers });
    for (const time of [1000n, 2000n, 3000n]) {
      await producer.send({ messages: [{ topic, value: `at ${time}`, timestamp: 1_750_000_000_000n + time }] });
    }
    await producer.close();
    expect(await offsetAt(topic, 1_750_000_001_001n)).toBe(1n);
    expect(await offsetAt(topic, 1_750_000_003_001n)).toBe(-1n);
  });
});
