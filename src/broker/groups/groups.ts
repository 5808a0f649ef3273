// What the handlers ask of the group coordinator.

import type { MemberClaim, SyncRequest } from './classic-checks.ts';
import type { JoinOutcome, SyncOutcome } from './classic-group.ts';
import type { JoinRequest, LeavingMember } from './classic-protocol.ts';
import type { ConsumerHeartbeat, ConsumerHeartbeatOutcome } from './consumer-heartbeat.ts';
import type { GroupOffsets } from './group-offsets.ts';
import type { GroupEntry, GroupShard } from './group-shard.ts';

export interface Groups {
  /** Committed offsets. */
  readonly offsets: GroupOffsets;
  /** Resolves when the group has a generation with the member in it, or an error code for it. */
  join(groupId: string, request: JoinRequest): Promise<JoinOutcome>;
  /** Resolves when the leader's assignment is on stable storage. */
  sync(groupId: string, request: SyncRequest): Promise<SyncOutcome>;
  heartbeat(groupId: string, claim: MemberClaim): Promise<number>;
  /** An error code, or one for each member in order. */
  leave(groupId: string, members: readonly LeavingMember[]): Promise<number | readonly number[]>;
  /** KIP-848: one heartbeat, which may also join or leave. `version` is that of the API. */
  consumerHeartbeat(request: ConsumerHeartbeat, version: number): Promise<ConsumerHeartbeatOutcome>;
  /** A group that is there; an error code where it is not, or cannot be asked. */
  describe(groupId: string): Promise<{ readonly shard: GroupShard; readonly entry: GroupEntry } | number>;
  /** Every group, and the first error of a partition of the log that cannot be asked. */
  list(): { readonly entries: readonly GroupEntry[]; readonly errorCode: number };
  /** Deletes an empty group with its offsets; resolves with an error code. */
  delete(groupId: string): Promise<number>;
}
