// The Kafka of a test file, as its users have it: with kafkajs as the code under test, and the own client where kafkajs
// cannot.

import { Kafka, logLevel, type Producer } from 'kafkajs';
import { afterEach, expect, test, vi } from 'vitest';
import { connect } from '../../src/platform/node/index.ts';
import { type StartKafkaOptions, startKafka, type TestKafka } from '../../src/platform/node/testing/index.ts';

const closers: (() => unknown)[] = [];

afterEach(async () => {
  vi.useRealTimers();
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(options?: StartKafkaOptions): Promise<TestKafka> {
  const kafka = await startKafka(options);
  closers.push(() => kafka.close());
  return kafka;
}

function clientOf(kafka: TestKafka): Kafka {
  return new Kafka({
    brokers: [kafka.bootstrapServers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 30_000,
    retry: { initialRetryTime: 20, retries: 8 },
  });
}

async function producerOf(kafka: TestKafka): Promise<Producer> {
  const producer = clientOf(kafka).producer();
  await producer.connect();
  closers.push(() => producer.disconnect());
  return producer;
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

function values(records: readonly { text(): string }[]): string[] {
  return records.map((record) => record.text());
}

test('topics are there when it is given out, and records go both ways', async () => {
  const kafka = await start({ topics: ['orders', { topic: 'wide', numPartitions: 3 }] });
  expect(await kafka.client.admin().listTopics()).toEqual(['orders', 'wide']);
  const producer = await producerOf(kafka);
  await producer.send({ topic: 'orders', messages: [{ key: 'anna', value: 'one coffee' }] });
  expect(values(await kafka.waitForRecords('orders'))).toEqual(['one coffee']);
  await kafka.produce('orders', ['two', { key: 'bert', value: 'three' }]);
  expect(values(await kafka.consume('orders'))).toEqual(['one coffee', 'two', 'three']);
});

test('several in one process know nothing of each other', async () => {
  const [one, other] = [await start({ topics: ['a'] }), await start()];
  await one.produce('a', ['x']);
  expect(await other.client.admin().listTopics()).toEqual([]);
});

test('WebSocket clients of both subprotocols are served', async () => {
  const kafka = await start();
  const client = await connect(kafka.wsUrl);
  await client.producer().send({ topic: 'orders', messages: [{ value: 'over WebSocket' }] });
  client.close();
  expect(values(await kafka.waitForRecords('orders'))).toEqual(['over WebSocket']);
});

test('records are waited for, over the creation of their topic, and by what they are', async () => {
  const kafka = await start();
  const waited = kafka.waitForRecords('orders', { count: 2, where: (record) => record.text().startsWith('big') });
  const producer = await producerOf(kafka);
  for (const value of ['big one', 'small', 'big two']) await producer.send({ topic: 'orders', messages: [{ value }] });
  expect(values(await waited)).toEqual(['big one', 'big two']);
});

test('a wait that ends tells what is there instead', async () => {
  const kafka = await start({ topics: ['orders', 'invoices'] });
  await kafka.produce('orders', [{ key: 'anna', value: 'one coffee' }, { value: null }]);
  await expect(kafka.waitForRecords('order', { timeoutMs: 20 })).rejects.toThrow(
    'waited 20 ms and there is no topic "order": the topics are orders, invoices',
  );
  // The waits end when they have seen what there is, however long that takes.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  let seen = 0;
  const counts = (counted: boolean) => () => {
    seen += 1;
    return counted;
  };
  const two = kafka.waitForRecords('orders', { count: 3, where: counts(true), timeoutMs: 5000 });
  const told = expect(two).rejects.toThrow(
    'waited 5000 ms for 3 records in "orders" and got 2. The topic has these:\n' +
      '  0:0 key "anna" "one coffee"\n  0:1 tombstone',
  );
  await until(() => seen === 2);
  vi.advanceTimersByTime(5000);
  await told;
  const none = kafka.waitForRecords('orders', { where: counts(false), timeoutMs: 5000 });
  const toldNone = expect(none).rejects.toThrow('for 1 record in "orders" and got 0 that count, of 2 there are.');
  await until(() => seen === 4);
  vi.advanceTimersByTime(5000);
  await toldNone;
});

test('time that is advanced makes retention due', async () => {
  const kafka = await start();
  await kafka.createTopics({ topic: 'brief', configs: { 'retention.ms': '60000' } });
  await kafka.produce('brief', ['old']);
  await kafka.clock.advance(10 * 60_000);
  expect(await kafka.consume('brief')).toEqual([]);
  await kafka.produce('brief', ['new']);
  expect(values(await kafka.consume('brief'))).toEqual(['new']);
});

test('time that is advanced ends a session: the partitions of a member that is silent go to another', async () => {
  const kafka = await start();
  await kafka.createTopics({ topic: 'orders', numPartitions: 1 });
  const group = kafka.client.groups();
  const members = async (): Promise<number> => (await group.describe('readers')).members.length;
  const lost = clientOf(kafka).consumer({ groupId: 'readers', sessionTimeout: 30_000, heartbeatInterval: 20_000 });
  closers.push(() => lost.disconnect());
  await lost.connect();
  await lost.subscribe({ topic: 'orders', fromBeginning: true });
  const joined = new Promise<void>((resolve) => void lost.on(lost.events.GROUP_JOIN, () => resolve()));
  await lost.run({ eachMessage: async () => undefined });
  await joined;
  expect(await members()).toBe(1);
  await kafka.clock.advance(20_000);
  expect(await members()).toBe(1);
  await kafka.clock.advance(11_000);
  expect(await members()).toBe(0);
});

test('frozen, a long poll ends when the test says so', async () => {
  const kafka = await start({ topics: ['orders'], time: 'frozen' });
  const polled = kafka.faults.hold({ api: 'Fetch' });
  const consumer = (await connect(kafka.wsUrl)).consumer({ maxWaitMs: 60_000 });
  closers.push(() => consumer.close());
  await consumer.assign([{ topic: 'orders', from: 'beginning' }]);
  const records = consumer.records();
  const next = records.next();
  await polled.arrived;
  polled.release();
  await kafka.produce('orders', ['woken']);
  expect((await next).value?.text()).toBe('woken');
});

test('a refused produce is tried again by the client, and is in the log once; other topics are not held up', async () => {
  const kafka = await start({ topics: ['orders', 'others'] });
  const client = await connect({ url: kafka.wsUrl, retryBackoffMs: 5 });
  closers.push(() => client.close());
  const fault = kafka.faults.refuseProduce({ error: 'NOT_LEADER_OR_FOLLOWER', topic: 'orders', times: 2 });
  const producer = client.producer({ lingerMs: 20 });
  await Promise.all([
    producer.send({ topic: 'orders', messages: [{ value: 'refused twice' }] }),
    producer.send({ topic: 'others', messages: [{ value: 'at once' }] }),
  ]);
  expect(fault.count).toBe(2);
  expect(values(await kafka.consume('orders'))).toEqual(['refused twice']);
  expect(values(await kafka.consume('others'))).toEqual(['at once']);
});

test('a refusal that nobody tries again reaches the caller by its name', async () => {
  const kafka = await start({ topics: ['orders'] });
  kafka.faults.refuseProduce({ error: 'TOPIC_AUTHORIZATION_FAILED' });
  const producer = await producerOf(kafka);
  await expect(producer.send({ topic: 'orders', messages: [{ value: 'x' }] })).rejects.toMatchObject({
    type: 'TOPIC_AUTHORIZATION_FAILED',
  });
  expect(await kafka.consume('orders')).toEqual([]);
});

test('a connection that ends before and after a produce took effect: an idempotent producer writes once', async () => {
  const kafka = await start({ topics: ['orders'] });
  const client = await connect({ url: kafka.wsUrl, retryBackoffMs: 5 });
  closers.push(() => client.close());
  const before = kafka.faults.dropConnection({ api: 'Produce' });
  const producer = client.producer();
  await producer.send({ topic: 'orders', messages: [{ value: 'one' }] });
  const after = kafka.faults.dropConnection({ api: 'Produce', when: 'after' });
  await producer.send({ topic: 'orders', messages: [{ value: 'two' }] });
  expect([before.count, after.count]).toEqual([1, 1]);
  expect(values(await kafka.consume('orders'))).toEqual(['one', 'two']);
});

test('connections drop as in a network that fails, and clients come back', async () => {
  const kafka = await start({ topics: ['orders'] });
  const producer = await producerOf(kafka);
  await producer.send({ topic: 'orders', messages: [{ value: 'before' }] });
  expect(kafka.dropConnections()).toBeGreaterThan(0);
  await producer.send({ topic: 'orders', messages: [{ value: 'after' }] });
  expect(values(await kafka.consume('orders'))).toEqual(['before', 'after']);
});

test('a delayed API waits in the time of the clock', async () => {
  const kafka = await start({ topics: ['orders'], time: 'frozen' });
  const producer = await producerOf(kafka);
  const fault = kafka.faults.delay({ api: 'Produce', ms: 10_000 });
  const sent = producer.send({ topic: 'orders', messages: [{ value: 'late' }] });
  while (fault.count === 0) await new Promise((resolve) => setImmediate(resolve));
  await kafka.clock.advance(9_999);
  expect(await kafka.consume('orders')).toEqual([]);
  await kafka.clock.advance(1);
  await sent;
  expect(values(await kafka.consume('orders'))).toEqual(['late']);
});

test('a commit that fails is tried again, and the group stands where it should', async () => {
  const kafka = await start({ topics: ['orders'] });
  const failed = kafka.faults.failCommit({ groupId: 'readers' });
  await kafka.produce('orders', ['one', 'two']);
  const client = await connect({ url: kafka.wsUrl, retryBackoffMs: 5 });
  closers.push(() => client.close());
  const consumer = client.consumer({ groupId: 'readers', autoCommitIntervalMs: 0 });
  closers.push(() => consumer.close());
  await consumer.subscribe({ topics: ['orders'], from: 'beginning' });
  for await (const record of consumer) if (record.text() === 'two') break;
  const committed = kafka.waitForCommit({ groupId: 'readers', topic: 'orders', offset: 2 });
  await consumer.commit([{ topic: 'orders', partition: 0, offset: 2 }]);
  expect(await committed).toBe(2);
  expect(failed.count).toBe(1);
});

test('a commit that does not come tells where the group stands', async () => {
  const kafka = await start({ topics: ['orders'] });
  await kafka.client.groups().setOffsets('readers', [{ topic: 'orders', partition: 0, offset: 3 }]);
  // The waits end when they have looked, however long that takes.
  const groups = kafka.client.groups();
  let looks = 0;
  const fetchOffsets = groups.fetchOffsets.bind(groups);
  vi.spyOn(groups, 'fetchOffsets').mockImplementation(async (groupId) => {
    const offsets = await fetchOffsets(groupId);
    looks += 1;
    return offsets;
  });
  vi.spyOn(kafka.client, 'groups').mockReturnValue(groups);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const waited = { groupId: 'readers', topic: 'orders', timeoutMs: 5000 };
  const stands = expect(kafka.waitForCommit({ ...waited, offset: 5 })).rejects.toThrow(
    'waited 5000 ms for group "readers" to commit offset 5 of orders-0: it stands at 3',
  );
  await until(() => looks === 1);
  vi.advanceTimersByTime(5000);
  await stands;
  const nothing = expect(kafka.waitForCommit({ ...waited, partition: 7, offset: 5 })).rejects.toThrow(
    'it has committed nothing there',
  );
  await until(() => looks === 2);
  vi.advanceTimersByTime(5000);
  await nothing;
});

test('the end of a transaction that fails leaves it open until its timeout', async () => {
  const kafka = await start({ topics: ['orders'] });
  const client = clientOf(kafka);
  const producer = client.producer({ transactionalId: 'teller', maxInFlightRequests: 1, idempotent: true });
  await producer.connect();
  closers.push(() => producer.disconnect());
  const failed = kafka.faults.failTransactionEnd({ transactionalId: 'teller' });
  const transaction = await producer.transaction();
  await transaction.send({ topic: 'orders', messages: [{ value: 'never ended' }] });
  await expect(transaction.commit()).rejects.toMatchObject({ type: 'GROUP_COORDINATOR_NOT_AVAILABLE' });
  expect(failed.count).toBe(1);
  await kafka.produce('orders', ['behind']);
  expect(await kafka.consume('orders', { isolation: 'read_committed' })).toEqual([]);
  await kafka.clock.advance(120_000);
  expect(values(await kafka.waitForRecords('orders', { isolation: 'read_committed' }))).toEqual(['behind']);
});

test.each(['restart', 'kill'] as const)('%s keeps address, topics and records, and clients go on', async (how) => {
  const kafka = await start({ topics: ['orders'] });
  const { bootstrapServers, wsUrl } = kafka;
  const producer = await producerOf(kafka);
  await producer.send({ topic: 'orders', messages: [{ value: 'before' }] });
  await kafka.client.groups().setOffsets('readers', [{ topic: 'orders', partition: 0, offset: 1 }]);
  await kafka[how]();
  expect([kafka.bootstrapServers, kafka.wsUrl]).toEqual([bootstrapServers, wsUrl]);
  await producer.send({ topic: 'orders', messages: [{ value: 'after' }] });
  expect(values(await kafka.waitForRecords('orders', { count: 2 }))).toEqual(['before', 'after']);
  expect(await kafka.client.groups().fetchOffsets('readers')).toMatchObject([{ topic: 'orders', offset: 1 }]);
});

test('a fault that is cleared meets nothing further, and wrong use is said', async () => {
  const kafka = await start({ topics: ['orders'] });
  const fault = kafka.faults.refuseProduce({ error: 'UNKNOWN_SERVER_ERROR', times: 100 });
  fault.clear();
  const producer = await producerOf(kafka);
  await producer.send({ topic: 'orders', messages: [{ value: 'x' }] });
  expect(fault.count).toBe(0);
  expect(() => kafka.faults.delay({ api: 'produce', ms: 1 })).toThrow(
    'Kafka has no API produce here: take one of Produce,',
  );
  await expect(kafka.clock.advance(-1)).rejects.toMatchObject({ code: 'ERR_USAGE' });
  const untyped = JSON.parse('{"error":"NO_SUCH","time":"freeze"}');
  expect(() => kafka.faults.refuseProduce(untyped)).toThrow('Kafka has no error NO_SUCH');
  await expect(startKafka(untyped)).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('it is disposed of by the language', async () => {
  const kafka = await startKafka();
  await kafka[Symbol.asyncDispose]();
  expect(() => kafka.dropConnections()).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
});
