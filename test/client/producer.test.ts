// What a producer promises: order, memory, batches, and clear ends, with failures on purpose.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Client, ProducerOptions } from '../../src/client/index.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { FakeBroker, type Fault } from './fake-broker.ts';
import { clientOf, plainWasm } from './fixture.ts';

const PRODUCE = 0;
const METADATA = 3;
const NOT_LEADER = 6;
const MESSAGE_TOO_LARGE = 10;
const UNKNOWN_SERVER_ERROR = -1;
const QUICK = { retryBackoffMs: 1, retryBackoffMaxMs: 2 };

const decoder = new RecordBatchDecoder(Kernels.create(plainWasm()));

function valuesOf(broker: FakeBroker, topic: string, partition = 0): string[] {
  const batches = broker.topics.get(topic)?.[partition]?.batches ?? [];
  return batches.flatMap((bytes) =>
    [...decoder.batches(bytes)].flatMap((batch) =>
      batch.records().map((record) => Buffer.from(record.value ?? []).toString()),
    ),
  );
}

function numbers(count: number, from = 0): { value: string; partition?: number }[] {
  return Array.from({ length: count }, (_, index) => ({ value: String(from + index) }));
}

/** Runs `work` with a broker and a client, and leaves nothing open. */
async function scene(work: (broker: FakeBroker, client: Client) => Promise<void>, broker = new FakeBroker()) {
  const client = clientOf(broker);
  try {
    await work(broker, client);
  } finally {
    client.close();
  }
}

test('each record gets its place, with the time it was given', () =>
  scene(async (broker, client) => {
    broker.createTopic('t', 3);
    const producer = client.producer();
    const places = await producer.send({
      topic: 't',
      messages: [
        { value: 'a', partition: 2, timestamp: 5 },
        { value: 'b', partition: 0, timestamp: '7' },
        { value: 'c', partition: 2 },
      ],
    });
    expect(places.map(({ partition, offset }) => [partition, offset])).toEqual([
      [2, 0],
      [0, 0],
      [2, 1],
    ]);
    expect(places.map(({ timestamp }) => timestamp).slice(0, 2)).toEqual([5, 7]);
    expect(valuesOf(broker, 't', 2)).toEqual(['a', 'c']);
  }));

test('records of one key go to one partition, the one of the Java client', () =>
  scene(async (broker, client) => {
    broker.createTopic('t', 5);
    const places = await client.producer().send({
      topic: 't',
      messages: [
        { key: 'foobar', value: '1' },
        { key: '21', value: '2' },
        { key: 'foobar', value: '3' },
      ],
    });
    const expected = [-790332482, -973932308, -790332482].map((hash) => (hash & 0x7fffffff) % 5);
    expect(places.map(({ partition }) => partition)).toEqual(expected);
  }));

test('records without a key fill one batch before they turn to another partition', () =>
  scene(async (broker, client) => {
    broker.createTopic('t', 8);
    const producer = client.producer();
    const used = new Set<number>();
    for (let round = 0; round < 40; round++) {
      const places = await producer.send({ topic: 't', messages: numbers(5) });
      expect(new Set(places.map(({ partition }) => partition)).size).toBe(1);
      used.add(places[0]?.partition ?? -1);
    }
    expect(used.size).toBeGreaterThan(3);
  }));

test('what is sent in one turn of the event loop shares a request', () =>
  scene(async (broker, client) => {
    broker.createTopic('t', 2);
    const producer = client.producer();
    await producer.send({ topic: 't', messages: numbers(1) });
    const sends = numbers(100).map((record, index) =>
      producer.send({ topic: 't', messages: [record], partition: index % 2 }),
    );
    await Promise.all(sends);
    expect(broker.produceRequests).toHaveLength(2);
    expect(broker.produceRequests[1]?.topicData[0]?.partitionData).toHaveLength(2);
  }));

test('a lingering batch waits for more, and flush sends it at once', () =>
  scene(async (broker, client) => {
    const producer = client.producer({ lingerMs: 60_000 });
    const first = producer.send({ topic: 't', messages: numbers(1) });
    const second = producer.send({ topic: 't', messages: numbers(1, 1) });
    await producer.flush();
    expect(await Promise.all([first, second])).toHaveLength(2);
    expect(broker.produceRequests).toHaveLength(1);
  }));

test('a lingering batch goes when it is full', () =>
  scene(async (broker, client) => {
    const producer = client.producer({ lingerMs: 60_000, batchBytes: 1000 });
    const full = producer.send({ topic: 't', messages: [{ value: 'x'.repeat(900) }] });
    const next = producer.send({ topic: 't', messages: [{ value: 'y'.repeat(900) }] });
    await full;
    expect(broker.produceRequests).toHaveLength(1);
    await producer.close();
    await next;
  }));

test('a record larger than a batch goes alone', () =>
  scene(async (broker, client) => {
    const producer = client.producer({ batchBytes: 1000, bufferBytes: 1000 });
    const places = await producer.send({
      topic: 't',
      messages: [{ value: 'a' }, { value: 'x'.repeat(5000) }, { value: 'b' }],
    });
    expect(places.map(({ offset }) => offset)).toEqual([0, 1, 2]);
    expect(valuesOf(broker, 't')).toEqual(['a', 'x'.repeat(5000), 'b']);
  }));

/** Sends numbered records to three partitions through the faults; gives what was sent to, and what is in, each. */
async function throughFaults(
  faults: readonly Fault[],
  partitions: readonly number[],
): Promise<{ sent: string[]; stored: string[] }[]> {
  const broker = new FakeBroker();
  broker.createTopic('t', 3);
  broker.inject(PRODUCE, ...faults);
  const client = clientOf(broker);
  const producer = client.producer({ ...QUICK, retries: 20, batchBytes: 120 });
  const sends: Promise<unknown>[] = [];
  for (const [index, partition] of partitions.entries()) {
    sends.push(producer.send({ topic: 't', messages: [{ value: String(index) }], partition }));
    // Some sends share a turn, others do not.
    if (index % 3 === 0) await Promise.resolve();
  }
  await Promise.all(sends);
  client.close();
  return [0, 1, 2].map((partition) => ({
    sent: partitions.flatMap((each, index) => (each === partition ? [`${index}`] : [])),
    stored: valuesOf(broker, 't', partition),
  }));
}

const somePartitions = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 120 });

test('refusals that are retried keep the order of every partition and neither lose nor double a record', async () => {
  const faults = fc.array(fc.constantFrom<Fault[]>(NOT_LEADER, 0, 5, 2), { maxLength: 12 });
  const property = fc.asyncProperty(faults, somePartitions, async (injected, partitions) => {
    for (const { sent, stored } of await throughFaults(injected, partitions)) expect(stored).toEqual(sent);
  });
  await fc.assert(property, { numRuns: 40 });
});

test('lost connections keep the order of every partition and lose no record', async () => {
  const faults = fc.array(fc.constantFrom<Fault[]>(NOT_LEADER, 0, 'drop', 'apply-then-drop'), { maxLength: 12 });
  const property = fc.asyncProperty(faults, somePartitions, async (injected, partitions) => {
    // A batch may be there again, right behind itself: its first appearances are what was sent.
    for (const { sent, stored } of await throughFaults(injected, partitions))
      expect([...new Set(stored)]).toEqual(sent);
  });
  await fc.assert(property, { numRuns: 40 });
});

test('one batch of a partition is on the way at a time unless more are allowed', async () => {
  const underWay = async (options: ProducerOptions): Promise<number> => {
    const broker = new FakeBroker();
    broker.createTopic('t');
    const client = clientOf(broker);
    const producer = client.producer({ batchBytes: 200, ...options });
    await producer.send({ topic: 't', messages: numbers(200) });
    client.close();
    expect(valuesOf(broker, 't')).toEqual(numbers(200).map(({ value }) => value));
    return broker.producesUnderWayMax;
  };
  expect(await underWay({})).toBe(1);
  expect(await underWay({ maxInFlight: 4 })).toBe(4);
});

test('an acknowledgement that was lost doubles a batch when it is retried, and is told when it is not', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    broker.inject(PRODUCE, 'apply-then-drop');
    await client.producer(QUICK).send({ topic: 't', messages: numbers(1) });
    expect(valuesOf(broker, 't')).toEqual(['0', '0']);
    broker.inject(PRODUCE, 'apply-then-drop');
    const sent = client.producer({ retries: 0 }).send({ topic: 't', messages: numbers(1, 1) });
    await expect(sent).rejects.toMatchObject({ code: 'ERR_CONNECTION' });
    expect(valuesOf(broker, 't')).toEqual(['0', '0', '1']);
  }));

test('a refusal names the partition and Kafka’s error, and what follows goes on', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    broker.inject(PRODUCE, MESSAGE_TOO_LARGE);
    const producer = client.producer({ batchBytes: 100 });
    const refused = producer.send({ topic: 't', messages: [{ value: 'x'.repeat(200) }] });
    const taken = producer.send({ topic: 't', messages: [{ value: 'y' }] });
    await expect(refused).rejects.toMatchObject({
      code: 'ERR_BROKER',
      error: 'MESSAGE_TOO_LARGE',
      message: expect.stringContaining('produce to t-0'),
    });
    expect((await taken)[0]?.offset).toBe(0);
  }));

test('retries end at their number, and at the delivery timeout', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    broker.inject(PRODUCE, ...Array<Fault>(20).fill(NOT_LEADER));
    const counted = client.producer({ ...QUICK, retries: 3 }).send({ topic: 't', messages: numbers(1) });
    await expect(counted).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(broker.produceRequests).toHaveLength(4);
    const timed = client.producer({ ...QUICK, deliveryTimeoutMs: 0 }).send({ topic: 't', messages: numbers(1) });
    await expect(timed).rejects.toMatchObject({ error: 'NOT_LEADER_OR_FOLLOWER' });
    expect(broker.produceRequests).toHaveLength(5);
  }));

test('with acks 0 a record counts as sent when it has left', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    const places = await client.producer({ acks: 0 }).send({ topic: 't', messages: numbers(2) });
    expect(places.map(({ offset }) => offset)).toEqual([-1, -1]);
    expect(valuesOf(broker, 't')).toEqual(['0', '1']);
  }));

test('memory stays within its bound while the broker does not acknowledge', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    let open = (): void => undefined;
    broker.gate = new Promise((resolve) => {
      open = resolve;
    });
    const producer = client.producer({ bufferBytes: 10_000, batchBytes: 2000 });
    const writer = producer.writer('t');
    await writer.write('warm');
    let written = 0;
    let held: Promise<void> | undefined;
    while (held === undefined) {
      held = writer.write('x'.repeat(100));
      written++;
    }
    expect(written).toBeGreaterThan(50);
    expect(written).toBeLessThan(100);
    open();
    await held;
    const { records } = await writer.flush();
    expect(records).toBe(written + 1);
  }));

test('sends beyond the bound of memory wait and keep their order', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    const producer = client.producer({ bufferBytes: 500, batchBytes: 200 });
    await Promise.all(numbers(300).map((record) => producer.send({ topic: 't', messages: [record] })));
    expect(valuesOf(broker, 't')).toEqual(numbers(300).map(({ value }) => value));
  }));

test('a writer counts what has arrived and tells of what was lost', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    const writer = client.producer({ retries: 0 }).writer('t');
    for (const { value } of numbers(1000)) await writer.write(value, 'key');
    expect(await writer.flush()).toEqual({ records: 1000, bytes: 2890 + 3000 });
    broker.inject(PRODUCE, UNKNOWN_SERVER_ERROR);
    await writer.write('lost');
    await expect(writer.flush()).rejects.toMatchObject({ error: 'UNKNOWN_SERVER_ERROR' });
    expect(() => writer.write('more')).toThrow(expect.objectContaining({ error: 'UNKNOWN_SERVER_ERROR' }));
  }));

test('a partition that does not exist is a usage error of that call alone', () =>
  scene(async (broker, client) => {
    broker.createTopic('t', 2);
    const producer = client.producer();
    const wrong = producer.send({ topic: 't', messages: numbers(1), partition: 2 });
    const right = producer.send({ topic: 't', messages: numbers(1), partition: 1 });
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining('0 to 1, not 2') });
    await right;
  }));

test('a topic that the broker does not create is an error after the retries', () =>
  scene(
    async (broker, client) => {
      const sent = client.producer().send({ topic: 'missing', messages: numbers(1) });
      await expect(sent).rejects.toMatchObject({ error: 'UNKNOWN_TOPIC_OR_PARTITION' });
      expect(broker.seen.get(METADATA)).toBe(6);
    },
    new FakeBroker({ autoCreate: false }),
  ));

test('a producer that is closed has sent everything and takes no more', () =>
  scene(async (broker, client) => {
    const producer = client.producer({ lingerMs: 60_000 });
    const sent = producer.send({ topic: 't', messages: numbers(10) });
    await producer.close();
    await sent;
    expect(valuesOf(broker, 't')).toHaveLength(10);
    const late = producer.send({ topic: 't', messages: numbers(1) });
    await expect(late).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  }));

test('headers and nulls arrive as they were given', () =>
  scene(async (broker, client) => {
    await client.producer().send({
      topic: 't',
      records: [{ key: null, value: null, headers: { a: '1', b: ['2', null], c: new Uint8Array([255]) } }],
    });
    const bytes = broker.topics.get('t')?.[0]?.batches[0] ?? new Uint8Array(0);
    const [batch] = [...decoder.batches(bytes)];
    const [record] = batch?.records() ?? [];
    expect(record?.key).toBeNull();
    expect(record?.value).toBeNull();
    const headers = record?.headers.map(({ key, value }) => [
      key,
      value === null ? null : Buffer.from(value).toString('latin1'),
    ]);
    expect(headers).toEqual([
      ['a', '1'],
      ['b', '2'],
      ['b', null],
      ['c', '\u00ff'],
    ]);
  }));

test.each([3, 5, 7, 8, 9, 11, 12, 13])('a broker that speaks Produce up to version %i is understood', (version) =>
  scene(
    async (broker, client) => {
      const [place] = await client.producer().send({ topic: 't', messages: numbers(1) });
      expect(place).toMatchObject({ topic: 't', partition: 0, offset: 0 });
      expect(valuesOf(broker, 't')).toEqual(['0']);
    },
    new FakeBroker({ versionMax: { [PRODUCE]: version } }),
  ),
);
