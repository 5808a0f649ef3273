// What happens to a classic group when: members join, synchronize, send heartbeats, leave, or are not heard of. The
// answers to JoinGroup and SyncGroup wait here until the group is as far. The state itself is classic-group.ts.

import { present } from '../../core/assert.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { claimRefusal, hasRoomFor, type MemberClaim, type SyncRequest, syncRefusal } from './classic-checks.ts';
import {
  type ClassicGroup,
  ClassicMember,
  type JoinOutcome,
  joinError,
  type MemberProtocol,
  NO_BYTES,
  type SyncOutcome,
  syncError,
} from './classic-group.ts';
import type { ClassicProtocol, JoinRequest, LeavingMember } from './classic-protocol.ts';
import { type GroupContext, randomId } from './group-context.ts';
import type { ClassicGroupValue } from './group-records.ts';
import { GroupTimer } from './timer.ts';

/** How long a new member may wait for its first generation: its client may be gone without anybody noticing. */
const NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000;

type Answer<T> = (outcome: T) => void;

export class ClassicRebalance implements ClassicProtocol {
  readonly #group: ClassicGroup;
  readonly #context: GroupContext;
  /** Ends the wait for members: of the first ones, or of those that were there before. */
  readonly #joinTimer: GroupTimer;
  /** Ends the wait for members that joined and do not synchronize. */
  readonly #syncTimer: GroupTimer;
  #initialDelayLeftMs = 0;

  constructor(group: ClassicGroup, context: GroupContext) {
    this.#group = group;
    this.#context = context;
    this.#joinTimer = new GroupTimer(context, () => this.#joinTimeOver());
    this.#syncTimer = new GroupTimer(context, () => this.#syncTimeOver());
  }

  /**
   * Takes up what the log tells of the group; the sessions of its members begin now. `protocols` is what each supports,
   * where more is known than the log has.
   */
  restore(value: ClassicGroupValue, protocols?: ReadonlyMap<string, readonly MemberProtocol[]>): void {
    const group = this.#group;
    for (const stored of value.members) {
      const { memberId, groupInstanceId, clientId, clientHost } = stored;
      const member = this.#makeMember({ memberId, groupInstanceId, client: { clientId, clientHost } });
      member.sessionTimeoutMs = stored.sessionTimeout;
      member.rebalanceTimeoutMs = stored.rebalanceTimeout < 0 ? stored.sessionTimeout : stored.rebalanceTimeout;
      member.protocols = protocols?.get(memberId) ?? [{ name: value.protocol ?? '', metadata: stored.subscription }];
      member.assignment = stored.assignment;
      member.session.set(member.sessionTimeoutMs);
      group.add(member);
    }
    group.restore(value);
  }

  /** A member as the group keeps it, with its session's timer. */
  #makeMember(head: Pick<ClassicMember, 'memberId' | 'groupInstanceId' | 'client'>): ClassicMember {
    const session = new GroupTimer(this.#context, () => this.#sessionOver(head.memberId));
    return new ClassicMember({ ...head, session });
  }

  /** Ends everything: timers stop, and whoever waits is answered. */
  dissolve(errorCode: number): void {
    const group = this.#group;
    if (group.state === 'Dead') return;
    this.#joinTimer.cancel();
    this.#syncTimer.cancel();
    for (const timer of group.pendingMembers.values()) timer.cancel();
    for (const member of group.members.values()) {
      member.session.cancel();
      this.#answerJoin(member, joinError(errorCode, member.memberId));
      this.#answerSync(member, syncError(errorCode));
    }
    group.transition('Dead', this.#context.clock.now());
  }

  join(request: JoinRequest): Promise<JoinOutcome> {
    return new Promise((answer) => this.#join(request, answer));
  }

  #join(request: JoinRequest, answer: Answer<JoinOutcome>): void {
    const group = this.#group;
    const { memberId, groupInstanceId } = request;
    if (group.state === 'Dead') {
      answer(joinError(ERROR_CODES.COORDINATOR_NOT_AVAILABLE, memberId));
      return;
    }
    if (!hasRoomFor(group, memberId, this.#context.settings().maxSize)) {
      group.remove(memberId);
      answer(joinError(ERROR_CODES.GROUP_MAX_SIZE_REACHED));
      return;
    }
    if (!group.supports(request.protocolType, request.protocols)) {
      answer(joinError(ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL, memberId));
      return;
    }
    if (memberId === '') {
      if (groupInstanceId !== null) {
        this.#joinStatic(request, groupInstanceId, answer);
        return;
      }
      this.#joinNew(request, answer);
      return;
    }
    if (group.pendingMembers.has(memberId) && groupInstanceId === null) {
      this.#addMember(request, memberId, answer);
      return;
    }
    const fenced = group.fence(memberId, groupInstanceId);
    if (fenced !== ERROR_CODES.NONE) {
      answer(joinError(fenced, memberId));
      return;
    }
    this.#joinAgain(request, present(group.members.get(memberId), 'member'), answer);
  }

  #joinNew(request: JoinRequest, answer: Answer<JoinOutcome>): void {
    const memberId = `${request.client.clientId}-${randomId(this.#context)}`;
    if (!request.needsMemberId) {
      this.#addMember(request, memberId, answer);
      return;
    }
    const timer = new GroupTimer(this.#context, () => this.#pendingOver(memberId));
    timer.set(request.sessionTimeoutMs);
    this.#group.pendingMembers.set(memberId, timer);
    answer(joinError(ERROR_CODES.MEMBER_ID_REQUIRED, memberId));
  }

  #joinStatic(request: JoinRequest, groupInstanceId: string, answer: Answer<JoinOutcome>): void {
    const memberId = `${groupInstanceId}-${randomId(this.#context)}`;
    const before = this.#group.members.get(this.#group.staticMembers.get(groupInstanceId) ?? '');
    if (before === undefined) {
      this.#addMember(request, memberId, answer);
      return;
    }
    this.#replaceStatic(request, { before, memberId }, answer);
  }

  #addMember(request: JoinRequest, memberId: string, answer: Answer<JoinOutcome>): void {
    const group = this.#group;
    const { groupInstanceId, client } = request;
    group.pendingMembers.get(memberId)?.cancel();
    group.pendingMembers.delete(memberId);
    const member = this.#makeMember({ memberId, groupInstanceId, client });
    member.isNew = true;
    if (group.state === 'PreparingRebalance' && group.previousState === 'Empty') group.newMemberAdded = true;
    group.add(member);
    group.protocolType = request.protocolType;
    this.#update(member, request, answer);
    member.session.set(NEW_MEMBER_JOIN_TIMEOUT_MS);
    this.#prepareOrComplete();
  }

  #update(member: ClassicMember, request: JoinRequest, answer: Answer<JoinOutcome>): void {
    // Of two requests of one member the later one counts; the earlier one is not left without an answer.
    this.#answerJoin(member, joinError(ERROR_CODES.REBALANCE_IN_PROGRESS, member.memberId));
    member.protocols = request.protocols;
    member.sessionTimeoutMs = request.sessionTimeoutMs;
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
    member.join = answer;
  }

  /** A member that is known joins: during a rebalance, again after an answer was lost, or with something new to say. */
  #joinAgain(request: JoinRequest, member: ClassicMember, answer: Answer<JoinOutcome>): void {
    const group = this.#group;
    const { state } = group;
    const changed = !member.matches(request.protocols);
    const leads = group.leader === member.memberId;
    if (state === 'Empty' || state === 'Dead') {
      answer(joinError(ERROR_CODES.UNKNOWN_MEMBER_ID, member.memberId));
      return;
    }
    if (state === 'PreparingRebalance' || changed || (state === 'Stable' && leads)) {
      this.#update(member, request, answer);
      this.#prepareOrComplete();
      return;
    }
    this.#afterDurable(() => group.joined(member.memberId), joinError, answer);
  }

  /**
   * A static member is back under its instance id: it takes the place of the one before, which is fenced. The group
   * need not rebalance where its protocol stays; only the new member id goes on record.
   */
  #replaceStatic(
    request: JoinRequest,
    { before, memberId }: { readonly before: ClassicMember; readonly memberId: string },
    answer: Answer<JoinOutcome>,
  ): void {
    const group = this.#group;
    const oldLeader = group.leader ?? '';
    this.#answerJoin(before, joinError(ERROR_CODES.FENCED_INSTANCE_ID, before.memberId));
    this.#answerSync(before, syncError(ERROR_CODES.FENCED_INSTANCE_ID));
    const { groupInstanceId, client } = request;
    const member = this.#makeMember({ memberId, groupInstanceId, client });
    member.assignment = before.assignment;
    const led = group.leader === before.memberId;
    group.remove(before.memberId);
    group.add(member);
    if (led) group.leader = memberId;
    this.#update(member, request, answer);
    member.session.set(member.sessionTimeoutMs);
    if (group.state === 'CompletingRebalance') {
      this.#prepare();
      return;
    }
    if (group.state !== 'Stable') {
      this.#completeIfAllJoined();
      return;
    }
    if (group.selectProtocol() !== group.protocolName) {
      this.#prepareOrComplete();
      return;
    }
    this.#persistReplacement(member, { oldLeader, skip: request.maySkipAssignment });
  }

  #persistReplacement(
    member: ClassicMember,
    { oldLeader, skip }: { readonly oldLeader: string; readonly skip: boolean },
  ): void {
    const group = this.#group;
    void this.#persist().then((errorCode) => {
      if (errorCode !== ERROR_CODES.NONE) {
        this.#answerJoin(member, joinError(groupError(errorCode)));
        return;
      }
      // A rebalance that began meanwhile answers this join itself, in the generation to come.
      if (group.state !== 'Stable') return;
      const outcome = group.joined(member.memberId, { skipAssignment: skip, toLeader: skip });
      // A leader that cannot be told to skip must not assign: it is told that the one before leads.
      this.#answerJoin(member, skip ? outcome : { ...outcome, leader: oldLeader });
    });
  }

  /** Members are told to join again. */
  begin(): void {
    this.#prepareOrComplete();
  }

  /** Begins a rebalance, or goes on with the one that runs. */
  #prepareOrComplete(): void {
    if (this.#group.canRebalance) this.#prepare();
    else this.#completeIfAllJoined();
  }

  #prepare(): void {
    const group = this.#group;
    const { initialRebalanceDelayMs } = this.#context.settings();
    if (group.state === 'CompletingRebalance') this.#rejectSyncs(ERROR_CODES.REBALANCE_IN_PROGRESS);
    group.pendingSyncs.clear();
    this.#syncTimer.cancel();
    const initial = group.state === 'Empty';
    group.transition('PreparingRebalance', this.#context.clock.now());
    if (initial) {
      group.newMemberAdded = false;
      this.#initialDelayLeftMs = Math.max(0, group.rebalanceTimeoutMs - initialRebalanceDelayMs);
      this.#joinTimer.set(initialRebalanceDelayMs);
    } else if (group.hasAllMembersJoined) this.#complete();
    else this.#joinTimer.set(group.rebalanceTimeoutMs);
  }

  #completeIfAllJoined(): void {
    const group = this.#group;
    // A group that was empty waits out its delay: more members are likely to come.
    if (group.state !== 'PreparingRebalance' || group.previousState === 'Empty') return;
    if (group.hasAllMembersJoined) this.#complete();
  }

  #joinTimeOver(): void {
    const group = this.#group;
    if (group.state !== 'PreparingRebalance') return;
    if (group.previousState === 'Empty' && group.newMemberAdded && this.#initialDelayLeftMs > 0) {
      group.newMemberAdded = false;
      const delayMs = Math.min(this.#context.settings().initialRebalanceDelayMs, this.#initialDelayLeftMs);
      this.#initialDelayLeftMs -= delayMs;
      this.#joinTimer.set(delayMs);
      return;
    }
    this.#complete();
  }

  /** Ends the joining: who has not joined is out, but for static members, and the leader is asked to assign. */
  #complete(): void {
    const group = this.#group;
    this.#joinTimer.cancel();
    for (const member of [...group.members.values()]) {
      if (member.join === undefined && member.groupInstanceId === null) group.remove(member.memberId);
    }
    if (group.members.size > 0 && !group.electJoinedLeader()) {
      this.#joinTimer.set(group.rebalanceTimeoutMs);
      return;
    }
    group.nextGeneration(this.#context.clock.now());
    if (group.members.size === 0) {
      group.leader = null;
      void this.#persist();
      return;
    }
    for (const member of group.members.values()) {
      group.pendingSyncs.add(member.memberId);
      member.isNew = false;
      member.session.set(member.sessionTimeoutMs);
      this.#answerJoin(member, group.joined(member.memberId));
    }
    this.#syncTimer.set(group.rebalanceTimeoutMs);
  }

  sync(request: SyncRequest): Promise<SyncOutcome> {
    return new Promise((answer) => this.#sync(request, answer));
  }

  #sync(request: SyncRequest, answer: Answer<SyncOutcome>): void {
    const group = this.#group;
    const refused = syncRefusal(group, request);
    if (refused !== ERROR_CODES.NONE) {
      answer(syncError(refused));
      return;
    }
    const member = present(group.members.get(request.memberId), 'member');
    if (group.state === 'PreparingRebalance') {
      answer(syncError(ERROR_CODES.REBALANCE_IN_PROGRESS));
      return;
    }
    group.pendingSyncs.delete(member.memberId);
    if (group.pendingSyncs.size === 0) this.#syncTimer.cancel();
    if (group.state === 'Stable') {
      this.#afterDurable(() => group.synced(member), syncError, answer);
      return;
    }
    this.#answerSync(member, syncError(ERROR_CODES.REBALANCE_IN_PROGRESS));
    member.sync = answer;
    if (group.leader === member.memberId) this.#assign(request);
  }

  /** The leader's assignment makes the group stable; it is handed out when it is on record. */
  #assign({ assignments }: SyncRequest): void {
    const group = this.#group;
    const { generationId } = group;
    const byMember = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment]));
    for (const member of group.members.values()) member.assignment = byMember.get(member.memberId) ?? NO_BYTES;
    group.transition('Stable', this.#context.clock.now());
    const waiting = [...group.members.values()];
    void this.#persist().then((errorCode) => {
      if (errorCode !== ERROR_CODES.NONE) {
        this.#assignmentFailed(groupError(errorCode), generationId);
        return;
      }
      for (const member of waiting) {
        if (member.sync === undefined) continue;
        this.#answerSync(member, group.synced(member));
        if (group.members.get(member.memberId) === member) member.session.set(member.sessionTimeoutMs);
      }
    });
  }

  #assignmentFailed(errorCode: number, generationId: number): void {
    const group = this.#group;
    this.#rejectSyncs(errorCode);
    if (group.state === 'Stable' && group.generationId === generationId) this.#prepare();
  }

  #rejectSyncs(errorCode: number): void {
    for (const member of this.#group.members.values()) {
      member.assignment = NO_BYTES;
      if (member.sync === undefined) continue;
      this.#answerSync(member, syncError(errorCode));
      // While it waited, its session was not looked at.
      member.session.set(member.sessionTimeoutMs);
    }
  }

  #syncTimeOver(): void {
    const group = this.#group;
    if (group.state !== 'CompletingRebalance' && group.state !== 'Stable') return;
    if (group.pendingSyncs.size === 0) return;
    for (const memberId of [...group.pendingSyncs]) this.#removeMember(memberId);
    this.#prepare();
  }

  heartbeat(claim: MemberClaim): number {
    const group = this.#group;
    const fenced = claimRefusal(group, claim);
    if (fenced !== ERROR_CODES.NONE) return fenced;
    this.touch(claim.memberId);
    return group.state === 'PreparingRebalance' ? ERROR_CODES.REBALANCE_IN_PROGRESS : ERROR_CODES.NONE;
  }

  /** The member was heard of. */
  touch(memberId: string): void {
    const member = this.#group.members.get(memberId);
    if (member !== undefined && member.join === undefined) member.session.set(member.sessionTimeoutMs);
  }

  /** Members leave, or are removed by their instance ids; an error code for each, in order. */
  leave(members: readonly LeavingMember[]): number[] {
    const group = this.#group;
    const results = members.map((member) => this.#leaveOne(member));
    if (results.includes(ERROR_CODES.NONE)) {
      if (group.state === 'PreparingRebalance') this.#completeIfAllJoined();
      else if (group.state !== 'Empty') this.#prepareOrComplete();
    }
    return results;
  }

  #leaveOne({ memberId, groupInstanceId }: LeavingMember): number {
    const group = this.#group;
    if (memberId === '') {
      const known = groupInstanceId === null ? undefined : group.staticMembers.get(groupInstanceId);
      if (known === undefined) return ERROR_CODES.UNKNOWN_MEMBER_ID;
      this.#removeMember(known);
      return ERROR_CODES.NONE;
    }
    if (!group.pendingMembers.has(memberId)) {
      const fenced = group.fence(memberId, groupInstanceId);
      if (fenced !== ERROR_CODES.NONE) return fenced;
    }
    this.#removeMember(memberId);
    return ERROR_CODES.NONE;
  }

  #removeMember(memberId: string): void {
    const member = this.#group.members.get(memberId);
    if (member !== undefined) {
      this.#answerJoin(member, joinError(ERROR_CODES.UNKNOWN_MEMBER_ID));
      this.#answerSync(member, syncError(ERROR_CODES.UNKNOWN_MEMBER_ID));
    }
    this.#group.remove(memberId);
  }

  #pendingOver(memberId: string): void {
    const group = this.#group;
    group.remove(memberId);
    if (group.state === 'PreparingRebalance' && group.hasAllMembersJoined) this.#complete();
  }

  #sessionOver(memberId: string): void {
    const group = this.#group;
    const member = group.members.get(memberId);
    if (member === undefined) return;
    // Whoever waits for an answer from here cannot send heartbeats, unless it never was in a generation.
    if (!member.isNew && (member.join !== undefined || member.sync !== undefined)) return;
    this.#removeMember(memberId);
    if (group.state === 'Stable' || group.state === 'CompletingRebalance') this.#prepareOrComplete();
    else if (group.state === 'PreparingRebalance' && group.hasAllMembersJoined) this.#complete();
  }

  #persist(): Promise<number> {
    const { groupId: group } = this.#group;
    return this.#context.write([{ kind: 'classic-group', group, value: this.#group.toValue() }]);
  }

  /** Answers with what the state says now, once it is on record. */
  #afterDurable<T>(outcome: () => T, failure: (errorCode: number) => T, answer: Answer<T>): void {
    const now = outcome();
    void this.#context.write([]).then((errorCode) => {
      answer(errorCode === ERROR_CODES.NONE ? now : failure(groupError(errorCode)));
    });
  }

  #answerJoin(member: ClassicMember, outcome: JoinOutcome): void {
    const { join } = member;
    member.join = undefined;
    join?.(outcome);
  }

  #answerSync(member: ClassicMember, outcome: SyncOutcome): void {
    const { sync } = member;
    member.sync = undefined;
    sync?.(outcome);
  }
}

/** What a member is told where the group's record could not be written. */
function groupError(errorCode: number): number {
  return errorCode === ERROR_CODES.RECORD_LIST_TOO_LARGE ? ERROR_CODES.UNKNOWN_SERVER_ERROR : errorCode;
}
