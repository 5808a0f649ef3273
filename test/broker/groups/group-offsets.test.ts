// Committed offsets over frames: who may commit, what is given back, what expires, and what a restart keeps.

import { describe, expect, test } from 'vitest';
import type { GroupCoordinator } from '../../../src/broker/groups/group-coordinator.ts';
import { offsetCommit } from '../../../src/protocol/messages/08-offset-commit.ts';
import { offsetFetch } from '../../../src/protocol/messages/09-offset-fetch.ts';
import { listGroups } from '../../../src/protocol/messages/16-list-groups.ts';
import { deleteTopics } from '../../../src/protocol/messages/20-delete-topics.ts';
import { deleteGroups } from '../../../src/protocol/messages/42-delete-groups.ts';
import { offsetDelete } from '../../../src/protocol/messages/47-offset-delete.ts';
import { type BrokerFixture, UNKNOWN_ID } from '../fixture.ts';
import {
  ClassicClient,
  commit,
  committed,
  nameOf,
  pass,
  rebalance,
  startGroups,
  subscription,
} from './group-fixture.ts';

const DAY_MS = 86_400_000;

async function listed(fixture: BrokerFixture): Promise<string[]> {
  const { groups } = await fixture.request(listGroups, 5, { statesFilter: [], typesFilter: [] });
  return groups.map(({ groupId, groupState }) => `${groupId} ${groupState}`).sort();
}

async function deleteGroup(fixture: BrokerFixture, groupId: string): Promise<string> {
  const { results } = await fixture.request(deleteGroups, 2, { groupsNames: [groupId] });
  return nameOf(results[0]?.errorCode ?? -1);
}

async function deleteOffset(fixture: BrokerFixture, groupId: string, topic: string): Promise<string> {
  const topics = [{ name: topic, partitions: [{ partitionIndex: 0 }] }];
  const response = await fixture.request(offsetDelete, 0, { groupId, topics });
  return nameOf(response.errorCode === 0 ? (response.topics[0]?.partitions[0]?.errorCode ?? 0) : response.errorCode);
}

function groupsOf(fixture: BrokerFixture): GroupCoordinator {
  return fixture.broker.services.groups as GroupCoordinator;
}

describe('committing', () => {
  test('a group that does not exist comes into being with its first commit', async () => {
    const fixture = await startGroups();
    expect(await commit(fixture, { groupId: 'simple', offset: 5, leaderEpoch: 2, metadata: 'so far' })).toBe('NONE');
    expect(await committed(fixture, 'simple')).toEqual({
      offset: 5,
      leaderEpoch: 2,
      metadata: 'so far',
      error: 'NONE',
    });
    expect(await committed(fixture, 'simple', { partition: 1 })).toEqual({
      offset: -1,
      leaderEpoch: -1,
      metadata: '',
      error: 'NONE',
    });
    expect(await listed(fixture)).toEqual(['simple Empty']);
  });

  test('a leader epoch of -1 and metadata that are null are taken and come back', async () => {
    const fixture = await startGroups();
    expect(await commit(fixture, { groupId: 'group', offset: 5, leaderEpoch: -1, metadata: null })).toBe('NONE');
    expect(await committed(fixture, 'group')).toEqual({ offset: 5, leaderEpoch: -1, metadata: '', error: 'NONE' });
  });

  test('only members of the current generation commit to a group with members', async () => {
    const fixture = await startGroups();
    const member = new ClassicClient(fixture);
    await rebalance(fixture, [member]);
    expect(await member.commit(1)).toBe('NONE');
    expect(await member.commit(2, { generationId: 0 })).toBe('ILLEGAL_GENERATION');
    expect(await member.commit(2, { memberId: 'nobody' })).toBe('UNKNOWN_MEMBER_ID');
    expect(await commit(fixture, { groupId: 'group', offset: 9 })).toBe('UNKNOWN_MEMBER_ID');
    await member.leave();
    expect(await member.commit(3)).toBe('UNKNOWN_MEMBER_ID');
    expect(await commit(fixture, { groupId: 'group', offset: 9 })).toBe('NONE');
    expect((await committed(fixture, 'group')).offset).toBe(9);
  });

  test('a generation of a group that is not there is illegal, or from version 9 the group is not found', async () => {
    const fixture = await startGroups();
    const claim = { groupId: 'none', offset: 1, memberId: 'one', generationId: 3 };
    expect(await commit(fixture, { ...claim, version: 8 })).toBe('ILLEGAL_GENERATION');
    expect(await commit(fixture, { ...claim, version: 9 })).toBe('GROUP_ID_NOT_FOUND');
  });

  test('during a rebalance members that joined wait, and those that did not yet still commit', async () => {
    const fixture = await startGroups();
    const [one, two] = [new ClassicClient(fixture), new ClassicClient(fixture)];
    await rebalance(fixture, [one]);
    const joined = two.join();
    await pass(fixture, 1);
    expect(await one.commit(4)).toBe('NONE');
    await one.join();
    await joined;
    expect(await one.commit(5)).toBe('REBALANCE_IN_PROGRESS');
  });

  test('one bad partition does not fail the others, and metadata have a bound', async () => {
    const fixture = await startGroups({ 'offset.metadata.max.bytes': '10' });
    const partition = (partitionIndex: number, committedMetadata: string) => ({
      partitionIndex,
      committedOffset: 1,
      committedMetadata,
    });
    const { topics } = await fixture.request(offsetCommit, 9, {
      groupId: 'group',
      memberId: '',
      topics: [
        { name: 'orders', partitions: [partition(0, 'fits'), partition(1, 'does not fit'), partition(99, '')] },
        { name: 'unknown', partitions: [partition(0, '')] },
      ],
    });
    expect(topics.map(({ partitions }) => partitions.map(({ errorCode }) => nameOf(errorCode)))).toEqual([
      ['NONE', 'OFFSET_METADATA_TOO_LARGE', 'UNKNOWN_TOPIC_OR_PARTITION'],
      ['UNKNOWN_TOPIC_OR_PARTITION'],
    ]);
    expect((await committed(fixture, 'group')).offset).toBe(1);
  });

  test('version 10 names topics by id', async () => {
    const fixture = await startGroups();
    const topicId = await fixture.createTopic('by-id');
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: '' }];
    const { topics } = await fixture.request(offsetCommit, 10, {
      groupId: 'group',
      memberId: '',
      topics: [
        { topicId, partitions },
        { topicId: UNKNOWN_ID, partitions },
      ],
    });
    expect(topics.map((topic) => nameOf(topic.partitions[0]?.errorCode ?? -1))).toEqual(['NONE', 'UNKNOWN_TOPIC_ID']);
    const asked = [topicId, UNKNOWN_ID].map((id) => ({ topicId: id, partitionIndexes: [0] }));
    const { groups } = await fixture.request(offsetFetch, 10, { groups: [{ groupId: 'group', topics: asked }] });
    const answers = groups[0]?.topics.map((topic) => [topic.topicId, topic.partitions[0]?.committedOffset]);
    expect(answers).toEqual([
      [topicId, 7],
      [UNKNOWN_ID, -1],
    ]);
    const all = await fixture.request(offsetFetch, 10, { groups: [{ groupId: 'group', topics: null }] });
    expect(all.groups[0]?.topics.map((topic) => topic.topicId)).toEqual([topicId]);
  });
});

describe('fetching', () => {
  test('null topics give all committed offsets, and several groups are answered at once', async () => {
    const fixture = await startGroups();
    await commit(fixture, { groupId: 'one', offset: 1 });
    await commit(fixture, { groupId: 'one', offset: 2, partition: 2 });
    await commit(fixture, { groupId: 'two', offset: 3 });
    const all = await fixture.request(offsetFetch, 7, { groupId: 'one', topics: null });
    expect(all.topics.map(({ partitions }) => partitions.map((each) => each.committedOffset))).toEqual([[1, 2]]);
    const { groups } = await fixture.request(offsetFetch, 8, {
      groups: ['one', 'two', 'none'].map((groupId) => ({ groupId, topics: null })),
    });
    expect(groups.map(({ groupId, errorCode, topics }) => [groupId, errorCode, topics.length])).toEqual([
      ['one', 0, 1],
      ['two', 0, 1],
      ['none', 0, 0],
    ]);
  });

  test('version 1 tells of the partitions asked for', async () => {
    const fixture = await startGroups();
    await commit(fixture, { groupId: 'one', offset: 1, version: 2, metadata: 'old' });
    const { topics } = await fixture.request(offsetFetch, 1, {
      groupId: 'one',
      topics: [{ name: 'orders', partitionIndexes: [0, 3] }],
    });
    expect(topics[0]?.partitions.map((each) => [each.committedOffset, each.metadata])).toEqual([
      [1, 'old'],
      [-1, ''],
    ]);
  });
});

describe('transactions', () => {
  const producer = { producerId: 0, producerEpoch: 0 };

  async function stage(fixture: BrokerFixture, offset: number): Promise<string> {
    const codes = await groupsOf(fixture).offsets.stage(
      {
        groupId: 'group',
        memberId: '',
        groupInstanceId: null,
        generationId: -1,
        offsets: [{ topic: 'orders', partition: 0, offset, leaderEpoch: 1, metadata: 'staged', errorCode: 0 }],
      },
      producer,
    );
    return nameOf(codes[0] ?? -1);
  }

  async function end(fixture: BrokerFixture, commits: boolean): Promise<void> {
    const groups = groupsOf(fixture);
    const index = groups.partitionOf('group');
    const partition = fixture.broker.services.router.topic('__consumer_offsets')?.partitions[index];
    const { outcome } = await fixture.executor.writeMarker({
      handle: partition?.handle ?? -1,
      ...producer,
      commit: commits,
      coordinatorEpoch: 0,
      transactionVersion: 1,
      durable: true,
    });
    expect(outcome).toBe('ok');
    groups.endTransaction(index, producer.producerId, commits);
  }

  test('staged offsets are unstable until their marker, which commits or drops them', async () => {
    const fixture = await startGroups();
    await commit(fixture, { groupId: 'group', offset: 1 });
    for (const commits of [false, true]) {
      expect(await stage(fixture, 10)).toBe('NONE');
      expect((await committed(fixture, 'group')).offset).toBe(1);
      const unstable = await committed(fixture, 'group', { requireStable: true });
      expect([unstable.offset, unstable.error]).toEqual([-1, 'UNSTABLE_OFFSET_COMMIT']);
      expect((await committed(fixture, 'group', { requireStable: true, partition: 1 })).error).toBe('NONE');
      await end(fixture, commits);
      const stable = await committed(fixture, 'group', { requireStable: true });
      expect([stable.offset, stable.error]).toEqual([commits ? 10 : 1, 'NONE']);
    }
  });

  test('a commit outside the transaction that came later is not taken back by its marker', async () => {
    const fixture = await startGroups();
    await stage(fixture, 10);
    await commit(fixture, { groupId: 'group', offset: 20 });
    await end(fixture, true);
    expect((await committed(fixture, 'group')).offset).toBe(20);
  });

  test('what is staged survives a restart and every expiry; what was ended is ended', async () => {
    const fixture = await startGroups({ 'offsets.retention.minutes': '1' });
    await stage(fixture, 10);
    await end(fixture, true);
    await stage(fixture, 30);
    const before = groupsOf(fixture).snapshot();
    const again = await fixture.restart();
    await groupsOf(again).whenLoaded();
    expect(groupsOf(again).snapshot()).toEqual(before);
    expect((await committed(again, 'group', { requireStable: true })).error).toBe('UNSTABLE_OFFSET_COMMIT');
    await pass(again, DAY_MS * 8);
    groupsOf(again).expire();
    expect((await committed(again, 'group')).offset).toBe(10);
    await end(again, true);
    expect((await committed(again, 'group')).offset).toBe(30);
  });
});

describe('expiry and deletion', () => {
  test('offsets without group management go the retention time after their commit, and the group with them', async () => {
    const fixture = await startGroups({ 'offsets.retention.minutes': '60' });
    await commit(fixture, { groupId: 'simple', offset: 1 });
    await pass(fixture, 30 * 60_000);
    await commit(fixture, { groupId: 'simple', offset: 2, partition: 1 });
    await pass(fixture, 40 * 60_000, 4);
    expect((await committed(fixture, 'simple')).offset).toBe(-1);
    expect((await committed(fixture, 'simple', { partition: 1 })).offset).toBe(2);
    expect(await listed(fixture)).toEqual(['simple Empty']);
    await pass(fixture, 40 * 60_000, 4);
    expect(await listed(fixture)).toEqual([]);
  });

  test.each([
    ['600000', 1],
    ['60000', -1],
  ])('is looked for every %s ms of offsets.retention.check.interval.ms', async (interval, offset) => {
    const fixture = await startGroups({
      'offsets.retention.minutes': '1',
      'offsets.retention.check.interval.ms': interval,
    });
    await commit(fixture, { groupId: 'simple', offset: 1 });
    await pass(fixture, 5 * 60_000, 5);
    expect((await committed(fixture, 'simple')).offset).toBe(offset);
  });

  test('a commit of an old client may say itself how long it is kept, also over a restart', async () => {
    const fixture = await startGroups();
    const partitions = [{ partitionIndex: 0, committedOffset: 5, committedMetadata: '' }];
    await fixture.request(offsetCommit, 2, {
      groupId: 'old',
      memberId: '',
      retentionTimeMs: 3_600_000,
      topics: [{ name: 'orders', partitions }],
    });
    const again = await fixture.restart();
    await groupsOf(again).whenLoaded();
    expect((await committed(again, 'old')).offset).toBe(5);
    await pass(again, 3_600_000);
    groupsOf(again).expire();
    expect((await committed(again, 'old')).offset).toBe(-1);
  });

  test('offsets of a group with members stay for the topics consumed; of an empty one since it became empty', async () => {
    const fixture = await startGroups({ 'offsets.retention.minutes': '60' });
    await fixture.createTopic('other');
    const member = new ClassicClient(fixture, 'group', { sessionTimeoutMs: 1_800_000 });
    await rebalance(fixture, [member]);
    await member.commit(1);
    await member.commit(2, { topic: 'other' });
    for (let step = 0; step < 4; step++) {
      await pass(fixture, 20 * 60_000);
      await member.heartbeat();
    }
    expect((await committed(fixture, 'group')).offset).toBe(1);
    expect((await committed(fixture, 'group', { topic: 'other' })).offset).toBe(-1);
    await member.leave();
    await pass(fixture, 50 * 60_000, 5);
    expect((await committed(fixture, 'group')).offset).toBe(1);
    await pass(fixture, 20 * 60_000, 2);
    expect((await committed(fixture, 'group')).offset).toBe(-1);
    expect(await listed(fixture)).toEqual([]);
  });

  test('of two deletions at once one finds the group and the other finds none', async () => {
    const fixture = await startGroups();
    await commit(fixture, { groupId: 'group', offset: 1 });
    const answers = await Promise.all([deleteGroup(fixture, 'group'), deleteGroup(fixture, 'group')]);
    expect(answers.sort()).toEqual(['GROUP_ID_NOT_FOUND', 'NONE']);
  });

  test('a group is deleted when it is empty, with its offsets, for good', async () => {
    const fixture = await startGroups();
    const member = new ClassicClient(fixture);
    await rebalance(fixture, [member]);
    await member.commit(1);
    expect(await deleteGroup(fixture, 'group')).toBe('NON_EMPTY_GROUP');
    expect(await deleteGroup(fixture, 'none')).toBe('GROUP_ID_NOT_FOUND');
    expect(await deleteGroup(fixture, '')).toBe('INVALID_GROUP_ID');
    await member.leave();
    expect(await deleteGroup(fixture, 'group')).toBe('NONE');
    expect((await committed(fixture, 'group')).offset).toBe(-1);
    const again = await fixture.restart();
    await groupsOf(again).whenLoaded();
    expect(await listed(again)).toEqual([]);
    expect((await committed(again, 'group')).offset).toBe(-1);
  });

  test('offsets are deleted one by one, but not of topics that members consume', async () => {
    const fixture = await startGroups();
    await fixture.createTopic('other');
    const member = new ClassicClient(fixture, 'group', {
      protocols: [{ name: 'range', metadata: subscription('orders') }],
    });
    await rebalance(fixture, [member]);
    await member.commit(1);
    await member.commit(2, { topic: 'other' });
    expect(await deleteOffset(fixture, 'group', 'orders')).toBe('GROUP_SUBSCRIBED_TO_TOPIC');
    expect(await deleteOffset(fixture, 'group', 'other')).toBe('NONE');
    expect(await deleteOffset(fixture, 'group', 'unknown')).toBe('UNKNOWN_TOPIC_OR_PARTITION');
    expect(await deleteOffset(fixture, 'none', 'orders')).toBe('GROUP_ID_NOT_FOUND');
    expect((await committed(fixture, 'group', { topic: 'other' })).offset).toBe(-1);
    const worker = new ClassicClient(fixture, 'workers', { protocolType: 'connect' });
    await rebalance(fixture, [worker]);
    expect(await deleteOffset(fixture, 'workers', 'orders')).toBe('NON_EMPTY_GROUP');
  });

  test('a deleted topic takes its offsets with it: a new one of the same name begins without', async () => {
    const fixture = await startGroups();
    await commit(fixture, { groupId: 'group', offset: 5 });
    await fixture.request(deleteTopics, 5, { topicNames: ['orders'], timeoutMs: 1000 });
    await fixture.createTopic('orders', 4);
    expect((await committed(fixture, 'group')).offset).toBe(-1);
  });
});

describe('a restart', () => {
  test('gives back members, generation, assignments and offsets, and the members go on as if nothing had been', async () => {
    const fixture = await startGroups();
    const members = [1, 2].map(() => new ClassicClient(fixture));
    await rebalance(fixture, members);
    await members[0]?.commit(42, { metadata: 'kept' });
    const before = groupsOf(fixture).snapshot();
    let again = fixture;
    for (const clean of [true, false]) {
      again = await again.restart({ clean });
      await groupsOf(again).whenLoaded();
      expect(groupsOf(again).snapshot()).toEqual(before);
      for (const [index, member] of members.entries()) {
        const moved = Object.assign(new ClassicClient(again), {
          memberId: member.memberId,
          generationId: member.generationId,
        });
        expect(await moved.heartbeat()).toBe('NONE');
        expect(await moved.sync()).toBe('NONE');
        expect(moved.assignment).toBe(`part ${index}`);
      }
      expect((await committed(again, 'group')).offset).toBe(42);
      expect(await listed(again)).toEqual(['group Stable']);
    }
  });

  test('members that are gone after it lose their sessions', async () => {
    const fixture = await startGroups();
    await rebalance(fixture, [new ClassicClient(fixture)]);
    const again = await fixture.restart();
    await groupsOf(again).whenLoaded();
    expect(await listed(again)).toEqual(['group Stable']);
    await pass(again, 10_000);
    expect(await listed(again)).toEqual(['group Empty']);
  });

  test('who waits when the broker closes is answered', async () => {
    const fixture = await startGroups({ 'group.initial.rebalance.delay.ms': '60000' });
    const member = new ClassicClient(fixture);
    const joined = member.join();
    await pass(fixture, 1);
    await fixture.broker.close();
    expect(nameOf((await joined).errorCode)).toBe('COORDINATOR_NOT_AVAILABLE');
  });

  test('the topic of offsets is not made by looking', async () => {
    const fixture = await startGroups();
    await committed(fixture, 'group');
    await listed(fixture);
    expect(fixture.metadata.topic('__consumer_offsets')).toBeUndefined();
    await commit(fixture, { groupId: 'group', offset: 1 });
    expect(fixture.metadata.topic('__consumer_offsets')?.partitions).toHaveLength(8);
  });
});
