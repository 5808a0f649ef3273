// KIP-848 groups, member by member: two epochs, revocation before reassignment, sessions, static members, types.

import { describe, expect, test } from 'vitest';
import type { ConsumerGroup } from '../../../src/broker/groups/consumer-group.ts';
import { readAssignment } from '../../../src/broker/groups/consumer-protocol.ts';
import { errorOf } from '../../../src/protocol/errors.ts';
import { heartbeat } from '../../../src/protocol/messages/12-heartbeat.ts';
import { syncGroup } from '../../../src/protocol/messages/14-sync-group.ts';
import { describeGroups } from '../../../src/protocol/messages/15-describe-groups.ts';
import { consumerGroupHeartbeat } from '../../../src/protocol/messages/68-consumer-group-heartbeat.ts';
import { consumerGroupDescribe } from '../../../src/protocol/messages/69-consumer-group-describe.ts';
import { beats, ConsumerClient, loads } from './consumer-fixture.ts';
import { ClassicClient, commit, committed, NO_DELAY, nameOf, pass, rebalance, startGroups } from './group-fixture.ts';
import { fullSubscription } from './migration-fixture.ts';
import { SETTINGS, ShardFixture, topicId } from './shard-fixture.ts';

function start(partitions = 6): ShardFixture {
  const fixture = new ShardFixture();
  fixture.topics.set('orders', topicId(0), partitions);
  return fixture;
}

function groupOf(fixture: ShardFixture): ConsumerGroup {
  const entry = fixture.shard.find('group');
  if (entry?.kind !== 'consumer') throw new Error('no KIP-848 group');
  return entry.group;
}

const JOIN = {
  groupId: 'group',
  memberId: 'one',
  memberEpoch: 0,
  rebalanceTimeoutMs: 1000,
  subscribedTopicNames: ['orders'],
  topicPartitions: [],
};

describe('a KIP-848 group', () => {
  test('gives its one member everything, and tells it once', async () => {
    const fixture = start();
    const member = new ConsumerClient(fixture, 'one');
    const first = await member.send();
    expect(first).toMatchObject({ errorCode: 0, memberId: 'one', memberEpoch: 1, heartbeatIntervalMs: 5000 });
    expect(first.assignment).toEqual([{ topicId: topicId(0), partitions: [0, 1, 2, 3, 4, 5] }]);
    await member.beat();
    expect(groupOf(fixture).state).toBe('Stable');
    const keepAlive = { rebalanceTimeoutMs: -1, subscribedTopicNames: null, owned: undefined };
    expect((await member.send(keepAlive)).assignment).toBeNull();
    expect((await member.send()).assignment).not.toBeNull();
  });

  test('takes partitions away before it gives them to another', async () => {
    const fixture = start();
    const [one, two] = [new ConsumerClient(fixture, 'one'), new ConsumerClient(fixture, 'two')];
    await one.beat();
    await two.beat();
    expect(loads([one, two])).toEqual([6, 0]);
    expect([one.epoch, two.epoch]).toEqual([1, 2]);
    const revoking = await one.send();
    expect(revoking.memberEpoch).toBe(1);
    expect(revoking.assignment?.[0]?.partitions).toHaveLength(3);
    // It says that it still has them: nothing moves on.
    await two.beat();
    expect((await one.send()).memberEpoch).toBe(1);
    expect(loads([two])).toEqual([0]);
    one.owned = new Set([...one.owned].slice(0, 3));
    expect((await one.send({ owned: one.owned })).memberEpoch).toBe(2);
    await two.beat();
    expect(two.owned.size).toBe(3);
    expect(groupOf(fixture).state).toBe('Stable');
  });

  test('a heartbeat of the epoch before is taken where the answer may have been lost, another one is fenced', async () => {
    const fixture = start();
    const [one, two] = [new ConsumerClient(fixture, 'one'), new ConsumerClient(fixture, 'two')];
    await beats([one, two]);
    const { epoch } = one;
    fixture.topics.set('orders', topicId(0), 8);
    expect((await one.send()).memberEpoch).toBe(epoch + 1);
    expect((await one.send()).errorCode).toBe(0);
    expect((await one.send()).memberEpoch).toBe(epoch + 1);
    const fenced = async (changes: object): Promise<string> => errorOf((await one.send(changes)).errorCode).name;
    expect(await fenced({ memberEpoch: epoch + 5 })).toBe('FENCED_MEMBER_EPOCH');
    expect(await fenced({ memberEpoch: epoch - 1 })).toBe('FENCED_MEMBER_EPOCH');
    expect(await fenced({ memberEpoch: epoch, owned: undefined })).toBe('FENCED_MEMBER_EPOCH');
  });

  test('a member that lost everything joins again under its id and is given partitions anew', async () => {
    const fixture = start();
    const [one, two] = [new ConsumerClient(fixture, 'one'), new ConsumerClient(fixture, 'two')];
    await beats([one, two]);
    one.reset();
    expect(await one.beat()).toBe('NONE');
    expect(loads([one, two])).toEqual([3, 3]);
  });

  test('a member that is silent for its session timeout is out, and so is one that does not give up in time', async () => {
    const fixture = start();
    const [one, two] = [new ConsumerClient(fixture, 'one'), new ConsumerClient(fixture, 'two')];
    await beats([one, two]);
    fixture.clock.advance(40_000);
    await one.beat();
    fixture.clock.advance(5000);
    expect([...groupOf(fixture).members.keys()]).toEqual(['one']);
    await beats([one]);
    expect(loads([one])).toEqual([6]);
    await two.beat();
    await two.beat();
    await one.send();
    fixture.clock.advance(29_999);
    expect(groupOf(fixture).members.size).toBe(2);
    await one.send();
    fixture.clock.advance(1);
    expect([...groupOf(fixture).members.keys()]).toEqual(['two']);
    await beats([two]);
    expect(loads([two])).toEqual([6]);
  });

  test('new partitions, new topics and deleted ones reach the members', async () => {
    const fixture = start();
    const member = new ConsumerClient(fixture, 'one', { topics: ['orders', 'later'] });
    await beats([member]);
    fixture.topics.set('orders', topicId(0), 7);
    await beats([member], 1);
    expect(member.owned.size).toBe(7);
    fixture.topics.set('later', topicId(1), 2);
    await beats([member], 1);
    expect(member.owned.size).toBe(9);
    fixture.topics.delete('orders');
    await beats([member]);
    expect(member.owned.size).toBe(2);
  });

  test('members may subscribe by expressions, and get topics that match later', async () => {
    const fixture = start();
    const member = new ConsumerClient(fixture, 'one', { topics: [] });
    member.regex = 'ord.*|x\\d+';
    await beats([member]);
    expect(member.owned.size).toBe(6);
    fixture.topics.set('x12', topicId(1), 1);
    fixture.topics.set('x', topicId(2), 1);
    fixture.topics.set('__consumer_offsets', topicId(3), 1);
    await beats([member]);
    expect(member.owned.size).toBe(7);
  });

  test('the assignor that most ask for is used', async () => {
    const fixture = start(5);
    fixture.topics.set('more', topicId(1), 5);
    const members = ['a', 'b'].map((id) => new ConsumerClient(fixture, id, { topics: ['orders', 'more'] }));
    for (const member of members) member.assignor = 'range';
    await beats(members);
    expect(loads(members)).toEqual([6, 4]);
    for (const member of members) member.assignor = 'uniform';
    await beats(members);
    fixture.topics.set('more', topicId(1), 6);
    await beats(members);
    expect(loads(members).sort()).toEqual([5, 6]);
  });

  test('takes no more members than group.consumer.max.size', async () => {
    const fixture = start();
    fixture.settings = { ...SETTINGS, consumerMaxSize: 1 };
    await new ConsumerClient(fixture, 'one').beat();
    expect(await new ConsumerClient(fixture, 'two').beat()).toBe('GROUP_MAX_SIZE_REACHED');
  });

  test('is told alike before and after a restart, and after compaction', async () => {
    const fixture = start();
    const members = ['one', 'two', 'three'].map((id) => new ConsumerClient(fixture, id));
    await beats(members);
    await members[1]?.leave();
    await beats([members[0], members[2]].filter((member) => member !== undefined));
    expect(fixture.replayed().snapshot()).toEqual(fixture.shard.snapshot());
    expect(fixture.replayed(true).snapshot()).toEqual(fixture.shard.snapshot());
  });
});

describe('static members of KIP-848', () => {
  const asStatic = (fixture: ShardFixture, id: string): ConsumerClient =>
    new ConsumerClient(fixture, id, { instanceId: 'instance' });

  test('keep their partitions while they are away, and come back under another member id', async () => {
    const fixture = start();
    const [before, other] = [asStatic(fixture, 'before'), new ConsumerClient(fixture, 'other')];
    await beats([before, other]);
    const { epoch } = groupOf(fixture);
    const { owned } = before;
    expect(await before.leave(-2)).toBe('NONE');
    await beats([other]);
    expect(loads([other])).toEqual([3]);
    const after = asStatic(fixture, 'after');
    await after.beat();
    expect(after.owned).toEqual(owned);
    expect(groupOf(fixture).epoch).toBe(epoch);
    expect(await before.beat()).toBe('UNRELEASED_INSTANCE_ID');
    before.epoch = epoch;
    expect(await before.beat()).toBe('FENCED_INSTANCE_ID');
  });

  test('an instance id in use is not released to another member', async () => {
    const fixture = start();
    await asStatic(fixture, 'one').beat();
    expect(await asStatic(fixture, 'two').beat()).toBe('UNRELEASED_INSTANCE_ID');
  });

  test('that do not come back lose their session', async () => {
    const fixture = start();
    const [away, other] = [asStatic(fixture, 'away'), new ConsumerClient(fixture, 'other')];
    await beats([away, other]);
    await away.leave(-2);
    for (let step = 0; step < 10; step++) {
      fixture.clock.advance(5000);
      await other.beat();
    }
    await beats([other]);
    expect(loads([other])).toEqual([6]);
  });
});

describe('requests of KIP-848', () => {
  test.each([
    [{ groupId: '' }, 'INVALID_REQUEST'],
    [{ memberId: '' }, 'INVALID_REQUEST'],
    [{ instanceId: '' }, 'INVALID_REQUEST'],
    [{ rackId: '' }, 'INVALID_REQUEST'],
    [{ memberEpoch: -3 }, 'INVALID_REQUEST'],
    [{ memberEpoch: -2 }, 'INVALID_REQUEST'],
    [{ rebalanceTimeoutMs: -1 }, 'INVALID_REQUEST'],
    [{ topicPartitions: null }, 'INVALID_REQUEST'],
    [{ subscribedTopicNames: null }, 'INVALID_REQUEST'],
    [{ serverAssignor: 'none' }, 'UNSUPPORTED_ASSIGNOR'],
    [{ subscribedTopicRegex: '(' }, 'INVALID_REGULAR_EXPRESSION'],
    [{ memberEpoch: 3 }, 'GROUP_ID_NOT_FOUND'],
    [{ memberEpoch: -1 }, 'GROUP_ID_NOT_FOUND'],
    [{}, 'NONE'],
  ])('%j is answered with %s', async (changes, expected) => {
    const fixture = await startGroups();
    const { errorCode } = await fixture.request(consumerGroupHeartbeat, 1, { ...JOIN, ...changes });
    expect(nameOf(errorCode)).toBe(expected);
  });

  test('version 0 gives members their ids', async () => {
    const fixture = await startGroups();
    const { memberId } = await fixture.request(consumerGroupHeartbeat, 0, { ...JOIN, memberId: '' });
    expect(memberId).toMatch(/^[\w-]{22}$/);
  });

  test('a classic group that may not move has no place for members of KIP-848 while it has members', async () => {
    const fixture = await startGroups({ 'group.consumer.migration.policy': 'disabled' });
    const classic = new ClassicClient(fixture, 'classic');
    await rebalance(fixture, [classic]);
    await classic.commit(5);
    const crossed = await fixture.request(consumerGroupHeartbeat, 1, { ...JOIN, groupId: 'classic' });
    expect(nameOf(crossed.errorCode)).toBe('GROUP_ID_NOT_FOUND');
    await classic.leave();
    const taken = await fixture.request(consumerGroupHeartbeat, 1, { ...JOIN, groupId: 'classic' });
    expect(nameOf(taken.errorCode)).toBe('NONE');
    expect((await committed(fixture, 'classic')).offset).toBe(5);
    await fixture.request(consumerGroupHeartbeat, 1, { ...JOIN, groupId: 'classic', memberEpoch: -1 });
    const back = new ClassicClient(fixture, 'classic');
    await rebalance(fixture, [back]);
    expect((await committed(fixture, 'classic')).offset).toBe(5);
  });

  test('commits are checked against the member epoch', async () => {
    const fixture = await startGroups();
    const { memberEpoch } = await fixture.request(consumerGroupHeartbeat, 1, JOIN);
    const claim = { groupId: 'group', offset: 7, memberId: 'one' };
    expect(await commit(fixture, { ...claim, generationId: memberEpoch })).toBe('NONE');
    expect(await commit(fixture, { ...claim, generationId: memberEpoch + 1 })).toBe('STALE_MEMBER_EPOCH');
    expect(await commit(fixture, { ...claim, generationId: memberEpoch, version: 8 })).toBe('UNSUPPORTED_VERSION');
    expect(await commit(fixture, { ...claim, memberId: 'two', generationId: 1 })).toBe('UNKNOWN_MEMBER_ID');
    expect(await commit(fixture, { groupId: 'group', offset: 1 })).toBe('UNKNOWN_MEMBER_ID');
    expect((await committed(fixture, 'group')).offset).toBe(7);
  });

  test('is assigned by none but group.consumer.assignors, the first where a member names none', async () => {
    const fixture = await startGroups({ 'group.consumer.assignors': 'range' });
    const uniform = await fixture.request(consumerGroupHeartbeat, 1, { ...JOIN, serverAssignor: 'uniform' });
    expect(nameOf(uniform.errorCode)).toBe('UNSUPPORTED_ASSIGNOR');
    expect(uniform.errorMessage).toContain('range');
    expect((await fixture.request(consumerGroupHeartbeat, 1, JOIN)).errorCode).toBe(0);
    await pass(fixture, 1);
    const { groups } = await fixture.request(consumerGroupDescribe, 1, {
      groupIds: ['group'],
      includeAuthorizedOperations: false,
    });
    expect(groups[0]).toMatchObject({ assignorName: 'range' });
  });

  test('ConsumerGroupDescribe tells both epochs and assignments; a classic group is not found', async () => {
    const fixture = await startGroups();
    const { memberEpoch } = await fixture.request(consumerGroupHeartbeat, 1, JOIN);
    await commit(fixture, { groupId: 'simple', offset: 1 });
    await pass(fixture, 1);
    const { groups } = await fixture.request(consumerGroupDescribe, 1, {
      groupIds: ['group', 'simple', 'none'],
      includeAuthorizedOperations: false,
    });
    expect(groups.map(({ groupState, errorCode }) => [groupState, nameOf(errorCode)])).toEqual([
      ['Stable', 'NONE'],
      ['Dead', 'GROUP_ID_NOT_FOUND'],
      ['Dead', 'GROUP_ID_NOT_FOUND'],
    ]);
    expect(groups[0]).toMatchObject({ groupEpoch: 1, assignmentEpoch: 1, assignorName: 'uniform' });
    const [member] = groups[0]?.members ?? [];
    expect(member).toMatchObject({ memberId: 'one', memberEpoch, clientId: 'test', clientHost: '/127.0.0.1' });
    expect(member?.assignment.topicPartitions).toMatchObject([{ topicName: 'orders', partitions: [0, 1, 2, 3] }]);
  });

  test('the protocol can be left out', async () => {
    const fixture = await startGroups({ 'group.coordinator.rebalance.protocols': 'classic' });
    const { errorCode } = await fixture.request(consumerGroupHeartbeat, 1, JOIN);
    expect(nameOf(errorCode)).toBe('UNSUPPORTED_VERSION');
  });
});

describe('a group of members of both protocols', () => {
  const named = { groupId: 'mixed', groupInstanceId: null } as const;
  const options = { protocols: [{ name: 'range', metadata: fullSubscription(['orders'], []) }] };

  async function mixed() {
    const fixture = await startGroups();
    const old = new ClassicClient(fixture, 'mixed', options);
    const joining = old.join();
    await pass(fixture, 1);
    await joining;
    await old.sync({});
    const next = { ...JOIN, groupId: 'mixed', memberId: 'next' };
    const joined = await fixture.request(consumerGroupHeartbeat, 1, next);
    expect(nameOf(joined.errorCode)).toBe('NONE');
    return { fixture, old, next, epoch: joined.memberEpoch };
  }

  test('tells the classic ones to join again, and gives them their partitions', async () => {
    const { fixture, old } = await mixed();
    expect(await old.heartbeat()).toBe('REBALANCE_IN_PROGRESS');
    const generation = old.generationId;
    expect(await old.sync()).toBe('REBALANCE_IN_PROGRESS');
    const joined = await old.join();
    expect(joined).toMatchObject({
      errorCode: 0,
      leader: '',
      protocolName: 'range',
      protocolType: 'consumer',
      members: [],
    });
    expect(joined.generationId).toBeGreaterThan(generation);
    const synced = await fixture.request(syncGroup, 5, {
      ...named,
      memberId: old.memberId,
      generationId: old.generationId,
      protocolType: 'consumer',
      protocolName: 'range',
      assignments: [],
    });
    expect(readAssignment(synced.assignment)?.partitions).toEqual([{ topic: 'orders', partitions: expect.any(Array) }]);
    expect(readAssignment(synced.assignment)?.partitions[0]?.partitions).toHaveLength(2);
    expect(await old.heartbeat()).toBe('NONE');
  });

  test('takes commits in the terms of each, and refuses those of another generation', async () => {
    const { fixture, old, epoch } = await mixed();
    expect(await old.commit(3, { version: 8 })).toBe('NONE');
    expect(await old.commit(4, { generationId: 7 })).toBe('ILLEGAL_GENERATION');
    const claim = { groupId: 'mixed', memberId: 'next', offset: 5 };
    expect(await commit(fixture, { ...claim, generationId: epoch })).toBe('NONE');
    expect(await commit(fixture, { ...claim, generationId: epoch + 1 })).toBe('STALE_MEMBER_EPOCH');
    expect(await commit(fixture, { ...claim, generationId: epoch, version: 8 })).toBe('UNSUPPORTED_VERSION');
    expect((await committed(fixture, 'mixed')).offset).toBe(5);
  });

  test('is described with the type of each member, and is the same after a restart', async () => {
    const { fixture, old } = await mixed();
    const types = async (from: typeof fixture) => {
      const { groups } = await from.request(consumerGroupDescribe, 1, {
        groupIds: ['mixed'],
        includeAuthorizedOperations: false,
      });
      return Object.fromEntries(groups[0]?.members.map(({ memberId, memberType }) => [memberId, memberType]) ?? []);
    };
    expect(await types(fixture)).toEqual({ [old.memberId]: 0, next: 1 });
    const again = await fixture.restart({ config: NO_DELAY });
    await pass(again, 10);
    expect(await types(again)).toEqual({ [old.memberId]: 0, next: 1 });
    // The classic member did not notice: it goes on, and is told to join again as before.
    const { memberId, generationId } = old;
    const beat = await again.request(heartbeat, 4, { groupId: 'mixed', memberId, generationId });
    expect(nameOf(beat.errorCode)).toBe('REBALANCE_IN_PROGRESS');
  });

  test('is a classic group again when the last member of KIP-848 leaves', async () => {
    const { fixture, old, next } = await mixed();
    await fixture.request(consumerGroupHeartbeat, 1, { ...next, memberEpoch: -1 });
    const { groups } = await fixture.request(describeGroups, 5, { groups: ['mixed'] });
    expect(groups[0]).toMatchObject({ groupState: 'PreparingRebalance', protocolType: 'consumer' });
    const gone = await fixture.request(consumerGroupHeartbeat, 1, { ...next, memberEpoch: 1 });
    expect(nameOf(gone.errorCode)).toBe('GROUP_ID_NOT_FOUND');
    await rebalance(fixture, [old]);
    expect(await old.heartbeat()).toBe('NONE');
    const again = await fixture.restart({ config: NO_DELAY });
    await pass(again, 10);
    const { memberId, generationId } = old;
    const beat = await again.request(heartbeat, 4, { groupId: 'mixed', memberId, generationId });
    expect(nameOf(beat.errorCode)).toBe('NONE');
  });
});
