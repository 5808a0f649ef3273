// A batch of 150 MB through a whole broker: over TCP in, compressed and not, and out to two clients.

import { once } from 'node:events';
import { connect as openSocket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { codecNumber } from '../../src/core/compression.ts';
import { createNodeCodecs } from '../../src/platform/node/codecs.ts';
import { connect } from '../../src/platform/node/connect.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import type { Api } from '../../src/protocol/api.ts';
import { decodeResponseFrame, encodeRequestFrame } from '../../src/protocol/headers.ts';
import { produce } from '../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { createTopics } from '../../src/protocol/messages/19-create-topics.ts';
import type { Decoded, Encodable, Fields } from '../../src/protocol/schema.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { BrokerProcess, temporaryDirectory } from '../support/broker-process.ts';

const RECORD_BYTES = 150_000_000;
/** Of requests: compressing and writing so much takes seconds, and far more where a machine is busy. */
const TIMEOUT_MS = 240_000;
const directory = temporaryDirectory('large-batch');
const value = Buffer.alloc(RECORD_BYTES);
let broker: BrokerProcess;

beforeAll(async () => {
  for (let at = 0; at < value.length; at += 4) value.writeUInt32LE(Math.imul(at, 2_654_435_761) >>> 16, at);
  const settings = ['socket.request.max.bytes=268435456', 'message.max.bytes=209715200'];
  const arguments_ = settings.flatMap((setting) => ['--set', setting]);
  broker = await BrokerProcess.start({ dataDirectory: directory.path, arguments: arguments_ });
});

afterAll(async () => {
  await broker.stop('SIGTERM');
  directory.remove();
});

/** One request over a connection of its own, with as large a response as there may be. */
async function request<Request extends Fields, Response extends Fields>(
  api: Api<Request, Response>,
  version: number,
  body: Encodable<Request>,
): Promise<Decoded<Response>> {
  const [host, port] = broker.kafka.split(':');
  const socket = openSocket(Number(port), host);
  await once(socket, 'connect');
  const chunks = encodeRequestFrame(api, body, { version, correlationId: 1, clientId: 'test' });
  const length = Buffer.alloc(4);
  length.writeInt32BE(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  socket.write(length);
  for (const chunk of chunks) socket.write(chunk);
  const received: Buffer[] = [];
  let missing = 4;
  for await (const data of socket) {
    if (received.length === 0) missing += data.readInt32BE(0);
    received.push(data);
    missing -= data.length;
    if (missing === 0) break;
  }
  socket.destroy();
  return decodeResponseFrame(api, version, Buffer.concat(received).subarray(4)).body;
}

async function create(name: string, configs: Readonly<Record<string, string>> = {}): Promise<void> {
  const entries = Object.entries(configs).map(([key, text]) => ({ name: key, value: text }));
  const topic = { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: entries };
  const { topics } = await request(createTopics, 5, { topics: [topic], timeoutMs: TIMEOUT_MS });
  expect(topics[0]?.errorCode).toBe(0);
}

async function send(name: string, records: Uint8Array): Promise<number | undefined> {
  const partitionData = [{ index: 0, records }];
  const { responses } = await request(produce, 9, {
    acks: 1,
    timeoutMs: TIMEOUT_MS,
    topicData: [{ name, partitionData }],
  });
  return responses[0]?.partitionResponses[0]?.errorCode;
}

async function read(name: string): Promise<Uint8Array> {
  const { responses } = await request(fetch, 11, {
    maxWaitMs: 1000,
    minBytes: 1,
    maxBytes: 1000,
    topics: [{ topic: name, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }] }],
  });
  return responses[0]?.partitions[0]?.records ?? new Uint8Array(0);
}

function encoder(): RecordBatchEncoder {
  const made = new RecordBatchEncoder(Kernels.create(loadWasmModule('plain')));
  made.append({ key: null, value, headers: [], timestamp: Date.now() });
  return made;
}

async function consumed(topic: string): Promise<boolean> {
  const client = await connect({ url: broker.url, requestTimeoutMs: TIMEOUT_MS });
  const consumer = client.consumer();
  await consumer.assign([{ topic }]);
  let same = false;
  for await (const record of consumer.records({ untilEnd: true }))
    same = Buffer.compare(record.value ?? value.subarray(1), value) === 0;
  await consumer.close();
  client.close();
  return same;
}

test('as it is', async () => {
  await create('plain');
  const batch = encoder().finish();
  expect(await send('plain', batch)).toBe(0);
  const records = await read('plain');
  expect(Buffer.compare(records.subarray(16), batch.subarray(16))).toBe(0);
  expect(await consumed('plain')).toBe(true);
});

test('under a codec, and compressed anew', async () => {
  const { codecs } = createNodeCodecs();
  const made = encoder();
  const plain = made.finishRecords();
  const batch = made.assemble({ ...plain, bytes: codecs.lz4.compress(plain.bytes), compression: codecNumber('lz4') });
  await create('compressed');
  expect(await send('compressed', batch)).toBe(0);
  expect(await consumed('compressed')).toBe(true);
  await create('recompressed', { 'compression.type': 'snappy' });
  expect(await send('recompressed', batch)).toBe(0);
  expect((await read('recompressed'))[22]).toBe(codecNumber('snappy'));
  expect(await consumed('recompressed')).toBe(true);
});

test('but not above max.message.bytes', async () => {
  const MESSAGE_TOO_LARGE = 10;
  await create('bounded', { 'max.message.bytes': '149999999' });
  expect(await send('bounded', encoder().finish())).toBe(MESSAGE_TOO_LARGE);
  expect((await read('bounded')).length).toBe(0);
});
