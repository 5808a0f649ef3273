// Members of a KIP-848 group that speak the classic protocol (KIP-848, online migration). To them a rebalance is what it
// always was: a heartbeat tells them to join again, JoinGroup says what they have and gives them their member epoch for a
// generation, SyncGroup gives them their partitions. There is no leader, and nobody waits for anybody: who has to give
// partitions up is told to join, and who waits for partitions is told when they are free.

import { ERROR_CODES } from '../../protocol/errors.ts';
import type { MemberClaim, SyncRequest } from './classic-checks.ts';
import { type JoinOutcome, joinError, type SyncOutcome, syncError } from './classic-group.ts';
import type { ClassicProtocol, JoinRequest, LeavingMember } from './classic-protocol.ts';
import {
  type ConsumerGroup,
  type ConsumerMember,
  MEMBER_STATES,
  NEW_ASSIGNMENT,
  speaksClassic,
} from './consumer-group.ts';
import type { ConsumerGroups } from './consumer-groups.ts';
import {
  CONSUMER_PROTOCOL_TYPE,
  type EmbeddedSubscription,
  readSubscription,
  writeAssignment,
} from './consumer-protocol.ts';
import { type GroupContext, randomUuid } from './group-context.ts';
import type { ConsumerMemberValue } from './group-records.ts';
import { namedPartitions, partitionsNamed } from './partition-names.ts';

/** What a JoinGroup says, once it is known who sends it. */
interface Joining {
  readonly memberId: string;
  readonly subscription: EmbeddedSubscription;
  /** A static member comes back in place of the one with this id. */
  readonly replaces: string | undefined;
}

export class ClassicMembers implements ClassicProtocol {
  readonly #group: ConsumerGroup;
  readonly #groups: ConsumerGroups;
  readonly #context: GroupContext;

  constructor(group: ConsumerGroup, groups: ConsumerGroups, context: GroupContext) {
    this.#group = group;
    this.#groups = groups;
    this.#context = context;
  }

  async join(request: JoinRequest): Promise<JoinOutcome> {
    const joining = this.#joining(request);
    if ('errorCode' in joining) return joining;
    const { memberId, subscription, replaces } = joining;
    const group = this.#group;
    if (replaces !== undefined) {
      this.#groups.replaceStatic(group, { instanceId: request.groupInstanceId, memberId });
    }
    const { after, code } = this.#groups.advance(group, {
      memberId,
      said: nowSaid(request, subscription),
      before: group.members.get(memberId) ?? NEW_ASSIGNMENT,
      owned: partitionsNamed(subscription.owned, this.#context.topics),
    });
    // From here on it has its rebalance timeout to synchronize.
    this.#groups.timers.of(group.groupId, memberId).rebalance.set(Math.max(0, request.rebalanceTimeoutMs));
    // The last member of the other protocol may just have been replaced.
    const downgraded = replaces === undefined ? undefined : this.#groups.downgrade(group, new Set());
    const written = (await code) || ((await downgraded) ?? ERROR_CODES.NONE);
    if (written !== ERROR_CODES.NONE) return joinError(unwritten(written), memberId);
    return {
      ...joinError(ERROR_CODES.NONE, memberId),
      generationId: after.epoch,
      protocolType: CONSUMER_PROTOCOL_TYPE,
      protocolName: request.protocols[0]?.name ?? null,
    };
  }

  /** Who joins, or why not. Changes nothing. */
  #joining(request: JoinRequest): Joining | JoinOutcome {
    const group = this.#group;
    const { memberId, groupInstanceId } = request;
    const instance = groupInstanceId === null ? undefined : group.staticMember(groupInstanceId);
    const isFull = group.members.size >= this.#context.settings().consumerMaxSize;
    if (isFull && instance === undefined && !group.members.has(memberId)) {
      return joinError(ERROR_CODES.GROUP_MAX_SIZE_REACHED, memberId);
    }
    const subscription = this.#supports(request)
      ? readSubscription(request.protocols[0]?.metadata ?? NO_BYTES)
      : undefined;
    if (subscription === undefined) return joinError(ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL, memberId);
    if (memberId === '') {
      const id = randomUuid(this.#context);
      if (groupInstanceId === null && request.needsMemberId) return joinError(ERROR_CODES.MEMBER_ID_REQUIRED, id);
      return { memberId: id, subscription, replaces: instance?.memberId };
    }
    if (groupInstanceId !== null) {
      if (instance === undefined) return joinError(ERROR_CODES.UNKNOWN_MEMBER_ID, memberId);
      if (instance.memberId !== memberId) return joinError(ERROR_CODES.FENCED_INSTANCE_ID, memberId);
    }
    // An id that was given out for joining with it is nowhere on record, so any may come; but who has partitions was a
    // member before, and is out. Others may have them by now: it has to give them up before it joins.
    const hasPartitions = subscription.owned?.some(({ partitions }) => partitions.length > 0) === true;
    if (hasPartitions && !group.members.has(memberId)) return joinError(ERROR_CODES.UNKNOWN_MEMBER_ID, memberId);
    return { memberId, subscription, replaces: undefined };
  }

  /** Whether the member could be in a classic group with all others that speak the classic protocol. */
  #supports({ protocolType, protocols }: JoinRequest): boolean {
    if (protocolType !== CONSUMER_PROTOCOL_TYPE) return false;
    const others = [...this.#group.members.values()].flatMap(({ said }) => said.classicMemberMetadata ?? []);
    return protocols.some(({ name }) =>
      others.every(({ supportedProtocols }) => supportedProtocols.some((each) => each.name === name)),
    );
  }

  async sync(request: SyncRequest): Promise<SyncOutcome> {
    const member = this.#member(request);
    if (typeof member === 'number') return syncError(member);
    const protocol = member.said.classicMemberMetadata?.supportedProtocols[0];
    const { protocolType, protocolName } = request;
    if (
      (protocolType ?? CONSUMER_PROTOCOL_TYPE) !== CONSUMER_PROTOCOL_TYPE ||
      (protocolName ?? protocol?.name) !== protocol?.name
    ) {
      return syncError(ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL);
    }
    // A member that must give partitions up learns here what it keeps, and joins again when it has given them up.
    if (this.#group.epoch > member.epoch && member.state !== MEMBER_STATES.unrevoked) {
      this.#expectJoin(member);
      return syncError(ERROR_CODES.REBALANCE_IN_PROGRESS);
    }
    const version = readSubscription(protocol?.metadata ?? NO_BYTES)?.version ?? 0;
    const assignment = writeAssignment(version, namedPartitions(member.assigned, this.#context.topics));
    this.#groups.timers.of(this.#group.groupId, member.memberId).rebalance.cancel();
    this.#groups.touch(this.#group.groupId, member);
    const written = await this.#context.write([]);
    if (written !== ERROR_CODES.NONE) return syncError(unwritten(written));
    return { errorCode: ERROR_CODES.NONE, protocolType, protocolName, assignment };
  }

  heartbeat(claim: MemberClaim): number {
    const group = this.#group;
    const member = this.#member(claim);
    if (typeof member === 'number') return member;
    this.#groups.touch(group.groupId, member);
    this.#groups.refresh(group);
    const { epoch, state } = member;
    const isDue =
      epoch < group.epoch ||
      state === MEMBER_STATES.unrevoked ||
      (state === MEMBER_STATES.unreleased && !group.waitsForOthers(member));
    if (!isDue) return ERROR_CODES.NONE;
    this.#expectJoin(member);
    return ERROR_CODES.REBALANCE_IN_PROGRESS;
  }

  /** A member that was told to join again has its rebalance timeout for it. */
  #expectJoin({ memberId, said }: ConsumerMember): void {
    const { rebalance } = this.#groups.timers.of(this.#group.groupId, memberId);
    if (!rebalance.isSet) rebalance.set(Math.max(0, said.rebalanceTimeoutMs));
  }

  async leave(members: readonly LeavingMember[]): Promise<readonly number[]> {
    const leaving = new Set<ConsumerMember>();
    const results = members.map((each) => {
      const member = this.#leaving(each);
      if (typeof member === 'number') return member;
      // Whoever is named twice is gone by the second time.
      if (leaving.has(member)) return ERROR_CODES.UNKNOWN_MEMBER_ID;
      leaving.add(member);
      return ERROR_CODES.NONE;
    });
    const written = leaving.size === 0 ? ERROR_CODES.NONE : await this.#groups.remove(this.#group, leaving);
    return results.map((result) => result || unwritten(written));
  }

  #leaving({ memberId, groupInstanceId }: LeavingMember): ConsumerMember | number {
    // An operator removes a static member by its instance id alone.
    if (memberId !== '' || groupInstanceId === null) return this.#known(memberId, groupInstanceId);
    const member = this.#group.staticMember(groupInstanceId);
    return member === undefined || !speaksClassic(member) ? ERROR_CODES.UNKNOWN_MEMBER_ID : member;
  }

  touch(memberId: string): void {
    const member = this.#group.members.get(memberId);
    if (member !== undefined && speaksClassic(member)) this.#groups.touch(this.#group.groupId, member);
  }

  /** The member whose claim it is, in its current generation; else Kafka's error code. */
  #member({ memberId, groupInstanceId, generationId }: MemberClaim): ConsumerMember | number {
    const member = this.#known(memberId, groupInstanceId);
    if (typeof member === 'number') return member;
    return generationId === member.epoch ? member : ERROR_CODES.ILLEGAL_GENERATION;
  }

  #known(memberId: string, groupInstanceId: string | null): ConsumerMember | number {
    const group = this.#group;
    const member = groupInstanceId === null ? group.members.get(memberId) : group.staticMember(groupInstanceId);
    if (member === undefined) return ERROR_CODES.UNKNOWN_MEMBER_ID;
    if (member.memberId !== memberId) return ERROR_CODES.FENCED_INSTANCE_ID;
    return speaksClassic(member) ? member : ERROR_CODES.UNKNOWN_MEMBER_ID;
  }
}

const NO_BYTES = new Uint8Array(0);

function nowSaid(request: JoinRequest, { topics, rackId }: EmbeddedSubscription): ConsumerMemberValue {
  const { groupInstanceId, client, rebalanceTimeoutMs, sessionTimeoutMs, protocols } = request;
  return {
    instanceId: groupInstanceId,
    rackId,
    ...client,
    subscribedTopicNames: [...new Set(topics)].sort(),
    subscribedTopicRegex: null,
    rebalanceTimeoutMs,
    serverAssignor: null,
    classicMemberMetadata: { sessionTimeoutMs, supportedProtocols: protocols },
  };
}

/** What a member is told where its records could not be written. */
function unwritten(errorCode: number): number {
  return errorCode === ERROR_CODES.RECORD_LIST_TOO_LARGE ? ERROR_CODES.UNKNOWN_SERVER_ERROR : errorCode;
}
