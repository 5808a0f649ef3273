// kafkajs against a broker process: admin and producing, over TCP and over WebSocket.

import { type Admin, CompressionTypes, ConfigResourceTypes, type Kafka } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Names, useBroker } from './client-broker.ts';
import { kafkaOver, TRANSPORTS } from './kafkajs-transports.ts';

const broker = useBroker('kafkajs');

describe.each(TRANSPORTS)('kafkajs over %s', (transport) => {
  const names = new Names(`kafkajs-${transport}`);
  let kafka: Kafka;
  let admin: Admin;

  beforeAll(async () => {
    kafka = kafkaOver(transport, broker);
    admin = kafka.admin();
    await admin.connect();
  });

  afterAll(async () => {
    await admin.disconnect();
  });

  async function topicOf(numPartitions = 1): Promise<string> {
    const topic = names.next();
    await admin.createTopics({ topics: [{ topic, numPartitions }] });
    return topic;
  }

  async function endOffsets(topic: string): Promise<Record<number, string>> {
    const offsets = await admin.fetchTopicOffsets(topic);
    return Object.fromEntries(offsets.map(({ partition, high }) => [partition, high]));
  }

  it('is told the address of its own listener', async () => {
    const { brokers, controller, clusterId } = await admin.describeCluster();
    const [host, port] = (transport === 'TCP' ? broker.kafka : broker.http).split(':');
    expect(brokers).toEqual([{ nodeId: 1, host, port: Number(port) }]);
    expect(controller).toBe(1);
    expect(clusterId).toMatch(/^[A-Za-z0-9_-]{22}$/);
  });

  it('creates, lists, describes, extends and deletes topics', async () => {
    const topic = names.next();
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true })).toBe(true);
    expect(await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] })).toBe(false);
    expect(await admin.listTopics()).toContain(topic);
    await admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] });
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
    const partitions = topics[0]?.partitions ?? [];
    expect(partitions.map(({ partitionId }) => partitionId).sort()).toEqual([0, 1, 2, 3, 4]);
    for (const partition of partitions) {
      expect(partition).toMatchObject({ leader: 1, replicas: [1], isr: [1], partitionErrorCode: 0 });
    }
    await admin.deleteTopics({ topics: [topic] });
    expect(await admin.listTopics()).not.toContain(topic);
  });

  it('is refused a topic that cannot be', async () => {
    const creation = admin.createTopics({ topics: [{ topic: 'bad name' }] });
    await expect(creation).rejects.toMatchObject({ name: 'KafkaJSAggregateError' });
  });

  it('changes configurations', async () => {
    const topic = names.next();
    await admin.createTopics({ topics: [{ topic, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] });
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic };
    await admin.alterConfigs({
      validateOnly: false,
      resources: [{ ...resource, configEntries: [{ name: 'segment.ms', value: '60000' }] }],
    });
    const { resources } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] });
    const set = (resources[0]?.configEntries ?? []).filter(({ isDefault }) => !isDefault);
    expect(set).toMatchObject([{ configName: 'segment.ms', configValue: '60000' }]);
  });

  it('reads configurations', async () => {
    const topic = names.next();
    await admin.createTopics({ topics: [{ topic, configEntries: [{ name: 'retention.ms', value: '3600000' }] }] });
    const { resources } = await admin.describeConfigs({
      includeSynonyms: true,
      resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }],
    });
    const entries = resources[0]?.configEntries ?? [];
    expect(entries.find(({ configName }) => configName === 'retention.ms')).toMatchObject({
      configValue: '3600000',
      isDefault: false,
    });
    expect(entries.find(({ configName }) => configName === 'cleanup.policy')).toMatchObject({ configValue: 'delete' });
  });

  it.each([
    ['all', -1],
    ['the leader', 1],
  ])('produces with acks of %s', async (_, acks) => {
    const topic = await topicOf();
    const producer = kafka.producer();
    await producer.connect();
    for (const baseOffset of ['0', '2']) {
      const [placed] = await producer.send({ topic, acks, messages: [{ key: 'k', value: 'one' }, { value: 'two' }] });
      expect(placed).toMatchObject({ topicName: topic, partition: 0, errorCode: 0, baseOffset });
    }
    await producer.disconnect();
    expect(await endOffsets(topic)).toEqual({ 0: '4' });
  });

  it('produces without acks, and what came before an acknowledged record is there', async () => {
    const topic = await topicOf();
    const producer = kafka.producer();
    await producer.connect();
    for (let record = 0; record < 20; record++) {
      await producer.send({ topic, acks: 0, messages: [{ value: `record ${record}` }] });
    }
    const [placed] = await producer.send({ topic, acks: -1, messages: [{ value: 'the last' }] });
    expect(placed?.baseOffset).toBe('20');
    await producer.disconnect();
  });

  it('produces to many partitions by key, compressed with gzip', async () => {
    const topic = await topicOf(4);
    const producer = kafka.producer();
    await producer.connect();
    const messages = Array.from({ length: 200 }, (_, index) => ({
      key: `key ${index}`,
      value: `value ${index}`.repeat(20),
      headers: { trace: `${index}`, binary: Buffer.of(0, 255) },
      timestamp: `${1_750_000_000_000 + index}`,
    }));
    const placed = await producer.send({ topic, compression: CompressionTypes.GZIP, messages });
    expect(placed.map(({ errorCode }) => errorCode)).toEqual(placed.map(() => 0));
    await producer.disconnect();
    const ends = Object.values(await endOffsets(topic)).map(Number);
    expect(ends.reduce((sum, end) => sum + end)).toBe(200);
    expect(ends.filter((end) => end > 0).length).toBeGreaterThan(1);
  });

  it('creates a topic by producing to it', async () => {
    const topic = names.next();
    const producer = kafka.producer({ allowAutoTopicCreation: true });
    await producer.connect();
    const [placed] = await producer.send({ topic, messages: [{ value: 'first' }] });
    expect(placed).toMatchObject({ errorCode: 0, baseOffset: '0' });
    await producer.disconnect();
  });

  it('is refused a batch that is too large, and goes on', async () => {
    const topic = await topicOf();
    const producer = kafka.producer({ retry: { retries: 0 } });
    await producer.connect();
    const large = producer.send({ topic, messages: [{ value: Buffer.alloc(2_000_000) }] });
    await expect(large).rejects.toMatchObject({ type: 'MESSAGE_TOO_LARGE' });
    const [placed] = await producer.send({ topic, messages: [{ value: 'small' }] });
    expect(placed?.baseOffset).toBe('0');
    await producer.disconnect();
  });

  it('finds offsets by time', async () => {
    const topic = await topicOf();
    const producer = kafka.producer();
    await producer.connect();
    for (const time of [1000, 2000, 3000]) {
      await producer.send({ topic, messages: [{ value: `at ${time}`, timestamp: `${1_750_000_000_000 + time}` }] });
    }
    await producer.disconnect();
    const at = async (time: number) => (await admin.fetchTopicOffsetsByTimestamp(topic, 1_750_000_000_000 + time))[0];
    expect(await at(0)).toEqual({ partition: 0, offset: '0' });
    expect(await at(1001)).toEqual({ partition: 0, offset: '1' });
    expect(await at(3000)).toEqual({ partition: 0, offset: '2' });
    // Behind the last: kafkajs makes the end offset of Kafka's "there is none".
    expect(await at(3001)).toEqual({ partition: 0, offset: '3' });
  });

  it('deletes records up to an offset', async () => {
    const topic = await topicOf();
    const producer = kafka.producer();
    await producer.connect();
    for (const value of ['a', 'b', 'c']) await producer.send({ topic, messages: [{ value }] });
    await producer.disconnect();
    // This admin has to have asked for the topic before, or it knows no leader to send the request to.
    expect((await admin.fetchTopicOffsets(topic))[0]).toMatchObject({ low: '0', high: '3' });
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] });
    expect((await admin.fetchTopicOffsets(topic))[0]).toMatchObject({ low: '2', high: '3' });
  });

  it('has every record of many requests at once acknowledged, each with its own offset', async () => {
    const topic = await topicOf();
    const producer = kafka.producer({ maxInFlightRequests: 20 });
    await producer.connect();
    const sent = Array.from({ length: 100 }, (_, index) =>
      producer.send({ topic, messages: [{ value: `record ${index}` }] }),
    );
    // kafkajs itself lets a request overtake those that wait for a place in flight.
    const offsets = (await Promise.all(sent)).map(([placed]) => Number(placed?.baseOffset));
    expect(offsets.toSorted((one, other) => one - other)).toEqual(offsets.map((_, index) => index));
    await producer.disconnect();
  });
});
