// The client against the real broker, in one process: what a user does in the first hour.

import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Admin, Client } from '../../src/client/index.ts';
import { type MemoryBroker, startMemoryBroker } from '../net/memory-broker.ts';
import { all, clientOf, take, zstdWasm } from './fixture.ts';

let served: MemoryBroker;
let client: Client;
let admin: Admin;

beforeEach(async () => {
  served = await startMemoryBroker();
  client = clientOf(served.broker);
  admin = client.admin();
});

afterEach(async () => {
  client.close();
  await served.close();
});

async function textsOf(topic: string): Promise<string[]> {
  const consumer = client.consumer();
  await consumer.assign([{ topic }]);
  const records = await all(consumer.records({ untilEnd: true }));
  await consumer.close();
  return records.map((record) => record.text());
}

test('topics are created, listed, described, enlarged and deleted', async () => {
  await admin.createTopics({
    topics: [{ topic: 'a', numPartitions: 2, configs: { 'retention.ms': '60000' } }, { topic: 'b' }],
  });
  expect(await admin.listTopics()).toEqual(['a', 'b']);
  const place = await admin.describeTopic('a');
  expect(place.partitions.map(({ partition, leader }) => [partition, leader])).toEqual([
    [0, 1],
    [1, 1],
  ]);
  await admin.createPartitions({ topicPartitions: [{ topic: 'a', count: 3 }] });
  expect((await admin.describeTopic('a')).partitions).toHaveLength(3);
  await admin.deleteTopics({ topics: ['a'] });
  expect(await admin.listTopics()).toEqual(['b']);
  await expect(admin.describeTopic('a')).rejects.toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' });
});

test('refusals of the admin are Kafka’s errors with the broker’s words', async () => {
  await admin.createTopics({ topics: [{ topic: 'a' }] });
  const again = admin.createTopics({ topics: [{ topic: 'a' }] });
  await expect(again).rejects.toMatchObject({ code: 'ERR_BROKER', error: 'TOPIC_ALREADY_EXISTS', retriable: false });
  const unknown = admin.createTopics({ topics: [{ topic: 'c', configs: { nonsense: '1' } }] });
  await expect(unknown).rejects.toMatchObject({
    error: 'INVALID_CONFIG',
    message: expect.stringContaining('nonsense'),
  });
  await expect(admin.deleteTopics({ topics: ['missing'] })).rejects.toMatchObject({ errorCode: 3 });
  await admin.createTopics({ topics: [{ topic: 'd' }], validateOnly: true });
  expect(await admin.listTopics()).toEqual(['a']);
});

test('configs are described with who set them, changed and put back', async () => {
  await admin.createTopics({ topics: [{ topic: 'a' }] });
  const topic = { type: 'topic', name: 'a' } as const;
  const retention = async () => (await admin.describeConfigs(topic, ['retention.ms']))[0];
  const before = await retention();
  expect(before?.source).not.toBe('topic');
  await admin.alterConfigs(topic, [{ name: 'retention.ms', value: '1000' }]);
  expect(await retention()).toMatchObject({ name: 'retention.ms', value: '1000', source: 'topic' });
  await admin.alterConfigs(topic, [{ name: 'retention.ms', value: null }]);
  expect(await retention()).toEqual(before);
  expect((await admin.describeConfigs(topic)).length).toBeGreaterThan(10);
});

test('offsets are found by time, and records below an offset are deleted', async () => {
  await admin.createTopics({ topics: [{ topic: 'a' }] });
  const now = Date.now();
  const messages = [0, 1, 2, 3].map((index) => ({ value: String(index), timestamp: now - 10_000 + index * 1000 }));
  for (const message of messages) await client.producer().send({ topic: 'a', messages: [message] });
  const place = [{ topic: 'a', partition: 0 }];
  expect(await admin.fetchTopicOffsets('a')).toEqual([{ partition: 0, low: 0, high: 4 }]);
  expect((await admin.listOffsets(place, { timestamp: now - 8500 }))[0]?.offset).toBe(2);
  expect((await admin.listOffsets(place, { timestamp: now + 1 }))[0]?.offset).toBe(-1);
  expect((await admin.deleteRecords([{ topic: 'a', partition: 0, offset: 3 }]))[0]?.offset).toBe(3);
  expect(await textsOf('a')).toEqual(['3']);
  const consumer = client.consumer();
  await consumer.assign([{ topic: 'a', from: new Date(now - 7500) }]);
  expect((await take(consumer, 1))[0]?.offset).toBe(3);
});

test('a topic is created by the first record sent to it', async () => {
  const [place] = await client.producer().send({ topic: 'new', messages: [{ key: 'k', value: 'v' }] });
  expect(place).toMatchObject({ topic: 'new', partition: 0, offset: 0 });
  expect(await textsOf('new')).toEqual(['v']);
});

test('a consumer waits in a long poll and is woken by the record', async () => {
  await admin.createTopics({ topics: [{ topic: 'a' }] });
  const consumer = client.consumer({ maxWaitMs: 20_000 });
  await consumer.assign([{ topic: 'a', from: 'end' }]);
  const next = take(consumer, 1);
  await client.producer({ acks: 1 }).send({ topic: 'a', messages: [{ value: 'hello', headers: { h: 'x' } }] });
  const [record] = await next;
  expect(record?.text()).toBe('hello');
  expect(record?.headers.map(({ key }) => key)).toEqual(['h']);
  await consumer.close();
});

test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)(
  'batches are compressed with %s, and read',
  async (compression) => {
    client.close();
    client = clientOf(served.broker, { zstdWasm: zstdWasm() });
    const producer = client.producer({ compression, batchBytes: 10_000, maxInFlight: 5 });
    const values = Array.from({ length: 300 }, (_, index) => `${index} ${'x'.repeat(200)}`);
    await producer.send({ topic: 'a', messages: values.map((value) => ({ value })) });
    expect(await textsOf('a')).toEqual(values);
    const [partition] = served.broker.partitions();
    expect(partition?.state?.sizeBytes).toBeLessThan(15_000);
  },
);

test('zstd that cannot be loaded is named, and asked for again when it is needed again', async () => {
  client.close();
  const missing = Promise.reject(new Error('nothing there'));
  client = clientOf(served.broker, { zstdWasm: missing });
  const send = () => client.producer({ compression: 'zstd' }).send({ topic: 'a', messages: [{ value: 'x' }] });
  for (let time = 0; time < 2; time++) {
    await expect(send()).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: 'zstd.wasm cannot be loaded (option `zstdWasm`): nothing there',
    });
  }
});

test('a record above max.message.bytes is refused alone', async () => {
  await admin.createTopics({ topics: [{ topic: 'a', configs: { 'max.message.bytes': '1000' } }] });
  const producer = client.producer({ batchBytes: 500 });
  const large = producer.send({ topic: 'a', messages: [{ value: 'x'.repeat(2000) }] });
  const small = producer.send({ topic: 'a', messages: [{ value: 'y' }] });
  await expect(large).rejects.toMatchObject({ error: 'MESSAGE_TOO_LARGE' });
  await small;
  expect(await textsOf('a')).toEqual(['y']);
});

test('records of many sends keep their order in every partition and all arrive', async () => {
  const sizes = fc.array(fc.record({ partition: fc.integer({ min: 0, max: 3 }), bytes: fc.nat(2000) }), {
    minLength: 1,
    maxLength: 200,
  });
  let round = 0;
  const property = fc.asyncProperty(sizes, fc.constantFrom(0, 1, -1), async (records, acks) => {
    const topic = `t${round++}`;
    await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] });
    const producer = client.producer({
      acks: acks === 0 ? 0 : acks === 1 ? 1 : -1,
      batchBytes: 3000,
      bufferBytes: 20_000,
    });
    const sent = records.map(({ partition, bytes }, index) =>
      producer.send({ topic, messages: [{ key: String(index), value: 'x'.repeat(bytes) }], partition }),
    );
    const places = (await Promise.all(sent)).flat();
    await producer.close();
    const consumer = client.consumer({ prefetchBytes: 10_000 });
    await consumer.assign([{ topic }]);
    const stored = acks === 0 ? await take(consumer, records.length) : await all(consumer.records({ untilEnd: true }));
    await consumer.close();
    for (const partition of [0, 1, 2, 3]) {
      const expected = records.flatMap((record, index) => (record.partition === partition ? [String(index)] : []));
      const keys = stored.filter((record) => record.partition === partition).map((record) => record.keyText());
      expect(keys).toEqual(expected);
    }
    if (acks === 0) return;
    for (const record of stored) expect(places[Number(record.keyText())]).toMatchObject({ offset: record.offset });
  });
  await fc.assert(property, { numRuns: 25 });
});

test('a hundred thousand small records go through the writer and come back in order', async () => {
  const writer = client.producer().writer('many');
  for (let index = 0; index < 100_000; index++) {
    const held = writer.write(String(index));
    if (held !== undefined) await held;
  }
  expect((await writer.flush()).records).toBe(100_000);
  const consumer = client.consumer();
  await consumer.assign([{ topic: 'many' }]);
  let next = 0;
  for await (const { records } of consumer.batches({ untilEnd: true })) {
    for (const record of records) if (record.text() === String(next)) next++;
  }
  expect(next).toBe(100_000);
});
