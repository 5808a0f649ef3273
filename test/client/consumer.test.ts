// What a consumer promises: where it begins, what it skips, how much it holds, and how it ends.

import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import type { Client, ConsumedRecord, Consumer } from '../../src/client/index.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { FakeBroker } from './fake-broker.ts';
import { all, clientOf, plainWasm, take } from './fixture.ts';

const FETCH = 1;
const NOT_LEADER = 6;
const CORRUPT = 87;
const GZIP = 1;
const ZSTD = 4;

const encoder = new RecordBatchEncoder(Kernels.create(plainWasm()));

function batchOf(values: readonly string[]): Uint8Array {
  return encoder.encode(values.map((value) => ({ key: null, value: Buffer.from(value), headers: [], timestamp: 1 })));
}

function compressed(values: readonly string[], codec: number, compress: (bytes: Uint8Array) => Uint8Array): Uint8Array {
  for (const value of values) encoder.append({ key: null, value: Buffer.from(value), headers: [], timestamp: 1 });
  const records = encoder.finishRecords();
  return encoder.assemble({ ...records, bytes: compress(records.bytes), compression: codec });
}

/** Appends a batch as it is. */
function store(broker: FakeBroker, bytes: Uint8Array, partition = 0): void {
  const place = broker.topics.get('t')?.[partition];
  if (place === undefined) throw new Error('no such partition');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setBigInt64(0, BigInt(place.endOffset));
  place.batches.push(bytes);
  place.endOffset += view.getInt32(23) + 1;
}

async function scene(
  work: (broker: FakeBroker, consumer: Consumer, client: Client) => Promise<void>,
  options: { readonly partitions?: number; readonly consumer?: Parameters<Client['consumer']>[0] } = {},
): Promise<void> {
  const broker = new FakeBroker();
  broker.createTopic('t', options.partitions ?? 1);
  const client = clientOf(broker);
  const consumer = client.consumer({ maxWaitMs: 20, ...options.consumer });
  try {
    await work(broker, consumer, client);
  } finally {
    await consumer.close();
    client.close();
  }
}

const texts = (records: readonly ConsumedRecord[]): string[] => records.map((record) => record.text());

test('records below the offset that was asked for are not given, though their batch is', () =>
  scene(async (broker, consumer) => {
    store(broker, batchOf(['0', '1', '2', '3']));
    store(broker, batchOf(['4']));
    await consumer.assign([{ topic: 't', from: 2 }]);
    const records = await all(consumer.records({ untilEnd: true }));
    expect(records.map(({ offset }) => offset)).toEqual([2, 3, 4]);
    expect(texts(records)).toEqual(['2', '3', '4']);
  }));

test('a consumer from the end gets what is written after it was assigned', () =>
  scene(async (broker, consumer, client) => {
    store(broker, batchOf(['old']));
    await consumer.assign([{ topic: 't', from: 'end' }]);
    const next = take(consumer, 1);
    await client.producer().send({ topic: 't', messages: [{ value: 'new' }] });
    expect(texts(await next)).toEqual(['new']);
  }));

test('all partitions of a topic are read, each in order', () =>
  scene(
    async (broker, consumer) => {
      for (const partition of [0, 1, 2]) {
        for (let index = 0; index < 5; index++) store(broker, batchOf([`${partition}/${index}`]), partition);
      }
      await consumer.assign([{ topic: 't' }]);
      expect(consumer.assignment).toHaveLength(3);
      const records = texts(await all(consumer.records({ untilEnd: true })));
      expect(records).toHaveLength(15);
      for (const partition of [0, 1, 2]) {
        const own = records.filter((text) => text.startsWith(`${partition}/`));
        expect(own).toEqual([0, 1, 2, 3, 4].map((index) => `${partition}/${index}`));
      }
    },
    { partitions: 3 },
  ));

test('the position is that of the next record to be given', () =>
  scene(async (broker, consumer) => {
    store(broker, batchOf(['0', '1', '2']));
    await consumer.assign([{ topic: 't' }]);
    await take(consumer, 2);
    expect(consumer.position({ topic: 't', partition: 0 })).toBe(2);
  }));

test('a seek in the middle of a batch goes on from there', () =>
  scene(async (broker, consumer) => {
    store(broker, batchOf(['0', '1', '2', '3', '4', '5']));
    await consumer.assign([{ topic: 't' }]);
    const seen: number[] = [];
    for await (const { offset } of consumer) {
      seen.push(offset);
      if (offset === 1 && seen.length === 2) await consumer.seek({ topic: 't', partition: 0 }, 4);
      if (offset === 5 && seen.length === 4) await consumer.seek({ topic: 't', partition: 0 }, 'beginning');
      if (seen.length === 6) break;
    }
    expect(seen).toEqual([0, 1, 4, 5, 0, 1]);
  }));

test('a paused partition is held back while others go on', () =>
  scene(
    async (broker, consumer) => {
      store(broker, batchOf(['a']), 0);
      store(broker, batchOf(['b']), 1);
      await consumer.assign([{ topic: 't' }]);
      consumer.pause([{ topic: 't', partition: 0 }]);
      expect(texts(await take(consumer, 1))).toEqual(['b']);
      consumer.resume();
      expect(texts(await take(consumer, 1))).toEqual(['a']);
    },
    { partitions: 2 },
  ));

test('a partition that is paused in the middle of a batch goes on with the next record', () =>
  scene(async (broker, consumer) => {
    store(broker, batchOf(['0', '1', '2']));
    await consumer.assign([{ topic: 't' }]);
    const seen: number[] = [];
    for await (const { offset } of consumer) {
      seen.push(offset);
      if (seen.length === 1) {
        consumer.pause();
        queueMicrotask(() => consumer.resume());
      }
      if (seen.length === 3) break;
    }
    expect(seen).toEqual([0, 1, 2]);
  }));

test('a paused partition takes no memory from the others', () =>
  scene(
    async (broker, consumer) => {
      for (let index = 0; index < 20; index++) store(broker, batchOf(['x'.repeat(1000)]), 0);
      await consumer.assign([{ topic: 't' }]);
      await take(consumer, 1);
      consumer.pause([{ topic: 't', partition: 0 }]);
      store(broker, batchOf(['other']), 1);
      expect(texts(await take(consumer, 1))).toEqual(['other']);
      consumer.resume();
      expect((await take(consumer, 1))[0]?.offset).toBe(1);
    },
    { partitions: 2, consumer: { prefetchBytes: 5000 } },
  ));

test('no more is fetched ahead than the bound allows', () =>
  scene(
    async (broker, consumer) => {
      for (let index = 0; index < 50; index++) store(broker, batchOf([`${index} ${'x'.repeat(1000)}`]));
      await consumer.assign([{ topic: 't', from: 0 }]);
      await take(consumer, 1);
      const before = broker.seen.get(FETCH) ?? 0;
      await take(consumer, 10);
      // One response has filled the bound many times over: nothing is asked for until it is used up.
      expect(broker.seen.get(FETCH)).toBe(before);
    },
    { consumer: { prefetchBytes: 5000 } },
  ));

test('an offset outside of the log is an error, or a place to go on, as asked', async () => {
  const consumed = async (outOfRange: 'error' | 'earliest' | 'latest'): Promise<string[]> => {
    let result: string[] = [];
    await scene(
      async (broker, consumer, client) => {
        store(broker, batchOf(['0', '1']));
        await consumer.assign([{ topic: 't', from: 99 }]);
        const next = take(consumer, 1);
        if (outOfRange === 'latest') {
          await expect.poll(() => consumer.position({ topic: 't', partition: 0 })).toBe(2);
          await client.producer().send({ topic: 't', messages: [{ value: 'new' }] });
        }
        result = texts(await next);
      },
      { consumer: { outOfRange } },
    );
    return result;
  };
  await expect(consumed('error')).rejects.toMatchObject({ error: 'OFFSET_OUT_OF_RANGE' });
  expect(await consumed('earliest')).toEqual(['0']);
  expect(await consumed('latest')).toEqual(['new']);
});

test('retriable refusals and lost connections are ridden out', () =>
  scene(async (broker, consumer) => {
    store(broker, batchOf(['0']));
    broker.inject(FETCH, NOT_LEADER, 'drop', NOT_LEADER, 'drop');
    await consumer.assign([{ topic: 't' }]);
    expect(texts(await all(consumer.records({ untilEnd: true })))).toEqual(['0']);
  }));

test('a refusal that no retry mends ends the iteration', () =>
  scene(async (broker, consumer) => {
    broker.inject(FETCH, CORRUPT);
    await consumer.assign([{ topic: 't' }]);
    await expect(all(consumer)).rejects.toMatchObject({ code: 'ERR_BROKER', errorCode: CORRUPT });
  }));

test('with a number of retries a broker that is gone ends the iteration', () =>
  scene(
    async (broker, consumer) => {
      broker.inject(FETCH, 'drop', 'drop', 'drop', 'drop');
      await consumer.assign([{ topic: 't' }]);
      await expect(all(consumer)).rejects.toMatchObject({ code: 'ERR_CONNECTION' });
    },
    { consumer: { retries: 2 } },
  ));

test('a batch that fails its checksum is not given', () =>
  scene(async (broker, consumer) => {
    const bytes = batchOf(['good', 'bad']);
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] ?? 0) ^ 1;
    store(broker, bytes);
    await consumer.assign([{ topic: 't' }]);
    await expect(all(consumer)).rejects.toMatchObject({ code: 'ERR_CORRUPT_LOG' });
  }));

test('gzip batches are read, and zstd is named where it cannot be loaded', () =>
  scene(async (broker, consumer) => {
    store(
      broker,
      compressed(['a', 'b'], GZIP, (bytes) => gzipSync(bytes)),
    );
    await consumer.assign([{ topic: 't' }]);
    expect(texts(await all(consumer.records({ untilEnd: true })))).toEqual(['a', 'b']);
    store(
      broker,
      compressed(['c'], ZSTD, (bytes) => bytes),
    );
    await expect(take(consumer, 1)).rejects.toMatchObject({
      code: 'ERR_USAGE',
      message: expect.stringContaining('zstd'),
    });
  }));

test('a codec that the caller brings is used', async () => {
  const broker = new FakeBroker();
  broker.createTopic('t');
  const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 255);
  store(broker, compressed(['a'], ZSTD, flip));
  const client = clientOf(broker, { codecs: { zstd: { decompress: flip } } });
  const consumer = client.consumer();
  await consumer.assign([{ topic: 't' }]);
  expect(texts(await all(consumer.records({ untilEnd: true })))).toEqual(['a']);
  client.close();
});

test('markers of transactions are passed over', () =>
  scene(async (broker, consumer) => {
    store(broker, batchOf(['a']));
    const marker = {
      key: Buffer.from([0, 0, 0, 1]),
      value: Buffer.from([0, 0, 0, 0, 0, 0]),
      headers: [],
      timestamp: 1,
    };
    store(
      broker,
      encoder.encode([marker], { isControl: true, isTransactional: true, producerId: 1, producerEpoch: 0 }),
    );
    store(broker, batchOf(['b']));
    store(
      broker,
      encoder.encode([marker], { isControl: true, isTransactional: true, producerId: 1, producerEpoch: 0 }),
    );
    await consumer.assign([{ topic: 't' }]);
    const records = await all(consumer.records({ untilEnd: true }));
    expect(records.map(({ offset }) => offset)).toEqual([0, 2]);
  }));

test('batches come as they were written, without what lies below the start', () =>
  scene(async (broker, consumer) => {
    store(broker, batchOf(['0', '1', '2']));
    store(broker, batchOf(['3']));
    await consumer.assign([{ topic: 't', from: 1 }]);
    const batches = await all(consumer.batches({ untilEnd: true }));
    expect(batches.map(({ records }) => texts(records))).toEqual([['1', '2'], ['3']]);
    expect(batches[0]).toMatchObject({ topic: 't', partition: 0, highWatermark: 4 });
  }));

test('closing ends an iteration that waits', () =>
  scene(async (_broker, consumer) => {
    await consumer.assign([{ topic: 't' }]);
    const ended = all(consumer);
    await consumer.close();
    expect(await ended).toEqual([]);
    await expect(consumer.assign([{ topic: 't' }])).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  }));

test('run calls the handler for each message until the consumer is closed', () =>
  scene(async (broker, consumer) => {
    store(broker, batchOf(['0', '1']));
    await consumer.assign([{ topic: 't' }]);
    const seen: string[] = [];
    await consumer.run({
      eachMessage: async ({ topic, partition, message }) => {
        seen.push(`${topic}-${partition} ${message.text()}`);
        if (seen.length === 2) await consumer.close();
      },
    });
    expect(seen).toEqual(['t-0 0', 't-0 1']);
  }));

test('assigning again keeps the place of partitions that stay', () =>
  scene(
    async (broker, consumer) => {
      for (const partition of [0, 1]) store(broker, batchOf(['0', '1']), partition);
      await consumer.assign([{ topic: 't', partition: 0 }]);
      await take(consumer, 2);
      await consumer.assign([
        { topic: 't', partition: 0 },
        { topic: 't', partition: 1, from: 1 },
      ]);
      const records = await all(consumer.records({ untilEnd: true }));
      expect(records.map(({ partition, offset }) => [partition, offset])).toEqual([[1, 1]]);
    },
    { partitions: 2 },
  ));

test('a misspelt isolation is refused, and reads nothing', () =>
  scene(async (_broker, _consumer, client) => {
    const untyped = JSON.parse('{"isolation":"read_comitted"}');
    expect(() => client.consumer(untyped)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  }));

test('what does not exist is told at once', () =>
  scene(async (_broker, consumer) => {
    await expect(consumer.assign([{ topic: 'missing' }])).rejects.toMatchObject({
      error: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
    await expect(consumer.assign([{ topic: 't', partition: 7 }])).rejects.toMatchObject({ code: 'ERR_USAGE' });
    expect(() => consumer.position({ topic: 't', partition: 0 })).toThrow(/not assigned/);
    const untyped = JSON.parse('{"topic":"t","from":"start"}');
    await expect(consumer.assign([untyped])).rejects.toMatchObject({ code: 'ERR_USAGE' });
  }));

test.each([4, 6, 7, 11, 12, 13, 17])('a broker that speaks Fetch up to version %i is understood', async (version) => {
  const broker = new FakeBroker({ versionMax: { [FETCH]: version } });
  broker.createTopic('t');
  store(broker, batchOf(['a', 'b']));
  const client = clientOf(broker);
  const consumer = client.consumer();
  await consumer.assign([{ topic: 't' }]);
  expect(texts(await all(consumer.records({ untilEnd: true })))).toEqual(['a', 'b']);
  client.close();
});
