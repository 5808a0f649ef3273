// Fetch: what comes back, when it waits and what ends the waiting.

import { expect, test } from 'vitest';
import type { PartitionExecutor } from '../../src/partition/commands.ts';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { deleteTopics } from '../../src/protocol/messages/20-delete-topics.ts';
import { deleteRecords } from '../../src/protocol/messages/21-delete-records.ts';
import { ZERO_UUID } from '../../src/protocol/uuid.ts';
import { type FetchRequest, type FetchResponse, fetchRequest, partitionsOf, type Want } from './fetching.ts';
import { BrokerFixture, connection, settle, UNKNOWN_ID, valuesOf } from './fixture.ts';

/** A fixture whose executor counts its fetches. */
async function counted(
  config: Readonly<Record<string, string>> = {},
): Promise<{ fixture: BrokerFixture; trips: () => number }> {
  let trips = 0;
  const wrap = (executor: PartitionExecutor): PartitionExecutor => {
    const original = executor.fetch.bind(executor);
    executor.fetch = (request) => {
      trips++;
      return original(request);
    };
    return executor;
  };
  return { fixture: await BrokerFixture.start({ wrap, config }), trips: () => trips };
}

async function fetchOne(fixture: BrokerFixture, want: Want, rest: Partial<FetchRequest> = {}, version = 12) {
  const response = await fixture.request(fetch, version, fetchRequest([want], rest));
  const [only] = partitionsOf(response);
  if (only === undefined) throw new Error('no partition');
  return only;
}

/** A fetch that is not awaited yet, and whether it has been answered. */
function begin(fixture: BrokerFixture, request: FetchRequest, from = fixture.connection) {
  const state = { answered: false, response: Promise.resolve<FetchResponse | undefined>(undefined) };
  state.response = fixture.maybe(fetch, 11, request, from).then((response) => {
    state.answered = true;
    return response;
  });
  return state;
}

test('an offset inside a batch returns the whole batch', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  await fixture.produce('orders', fixture.batch('a', 'b', 'c'));
  await fixture.produce('orders', fixture.batch('d'));
  const { records } = await fetchOne(fixture, { topic: 'orders', fetchOffset: 1 });
  expect(valuesOf(records)).toEqual(['a', 'b', 'c', 'd']);
});

test('a record that comes while an earlier one is being read is there for the next fetch', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  await fixture.produce('orders', fixture.batch('a'));
  const reading = fetchOne(fixture, { topic: 'orders' });
  const [first] = await Promise.all([reading, fixture.produce('orders', fixture.batch('b'), { acks: -1 })]);
  const rest = await fetchOne(fixture, { topic: 'orders', fetchOffset: valuesOf(first.records).length });
  expect([...valuesOf(first.records), ...valuesOf(rest.records)]).toEqual(['a', 'b']);
});

test('one batch comes even where it is larger than every limit (KIP-74), and only one', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders', 2);
  for (const index of [0, 0, 1]) await fixture.produce('orders', fixture.batch('x'.repeat(500)), { index });
  const request = fetchRequest(
    [0, 1].map((partition) => ({ topic: 'orders', partition, partitionMaxBytes: 10 })),
    { maxBytes: 10 },
  );
  const partitions = partitionsOf(await fixture.request(fetch, 11, request));
  expect(partitions.map(({ records }) => valuesOf(records).length)).toEqual([1, 0]);
});

test('maxBytes and fetch.max.bytes bound the whole response', async () => {
  const fixture = await BrokerFixture.start({ config: { 'fetch.max.bytes': '1024' } });
  await fixture.createTopic('orders', 2);
  for (const index of [0, 0, 0, 1]) await fixture.produce('orders', fixture.batch('x'.repeat(430)), { index });
  const request = fetchRequest([0, 1].map((partition) => ({ topic: 'orders', partition })));
  const partitions = partitionsOf(await fixture.request(fetch, 11, request));
  expect(partitions.map(({ records }) => valuesOf(records).length)).toEqual([2, 0]);
});

test('no records are empty, never null, and idle partitions tell their offsets', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  await fixture.produce('orders', fixture.batch('a', 'b'));
  for (const version of [4, 11, 12]) {
    const response = await fetchOne(fixture, { topic: 'orders', fetchOffset: 2 }, {}, version);
    expect(response.records).toEqual(new Uint8Array(0));
    expect(response).toMatchObject({ errorCode: 0, highWatermark: 2, lastStableOffset: 2, preferredReadReplica: -1 });
    expect(response.logStartOffset).toBe(version === 4 ? -1 : 0);
  }
});

test('an offset outside the log answers at once with OFFSET_OUT_OF_RANGE, without a trip to the owner', async () => {
  const { fixture, trips } = await counted();
  await fixture.createTopic('orders');
  for (const fetchOffset of [-1, 1, 100]) {
    const response = await fetchOne(fixture, { topic: 'orders', fetchOffset }, { maxWaitMs: 10_000 });
    expect(response).toMatchObject({ errorCode: ERROR_CODES.OFFSET_OUT_OF_RANGE, records: new Uint8Array(0) });
  }
  expect(trips()).toBe(0);
});

test('an errored partition answers at once and the others come along', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const request = fetchRequest([{ topic: 'orders' }, { topic: 'nowhere' }, { topic: 'orders', partition: 9 }], {
    maxWaitMs: 10_000,
  });
  const partitions = partitionsOf(await fixture.request(fetch, 4, request));
  expect(partitions.map(({ errorCode }) => errorCode)).toEqual([0, 3, 3]);
});

test('from version 13 topics are named by id; unknown ids say so', async () => {
  const fixture = await BrokerFixture.start();
  const topicId = await fixture.createTopic('orders');
  await fixture.produce('orders', fixture.batch('a'));
  for (const version of [13, 18]) {
    const { responses } = await fixture.request(fetch, version, {
      maxWaitMs: 1000,
      minBytes: 1,
      topics: [topicId, UNKNOWN_ID, ZERO_UUID].map((id) => ({
        topicId: id,
        partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }],
      })),
    });
    expect(responses.map(({ topicId: id, partitions }) => [id, partitions[0]?.errorCode])).toEqual([
      [topicId, 0],
      [UNKNOWN_ID, ERROR_CODES.UNKNOWN_TOPIC_ID],
      [ZERO_UUID, ERROR_CODES.UNKNOWN_TOPIC_ID],
    ]);
  }
});

test('a client that believes in another leader epoch is fenced', async () => {
  const first = await BrokerFixture.start();
  await first.createTopic('orders');
  await first.produce('orders', first.batch('a'));
  const fixture = await first.restart();
  const epoch = fixture.metadata.brokerEpoch;
  const code = async (currentLeaderEpoch: number) =>
    (await fetchOne(fixture, { topic: 'orders', currentLeaderEpoch }, { maxWaitMs: 1000 })).errorCode;
  expect(await code(epoch)).toBe(0);
  expect(await code(-1)).toBe(0);
  expect(await code(epoch - 1)).toBe(ERROR_CODES.FENCED_LEADER_EPOCH);
  expect(await code(epoch + 1)).toBe(ERROR_CODES.UNKNOWN_LEADER_EPOCH);
});

test('a reader whose last epoch ended earlier is told where its log departs (KIP-595)', async () => {
  const first = await BrokerFixture.start();
  await first.createTopic('orders');
  await first.produce('orders', first.batch('a', 'b'));
  const fixture = await first.restart();
  await fixture.produce('orders', fixture.batch('c', 'd'));
  const diverging = await fetchOne(
    fixture,
    { topic: 'orders', fetchOffset: 3, lastFetchedEpoch: 1 },
    { maxWaitMs: 9000 },
  );
  expect(diverging).toMatchObject({ errorCode: 0, divergingEpoch: { epoch: 1, endOffset: 2 } });
  const agreeing = await fetchOne(fixture, { topic: 'orders', fetchOffset: 2, lastFetchedEpoch: 1 });
  expect(agreeing.divergingEpoch).toEqual({ epoch: -1, endOffset: -1 });
  expect(valuesOf(agreeing.records)).toEqual(['c', 'd']);
});

test('read_committed readers get an empty list of aborted transactions, others none', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  await fixture.produce('orders', fixture.batch('a'));
  expect((await fetchOne(fixture, { topic: 'orders' }, { isolationLevel: 1 })).abortedTransactions).toEqual([]);
  expect((await fetchOne(fixture, { topic: 'orders' }, { isolationLevel: 0 })).abortedTransactions).toBeNull();
});

test('a follower is told that this is not its leader', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const response = await fetchOne(fixture, { topic: 'orders' }, { replicaId: 2 });
  expect(response.errorCode).toBe(ERROR_CODES.NOT_LEADER_OR_FOLLOWER);
});

test('a long poll waits without a trip to the owner and an append wakes it', async () => {
  const { fixture, trips } = await counted();
  await fixture.createTopic('orders');
  await fixture.createTopic('other');
  const poll = begin(fixture, fetchRequest([{ topic: 'orders' }], { maxWaitMs: 500 }));
  await fixture.produce('other', fixture.batch('x'));
  await settle();
  expect(poll.answered).toBe(false);
  expect(trips()).toBe(0);
  await fixture.produce('orders', fixture.batch('a'));
  const response = await poll.response;
  expect(response?.responses[0]?.partitions.map(({ records }) => valuesOf(records))).toEqual([['a']]);
  expect(trips()).toBe(1);
  expect(fixture.broker.waitingFetches).toBe(0);
});

test('a long poll ends when its time is over, empty and without a trip', async () => {
  const { fixture, trips } = await counted();
  await fixture.createTopic('orders');
  const poll = begin(fixture, fetchRequest([{ topic: 'orders' }], { maxWaitMs: 500 }));
  await settle();
  fixture.clock.advance(499);
  await settle();
  expect(poll.answered).toBe(false);
  fixture.clock.advance(1);
  const response = await poll.response;
  expect(response?.responses[0]?.partitions[0]).toMatchObject({ errorCode: 0, highWatermark: 0 });
  expect(trips()).toBe(0);
});

test('a long poll waits until minBytes are there, of all its partitions together', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders', 2);
  const size = fixture.batch('a').length;
  const wants = [0, 1].map((partition) => ({ topic: 'orders', partition }));
  await fixture.produce('orders', fixture.batch('a'), { index: 0 });
  const poll = begin(fixture, fetchRequest(wants, { maxWaitMs: 500, minBytes: size * 3 }));
  await settle();
  await fixture.produce('orders', fixture.batch('b'), { index: 1 });
  await settle();
  expect(poll.answered).toBe(false);
  await fixture.produce('orders', fixture.batch('c'), { index: 0 });
  const response = await poll.response;
  const values = response?.responses.flatMap(({ partitions }) => partitions.map(({ records }) => valuesOf(records)));
  expect(values).toEqual([['a', 'c'], ['b']]);
});

test('a long poll that has less than minBytes when its time is over returns what there is', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const poll = begin(fixture, fetchRequest([{ topic: 'orders' }], { maxWaitMs: 500, minBytes: 100_000 }));
  await fixture.produce('orders', fixture.batch('a'));
  await settle();
  expect(poll.answered).toBe(false);
  fixture.clock.advance(500);
  const response = await poll.response;
  expect(response?.responses[0]?.partitions.map(({ records }) => valuesOf(records))).toEqual([['a']]);
});

test('minBytes 0, maxWaitMs 0 and no partitions answer at once', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const now = [
    fetchRequest([{ topic: 'orders' }], { minBytes: 0, maxWaitMs: 10_000 }),
    fetchRequest([{ topic: 'orders' }], { minBytes: 1, maxWaitMs: 0 }),
    fetchRequest([], { minBytes: 1, maxWaitMs: 10_000 }),
  ];
  for (const request of now) expect(await fixture.request(fetch, 11, request)).toMatchObject({ errorCode: 0 });
});

test('a minBytes above maxBytes does not wait for what could never be sent', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  await fixture.produce('orders', fixture.batch('x'.repeat(3000)));
  const poll = begin(
    fixture,
    fetchRequest([{ topic: 'orders' }], { minBytes: 1 << 30, maxBytes: 2048, maxWaitMs: 500 }),
  );
  await poll.response;
  expect(poll.answered).toBe(true);
});

test('the end of its connection gives a long poll up', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const client = connection(2);
  const polls = [1, 2].map(() => begin(fixture, fetchRequest([{ topic: 'orders' }], { maxWaitMs: 500 }), client));
  await settle();
  expect(fixture.broker.waitingFetches).toBe(2);
  client.end();
  expect(await Promise.all(polls.map(({ response }) => response))).toEqual([undefined, undefined]);
  expect(fixture.broker.waitingFetches).toBe(0);
  expect(
    await begin(fixture, fetchRequest([{ topic: 'orders' }], { maxWaitMs: 500 }), client).response,
  ).toBeUndefined();
});

test('the deletion of a topic wakes its long polls with an error', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const poll = begin(fixture, fetchRequest([{ topic: 'orders' }], { maxWaitMs: 500 }));
  await settle();
  await fixture.request(deleteTopics, 5, { topicNames: ['orders'], timeoutMs: 1 });
  const response = await poll.response;
  expect(response?.responses[0]?.partitions[0]?.errorCode).toBe(ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION);
});

test('records deleted under a long poll wake it only where its offset is gone', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  await fixture.produce('orders', fixture.batch('a', 'b'));
  const poll = begin(fixture, fetchRequest([{ topic: 'orders', fetchOffset: 2 }], { maxWaitMs: 500 }));
  await settle();
  const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0, offset: 2 }] }];
  await fixture.request(deleteRecords, 2, { topics, timeoutMs: 1 });
  await settle();
  expect(poll.answered).toBe(false);
  await fixture.produce('orders', fixture.batch('c'));
  const response = await poll.response;
  expect(valuesOf(response?.responses[0]?.partitions[0]?.records ?? null)).toEqual(['c']);
});

test('a thousand idle long polls have one timer and an append elsewhere touches none of them', async () => {
  const { fixture, trips } = await counted();
  await fixture.createTopic('idle');
  await fixture.createTopic('busy');
  const before = fixture.clock.timerCount;
  const polls = Array.from({ length: 1000 }, (_, index) =>
    begin(fixture, fetchRequest([{ topic: 'idle' }], { maxWaitMs: 500 + index }), connection(index + 10)),
  );
  await settle();
  expect(fixture.broker.waitingFetches).toBe(1000);
  expect(fixture.clock.timerCount).toBe(before + 1);
  for (let index = 0; index < 20; index++) await fixture.produce('busy', fixture.batch('x'));
  expect(polls.some(({ answered }) => answered)).toBe(false);
  expect(trips()).toBe(0);
  fixture.clock.advance(600);
  await settle();
  expect(polls.filter(({ answered }) => answered)).toHaveLength(101);
  await fixture.produce('idle', fixture.batch('a'));
  await Promise.all(polls.map(({ response }) => response));
  expect(fixture.broker.waitingFetches).toBe(0);
});

test('closing the broker answers those that wait', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('orders');
  const poll = begin(fixture, fetchRequest([{ topic: 'orders' }], { maxWaitMs: 500 }));
  await settle();
  await fixture.broker.close();
  expect((await poll.response)?.errorCode).toBe(0);
  await expect(fixture.request(fetch, 11, fetchRequest([]))).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});
