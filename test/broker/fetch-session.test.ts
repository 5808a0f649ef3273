// Incremental fetch sessions (KIP-227).

import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { deleteTopics } from '../../src/protocol/messages/20-delete-topics.ts';
import { type FetchRequest, type FetchResponse, fetchRequest, partitionsOf, type Want } from './fetching.ts';
import { BrokerFixture, valuesOf } from './fixture.ts';

function send(
  fixture: BrokerFixture,
  wants: readonly Want[],
  rest: Partial<FetchRequest> = {},
): Promise<FetchResponse> {
  return fixture.request(fetch, 12, fetchRequest(wants, rest));
}

async function withTopics(...names: readonly string[]): Promise<BrokerFixture> {
  const fixture = await BrokerFixture.start();
  for (const name of names) await fixture.createTopic(name);
  return fixture;
}

function topicsOf(response: FetchResponse): string[] {
  return partitionsOf(response).map(({ topic }) => topic);
}

test('epoch 0 begins a session; later epochs say and get only differences', async () => {
  const fixture = await withTopics('a', 'b');
  const first = await send(fixture, [{ topic: 'a' }, { topic: 'b' }], { sessionEpoch: 0 });
  const { sessionId } = first;
  expect(sessionId).toBeGreaterThan(0);
  expect(topicsOf(first)).toEqual(['a', 'b']);
  expect(topicsOf(await send(fixture, [], { sessionId, sessionEpoch: 1 }))).toEqual([]);
  await fixture.produce('b', fixture.batch('x'));
  const third = await send(fixture, [], { sessionId, sessionEpoch: 2 });
  expect(partitionsOf(third).map(({ topic, records }) => [topic, valuesOf(records)])).toEqual([['b', ['x']]]);
  expect(third.sessionId).toBe(sessionId);
  expect(topicsOf(await send(fixture, [{ topic: 'b', fetchOffset: 1 }], { sessionId, sessionEpoch: 3 }))).toEqual([]);
});

test('partitions join and leave a session', async () => {
  const fixture = await withTopics('a', 'b');
  const { sessionId } = await send(fixture, [{ topic: 'a' }], { sessionEpoch: 0 });
  expect(topicsOf(await send(fixture, [{ topic: 'b' }], { sessionId, sessionEpoch: 1 }))).toEqual(['b']);
  await fixture.produce('a', fixture.batch('x'));
  await fixture.produce('b', fixture.batch('y'));
  const forgottenTopicsData = [{ topic: 'a', partitions: [0] }];
  expect(topicsOf(await send(fixture, [], { sessionId, sessionEpoch: 2, forgottenTopicsData }))).toEqual(['b']);
  const rest = [{ topic: 'b', partitions: [0] }];
  const empty = await send(fixture, [], { sessionId, sessionEpoch: 3, forgottenTopicsData: rest });
  expect(empty).toMatchObject({ errorCode: 0, sessionId: 0, responses: [] });
  const gone = await send(fixture, [], { sessionId, sessionEpoch: 4 });
  expect(gone.errorCode).toBe(ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND);
});

test('a wrong epoch and an unknown id are refused as a whole', async () => {
  const fixture = await withTopics('a');
  const { sessionId } = await send(fixture, [{ topic: 'a' }], { sessionEpoch: 0 });
  for (const sessionEpoch of [2, 7]) {
    const response = await send(fixture, [], { sessionId, sessionEpoch });
    expect(response).toMatchObject({ errorCode: ERROR_CODES.INVALID_FETCH_SESSION_EPOCH, responses: [] });
  }
  const unknown = await send(fixture, [], { sessionId: 12345, sessionEpoch: 1 });
  expect(unknown).toMatchObject({ errorCode: ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND, sessionId: 0 });
  expect(await send(fixture, [], { sessionId, sessionEpoch: 1 })).toMatchObject({ errorCode: 0, sessionId });
});

test('a session cannot change between names and ids', async () => {
  const fixture = await withTopics('a');
  const { sessionId } = await send(fixture, [{ topic: 'a' }], { sessionEpoch: 0 });
  const body = { maxWaitMs: 0, minBytes: 1, topics: [], sessionId, sessionEpoch: 1 };
  const { errorCode } = await fixture.request(fetch, 13, body);
  expect(errorCode).toBe(ERROR_CODES.FETCH_SESSION_TOPIC_ID_ERROR);
});

test('epoch -1 ends a session, and without one fetches everything named', async () => {
  const fixture = await withTopics('a');
  const { sessionId } = await send(fixture, [{ topic: 'a' }], { sessionEpoch: 0 });
  const last = await send(fixture, [{ topic: 'a' }], { sessionId, sessionEpoch: -1 });
  expect(last.sessionId).toBe(0);
  expect(topicsOf(last)).toEqual(['a']);
  const after = await send(fixture, [], { sessionId, sessionEpoch: 1 });
  expect(after.errorCode).toBe(ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND);
});

test('epoch 0 with the id of a session begins a new one in its place', async () => {
  const fixture = await withTopics('a');
  const { sessionId } = await send(fixture, [{ topic: 'a' }], { sessionEpoch: 0 });
  const next = await send(fixture, [{ topic: 'a' }], { sessionId, sessionEpoch: 0 });
  expect(next.sessionId).not.toBe(sessionId);
  expect(next.sessionId).toBeGreaterThan(0);
  const after = await send(fixture, [], { sessionId, sessionEpoch: 1 });
  expect(after.errorCode).toBe(ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND);
});

test('an errored partition of a session is told every time, and again when it is well', async () => {
  const fixture = await withTopics('a', 'b');
  const wants = [{ topic: 'a' }, { topic: 'b' }];
  const { sessionId } = await send(fixture, wants, { sessionEpoch: 0 });
  await fixture.request(deleteTopics, 5, { topicNames: ['a'], timeoutMs: 1 });
  for (const sessionEpoch of [1, 2]) {
    const partitions = partitionsOf(await send(fixture, [], { sessionId, sessionEpoch }));
    expect(partitions.map(({ topic, errorCode }) => [topic, errorCode])).toEqual([['a', 3]]);
  }
  await fixture.createTopic('a');
  const well = partitionsOf(await send(fixture, [], { sessionId, sessionEpoch: 3 }));
  expect(well.map(({ topic, errorCode }) => [topic, errorCode])).toEqual([['a', 0]]);
});

test('a small budget reaches all partitions of a session in turn', async () => {
  const fixture = await withTopics('a', 'b', 'c');
  for (const topic of ['a', 'b', 'c']) await fixture.produce(topic, fixture.batch(topic));
  const wants = ['a', 'b', 'c'].map((topic) => ({ topic, fetchOffset: 1 }));
  const { sessionId } = await send(fixture, wants, { sessionEpoch: 0 });
  const again = ['a', 'b', 'c'].map((topic) => ({ topic, fetchOffset: 0 }));
  const served: string[] = [];
  for (let sessionEpoch = 1; sessionEpoch <= 6; sessionEpoch++) {
    const response = await send(fixture, sessionEpoch === 1 ? again : [], { sessionId, sessionEpoch, maxBytes: 1 });
    for (const { topic, records } of partitionsOf(response)) if (valuesOf(records).length > 0) served.push(topic);
  }
  expect(served).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
});

test('a full cache makes sessionless fetches of new ones, until old ones may be evicted', async () => {
  const fixture = await BrokerFixture.start({ config: { 'max.incremental.fetch.session.cache.slots': '2' } });
  await fixture.createTopic('a', 3);
  const wants = [0, 1, 2].map((partition) => ({ topic: 'a', partition }));
  const begin = async (count: number) => (await send(fixture, wants.slice(0, count), { sessionEpoch: 0 })).sessionId;
  const used = await begin(2);
  const small = await begin(1);
  expect(await begin(3)).toBe(0);
  fixture.clock.advance(100_000);
  await send(fixture, [], { sessionId: used, sessionEpoch: 1 });
  await send(fixture, [], { sessionId: small, sessionEpoch: 1 });
  fixture.clock.advance(30_000);
  expect(await begin(1)).toBe(0);
  expect(await begin(3)).toBeGreaterThan(0);
  const evicted = await send(fixture, [], { sessionId: small, sessionEpoch: 2 });
  expect(evicted.errorCode).toBe(ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND);
  fixture.clock.advance(130_000);
  expect(await begin(1)).toBeGreaterThan(0);
  const stale = await send(fixture, [], { sessionId: used, sessionEpoch: 2 });
  expect(stale.errorCode).toBe(ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND);
});

test('no slots mean no sessions, and a full fetch all the same', async () => {
  const fixture = await BrokerFixture.start({ config: { 'max.incremental.fetch.session.cache.slots': '0' } });
  await fixture.createTopic('a');
  const response = await send(fixture, [{ topic: 'a' }], { sessionEpoch: 0 });
  expect(response.sessionId).toBe(0);
  expect(topicsOf(response)).toEqual(['a']);
});

test('what sessions hold in memory is bounded, whatever partitions a client names', async () => {
  const fixture = await withTopics('a');
  const name = 'x'.repeat(30_000);
  const partitions = Array.from({ length: 2000 }, (_, partition) => ({
    partition,
    fetchOffset: 0,
    partitionMaxBytes: 1,
  }));
  const large = { ...fetchRequest([]), topics: [{ topic: name, partitions }], sessionEpoch: 0 };
  expect((await fixture.request(fetch, 12, large)).sessionId).toBe(0);
  const { sessionId } = await send(fixture, [{ topic: 'a' }], { sessionEpoch: 0 });
  const grown = await fixture.request(fetch, 12, { ...large, sessionId, sessionEpoch: 1 });
  expect(grown.errorCode).toBe(0);
  const after = await send(fixture, [], { sessionId, sessionEpoch: 2 });
  expect(after.errorCode).toBe(ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND);
  expect((await send(fixture, [{ topic: 'a' }], { sessionEpoch: 0 })).sessionId).toBeGreaterThan(0);
});
