// What a producer promises: order, memory, batches, and clear ends, with failures on purpose.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Client, ProducerOptions } from '../../src/client/index.ts';
import { PartitionSequence } from '../../src/client/producer-identity.ts';
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

/** As a program without types may give it. */
function untyped<T>(value: unknown): T {
  return JSON.parse(JSON.stringify(value));
}

test.each([
  [{ topic: 't', messages: [{ value: 42 }] }, 'a key or value is text or bytes, not number'],
  [{ topic: 't', messages: [{ value: 'x', key: { id: 1 } }] }, 'a key or value is text or bytes, not object'],
  [{ topic: 't', messages: [{ value: 'x', headers: { a: true } }] }, 'a key or value is text or bytes, not boolean'],
  [{ topic: 't', messages: [{ value: 'x', timestamp: 'noon' }] }, 'milliseconds since 1970, not noon'],
  [{ messages: [{ value: 'x' }] }, 'a topic is named by text, not undefined'],
  [{ topic: '', messages: [{ value: 'x' }] }, 'a topic is named by text'],
])('what is no record is refused by its call alone: %j', (request, words) =>
  scene(async (broker, client) => {
    broker.createTopic('t', 1);
    const producer = client.producer();
    const refused = producer.send(untyped(request));
    await expect(refused).rejects.toMatchObject({ code: 'ERR_USAGE', message: expect.stringContaining(words) });
    await producer.send({ topic: 't', messages: [{ value: 'good' }] });
    const writer = producer.writer('t');
    expect(() => writer.write(untyped(42))).toThrow('text or bytes');
    await writer.write('better');
    expect(await writer.flush()).toMatchObject({ records: 1 });
    expect(valuesOf(broker, 't')).toEqual(['good', 'better']);
  }),
);

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
  options: ProducerOptions = {},
): Promise<{ sent: string[]; stored: string[] }[]> {
  const broker = new FakeBroker();
  broker.createTopic('t', 3);
  broker.inject(PRODUCE, ...faults);
  const client = clientOf(broker);
  const producer = client.producer({ ...QUICK, retries: 20, batchBytes: 120, ...options });
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

test('without idempotence lost connections keep the order of every partition and lose no record', async () => {
  const faults = fc.array(fc.constantFrom<Fault[]>(NOT_LEADER, 0, 'drop', 'apply-then-drop'), { maxLength: 12 });
  const property = fc.asyncProperty(faults, somePartitions, async (injected, partitions) => {
    // A batch may be there again, right behind itself: its first appearances are what was sent.
    for (const { sent, stored } of await throughFaults(injected, partitions, { idempotent: false }))
      expect([...new Set(stored)]).toEqual(sent);
  });
  await fc.assert(property, { numRuns: 40 });
});

test('lost connections neither lose, double nor reorder a record, with one batch in flight and with five', async () => {
  const faults = fc.array(fc.constantFrom<Fault[]>(NOT_LEADER, 0, 'drop', 'apply-then-drop'), { maxLength: 12 });
  const inFlight = fc.constantFrom(undefined, 1, 5);
  const property = fc.asyncProperty(faults, somePartitions, inFlight, async (injected, partitions, maxInFlight) => {
    const options = maxInFlight === undefined ? {} : { maxInFlight };
    for (const { sent, stored } of await throughFaults(injected, partitions, options)) expect(stored).toEqual(sent);
  });
  await fc.assert(property, { numRuns: 60 });
});

test('batches that are refused or given up leave the others where they belong, and none is there twice', async () => {
  const kinds: Fault[] = [NOT_LEADER, 0, 0, 'drop', 'apply-then-drop', 'apply-then-drop', MESSAGE_TOO_LARGE];
  const faults = fc.array(fc.constantFrom(...kinds), { maxLength: 40 });
  const property = fc.asyncProperty(faults, fc.integer({ min: 1, max: 3 }), async (injected, retries) => {
    const broker = new FakeBroker();
    broker.createTopic('t');
    const client = clientOf(broker);
    const producer = client.producer({ ...QUICK, retries, batchBytes: 120 });
    const acknowledged: string[] = [];
    await producer.send({ topic: 't', messages: [{ value: 'first' }] });
    broker.inject(PRODUCE, ...injected);
    const sends = numbers(100).map((record) =>
      producer.send({ topic: 't', messages: [record] }).then(
        ([place]) => acknowledged.push(`${place?.offset} ${record.value}`),
        () => undefined,
      ),
    );
    await Promise.all(sends);
    client.close();
    const stored = valuesOf(broker, 't');
    const places = new Set(stored.map((value, offset) => `${offset} ${value}`));
    expect(acknowledged.filter((place) => !places.has(place))).toEqual([]);
    expect(stored.slice(1)).toEqual([...new Set(stored.slice(1))].sort((left, right) => Number(left) - Number(right)));
  });
  await fc.assert(property, { numRuns: 60 });
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
  expect(await underWay({ idempotent: false })).toBe(1);
  expect(await underWay({ acks: 1 })).toBe(1);
  expect(await underWay({ maxInFlight: 4 })).toBe(4);
  expect(await underWay({ maxInFlight: 1 })).toBe(1);
  expect(await underWay({})).toBe(5);
});

test('a batch that is not full waits while others of its partition are on the way', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    let open = (): void => undefined;
    const producer = client.producer();
    await producer.send({ topic: 't', messages: numbers(1) });
    broker.gate = new Promise((resolve) => {
      open = resolve;
    });
    const sends: Promise<unknown>[] = [];
    for (const record of numbers(20, 1)) {
      sends.push(producer.send({ topic: 't', messages: [record] }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    open();
    await Promise.all(sends);
    expect(broker.produceRequests).toHaveLength(3);
    expect(valuesOf(broker, 't')).toEqual(numbers(21).map(({ value }) => value));
  }));

test('an acknowledgement that was lost does not double a batch: its first place is told', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    const producer = client.producer(QUICK);
    await producer.send({ topic: 't', messages: numbers(3) });
    broker.inject(PRODUCE, 'apply-then-drop', 'apply-then-drop');
    const places = await producer.send({ topic: 't', messages: numbers(2, 3) });
    expect(places.map(({ offset }) => offset)).toEqual([3, 4]);
    expect(valuesOf(broker, 't')).toEqual(numbers(5).map(({ value }) => value));
    expect(broker.produceRequests).toHaveLength(4);
  }));

test('without idempotence it doubles the batch when it is retried, and is told when it is not', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    broker.inject(PRODUCE, 'apply-then-drop');
    await client.producer({ ...QUICK, idempotent: false }).send({ topic: 't', messages: numbers(1) });
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

/** Producer ids, epochs and first sequence numbers of the batches in the log. */
function stampsOf(broker: FakeBroker, partition = 0): [producerId: number, epoch: number, sequence: number][] {
  const batches = broker.topics.get('t')?.[partition]?.batches ?? [];
  return batches.flatMap((bytes) =>
    [...decoder.batches(bytes)].map(({ producerId, producerEpoch, baseSequence }): [number, number, number] => [
      producerId,
      producerEpoch,
      baseSequence,
    ]),
  );
}

test('a broker that has forgotten the producer gets the batches under a new epoch, and only that partition', () =>
  scene(async (broker, client) => {
    broker.createTopic('t', 2);
    const producer = client.producer({ ...QUICK, batchBytes: 120 });
    const both = (from: number) =>
      Promise.all([0, 1].map((partition) => producer.send({ topic: 't', partition, messages: numbers(2, from) })));
    await both(0);
    broker.topics.get('t')?.[0]?.producers.clear();
    await both(2);
    await both(4);
    expect(stampsOf(broker, 0)).toEqual([
      [1000, 0, 0],
      [1000, 1, 0],
      [1000, 1, 2],
    ]);
    expect(stampsOf(broker, 1)).toEqual([
      [1000, 0, 0],
      [1000, 0, 2],
      [1000, 0, 4],
    ]);
  }));

test('a batch that is out of order behind one of unknown fate waits for it, under the old numbers', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    const producer = client.producer({ ...QUICK, batchBytes: 200, maxInFlight: 3 });
    await producer.send({ topic: 't', messages: [{ value: 'first' }] });
    // The first of three is written and not acknowledged; sent again, it and the second are refused for another reason.
    broker.inject(PRODUCE, 'apply-then-drop', 'drop', 'drop', NOT_LEADER, NOT_LEADER);
    const values = ['a', 'b', 'c'].map((letter) => letter.repeat(150));
    const places = await producer.send({ topic: 't', messages: values.map((value) => ({ value })) });
    expect(valuesOf(broker, 't')).toEqual(['first', ...values]);
    expect(places.map(({ offset }) => offset)).toEqual([1, 2, 3]);
    expect(stampsOf(broker).map(([, epoch, sequence]) => [epoch, sequence])).toEqual([
      [0, 0],
      [0, 1],
      [0, 2],
      [0, 3],
    ]);
  }));

test('many batches in flight are all stamped anew, in their order', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    for (const compression of [undefined, 'gzip'] as const) {
      const producer = client.producer({ ...QUICK, batchBytes: 200, compression });
      await producer.send({ topic: 't', messages: numbers(1) });
      broker.forgetProducers();
      await producer.send({ topic: 't', messages: numbers(99, 1) });
      expect(stampsOf(broker).some(([, epoch]) => epoch === 1)).toBe(true);
    }
    const places = stampsOf(broker).map(([producerId, epoch, sequence]) => (producerId * 10 + epoch) * 1000 + sequence);
    expect(places).toEqual([...places].sort((left, right) => left - right));
    expect(new Set(places).size).toBe(places.length);
  }));

test('after the last epoch comes another producer id', () =>
  scene(
    async (broker, client) => {
      broker.createTopic('t', 2);
      const producer = client.producer(QUICK);
      for (const round of [0, 1, 2]) {
        for (const partition of [0, 1]) await producer.send({ topic: 't', partition, messages: numbers(1, round) });
        broker.forgetProducers();
      }
      for (const partition of [0, 1]) {
        expect(stampsOf(broker, partition)).toEqual([
          [1000, 32_767, 0],
          [1001, 32_767, 0],
          [1002, 32_767, 0],
        ]);
      }
    },
    new FakeBroker({ producerEpoch: 32_767 }),
  ));

test('an older broker’s "duplicate" is an acknowledgement without a place', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    broker.inject(PRODUCE, 46);
    const places = await client.producer().send({ topic: 't', messages: numbers(1) });
    expect(places.map(({ offset }) => offset)).toEqual([-1]);
  }));

test('a broker that cannot or may not do idempotence is written to without it, unless it was asked for', async () => {
  const INIT_PRODUCER_ID = 22;
  const CLUSTER_AUTHORIZATION_FAILED = 31;
  for (const broker of [new FakeBroker({ idempotence: false }), new FakeBroker()]) {
    await scene(async (_broker, client) => {
      broker.createTopic('t');
      broker.inject(INIT_PRODUCER_ID, CLUSTER_AUTHORIZATION_FAILED);
      await client.producer({ batchBytes: 200 }).send({ topic: 't', messages: numbers(100) });
      expect(stampsOf(broker).every(([producerId]) => producerId === -1)).toBe(true);
      expect(broker.producesUnderWayMax).toBe(1);
      broker.inject(INIT_PRODUCER_ID, CLUSTER_AUTHORIZATION_FAILED);
      const asked = client.producer({ idempotent: true }).send({ topic: 't', messages: numbers(1) });
      await expect(asked).rejects.toMatchObject({ code: expect.stringMatching('ERR_UNSUPPORTED|ERR_BROKER') });
    }, broker);
  }
});

test('what contradicts idempotence turns the default off, and is refused where it was asked for', () =>
  scene(async (broker, client) => {
    const contradictions: ProducerOptions[] = [{ acks: 1 }, { acks: 0 }, { retries: 0 }, { maxInFlight: 6 }];
    for (const options of [...contradictions, { idempotent: false }]) {
      broker.createTopic('t');
      await client.producer(options).send({ topic: 't', messages: numbers(1) });
      expect(stampsOf(broker)).toEqual([[-1, -1, -1]]);
    }
    for (const options of contradictions) {
      expect(() => client.producer({ ...options, idempotent: true })).toThrow(
        expect.objectContaining({ code: 'ERR_USAGE' }),
      );
    }
    broker.createTopic('t');
    await client.producer({ idempotent: true }).send({ topic: 't', messages: numbers(1) });
    expect(stampsOf(broker)).toEqual([[1000, 0, 0]]);
  }));

test('sequence numbers go on at 0 after the last', () => {
  const sequence = new PartitionSequence({ producerId: 1, producerEpoch: 0 });
  const taken = [2 ** 31 - 3, 2, 1, 4].map((count) => sequence.take(count).baseSequence);
  expect(taken).toEqual([0, 2 ** 31 - 3, 2 ** 31 - 1, 0]);
});

test('a record that comes just as the last one that waited was taken is taken too', () =>
  scene(async (broker, client) => {
    broker.createTopic('t');
    const writer = client.producer({ bufferBytes: 300 }).writer('t');
    const value = new Uint8Array(200);
    // Both wait until the topic is known; the second one fills the memory.
    const [, second] = [writer.write(value), writer.write(value)];
    await second;
    await writer.write(value);
    expect(await writer.flush()).toEqual({ records: 3, bytes: 600 });
  }));

test('a checkpoint is reached when the records before it are acknowledged, and fails with one of them', () =>
  scene(async (broker, client) => {
    broker.createTopic('t', 2);
    const producer = client.producer({ retries: 0, acks: 1 });
    const [first, second] = [producer.writer('t', { partition: 0 }), producer.writer('t', { partition: 1 })];
    await first.checkpoint();
    await first.write('a');
    await first.checkpoint();
    expect(first.summary.records).toBe(1);
    let open = (): void => undefined;
    broker.gate = new Promise((resolve) => {
      open = resolve;
    });
    await second.write('b');
    const reached: string[] = [];
    const held = second.checkpoint().then(() => reached.push('held'));
    // Nothing was written since: there is nothing to wait for.
    await second.checkpoint();
    expect(reached).toEqual([]);
    open();
    await held;
    expect(second.summary).toEqual({ records: 1, bytes: 1 });
    broker.inject(0, MESSAGE_TOO_LARGE);
    await first.write('c');
    await expect(first.checkpoint()).rejects.toMatchObject({ error: 'MESSAGE_TOO_LARGE' });
  }));
