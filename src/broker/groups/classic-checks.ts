// What speaks against a request to a classic group, as Kafka's error code. It changes nothing.

import { ERROR_CODES } from '../../protocol/errors.ts';
import type { ClassicGroup } from './classic-group.ts';

export interface SyncRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

/** One who says to be a member of a generation. */
export interface MemberClaim {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly generationId: number;
}

/** Whether a member with this id may join: known ones may, new ones up to the bound. */
export function hasRoomFor(group: ClassicGroup, memberId: string, maxSize: number): boolean {
  switch (group.state) {
    case 'Empty':
    case 'Dead':
      return true;
    case 'PreparingRebalance':
      // Those who wait already count: where the bound was lowered, the last ones to come again have no place.
      return group.members.get(memberId)?.join !== undefined || group.joinsWaiting < maxSize;
    default:
      return group.members.has(memberId) || group.members.size < maxSize;
  }
}

/** Checks that the claim is that of a member of the current generation. */
export function claimRefusal(group: ClassicGroup, { memberId, groupInstanceId, generationId }: MemberClaim): number {
  // It was deleted, or thrown away for another reading of the log, since the request found it.
  if (group.state === 'Dead') return ERROR_CODES.COORDINATOR_NOT_AVAILABLE;
  const fenced = group.fence(memberId, groupInstanceId);
  if (fenced !== ERROR_CODES.NONE) return fenced;
  return generationId === group.generationId ? ERROR_CODES.NONE : ERROR_CODES.ILLEGAL_GENERATION;
}

export function syncRefusal(group: ClassicGroup, request: SyncRequest): number {
  if (group.state === 'Empty') return ERROR_CODES.UNKNOWN_MEMBER_ID;
  const refused = claimRefusal(group, request);
  if (refused !== ERROR_CODES.NONE) return refused;
  return differs(request.protocolType, group.protocolType) || differs(request.protocolName, group.protocolName)
    ? ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL
    : ERROR_CODES.NONE;
}

function differs(said: string | null, known: string | null): boolean {
  return said !== null && known !== null && said !== known;
}

/**
 * Checks who may commit offsets: a member of the current generation, or, while the group is empty, anybody who claims
 * no generation. Older transactional clients claim none either and are let through (KIP-447 closed that later).
 */
export function commitRefusal(group: ClassicGroup, claim: MemberClaim, isTransactional: boolean): number {
  const { memberId, groupInstanceId, generationId } = claim;
  if (generationId < 0 && group.state === 'Empty') return ERROR_CODES.NONE;
  if (generationId >= 0 || memberId !== '' || groupInstanceId !== null) {
    const refused = claimRefusal(group, claim);
    if (refused !== ERROR_CODES.NONE) return refused;
  } else if (!isTransactional && group.state !== 'Empty') return ERROR_CODES.UNKNOWN_MEMBER_ID;
  // The assignment of the generation is not known yet: nobody can have consumed under it.
  return !isTransactional && group.state === 'CompletingRebalance'
    ? ERROR_CODES.REBALANCE_IN_PROGRESS
    : ERROR_CODES.NONE;
}
