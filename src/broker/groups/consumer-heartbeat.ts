// A heartbeat of a KIP-848 member and its answer, apart from the versions of the API.

import type { GroupClient } from './group-context.ts';
import type { PartitionSet, TopicPartitions } from './partition-set.ts';

export interface ConsumerHeartbeat {
  readonly groupId: string;
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly instanceId: string | null;
  readonly rackId: string | null;
  /** -1, null and undefined where the member does not repeat what it said before. */
  readonly rebalanceTimeoutMs: number;
  readonly subscribedTopicNames: readonly string[] | null;
  readonly subscribedTopicRegex: string | null;
  readonly serverAssignor: string | null;
  readonly owned: PartitionSet | undefined;
  readonly client: GroupClient;
}

export interface ConsumerHeartbeatOutcome {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly memberId: string | null;
  readonly memberEpoch: number;
  readonly heartbeatIntervalMs: number;
  /** Null where the member is not told anew. */
  readonly assignment: readonly TopicPartitions[] | null;
}
