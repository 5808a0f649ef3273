// A whole broker over a store, without anything of a runtime: what every host is made of.

import { afterEach, expect, test } from 'vitest';
import type { Client } from '../../src/client/client.ts';
import { createPortableCodecs } from '../../src/compression/portable-codecs.ts';
import {
  type EmbeddedBroker,
  type EmbeddedBrokerOptions,
  openEmbeddedBroker,
} from '../../src/embedded/embedded-broker.ts';
import { systemClock, systemRandom } from '../../src/platform/node/clock.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { take } from '../client/fixture.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { FakeSocketPair } from './fake-socket.ts';

const wasm = loadWasmModule('plain');
const closers: (() => unknown)[] = [];
const abandoned = new WeakSet<EmbeddedBroker>();

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(store: MemoryStore, options: Partial<EmbeddedBrokerOptions> = {}): Promise<EmbeddedBroker> {
  const broker = await openEmbeddedBroker({
    store,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
    wasm,
    codecs: createPortableCodecs(wasm),
    ...options,
  });
  closers.push(() => (abandoned.has(broker) ? undefined : broker.close()));
  return broker;
}

function clientOf(broker: EmbeddedBroker): Client {
  const client = broker.client();
  closers.push(() => client.close());
  return client;
}

test('what was produced before an orderly close is there when the store is opened again', async () => {
  const store = new MemoryStore();
  const first = await open(store);
  await clientOf(first)
    .producer()
    .send({ topic: 'kept', messages: [{ value: 'one' }, { value: 'two' }] });
  await first.close();

  const consumer = clientOf(await open(store)).consumer();
  await consumer.assign([{ topic: 'kept', from: 'beginning' }]);
  const records = await take(consumer, 2);
  expect(records.map((record) => [record.offset, record.text()])).toEqual([
    [0, 'one'],
    [1, 'two'],
  ]);
  await consumer.close();
});

test('a store that was left without a close is recovered', async () => {
  const store = new MemoryStore();
  const first = await open(store);
  await clientOf(first)
    .producer()
    .send({ topic: 'kept', messages: [{ value: 'one' }] });
  // It would find its store dead when it is closed, as a killed process would.
  abandoned.add(first);

  const left = store.afterKill();
  const consumer = clientOf(await open(left)).consumer();
  await consumer.assign([{ topic: 'kept', from: 'beginning' }]);
  expect((await take(consumer, 1))[0]?.text()).toBe('one');
  await consumer.close();
});

test.each(['gzip', 'snappy', 'lz4'] as const)(
  '%s is read, and a codec that the host lacks is refused by its Kafka error',
  async (compression) => {
    const broker = await open(new MemoryStore());
    const producer = clientOf(broker).producer({ compression });
    await producer.send({ topic: 'small', messages: [{ value: 'x'.repeat(10_000) }] });
    const consumer = clientOf(broker).consumer();
    await consumer.assign([{ topic: 'small', from: 'beginning' }]);
    expect((await take(consumer, 1))[0]?.text()).toHaveLength(10_000);
    await consumer.close();

    const other = broker.client({ codecs: { zstd: { compress: (bytes) => bytes, decompress: (bytes) => bytes } } });
    closers.push(() => other.close());
    const refused = other.producer({ compression: 'zstd' }).send({ topic: 'small', messages: [{ value: 'y' }] });
    await expect(refused).rejects.toMatchObject({ code: 'ERR_BROKER', error: 'UNSUPPORTED_COMPRESSION_TYPE' });
  },
);

test('sessions of both subprotocols are served over sockets of the standard kind', async () => {
  const broker = await open(new MemoryStore());
  const json = new FakeSocketPair({ broker, subprotocol: 'json', clock: systemClock });
  json.say('{"id":1,"op":"produce","topic":"spoken","value":"hello"}');
  expect(JSON.parse(await json.hear())).toMatchObject({ id: 1, topic: 'spoken', partition: 0, offset: 0 });
  expect(broker.connections.size).toBe(1);

  // ApiVersions 0 with correlation id 7 and no client id.
  const kafka = new FakeSocketPair({ broker, subprotocol: 'kafka', clock: systemClock });
  kafka.say(Uint8Array.of(0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff));
  const response = await kafka.hearBytes();
  expect([...response.subarray(0, 6)]).toEqual([0, 0, 0, 7, 0, 0]);

  await broker.close();
  expect([json.closed?.code, kafka.closed?.code]).toEqual([1001, 1001]);
  expect(broker.connections.size).toBe(0);
  expect(broker.refusal).toBe('the broker is shutting down');
});

test('messages of the wrong kind and beyond the bound end their session', async () => {
  const broker = await open(new MemoryStore(), { config: { 'socket.request.max.bytes': '1048576' } });
  const wrong = new FakeSocketPair({ broker, subprotocol: 'kafka', clock: systemClock });
  wrong.say('text');
  expect(wrong.closed?.code).toBe(1003);

  const large = new FakeSocketPair({ broker, subprotocol: 'kafka', clock: systemClock });
  large.say(new Uint8Array(1_048_577));
  expect(large.closed?.code).toBe(1009);
});

test('max.connections refuses one connection more', async () => {
  const broker = await open(new MemoryStore(), { config: { 'max.connections': '1' } });
  const first = new FakeSocketPair({ broker, subprotocol: 'json', clock: systemClock });
  expect(() => new FakeSocketPair({ broker, subprotocol: 'json', clock: systemClock })).toThrow('max.connections');
  first.end();
  new FakeSocketPair({ broker, subprotocol: 'json', clock: systemClock });
});

test('a socket that may not send a reserved code closes with a private one', async () => {
  const broker = await open(new MemoryStore());
  const socket = new FakeSocketPair({ broker, subprotocol: 'kafka', clock: systemClock, refusesReservedCodes: true });
  socket.say('text');
  expect(socket.closed?.code).toBe(4003);
});
