// A KIP-848 group as its records make it: the group epoch, the topics subscribed to, what the members said, what each
// is to have (target assignment, with its own epoch) and what each has (current assignment, with the member's epoch).
// It changes by records alone.

import type { Uuid } from '../../protocol/uuid.ts';
import type { ConsumerGroupRecord, ConsumerMemberValue, CurrentValue, GroupRecord } from './group-records.ts';
import {
  NO_PARTITIONS,
  type PartitionKey,
  type PartitionSet,
  toPartitionSet,
  toTopicPartitions,
} from './partition-set.ts';

/** Kafka's numbers for where a member is on its way to its target. */
export const MEMBER_STATES = {
  /** It has what it is to have. */
  stable: 0,
  /** It has to give partitions up before it may go on. */
  unrevoked: 1,
  /** It waits for partitions that others have not given up. */
  unreleased: 2,
} as const;

/** The epoch under which a static member that left for a while is kept. */
export const LEFT_STATIC_EPOCH = -2;

/** What a member has. */
export interface MemberAssignment {
  readonly epoch: number;
  readonly previousEpoch: number;
  readonly state: number;
  readonly assigned: PartitionSet;
  readonly pendingRevocation: PartitionSet;
}

export interface ConsumerMember extends MemberAssignment {
  readonly memberId: string;
  readonly said: ConsumerMemberValue;
}

export interface SubscribedTopic {
  readonly topicId: Uuid;
  readonly topicName: string;
  readonly numPartitions: number;
}

export const NEW_ASSIGNMENT: MemberAssignment = {
  epoch: 0,
  previousEpoch: 0,
  state: MEMBER_STATES.stable,
  assigned: NO_PARTITIONS,
  pendingRevocation: NO_PARTITIONS,
};

export const NOTHING_SAID: ConsumerMemberValue = {
  instanceId: null,
  rackId: null,
  clientId: '',
  clientHost: '',
  subscribedTopicNames: [],
  subscribedTopicRegex: null,
  rebalanceTimeoutMs: -1,
  serverAssignor: null,
  classicMemberMetadata: null,
};

/** Whether the member came by JoinGroup and is served in its terms (classic-members.ts). */
export function speaksClassic({ said }: Pick<ConsumerMember, 'said'>): boolean {
  return said.classicMemberMetadata !== null;
}

export function toCurrentValue(assignment: MemberAssignment): CurrentValue {
  return {
    memberEpoch: assignment.epoch,
    previousMemberEpoch: assignment.previousEpoch,
    state: assignment.state,
    assignedPartitions: toTopicPartitions(assignment.assigned),
    partitionsPendingRevocation: toTopicPartitions(assignment.pendingRevocation),
  };
}

export class ConsumerGroup {
  readonly groupId: string;
  readonly members = new Map<string, ConsumerMember>();
  readonly targets = new Map<string, PartitionSet>();
  /** Who has each partition, or has still to give it up. */
  readonly owners = new Map<PartitionKey, string>();
  readonly #staticMembers = new Map<string, string>();
  #epoch = 0;
  #targetEpoch = 0;
  #topics: ReadonlyMap<string, SubscribedTopic> = new Map();

  constructor(groupId: string) {
    this.groupId = groupId;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get targetEpoch(): number {
    return this.#targetEpoch;
  }

  /** The topics subscribed to that exist, by name, as they were when the epoch was last looked at. */
  get topics(): ReadonlyMap<string, SubscribedTopic> {
    return this.#topics;
  }

  staticMember(instanceId: string): ConsumerMember | undefined {
    return this.members.get(this.#staticMembers.get(instanceId) ?? '');
  }

  targetOf(memberId: string): PartitionSet {
    return this.targets.get(memberId) ?? NO_PARTITIONS;
  }

  /** Whether a partition that the member is to have is still somebody's. */
  waitsForOthers({ memberId, assigned }: ConsumerMember): boolean {
    for (const key of this.targetOf(memberId)) if (!assigned.has(key) && this.owners.has(key)) return true;
    return false;
  }

  get state(): 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' {
    if (this.members.size === 0) return 'Empty';
    if (this.#epoch > this.#targetEpoch) return 'Assigning';
    for (const { epoch, state } of this.members.values()) {
      if (epoch !== this.#targetEpoch || state !== MEMBER_STATES.stable) return 'Reconciling';
    }
    return 'Stable';
  }

  apply(record: ConsumerGroupRecord): void {
    switch (record.kind) {
      case 'group-epoch':
        this.#epoch = record.value?.epoch ?? 0;
        break;
      case 'topics':
        this.#topics = new Map((record.value?.topics ?? []).map((topic) => [topic.topicName, topic]));
        break;
      case 'target-epoch':
        this.#targetEpoch = record.value?.assignmentEpoch ?? 0;
        break;
      case 'target':
        if (record.value === undefined) this.targets.delete(record.member);
        else this.targets.set(record.member, toPartitionSet(record.value.topicPartitions));
        break;
      case 'member':
        this.#applyMember(record.member, record.value);
        break;
      case 'current':
        this.#applyCurrent(record.member, record.value);
        break;
    }
  }

  #applyMember(memberId: string, said: ConsumerMemberValue | undefined): void {
    const before = this.members.get(memberId);
    const instanceId = before?.said.instanceId ?? null;
    if (instanceId !== null && this.#staticMembers.get(instanceId) === memberId) this.#staticMembers.delete(instanceId);
    if (said === undefined) {
      if (before !== undefined) this.#disown(before);
      this.members.delete(memberId);
      return;
    }
    this.members.set(memberId, { ...NEW_ASSIGNMENT, ...before, memberId, said });
    if (said.instanceId !== null) this.#staticMembers.set(said.instanceId, memberId);
  }

  /** A member's assignment may stand in the log before what it said, once the log is compacted. */
  #applyCurrent(memberId: string, value: CurrentValue | undefined): void {
    const before = this.members.get(memberId);
    if (before === undefined && value === undefined) return;
    if (before !== undefined) this.#disown(before);
    const said = before?.said ?? NOTHING_SAID;
    const member: ConsumerMember = { memberId, said, ...(value === undefined ? NEW_ASSIGNMENT : fromCurrent(value)) };
    this.members.set(memberId, member);
    for (const key of member.assigned) this.owners.set(key, memberId);
    for (const key of member.pendingRevocation) this.owners.set(key, memberId);
  }

  #disown({ memberId, assigned, pendingRevocation }: ConsumerMember): void {
    for (const keys of [assigned, pendingRevocation]) {
      for (const key of keys) if (this.owners.get(key) === memberId) this.owners.delete(key);
    }
  }

  /** Records that take a member away. */
  memberRemoval(member: string): ConsumerGroupRecord[] {
    const group = this.groupId;
    return [
      { kind: 'current', group, member, value: undefined },
      { kind: 'target', group, member, value: undefined },
      { kind: 'member', group, member, value: undefined },
    ];
  }

  /** Records that take the group away. */
  removal(): GroupRecord[] {
    const group = this.groupId;
    return [
      ...[...this.members.keys()].flatMap((memberId) => this.memberRemoval(memberId)),
      { kind: 'target-epoch', group, value: undefined },
      { kind: 'topics', group, value: undefined },
      { kind: 'group-epoch', group, value: undefined },
    ];
  }

  /** Everything, for comparing. */
  snapshot(): unknown {
    const sorted = <T>(entries: Iterable<readonly [string, T]>): (readonly [string, T])[] =>
      [...entries].sort(([one], [other]) => (one < other ? -1 : 1));
    return {
      groupId: this.groupId,
      epoch: this.#epoch,
      targetEpoch: this.#targetEpoch,
      topics: sorted(this.#topics),
      members: sorted(this.members).map(([, member]) => ({ ...toCurrentValue(member), ...member.said })),
      targets: sorted(this.targets).map(([memberId, target]) => [memberId, toTopicPartitions(target)]),
      owners: sorted(this.owners),
    };
  }
}

function fromCurrent(value: CurrentValue): MemberAssignment {
  return {
    epoch: value.memberEpoch,
    previousEpoch: value.previousMemberEpoch,
    state: value.state,
    assigned: toPartitionSet(value.assignedPartitions),
    pendingRevocation: toPartitionSet(value.partitionsPendingRevocation),
  };
}
