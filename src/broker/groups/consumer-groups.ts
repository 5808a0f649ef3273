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
  toCurrentValue,
} from './consumer-group.ts';
import type { ConsumerHeartbeat, ConsumerHeartbeatOutcome } from './consumer-heartbeat.ts';
import { type GroupContext, randomUuid } from './group-context.ts';
import type { ConsumerMemberValue, GroupRecord } from './group-records.ts';
import { type PartitionSet, sameSet, toTopicPartitions } from './partition-set.ts';
import { reconcile } from './reconciliation.ts';
import { Subscriptions } from './subscriptions.ts';
import { GroupTimer } from './timer.ts';

interface MemberTimers {
  readonly session: GroupTimer;
  readonly rebalance: GroupTimer;
}

/** The group, and records that must come before its first ones. */
export interface ConsumerGroupHandle {
  readonly group: ConsumerGroup;
  readonly before: readonly GroupRecord[];
}

export class ConsumerGroups {
  readonly #context: GroupContext;
  readonly #subscriptions: Subscriptions;
  readonly #timers = new Map<string, Map<string, MemberTimers>>();
  /** Version of the topics at which a group's subscriptions were last looked at. */
  readonly #seen = new WeakMap<ConsumerGroup, number>();
  readonly #find: (groupId: string) => ConsumerGroup | undefined;

  constructor(context: GroupContext, find: (groupId: string) => ConsumerGroup | undefined) {
    this.#context = context;
    this.#find = find;
    this.#subscriptions = new Subscriptions(context.topics);
  }

  /** Sessions of the members that the log told of begin now. */
  restore(group: ConsumerGroup): void {
    for (const member of group.members.values()) {
      this.#touch(group.groupId, member.memberId);
      this.#watchRevocation(group.groupId, member, undefined);
    }
  }

  forgetAll(): void {
    for (const members of this.#timers.values()) for (const timers of members.values()) cancel(timers);
    this.#timers.clear();
  }

  #timersOf(groupId: string, memberId: string): MemberTimers {
    let members = this.#timers.get(groupId);
    if (members === undefined) {
      members = new Map();
      this.#timers.set(groupId, members);
    }
    let timers = members.get(memberId);
    if (timers === undefined) {
      const fence = (): void => this.#fenceSilent(groupId, memberId);
      timers = { session: new GroupTimer(this.#context, fence), rebalance: new GroupTimer(this.#context, fence) };
      members.set(memberId, timers);
    }
    return timers;
  }

  #forget(groupId: string, memberId: string): void {
    const members = this.#timers.get(groupId);
    const timers = members?.get(memberId);
    if (members === undefined || timers === undefined) return;
    cancel(timers);
    members.delete(memberId);
    if (members.size === 0) this.#timers.delete(groupId);
  }

  #touch(groupId: string, memberId: string): void {
    this.#timersOf(groupId, memberId).session.set(this.#context.consumerTimes(groupId).sessionTimeoutMs);
  }

  /** A member has its rebalance timeout to give partitions up. */
  #watchRevocation(groupId: string, member: ConsumerMember, before: MemberAssignment | undefined): void {
    const { rebalance } = this.#timersOf(groupId, member.memberId);
    if (member.state !== MEMBER_STATES.unrevoked) rebalance.cancel();
    else if (before?.state !== MEMBER_STATES.unrevoked || before.epoch !== member.epoch || !rebalance.isSet) {
      rebalance.set(Math.max(0, member.said.rebalanceTimeoutMs));
    }
  }

  /** A member whose session or rebalance timeout is over is out. */
  #fenceSilent(groupId: string, memberId: string): void {
    const group = this.#find(groupId);
    const member = group?.members.get(memberId);
    if (group === undefined || member === undefined) return;
    void this.#remove(group, member);
  }

  #remove(group: ConsumerGroup, member: ConsumerMember): Promise<number> {
    this.#forget(group.groupId, member.memberId);
    const records: GroupRecord[] = [...group.memberRemoval(member.memberId)];
    const left = [...group.members.values()].filter((each) => each !== member).map(({ said }) => said);
    records.push(...this.#topicsRecord(group, this.#subscriptions.topicsOf(left)));
    records.push(epochRecord(group.groupId, group.epoch + 1));
    return this.#context.write(records);
  }

  /** Members of the group are out, without another word: it is deleted. */
  forgetGroup(groupId: string): void {
    for (const timers of this.#timers.get(groupId)?.values() ?? []) cancel(timers);
    this.#timers.delete(groupId);
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
      memberEpoch === LEFT_STATIC_EPOCH ? await this.#leaveForAWhile(group, member) : await this.#remove(group, member);
    if (code !== ERROR_CODES.NONE) return refused({ errorCode: code, message: null });
    return { ...ANSWER, memberId, memberEpoch, heartbeatIntervalMs: 0, assignment: null };
  }

  #leaveForAWhile({ groupId: group }: ConsumerGroup, member: ConsumerMember): Promise<number> {
    this.#timersOf(group, member.memberId).rebalance.cancel();
    const left = { ...member, epoch: LEFT_STATIC_EPOCH, pendingRevocation: NEW_ASSIGNMENT.pendingRevocation };
    return this.#context.write([{ kind: 'current', group, member: member.memberId, value: toCurrentValue(left) }]);
  }

  /** Anything but leaving. */
  async heartbeat(handle: ConsumerGroupHandle, request: ConsumerHeartbeat): Promise<ConsumerHeartbeatOutcome> {
    const { group } = handle;
    const memberId = request.memberId === '' ? randomUuid(this.#context) : request.memberId;
    const refusal = heartbeatRefusal(group, { ...request, memberId }, this.#context.settings());
    if (refusal !== undefined) return refused(refusal);
    if (handle.before.length > 0) void this.#context.write(handle.before);
    this.#replaceStatic(group, { ...request, memberId });
    const live = this.#find(group.groupId) ?? group;
    const { before, after, code } = await this.#advance(live, { ...request, memberId });
    if (code !== ERROR_CODES.NONE) return refused({ errorCode: code, message: null });
    const { rebalanceTimeoutMs, subscribedTopicNames, owned } = request;
    const isFull = rebalanceTimeoutMs !== -1 && subscribedTopicNames !== null && owned !== undefined;
    const isTold = request.memberEpoch === 0 || isFull || !sameSet(before.assigned, after.assigned);
    return {
      ...ANSWER,
      memberId,
      memberEpoch: after.epoch,
      heartbeatIntervalMs: this.#context.consumerTimes(group.groupId).heartbeatIntervalMs,
      assignment: isTold ? toTopicPartitions(after.assigned) : null,
    };
  }

  /** A static member that left for a while is back under another member id: it takes over what it had. */
  #replaceStatic(group: ConsumerGroup, { instanceId, memberId, memberEpoch }: ConsumerHeartbeat): void {
    const before = instanceId === null ? undefined : group.staticMember(instanceId);
    if (before === undefined || before.memberId === memberId || memberEpoch !== 0) return;
    const { groupId } = group;
    const current = toCurrentValue({ ...before, epoch: 0, previousEpoch: 0 });
    const target = toTopicPartitions(group.targetOf(before.memberId));
    this.#forget(groupId, before.memberId);
    void this.#context.write([
      ...group.memberRemoval(before.memberId),
      { kind: 'member', group: groupId, member: memberId, value: before.said },
      { kind: 'target', group: groupId, member: memberId, value: { topicPartitions: target } },
      { kind: 'current', group: groupId, member: memberId, value: current },
    ]);
  }

  /** Takes in what the member says, assigns where that changes something, and brings the member one step on. */
  async #advance(
    group: ConsumerGroup,
    request: ConsumerHeartbeat,
  ): Promise<{ readonly before: MemberAssignment; readonly after: MemberAssignment; readonly code: number }> {
    const { groupId } = group;
    const { memberId } = request;
    const known = group.members.get(memberId);
    const said = nowSaid(known?.said, request);
    const records: GroupRecord[] = [];
    if (known === undefined || !sameSaid(known.said, said)) {
      records.push({ kind: 'member', group: groupId, member: memberId, value: said });
    }
    const members = new Map([...group.members].map(([id, member]) => [id, member.said]));
    members.set(memberId, said);
    const epoch = this.#nextEpoch(group, { members, bump: subscribesAnew(known?.said, said), records });
    const targets = epoch > group.targetEpoch ? this.#assign(group, { members, epoch, records }) : undefined;
    const before = held(known, request);
    const after = reconcile(
      { ...before, memberId, said },
      {
        target: targets?.get(memberId) ?? group.targetOf(memberId),
        targetEpoch: Math.max(epoch, group.targetEpoch),
        owned: request.memberEpoch === 0 ? NEW_ASSIGNMENT.assigned : request.owned,
        isOwned: (key) => (group.owners.get(key) ?? memberId) !== memberId,
      },
    );
    if (known === undefined || !sameAssignment(known, after)) {
      records.push({ kind: 'current', group: groupId, member: memberId, value: toCurrentValue(after) });
    }
    const written = this.#context.write(records);
    this.#touch(groupId, memberId);
    this.#watchRevocation(groupId, { ...after, memberId, said }, known);
    return { before, after, code: await written };
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

function cancel({ session, rebalance }: MemberTimers): void {
  session.cancel();
  rebalance.cancel();
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
