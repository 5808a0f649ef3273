// Members of groups that speak to a broker in frames, for the tests of groups.

import { errorOf } from '../../../src/protocol/errors.ts';
import { offsetCommit } from '../../../src/protocol/messages/08-offset-commit.ts';
import { offsetFetch } from '../../../src/protocol/messages/09-offset-fetch.ts';
import { joinGroup } from '../../../src/protocol/messages/11-join-group.ts';
import { heartbeat } from '../../../src/protocol/messages/12-heartbeat.ts';
import { leaveGroup } from '../../../src/protocol/messages/13-leave-group.ts';
import { syncGroup } from '../../../src/protocol/messages/14-sync-group.ts';
import type { Decoded } from '../../../src/protocol/schema.ts';
import { Writer } from '../../../src/protocol/writer.ts';
import { BrokerFixture, settle } from '../fixture.ts';

export const NO_DELAY = { 'group.initial.rebalance.delay.ms': '0' } as const;

export function nameOf(errorCode: number): string {
  return errorOf(errorCode).name;
}

export type JoinResponse = Decoded<typeof joinGroup.response>;

/** What a consumer says of itself: version, topics, user data. */
export function subscription(...topics: readonly string[]): Uint8Array {
  const writer = new Writer();
  writer.int16(1);
  writer.int32(topics.length);
  for (const topic of topics) writer.text(topic, false);
  writer.int32(-1);
  return writer.finishFlat();
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}

export interface MemberOptions {
  readonly instanceId?: string;
  readonly protocols?: readonly { readonly name: string; readonly metadata: Uint8Array }[];
  readonly sessionTimeoutMs?: number;
  readonly rebalanceTimeoutMs?: number;
  readonly protocolType?: string;
  readonly version?: number;
}

/** Lets a promise be looked at without waiting for it. */
export class Pending<T> {
  readonly promise: Promise<T>;
  value: T | undefined;

  constructor(promise: Promise<T>) {
    this.promise = promise;
    void promise.then((value) => {
      this.value = value;
    });
  }
}

/** A member of a classic group: remembers its id and generation as clients do. */
export class ClassicClient {
  readonly fixture: BrokerFixture;
  readonly groupId: string;
  readonly options: MemberOptions;
  memberId = '';
  generationId = -1;
  isLeader = false;
  assignment = '';

  constructor(fixture: BrokerFixture, groupId = 'group', options: MemberOptions = {}) {
    this.fixture = fixture;
    this.groupId = groupId;
    this.options = options;
  }

  get #static(): { groupInstanceId?: string } {
    return this.options.instanceId === undefined ? {} : { groupInstanceId: this.options.instanceId };
  }

  /** One JoinGroup, as it is. */
  async joinOnce(changes: Partial<MemberOptions> = {}): Promise<JoinResponse> {
    const options = { ...this.options, ...changes };
    const version = options.version ?? 9;
    const response = await this.fixture.request(joinGroup, version, {
      groupId: this.groupId,
      sessionTimeoutMs: options.sessionTimeoutMs ?? 10_000,
      rebalanceTimeoutMs: version >= 1 ? (options.rebalanceTimeoutMs ?? 60_000) : undefined,
      memberId: this.memberId,
      protocolType: options.protocolType ?? 'consumer',
      protocols: options.protocols ?? [{ name: 'range', metadata: subscription('orders') }],
      ...this.#static,
    });
    if (response.memberId !== '') this.memberId = response.memberId;
    if (response.errorCode === 0) {
      this.generationId = response.generationId;
      this.isLeader = response.leader === this.memberId;
    }
    return response;
  }

  /** Joins, again with the id given where one is needed. */
  async join(changes: Partial<MemberOptions> = {}): Promise<JoinResponse> {
    const response = await this.joinOnce(changes);
    return nameOf(response.errorCode) === 'MEMBER_ID_REQUIRED' ? this.joinOnce(changes) : response;
  }

  async sync(assignments: Readonly<Record<string, string>> = {}): Promise<string> {
    const response = await this.fixture.request(syncGroup, 5, {
      groupId: this.groupId,
      generationId: this.generationId,
      memberId: this.memberId,
      protocolType: this.options.protocolType ?? 'consumer',
      protocolName: this.options.protocols?.[0]?.name ?? 'range',
      assignments: Object.entries(assignments).map(([memberId, value]) => ({ memberId, assignment: bytes(value) })),
      ...this.#static,
    });
    this.assignment = text(response.assignment);
    return nameOf(response.errorCode);
  }

  async heartbeat(): Promise<string> {
    const { groupId, generationId, memberId } = this;
    const body = { groupId, generationId, memberId, ...this.#static };
    return nameOf((await this.fixture.request(heartbeat, 4, body)).errorCode);
  }

  async leave(): Promise<string> {
    const member = { memberId: this.memberId, groupInstanceId: this.options.instanceId ?? null };
    const response = await this.fixture.request(leaveGroup, 5, { groupId: this.groupId, members: [member] });
    return nameOf(response.errorCode === 0 ? (response.members[0]?.errorCode ?? 0) : response.errorCode);
  }

  commit(offset: number, options: Partial<CommitOptions> = {}): Promise<string> {
    const { groupId, memberId, generationId } = this;
    return commit(this.fixture, { groupId, memberId, generationId, offset, ...this.#static, ...options });
  }
}

export interface CommitOptions {
  readonly groupId: string;
  readonly memberId?: string;
  readonly generationId?: number;
  readonly groupInstanceId?: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset: number;
  readonly leaderEpoch?: number;
  readonly metadata?: string | null;
  readonly version?: number;
}

/** Commits one offset; the name of its error. */
export async function commit(fixture: BrokerFixture, options: CommitOptions): Promise<string> {
  const { groupInstanceId } = options;
  const { topics } = await fixture.request(offsetCommit, options.version ?? 9, {
    groupId: options.groupId,
    memberId: options.memberId ?? '',
    generationIdOrMemberEpoch: options.generationId ?? -1,
    ...(groupInstanceId === undefined ? {} : { groupInstanceId }),
    topics: [
      {
        name: options.topic ?? 'orders',
        partitions: [
          {
            partitionIndex: options.partition ?? 0,
            committedOffset: options.offset,
            committedLeaderEpoch: options.leaderEpoch,
            committedMetadata: options.metadata ?? null,
          },
        ],
      },
    ],
  });
  return nameOf(topics[0]?.partitions[0]?.errorCode ?? -1);
}

export interface Fetched {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string | null;
  readonly error: string;
}

/** One committed offset. */
export async function committed(
  fixture: BrokerFixture,
  groupId: string,
  { topic = 'orders', partition = 0, requireStable = false } = {},
): Promise<Fetched> {
  const { groups } = await fixture.request(offsetFetch, 9, {
    groups: [{ groupId, topics: [{ name: topic, partitionIndexes: [partition] }] }],
    requireStable,
  });
  const group = groups[0];
  const found = group?.topics[0]?.partitions[0];
  return {
    offset: found?.committedOffset ?? -2,
    leaderEpoch: found?.committedLeaderEpoch ?? -2,
    metadata: found?.metadata ?? null,
    error: nameOf(found?.errorCode ?? group?.errorCode ?? -1),
  };
}

/** Lets time pass in steps, and everything happen in between that needs none. */
export async function pass(fixture: BrokerFixture, ms: number, steps = 1): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await settle();
  for (let step = 0; step < steps; step++) {
    fixture.clock.advance(ms / steps);
    for (let turn = 0; turn < 4; turn++) await settle();
  }
}

/** A broker with the topic `orders`, whose groups do not wait for members. */
export async function startGroups(config: Readonly<Record<string, string>> = {}): Promise<BrokerFixture> {
  const fixture = await BrokerFixture.start({ config: { ...NO_DELAY, ...config } });
  await fixture.createTopic('orders', 4);
  return fixture;
}

/** Joins the members together and lets the leader assign each its name's index. Members must be all of the group. */
export async function rebalance(fixture: BrokerFixture, members: readonly ClassicClient[]): Promise<void> {
  const joins = members.map((member) => member.join());
  await pass(fixture, 1, 2);
  const responses = await Promise.all(joins);
  for (const { errorCode } of responses) if (errorCode !== 0) throw new Error(`join: ${nameOf(errorCode)}`);
  await synchronize(members);
}

export async function synchronize(members: readonly ClassicClient[]): Promise<void> {
  const assignments = Object.fromEntries(members.map(({ memberId }, index) => [memberId, `part ${index}`]));
  const syncs = members.map((member) => member.sync(member.isLeader ? assignments : {}));
  for (const result of await Promise.all(syncs)) if (result !== 'NONE') throw new Error(`sync: ${result}`);
}
