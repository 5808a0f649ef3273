// The classic protocol as a group serves it: a classic group by itself (classic-rebalance.ts), a KIP-848 group for those
// of its members that speak it (classic-members.ts).

import type { MemberClaim, SyncRequest } from './classic-checks.ts';
import type { JoinOutcome, MemberProtocol, SyncOutcome } from './classic-group.ts';
import type { GroupClient } from './group-context.ts';

export interface JoinRequest {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly protocolType: string;
  readonly protocols: readonly MemberProtocol[];
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly client: GroupClient;
  /** A member without an id is given one and joins again with it (version 4, KIP-394). */
  readonly needsMemberId: boolean;
  /** A leader may be told to leave the assignment as it is (version 9, KIP-814). */
  readonly maySkipAssignment: boolean;
}

export type LeavingMember = Omit<MemberClaim, 'generationId'>;

export interface ClassicProtocol {
  join(request: JoinRequest): Promise<JoinOutcome>;
  sync(request: SyncRequest): Promise<SyncOutcome>;
  /** An error code. */
  heartbeat(claim: MemberClaim): number;
  /** An error code for each member, in order. */
  leave(members: readonly LeavingMember[]): readonly number[] | Promise<readonly number[]>;
  /** The member was heard of. */
  touch(memberId: string): void;
}
