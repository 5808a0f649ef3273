// What happens to KIP-848 groups when: members join, stay, change and leave, all by one kind of heartbeat, or are not
// heard of. Every step makes records; the groups change by those alone. Sessions are the only thing in memory.

import { present } from '../../core/assert.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import type { Uuid } from '../../protocol/uuid.ts';
import { ASSIGNORS, type AssignorMember } from './assignors.ts';
import { heartbeatRefusal, type MemberRefusal, refuseMember } from './consumer-checks.ts';
import {
  type ConsumerGroup,
  type ConsumerMember,
  LEFT_STATIC_EPOCH,
  MEMBER_STATES,
  type MemberAssignment,
  NEW_ASSIGNMENT,
  NOTHING_SAID,
  type SubscribedTopic,
  speaksClassic,
  toCurrentValue,
} from './consumer-group.ts';
import type { ConsumerHeartbeat, ConsumerHeartbeatOutcome } from './consumer-heartbeat.ts';
import { type GroupContext, randomUuid } from './group-context.ts';
import type { ConsumerMemberValue, GroupRecord } from './group-records.ts';
import { MemberTimers } from './member-timers.ts';
import { type PartitionSet, sameSet, toTopicPartitions } from './partition-set.ts';
import { reconcile } from './reconciliation.ts';
import { Subscriptions } from './subscriptions.ts';

/** A group that a member may join by a heartbeat. */
export interface ConsumerGroupHandle {
  readonly group: ConsumerGroup;
  /**
   * Takes away what had the id before, now that the member is let in: an empty group of the other kind, or a classic one
   * that goes on as this group. Undefined where that is done, the log's error where it cannot be.
   */
  readonly begin: () => Promise<number> | undefined;
}

export interface ConsumerGroupsHost {
  readonly find: (groupId: string) => ConsumerGroup | undefined;
  /**
   * Makes a classic group of the members without those that leave, where the rules of the migration say so: resolves when
   * that is durable. Undefined where the group stays what it is.
   */
  readonly downgrade: (group: ConsumerGroup, leaving: ReadonlySet<string>) => Promise<number> | undefined;
}

/** What a member is brought one step on with. */
export interface MemberStep {
  readonly memberId: string;
  readonly said: ConsumerMemberValue;
  /** What the member had; a member that joins anew has nothing. */
  readonly before: MemberAssignment;
  readonly owned: PartitionSet | undefined;
}

export class ConsumerGroups {
  readonly #context: GroupContext;
  readonly #subscriptions: Subscriptions;
  readonly timers: MemberTimers;
  /** Version of the topics at which a group's subscriptions were last looked at. */
  readonly #seen = new WeakMap<ConsumerGroup, number>();
  readonly #host: ConsumerGroupsHost;

  constructor(context: GroupContext, host: ConsumerGroupsHost) {
    this.#context = context;
    this.#host = host;
    this.#subscriptions = new Subscriptions(context.topics);
    this.timers = new MemberTimers(context, (groupId, memberId) => this.#fenceSilent(groupId, memberId));
  }

  /** Sessions of the members that the log told of begin now. */
  restore(group: ConsumerGroup): void {
    for (const member of group.members.values()) {
      this.touch(group.groupId, member);
      this.#watchRevocation(group.groupId, member, undefined);
    }
  }

  /** The member was heard of. */
  touch(groupId: string, { memberId, said }: Pick<ConsumerMember, 'memberId' | 'said'>): void {
    const own = said.classicMemberMetadata?.sessionTimeoutMs;
    this.timers.of(groupId, memberId).session.set(own ?? this.#context.consumerTimes(groupId).sessionTimeoutMs);
  }

  /** A member has its rebalance timeout to give partitions up. */
  #watchRevocation(groupId: string, member: ConsumerMember, before: MemberAssignment | undefined): void {
    // Those of the classic protocol are told by it when to do what.
    if (speaksClassic(member)) return;
    const { rebalance } = this.timers.of(groupId, member.memberId);
    if (member.state !== MEMBER_STATES.unrevoked) rebalance.cancel();
    else if (before?.state !== MEMBER_STATES.unrevoked || before.epoch !== member.epoch || !rebalance.isSet) {
      rebalance.set(Math.max(0, member.said.rebalanceTimeoutMs));
    }
  }

  /** A member whose session or rebalance timeout is over is out. */
  #fenceSilent(groupId: string, memberId: string): void {
    const group = this.#host.find(groupId);
    const member = group?.members.get(memberId);
    if (group === undefined || member === undefined) return;
    void this.remove(group, new Set([member]));
  }

  /** Members are out; resolves when that is durable. */
  remove(group: ConsumerGroup, members: ReadonlySet<ConsumerMember>): Promise<number> {
    const downgraded = this.downgrade(group, new Set(Array.from(members, ({ memberId }) => memberId)));
    if (downgraded !== undefined) return downgraded;
    for (const { memberId } of members) this.timers.forget(group.groupId, memberId);
    const records: GroupRecord[] = [...members].flatMap(({ memberId }) => group.memberRemoval(memberId));
    const left = [...group.members.values()].filter((each) => !members.has(each)).map(({ said }) => said);
    records.push(...this.#topicsRecord(group, this.#subscriptions.topicsOf(left)));
    records.push(epochRecord(group.groupId, group.epoch + 1));
    return this.#context.write(records);
  }

  /** See {@link ConsumerGroupsHost}. */
  downgrade(group: ConsumerGroup, leaving: ReadonlySet<string>): Promise<number> | undefined {
    return this.#host.downgrade(group, leaving);
  }

  /** A member leaves for good, or, static and with epoch -2, for a while. */
  async leave(group: ConsumerGroup, request: ConsumerHeartbeat): Promise<ConsumerHeartbeatOutcome> {
    const { memberId, memberEpoch, instanceId } = request;
    const member = instanceId === null ? group.members.get(memberId) : group.staticMember(instanceId);
    if (member === undefined)
      return refused(refuseMember('UNKNOWN_MEMBER_ID', `Member ${memberId} is not in the group.`));
    if (member.memberId !== memberId) {
      return refused(refuseMember('FENCED_INSTANCE_ID', `Another member uses the instance id ${instanceId}.`));
    }
    const code =
      memberEpoch === LEFT_STATIC_EPOCH
        ? await this.#leaveForAWhile(group, member)
        : await this.remove(group, new Set([member]));
    if (code !== ERROR_CODES.NONE) return refused({ errorCode: code, message: null });
    return { ...ANSWER, memberId, memberEpoch, heartbeatIntervalMs: 0, assignment: null };
  }

  #leaveForAWhile({ groupId: group }: ConsumerGroup, member: ConsumerMember): Promise<number> {
    this.timers.of(group, member.memberId).rebalance.cancel();
    const left = { ...member, epoch: LEFT_STATIC_EPOCH, pendingRevocation: NEW_ASSIGNMENT.pendingRevocation };
    return this.#context.write([{ kind: 'current', group, member: member.memberId, value: toCurrentValue(left) }]);
  }

  /** Anything but leaving. */
  async heartbeat(handle: ConsumerGroupHandle, request: ConsumerHeartbeat): Promise<ConsumerHeartbeatOutcome> {
    const { group } = handle;
    const memberId = request.memberId === '' ? randomUuid(this.#context) : request.memberId;
    const refusal = heartbeatRefusal(group, { ...request, memberId }, this.#context.settings());
    if (refusal !== undefined) return refused(refusal);
    const failed = handle.begin();
    if (failed !== undefined) return refused({ errorCode: await failed, message: null });
    const live = this.#host.find(group.groupId) ?? group;
    if (request.memberEpoch === 0) this.replaceStatic(live, { instanceId: request.instanceId, memberId });
    const known = live.members.get(memberId);
    const before = held(known, request);
    const owned = request.memberEpoch === 0 ? NEW_ASSIGNMENT.assigned : request.owned;
    const { after, code } = this.advance(live, { memberId, said: nowSaid(known?.said, request), before, owned });
    const written = await code;
    if (written !== ERROR_CODES.NONE) return refused({ errorCode: written, message: null });
    const { rebalanceTimeoutMs, subscribedTopicNames } = request;
    const isFull = rebalanceTimeoutMs !== -1 && subscribedTopicNames !== null && request.owned !== undefined;
    const isTold = request.memberEpoch === 0 || isFull || !sameSet(before.assigned, after.assigned);
    return {
      ...ANSWER,
      memberId,
      memberEpoch: after.epoch,
      heartbeatIntervalMs: this.#context.consumerTimes(group.groupId).heartbeatIntervalMs,
      assignment: isTold ? toTopicPartitions(after.assigned) : null,
    };
  }

  /** A static member is back under another member id: it takes over what it had. */
  replaceStatic(
    group: ConsumerGroup,
    { instanceId, memberId }: { readonly instanceId: string | null; readonly memberId: string },
  ): void {
    const before = instanceId === null ? undefined : group.staticMember(instanceId);
    if (before === undefined || before.memberId === memberId) return;
    const { groupId } = group;
    const current = toCurrentValue({ ...before, epoch: 0, previousEpoch: 0 });
    const target = toTopicPartitions(group.targetOf(before.memberId));
    this.timers.forget(groupId, before.memberId);
    void this.#context.write([
      ...group.memberRemoval(before.memberId),
      { kind: 'member', group: groupId, member: memberId, value: before.said },
      { kind: 'target', group: groupId, member: memberId, value: { topicPartitions: target } },
      { kind: 'current', group: groupId, member: memberId, value: current },
    ]);
  }

  /**
   * Takes in what the member says, assigns where that changes something, and brings the member one step on. `code` is
   * the log's, once that is durable.
   */
  advance(
    group: ConsumerGroup,
    { memberId, said, before, owned }: MemberStep,
  ): { readonly after: MemberAssignment; readonly code: Promise<number> } {
    const { groupId } = group;
    const known = group.members.get(memberId);
    const records: GroupRecord[] = [];
    if (known === undefined || !sameSaid(known.said, said)) {
      records.push({ kind: 'member', group: groupId, member: memberId, value: said });
    }
    const members = new Map([...group.members].map(([id, member]) => [id, member.said]));
    members.set(memberId, said);
    const epoch = this.#nextEpoch(group, { members, bump: subscribesAnew(known?.said, said), records });
    const targets = epoch > group.targetEpoch ? this.#assign(group, { members, epoch, records }) : undefined;
    const after = reconcile(
      { ...before, memberId, said },
      {
        target: targets?.get(memberId) ?? group.targetOf(memberId),
        targetEpoch: Math.max(epoch, group.targetEpoch),
        owned,
        isOwned: (key) => (group.owners.get(key) ?? memberId) !== memberId,
      },
    );
    if (known === undefined || !sameAssignment(known, after)) {
      records.push({ kind: 'current', group: groupId, member: memberId, value: toCurrentValue(after) });
    }
    const code = this.#context.write(records);
    this.touch(groupId, { memberId, said });
    this.#watchRevocation(groupId, { ...after, memberId, said }, known);
    return { after, code };
  }

  /** Looks whether the topics changed since the group was last assigned; then all members are to come on. */
  refresh(group: ConsumerGroup): void {
    const members = new Map([...group.members].map(([id, member]) => [id, member.said]));
    const records: GroupRecord[] = [];
    this.#nextEpoch(group, { members, bump: false, records });
    if (records.length > 0) void this.#context.write(records);
  }

  /** The group epoch grows with every change of the subscriptions or of the topics behind them. */
  #nextEpoch(
    group: ConsumerGroup,
    change: {
      readonly members: ReadonlyMap<string, ConsumerMemberValue>;
      readonly bump: boolean;
      readonly records: GroupRecord[];
    },
  ): number {
    const { version } = this.#context.topics;
    if (!change.bump && this.#seen.get(group) === version) return group.epoch;
    this.#seen.set(group, version);
    const topics = this.#topicsRecord(group, this.#subscriptions.topicsOf(change.members.values()));
    change.records.push(...topics);
    if (!change.bump && topics.length === 0) return group.epoch;
    const epoch = group.epoch + 1;
    change.records.push(epochRecord(group.groupId, epoch));
    return epoch;
  }

  #topicsRecord(group: ConsumerGroup, topics: ReadonlyMap<string, SubscribedTopic>): GroupRecord[] {
    const same =
      topics.size === group.topics.size &&
      [...topics.values()].every(({ topicName, topicId, numPartitions }) => {
        const known = group.topics.get(topicName);
        return known?.topicId === topicId && known.numPartitions === numPartitions;
      });
    if (same) return [];
    const value = { topics: Array.from(topics.values(), (topic) => ({ ...topic, partitionMetadata: [] })) };
    return [{ kind: 'topics', group: group.groupId, value }];
  }

  #assign(
    group: ConsumerGroup,
    change: {
      readonly members: ReadonlyMap<string, ConsumerMemberValue>;
      readonly epoch: number;
      readonly records: GroupRecord[];
    },
  ): ReadonlyMap<string, PartitionSet> {
    const { groupId } = group;
    const topics = new Map<Uuid, number>();
    for (const { topicId, numPartitions } of this.#subscriptions.topicsOf(change.members.values()).values()) {
      topics.set(topicId, numPartitions);
    }
    const members: AssignorMember[] = Array.from(change.members, ([memberId, said]) => ({
      memberId,
      instanceId: said.instanceId,
      topics: new Set(Array.from(this.#subscriptions.topicsOf([said]).values(), ({ topicId }) => topicId)),
      current: group.targetOf(memberId),
    }));
    const assign = present(ASSIGNORS[this.assignorOf(change.members.values())], 'assignor');
    const targets = assign({ members, topics });
    for (const [member, target] of targets) {
      if (group.targets.has(member) && sameSet(target, group.targetOf(member))) continue;
      change.records.push({
        kind: 'target',
        group: groupId,
        member,
        value: { topicPartitions: toTopicPartitions(target) },
      });
    }
    change.records.push({ kind: 'target-epoch', group: groupId, value: { assignmentEpoch: change.epoch } });
    return targets;
  }

  /** The assignor that most members ask for; the broker's first where none does. */
  assignorOf(members: Iterable<ConsumerMemberValue>): string {
    const [normal = 'uniform', ...others] = this.#context.settings().consumerAssignors;
    const votes = new Map<string, number>();
    for (const { serverAssignor } of members) {
      if (serverAssignor === null || ![normal, ...others].includes(serverAssignor)) continue;
      votes.set(serverAssignor, (votes.get(serverAssignor) ?? 0) + 1);
    }
    let best: readonly [string, number] = [normal, 0];
    for (const each of votes) if (each[1] > best[1]) best = each;
    return best[0];
  }
}

const ANSWER = { errorCode: ERROR_CODES.NONE, errorMessage: null } as const;

export function refused({ errorCode, message }: MemberRefusal): ConsumerHeartbeatOutcome {
  const code = errorCode === ERROR_CODES.RECORD_LIST_TOO_LARGE ? ERROR_CODES.UNKNOWN_SERVER_ERROR : errorCode;
  return {
    errorCode: code,
    errorMessage: message,
    memberId: null,
    memberEpoch: 0,
    heartbeatIntervalMs: 0,
    assignment: null,
  };
}

function epochRecord(group: string, epoch: number): GroupRecord {
  return { kind: 'group-epoch', group, value: { epoch } };
}

/** A member that joins anew has nothing, whatever it had. */
function held(known: ConsumerMember | undefined, { memberEpoch, instanceId }: ConsumerHeartbeat): MemberAssignment {
  if (known === undefined) return NEW_ASSIGNMENT;
  return memberEpoch === 0 && (instanceId === null || known.epoch !== 0) ? NEW_ASSIGNMENT : known;
}

function nowSaid(before: ConsumerMemberValue | undefined, request: ConsumerHeartbeat): ConsumerMemberValue {
  const known = before ?? NOTHING_SAID;
  const { subscribedTopicNames, subscribedTopicRegex, rebalanceTimeoutMs, client } = request;
  return {
    instanceId: request.instanceId ?? known.instanceId,
    rackId: request.rackId ?? known.rackId,
    clientId: client.clientId,
    clientHost: client.clientHost,
    subscribedTopicNames: subscribedTopicNames === null ? known.subscribedTopicNames : distinct(subscribedTopicNames),
    // An empty expression takes the one before back.
    subscribedTopicRegex: subscribedTopicRegex === null ? known.subscribedTopicRegex : subscribedTopicRegex || null,
    rebalanceTimeoutMs: rebalanceTimeoutMs === -1 ? known.rebalanceTimeoutMs : rebalanceTimeoutMs,
    serverAssignor: request.serverAssignor ?? known.serverAssignor,
    classicMemberMetadata: null,
  };
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}

function sameSaid(one: ConsumerMemberValue, other: ConsumerMemberValue): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

function subscribesAnew(before: ConsumerMemberValue | undefined, said: ConsumerMemberValue): boolean {
  if (before === undefined || before.subscribedTopicRegex !== said.subscribedTopicRegex) return true;
  return before.subscribedTopicNames.join('\n') !== said.subscribedTopicNames.join('\n');
}

function sameAssignment(one: MemberAssignment, other: MemberAssignment): boolean {
  return (
    one.epoch === other.epoch &&
    one.previousEpoch === other.previousEpoch &&
    one.state === other.state &&
    sameSet(one.assigned, other.assigned) &&
    sameSet(one.pendingRevocation, other.pendingRevocation)
  );
}
