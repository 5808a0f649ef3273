// Offsets that are committed in a transaction: exactly-once processing as consumers and producers see it.

import { expect, test } from 'vitest';
import { writeTxnMarkers } from '../../../src/protocol/messages/27-write-txn-markers.ts';
import { BrokerFixture, settle } from '../fixture.ts';
import { committedOffset, NEW, nameOf, OLD, TestProducer, type Versions } from './transaction-fixture.ts';

const CONFIG = { 'transaction.state.log.num.partitions': '3', 'offsets.topic.num.partitions': '3' };

async function begin(versions: Versions): Promise<TestProducer> {
  const fixture = await BrokerFixture.start({ config: CONFIG });
  await fixture.createTopic('orders', 2);
  const producer = new TestProducer(fixture, 'shop', versions);
  expect(await producer.init()).toBe('NONE');
  return producer;
}

/** The offset once the transaction is through with it. */
async function settledOffset({ fixture }: TestProducer): Promise<number | string> {
  for (let tries = 0; ; tries++) {
    const offset = await committedOffset(fixture, 'group', true);
    if (typeof offset === 'number' || tries > 200) return offset;
    await settle();
  }
}

for (const versions of [OLD, NEW]) {
  const called = versions === OLD ? 'an older' : 'a newest';

  test(`${called} client's offsets are unstable until its transaction ends, and then hold or are gone`, async () => {
    const producer = await begin(versions);
    const { fixture } = producer;
    let expected = -1;
    for (const [offset, commit] of [
      [5, false],
      [7, true],
      [9, false],
      [11, true],
    ] as const) {
      if (versions === OLD) expect(await producer.addOffsets('group')).toBe('NONE');
      expect(await producer.commitOffset('group', offset)).toBe('NONE');
      expect(await committedOffset(fixture, 'group')).toBe(expected);
      expect(await committedOffset(fixture, 'group', true)).toBe('UNSTABLE_OFFSET_COMMIT');
      expect(await producer.end(commit)).toBe('NONE');
      if (commit) expected = offset;
      expect(await settledOffset(producer)).toBe(expected);
    }
  });
}

test('offsets need the partition of their group in the transaction, in the words the version knows', async () => {
  const producer = await begin(OLD);
  expect(await producer.commitOffset('group', 1, { version: 3 })).toBe('INVALID_TXN_STATE');
  expect(await producer.commitOffset('group', 1, { version: 4 })).toBe('TRANSACTION_ABORTABLE');
  expect(await producer.addOffsets('group')).toBe('NONE');
  expect(await producer.commitOffset('group', 1, { version: 3 })).toBe('NONE');
  await producer.end(true);
  await producer.completed();
  // Late: the transaction is over, and what came now would hang.
  expect(await producer.commitOffset('group', 2, { version: 3 })).toBe('INVALID_TXN_STATE');
  expect(await settledOffset(producer)).toBe(1);
});

test('fenced producers stage nothing, in the words the version knows', async () => {
  const old = await begin(NEW);
  await new TestProducer(old.fixture, 'shop').init();
  expect(await old.commitOffset('group', 1)).toBe('PRODUCER_FENCED');
  expect(await old.commitOffset('group', 1, { version: 2 })).toBe('INVALID_PRODUCER_EPOCH');
  expect(await old.addOffsets('group')).toBe('PRODUCER_FENCED');
});

test('from version 3 on a member is fenced by its generation (KIP-447)', async () => {
  const producer = await begin(NEW);
  expect(await producer.commitOffset('group', 1, { generationId: 3, memberId: 'nobody' })).toBe('ILLEGAL_GENERATION');
  expect(await producer.commitOffset('group', 1)).toBe('NONE');
});

test('an empty group or transactional id is refused, and so is a partition that does not exist', async () => {
  const producer = await begin(NEW);
  expect(await producer.commitOffset('', 1)).toBe('INVALID_GROUP_ID');
  expect(await producer.addOffsets('')).toBe('INVALID_GROUP_ID');
  const nameless = new TestProducer(producer.fixture, '');
  expect(await nameless.commitOffset('group', 1)).toBe('INVALID_REQUEST');
  expect(await nameless.addOffsets('group')).toBe('INVALID_REQUEST');
});

test('staged offsets outlive a restart, and so does the end of their transaction', async () => {
  const producer = await begin(NEW);
  await producer.commitOffset('group', 4);
  const first = await producer.fixture.restart({ clean: false, config: CONFIG });
  await first.broker.services.transactions.describe('shop');
  const moved = producer.movedTo(first);
  expect(await moved.completed()).toBe('Ongoing');
  expect(await committedOffset(first, 'group', true)).toBe('UNSTABLE_OFFSET_COMMIT');
  expect(await moved.end(true)).toBe('NONE');
  expect(await settledOffset(moved)).toBe(4);
  const second = await first.restart({ config: CONFIG });
  expect(await settledOffset(moved.movedTo(second))).toBe(4);
});

test('a marker written by hand under a high epoch costs the producer its commit, and nobody else theirs', async () => {
  const producer = await begin(NEW);
  const { fixture } = producer;
  await producer.commitOffset('group', 4);
  const index = fixture.broker.services.transactionalOffsets.partitionOf('group');
  const { markers } = await fixture.request(writeTxnMarkers, 1, {
    markers: [
      {
        producerId: producer.producerId,
        producerEpoch: 30_000,
        transactionResult: false,
        coordinatorEpoch: 1,
        topics: [{ name: '__consumer_offsets', partitionIndexes: [index] }],
      },
    ],
  });
  expect(nameOf(markers[0]?.topics[0]?.partitions[0]?.errorCode ?? -1)).toBe('NONE');
  expect(await producer.commitOffset('group', 5)).not.toBe('NONE');
  const other = new TestProducer(fixture, 'other');
  await other.init();
  expect(await other.commitOffset('group', 6)).toBe('NONE');
  await other.end(true);
  expect(await settledOffset(other)).toBe(6);
});
