// Transactions of one broker, in frames: what producers are answered, what readers see, and what the log holds.

import { expect, test } from 'vitest';
import { METADATA_FILE } from '../../../src/cluster/metadata-file.ts';
import { produce } from '../../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../../src/protocol/messages/01-fetch.ts';
import { listOffsets } from '../../../src/protocol/messages/02-list-offsets.ts';
import { apiVersions } from '../../../src/protocol/messages/18-api-versions.ts';
import { deleteTopics } from '../../../src/protocol/messages/20-delete-topics.ts';
import { deleteRecords } from '../../../src/protocol/messages/21-delete-records.ts';
import { initProducerId } from '../../../src/protocol/messages/22-init-producer-id.ts';
import { addPartitionsToTxn } from '../../../src/protocol/messages/24-add-partitions-to-txn.ts';
import { endTxn } from '../../../src/protocol/messages/26-end-txn.ts';
import { writeTxnMarkers } from '../../../src/protocol/messages/27-write-txn-markers.ts';
import { createPartitions } from '../../../src/protocol/messages/37-create-partitions.ts';
import { describeProducers } from '../../../src/protocol/messages/61-describe-producers.ts';
import { describeTransactions } from '../../../src/protocol/messages/65-describe-transactions.ts';
import { listTransactions } from '../../../src/protocol/messages/66-list-transactions.ts';
import { RecordBatchEncoder } from '../../../src/wasm/record-batch-encoder.ts';
import { BrokerFixture, kernels, settle } from '../fixture.ts';
import {
  committedOffset,
  committedValues,
  fetchPartition,
  insist,
  NEW,
  nameOf,
  OLD,
  TestProducer,
  visibleValues,
} from './transaction-fixture.ts';

/** A small log of transactions, so that tests start quickly. */
const CONFIG = { 'transaction.state.log.num.partitions': '3' };

async function start(config: Readonly<Record<string, string>> = {}): Promise<BrokerFixture> {
  const fixture = await BrokerFixture.start({ config: { ...CONFIG, ...config } });
  await fixture.createTopic('orders', 2);
  return fixture;
}

async function begin(fixture: BrokerFixture, id = 'shop', versions: typeof OLD | typeof NEW = NEW) {
  const producer = new TestProducer(fixture, id, versions);
  expect(await producer.init()).toBe('NONE');
  return producer;
}

/** Lets time pass, and what it brings about happen, bit by bit. */
async function pass(fixture: BrokerFixture, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10) {
    await settle();
    fixture.clock.advance(10);
  }
  await settle();
}

test('ApiVersions tells transaction version 2 as a finalized feature, and to no client one it takes for malformed', async () => {
  const fixture = await start();
  const request = { clientSoftwareName: 'x', clientSoftwareVersion: '1' };
  const latest = await fixture.request(apiVersions, 4, request);
  const feature = { name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 };
  expect(latest.finalizedFeatures).toContainEqual(feature);
  expect(latest.finalizedFeaturesEpoch).toBeGreaterThanOrEqual(0);
  expect(latest.supportedFeatures).toContainEqual({ name: 'transaction.version', minVersion: 0, maxVersion: 2 });
  const older = await fixture.request(apiVersions, 3, request);
  expect(older.finalizedFeatures).toContainEqual(feature);
  expect(older.supportedFeatures.every(({ minVersion }) => minVersion > 0)).toBe(true);
});

test('producers without a transactional id get ids of their own, which no restart gives again', async () => {
  let fixture = await start();
  const ids = new Set<number>();
  const init = async (): Promise<void> => {
    const answer = await fixture.request(initProducerId, 5, { transactionalId: null, transactionTimeoutMs: 0 });
    expect(answer).toMatchObject({ errorCode: 0, producerEpoch: 0 });
    expect(ids.has(answer.producerId)).toBe(false);
    ids.add(answer.producerId);
  };
  for (let round = 0; round < 3; round++) {
    await Promise.all(Array.from({ length: 20 }, init));
    fixture = await fixture.restart({ clean: round === 0, config: CONFIG });
  }
  expect(ids.size).toBe(60);
  expect(fixture.metadata.topic('__transaction_state')).toBeUndefined();
});

test('the log of transactions keeps the partitions that it was made with, eight where nothing says how many', async () => {
  const count = (of: BrokerFixture): number | undefined => of.metadata.topic('__transaction_state')?.partitions.length;
  const fresh = await BrokerFixture.start();
  await begin(fresh);
  expect(count(fresh)).toBe(8);

  const fixture = await start({ 'transaction.state.log.num.partitions': '50' });
  const ids = Array.from({ length: 12 }, (_, index) => `shop ${index}`);
  const producers: TestProducer[] = [];
  for (const id of ids) producers.push(await begin(fixture, id));
  const again = await fixture.restart();
  for (let turn = 0; turn < 10; turn++) await settle();
  for (const producer of producers.map((each) => each.movedTo(again))) {
    const { producerId, producerEpoch } = producer;
    expect(await producer.init()).toBe('NONE');
    expect(producer).toMatchObject({ producerId, producerEpoch: producerEpoch + 1 });
  }
  expect(count(again)).toBe(50);
});

test('InitProducerId refuses half an identity, an empty id and timeouts out of bounds', async () => {
  const fixture = await start({ 'transaction.max.timeout.ms': '1000' });
  const init = async (rest: object): Promise<string> => {
    const request = { transactionalId: 'shop', transactionTimeoutMs: 1000, ...rest };
    return nameOf((await fixture.request(initProducerId, 5, request)).errorCode);
  };
  expect(await init({ producerId: 5 })).toBe('INVALID_REQUEST');
  expect(await init({ producerEpoch: 5 })).toBe('INVALID_REQUEST');
  expect(await init({ transactionalId: '' })).toBe('INVALID_REQUEST');
  expect(await init({ transactionTimeoutMs: 1001 })).toBe('INVALID_TRANSACTION_TIMEOUT');
  expect(await init({ transactionTimeoutMs: 0 })).toBe('INVALID_TRANSACTION_TIMEOUT');
  expect(await init({})).toBe('NONE');
});

for (const versions of [OLD, NEW]) {
  const called = versions === OLD ? 'an older' : 'a newest';

  test(`${called} client commits across partitions: readers see all of it, and none before`, async () => {
    const fixture = await start();
    const producer = await begin(fixture, 'shop', versions);
    if (versions === OLD) expect(await producer.add('orders', 0, 1)).toBe('NONE');
    expect(await producer.send('orders', 0, 'a', 'b')).toBe('NONE');
    expect(await producer.send('orders', 1, 'c')).toBe('NONE');
    expect(await committedValues(fixture, 'orders', 0)).toEqual([]);
    expect(await producer.end(true)).toBe('NONE');
    expect(await producer.completed()).toBe('CompleteCommit');
    expect(await committedValues(fixture, 'orders', 0)).toEqual(['a', 'b']);
    expect(await committedValues(fixture, 'orders', 1)).toEqual(['c']);
  });

  test(`${called} client aborts: read_committed sees nothing, read_uncommitted everything and no list`, async () => {
    const fixture = await start();
    const producer = await begin(fixture, 'shop', versions);
    if (versions === OLD) await producer.add('orders', 0);
    await producer.send('orders', 0, 'a');
    expect(await producer.end(false)).toBe('NONE');
    expect(await producer.completed()).toBe('CompleteAbort');
    const committed = await fetchPartition(fixture, 'orders');
    expect(committed.abortedTransactions).toEqual([{ producerId: producer.producerId, firstOffset: 0 }]);
    expect(visibleValues(committed)).toEqual([]);
    const uncommitted = await fetchPartition(fixture, 'orders', { isolationLevel: 0 });
    expect(uncommitted.abortedTransactions).toBeNull();
    expect(visibleValues(uncommitted)).toEqual(['a']);
  });

  test(`${called} client's transactions follow each other, also at once`, async () => {
    const fixture = await start();
    const producer = await begin(fixture, 'shop', versions);
    const expected: string[] = [];
    for (let round = 0; round < 20; round++) {
      if (versions === OLD) expect(await producer.add('orders', 0)).toBe('NONE');
      expect(await producer.send('orders', 0, `v${round}`)).toBe('NONE');
      const commit = round % 3 !== 0;
      if (commit) expected.push(`v${round}`);
      expect(await producer.end(commit)).toBe('NONE');
    }
    await producer.completed();
    expect(await committedValues(fixture, 'orders')).toEqual(expected);
  });
}

test('a produce request needs its partitions in the transaction, in the words its version knows', async () => {
  const fixture = await start();
  const producer = await begin(fixture, 'shop', OLD);
  expect(await producer.add('orders', 0)).toBe('NONE');
  const send = async (version: number, index: number): Promise<string> => {
    const records = producer.batch('orders', index, 'x');
    const { responses } = await fixture.request(produce, version, {
      transactionalId: 'shop',
      acks: -1,
      timeoutMs: 1,
      topicData: [{ name: 'orders', partitionData: [{ index, records }] }],
    });
    return nameOf(responses[0]?.partitionResponses[0]?.errorCode ?? -1);
  };
  expect(await send(10, 1)).toBe('INVALID_TXN_STATE');
  expect(await send(11, 1)).toBe('TRANSACTION_ABORTABLE');
  expect(await send(11, 0)).toBe('NONE');
  // Nothing of it is in the log of the other partition: no transaction hangs there.
  expect((await fetchPartition(fixture, 'orders', { index: 1 })).highWatermark).toBe(0);
});

test('with verification off a partition takes records of a transaction that it is not part of', async () => {
  const fixture = await start({ 'transaction.partition.verification.enable': 'false' });
  const producer = await begin(fixture, 'shop', OLD);
  expect(await producer.send('orders', 0, 'a')).toBe('NONE');
});

test('records of a transaction without its id, of another producer or a fenced one are refused', async () => {
  const fixture = await start();
  const old = await begin(fixture);
  const records = old.batch('orders', 0, 'a');
  const { errorCode } = await fixture.produce('orders', records, { acks: -1 });
  expect(nameOf(errorCode)).toBe('TRANSACTIONAL_ID_AUTHORIZATION_FAILED');
  const other = await begin(fixture, 'other');
  const { responses } = await fixture.request(produce, 12, {
    transactionalId: 'shop',
    acks: -1,
    timeoutMs: 1,
    topicData: [
      {
        name: 'orders',
        partitionData: [
          { index: 0, records },
          { index: 1, records: other.batch('orders', 1, 'b') },
        ],
      },
    ],
  });
  const codes = responses[0]?.partitionResponses.map(({ errorCode: code }) => nameOf(code));
  expect(codes).toEqual(['NONE', 'INVALID_PRODUCER_ID_MAPPING']);
  await begin(fixture);
  expect(await old.send('orders', 0, 'c')).toBe('INVALID_PRODUCER_EPOCH');
  expect(await old.end(true)).toBe('PRODUCER_FENCED');
});

test('requests of one producer reach their partition as they came, also while partitions join', async () => {
  const fixture = await start();
  const producer = await begin(fixture);
  fixture.store.holdFlushes();
  const sent = ['a', 'b', 'c', 'd'].map((value) => producer.send('orders', 0, value));
  await settle();
  fixture.store.releaseFlushes();
  expect(await Promise.all(sent)).toEqual(['NONE', 'NONE', 'NONE', 'NONE']);
  const { records } = await fetchPartition(fixture, 'orders', { isolationLevel: 0 });
  expect(records?.length).toBeGreaterThan(0);
  await producer.end(true);
  await producer.completed();
  expect(await committedValues(fixture, 'orders')).toEqual(['a', 'b', 'c', 'd']);
});

test('nothing is answered, and no record goes to its partition, before the log holds it', async () => {
  const fixture = await start();
  const producer = await begin(fixture);
  fixture.store.holdFlushes();
  let answered = false;
  const sent = producer.send('orders', 0, 'a').then((error) => {
    answered = true;
    return error;
  });
  await settle();
  expect(answered).toBe(false);
  expect((await fetchPartition(fixture, 'orders', { isolationLevel: 0 })).highWatermark).toBe(0);
  fixture.store.releaseFlushes();
  expect(await sent).toBe('NONE');
});

test('while markers cannot be written, what comes is CONCURRENT_TRANSACTIONS; afterwards all goes on', async () => {
  const fixture = await start({ 'add.partitions.to.txn.retry.backoff.max.ms': '0' });
  const producer = await begin(fixture, 'shop', OLD);
  await producer.add('orders', 0);
  await producer.send('orders', 0, 'a');
  const { writeMarker } = fixture.executor;
  fixture.executor.writeMarker = () =>
    Promise.resolve({ outcome: 'worker-lost', baseOffset: -1, lastOffset: -1, logAppendTimeMs: -1, state: undefined });
  expect(await producer.end(true)).toBe('NONE');
  expect(await producer.end(true)).toBe('CONCURRENT_TRANSACTIONS');
  expect(await producer.end(false)).toBe('INVALID_TXN_STATE');
  expect(await producer.add('orders', 1)).toBe('CONCURRENT_TRANSACTIONS');
  const request = { transactionalId: 'shop', transactionTimeoutMs: 1000 };
  expect(nameOf((await fixture.request(initProducerId, 4, request)).errorCode)).toBe('CONCURRENT_TRANSACTIONS');
  fixture.executor.writeMarker = writeMarker;
  fixture.clock.advance(10_000);
  expect(await producer.completed()).toBe('CompleteCommit');
  expect(await committedValues(fixture, 'orders')).toEqual(['a']);
  expect(await producer.add('orders', 1)).toBe('NONE');
});

test('a partition that joins waits for the transaction before, and no longer than it is told', async () => {
  const fixture = await start();
  const producer = await begin(fixture);
  await producer.send('orders', 0, 'a');
  const { writeMarker } = fixture.executor;
  fixture.executor.writeMarker = () =>
    Promise.resolve({ outcome: 'worker-lost', baseOffset: -1, lastOffset: -1, logAppendTimeMs: -1, state: undefined });
  expect(await producer.end(true)).toBe('NONE');
  const late = producer.send('orders', 1, 'b');
  await pass(fixture, 110);
  // The word that makes every producer send the batch again.
  expect(await late).toBe('NOT_ENOUGH_REPLICAS');
  fixture.executor.writeMarker = writeMarker;
  const waiting = new TestProducer(fixture, 'shop').movedTo(fixture);
  waiting.producerId = producer.producerId;
  waiting.producerEpoch = producer.producerEpoch;
  const sent = waiting.send('orders', 1, 'c');
  await pass(fixture, 90);
  expect(await sent).toBe('NONE');
});

test('a transaction that takes too long is aborted and its producer fenced', async () => {
  const fixture = await start({ 'transaction.abort.timed.out.transaction.cleanup.interval.ms': '50' });
  for (const versions of [OLD, NEW]) {
    const producer = new TestProducer(fixture, `shop-${versions.produce}`, versions);
    expect(await producer.init(1000)).toBe('NONE');
    if (versions === OLD) await producer.add('orders', 0);
    await producer.send('orders', 0, 'late');
    fixture.clock.advance(900);
    expect((await producer.state()).state).toBe('Ongoing');
    fixture.clock.advance(200);
    expect(await producer.completed()).toBe('CompleteAbort');
    expect(await producer.send('orders', 0, 'later')).toBe('INVALID_PRODUCER_EPOCH');
    expect(await producer.end(true)).toBe(versions === OLD ? 'PRODUCER_FENCED' : 'INVALID_TXN_STATE');
    expect(await producer.init(1000)).toBe('NONE');
  }
  expect(await committedValues(fixture, 'orders')).toEqual([]);
});

test('ids that nothing is heard of are forgotten, open transactions are not', async () => {
  const fixture = await start({
    'transactional.id.expiration.ms': '1000',
    'transaction.remove.expired.transaction.cleanup.interval.ms': '100',
  });
  const idle = await begin(fixture, 'idle');
  const busy = new TestProducer(fixture, 'busy');
  await busy.init(900_000);
  await busy.send('orders', 0, 'a');
  fixture.clock.advance(1200);
  await settle();
  expect((await idle.state()).error).toBe('TRANSACTIONAL_ID_NOT_FOUND');
  expect((await busy.state()).state).toBe('Ongoing');
  const again = await fixture.restart({ config: CONFIG });
  expect((await idle.movedTo(again).state()).error).toMatch(/TRANSACTIONAL_ID_NOT_FOUND|COORDINATOR_LOAD_IN_PROGRESS/);
});

test('AddPartitionsToTxn adds all or none, and verifies without adding', async () => {
  const fixture = await start();
  const producer = await begin(fixture, 'shop', OLD);
  const { resultsByTopicV3AndBelow } = await fixture.request(addPartitionsToTxn, 3, {
    v3AndBelowTransactionalId: 'shop',
    v3AndBelowProducerId: producer.producerId,
    v3AndBelowProducerEpoch: producer.producerEpoch,
    v3AndBelowTopics: [
      { name: 'orders', partitions: [0, 7] },
      { name: 'nowhere', partitions: [0] },
    ],
  });
  const codes = resultsByTopicV3AndBelow.map(({ resultsByPartition }) =>
    resultsByPartition.map(({ partitionErrorCode }) => nameOf(partitionErrorCode)),
  );
  expect(codes).toEqual([['OPERATION_NOT_ATTEMPTED', 'UNKNOWN_TOPIC_OR_PARTITION'], ['UNKNOWN_TOPIC_OR_PARTITION']]);
  expect((await producer.state()).state).toBe('Empty');
  const verify = async (version: number, verifyOnly: boolean) => {
    const { resultsByTransaction } = await fixture.request(addPartitionsToTxn, version, {
      transactions: [
        {
          transactionalId: 'shop',
          producerId: producer.producerId,
          producerEpoch: producer.producerEpoch,
          verifyOnly,
          topics: [{ name: 'orders', partitions: [1] }],
        },
      ],
    });
    return nameOf(resultsByTransaction[0]?.topicResults[0]?.resultsByPartition[0]?.partitionErrorCode ?? -1);
  };
  expect(await verify(4, true)).toBe('INVALID_TXN_STATE');
  expect(await verify(5, true)).toBe('TRANSACTION_ABORTABLE');
  expect(await verify(5, false)).toBe('NONE');
  expect(await verify(5, true)).toBe('NONE');
});

test('older versions know a fenced producer as INVALID_PRODUCER_EPOCH', async () => {
  const fixture = await start();
  const producer = await begin(fixture);
  const { producerId, producerEpoch } = producer;
  await begin(fixture);
  const ended = async (version: number): Promise<string> => {
    const request = { transactionalId: 'shop', producerId, producerEpoch, committed: true };
    return nameOf((await fixture.request(endTxn, version, request)).errorCode);
  };
  expect(await ended(1)).toBe('INVALID_PRODUCER_EPOCH');
  expect(await ended(2)).toBe('PRODUCER_FENCED');
  const request = { transactionalId: 'shop', transactionTimeoutMs: 1000, producerId, producerEpoch };
  expect(nameOf((await fixture.request(initProducerId, 3, request)).errorCode)).toBe('INVALID_PRODUCER_EPOCH');
  expect(nameOf((await fixture.request(initProducerId, 4, request)).errorCode)).toBe('PRODUCER_FENCED');
});

test('a read_committed fetch waits for stable bytes alone, and a commit or an abort wakes it', async () => {
  const fixture = await start();
  for (const commit of [true, false]) {
    const producer = await begin(fixture, `shop-${commit}`);
    const { highWatermark } = await fetchPartition(fixture, 'orders', { isolationLevel: 0 });
    let woken = false;
    const waiting = fetchPartition(fixture, 'orders', { offset: highWatermark, minBytes: 1, maxWaitMs: 60_000 });
    waiting.then(() => {
      woken = true;
    });
    await producer.send('orders', 0, 'a');
    await settle();
    expect(woken).toBe(false);
    await producer.end(commit);
    const response = await waiting;
    expect(response.records?.length).toBeGreaterThan(0);
    expect(visibleValues(response)).toEqual(commit ? ['a'] : []);
  }
});

test('a read_committed fetch that wants more bytes than became stable goes on waiting', async () => {
  const fixture = await start();
  const producer = await begin(fixture);
  let woken = false;
  const waiting = fetchPartition(fixture, 'orders', { minBytes: 100_000, maxWaitMs: 500 });
  waiting.then(() => {
    woken = true;
  });
  await producer.send('orders', 0, 'a');
  await producer.end(true);
  await producer.completed();
  await settle();
  expect(woken).toBe(false);
  fixture.clock.advance(500);
  expect(visibleValues(await waiting)).toEqual(['a']);
});

test('ListOffsets tells the end by isolation', async () => {
  const fixture = await start();
  const producer = await begin(fixture);
  await fixture.produce('orders', fixture.batch('plain'), { acks: -1 });
  await producer.send('orders', 0, 'a');
  await fixture.produce('orders', fixture.batch('behind'), { acks: -1 });
  const end = async (isolationLevel: number): Promise<number> => {
    const { topics } = await fixture.request(listOffsets, 7, {
      replicaId: -1,
      isolationLevel,
      topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    });
    return topics[0]?.partitions[0]?.offset ?? -2;
  };
  expect(await end(0)).toBe(3);
  expect(await end(1)).toBe(1);
  expect((await fetchPartition(fixture, 'orders')).lastStableOffset).toBe(1);
  await producer.end(true);
  await producer.completed();
  expect(await end(1)).toBe(4);
});

test('DescribeProducers finds a transaction that hangs, and WriteTxnMarkers ends it', async () => {
  const fixture = await start({ 'transaction.partition.verification.enable': 'false' });
  const producer = await begin(fixture, 'shop', OLD);
  // Its partition never joined: the coordinator knows nothing of what hangs.
  await producer.send('orders', 0, 'a');
  const describe = async () => {
    const { topics } = await fixture.request(describeProducers, 0, {
      topics: [{ name: 'orders', partitionIndexes: [0, 9] }],
    });
    return topics[0]?.partitions;
  };
  const found = await describe();
  expect(found?.[0]?.activeProducers).toMatchObject([
    { producerId: producer.producerId, producerEpoch: 0, lastSequence: 0, currentTxnStartOffset: 0 },
  ]);
  expect(nameOf(found?.[1]?.errorCode ?? 0)).toBe('UNKNOWN_TOPIC_OR_PARTITION');
  const { markers } = await fixture.request(writeTxnMarkers, 1, {
    markers: [
      {
        producerId: producer.producerId,
        producerEpoch: producer.producerEpoch,
        transactionResult: false,
        coordinatorEpoch: found?.[0]?.activeProducers[0]?.coordinatorEpoch ?? 0,
        topics: [{ name: 'orders', partitionIndexes: [0, 9] }],
      },
    ],
  });
  expect(markers[0]?.topics[0]?.partitions.map(({ errorCode }) => nameOf(errorCode))).toEqual([
    'NONE',
    'UNKNOWN_TOPIC_OR_PARTITION',
  ]);
  expect((await describe())?.[0]?.activeProducers[0]?.currentTxnStartOffset).toBe(-1);
  expect((await fetchPartition(fixture, 'orders')).lastStableOffset).toBe(2);
});

test('a marker written by hand with a huge coordinator epoch does not block the coordinator', async () => {
  const fixture = await start();
  const producer = await begin(fixture);
  await producer.send('orders', 0, 'a');
  await fixture.request(writeTxnMarkers, 1, {
    markers: [
      {
        producerId: producer.producerId,
        producerEpoch: producer.producerEpoch,
        transactionResult: false,
        coordinatorEpoch: 2_000_000_000,
        topics: [{ name: 'orders', partitionIndexes: [0] }],
      },
    ],
  });
  expect(await producer.end(true)).toBe('NONE');
  await settle();
  fixture.clock.advance(10_000);
  expect(await producer.completed()).toBe('CompleteCommit');
});

test('DescribeTransactions and ListTransactions show what is there, by state, producer and duration', async () => {
  const fixture = await start();
  const open = await begin(fixture, 'open');
  const idle = await begin(fixture, 'idle');
  await open.send('orders', 1, 'a');
  const startedMs = fixture.clock.now();
  fixture.clock.advance(5000);
  const { transactionStates } = await fixture.request(describeTransactions, 0, {
    transactionalIds: ['open', 'nobody', ''],
  });
  expect(transactionStates[0]).toEqual({
    errorCode: 0,
    transactionalId: 'open',
    transactionState: 'Ongoing',
    transactionTimeoutMs: 60_000,
    transactionStartTimeMs: startedMs,
    producerId: open.producerId,
    producerEpoch: 0,
    topics: [{ topic: 'orders', partitions: [1] }],
  });
  expect(transactionStates.slice(1).map(({ errorCode }) => nameOf(errorCode))).toEqual([
    'TRANSACTIONAL_ID_NOT_FOUND',
    'INVALID_REQUEST',
  ]);
  const list = async (filters: object) => {
    const version = 'transactionalIdPattern' in filters ? 2 : 1;
    const answer = await fixture.request(listTransactions, version, {
      stateFilters: [],
      producerIdFilters: [],
      ...filters,
    });
    return { ids: answer.transactionStates.map(({ transactionalId }) => transactionalId).sort(), ...answer };
  };
  expect((await list({})).ids).toEqual(['idle', 'open']);
  expect((await list({ stateFilters: ['Ongoing', 'Odd'] })).ids).toEqual(['open']);
  expect((await list({ stateFilters: ['Ongoing', 'Odd'] })).unknownStateFilters).toEqual(['Odd']);
  expect((await list({ producerIdFilters: [idle.producerId] })).ids).toEqual(['idle']);
  expect((await list({ stateFilters: ['Ongoing'], durationFilter: 5000 })).ids).toEqual([]);
  expect((await list({ transactionalIdPattern: 'o.*' })).ids).toEqual(['open']);
  expect((await list({ transactionalIdPattern: 'pe' })).ids).toEqual([]);
  expect((await list({ transactionalIdPattern: null })).ids).toEqual(['idle', 'open']);
  expect(nameOf((await list({ transactionalIdPattern: '(' })).errorCode)).toBe('INVALID_REGULAR_EXPRESSION');
  expect((await list({ stateFilters: ['Ongoing'], durationFilter: 4999 })).ids).toEqual(['open']);
});

test('nobody but the coordinator writes to its log', async () => {
  const fixture = await start();
  await begin(fixture);
  const { errorCode } = await fixture.produce('__transaction_state', fixture.batch('x'));
  expect(nameOf(errorCode)).toBe('INVALID_TOPIC_EXCEPTION');
  const name = '__transaction_state';
  const deleted = await fixture.request(deleteTopics, 5, { topicNames: [name], timeoutMs: 1 });
  expect(nameOf(deleted.responses[0]?.errorCode ?? 0)).toBe('INVALID_TOPIC_EXCEPTION');
  const partitions = [{ partitionIndex: 0, offset: -1 }];
  const { topics } = await fixture.request(deleteRecords, 2, { topics: [{ name, partitions }], timeoutMs: 1 });
  expect(nameOf(topics[0]?.partitions[0]?.errorCode ?? 0)).toBe('INVALID_TOPIC_EXCEPTION');
  const extended = await fixture.request(createPartitions, 3, {
    topics: [{ name, count: 9, assignments: null }],
    timeoutMs: 1,
    validateOnly: false,
  });
  expect(nameOf(extended.results[0]?.errorCode ?? 0)).toBe('INVALID_TOPIC_EXCEPTION');
});

test('the partitions of a topic that is deleted need no marker', async () => {
  const fixture = await start();
  await fixture.createTopic('gone');
  const producer = await begin(fixture);
  await producer.send('gone', 0, 'a');
  await producer.send('orders', 0, 'b');
  const id = fixture.metadata.topic('gone')?.id ?? '';
  await fixture.metadata.commit([{ kind: 'delete-topic', id }]);
  expect(await producer.end(true)).toBe('NONE');
  expect(await producer.completed()).toBe('CompleteCommit');
  expect(await committedValues(fixture, 'orders')).toEqual(['b']);
});

test('a fetch of several transactions tells the aborted ones by rising first offset', async () => {
  const fixture = await start();
  const [first, second, third] = [await begin(fixture, 'a'), await begin(fixture, 'b'), await begin(fixture, 'c')];
  await first.send('orders', 0, 'a1');
  await second.send('orders', 0, 'b1');
  await third.send('orders', 0, 'c1');
  await second.end(false);
  await second.completed();
  await third.end(true);
  await third.completed();
  await first.end(false);
  await first.completed();
  const partition = await fetchPartition(fixture, 'orders');
  expect(partition.abortedTransactions).toEqual([
    { producerId: first.producerId, firstOffset: 0 },
    { producerId: second.producerId, firstOffset: 1 },
  ]);
  expect(visibleValues(partition)).toEqual(['c1']);
  const { responses } = await fixture.request(fetch, 4, {
    maxWaitMs: 0,
    minBytes: 0,
    isolationLevel: 1,
    topics: [{ topic: 'orders', partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }] }],
  });
  expect(responses[0]?.partitions[0]?.abortedTransactions).toHaveLength(2);
});

test('logs that come without metadata keep their transactions and offsets, and their producers’ ids to themselves', async () => {
  const fixture = await start({ 'offsets.topic.num.partitions': '3' });
  const producer = await begin(fixture);
  await producer.send('orders', 0, 'a');
  await producer.commitOffset('group', 3);
  await fixture.broker.close();
  fixture.store.remove(METADATA_FILE);
  const { store, checkpoints } = fixture;
  const again = await BrokerFixture.start({ store, checkpoints, config: CONFIG });
  const moved = producer.movedTo(again);
  expect(await moved.completed()).toBe('Ongoing');
  expect(await moved.end(true)).toBe('NONE');
  await moved.completed();
  expect(await committedValues(again, 'orders')).toEqual(['a']);
  expect(
    await insist(
      () => committedOffset(again, 'group', true),
      (offset) => typeof offset === 'string',
    ),
  ).toBe(3);
  const fresh = await again.request(initProducerId, 5, { transactionalId: null, transactionTimeoutMs: 0 });
  expect(fresh.producerId).toBeGreaterThan(producer.producerId + 1000);
});

test('a producer with an open transaction writes nothing outside of it', async () => {
  const fixture = await start();
  const producer = await begin(fixture);
  await producer.send('orders', 0, 'a');
  const { producerId, producerEpoch } = producer;
  const records = [{ key: null, value: new Uint8Array(1), headers: [], timestamp: fixture.clock.now() }];
  const outside = new RecordBatchEncoder(kernels).encode(records, { producerId, producerEpoch, baseSequence: 1 });
  expect(nameOf((await fixture.produce('orders', outside, { acks: -1 })).errorCode)).toBe('INVALID_TXN_STATE');
});
