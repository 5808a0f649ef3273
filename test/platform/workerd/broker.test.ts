// A broker in a Durable Object of workerd itself, from outside: both subprotocols, kafkajs, sleep and eviction with open
// WebSockets, and SIGKILL under load.

import { once } from 'node:events';
import { join } from 'node:path';
import { type ISocketFactory, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { WorkerdPlace, type WorkerdProcess } from '../../../bench/workerd/workerd-process.ts';
import { webSocketFactory } from '../../../src/net/kafkajs.ts';
import { connect } from '../../../src/platform/node/connect.ts';
import { type Acknowledged, ClientWriters } from '../../crash/client-writers.ts';
import { SEED } from '../../support/seed.ts';
import { SeededRandom } from '../../support/seeded-random.ts';

type Message = Readonly<Record<string, unknown>>;

const KILL_ROUNDS = Number(process.env.MILLRACE_KILL_ROUNDS ?? 6);
const ACKNOWLEDGED_PER_ROUND = 150;

let place: WorkerdPlace;
let workerd: WorkerdProcess;

beforeAll(async () => {
  place = await WorkerdPlace.create({
    entry: join(import.meta.dirname, 'broker-worker.ts'),
    objects: { BROKER: 'TestBroker' },
  });
  workerd = await place.start();
});

afterAll(async () => {
  await workerd.kill();
  place.remove();
});

/** A json session from Node. */
class JsonSocket {
  readonly #socket: WebSocket;
  readonly #messages: Message[] = [];
  #arrived: () => void = () => undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data) => {
      this.#messages.push(JSON.parse(String(data)));
      this.#arrived();
    });
  }

  static async open(name: string): Promise<JsonSocket> {
    const socket = new WebSocket(workerd.url(`/${name}`, 'ws'), 'json');
    const opened = new JsonSocket(socket);
    await once(socket, 'open');
    return opened;
  }

  async next(): Promise<Message> {
    while (this.#messages.length === 0) {
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    return this.#messages.shift() ?? {};
  }

  ask(message: Message): Promise<Message> {
    this.#socket.send(JSON.stringify(message));
    return this.next();
  }

  /** The close frame that the object sent. */
  async closed(): Promise<readonly [number, string]> {
    const [code, reason]: unknown[] = await once(this.#socket, 'close');
    return [Number(code), String(reason)];
  }

  close(): void {
    this.#socket.close();
  }
}

async function post(path: string, action: string, body = ''): Promise<Response> {
  return fetch(workerd.url(path), { method: 'POST', headers: action === '' ? {} : { 'x-test': action }, body });
}

async function stateOf(name: string): Promise<{ readonly names: readonly string[]; readonly isAsleep: boolean }> {
  return (await post(`/${name}`, 'sizes')).json();
}

/** Takes the object out of memory, which the runtime does only when it sleeps. */
async function evict(name: string): Promise<void> {
  expect(await (await post(`/evict/${name}`, '')).text()).toBe('evicted');
  expect((await stateOf(name)).isAsleep).toBe(true);
}

function valuesOf(message: Message): unknown[] {
  return Array.isArray(message.records) ? message.records.map(({ offset, value }) => [offset, value]) : [];
}

test('requests go to the broker that their path names', async () => {
  expect((await fetch(workerd.url('/'))).status).toBe(404);
  expect((await fetch(workerd.url('/a%20b'))).status).toBe(404);
  expect(await (await fetch(workerd.url('/words'))).text()).toContain('open a WebSocket');
  expect((await post('/words', '')).status).toBe(426);
  const socket = new WebSocket(workerd.url('/words', 'ws'), 'mqtt');
  const [, response] = await once(socket, 'unexpected-response');
  expect(response.statusCode).toBe(400);
});

test('brokers of two names know nothing of each other', async () => {
  const [one, other] = [await JsonSocket.open('one'), await JsonSocket.open('other')];
  expect(await one.ask({ id: 1, op: 'produce', topic: 'orders', value: 'here' })).toMatchObject({
    ok: true,
    offset: 0,
  });
  expect(await other.ask({ id: 1, op: 'list-topics' })).toMatchObject({ ok: true, topics: [] });
  one.close();
  other.close();
});

test('a message of the wrong kind is told why its connection ends', async () => {
  const socket = new WebSocket(workerd.url('/kinds', 'ws'), 'json');
  await once(socket, 'open');
  socket.send(Buffer.from([1, 2, 3]));
  const [code, reason] = await once(socket, 'close');
  expect([code, String(reason)]).toEqual([1003, 'binary messages are for the subprotocol kafka']);
});

test('a Worker is a client of a broker, and the object is one of its own', async () => {
  expect(await (await post('/client/worker', '', 'from a Worker')).json()).toEqual({
    offset: 0,
    texts: ['from a Worker'],
  });
  expect(await (await post('/worker', 'produce', 'from the object')).json()).toMatchObject({ partition: 0, offset: 1 });
  expect(await (await post('/client/worker', '', 'once more')).json()).toEqual({
    offset: 2,
    texts: ['from a Worker', 'from the object', 'once more'],
  });
});

test('kafkajs works over a WebSocket to the object, groups included', async () => {
  const factory: unknown = webSocketFactory({ webSocket: WebSocket, url: () => workerd.url('/kafkajs', 'ws') });
  const isFactory = (value: unknown): value is ISocketFactory => typeof value === 'function';
  if (!isFactory(factory)) throw new Error('the adapter makes no factory');
  const kafka = new Kafka({
    brokers: ['broker:1'],
    socketFactory: factory,
    connectionTimeout: 30_000,
    logLevel: logLevel.NOTHING,
  });
  const producer = kafka.producer({ idempotent: true });
  await producer.connect();
  const messages = Array.from({ length: 500 }, (_, index) => ({ key: `key ${index % 7}`, value: `value ${index}` }));
  await producer.send({ topic: 'orders', messages });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: 'readers' });
  await consumer.connect();
  await consumer.subscribe({ topic: 'orders', fromBeginning: true });
  const seen: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const eachMessage = async ({ message }: { message: { value: Buffer | null } }) => {
      seen.push(String(message.value));
      if (seen.length === messages.length) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  expect(seen).toEqual(messages.map(({ value }) => value));
});

test('an object that is evicted keeps its WebSockets, and their subscriptions go on where they were', async () => {
  const subscriber = await JsonSocket.open('sleeper');
  const writer = await JsonSocket.open('sleeper');
  await writer.ask({ id: 1, op: 'create-topic', topic: 'orders', partitions: 1 });
  await writer.ask({ id: 2, op: 'produce', topic: 'orders', value: 'before' });
  const subscribed = { id: 1, op: 'subscribe', topic: 'orders', subscription: 'mine', from: 'beginning', credit: 4 };
  expect(await subscriber.ask(subscribed)).toMatchObject({ ok: true });
  expect(valuesOf(await subscriber.next())).toEqual([[0, 'before']]);
  const client = await connect({ url: workerd.url('/sleeper', 'ws') });
  for (const round of [1, 2]) {
    await evict('sleeper');
    expect(await writer.ask({ id: 3, op: 'produce', topic: 'orders', value: `round ${round}` })).toMatchObject({
      ok: true,
      offset: round,
    });
    const records = await subscriber.next();
    expect(records).toMatchObject({ subscription: 'mine', credit: 3 - round });
    expect(valuesOf(records)).toEqual([[round, `round ${round}`]]);
    // The same socket as before the eviction: the client would tell of a lost one, and is given no retries.
    expect(await client.admin().listTopics()).toEqual(['orders']);
  }
  expect(await subscriber.ask({ id: 9, op: 'credit', subscription: 'mine', credit: 5 })).toMatchObject({ credit: 6 });
  client.close();
  subscriber.close();
  writer.close();
});

test('a socket that ends while the object sleeps does not wake it, and is forgotten', async () => {
  const leaving = await JsonSocket.open('leaver');
  const staying = await JsonSocket.open('leaver');
  await leaving.ask({ id: 1, op: 'produce', topic: 'orders', value: 'before' });
  await evict('leaver');
  const closed = leaving.closed();
  leaving.close();
  await closed;
  expect((await stateOf('leaver')).isAsleep).toBe(true);
  expect(await staying.ask({ id: 1, op: 'list-topics' })).toMatchObject({ ok: true });
  staying.close();
});

test('an object that breaks off closes its WebSockets; clients connect anew and find what was acknowledged', async () => {
  const client = await connect({ url: workerd.url('/broken', 'ws') });
  const producer = client.producer();
  for (let round = 0; round < 3; round++) {
    const [placed] = await producer.send({ topic: 'orders', messages: [{ value: `round ${round}` }] });
    expect(placed?.offset).toBe(round);
    await post('/broken', 'crash');
  }
  await producer.close();
  client.close();
});

test('retention runs while the object sleeps', async () => {
  const config = { 'log.retention.ms': '1', 'log.retention.check.interval.ms': '1000' };
  await post('/sleepy', 'configure', JSON.stringify({ config, maintenanceMs: 1500 }));
  await post('/sleepy', 'crash');
  const writer = await JsonSocket.open('sleepy');
  await writer.ask({ id: 1, op: 'produce', topic: 'orders', value: 'old' });
  // What is under way may be over before the runtime tells of it: the object that keeps its records shows the name.
  expect((await stateOf('leaver')).names).toContain('orders-0/00000000000000000000.log');
  expect(await (await post('/evict/sleepy', '')).text()).toBe('evicted');
  while ((await stateOf('sleepy')).names.includes('orders-0/00000000000000000000.log')) {
    await fetch(workerd.url('/words'));
  }
  writer.close();
});

test(`${KILL_ROUNDS} rounds of SIGKILL under load lose nothing that was acknowledged, in order, none twice`, async () => {
  console.log(`MILLRACE_SEED=${SEED}`);
  const acknowledged: Acknowledged[] = [];
  let sequence = 0;
  let awaited: { readonly count: number; readonly resolve: () => void } | undefined;
  const reached = (count: number): Promise<void> =>
    new Promise((resolve) => {
      awaited = { count, resolve };
    });
  const setUp = await connect({ url: workerd.url('/killed', 'ws') });
  await setUp.admin().createTopics({ topics: [{ topic: 'orders', numPartitions: 2 }] });
  setUp.close();
  const writers = await ClientWriters.start({
    url: workerd.url('/killed', 'ws'),
    topic: 'orders',
    partitions: 2,
    random: new SeededRandom(SEED),
    nextText: (lane) => {
      sequence += 1;
      return `${lane}:${sequence}`;
    },
    onAcknowledged: (records) => {
      acknowledged.push(...records);
      if (awaited !== undefined && acknowledged.length >= awaited.count) awaited.resolve();
    },
  });
  for (let round = 0; round < KILL_ROUNDS; round++) {
    await Promise.race([reached(acknowledged.length + ACKNOWLEDGED_PER_ROUND), writers.ended]);
    await workerd.kill();
    workerd = await place.start(workerd.port);
  }
  await reached(acknowledged.length + ACKNOWLEDGED_PER_ROUND);
  await writers.stop();
  const client = await connect({ url: workerd.url('/killed', 'ws') });
  const consumer = client.consumer();
  await consumer.assign([{ topic: 'orders', from: 'beginning' }]);
  const stored = new Map<string, string>();
  for await (const record of consumer.records({ untilEnd: true }))
    stored.set(`${record.partition}/${record.offset}`, record.text());
  await consumer.close();
  client.close();
  console.log(`${acknowledged.length} acknowledged, ${stored.size} stored`);
  const lost = acknowledged.filter(({ partition, offset, text }) => stored.get(`${partition}/${offset}`) !== text);
  expect(lost).toEqual([]);
  expect(new Set(stored.values()).size).toBe(stored.size);
  const last = new Map<string, number>();
  for (const text of stored.values()) {
    const [lane = '', number] = text.split(':');
    expect(Number(number)).toBeGreaterThan(last.get(lane) ?? 0);
    last.set(lane, Number(number));
  }
});
