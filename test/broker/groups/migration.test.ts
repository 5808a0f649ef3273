// Groups that move between the classic protocol and that of KIP-848 while they have members.

import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { GroupEntry } from '../../../src/broker/groups/group-shard.ts';
import { ERROR_CODES } from '../../../src/protocol/errors.ts';
import { settle } from '../fixture.ts';
import { ConsumerClient } from './consumer-fixture.ts';
import { type Assignor, ClassicConsumer, fullSubscription } from './migration-fixture.ts';
import { SETTINGS, ShardFixture, topicId } from './shard-fixture.ts';

const PARTITIONS = 6;
let fixture: ShardFixture;

beforeEach(() => {
  fixture = new ShardFixture();
  fixture.topics.set('orders', topicId(0), PARTITIONS);
});

type Client = ClassicConsumer | ConsumerClient;

async function step(client: Client): Promise<void> {
  if (client instanceof ClassicConsumer) {
    client.go();
    return;
  }
  // The coordinator answers GROUP_ID_NOT_FOUND to a member of a group that was downgraded without it.
  if (client.epoch !== 0 && fixture.shard.find('group')?.kind !== 'consumer') client.reset();
  await client.beat();
}

/** Everybody does the next thing, some times over. */
async function rounds(clients: readonly Client[], count = 12): Promise<void> {
  for (let round = 0; round < count; round++) {
    for (const client of clients) await step(client);
    for (let turn = 0; turn < 3; turn++) await settle();
    fixture.clock.advance(500);
    check(clients);
  }
}

function group(): GroupEntry {
  const entry = fixture.shard.find('group');
  if (entry === undefined) throw new Error('there is no group');
  return entry;
}

function ownedBy(client: Client): string[] {
  if (client instanceof ClassicConsumer) return [...client.owned].sort();
  return [...client.owned].map((key) => `orders/${key.split('/')[1]}`).sort();
}

/** Whether the coordinator knows the client in the generation in which the client thinks to be. */
function isCurrent(client: Client): boolean {
  const entry = fixture.shard.find('group');
  if (entry?.kind === 'consumer') {
    const epoch = client instanceof ClassicConsumer ? client.generationId : client.epoch;
    return entry.group.members.get(client.memberId)?.epoch === epoch;
  }
  if (!(client instanceof ClassicConsumer) || entry === undefined) return false;
  return entry.group.members.has(client.memberId) && entry.group.generationId === client.generationId;
}

/** No two clients that are members of the group have a partition at the same time. */
function check(clients: readonly Client[]): void {
  const owner = new Map<string, Client>();
  for (const client of clients.filter(isCurrent)) {
    for (const key of ownedBy(client)) {
      expect(owner.has(key), `${key} is read by two members`).toBe(false);
      owner.set(key, client);
    }
  }
  expect(fixture.replayed().snapshot()).toEqual(fixture.shard.snapshot());
}

function loads(clients: readonly Client[]): number[] {
  return clients.map((client) => ownedBy(client).length);
}

function classic(name: string, assignor: Assignor = 'eager', instanceId?: string): ClassicConsumer {
  return new ClassicConsumer(fixture, name, instanceId === undefined ? { assignor } : { assignor, instanceId });
}

describe.each(['eager', 'cooperative'] as const)('with %s members', (assignor) => {
  test('a member of KIP-848 upgrades a classic group, and all partitions are read by one member each', async () => {
    const old = [classic('a', assignor), classic('b', assignor)];
    await rounds(old);
    expect(group().kind).toBe('classic');
    expect(loads(old)).toEqual([3, 3]);
    const next = new ConsumerClient(fixture, 'next');
    expect(await next.beat()).toBe('NONE');
    expect(group().kind).toBe('consumer');
    // Nothing was taken from anybody yet.
    expect(loads([...old, next])).toEqual([3, 3, 0]);
    await rounds([...old, next]);
    expect(loads([...old, next])).toEqual([2, 2, 2]);
    expect(group().group.state).toBe('Stable');
    // Nobody was thrown out: they were told to join again, and that is all.
    const codes = new Set(old.flatMap(({ told }) => told));
    expect([...codes].filter((code) => /UNKNOWN|ILLEGAL|FENCED/.test(code))).toEqual([]);
  });

  test('a rolling upgrade and a rolling downgrade go through every mixture', async () => {
    const old = [classic('a', assignor), classic('b', assignor), classic('c', assignor)];
    const next = ['x', 'y', 'z'].map((name) => new ConsumerClient(fixture, name));
    await rounds(old);
    const clients: Client[] = [...old];
    for (const [index, client] of next.entries()) {
      old[index]?.leave();
      clients[index] = client;
      await rounds(clients);
      expect(group().kind).toBe('consumer');
      expect(loads(clients)).toEqual([2, 2, 2]);
    }
    for (const [index, client] of old.entries()) {
      await next[index]?.leave();
      clients[index] = client;
      await rounds(clients);
      expect(group().kind).toBe(index < 2 ? 'consumer' : 'classic');
      expect(loads(clients)).toEqual([2, 2, 2]);
    }
    expect(group().group.state).toBe('Stable');
  });

  test('when the last member of KIP-848 goes, the others rebalance as a classic group', async () => {
    const old = [classic('a', assignor), classic('b', assignor)];
    const next = new ConsumerClient(fixture, 'next');
    await rounds([...old, next]);
    const { group: before } = group();
    const epoch = 'epoch' in before ? before.epoch : -1;
    await next.leave();
    const entry = group();
    if (entry.kind !== 'classic') throw new Error('the group was not downgraded');
    expect(entry.group.state).toBe('PreparingRebalance');
    expect(entry.group.generationId).toBe(epoch);
    await rounds(old);
    expect(loads(old)).toEqual([3, 3]);
    expect(entry.group.state).toBe('Stable');
    expect(entry.group.generationId).toBeGreaterThan(epoch);
  });

  test('a silent member of KIP-848 that was the last one leaves a classic group behind', async () => {
    const old = [classic('a', assignor)];
    const next = new ConsumerClient(fixture, 'next');
    await rounds([...old, next]);
    for (let second = 0; second < 50; second += 3) {
      fixture.clock.advance(3000);
      await rounds(old, 1);
    }
    expect(group().kind).toBe('classic');
    await rounds(old);
    expect(loads(old)).toEqual([PARTITIONS]);
  });
});

test('a group in the middle of a rebalance is upgraded, and those who wait in it join again', async () => {
  const old = [classic('a'), classic('b')];
  await rounds(old);
  const late = classic('c');
  late.go();
  await settle();
  late.go();
  await settle();
  expect(group().group.state).toBe('PreparingRebalance');
  const next = new ConsumerClient(fixture, 'next');
  await next.beat();
  await settle();
  expect(late.told).toEqual(['join MEMBER_ID_REQUIRED', 'join REBALANCE_IN_PROGRESS']);
  const all = [...old, late, next];
  await rounds(all);
  expect(loads(all).sort()).toEqual([1, 1, 2, 2]);
});

test('a member that was out before the upgrade gives up what it still has before it joins again', async () => {
  const [lost, heir] = [classic('lost', 'cooperative'), classic('heir', 'cooperative')];
  await rounds([lost]);
  for (const client of [heir, heir, lost]) {
    client.go();
    await settle();
  }
  expect(lost.told.at(-1)).toBe('beat REBALANCE_IN_PROGRESS');
  // It is not heard of for its session, and takes itself for a member that is to join again.
  fixture.clock.advance(10_000);
  await settle();
  const next = new ConsumerClient(fixture, 'next');
  await rounds([heir, next]);
  expect(loads([lost, heir, next])).toEqual([6, 3, 3]);
  lost.go();
  await settle();
  expect(lost.told.at(-1)).toBe('join UNKNOWN_MEMBER_ID');
  expect(loads([lost])).toEqual([0]);
  await rounds([lost, heir, next]);
  expect(loads([lost, heir, next])).toEqual([2, 2, 2]);
});

test('a group that waits for its first generation is upgraded too', async () => {
  fixture.settings = { ...SETTINGS, initialRebalanceDelayMs: 3000 };
  const first = classic('a');
  first.go();
  await settle();
  first.go();
  await settle();
  expect(group().group.state).toBe('PreparingRebalance');
  const next = new ConsumerClient(fixture, 'next');
  await rounds([first, next]);
  expect(loads([first, next])).toEqual([3, 3]);
});

test('static members keep their partitions when they come back with the other protocol', async () => {
  const old = [classic('a', 'eager', 'one'), classic('b', 'eager', 'two')];
  await rounds(old);
  const held = ownedBy(old[0] as Client);
  // The process stops, without leaving, and comes back with the protocol of KIP-848.
  const next = new ConsumerClient(fixture, 'next', { instanceId: 'one' });
  await rounds([next, old[1] as Client]);
  expect(group().kind).toBe('consumer');
  expect(group().group.members.size).toBe(2);
  expect(ownedBy(next)).toEqual(held);
  expect(errorNameOf(old[0] as ClassicConsumer)).toBe('FENCED_INSTANCE_ID');
  // And back again: nobody of KIP-848 is left, and everybody has what they had.
  const back = classic('a2', 'eager', 'one');
  back.go();
  await settle();
  expect(group().kind).toBe('classic');
  await rounds([back, old[1] as Client]);
  expect(group().kind).toBe('classic');
  expect(group().group.members.size).toBe(2);
  expect(loads([back, old[1] as Client])).toEqual([3, 3]);
});

function errorNameOf({ claim }: ClassicConsumer): string | undefined {
  const code = fixture.shard.protocolOf(group()).heartbeat(claim);
  return Object.entries(ERROR_CODES).find(([, value]) => value === code)?.[0];
}

test('a member of another instance id, generation or protocol is refused', async () => {
  const old = classic('a', 'eager', 'one');
  const next = new ConsumerClient(fixture, 'next');
  await rounds([old, next]);
  const protocol = fixture.shard.protocolOf(group());
  const beat = (changes: Partial<typeof old.claim>) => protocol.heartbeat({ ...old.claim, ...changes });
  expect(beat({})).toBe(ERROR_CODES.NONE);
  expect(beat({ generationId: old.generationId - 1 })).toBe(ERROR_CODES.ILLEGAL_GENERATION);
  expect(beat({ memberId: 'other' })).toBe(ERROR_CODES.FENCED_INSTANCE_ID);
  expect(beat({ groupInstanceId: 'two' })).toBe(ERROR_CODES.UNKNOWN_MEMBER_ID);
  expect(beat({ memberId: 'next', groupInstanceId: null, generationId: next.epoch })).toBe(
    ERROR_CODES.UNKNOWN_MEMBER_ID,
  );
  const sync = async (changes: object) =>
    (
      await protocol.sync({
        ...old.claim,
        protocolType: 'consumer',
        protocolName: 'eager',
        assignments: [],
        ...changes,
      })
    ).errorCode;
  expect(await sync({})).toBe(ERROR_CODES.NONE);
  expect(await sync({ protocolName: 'other' })).toBe(ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL);
  expect(await sync({ protocolType: 'connect' })).toBe(ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL);
  expect(await protocol.leave([{ memberId: 'next', groupInstanceId: null }])).toEqual([ERROR_CODES.UNKNOWN_MEMBER_ID]);
  const join = async (changes: object) => (await protocol.join({ ...old.request(), ...changes })).errorCode;
  const stranger = { name: 'other', metadata: fullSubscription(['orders'], []) };
  expect(await join({ protocols: [stranger] })).toBe(ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL);
  expect(await join({ protocolType: 'connect' })).toBe(ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL);
  expect(await join({ memberId: 'other' })).toBe(ERROR_CODES.FENCED_INSTANCE_ID);
  expect(await join({ protocols: [{ name: 'eager', metadata: new Uint8Array([0]) }] })).toBe(
    ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL,
  );
  fixture.settings = { ...SETTINGS, consumerMaxSize: 2 };
  const late = new ClassicConsumer(fixture, 'late');
  expect((await protocol.join(late.request())).errorCode).toBe(ERROR_CODES.GROUP_MAX_SIZE_REACHED);
  const removed = [
    { memberId: '', groupInstanceId: 'one' },
    { memberId: '', groupInstanceId: 'one' },
  ];
  expect(await protocol.leave(removed)).toEqual([ERROR_CODES.NONE, ERROR_CODES.UNKNOWN_MEMBER_ID]);
});

test('members that do not join again, or do not synchronize, are out after their rebalance timeout', async () => {
  const [slow, quick] = [classic('slow'), classic('quick')];
  const next = new ConsumerClient(fixture, 'next');
  await rounds([slow, quick, next]);
  const late = new ConsumerClient(fixture, 'late');
  await late.beat();
  // It sends heartbeats, and does not do what they say.
  for (let second = 0; second < 16; second++) {
    fixture.shard.protocolOf(group()).heartbeat(slow.claim);
    await rounds([quick, next, late], 2);
  }
  expect(group().group.members.has(slow.memberId)).toBe(false);
  const silent = classic('silent');
  silent.go();
  await settle();
  silent.go();
  await settle();
  expect(group().group.members.has(silent.memberId)).toBe(true);
  for (let second = 0; second < 16; second++) {
    fixture.shard.protocolOf(group()).heartbeat(silent.claim);
    await rounds([quick, next, late], 2);
  }
  expect(group().group.members.has(silent.memberId)).toBe(false);
});

test('a classic member has the session timeout that it asked for', async () => {
  const old = classic('a');
  const next = new ConsumerClient(fixture, 'next');
  await rounds([old, next]);
  fixture.clock.advance(9000);
  await next.beat();
  expect(group().group.members.size).toBe(2);
  fixture.clock.advance(1001);
  expect(group().group.members.size).toBe(1);
});

test('members of the classic protocol are told of topics that grow', async () => {
  const old = classic('a');
  const next = new ConsumerClient(fixture, 'next');
  await rounds([old, next]);
  fixture.topics.set('orders', topicId(0), 8);
  await rounds([old, next]);
  expect(loads([old, next])).toEqual([4, 4]);
});

describe('the policy of the migration', () => {
  test.each([
    [false, false],
    [false, true],
  ])('without upgrades (downgrades: %s) a classic group stays one', async (_, consumerDowngrade) => {
    fixture.settings = { ...SETTINGS, consumerUpgrade: false, consumerDowngrade };
    const old = classic('a');
    await rounds([old]);
    expect(fixture.shard.consumer('group')).toBeUndefined();
    expect(group().kind).toBe('classic');
  });

  test('without downgrades a group whose members all speak the classic protocol stays of KIP-848', async () => {
    fixture.settings = { ...SETTINGS, consumerDowngrade: false };
    const old = [classic('a'), classic('b')];
    const next = new ConsumerClient(fixture, 'next');
    await rounds([...old, next]);
    await next.leave();
    await rounds(old);
    expect(group().kind).toBe('consumer');
    expect(loads(old)).toEqual([3, 3]);
  });

  test('a group that is larger than the other kind may be stays what it is', async () => {
    const old = [classic('a'), classic('b')];
    await rounds(old);
    fixture.settings = { ...SETTINGS, consumerMaxSize: 1 };
    expect(fixture.shard.consumer('group')).toBeUndefined();
    fixture.settings = { ...SETTINGS, maxSize: 1 };
    const next = new ConsumerClient(fixture, 'next');
    await rounds([...old, next]);
    await next.leave();
    expect(group().kind).toBe('consumer');
  });
});

test.each([
  ['malformed', new Uint8Array([0, 0, 0, 0, 0, 9]), 'GROUP_ID_NOT_FOUND'],
  ['of an assignor of its own', new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7]), 'UNSUPPORTED_VERSION'],
] as const)('a group whose assignments are %s stays classic', async (_, assignment, error) => {
  const old = classic('a');
  await rounds([old]);
  const entry = group();
  if (entry.kind !== 'classic') throw new Error('not a classic group');
  for (const member of entry.group.members.values()) member.assignment = assignment;
  const refused = fixture.shard.consumer('group');
  expect(refused).toMatchObject({ errorCode: ERROR_CODES[error] });
  expect(group()).toBe(entry);
});

test('what the log does not take has not happened', async () => {
  const old = classic('a');
  await rounds([old]);
  const next = new ConsumerClient(fixture, 'next');
  fixture.refusal = ERROR_CODES.RECORD_LIST_TOO_LARGE;
  expect(await next.beat()).toBe('UNKNOWN_SERVER_ERROR');
  expect(group().kind).toBe('classic');
  fixture.refusal = undefined;
  await rounds([old, next]);
  expect(loads([old, next])).toEqual([3, 3]);
});

test('after a restart a mixed group goes on as it was', async () => {
  const old = [classic('a'), classic('b')];
  const next = new ConsumerClient(fixture, 'next');
  await rounds([...old, next]);
  for (const compacted of [false, true]) {
    const again = fixture.replayed(compacted);
    const entry = again.find('group');
    if (entry === undefined) throw new Error('the group is gone');
    expect(entry.kind).toBe('consumer');
    for (const { claim } of old) expect(again.protocolOf(entry).heartbeat(claim)).toBe(ERROR_CODES.NONE);
  }
});

type Step =
  | { readonly do: 'go' | 'leave' | 'die'; readonly client: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'grow' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ do: fc.constant('go' as const), client: fc.nat({ max: 5 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom('leave' as const, 'die' as const), client: fc.nat({ max: 5 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 20_000 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('grow' as const) }) },
);

async function take(clients: readonly Client[], each: Step): Promise<void> {
  if (each.do === 'wait') fixture.clock.advance(each.ms);
  else if (each.do === 'grow') {
    fixture.topics.set('orders', topicId(0), (fixture.topics.byName('orders')?.partitionCount ?? 0) + 1);
  } else {
    const client = clients[each.client];
    if (client === undefined) return;
    if (each.do === 'go') await step(client);
    else if (client instanceof ClassicConsumer) {
      if (each.do === 'leave') client.leave();
      else if (!client.isBusy) client.reset();
    } else if (each.do === 'die') client.reset();
    else if (fixture.shard.find('group')?.kind === 'consumer') await client.leave();
    else client.reset();
  }
  for (let turn = 0; turn < 2; turn++) await settle();
}

test.each(['eager', 'cooperative'] as const)(
  'random histories of mixed groups (%s) replay to the live state, give no partition to two, and converge',
  async (assignor) => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 10, maxLength: 80 }), fc.nat({ max: 3 }), async (history, stay) => {
        fixture = new ShardFixture();
        fixture.topics.set('orders', topicId(0), PARTITIONS);
        const clients: Client[] = [
          classic('a', assignor, 'one'),
          classic('b', assignor),
          classic('c', assignor),
          new ConsumerClient(fixture, 'x'),
          new ConsumerClient(fixture, 'y'),
          new ConsumerClient(fixture, 'z', { instanceId: 'one' }),
        ];
        for (const each of history) {
          await take(clients, each);
          check(clients);
        }
        expect(fixture.replayed(true).snapshot()).toEqual(fixture.shard.snapshot());
        // In the end some stay, and the others are gone for good.
        const left = clients.filter((_, index) =>
          (
            [
              [0, 1, 2],
              [3, 4],
              [1, 3],
              [0, 1, 4],
            ][stay] ?? []
          ).includes(index),
        );
        for (let round = 0; round < 120; round++) {
          for (const client of left) await step(client);
          for (let turn = 0; turn < 2; turn++) await settle();
          fixture.clock.advance(1000);
        }
        check(left);
        const count = fixture.topics.byName('orders')?.partitionCount;
        expect(loads(left).reduce((sum, load) => sum + load, 0)).toBe(count);
        expect(group().kind).toBe(stay === 0 ? 'classic' : 'consumer');
        expect(group().group.state).toBe('Stable');
        expect(fixture.replayed(true).snapshot()).toEqual(fixture.shard.snapshot());
      }),
      { numRuns: 60 },
    );
  },
);
