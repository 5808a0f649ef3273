// A broker in the caller's own process: what it serves, how soon, and that it leaves nothing.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { connect, type InProcessBroker, type OpenBrokerOptions, openBroker } from '../../src/platform/node/index.ts';
import { take } from '../client/fixture.ts';
import { ROOT } from '../house/source-files.ts';
import { PROCESS_MS_MAX, temporaryDirectory } from '../support/broker-process.ts';

/** Long enough for any machine. */
const WITHIN = { timeout: 50_000, interval: 20 };
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(options: OpenBrokerOptions = {}): Promise<InProcessBroker> {
  const broker = await openBroker(options);
  closers.push(() => broker.close());
  return broker;
}

async function texts(broker: InProcessBroker, topic: string, count: number): Promise<string[]> {
  const consumer = broker.client().consumer();
  await consumer.assign([{ topic, from: 'beginning' }]);
  const records = await take(consumer, count);
  await consumer.close();
  return records.map((record) => record.text());
}

/** Runs a script in a process of its own, against the built package. */
async function run(name: string, script: string): Promise<string> {
  const scratch = join(ROOT, 'dist', 'open-broker');
  mkdirSync(scratch, { recursive: true });
  const file = join(scratch, `${name}.mjs`);
  writeFileSync(file, script);
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: PROCESS_MS_MAX });
  rmSync(file);
  return stdout;
}

test('brokers in one process have nothing to do with each other', async () => {
  const [one, other] = [await open(), await open()];
  await one
    .client()
    .producer()
    .send({ topic: 'orders', messages: [{ value: 'for one' }] });
  await other
    .client()
    .producer()
    .send({ topic: 'orders', messages: [{ value: 'for the other' }] });
  expect(await texts(one, 'orders', 1)).toEqual(['for one']);
  expect(await texts(other, 'orders', 1)).toEqual(['for the other']);
});

test('a directory without a name is refused, and is not the working directory', async () => {
  await expect(openBroker({ directory: '' })).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('a directory keeps what was produced, and is taken by one broker at a time', async () => {
  const directory = temporaryDirectory('open-broker');
  closers.push(() => directory.remove());
  const first = await open({ directory: directory.path });
  await first
    .client()
    .producer()
    .send({ topic: 'orders', messages: [{ value: 'kept' }] });
  await expect(openBroker({ directory: directory.path })).rejects.toMatchObject({ code: 'ERR_DATA_DIRECTORY_LOCKED' });
  await first.close();
  expect(await texts(await open({ directory: directory.path }), 'orders', 1)).toEqual(['kept']);
});

/** However it comes to that. */
function closed(socket: Socket | WebSocket): Promise<void> {
  return new Promise((resolve) => socket.on('error', () => undefined).on('close', () => resolve()));
}

test('a connection on which nothing comes is closed after connections.max.idle.ms', async () => {
  const broker = await open({ http: {}, kafka: {}, config: { 'connections.max.idle.ms': '50' } });
  const [host, port] = broker.kafkaAddress.split(':');
  const socket = createConnection({ host: String(host), port: Number(port) }).resume();
  const webSocket = new WebSocket(broker.url);
  await Promise.all([closed(socket), closed(webSocket)]);
});

test('a connection beyond max.connections is closed, and the next is served when there is room', async () => {
  const broker = await open({ kafka: {}, config: { 'max.connections': '1' } });
  const [host, port] = broker.kafkaAddress.split(':');
  const address = { host: String(host), port: Number(port) };
  const first = createConnection(address).resume();
  await once(first, 'connect');
  await closed(createConnection(address).resume());
  first.destroy();
  // The broker learns of the end of the first in its own time.
  await vi.waitFor(async () => {
    const client = await connect(`kafka://${broker.kafkaAddress}`);
    expect(await client.admin().listTopics()).toEqual([]);
    await client.close();
  }, WITHIN);
});

test('listeners serve Kafka clients on TCP and the own client on WebSocket', async () => {
  const broker = await open({ http: {}, kafka: {} });
  const kafka = new Kafka({ brokers: [broker.kafkaAddress], connectionTimeout: 30_000, logLevel: logLevel.NOTHING });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: 'orders', messages: [{ value: 'over TCP' }] });
  await producer.disconnect();
  const client = await connect(broker.url);
  await client.producer().send({ topic: 'orders', messages: [{ value: 'over WebSocket' }] });
  client.close();
  expect(await texts(broker, 'orders', 2)).toEqual(['over TCP', 'over WebSocket']);
  expect((await fetch(`http://${broker.httpAddress}/metrics`)).status).toBe(200);
});

test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('%s is there from the first batch on', async (compression) => {
  const broker = await open();
  const value = 'compressed '.repeat(100);
  await broker
    .client()
    .producer({ compression })
    .send({ topic: 'orders', messages: [{ value }] });
  expect(await texts(broker, 'orders', 1)).toEqual([value]);
});

test('a topic compresses anew with zstd, from its first batch on', async () => {
  const broker = await open();
  const client = broker.client();
  await client.admin().createTopics({ topics: [{ topic: 'packed', configs: { 'compression.type': 'zstd' } }] });
  await client.producer().send({ topic: 'packed', messages: [{ value: 'z'.repeat(1000) }] });
  expect(await texts(broker, 'packed', 1)).toEqual(['z'.repeat(1000)]);
});

test('a wrong configuration leaves neither listener nor lock', async () => {
  const directory = temporaryDirectory('open-broker-config');
  closers.push(() => directory.remove());
  const wrong = openBroker({ directory: directory.path, http: {}, config: { 'num.partitions': 'many' } });
  await expect(wrong).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  await open({ directory: directory.path });
});

const LEAVES_NOTHING = `
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBroker } from 'millrace';

const directory = mkdtempSync(join(tmpdir(), 'millrace-leaves-'));
const turn = () => new Promise((resolve) => setImmediate(resolve));
// Node opens /dev/null once for its sockets, and the directory that is read here; both are its own.
const files = () => readdirSync('/proc/self/fd').map((name) => {
  try { return readlinkSync('/proc/self/fd/' + name); } catch { return ''; }
}).filter((target) => target !== '' && target !== '/dev/null').sort().join(' ');

async function round() {
  const broker = await openBroker({ directory, http: {}, kafka: {} });
  const client = broker.client();
  await client.producer().send({ topic: 'orders', messages: [{ value: 'x' }] });
  const consumer = client.consumer({ groupId: 'readers' });
  await consumer.subscribe({ topics: ['orders'], from: 'beginning' });
  for await (const record of consumer) { if (record.text() === 'x') break; }
  const during = { files: files(), threads: process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length };
  await broker.close();
  return during;
}
// What the process has by itself, its own output among it: on Node 24 a pipe counts from its first use.
process.stdout.write('');
process.stderr.write('');
const own = process.getActiveResourcesInfo();
const left = () => {
  const known = [...own];
  return process.getActiveResourcesInfo().filter((name) => {
    const at = known.indexOf(name);
    if (at >= 0) known.splice(at, 1);
    return at < 0 && name !== 'CloseReq';
  });
};
const before = files();
const { files: during, threads } = await round();
// What closes does so beside this thread, as soon as the machine lets it.
const endMs = performance.now() + 60_000;
while ((left().length > 0 || files() !== before) && performance.now() < endMs) await turn();
const after = files();
rmSync(directory, { recursive: true });
const resources = left();
console.log(JSON.stringify({ opened: during !== before, same: after === before, threads, resources }));
`;

test('a closed broker leaves no handle, thread or file, and its process ends by itself', async () => {
  const output = await run('leaves-nothing', LEAVES_NOTHING);
  expect(JSON.parse(output)).toEqual({ opened: true, same: true, threads: 0, resources: [] });
});

test('a process that forgets to close ends by itself where there is no listener', async () => {
  const script = `
    import { openBroker } from 'millrace';
    const broker = await openBroker();
    await broker.client().producer().send({ topic: 'orders', messages: [{ value: 'x' }] });
    console.log('sent');`;
  expect(await run('forgets', script)).toBe('sent\n');
});

const START = `
import timers from 'node:timers';
import { openBroker } from 'millrace';
// Timers are made, and none of them ever fires.
const never = () => ({ ref() {}, unref() {}, hasRef: () => false, refresh() {}, [Symbol.toPrimitive]: () => 0 });
for (const name of ['setTimeout', 'setInterval']) timers[name] = globalThis[name] = never;
const broker = await openBroker();
await broker.client().producer().send({ topic: 'orders', messages: [{ value: 'x' }] });
console.log('acknowledged');
process.exit();
`;

test('it is open, and its first record acknowledged, without a wait for any timer', async () => {
  expect(await run('start', START)).toBe('acknowledged\n');
});
