// Random histories of groups: whatever members do and time brings, a replay gives the live state, no partition has two
// owners, and once members behave they converge.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JoinOutcome } from '../../../src/broker/groups/classic-group.ts';
import type { JoinRequest } from '../../../src/broker/groups/classic-protocol.ts';
import { ERROR_CODES } from '../../../src/protocol/errors.ts';
import { settle } from '../fixture.ts';
import { ConsumerClient } from './consumer-fixture.ts';
import { bytes, subscription, text } from './group-fixture.ts';
import { ShardFixture, topicId } from './shard-fixture.ts';

const RUNS = { numRuns: 150 };
const TOPICS = ['orders', 'payments', 'events'] as const;

type ConsumerStep =
  | { readonly do: 'beat' | 'leave' | 'leave-static' | 'forget' | 'lose-answer'; readonly member: number }
  | { readonly do: 'subscribe'; readonly member: number; readonly topics: readonly string[] }
  | { readonly do: 'grow'; readonly topic: number }
  | { readonly do: 'drop'; readonly topic: number }
  | { readonly do: 'wait'; readonly ms: number };

const members = fc.nat({ max: 4 });
const consumerStep: fc.Arbitrary<ConsumerStep> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ do: fc.constant('beat' as const), member: members }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('leave' as const, 'leave-static' as const, 'forget' as const, 'lose-answer' as const),
      member: members,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('subscribe' as const),
      member: members,
      topics: fc.subarray([...TOPICS], { minLength: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('grow' as const), topic: fc.nat({ max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drop' as const), topic: fc.nat({ max: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 50_000 }) }) },
);

/** Members of which two are static, over topics that a history may change. */
class ConsumerHistory {
  readonly fixture = new ShardFixture();
  readonly clients: ConsumerClient[];
  readonly #sizes = [4, 3, 5];

  constructor(assignor: 'uniform' | 'range') {
    TOPICS.forEach((name, index) => {
      this.fixture.topics.set(name, topicId(index), this.#sizes[index] ?? 1);
    });
    this.clients = [0, 1, 2, 3, 4].map(
      (index) =>
        new ConsumerClient(this.fixture, `member-${index}`, index < 2 ? { instanceId: `static-${index}` } : {}),
    );
    for (const client of this.clients) client.assignor = assignor;
  }

  async take(step: ConsumerStep): Promise<void> {
    if (step.do === 'wait') return this.fixture.clock.advance(step.ms);
    if (step.do === 'grow' || step.do === 'drop') return this.#changeTopic(step);
    const client = this.clients[step.member];
    if (client === undefined) return;
    switch (step.do) {
      case 'beat':
        await client.beat();
        break;
      case 'lose-answer':
        await client.send();
        break;
      case 'forget':
        client.reset();
        break;
      case 'subscribe':
        client.topics = step.topics;
        break;
      default:
        await this.#leave(client, step.do === 'leave-static' && client.instanceId !== null ? -2 : -1);
    }
  }

  #changeTopic(step: { readonly do: 'grow' | 'drop'; readonly topic: number }): void {
    const name = TOPICS[step.topic] ?? 'orders';
    if (step.do === 'drop') {
      this.fixture.topics.delete(name);
      return;
    }
    const size = (this.#sizes[step.topic] ?? 0) + 1;
    this.#sizes[step.topic] = size;
    this.fixture.topics.set(name, topicId(step.topic), size);
  }

  async #leave(client: ConsumerClient, epoch: number): Promise<void> {
    if (this.fixture.shard.find('group')?.kind === 'consumer') await client.leave(epoch);
  }

  check(): void {
    const entry = this.fixture.shard.find('group');
    if (entry?.kind !== 'consumer') return;
    const owner = new Map<string, string>();
    for (const { memberId, assigned, pendingRevocation } of entry.group.members.values()) {
      for (const key of [...assigned, ...pendingRevocation]) {
        expect(owner.get(key), `${key} has two owners`).toBeUndefined();
        owner.set(key, memberId);
      }
    }
    expect(entry.group.targetEpoch).toBeLessThanOrEqual(entry.group.epoch);
  }

  /** Every member sends heartbeats until nothing changes. */
  async converge(): Promise<void> {
    for (let round = 0; round < 20; round++) {
      this.fixture.clock.advance(1000);
      for (const client of this.clients) await client.beat();
    }
  }
}

describe.each(['uniform', 'range'] as const)('random histories of KIP-848 groups with the %s assignor', (assignor) => {
  test('replay to the live state, never give a partition twice, and converge', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(consumerStep, { minLength: 5, maxLength: 60 }), async (steps) => {
        const history = new ConsumerHistory(assignor);
        for (const step of steps) {
          await history.take(step);
          history.check();
        }
        const { fixture } = history;
        expect(fixture.replayed().snapshot()).toEqual(fixture.shard.snapshot());
        expect(fixture.replayed(true).snapshot()).toEqual(fixture.shard.snapshot());
        await history.converge();
        history.check();
        const entry = fixture.shard.find('group');
        if (entry?.kind !== 'consumer') throw new Error('the group is gone');
        expect(entry.group.state).toBe('Stable');
        const wanted = new Set<string>();
        for (const { topics } of history.clients) for (const name of topics) wanted.add(name);
        const count = [...wanted].reduce((sum, name) => sum + (fixture.topics.byName(name)?.partitionCount ?? 0), 0);
        expect(history.clients.reduce((sum, { owned }) => sum + owned.size, 0)).toBe(count);
        expect(fixture.replayed(true).snapshot()).toEqual(fixture.shard.snapshot());
      }),
      RUNS,
    );
  });
});

type ClassicStep =
  | { readonly do: 'join' | 'sync' | 'beat' | 'leave' | 'die'; readonly member: number }
  | { readonly do: 'wait'; readonly ms: number };

const classicStep: fc.Arbitrary<ClassicStep> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({
      do: fc.constantFrom(...(['join', 'join', 'sync', 'sync', 'beat', 'beat', 'leave', 'die'] as const)),
      member: members,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 12_000 }) }) },
);

/** A classic member that does at most one thing at a time, as clients do. */
class ClassicPeer {
  readonly #fixture: ShardFixture;
  readonly #name: string;
  readonly #instanceId: string | null;
  memberId = '';
  generationId = -1;
  assignment: string | undefined;
  #joined: JoinOutcome | undefined;
  #busy = false;

  constructor(fixture: ShardFixture, name: string, instanceId: string | null) {
    this.#fixture = fixture;
    this.#name = name;
    this.#instanceId = instanceId;
  }

  get #entry() {
    return this.#fixture.shard.classic('group');
  }

  get #claim() {
    return { memberId: this.memberId, groupInstanceId: this.#instanceId, generationId: this.generationId };
  }

  get #request(): JoinRequest {
    return {
      memberId: this.memberId,
      groupInstanceId: this.#instanceId,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: subscription('orders', this.#name) }],
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 15_000,
      client: { clientId: this.#name, clientHost: '/127.0.0.1' },
      needsMemberId: true,
      maySkipAssignment: true,
    };
  }

  #reset(): void {
    this.memberId = '';
    this.generationId = -1;
    this.assignment = undefined;
    this.#joined = undefined;
  }

  /** Runs in the background: it may wait for the others. */
  join(): void {
    if (this.#busy) return;
    this.#busy = true;
    void this.#join().finally(() => {
      this.#busy = false;
    });
  }

  async #join(): Promise<void> {
    const outcome = await (this.#entry?.rebalance.join(this.#request) ?? Promise.reject(new Error('no group')));
    if (outcome.errorCode === ERROR_CODES.MEMBER_ID_REQUIRED) this.memberId = outcome.memberId;
    else if (outcome.errorCode !== ERROR_CODES.NONE) this.#reset();
    else {
      this.memberId = outcome.memberId;
      this.generationId = outcome.generationId;
      this.assignment = undefined;
      this.#joined = outcome;
    }
  }

  sync(): void {
    const joined = this.#joined;
    if (this.#busy || joined === undefined) return;
    this.#busy = true;
    void this.#sync(joined).finally(() => {
      this.#busy = false;
    });
  }

  async #sync(joined: JoinOutcome): Promise<void> {
    const isLeader = joined.leader === this.memberId && !joined.skipAssignment;
    const assignments = isLeader
      ? joined.members.map(({ memberId }) => ({ memberId, assignment: bytes(`${joined.generationId} ${memberId}`) }))
      : [];
    const { protocolType, protocolName } = joined;
    const outcome = await (this.#entry?.rebalance.sync({
      ...this.#claim,
      protocolType,
      protocolName,
      assignments,
    }) ?? Promise.reject(new Error('no group')));
    this.#joined = undefined;
    if (outcome.errorCode === ERROR_CODES.NONE) this.assignment = text(outcome.assignment);
    else if (outcome.errorCode !== ERROR_CODES.REBALANCE_IN_PROGRESS) this.#reset();
  }

  /** What a client does when it is told something by a heartbeat. */
  beat(): void {
    if (this.#busy || this.memberId === '') return;
    const code = this.#entry?.rebalance.heartbeat(this.#claim);
    if (code === ERROR_CODES.REBALANCE_IN_PROGRESS) this.join();
    else if (code !== ERROR_CODES.NONE) this.#reset();
  }

  leave(): void {
    if (this.#busy || this.memberId === '') return;
    this.#entry?.rebalance.leave([{ memberId: this.memberId, groupInstanceId: this.#instanceId }]);
    this.#reset();
  }

  /** It is gone without a word, and comes back as a new process. */
  die(): void {
    if (!this.#busy) this.#reset();
  }

  /** The next thing a well-behaved client does. */
  go(): void {
    if (this.#busy) return;
    if (this.memberId === '' || this.generationId === -1) this.join();
    else if (this.#joined !== undefined) this.sync();
    else if (this.assignment === undefined) this.join();
    else this.beat();
  }
}

describe('random histories of classic groups', () => {
  test('replay to the live state, hand out whole assignments of one generation, and converge', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(classicStep, { minLength: 5, maxLength: 60 }), async (steps) => {
        const fixture = new ShardFixture();
        const peers = [0, 1, 2, 3, 4].map(
          (index) => new ClassicPeer(fixture, `peer-${index}`, index < 2 ? `static-${index}` : null),
        );
        for (const step of steps) {
          if (step.do === 'wait') fixture.clock.advance(step.ms);
          else peers[step.member]?.[step.do]();
          await settle();
          expect(fixture.replayed().snapshot()).toEqual(fixture.shard.snapshot());
        }
        for (let round = 0; round < 80; round++) {
          fixture.clock.advance(1000);
          for (const peer of peers) peer.go();
          await settle();
        }
        const entry = fixture.shard.find('group');
        if (entry?.kind !== 'classic') throw new Error('the group is gone');
        expect(entry.group.state).toBe('Stable');
        expect(entry.group.members.size).toBe(5);
        expect(new Set(peers.map(({ generationId }) => generationId))).toEqual(new Set([entry.group.generationId]));
        expect(new Set(peers.map(({ assignment }) => assignment)).size).toBe(5);
        // What a start over the log gives is what the members have.
        const reread = fixture.replayed(true).find('group');
        if (reread?.kind !== 'classic') throw new Error('the group is not in the log');
        expect(reread.group.generationId).toBe(entry.group.generationId);
        for (const peer of peers) {
          expect(text(reread.group.members.get(peer.memberId)?.assignment ?? bytes(''))).toBe(peer.assignment);
        }
      }),
      RUNS,
    );
  });
});

type OffsetStep =
  | { readonly do: 'commit' | 'delete'; readonly partition: number; readonly offset: number }
  | { readonly do: 'stage'; readonly partition: number; readonly offset: number; readonly producer: number }
  | { readonly do: 'end'; readonly producer: number; readonly commits: boolean }
  | { readonly do: 'expire'; readonly ms: number };

const offsetStep: fc.Arbitrary<OffsetStep> = fc.oneof(
  fc.record({
    do: fc.constantFrom('commit' as const, 'delete' as const),
    partition: fc.nat({ max: 2 }),
    offset: fc.nat(1000),
  }),
  fc.record({
    do: fc.constant('stage' as const),
    partition: fc.nat({ max: 2 }),
    offset: fc.nat(1000),
    producer: fc.nat({ max: 2 }),
  }),
  fc.record({ do: fc.constant('end' as const), producer: fc.nat({ max: 2 }), commits: fc.boolean() }),
  fc.record({ do: fc.constant('expire' as const), ms: fc.integer({ min: 1, max: 604_800_000 }) }),
);

describe('random histories of offsets', () => {
  test('with transactions, deletions and expiry replay to the live state', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(offsetStep, { minLength: 5, maxLength: 80 }), async (steps) => {
        const fixture = new ShardFixture();
        const { shard, clock } = fixture;
        for (const step of steps) {
          if (step.do === 'end') fixture.endTransaction(step.producer, step.commits);
          else if (step.do === 'expire') {
            clock.advance(step.ms);
            shard.expire();
          } else {
            const value = {
              offset: step.offset,
              leaderEpoch: 1,
              metadata: `m${step.offset}`,
              commitTimestamp: clock.now(),
              expireTimestamp: -1,
            };
            const producer = step.do === 'stage' ? { producerId: step.producer, producerEpoch: 0 } : undefined;
            const { partition } = step;
            const record = { kind: 'offset', group: 'group', topic: 'orders', partition } as const;
            await shard.context.write([{ ...record, value: step.do === 'delete' ? undefined : value }], producer);
          }
          expect(fixture.replayed().snapshot()).toEqual(shard.snapshot());
        }
      }),
      RUNS,
    );
  });
});
