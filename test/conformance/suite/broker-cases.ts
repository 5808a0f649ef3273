// What a broker must do on every host: produce and consume through the client, groups, both subprotocols of its
// WebSocket, and its state after a restart and after a crash.

import type { Client } from '../../../src/client/client.ts';
import type { ConsumedRecord } from '../../../src/client/record.ts';
import { codecNumber } from '../../../src/core/compression.ts';
import type { Api } from '../../../src/protocol/api.ts';
import { decodeResponseFrame, encodeRequestFrame } from '../../../src/protocol/headers.ts';
import { produce } from '../../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../../src/protocol/messages/01-fetch.ts';
import { apiVersions } from '../../../src/protocol/messages/18-api-versions.ts';
import { initProducerId } from '../../../src/protocol/messages/22-init-producer-id.ts';
import type { Decoded, Encodable, Fields } from '../../../src/protocol/schema.ts';
import { Kernels } from '../../../src/wasm/kernels.ts';
import { RecordBatchDecoder } from '../../../src/wasm/record-batch-decoder.ts';
import { type BatchOptions, RecordBatchEncoder } from '../../../src/wasm/record-batch-encoder.ts';
import { check, same, there } from './check.ts';
import type { ConformanceBroker, ConformanceCase, ConformanceHost, ConformanceSocket } from './host.ts';
import { withPlace } from './partition-under-test.ts';

const TOPIC = 'orders';
/** One partition of Kafka's internal topics: fifty of them would only be more files. */
const CONFIG = { 'offsets.topic.num.partitions': '1', 'transaction.state.log.num.partitions': '1' };
const PRODUCE_VERSION = 9;
const FETCH_VERSION = 11;
const OUT_OF_ORDER_SEQUENCE = 45;
const INVALID_RECORD = 87;
const BATCH_HEADER_BYTES = 61;
const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;

interface Scene {
  readonly host: ConformanceHost;
  /** Opens the broker on the case's place; the one before must have ended. */
  open(config?: Readonly<Record<string, string>>): Promise<ConformanceBroker>;
}

function onBroker(name: string, action: (scene: Scene) => Promise<void>): ConformanceCase {
  const run = (host: ConformanceHost): Promise<void> =>
    withPlace(host, 'broker', async (place) => {
      const open = (config = {}): Promise<ConformanceBroker> =>
        there(place.openBroker?.({ config: { ...CONFIG, ...config } }), "the host's broker");
      await action({ host, open });
    });
  return { name: `a broker: ${name}`, needs: 'broker', run };
}

async function withTopic(client: Client, numPartitions: number, configs: Record<string, string> = {}): Promise<void> {
  await client.admin().createTopics({ topics: [{ topic: TOPIC, numPartitions, configs }] });
}

/** Texts `from` to `end`, exclusive, over the partitions in turn; returns them by place. */
async function produceTexts(
  client: Client,
  from: number,
  end: number,
  partitions: number,
): Promise<Map<string, string>> {
  const producer = client.producer();
  const placed = new Map<string, string>();
  const texts = Array.from({ length: end - from }, (_, index) => `text ${from + index}`);
  const records = texts.map((value, index) => ({ key: `key ${index % 5}`, value, partition: index % partitions }));
  const places = await producer.send({ topic: TOPIC, records });
  places.forEach(({ partition, offset }, index) => {
    placed.set(`${partition}/${offset}`, texts[index] ?? '');
  });
  await producer.close();
  return placed;
}

async function consumeAll(client: Client): Promise<Map<string, string>> {
  const consumer = client.consumer();
  await consumer.assign([{ topic: TOPIC, from: 'beginning' }]);
  const found = new Map<string, string>();
  for await (const { partition, offset, value } of consumer.records({ untilEnd: true })) {
    found.set(`${partition}/${offset}`, new TextDecoder().decode(value ?? new Uint8Array(0)));
  }
  await consumer.close();
  return found;
}

function sorted(records: ReadonlyMap<string, string>): [string, string][] {
  return [...records].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Takes records of a subscribed consumer until there are so many, and closes it: that commits. */
async function takeFromGroup(client: Client, groupId: string, count: number): Promise<ConsumedRecord[]> {
  const consumer = client.consumer({ groupId });
  await consumer.subscribe({ topics: [TOPIC], from: 'beginning' });
  const taken: ConsumedRecord[] = [];
  for await (const record of consumer) {
    taken.push(record);
    if (taken.length === count) break;
  }
  await consumer.close();
  return taken;
}

const CLIENT: readonly ConformanceCase[] = [
  onBroker('what its client produces its client consumes, in order', async ({ open }) => {
    const broker = await open();
    const client = await broker.client();
    await withTopic(client, 3);
    const written = await produceTexts(client, 0, 900, 3);
    same(written.size, 900, 'places of records');
    same(sorted(await consumeAll(client)), sorted(written), 'records');
    const ends = await client.admin().listOffsets(
      [0, 1, 2].map((partition) => ({ topic: TOPIC, partition })),
      'latest',
    );
    same(
      ends.map(({ offset }) => offset),
      [300, 300, 300],
      'ends of the partitions',
    );
    client.close();
    await broker.close();
  }),

  onBroker('batches under every codec are taken, kept or compressed anew, and read', async ({ open }) => {
    const broker = await open();
    const client = await broker.client();
    // What the topics' batches are to be under; each codec is met for the first time somewhere.
    const topics = ['producer', 'zstd', 'snappy', 'lz4', 'gzip', 'uncompressed'];
    await client.admin().createTopics({
      topics: topics.map((type) => ({ topic: `as-${type}`, configs: { 'compression.type': type } })),
    });
    const text = 'the same words, and the same words again, '.repeat(2000);
    for (const type of topics) {
      const topic = `as-${type}`;
      for (const compression of [...CODECS, undefined]) {
        const producer = client.producer({ compression });
        await producer.send({ topic, messages: [{ value: `${compression} ${text}` }] });
        await producer.close();
      }
      const consumer = client.consumer();
      await consumer.assign([{ topic, from: 'beginning' }]);
      const texts: string[] = [];
      for await (const record of consumer.records({ untilEnd: true })) texts.push(record.text() ?? '');
      await consumer.close();
      same(
        texts,
        [...CODECS, undefined].map((codec) => `${codec} ${text}`),
        `records of ${topic}`,
      );
    }
    client.close();
    await broker.close();
  }),

  onBroker('a consumer that waits gets a record when it is produced', async ({ open }) => {
    const broker = await open();
    const client = await broker.client();
    await withTopic(client, 1);
    const consumer = client.consumer({ maxWaitMs: 10_000 });
    await consumer.assign([{ topic: TOPIC, from: 'end' }]);
    const waiting = consumer.records().next();
    await produceTexts(client, 0, 1, 1);
    const { value } = await waiting;
    same(value?.text(), 'text 0', 'the record');
    await consumer.close();
    client.close();
    await broker.close();
  }),

  onBroker(
    'a group shares partitions, commits, and goes on where it was, through restart and crash',
    async ({ open }) => {
      let broker = await open();
      let client = await broker.client();
      await withTopic(client, 2);
      const written = await produceTexts(client, 0, 60, 2);
      const seen = new Map<string, string>();
      const take = async (count: number): Promise<void> => {
        for (const record of await takeFromGroup(client, 'billing', count)) {
          const place = `${record.partition}/${record.offset}`;
          check(!seen.has(place), `${place} is given once`);
          seen.set(place, record.text());
        }
      };
      await take(25);
      client.close();
      await broker.close();
      broker = await open();
      client = await broker.client();
      await take(20);
      client.close();
      await broker.crash();
      broker = await open();
      client = await broker.client();
      await take(15);
      same(sorted(seen), sorted(written), 'what the group was given');
      client.close();
      await broker.close();
    },
  ),

  onBroker('two members of a group have each a part of the partitions', async ({ open }) => {
    const broker = await open({
      'group.consumer.min.heartbeat.interval.ms': '1000',
      'group.consumer.heartbeat.interval.ms': '1000',
    });
    const client = await broker.client();
    await withTopic(client, 4);
    const consumers = [client.consumer({ groupId: 'pair' }), client.consumer({ groupId: 'pair' })];
    const taken = consumers.map(() => new Set<number>());
    const runs = consumers.map(async (consumer, index) => {
      await consumer.subscribe({ topics: [TOPIC], from: 'beginning' });
      for await (const { partition } of consumer) taken[index]?.add(partition);
    });
    // A member is given its part when the other has given it up: records go on until both have had some.
    const producer = client.producer();
    const deadline = Date.now() + 180_000;
    while (taken.some((partitions) => partitions.size === 0) || new Set(taken.flatMap((each) => [...each])).size < 4) {
      check(Date.now() < deadline, 'both members are given partitions in time');
      await producer.send({ topic: TOPIC, records: [0, 1, 2, 3].map((partition) => ({ value: 'tick', partition })) });
      // A broker in this thread and in memory answers without a turn of the event loop, in which heartbeats are sent.
      await new Promise<void>((resolve) => {
        setTimeout(resolve, 10);
      });
    }
    same(consumers.map(({ assignment }) => assignment.length).sort(), [2, 2], 'partitions of each');
    await Promise.all(consumers.map((consumer) => consumer.close()));
    await Promise.all(runs);
    await producer.close();
    client.close();
    await broker.close();
  }),

  onBroker('everything acknowledged is there after a restart and after a crash', async ({ open }) => {
    const written = new Map<string, string>();
    for (const [round, ending] of (['close', 'crash', 'crash', 'close'] as const).entries()) {
      const broker = await open();
      const client = await broker.client();
      if (round === 0) await withTopic(client, 2);
      same(sorted(await consumeAll(client)), sorted(written), `records at the beginning of round ${round}`);
      for (const [place, text] of await produceTexts(client, round * 50, round * 50 + 50, 2)) written.set(place, text);
      client.close();
      await broker[ending]();
    }
    const broker = await open();
    const client = await broker.client();
    same(sorted(await consumeAll(client)), sorted(written), 'records at the end');
    client.close();
    await broker.close();
  }),
];

/** Kafka frames over one socket, one request at a time. */
class Frames {
  readonly #socket: ConformanceSocket;
  #correlationId = 0;

  constructor(socket: ConformanceSocket) {
    this.#socket = socket;
  }

  async request<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    body: Encodable<Request>,
  ): Promise<Decoded<Response>> {
    this.#correlationId += 1;
    const options = { version, correlationId: this.#correlationId, clientId: 'conformance' };
    this.#socket.send(joined(encodeRequestFrame(api, body, options)));
    const frame = await this.#socket.receive();
    check(typeof frame !== 'string', 'a Kafka response is a binary message');
    const response = decodeResponseFrame(api, version, frame);
    same(response.correlationId, this.#correlationId, 'correlation id');
    return response.body;
  }

  async produce(batch: Uint8Array, acks = -1): Promise<{ readonly errorCode: number; readonly baseOffset: number }> {
    const topicData = [{ name: TOPIC, partitionData: [{ index: 0, records: batch }] }];
    const { responses } = await this.request(produce, PRODUCE_VERSION, { acks, timeoutMs: 30_000, topicData });
    const answer = there(responses[0]?.partitionResponses[0], 'answer of the partition');
    return { errorCode: answer.errorCode, baseOffset: answer.baseOffset };
  }

  async fetch(offset: number): Promise<Uint8Array> {
    const partitions = [{ partition: 0, fetchOffset: offset, partitionMaxBytes: 1 << 20 }];
    const { responses } = await this.request(fetch, FETCH_VERSION, {
      replicaId: -1,
      maxWaitMs: 1000,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: 0,
      topics: [{ topic: TOPIC, partitions }],
    });
    const answer = there(responses[0]?.partitions[0], 'answer of the partition');
    same(answer.errorCode, 0, 'error of the fetch');
    return answer.records ?? new Uint8Array(0);
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const frame = new Uint8Array(chunks.reduce((bytes, chunk) => bytes + chunk.length, 0));
  let position = 0;
  for (const chunk of chunks) {
    frame.set(chunk, position);
    position += chunk.length;
  }
  return frame;
}

function batchOf(kernels: Kernels, texts: readonly string[], options: BatchOptions = {}): Uint8Array {
  const utf8 = new TextEncoder();
  const records = texts.map((text) => ({
    key: null,
    value: utf8.encode(text),
    headers: [],
    timestamp: 1_700_000_000_000,
  }));
  return new RecordBatchEncoder(kernels).encode(records, options);
}

/** A batch of one record, whose records part is what `compress` makes of it, whatever that is. */
function compressedBatchOf(
  kernels: Kernels,
  compression: number,
  compress: (records: Uint8Array) => Uint8Array,
): Uint8Array {
  const encoder = new RecordBatchEncoder(kernels);
  encoder.append({
    key: null,
    value: new TextEncoder().encode('x'.repeat(40)),
    headers: [],
    timestamp: 1_700_000_000_000,
  });
  const records = encoder.finishRecords();
  return encoder.assemble({ ...records, bytes: compress(records.bytes), compression });
}

/** The bytes as one literal, without the header of a stream: what clients other than Java's write. */
function bareSnappyBlock(bytes: Uint8Array): Uint8Array {
  check(bytes.length <= 60, 'the literal is a short one');
  return Uint8Array.of(bytes.length, (bytes.length - 1) << 2, ...bytes);
}

/** A frame of Zstandard of so many blocks, each of which repeats one byte 131072 times. */
function zstdRuns(blocks: number): Uint8Array {
  const header = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x58];
  const run = 131_072;
  const frame = Array.from({ length: blocks }, (_, index) => {
    const word = (run << 3) | (1 << 1) | (index === blocks - 1 ? 1 : 0);
    return [word & 255, (word >>> 8) & 255, (word >>> 16) & 255, 7];
  });
  return Uint8Array.from([...header, ...frame.flat()]);
}

/** Compressed bytes that no broker must take, nor be harmed by. */
const HOSTILE: readonly (readonly [name: string, compression: number, bytes: Uint8Array])[] = [
  ['snappy that says it becomes 4 GiB', codecNumber('snappy'), Uint8Array.of(255, 255, 255, 255, 15, 0, 1)],
  [
    'snappy whose literal is longer than it',
    codecNumber('snappy'),
    Uint8Array.of(16, 252, 250, 255, 255, 255, 1, 2, 3),
  ],
  ['zstd that becomes 275 MB', codecNumber('zstd'), zstdRuns(2100)],
  ['zstd that is no batch', codecNumber('zstd'), zstdRuns(2)],
  ['zstd that is cut off', codecNumber('zstd'), zstdRuns(2).subarray(0, 12)],
  ['zstd that is noise', codecNumber('zstd'), Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x20, 4, 0x25, 0, 0, 9, 9, 9, 9)],
];

interface JsonMessage {
  readonly id?: number;
  readonly op?: string;
  readonly ok?: boolean;
  readonly offset?: number;
  readonly error?: { readonly code: string };
  readonly records?: readonly { readonly offset: number; readonly value: unknown; readonly key: unknown }[];
}

async function receiveJson(socket: ConformanceSocket): Promise<JsonMessage> {
  const message = await socket.receive();
  check(typeof message === 'string', 'a message of the subprotocol json is text');
  return JSON.parse(message);
}

const SOCKETS: readonly ConformanceCase[] = [
  onBroker('a WebSocket of the subprotocol kafka carries Kafka frames', async ({ host, open }) => {
    const kernels = Kernels.create(host.wasm);
    const broker = await open();
    const client = await broker.client();
    await withTopic(client, 1);
    const socket = await broker.socket('kafka');
    const frames = new Frames(socket);
    const versions = await frames.request(apiVersions, 0, {});
    same(versions.errorCode, 0, 'error of ApiVersions');
    check(versions.apiKeys.length > 30, 'the APIs are named');
    same(await frames.produce(batchOf(kernels, ['a', 'b'])), { errorCode: 0, baseOffset: 0 }, 'first answer');
    same(await frames.produce(batchOf(kernels, ['c']), 1), { errorCode: 0, baseOffset: 2 }, 'second answer');
    const found: string[] = [];
    for (const batch of new RecordBatchDecoder(kernels).batches(await frames.fetch(0))) {
      for (const { value } of batch.records()) found.push(new TextDecoder().decode(value ?? new Uint8Array(0)));
    }
    same(found, ['a', 'b', 'c'], 'records');
    socket.close();
    client.close();
    await broker.close();
  }),

  onBroker('compressed bytes that are malformed, or become too much, are refused alone', async ({ host, open }) => {
    const kernels = Kernels.create(host.wasm);
    const broker = await open();
    const client = await broker.client();
    await withTopic(client, 1);
    client.close();
    const socket = await broker.socket('kafka');
    const frames = new Frames(socket);
    for (const [name, compression, bytes] of HOSTILE) {
      const batch = compressedBatchOf(kernels, compression, () => bytes);
      same((await frames.produce(batch)).errorCode, INVALID_RECORD, name);
    }
    const bare = compressedBatchOf(kernels, codecNumber('snappy'), bareSnappyBlock);
    same(await frames.produce(bare), { errorCode: 0, baseOffset: 0 }, 'one bare block of snappy');
    const stored = await frames.fetch(0);
    same(
      [...stored.subarray(BATCH_HEADER_BYTES)],
      [...bare.subarray(BATCH_HEADER_BYTES)],
      'records part as it was sent',
    );
    socket.close();
    await broker.close();
  }),

  onBroker('a batch sent twice is written once, and a gap is refused', async ({ host, open }) => {
    const kernels = Kernels.create(host.wasm);
    let broker = await open();
    const client = await broker.client();
    await withTopic(client, 1);
    client.close();
    let socket = await broker.socket('kafka');
    let frames = new Frames(socket);
    const identity = await frames.request(initProducerId, 4, {
      transactionalId: null,
      transactionTimeoutMs: 60_000,
      producerId: -1,
      producerEpoch: -1,
    });
    const { producerId, producerEpoch } = identity;
    const batch = (baseSequence: number) => batchOf(kernels, ['a', 'b'], { producerId, producerEpoch, baseSequence });
    for (const [sequence, offset] of [
      [0, 0],
      [2, 2],
      [0, 0],
      [2, 2],
    ] as const) {
      same(await frames.produce(batch(sequence)), { errorCode: 0, baseOffset: offset }, `batch ${sequence}`);
    }
    same((await frames.produce(batch(6))).errorCode, OUT_OF_ORDER_SEQUENCE, 'a gap');
    await broker.crash();
    broker = await open();
    socket = await broker.socket('kafka');
    frames = new Frames(socket);
    same(await frames.produce(batch(2)), { errorCode: 0, baseOffset: 2 }, 'the last batch after a crash');
    same(await frames.produce(batch(4)), { errorCode: 0, baseOffset: 4 }, 'the next batch after a crash');
    socket.close();
    await broker.close();
  }),

  onBroker('a WebSocket of the subprotocol json produces, subscribes, and is told of mistakes', async ({ open }) => {
    const broker = await open();
    const socket = await broker.socket('json');
    const ask = async (request: object): Promise<JsonMessage> => {
      socket.send(JSON.stringify(request));
      return receiveJson(socket);
    };
    same((await ask({ id: 1, op: 'create-topic', topic: TOPIC, partitions: 1 })).ok, true, 'create-topic');
    for (let index = 0; index < 5; index++) {
      const { ok, offset } = await ask({ id: 2, op: 'produce', topic: TOPIC, key: 'k', value: `text ${index}` });
      same([ok, offset], [true, index], 'produce');
    }
    same((await ask({ id: 3, op: 'subscribe', topic: TOPIC, from: 'beginning' })).ok, true, 'subscribe');
    const values: unknown[] = [];
    while (values.length < 5) values.push(...((await receiveJson(socket)).records ?? []).map(({ value }) => value));
    same(
      values,
      [0, 1, 2, 3, 4].map((index) => `text ${index}`),
      'records',
    );
    same(
      (await ask({ id: 4, op: 'describe-topic', topic: 'nowhere' })).error?.code,
      'UNKNOWN_TOPIC_OR_PARTITION',
      'error',
    );
    socket.send('not json');
    same((await receiveJson(socket)).error?.code, 'INVALID_REQUEST', 'error of a message that is no JSON');
    socket.close();
    await broker.close();
  }),

  onBroker(
    'a long poll over a WebSocket is answered by a record that another client writes',
    async ({ host, open }) => {
      const kernels = Kernels.create(host.wasm);
      const broker = await open();
      const client = await broker.client();
      await withTopic(client, 1);
      client.close();
      const [reader, writer] = [await broker.socket('kafka'), await broker.socket('kafka')];
      const polled = new Frames(reader).fetch(0);
      await new Frames(writer).produce(batchOf(kernels, ['late']));
      const [batch] = [...new RecordBatchDecoder(kernels).batches(await polled)];
      const values = [...(batch?.records() ?? [])].map(({ value }) =>
        new TextDecoder().decode(value ?? new Uint8Array(0)),
      );
      same(values, ['late'], 'records');
      reader.close();
      writer.close();
      await broker.close();
    },
  ),
];

export const BROKER_CASES: readonly ConformanceCase[] = [...CLIENT, ...SOCKETS];
