// Classic groups over frames: joining, synchronizing, staying, leaving, fencing.

import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../../src/protocol/errors.ts';
import { joinGroup } from '../../../src/protocol/messages/11-join-group.ts';
import { leaveGroup } from '../../../src/protocol/messages/13-leave-group.ts';
import { describeGroups } from '../../../src/protocol/messages/15-describe-groups.ts';
import type { BrokerFixture } from '../fixture.ts';
import {
  ClassicClient,
  nameOf,
  Pending,
  pass,
  rebalance,
  startGroups,
  subscription,
  synchronize,
} from './group-fixture.ts';
import { ShardFixture } from './shard-fixture.ts';

async function stateOf(fixture: BrokerFixture, groupId = 'group'): Promise<string> {
  const { groups } = await fixture.request(describeGroups, 5, {
    groups: [groupId],
    includeAuthorizedOperations: false,
  });
  return groups[0]?.groupState ?? '';
}

describe('joining', () => {
  test('from version 4 on a new member is given an id and joins again with it (KIP-394)', async () => {
    const fixture = await startGroups();
    const member = new ClassicClient(fixture);
    const first = await member.joinOnce();
    expect(nameOf(first.errorCode)).toBe('MEMBER_ID_REQUIRED');
    expect(first.memberId).toMatch(/^test-[0-9a-f-]{36}$/);
    const second = new Pending(member.joinOnce());
    await pass(fixture, 1);
    expect(second.value?.errorCode).toBe(0);
    expect(second.value?.memberId).toBe(first.memberId);
    expect(second.value?.members.map(({ memberId }) => memberId)).toEqual([first.memberId]);
  });

  test('up to version 3 a new member is in at once, and version 0 has its session timeout for rebalances', async () => {
    const fixture = await startGroups();
    for (const version of [0, 3]) {
      const member = new ClassicClient(fixture, `group-${version}`, { version });
      const joined = new Pending(member.joinOnce());
      await pass(fixture, 1);
      expect(nameOf(joined.value?.errorCode ?? -1)).toBe('NONE');
      expect(await member.sync({ [member.memberId]: 'all' })).toBe('NONE');
      expect(member.assignment).toBe('all');
    }
  });

  test('an id that is not claimed expires with the session timeout, and does not hold a rebalance up', async () => {
    const fixture = await startGroups();
    const [one, two] = [new ClassicClient(fixture), new ClassicClient(fixture)];
    await rebalance(fixture, [one]);
    await two.joinOnce({ sessionTimeoutMs: 6000 });
    const again = new Pending(one.joinOnce());
    await pass(fixture, 5000);
    expect(again.value).toBeUndefined();
    await pass(fixture, 1000);
    expect(again.value?.errorCode).toBe(0);
    expect(nameOf((await two.joinOnce()).errorCode)).toBe('UNKNOWN_MEMBER_ID');
  });

  test('a group that was empty waits for more members, longer while they come, at most the rebalance timeout', async () => {
    const fixture = await startGroups({ 'group.initial.rebalance.delay.ms': '3000' });
    const [one, two] = [new ClassicClient(fixture), new ClassicClient(fixture)];
    const first = new Pending(one.join());
    await pass(fixture, 2000);
    const second = new Pending(two.join());
    await pass(fixture, 1500);
    expect(first.value).toBeUndefined();
    await pass(fixture, 3000);
    expect(first.value?.generationId).toBe(1);
    expect(second.value?.generationId).toBe(1);
    expect(first.value?.members).toHaveLength(2);
    expect(second.value?.members).toHaveLength(0);
  });

  test('a session timeout out of bounds, an empty group id and an unknown member are refused', async () => {
    const fixture = await startGroups();
    const join = async (options: object): Promise<string> => {
      const body = { sessionTimeoutMs: 10_000, memberId: '', protocolType: 'consumer', groupId: 'group' };
      const protocols = [{ name: 'range', metadata: subscription() }];
      return nameOf((await fixture.request(joinGroup, 5, { ...body, protocols, ...options })).errorCode);
    };
    expect(await join({ sessionTimeoutMs: 5999 })).toBe('INVALID_SESSION_TIMEOUT');
    expect(await join({ sessionTimeoutMs: 1_800_001 })).toBe('INVALID_SESSION_TIMEOUT');
    expect(await join({ groupId: '' })).toBe('INVALID_GROUP_ID');
    expect(await join({ memberId: 'nobody' })).toBe('UNKNOWN_MEMBER_ID');
    expect(await join({ protocolType: '' })).toBe('INCONSISTENT_GROUP_PROTOCOL');
    expect(await join({ protocols: [] })).toBe('INCONSISTENT_GROUP_PROTOCOL');
  });

  test('a group takes no more members than group.max.size', async () => {
    const fixture = await startGroups({ 'group.max.size': '1' });
    const [one, two] = [new ClassicClient(fixture), new ClassicClient(fixture)];
    await rebalance(fixture, [one]);
    expect(nameOf((await two.join()).errorCode)).toBe('GROUP_MAX_SIZE_REACHED');
    expect(await one.heartbeat()).toBe('NONE');
  });

  test('the protocol that most prefer among those that all support is chosen, and another one alone is refused', async () => {
    const fixture = await startGroups();
    const speaking = (...names: readonly string[]): ClassicClient =>
      new ClassicClient(fixture, 'group', {
        protocols: names.map((name) => ({ name, metadata: subscription(name) })),
      });
    const members = [speaking('a', 'b', 'c'), speaking('b', 'a'), speaking('b', 'a', 'd')];
    const joins = members.map((member) => new Pending(member.join()));
    await pass(fixture, 1, 2);
    expect(joins.map(({ value }) => value?.protocolName)).toEqual(['b', 'b', 'b']);
    expect(nameOf((await speaking('c').join()).errorCode)).toBe('INCONSISTENT_GROUP_PROTOCOL');
    const stranger = new ClassicClient(fixture, 'group', { protocolType: 'connect' });
    expect(nameOf((await stranger.join()).errorCode)).toBe('INCONSISTENT_GROUP_PROTOCOL');
  });
});

describe('rebalancing', () => {
  test('every member gets its own assignment, whole, and followers wait for the leader', async () => {
    const fixture = await startGroups();
    const members = [1, 2, 3].map(() => new ClassicClient(fixture));
    const joins = members.map((member) => member.join());
    await pass(fixture, 1, 2);
    await Promise.all(joins);
    const [follower, other] = members.filter(({ isLeader }) => !isLeader);
    const leader = members.find(({ isLeader }) => isLeader);
    const early = new Pending(follower?.sync() ?? Promise.reject());
    await pass(fixture, 1);
    expect(early.value).toBeUndefined();
    expect(await stateOf(fixture)).toBe('CompletingRebalance');
    const assignments = Object.fromEntries(members.map(({ memberId }) => [memberId, `of ${memberId}`]));
    expect(await leader?.sync(assignments)).toBe('NONE');
    expect(await early.promise).toBe('NONE');
    expect(await other?.sync()).toBe('NONE');
    for (const { assignment, memberId } of members) expect(assignment).toBe(`of ${memberId}`);
    expect(await stateOf(fixture)).toBe('Stable');
  });

  test('a new member makes the others join again, and a heartbeat tells them', async () => {
    const fixture = await startGroups();
    const [one, two] = [new ClassicClient(fixture), new ClassicClient(fixture)];
    await rebalance(fixture, [one]);
    expect(await one.heartbeat()).toBe('NONE');
    const second = new Pending(two.join());
    await pass(fixture, 1);
    expect(await one.heartbeat()).toBe('REBALANCE_IN_PROGRESS');
    expect(await one.sync()).toBe('REBALANCE_IN_PROGRESS');
    expect(second.value).toBeUndefined();
    await one.join();
    await second.promise;
    expect([one.generationId, two.generationId]).toEqual([2, 2]);
    await synchronize([one, two]);
  });

  test('who does not join again within the rebalance timeout is out', async () => {
    const fixture = await startGroups();
    const silent = new ClassicClient(fixture, 'group', { sessionTimeoutMs: 600_000, rebalanceTimeoutMs: 20_000 });
    await rebalance(fixture, [silent]);
    const other = new ClassicClient(fixture, 'group', { rebalanceTimeoutMs: 20_000 });
    const joined = new Pending(other.join());
    await pass(fixture, 19_000);
    expect(joined.value).toBeUndefined();
    await pass(fixture, 1000);
    expect(joined.value?.members.map(({ memberId }) => memberId)).toEqual([other.memberId]);
    expect(await silent.heartbeat()).toBe('UNKNOWN_MEMBER_ID');
  });

  test('who joins and does not synchronize within the rebalance timeout is out', async () => {
    const fixture = await startGroups();
    const options = { sessionTimeoutMs: 600_000, rebalanceTimeoutMs: 20_000 };
    const members = [1, 2].map(() => new ClassicClient(fixture, 'group', options));
    const joins = members.map((member) => member.join());
    await pass(fixture, 1, 2);
    await Promise.all(joins);
    const leader = members.find(({ isLeader }) => isLeader);
    const follower = members.find(({ isLeader }) => !isLeader);
    expect(await leader?.sync()).toBe('NONE');
    await pass(fixture, 20_000);
    expect(await leader?.heartbeat()).toBe('REBALANCE_IN_PROGRESS');
    expect(await follower?.heartbeat()).toBe('UNKNOWN_MEMBER_ID');
  });

  test('a member that is not heard of for its session timeout is out; heartbeats and commits keep it in', async () => {
    const fixture = await startGroups();
    const members = [1, 2, 3].map(() => new ClassicClient(fixture, 'group', { sessionTimeoutMs: 10_000 }));
    await rebalance(fixture, members);
    const [beating, committing, silent] = members;
    for (let step = 0; step < 3; step++) {
      await pass(fixture, 4000);
      await beating?.heartbeat();
      await committing?.commit(step);
    }
    expect(await silent?.heartbeat()).toBe('UNKNOWN_MEMBER_ID');
    expect(await beating?.heartbeat()).toBe('REBALANCE_IN_PROGRESS');
    expect(await committing?.heartbeat()).toBe('REBALANCE_IN_PROGRESS');
  });

  test('the leader or changed metadata begin a rebalance; the same member saying the same does not', async () => {
    const fixture = await startGroups();
    const members = [1, 2].map(() => new ClassicClient(fixture));
    await rebalance(fixture, members);
    const follower = members.find(({ isLeader }) => !isLeader);
    const leader = members.find(({ isLeader }) => isLeader);
    const same = await follower?.joinOnce();
    expect([same?.errorCode, same?.generationId, same?.members.length]).toEqual([0, 1, 0]);
    expect(await leader?.heartbeat()).toBe('NONE');
    const changed = new Pending(
      follower?.joinOnce({ protocols: [{ name: 'range', metadata: subscription('other') }] }) ?? Promise.reject(),
    );
    await pass(fixture, 1);
    expect(changed.value).toBeUndefined();
    await leader?.join();
    expect((await changed.promise).generationId).toBe(2);
    await synchronize(members);
    const again = new Pending(leader?.joinOnce() ?? Promise.reject());
    await pass(fixture, 1);
    expect(again.value).toBeUndefined();
    expect(await follower?.heartbeat()).toBe('REBALANCE_IN_PROGRESS');
  });

  test('a leader whose answer was lost joins again in the same generation', async () => {
    const fixture = await startGroups();
    const members = [1, 2].map(() => new ClassicClient(fixture));
    const joins = members.map((member) => member.join());
    await pass(fixture, 1, 2);
    await Promise.all(joins);
    const leader = members.find(({ isLeader }) => isLeader);
    const again = await leader?.joinOnce();
    expect([again?.generationId, again?.members.length]).toEqual([1, 2]);
    await synchronize(members);
  });

  test('generations and protocols of SyncGroup are checked', async () => {
    const fixture = await startGroups();
    const member = new ClassicClient(fixture);
    await rebalance(fixture, [member]);
    const stranger = new ClassicClient(fixture);
    stranger.memberId = 'nobody';
    expect(await stranger.sync()).toBe('UNKNOWN_MEMBER_ID');
    const elsewhere = new ClassicClient(fixture, 'none');
    expect(await elsewhere.sync()).toBe('UNKNOWN_MEMBER_ID');
    member.generationId = 7;
    expect(await member.sync()).toBe('ILLEGAL_GENERATION');
    expect(await member.heartbeat()).toBe('ILLEGAL_GENERATION');
    const other = new ClassicClient(fixture, 'group', { protocolType: 'connect' });
    Object.assign(other, { memberId: member.memberId, generationId: 1 });
    expect(await other.sync()).toBe('INCONSISTENT_GROUP_PROTOCOL');
  });

  test('cooperative members keep the generation and metadata that they said, byte by byte', async () => {
    const fixture = await startGroups();
    const metadata = Uint8Array.from({ length: 256 }, (_, index) => index);
    const members = [1, 2].map(
      () => new ClassicClient(fixture, 'group', { protocols: [{ name: 'cooperative-sticky', metadata }] }),
    );
    const joins = members.map((member) => new Pending(member.join()));
    await pass(fixture, 1, 2);
    const told = joins.find(({ value }) => (value?.members.length ?? 0) > 0)?.value;
    expect(told?.members.map((member) => [...member.metadata])).toEqual([[...metadata], [...metadata]]);
  });
});

describe('leaving', () => {
  test('takes effect at once, for each member by itself', async () => {
    const fixture = await startGroups();
    const members = [1, 2].map(() => new ClassicClient(fixture));
    await rebalance(fixture, members);
    const [one, two] = members;
    const response = await fixture.request(leaveGroup, 4, {
      groupId: 'group',
      members: [{ memberId: one?.memberId ?? '' }, { memberId: 'nobody' }],
    });
    expect(response.members.map(({ errorCode }) => nameOf(errorCode))).toEqual(['NONE', 'UNKNOWN_MEMBER_ID']);
    expect(await two?.heartbeat()).toBe('REBALANCE_IN_PROGRESS');
    expect(await two?.leave()).toBe('NONE');
    expect(await stateOf(fixture)).toBe('Empty');
    expect(await two?.leave()).toBe('UNKNOWN_MEMBER_ID');
    const absent = await fixture.request(leaveGroup, 2, { groupId: 'none', memberId: 'nobody' });
    expect(nameOf(absent.errorCode)).toBe('UNKNOWN_MEMBER_ID');
  });

  test('the last join that was missing may be one that left', async () => {
    const fixture = await startGroups();
    const members = [1, 2].map(() => new ClassicClient(fixture));
    await rebalance(fixture, members);
    const [one, two] = members;
    const again = new Pending(
      one?.joinOnce({ protocols: [{ name: 'range', metadata: subscription('x') }] }) ?? Promise.reject(),
    );
    await pass(fixture, 1);
    expect(again.value).toBeUndefined();
    await two?.leave();
    await pass(fixture, 1);
    expect(again.value?.generationId).toBe(2);
  });
});

describe('static members', () => {
  const asStatic = (fixture: BrokerFixture, version = 9): ClassicClient =>
    new ClassicClient(fixture, 'group', { instanceId: 'one', version });

  test('join at once, and come back under a new member id without a rebalance; the one before is fenced', async () => {
    const fixture = await startGroups();
    const before = asStatic(fixture);
    const other = new ClassicClient(fixture);
    await rebalance(fixture, [before, other]);
    const after = asStatic(fixture);
    const answer = await after.joinOnce();
    expect(answer.errorCode).toBe(0);
    expect(after.memberId).not.toBe(before.memberId);
    expect(answer.generationId).toBe(1);
    expect(await other.heartbeat()).toBe('NONE');
    expect(await after.sync()).toBe('NONE');
    expect(after.assignment).toBe(before.assignment);
    expect(await before.heartbeat()).toBe('FENCED_INSTANCE_ID');
    expect(await before.commit(1)).toBe('FENCED_INSTANCE_ID');
    expect(await before.sync()).toBe('FENCED_INSTANCE_ID');
    expect(nameOf((await before.joinOnce()).errorCode)).toBe('FENCED_INSTANCE_ID');
    expect(await after.heartbeat()).toBe('NONE');
  });

  test('a leader that comes back is told to leave the assignment alone: by a flag, or by another leader (KIP-814)', async () => {
    for (const version of [9, 8]) {
      const fixture = await startGroups();
      const before = asStatic(fixture, version);
      await rebalance(fixture, [before]);
      const after = asStatic(fixture, version);
      const answer = await after.joinOnce();
      expect(answer.skipAssignment).toBe(version === 9);
      expect(answer.leader).toBe(version === 9 ? after.memberId : before.memberId);
      expect(answer.members).toHaveLength(version === 9 ? 1 : 0);
      expect(await after.sync()).toBe('NONE');
      expect(after.assignment).toBe('part 0');
    }
  });

  test('one that waits to join is fenced by the next', async () => {
    const fixture = await startGroups({ 'group.initial.rebalance.delay.ms': '1000' });
    const [before, after] = [asStatic(fixture), asStatic(fixture)];
    const first = new Pending(before.joinOnce());
    await pass(fixture, 1);
    const second = new Pending(after.joinOnce());
    await pass(fixture, 1);
    expect(nameOf(first.value?.errorCode ?? 0)).toBe('FENCED_INSTANCE_ID');
    await pass(fixture, 2000);
    expect(second.value?.errorCode).toBe(0);
  });

  test('leave by instance id, and are not thrown out by a rebalance that they miss', async () => {
    const fixture = await startGroups();
    const stays = new ClassicClient(fixture, 'group', {
      instanceId: 'stays',
      sessionTimeoutMs: 600_000,
      rebalanceTimeoutMs: 10_000,
    });
    await rebalance(fixture, [stays]);
    const other = new ClassicClient(fixture);
    const joined = new Pending(other.join({ rebalanceTimeoutMs: 10_000 }));
    await pass(fixture, 10_000);
    expect(joined.value?.members.map(({ groupInstanceId }) => groupInstanceId)).toEqual(['stays', null]);
    const response = await fixture.request(leaveGroup, 3, {
      groupId: 'group',
      members: [
        { memberId: '', groupInstanceId: 'stays' },
        { memberId: '', groupInstanceId: 'unknown' },
        { memberId: 'wrong', groupInstanceId: 'stays' },
      ],
    });
    expect(response.members.map(({ errorCode }) => nameOf(errorCode))).toEqual([
      'NONE',
      'UNKNOWN_MEMBER_ID',
      'UNKNOWN_MEMBER_ID',
    ]);
  });
});

test('a group that is gone since a request found it is told so, and nothing comes of the request', async () => {
  const fixture = new ShardFixture();
  const entry = fixture.shard.classic('group');
  if (entry === undefined) throw new Error('no group');
  fixture.shard.unloaded(ERROR_CODES.NOT_COORDINATOR);
  fixture.shard.unloaded(ERROR_CODES.NOT_COORDINATOR);
  const claim = { memberId: 'one', groupInstanceId: null, generationId: 1 };
  const { rebalance: gone } = entry;
  expect(nameOf(gone.heartbeat(claim))).toBe('COORDINATOR_NOT_AVAILABLE');
  const sync = { ...claim, protocolType: null, protocolName: null, assignments: [] };
  expect(nameOf((await gone.sync(sync)).errorCode)).toBe('COORDINATOR_NOT_AVAILABLE');
  const join = {
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: subscription() }],
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 10_000,
    client: { clientId: 'test', clientHost: '/127.0.0.1' },
    needsMemberId: false,
    maySkipAssignment: true,
  };
  expect(nameOf((await gone.join(join)).errorCode)).toBe('COORDINATOR_NOT_AVAILABLE');
  expect(fixture.clock.timerCount).toBe(0);
});
