// How one member of a KIP-848 group comes from what it has to what it is to have. Partitions are given up before others
// get them: a member that must give some up stays in its epoch until it says that it has; partitions that somebody
// still has are left out and come later. So no partition ever has two owners.

import { type ConsumerMember, MEMBER_STATES, type MemberAssignment } from './consumer-group.ts';
import {
  difference,
  filtered,
  intersection,
  intersects,
  NO_PARTITIONS,
  type PartitionKey,
  type PartitionSet,
  union,
} from './partition-set.ts';

export interface ReconciliationInput {
  readonly target: PartitionSet;
  readonly targetEpoch: number;
  /** What the member says that it has; undefined where it does not say. */
  readonly owned: PartitionSet | undefined;
  /** Whether anybody has the partition now, the member itself included. */
  readonly isOwned: (key: PartitionKey) => boolean;
}

/** The member's next assignment: the same object where nothing changes. */
export function reconcile(member: ConsumerMember, input: ReconciliationInput): MemberAssignment {
  switch (member.state) {
    case MEMBER_STATES.stable:
      return member.epoch === input.targetEpoch ? member : next(member, input);
    case MEMBER_STATES.unrevoked:
      // It has to say itself that it gave up what it was told to.
      if (input.owned === undefined || intersects(input.owned, member.pendingRevocation)) return member;
      return next(member, input);
    default:
      return next(member, input);
  }
}

function next(member: ConsumerMember, { target, targetEpoch, owned, isOwned }: ReconciliationInput): MemberAssignment {
  const kept = intersection(member.assigned, target);
  const toRevoke = difference(member.assigned, target);
  if (toRevoke.size > 0 && (owned === undefined || intersects(owned, toRevoke))) {
    return {
      epoch: member.epoch,
      previousEpoch: member.previousEpoch,
      state: MEMBER_STATES.unrevoked,
      assigned: kept,
      pendingRevocation: toRevoke,
    };
  }
  const missing = difference(target, kept);
  const free = filtered(missing, (key) => !isOwned(key));
  return {
    epoch: targetEpoch,
    // Where the answer with this epoch is lost, the member comes again with the one before.
    previousEpoch: member.epoch === targetEpoch ? member.previousEpoch : member.epoch,
    state: free.size < missing.size ? MEMBER_STATES.unreleased : MEMBER_STATES.stable,
    assigned: union(kept, free),
    pendingRevocation: NO_PARTITIONS,
  };
}
