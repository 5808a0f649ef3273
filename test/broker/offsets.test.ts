// ListOffsets, OffsetForLeaderEpoch, DeleteRecords and DescribeLogDirs.

import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { listOffsets } from '../../src/protocol/messages/02-list-offsets.ts';
import { deleteRecords } from '../../src/protocol/messages/21-delete-records.ts';
import { offsetForLeaderEpoch } from '../../src/protocol/messages/23-offset-for-leader-epoch.ts';
import { describeLogDirs } from '../../src/protocol/messages/35-describe-log-dirs.ts';
import { fetchAll } from './fetching.ts';
import { BrokerFixture, valuesOf } from './fixture.ts';

interface Look {
  readonly version?: number;
  readonly topic?: string;
  readonly partitionIndex?: number;
  readonly currentLeaderEpoch?: number;
  readonly isolationLevel?: number;
}

async function look(fixture: BrokerFixture, timestamp: number, options: Look = {}) {
  const { version = 11, topic = 'a', partitionIndex = 0, currentLeaderEpoch = -1, isolationLevel = 0 } = options;
  const { topics } = await fixture.request(listOffsets, version, {
    replicaId: -1,
    ...(version >= 2 ? { isolationLevel } : {}),
    topics: [{ name: topic, partitions: [{ partitionIndex, currentLeaderEpoch, timestamp }] }],
  });
  const only = topics[0]?.partitions[0];
  if (only === undefined) throw new Error('no partition');
  return only;
}

async function filled(): Promise<BrokerFixture> {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a');
  for (const value of ['x', 'y', 'z']) {
    await fixture.produce('a', fixture.batch(value));
    fixture.clock.advance(1000);
  }
  return fixture;
}

test('ListOffsets finds the end, the start, a time and the largest time', async () => {
  const fixture = await filled();
  const start = fixture.clock.now() - 3000;
  expect(await look(fixture, -1)).toMatchObject({ errorCode: 0, offset: 3, timestamp: -1, leaderEpoch: 1 });
  expect(await look(fixture, -1, { isolationLevel: 1 })).toMatchObject({ errorCode: 0, offset: 3 });
  expect(await look(fixture, -2)).toMatchObject({ errorCode: 0, offset: 0 });
  expect(await look(fixture, start + 1)).toMatchObject({ errorCode: 0, offset: 1, timestamp: start + 1000 });
  expect(await look(fixture, start + 2001)).toMatchObject({ errorCode: 0, offset: -1, timestamp: -1 });
  expect(await look(fixture, -3)).toMatchObject({ errorCode: 0, offset: 2, timestamp: start + 2000 });
  expect(await look(fixture, -4)).toMatchObject({ errorCode: 0, offset: 0 });
  expect(await look(fixture, -5)).toMatchObject({ errorCode: 0, offset: -1 });
  expect(await look(fixture, -6)).toMatchObject({ errorCode: 0, offset: -1 });
});

test('the leader epoch is told from version 4 only, and special times only where the version has them', async () => {
  const fixture = await filled();
  expect(await look(fixture, -1, { version: 1 })).toMatchObject({ errorCode: 0, offset: 3, leaderEpoch: -1 });
  expect(await look(fixture, -1, { version: 4 })).toMatchObject({ errorCode: 0, offset: 3, leaderEpoch: 1 });
  for (const [timestamp, version] of [
    [-3, 6],
    [-4, 7],
    [-5, 8],
    [-6, 10],
    [-7, 11],
  ] as const) {
    expect((await look(fixture, timestamp, { version })).errorCode).toBe(ERROR_CODES.UNSUPPORTED_VERSION);
  }
});

test('ListOffsets refuses what is not there and who believes in another epoch', async () => {
  const fixture = await filled();
  expect((await look(fixture, -1, { topic: 'none' })).errorCode).toBe(3);
  expect((await look(fixture, -1, { partitionIndex: 5 })).errorCode).toBe(3);
  expect((await look(fixture, -1, { currentLeaderEpoch: 0 })).errorCode).toBe(ERROR_CODES.FENCED_LEADER_EPOCH);
  expect((await look(fixture, -1, { currentLeaderEpoch: 9 })).errorCode).toBe(ERROR_CODES.UNKNOWN_LEADER_EPOCH);
});

test('OffsetForLeaderEpoch gives the end of the largest epoch that is not above the one asked for', async () => {
  const first = await filled();
  const fixture = await first.restart();
  await fixture.produce('a', fixture.batch('w'));
  const end = async (leaderEpoch: number, version = 4) => {
    const { topics } = await fixture.request(offsetForLeaderEpoch, version, {
      topics: [{ topic: 'a', partitions: [{ partition: 0, leaderEpoch }] }],
    });
    const only = topics[0]?.partitions[0];
    return [only?.errorCode, only?.leaderEpoch, only?.endOffset];
  };
  expect(await end(1)).toEqual([0, 1, 3]);
  expect(await end(1, 2)).toEqual([0, 1, 3]);
  expect(await end(2)).toEqual([0, 2, 4]);
  expect(await end(3)).toEqual([0, -1, -1]);
  const { topics } = await fixture.request(offsetForLeaderEpoch, 4, {
    topics: [{ topic: 'none', partitions: [{ partition: 0, leaderEpoch: 0 }] }],
  });
  expect(topics[0]?.partitions[0]?.errorCode).toBe(3);
});

test('DeleteRecords moves the start, keeps it over a crash, and refuses offsets outside the log', async () => {
  const fixture = await filled();
  const cut = async (offset: number, name = 'a') => {
    const { topics } = await fixture.request(deleteRecords, 2, {
      topics: [{ name, partitions: [{ partitionIndex: 0, offset }] }],
      timeoutMs: 1,
    });
    const only = topics[0]?.partitions[0];
    return [only?.errorCode, only?.lowWatermark];
  };
  expect(await cut(2)).toEqual([0, 2]);
  expect(await look(fixture, -2)).toMatchObject({ offset: 2 });
  expect(await look(fixture, 1)).toMatchObject({ errorCode: 0, offset: 2 });
  expect(await cut(4)).toEqual([ERROR_CODES.OFFSET_OUT_OF_RANGE, -1]);
  expect(await cut(0, 'none')).toEqual([3, -1]);
  const again = await fixture.restart({ clean: false });
  expect(await look(again, -2)).toMatchObject({ offset: 2 });
  const { topics } = await again.request(deleteRecords, 0, {
    topics: [{ name: 'a', partitions: [{ partitionIndex: 0, offset: -1 }] }],
    timeoutMs: 1,
  });
  expect(topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, lowWatermark: 3 });
});

test('DescribeLogDirs tells sizes of all partitions or of those asked for', async () => {
  const fixture = await filled();
  await fixture.createTopic('b', 3);
  const size = (await fetchAll(fixture, 'a'))?.length ?? 0;
  const all = await fixture.request(describeLogDirs, 4, { topics: null });
  expect(all.results[0]).toMatchObject({ errorCode: 0, logDir: '/memory', totalBytes: 1000, usableBytes: 400 });
  const sizes = all.results[0]?.topics.map(({ name, partitions }) => [
    name,
    partitions.map((each) => each.partitionSize),
  ]);
  expect(sizes).toEqual([
    ['a', [size]],
    ['b', [0, 0, 0]],
  ]);
  const topics = [
    { topic: 'b', partitions: [1, 7] },
    { topic: 'none', partitions: [0] },
  ];
  const some = await fixture.request(describeLogDirs, 1, { topics });
  expect(
    some.results[0]?.topics.map(({ name, partitions }) => [name, partitions.map((each) => each.partitionIndex)]),
  ).toEqual([['b', [1]]]);
  expect(valuesOf(await fetchAll(fixture, 'a'))).toEqual(['x', 'y', 'z']);
});
