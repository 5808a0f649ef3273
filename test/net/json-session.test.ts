import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { bytesOnly } from '../../src/core/file-range.ts';
import type { JsonGateway } from '../../src/net/json-gateway.ts';
import { decodeResponseFrame, encodeRequestFrame } from '../../src/protocol/headers.ts';
import { describeProducers } from '../../src/protocol/messages/61-describe-producers.ts';
import { flatten } from '../../src/protocol/writer.ts';
import { testContext } from './fake-transport.ts';
import { JsonTester, type Message, makeGateway } from './json-fixture.ts';
import { clientFrame, EchoClient, RawClient, startListener } from './listener-fixture.ts';
import { type MemoryBroker, startMemoryBroker } from './memory-broker.ts';

let running: MemoryBroker;
let gateway: JsonGateway;
const sessions: JsonTester[] = [];
let topics = 0;

function openSession(): JsonTester {
  const session = new JsonTester(gateway);
  sessions.push(session);
  return session;
}

async function newTopic(session: JsonTester, partitions = 1): Promise<string> {
  topics += 1;
  const topic = `topic-${topics}`;
  expect(await session.ask({ op: 'create-topic', topic, partitions })).toMatchObject({ ok: true });
  return topic;
}

function recordsOf(message: Message): Message[] {
  return Array.isArray(message.records) ? message.records : [];
}

async function takeRecords(session: JsonTester, count: number): Promise<Message[]> {
  const records: Message[] = [];
  while (records.length < count) {
    const message = await session.next();
    expect(message.op).toBe('records');
    records.push(...recordsOf(message));
  }
  return records;
}

async function producersOf(topic: string) {
  const request = { version: 0, correlationId: 1, clientId: null };
  const frame = encodeRequestFrame(describeProducers, { topics: [{ name: topic, partitionIndexes: [0] }] }, request);
  const response = await running.broker.handle(flatten(frame), testContext(new AbortController().signal));
  const { body } = decodeResponseFrame(describeProducers, 0, flatten(bytesOnly(response?.chunks ?? [])));
  return body.topics[0]?.partitions[0]?.activeProducers ?? [];
}

beforeAll(async () => {
  running = await startMemoryBroker();
  gateway = makeGateway(running);
});

afterEach(() => {
  for (const session of sessions.splice(0)) session.end();
});

afterAll(async () => {
  gateway.close();
  await running.close();
});

describe('produce', () => {
  it('is one idempotent producer for sessions that come and go', async () => {
    const first = openSession();
    const topic = await newTopic(first);
    for (let round = 0; round < 4; round++) {
      const session = new JsonTester(gateway);
      expect(await session.ask({ op: 'produce', topic, value: 'x' })).toMatchObject({ ok: true, offset: round });
      session.end();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const producers = await producersOf(topic);
    expect(producers.map(({ lastSequence }) => lastSequence)).toEqual([3]);
  });

  it('round-trips every kind of content through what a subscription shows', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    const records: readonly (readonly [input: Message, shown: Message])[] = [
      [{ value: 'text' }, { value: 'text' }],
      [{ value: '' }, { value: '' }],
      [{ value: null }, { value: null }],
      [{ value: { a: [1, null] } }, { value: '{"a":[1,null]}' }],
      [{ value: 12.5 }, { value: '12.5' }],
      [{ value: 'x', valueEncoding: 'json' }, { value: '"x"' }],
      [{ value: null, valueEncoding: 'json' }, { value: 'null' }],
      [
        { value: '/w==', valueEncoding: 'base64' },
        { value: '/w==', valueEncoding: 'base64' },
      ],
      [
        { value: '\u{1f600}\u0000\ufeff', key: 'k' },
        { value: '\u{1f600}\u0000\ufeff', key: 'k' },
      ],
      [
        { value: 'h', headers: { __proto__x: 'p', n: null, b: { base64: '/w==' } } },
        { value: 'h', headers: { __proto__x: 'p', n: null, b: { base64: '/w==' } } },
      ],
    ];
    const answer = await session.ask({ op: 'produce', topic, records: records.map(([input]) => input) });
    expect(recordsOf(answer).map(({ offset }) => offset)).toEqual(records.map((_, index) => index));
    await session.ask({ op: 'subscribe', topic, from: 'beginning' });
    const shown = await takeRecords(session, records.length);
    for (const [index, [, expected]] of records.entries()) {
      expect(shown[index]).toEqual({
        key: null,
        ...expected,
        partition: 0,
        offset: index,
        timestamp: expect.any(Number),
      });
    }
  });

  it('shows JSON values with all their digits', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    await session.ask({ op: 'produce', topic, value: '{"n": 12345678901234567890}' });
    await session.ask({ op: 'subscribe', topic, from: 'beginning', valueEncoding: 'json' });
    await session.next();
    const sent = new TextDecoder().decode(session.transport.sent.at(-1));
    expect(sent).toContain('"value":{"n": 12345678901234567890}');
  });

  it('keeps the order of records that were sent without waiting', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    for (let i = 0; i < 100; i++) session.send({ id: i, op: 'produce', topic, value: `v${i}`, acks: 'all' });
    for (let i = 0; i < 100; i++) expect(await session.next()).toMatchObject({ id: i, ok: true, offset: i });
  });

  it('puts records of one key into one partition, and those that name a partition there', async () => {
    const session = openSession();
    const topic = await newTopic(session, 8);
    const placed = new Set<unknown>();
    for (let i = 0; i < 5; i++)
      placed.add((await session.ask({ op: 'produce', topic, key: 'same', value: 'v' })).partition);
    expect(placed.size).toBe(1);
    expect(await session.ask({ op: 'produce', topic, key: 'same', value: 'v', partition: 7, acks: 1 })).toMatchObject({
      partition: 7,
    });
    expect(await session.ask({ op: 'produce', topic, value: 'v', partition: 8 })).toMatchObject({
      ok: false,
      error: { code: 'INVALID_REQUEST' },
    });
    expect(await session.ask({ op: 'produce', topic, value: 'v', acks: 0 })).toMatchObject({ ok: true, offset: -1 });
  });

  it('names the error for a record that is too large, and lives', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    const answer = await session.ask({ id: 'big', op: 'produce', topic, value: 'x'.repeat(2_000_000) });
    expect(answer).toMatchObject({ id: 'big', ok: false, error: { code: 'MESSAGE_TOO_LARGE', number: 10 } });
    expect(await session.ask({ op: 'produce', topic, value: 'small' })).toMatchObject({ ok: true, offset: 0 });
  });
});

describe('requests', () => {
  it('take effect in the order in which they came, without waiting for answers', async () => {
    const session = openSession();
    session.send({ id: 1, op: 'create-topic', topic: 'in-order', partitions: 3 });
    session.send({ id: 2, op: 'produce', topic: 'in-order', value: 'v', partition: 2 });
    session.send({ id: 3, op: 'describe-topic', topic: 'in-order' });
    session.send({ id: 4, op: 'delete-topic', topic: 'in-order' });
    session.send({ id: 5, op: 'list-topics' });
    expect(await session.next()).toMatchObject({ id: 1, ok: true });
    expect(await session.next()).toMatchObject({ id: 2, ok: true });
    const described = await session.next();
    expect(described.partitions).toContainEqual(expect.objectContaining({ partition: 2, highWatermark: 1 }));
    expect(await session.next()).toMatchObject({ id: 4, ok: true });
    expect((await session.next()).topics).not.toContain('in-order');
  });

  const invalid: readonly (readonly [name: string, message: Message | string, says: string])[] = [
    ['no JSON', '{', 'not JSON'],
    ['a number', '7', 'JSON object'],
    ['a list', '[]', 'JSON object'],
    ['null', 'null', 'JSON object'],
    ['no op', { id: 1 }, '"op" must be one of'],
    ['an inherited op', { op: 'toString' }, '"op" must be one of'],
    ['an id that is an object', { id: {}, op: 'list-topics' }, '"id"'],
    ['no topic', { op: 'produce', value: 'x' }, '"topic"'],
    ['no value', { op: 'produce', topic: 't' }, '"value" is missing'],
    ['a bad encoding', { op: 'produce', topic: 't', value: 'x', valueEncoding: 'hex' }, 'text, json or base64'],
    ['bad base64', { op: 'produce', topic: 't', value: '*', valueEncoding: 'base64' }, 'not base64'],
    ['an object as text', { op: 'produce', topic: 't', value: {}, valueEncoding: 'text' }, 'must be a string'],
    ['a bad partition', { op: 'produce', topic: 't', value: 'x', partition: -1 }, '"partition"'],
    ['a bad timestamp', { op: 'produce', topic: 't', value: 'x', timestamp: 'yesterday' }, '"timestamp"'],
    ['bad acks', { op: 'produce', topic: 't', value: 'x', acks: 2 }, '"acks"'],
    ['bad headers', { op: 'produce', topic: 't', value: 'x', headers: { a: 1 } }, 'header "a"'],
    ['no records', { op: 'produce', topic: 't', records: [] }, '"records"'],
    ['a record that is no object', { op: 'produce', topic: 't', records: [{ value: 'a' }, 5] }, 'record 1'],
    ['a bad start', { op: 'subscribe', topic: 't', from: 'middle' }, '"from"'],
    ['bad credit', { op: 'subscribe', topic: 't', credit: 1.5 }, '"credit"'],
    ['bad partitions', { op: 'subscribe', topic: 't', partitions: ['0'] }, '"partitions"'],
    ['an unknown subscription', { op: 'credit', subscription: 'x', credit: 1 }, 'no subscription "x"'],
    ['bad configs', { op: 'create-topic', topic: 't', configs: { a: {} } }, 'config "a"'],
  ];

  for (const [name, message, says] of invalid) {
    it(`are refused with INVALID_REQUEST for ${name}, and the session lives`, async () => {
      const session = openSession();
      const answer = await session.ask(message);
      expect(answer).toMatchObject({
        ok: false,
        error: { code: 'INVALID_REQUEST', number: 42, message: expect.stringContaining(says) },
      });
      expect(await session.ask({ id: 'next', op: 'list-topics' })).toMatchObject({ id: 'next', ok: true });
    });
  }

  it('survive JSON that is nested beyond reason', async () => {
    const session = openSession();
    const deep = `{"op":"produce","topic":"t","value":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    expect(await session.ask(deep)).toMatchObject({ ok: false, error: { code: 'INVALID_REQUEST' } });
    expect(await session.ask({ op: 'list-topics' })).toMatchObject({ ok: true });
  });

  it('name the error of Kafka', async () => {
    const session = openSession();
    expect(await session.ask({ op: 'create-topic', topic: 'no/such name' })).toMatchObject({
      error: { code: 'INVALID_TOPIC_EXCEPTION' },
    });
    const topic = await newTopic(session);
    expect(await session.ask({ op: 'create-topic', topic })).toMatchObject({ error: { code: 'TOPIC_ALREADY_EXISTS' } });
    expect(
      await session.ask({ op: 'create-topic', topic: 'configured', configs: { 'no.such.config': 1 } }),
    ).toMatchObject({ error: { code: 'INVALID_CONFIG' } });
    expect(await session.ask({ op: 'delete-topic', topic: 'never-made' })).toMatchObject({
      error: { code: 'UNKNOWN_TOPIC_OR_PARTITION' },
    });
    expect(await session.ask({ op: 'subscribe', topic: 'never-made' })).toMatchObject({
      error: { code: 'UNKNOWN_TOPIC_OR_PARTITION' },
    });
  });
});

describe('subscriptions', () => {
  it('never send more than granted, and go on with what is granted later', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    const records = Array.from({ length: 50 }, (_, index) => ({ value: `v${index}` }));
    await session.ask({ op: 'produce', topic, records });
    await session.ask({ op: 'subscribe', subscription: 's', topic, from: 'beginning', credit: 7 });
    const first = await takeRecords(session, 7);
    expect(first).toHaveLength(7);
    expect(await session.ask({ id: 'q', op: 'describe-topic', topic })).toMatchObject({ id: 'q' });
    expect(session.waitingCount).toBe(0);
    session.send({ op: 'credit', subscription: 's', credit: 10 });
    const second = await takeRecords(session, 10);
    expect(second.map(({ offset }) => offset)).toEqual(Array.from({ length: 10 }, (_, index) => 7 + index));
    expect(await session.ask({ id: 'q', op: 'list-topics' })).toMatchObject({ id: 'q' });
  });

  it('begin where they are told', async () => {
    const session = openSession();
    const topic = await newTopic(session, 2);
    const records = [1000, 2000, 3000].flatMap((timestamp) =>
      [0, 1].map((partition) => ({ value: String(timestamp), partition, timestamp })),
    );
    await session.ask({ op: 'produce', topic, records });
    const starts = async (from: unknown): Promise<unknown> =>
      (await session.ask({ op: 'subscribe', topic, from, credit: 0 })).partitions;
    const at = (first: number, second: number) => [
      { partition: 0, offset: first },
      { partition: 1, offset: second },
    ];
    expect(await starts('beginning')).toEqual(at(0, 0));
    expect(await starts('end')).toEqual(at(3, 3));
    expect(await starts({ offset: 1 })).toEqual(at(1, 1));
    expect(await starts({ offsets: { 1: 2 } })).toEqual(at(3, 2));
    expect(await starts({ timestamp: 1500 })).toEqual(at(1, 1));
    expect(await starts({ timestamp: '1970-01-01T00:00:03Z' })).toEqual(at(2, 2));
    expect(await starts({ timestamp: 99_999 })).toEqual(at(3, 3));
  });

  it('send records as they are written', async () => {
    const writer = openSession();
    const reader = openSession();
    const topic = await newTopic(writer);
    await reader.ask({ op: 'subscribe', topic });
    for (const value of ['one', 'two', 'three']) {
      await writer.ask({ op: 'produce', topic, value });
      expect((await takeRecords(reader, 1))[0]).toMatchObject({ value });
    }
  });

  it('send no more while the client does not read, whatever it granted', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    const value = 'x'.repeat(10_000);
    for (let i = 0; i < 5; i++)
      await session.ask({ op: 'produce', topic, records: Array.from({ length: 80 }, () => ({ value })) });
    session.transport.readsAtOnce = false;
    await session.ask({ op: 'subscribe', topic, from: 'beginning', credit: 1_000_000 });
    let count = 0;
    while (count < 400) {
      count += recordsOf(await session.next()).length;
      // One message beyond the mark of 100,000 bytes, which is itself bounded.
      expect(session.transport.bufferedBytes).toBeLessThan(100_000 + 150_000);
      if (session.waitingCount === 0) session.drain();
    }
    expect(count).toBe(400);
  });

  it('keep a silent connection from being idle', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    session.tick(0);
    await session.ask({ op: 'subscribe', subscription: 's', topic });
    session.tick(1);
    session.tick(100_000);
    expect(session.transport.closed).toBeUndefined();
    await session.ask({ op: 'unsubscribe', subscription: 's' });
    session.tick(100_001);
    session.tick(200_000);
    expect(session.transport.closed?.code).toBe(1001);
  });

  it('go on over another transport where they were, with the credit that is left', async () => {
    const session = openSession();
    const topic = await newTopic(session, 2);
    const records = [0, 1, 2, 3].map((number) => ({ value: `${number}`, partition: number % 2 }));
    await session.ask({ op: 'produce', topic, records });
    await session.ask({ op: 'subscribe', topic, from: 'beginning', credit: 3 });
    const before = await takeRecords(session, 3);
    const saved = session.save();
    expect(saved).toMatchObject({ subscriptionCount: 1, subscriptions: [{ name: `${topic}-1`, topic, credit: 0 }] });
    session.end();
    expect(session.save()).toBe(undefined);
    const next = new JsonTester(gateway, JSON.parse(JSON.stringify(saved)));
    sessions.push(next);
    next.send({ op: 'credit', subscription: `${topic}-1`, credit: 2 });
    const after = await takeRecords(next, 1);
    expect([...before, ...after].map(({ value }) => value).sort()).toEqual(['0', '1', '2', '3']);
    expect(await next.ask({ op: 'subscribe', topic, from: 'end' })).toMatchObject({ subscription: `${topic}-2` });
  });

  it('are not saved while a request is under way', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    session.send({ op: 'produce', topic, value: 'x' });
    expect(session.save()).toBe(undefined);
    await session.next();
    expect(session.save()).toEqual({ subscriptionCount: 0, subscriptions: [] });
  });

  it('tell why they end', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    await session.ask({ op: 'subscribe', subscription: 's', topic, from: { offset: 77 } });
    expect(await session.next()).toMatchObject({
      op: 'subscription-ended',
      subscription: 's',
      error: { code: 'OFFSET_OUT_OF_RANGE' },
    });
    expect(await session.ask({ op: 'unsubscribe', subscription: 's' })).toMatchObject({ ok: false });
  });

  it('are bounded in number and have names of their own', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    await session.ask({ op: 'subscribe', subscription: 'name', topic });
    expect(await session.ask({ op: 'subscribe', subscription: 'name', topic })).toMatchObject({ ok: false });
    for (let i = 1; i < 64; i++) expect(await session.ask({ op: 'subscribe', topic })).toMatchObject({ ok: true });
    expect(await session.ask({ op: 'subscribe', topic })).toMatchObject({
      ok: false,
      error: { code: 'INVALID_REQUEST' },
    });
  });

  it('hold no long poll of the broker after their session has ended', async () => {
    const session = openSession();
    const topic = await newTopic(session);
    await session.ask({ op: 'subscribe', topic });
    while (running.broker.waitingFetches === 0) await new Promise((resolve) => setImmediate(resolve));
    session.end();
    while (running.broker.waitingFetches > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(session.memory.used).toBe(0);
  });
});

describe('over a real socket', () => {
  it('a plain WebSocket speaks json, and one of each language sees the other', async () => {
    const listener = await startListener({ handler: running.broker, openJson: (parts) => gateway.open(parts) });
    const webSocket = new WebSocket(`ws://${listener.authority}/`);
    const answer = new Promise<string>((resolve) => webSocket.on('message', (data) => resolve(data.toString())));
    await new Promise((resolve) => webSocket.on('open', resolve));
    webSocket.send('{"id":1,"op":"list-topics"}');
    expect(JSON.parse(await answer)).toMatchObject({ id: 1, ok: true });
    webSocket.close();
  });

  it('closes with 1003 for a binary message, 1007 for broken UTF-8 and 1009 for a message too large', async () => {
    const listener = await startListener({ handler: running.broker, openJson: (parts) => gateway.open(parts) });
    const binary = await EchoClient.open(listener, 'json');
    binary.webSocket.send(Buffer.from('{}'));
    expect(await binary.closed).toMatchObject({ code: 1003 });
    const large = await EchoClient.open(listener, 'json');
    large.webSocket.send('x'.repeat(5_000_000));
    expect(await large.closed).toEqual({ code: 1009, reason: 'message is too large' });
    const raw = await RawClient.open(listener);
    await raw.upgrade('json');
    raw.socket.write(clientFrame(new Uint8Array([0xff, 0xfe]), { first: 0x81 }));
    await raw.until('text is not UTF-8');
    raw.socket.destroy();
  });
});
