// Produce: what is acknowledged when, and what each refusal says.

import { expect, test } from 'vitest';
import { present } from '../../src/core/assert.ts';
import type { AppendReply, PartitionExecutor, PartitionOutcome } from '../../src/partition/commands.ts';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { produce } from '../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { goldenBatches } from '../compression/golden-batches.ts';
import { fetchAll, fetchRequest, partitionsOf } from './fetching.ts';
import { BrokerFixture, kernels, settle, UNKNOWN_ID, valuesOf } from './fixture.ts';

test('batches get consecutive offsets and come back byte for byte', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  expect(await fixture.produce('orders', fixture.batch('a', 'b'))).toMatchObject({ errorCode: 0, baseOffset: 0 });
  expect(await fixture.produce('orders', fixture.batch('c'), { acks: -1 })).toMatchObject({ baseOffset: 2 });
  expect(await fixture.produce('orders', fixture.batch('d'), { version: 3 })).toMatchObject({ baseOffset: 3 });
  expect(valuesOf(await fetchAll(fixture, 'orders'))).toEqual(['a', 'b', 'c', 'd']);
});

test('topics are named by id from version 13, and an unknown id says so', async () => {
  const fixture = await BrokerFixture.start();
  const topicId = await fixture.createTopic('orders');
  const { responses } = await fixture.request(produce, 13, {
    acks: 1,
    timeoutMs: 1,
    topicData: [topicId, UNKNOWN_ID].map((id) => ({
      topicId: id,
      partitionData: [{ index: 0, records: fixture.batch('a') }],
    })),
  });
  expect(responses.map(({ topicId: id, partitionResponses }) => [id, partitionResponses[0]?.errorCode])).toEqual([
    [topicId, 0],
    [UNKNOWN_ID, ERROR_CODES.UNKNOWN_TOPIC_ID],
  ]);
});

test('acks=all waits for stable storage, acks=1 does not', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  fixture.store.holdFlushes();
  expect(await fixture.produce('orders', fixture.batch('a'), { acks: 1 })).toMatchObject({ errorCode: 0 });
  let answered = false;
  const durable = fixture.produce('orders', fixture.batch('b'), { acks: -1 }).then((response) => {
    answered = true;
    return response;
  });
  await settle();
  expect(answered).toBe(false);
  fixture.store.releaseFlushes();
  expect(await durable).toMatchObject({ errorCode: 0, baseOffset: 1 });
});

test('with millrace.acks.all.flush=false acks=all does not wait for stable storage', async () => {
  const fixture = await BrokerFixture.start({ config: { 'millrace.acks.all.flush': 'false' } });
  await fixture.createTopic('orders');
  fixture.store.holdFlushes();
  expect(await fixture.produce('orders', fixture.batch('a'), { acks: -1 })).toMatchObject({ errorCode: 0 });
});

test('acks=0 has no response, and ends the connection where it fails', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const send = (name: string) =>
    fixture.maybe(produce, 9, {
      acks: 0,
      timeoutMs: 1,
      topicData: [{ name, partitionData: [{ index: 0, records: fixture.batch('a') }] }],
    });
  expect(await send('orders')).toBeUndefined();
  expect(valuesOf(await fetchAll(fixture, 'orders'))).toEqual(['a']);
  await expect(send('nowhere')).rejects.toMatchObject({ code: 'ERR_BROKER' });
});

test('other acks, unknown topics and partitions, and no records are refused one by one', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const batch = fixture.batch('a');
  expect(await fixture.produce('orders', batch, { acks: 2 })).toMatchObject({
    errorCode: ERROR_CODES.INVALID_REQUIRED_ACKS,
  });
  const unknown = ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
  expect(await fixture.produce('nowhere', batch)).toMatchObject({ errorCode: unknown });
  expect(await fixture.produce('orders', batch, { index: 1 })).toMatchObject({ errorCode: unknown });
  expect(await fixture.produce('orders', batch, { index: -1 })).toMatchObject({ errorCode: unknown });
  const invalid = ERROR_CODES.INVALID_RECORD;
  expect(await fixture.produce('orders', null)).toMatchObject({ errorCode: invalid });
  expect(await fixture.produce('orders', new Uint8Array(0))).toMatchObject({ errorCode: invalid });
  expect(await fixture.produce('orders', batch)).toMatchObject({ errorCode: 0, baseOffset: 0 });
});

test('one bad partition does not fail the others of its request', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders', 2);
  const { responses } = await fixture.request(produce, 8, {
    acks: -1,
    timeoutMs: 1,
    topicData: [
      { name: 'orders', partitionData: [0, 1, 2].map((index) => ({ index, records: fixture.batch(`${index}`) })) },
      { name: 'nowhere', partitionData: [{ index: 0, records: fixture.batch('x') }] },
    ],
  });
  const codes = responses.map(({ partitionResponses }) => partitionResponses.map(({ errorCode }) => errorCode));
  expect(codes).toEqual([[0, 0, 3], [3]]);
  expect(fixture.observations.at(-1)).toMatchObject({ api: 'Produce', version: 8, errorCode: 3 });
});

test('two batches in one partition of a request are refused', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const batch = fixture.batch('a');
  const two = new Uint8Array(batch.length * 2);
  two.set(batch);
  two.set(batch, batch.length);
  const response = await fixture.produce('orders', two);
  expect(response).toMatchObject({ errorCode: ERROR_CODES.INVALID_RECORD, baseOffset: -1 });
  expect(response.errorMessage).toContain('one record batch');
});

test('a batch with a wrong checksum, a control batch and one that is too large are refused', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders', 1, { 'max.message.bytes': '200' });
  const broken = fixture.batch('a');
  broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1;
  expect(await fixture.produce('orders', broken)).toMatchObject({ errorCode: ERROR_CODES.CORRUPT_MESSAGE });
  const records = [{ key: null, value: null, headers: [], timestamp: fixture.clock.now() }];
  const control = new RecordBatchEncoder(kernels).encode(records, { isControl: true });
  expect(await fixture.produce('orders', control)).toMatchObject({ errorCode: ERROR_CODES.INVALID_RECORD });
  const large = fixture.batch('x'.repeat(200));
  expect(await fixture.produce('orders', large)).toMatchObject({ errorCode: ERROR_CODES.MESSAGE_TOO_LARGE });
  expect(await fixture.produce('orders', fixture.batch('a'))).toMatchObject({ errorCode: 0 });
});

test('a time too far in the future is INVALID_TIMESTAMP, and LogAppendTime tells the time of the append', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  await fixture.createTopic('stamped', 1, { 'message.timestamp.type': 'LogAppendTime' });
  const records = [{ key: null, value: null, headers: [], timestamp: fixture.clock.now() + 3_600_001 }];
  const future = new RecordBatchEncoder(kernels).encode(records);
  expect(await fixture.produce('orders', future)).toMatchObject({ errorCode: ERROR_CODES.INVALID_TIMESTAMP });
  expect(await fixture.produce('stamped', fixture.batch('a'))).toMatchObject({
    errorCode: 0,
    logAppendTimeMs: fixture.clock.now(),
  });
});

test('min.insync.replicas above what one broker has refuses acks=all and nothing else', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders', 1, { 'min.insync.replicas': '2' });
  const refused = ERROR_CODES.NOT_ENOUGH_REPLICAS;
  expect(await fixture.produce('orders', fixture.batch('a'), { acks: -1 })).toMatchObject({ errorCode: refused });
  expect(await fixture.produce('orders', fixture.batch('a'), { acks: 1 })).toMatchObject({ errorCode: 0 });
});

test('a full disk is KAFKA_STORAGE_ERROR, and what was acknowledged stays readable', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  await fixture.produce('orders', fixture.batch('a'), { acks: -1 });
  fixture.store.fail({ operation: 'write', nth: 1, code: 'ENOSPC', sticky: true });
  const failed = await fixture.produce('orders', fixture.batch('b'), { acks: -1 });
  expect(failed).toMatchObject({ errorCode: ERROR_CODES.KAFKA_STORAGE_ERROR, baseOffset: -1 });
  expect(failed.errorMessage).toBeTruthy();
  expect(valuesOf(await fetchAll(fixture, 'orders'))).toEqual(['a']);
});

/** The code that a producer gets for each word of an owner. */
const CODES: Readonly<Record<PartitionOutcome, number>> = {
  ok: 0,
  'unknown-partition': 56,
  'offset-out-of-range': 1,
  'fenced-leader-epoch': 74,
  'unknown-leader-epoch': 75,
  'corrupt-message': 2,
  'invalid-record': 87,
  'invalid-timestamp': 32,
  'message-too-large': 10,
  'unsupported-compression': 76,
  'out-of-order-sequence': 45,
  'invalid-producer-epoch': 47,
  'invalid-txn-state': 48,
  'transaction-coordinator-fenced': 52,
  'corrupt-log': 56,
  'storage-error': 56,
  'worker-lost': 6,
};

test('every outcome of an owner has its error code', async () => {
  let outcome: PartitionOutcome = 'ok';
  const wrap = (executor: PartitionExecutor): PartitionExecutor => {
    const reply = (): AppendReply => ({ outcome, baseOffset: 0, lastOffset: 0, logAppendTimeMs: -1, state: undefined });
    executor.append = () => Promise.resolve(reply());
    return executor;
  };
  const fixture = await BrokerFixture.start({ wrap });
  for (const [word, code] of Object.entries(CODES)) {
    await fixture.createTopic(word);
    outcome = word as PartitionOutcome;
    expect(await fixture.produce(word, fixture.batch('a')), word).toMatchObject({ errorCode: code });
  }
});

test('zstd is only taken from, and only given to, those who say that they know it', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const golden = goldenBatches().find(({ codec, records }) => codec === 'zstd' && records === 'few');
  const zstd = present(golden?.batch, 'golden batch');
  const refused = { errorCode: ERROR_CODES.UNSUPPORTED_COMPRESSION_TYPE };
  expect(await fixture.produce('orders', zstd, { version: 6 })).toMatchObject(refused);
  expect(await fixture.produce('orders', fixture.batch('a'), { version: 6 })).toMatchObject({ errorCode: 0 });
  expect(await fixture.produce('orders', zstd, { version: 7 })).toMatchObject({ errorCode: 0, baseOffset: 1 });
  const read = async (version: number, fetchOffset: number) => {
    const response = await fixture.request(fetch, version, fetchRequest([{ topic: 'orders', fetchOffset }]));
    return partitionsOf(response)[0];
  };
  expect(await read(9, 0)).toMatchObject({ ...refused, records: new Uint8Array(0) });
  expect(await read(9, 4)).toMatchObject({ errorCode: 0 });
  expect((await read(10, 0))?.records?.length).toBeGreaterThan(zstd.length);
});

test('a topic that asks for a codec keeps its batches under it', async () => {
  const fixture = await BrokerFixture.start({ config: { 'compression.type': 'lz4' } });
  const codecOf = async (topic: string) => ((await fetchAll(fixture, topic))?.[22] ?? 0) & 7;
  await fixture.createTopic('by-broker');
  await fixture.produce('by-broker', fixture.batch('a'));
  expect(await codecOf('by-broker')).toBe(3);
  await fixture.createTopic('by-topic', 1, { 'compression.type': 'gzip', 'compression.gzip.level': '1' });
  await fixture.produce('by-topic', fixture.batch('a'));
  expect(await codecOf('by-topic')).toBe(1);
});
