// Members of KIP-848 groups as clients behave: they own what they were told, give up what they are told to, and send
// heartbeats with what they own.

import type { ConsumerHeartbeat, ConsumerHeartbeatOutcome } from '../../../src/broker/groups/consumer-heartbeat.ts';
import { type PartitionKey, type PartitionSet, toPartitionSet } from '../../../src/broker/groups/partition-set.ts';
import { errorOf } from '../../../src/protocol/errors.ts';
import type { ShardFixture } from './shard-fixture.ts';

const CLIENT = { clientId: 'test', clientHost: '/127.0.0.1' } as const;

export class ConsumerClient {
  readonly fixture: ShardFixture;
  readonly groupId: string;
  readonly memberId: string;
  readonly instanceId: string | null;
  topics: readonly string[];
  regex: string | null = null;
  assignor: string | null = null;
  epoch = 0;
  owned: PartitionSet = new Set<PartitionKey>();
  #told: PartitionSet = new Set<PartitionKey>();

  constructor(
    fixture: ShardFixture,
    memberId: string,
    options: { readonly topics?: readonly string[]; readonly instanceId?: string; readonly groupId?: string } = {},
  ) {
    this.fixture = fixture;
    this.memberId = memberId;
    this.topics = options.topics ?? ['orders'];
    this.instanceId = options.instanceId ?? null;
    this.groupId = options.groupId ?? 'group';
  }

  request(changes: Partial<ConsumerHeartbeat> = {}): ConsumerHeartbeat {
    return {
      groupId: this.groupId,
      memberId: this.memberId,
      memberEpoch: this.epoch,
      instanceId: this.instanceId,
      rackId: null,
      rebalanceTimeoutMs: 30_000,
      subscribedTopicNames: this.topics,
      subscribedTopicRegex: this.regex,
      serverAssignor: this.assignor,
      owned: this.epoch === 0 ? new Set<PartitionKey>() : this.owned,
      client: CLIENT,
      ...changes,
    };
  }

  /** One request as it is. */
  async send(changes: Partial<ConsumerHeartbeat> = {}): Promise<ConsumerHeartbeatOutcome> {
    const request = this.request(changes);
    const { shard } = this.fixture;
    const entry = shard.find(this.groupId);
    if (request.memberEpoch < 0) {
      if (entry?.kind !== 'consumer') throw new Error('no group to leave');
      return shard.consumers.leave(entry.group, request);
    }
    const handle = request.memberEpoch === 0 || entry?.kind === 'consumer' ? shard.consumer(this.groupId) : undefined;
    if (handle === undefined || 'errorCode' in handle) throw new Error('no group of this kind');
    return shard.consumers.heartbeat(handle, request);
  }

  /** A heartbeat, and what a client does with the answer. The name of its error. */
  async beat(): Promise<string> {
    const outcome = await this.send();
    const { name } = errorOf(outcome.errorCode);
    if (name === 'FENCED_MEMBER_EPOCH' || name === 'UNKNOWN_MEMBER_ID') this.reset();
    if (outcome.errorCode !== 0) return name;
    this.epoch = outcome.memberEpoch;
    if (outcome.assignment !== null) this.#told = toPartitionSet(outcome.assignment);
    this.owned = this.#told;
    return name;
  }

  /** It loses everything and will join anew. */
  reset(): void {
    this.epoch = 0;
    this.owned = new Set();
    this.#told = new Set();
  }

  async leave(epoch = -1): Promise<string> {
    const { errorCode } = await this.send({ memberEpoch: epoch });
    this.reset();
    return errorOf(errorCode).name;
  }
}

/** Heartbeats of all, in order, until `rounds` are over. */
export async function beats(members: readonly ConsumerClient[], rounds = 4): Promise<void> {
  for (let round = 0; round < rounds; round++) for (const member of members) await member.beat();
}

/** How many partitions each owns. */
export function loads(members: readonly ConsumerClient[]): number[] {
  return members.map(({ owned }) => owned.size);
}
