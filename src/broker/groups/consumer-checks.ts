// What speaks against a heartbeat, a commit or a fetch of a KIP-848 member. It changes nothing.

import { ERROR_CODES } from '../../protocol/errors.ts';
import { type ConsumerGroup, type ConsumerMember, LEFT_STATIC_EPOCH, speaksClassic } from './consumer-group.ts';
import type { ConsumerHeartbeat } from './consumer-heartbeat.ts';
import type { GroupSettings } from './group-context.ts';
import { isSubset } from './partition-set.ts';
import { patternObjection } from './subscriptions.ts';

export interface MemberRefusal {
  readonly errorCode: number;
  readonly message: string | null;
}

export const LEAVE_EPOCH = -1;

export function refuseMember(error: keyof typeof ERROR_CODES, message: string): MemberRefusal {
  return { errorCode: ERROR_CODES[error], message };
}

/** Checks the request by itself. `version` is that of the API. */
export function requestRefusal(
  request: ConsumerHeartbeat,
  { consumerAssignors }: GroupSettings,
  version: number,
): MemberRefusal | undefined {
  const { groupId, memberId, memberEpoch, instanceId, rackId, serverAssignor, subscribedTopicRegex } = request;
  const invalid = (message: string): MemberRefusal => refuseMember('INVALID_REQUEST', message);
  if (groupId === '') return invalid("GroupId can't be empty.");
  if (instanceId === '') return invalid("InstanceId can't be empty.");
  if (rackId === '') return invalid("RackId can't be empty.");
  if (memberId === '' && (memberEpoch !== 0 || version >= 1)) return invalid("MemberId can't be empty.");
  if (memberEpoch < LEFT_STATIC_EPOCH) return invalid('MemberEpoch is invalid.');
  if (memberEpoch === LEFT_STATIC_EPOCH && instanceId === null) return invalid("InstanceId can't be null.");
  const joining = memberEpoch === 0 ? joinRefusal(request) : undefined;
  if (joining !== undefined) return invalid(joining);
  if (serverAssignor !== null && !consumerAssignors.includes(serverAssignor)) {
    const known = consumerAssignors.join(', ');
    return refuseMember('UNSUPPORTED_ASSIGNOR', `ServerAssignor is not supported. Supported assignors: ${known}.`);
  }
  const objection =
    subscribedTopicRegex === null || subscribedTopicRegex === '' ? undefined : patternObjection(subscribedTopicRegex);
  return objection === undefined ? undefined : refuseMember('INVALID_REGULAR_EXPRESSION', objection);
}

/** A member that joins says everything. */
function joinRefusal({
  rebalanceTimeoutMs,
  owned,
  subscribedTopicNames,
  subscribedTopicRegex,
}: ConsumerHeartbeat): string | undefined {
  if (rebalanceTimeoutMs === -1) return 'RebalanceTimeoutMs must be provided in first request.';
  if (owned === undefined || owned.size > 0) return 'TopicPartitions must be empty when (re-)joining.';
  if ((subscribedTopicNames?.length ?? 0) > 0 || (subscribedTopicRegex ?? '') !== '') return undefined;
  return 'SubscribedTopicNames or SubscribedTopicRegex must be set in first request.';
}

/** Checks the request against the group. */
export function heartbeatRefusal(
  group: ConsumerGroup,
  request: ConsumerHeartbeat,
  { consumerMaxSize }: GroupSettings,
): MemberRefusal | undefined {
  const { memberId, memberEpoch, instanceId } = request;
  const sameInstance = instanceId === null ? undefined : group.staticMember(instanceId);
  const member = group.members.get(memberId);
  if (memberEpoch === 0) {
    if (sameInstance !== undefined && sameInstance.memberId !== memberId && !isReleased(sameInstance)) {
      return refuseMember('UNRELEASED_INSTANCE_ID', `Another member still uses the instance id ${instanceId}.`);
    }
    if (member === undefined && sameInstance === undefined && group.members.size >= consumerMaxSize) {
      return refuseMember('GROUP_MAX_SIZE_REACHED', `The group has reached its maximum of ${consumerMaxSize} members.`);
    }
    return undefined;
  }
  if (instanceId !== null && sameInstance !== undefined && sameInstance.memberId !== memberId) {
    return refuseMember('FENCED_INSTANCE_ID', `Another member uses the instance id ${instanceId}.`);
  }
  if (member === undefined || (instanceId !== null && sameInstance === undefined)) {
    return refuseMember('UNKNOWN_MEMBER_ID', `Member ${memberId} is not in the group.`);
  }
  return epochRefusal(member, request);
}

/** A static member may be replaced once it left for a while; one of the classic protocol always, as it is there. */
function isReleased(member: ConsumerMember): boolean {
  return member.epoch === LEFT_STATIC_EPOCH || speaksClassic(member);
}

function epochRefusal(member: ConsumerMember, { memberEpoch, owned }: ConsumerHeartbeat): MemberRefusal | undefined {
  if (memberEpoch === member.epoch) return undefined;
  // The answer with the new epoch may have been lost.
  const isBehindByOne = memberEpoch < member.epoch && memberEpoch === member.previousEpoch && owned !== undefined;
  if (isBehindByOne && isSubset(owned, member.assigned)) return undefined;
  return refuseMember(
    'FENCED_MEMBER_EPOCH',
    `The member epoch is ${memberEpoch} and should be ${member.epoch}: the member must give up its partitions and join again.`,
  );
}

export interface CommitClaim {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly groupInstanceId: string | null;
}

/** From this version of OffsetCommit on a member can be told that its epoch is stale. */
const EPOCH_COMMIT_VERSION = 9;

export function consumerCommitRefusal(group: ConsumerGroup, claim: CommitClaim, version: number): number {
  const { memberId, memberEpoch } = claim;
  if (memberEpoch < 0 && group.members.size === 0) return ERROR_CODES.NONE;
  const member = group.members.get(memberId);
  if (member === undefined) return ERROR_CODES.UNKNOWN_MEMBER_ID;
  if (speaksClassic(member)) return memberEpoch === member.epoch ? ERROR_CODES.NONE : ERROR_CODES.ILLEGAL_GENERATION;
  if (version < EPOCH_COMMIT_VERSION) return ERROR_CODES.UNSUPPORTED_VERSION;
  return memberEpoch === member.epoch ? ERROR_CODES.NONE : ERROR_CODES.STALE_MEMBER_EPOCH;
}

export function consumerStageRefusal(group: ConsumerGroup, claim: CommitClaim): number {
  const { memberId, memberEpoch, groupInstanceId } = claim;
  if (memberEpoch < 0 && (group.members.size === 0 || (memberId === '' && groupInstanceId === null))) {
    return ERROR_CODES.NONE;
  }
  const member = group.members.get(memberId);
  if (member === undefined) return ERROR_CODES.UNKNOWN_MEMBER_ID;
  return memberEpoch === member.epoch ? ERROR_CODES.NONE : ERROR_CODES.ILLEGAL_GENERATION;
}

/** A member that fetches offsets may prove that it still is one (version 9). */
export function consumerFetchRefusal(
  group: ConsumerGroup,
  { memberId, memberEpoch }: { readonly memberId: string | null; readonly memberEpoch: number },
): number {
  if (memberId === null && memberEpoch < 0) return ERROR_CODES.NONE;
  const member = group.members.get(memberId ?? '');
  if (member === undefined) return ERROR_CODES.UNKNOWN_MEMBER_ID;
  return memberEpoch === member.epoch ? ERROR_CODES.NONE : ERROR_CODES.STALE_MEMBER_EPOCH;
}
