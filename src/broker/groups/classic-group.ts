// A classic group: who is in it, how far the rebalance is, which protocol they share. It decides what the state says
// and changes it in small steps; when to take which step is classic-rebalance.ts.
//
//   Empty -> PreparingRebalance -> CompletingRebalance -> Stable -> PreparingRebalance ...
//              members join          leader assigns        (any member that comes, goes or changes)
//
// Members and the rebalance live in memory; the log holds the last generation that was complete, as in Kafka.

import { assert, present } from '../../core/assert.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { CONSUMER_PROTOCOL_TYPE, subscribedTopics } from './consumer-protocol.ts';
import type { GroupClient } from './group-context.ts';
import type { ClassicGroupValue } from './group-records.ts';
import type { GroupTimer } from './timer.ts';

export type ClassicGroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Uint8Array;
}

export interface JoinOutcome {
  readonly errorCode: number;
  readonly memberId: string;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly skipAssignment: boolean;
  readonly members: readonly JoinedMember[];
}

export interface JoinedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly metadata: Uint8Array;
}

export interface SyncOutcome {
  readonly errorCode: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Uint8Array;
}

export const NO_BYTES: Uint8Array = new Uint8Array(0);
const NO_MEMBERS: readonly JoinedMember[] = [];

export function joinError(errorCode: number, memberId = ''): JoinOutcome {
  return {
    errorCode,
    memberId,
    generationId: -1,
    protocolType: null,
    protocolName: null,
    leader: '',
    skipAssignment: false,
    members: NO_MEMBERS,
  };
}

export function syncError(errorCode: number): SyncOutcome {
  return { errorCode, protocolType: null, protocolName: null, assignment: NO_BYTES };
}

export class ClassicMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly client: GroupClient;
  sessionTimeoutMs = 0;
  rebalanceTimeoutMs = 0;
  protocols: readonly MemberProtocol[] = [];
  assignment: Uint8Array = NO_BYTES;
  /** It has not been in a generation yet: while it waits, it may be removed. */
  isNew = false;
  /** Answers its JoinGroup; undefined while none waits. */
  join: ((outcome: JoinOutcome) => void) | undefined;
  /** Answers its SyncGroup; undefined while none waits. */
  sync: ((outcome: SyncOutcome) => void) | undefined;
  /** Its session. */
  readonly session: GroupTimer;

  constructor(head: Pick<ClassicMember, 'memberId' | 'groupInstanceId' | 'client' | 'session'>) {
    this.memberId = head.memberId;
    this.groupInstanceId = head.groupInstanceId;
    this.client = head.client;
    this.session = head.session;
  }

  metadataOf(protocol: string | null): Uint8Array {
    return this.protocols.find(({ name }) => name === protocol)?.metadata ?? NO_BYTES;
  }

  /** Whether it said the same before: the same protocols with the same metadata, in the same order. */
  matches(protocols: readonly MemberProtocol[]): boolean {
    return (
      protocols.length === this.protocols.length &&
      protocols.every(({ name, metadata }, index) => {
        const own = this.protocols[index];
        return own !== undefined && own.name === name && sameBytes(own.metadata, metadata);
      })
    );
  }
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

export class ClassicGroup {
  readonly groupId: string;
  readonly members = new Map<string, ClassicMember>();
  /** Member ids by group instance id. */
  readonly staticMembers = new Map<string, string>();
  /** Member ids given out and not joined with yet, with the timers that take them back (KIP-394). */
  readonly pendingMembers = new Map<string, GroupTimer>();
  /** Members that have not synchronized in this generation. */
  readonly pendingSyncs = new Set<string>();
  generationId = 0;
  protocolType: string | null = null;
  protocolName: string | null = null;
  leader: string | null = null;
  /** Since when the state is what it is, in milliseconds since 1970; -1 where nobody knows. */
  stateSinceMs = -1;
  newMemberAdded = false;
  #state: ClassicGroupState = 'Empty';
  #previous: ClassicGroupState = 'Empty';

  constructor(groupId: string) {
    this.groupId = groupId;
  }

  get state(): ClassicGroupState {
    return this.#state;
  }

  /** The state before this one: a group that prepares after being empty waits for more members. */
  get previousState(): ClassicGroupState {
    return this.#previous;
  }

  transition(state: ClassicGroupState, nowMs: number): void {
    assert(this.#state !== 'Dead', 'a dead group stays dead');
    this.#previous = this.#state;
    this.#state = state;
    this.stateSinceMs = nowMs;
  }

  /** Takes what the log says as the present. */
  restore(value: ClassicGroupValue): void {
    this.#state = value.members.length === 0 ? 'Empty' : 'Stable';
    this.#previous = this.#state;
    this.generationId = value.generation;
    this.protocolType = value.protocolType === '' ? null : value.protocolType;
    this.protocolName = value.protocol;
    this.leader = value.leader;
    this.stateSinceMs = value.currentStateTimestamp;
  }

  get isIdle(): boolean {
    return this.members.size === 0 && this.pendingMembers.size === 0;
  }

  get canRebalance(): boolean {
    return this.#state === 'Empty' || this.#state === 'Stable' || this.#state === 'CompletingRebalance';
  }

  get joinsWaiting(): number {
    let count = 0;
    for (const { join } of this.members.values()) if (join !== undefined) count++;
    return count;
  }

  get hasAllMembersJoined(): boolean {
    return this.pendingMembers.size === 0 && this.joinsWaiting === this.members.size;
  }

  /** The longest of the members' rebalance timeouts. */
  get rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.members.values()) longest = Math.max(longest, rebalanceTimeoutMs);
    return longest;
  }

  add(member: ClassicMember): void {
    this.members.set(member.memberId, member);
    if (member.groupInstanceId !== null) this.staticMembers.set(member.groupInstanceId, member.memberId);
    this.leader ??= member.memberId;
  }

  /** Takes a member out; the next one becomes the leader where it was. */
  remove(memberId: string): void {
    const member = this.members.get(memberId);
    this.pendingMembers.get(memberId)?.cancel();
    this.pendingMembers.delete(memberId);
    this.pendingSyncs.delete(memberId);
    if (member === undefined) return;
    member.session.cancel();
    this.members.delete(memberId);
    if (member.groupInstanceId !== null) this.staticMembers.delete(member.groupInstanceId);
    if (this.leader === memberId) this.leader = this.members.keys().next().value ?? null;
  }

  /** Elects a member that has joined where the leader has not. False where none has. */
  electJoinedLeader(): boolean {
    if (this.leader !== null && this.members.get(this.leader)?.join !== undefined) return true;
    for (const { memberId, join } of this.members.values()) {
      if (join === undefined) continue;
      this.leader = memberId;
      return true;
    }
    return false;
  }

  /** Kafka's error code where the request does not come from the member that it names, else NONE. */
  fence(memberId: string, groupInstanceId: string | null): number {
    if (groupInstanceId !== null) {
      const known = this.staticMembers.get(groupInstanceId);
      if (known === undefined) return ERROR_CODES.UNKNOWN_MEMBER_ID;
      if (known !== memberId) return ERROR_CODES.FENCED_INSTANCE_ID;
    }
    return this.members.has(memberId) ? ERROR_CODES.NONE : ERROR_CODES.UNKNOWN_MEMBER_ID;
  }

  /** Whether a member with these protocols could be in the group with the others. */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (protocolType === '' || protocols.length === 0) return false;
    if (this.members.size === 0) return true;
    if (this.protocolType !== protocolType) return false;
    const common = this.#commonProtocols();
    return protocols.some(({ name }) => common.has(name));
  }

  /** Protocols that every member supports. */
  #commonProtocols(): Set<string> {
    const counts = new Map<string, number>();
    for (const { protocols } of this.members.values()) {
      for (const name of new Set(protocols.map((each) => each.name))) counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return new Set([...counts].filter(([, count]) => count === this.members.size).map(([name]) => name));
  }

  /** The protocol that most members prefer among those that all support; of equals the one named first. */
  selectProtocol(): string {
    const common = this.#commonProtocols();
    const votes = new Map<string, number>();
    for (const { protocols } of this.members.values()) {
      const vote = protocols.find(({ name }) => common.has(name));
      if (vote !== undefined) votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1);
    }
    const [first, ...others] = votes;
    return others.reduce((best, each) => (each[1] > best[1] ? each : best), present(first, 'common protocol'))[0];
  }

  /** Begins a generation with the members that are there. */
  nextGeneration(nowMs: number): void {
    // A generation is 31 bits; after the last one Kafka's own counter would turn negative.
    this.generationId = this.generationId >= 0x7fffffff ? 1 : this.generationId + 1;
    this.pendingSyncs.clear();
    this.protocolName = this.members.size === 0 ? null : this.selectProtocol();
    this.transition(this.members.size === 0 ? 'Empty' : 'CompletingRebalance', nowMs);
  }

  /** The join of a member of the current generation: the leader is told of everybody. */
  joined(memberId: string, { skipAssignment = false, toLeader = true } = {}): JoinOutcome {
    const isLeader = memberId === this.leader;
    return {
      errorCode: ERROR_CODES.NONE,
      memberId,
      generationId: this.generationId,
      protocolType: this.protocolType,
      protocolName: this.protocolName,
      leader: this.leader ?? '',
      skipAssignment: skipAssignment && isLeader,
      members: isLeader && toLeader ? this.#joinedMembers() : NO_MEMBERS,
    };
  }

  #joinedMembers(): JoinedMember[] {
    return Array.from(this.members.values(), (member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      metadata: member.metadataOf(this.protocolName),
    }));
  }

  synced(member: ClassicMember): SyncOutcome {
    const { protocolType, protocolName } = this;
    return { errorCode: ERROR_CODES.NONE, protocolType, protocolName, assignment: member.assignment };
  }

  /** What the log is to hold of the group. */
  toValue(): ClassicGroupValue {
    return {
      protocolType: this.protocolType ?? '',
      generation: this.generationId,
      protocol: this.protocolName,
      leader: this.leader,
      currentStateTimestamp: this.stateSinceMs,
      members: Array.from(this.members.values(), (member) => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.client.clientId,
        clientHost: member.client.clientHost,
        rebalanceTimeout: member.rebalanceTimeoutMs,
        sessionTimeout: member.sessionTimeoutMs,
        subscription: member.metadataOf(this.protocolName),
        assignment: member.assignment,
      })),
    };
  }

  /** Topics that the members consume; undefined where that cannot be told. */
  subscribedTopics(): ReadonlySet<string> | undefined {
    if (this.protocolType !== CONSUMER_PROTOCOL_TYPE || this.#state === 'PreparingRebalance') return undefined;
    const topics = new Set<string>();
    for (const member of this.members.values()) {
      const names = subscribedTopics(member.metadataOf(this.protocolName));
      if (names === undefined) return undefined;
      for (const name of names) topics.add(name);
    }
    return topics;
  }
}
