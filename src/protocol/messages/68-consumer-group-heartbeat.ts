// ConsumerGroupHeartbeat (API key 68). The one request by which a member of a KIP-848 group joins, stays, changes, and
// leaves. Version 1 adds a regular expression for topics, and the member makes up its own id (KIP-1082).

import { api } from '../api.ts';
import { array, int16, int32, string, struct, uuid } from '../schema.ts';

export const consumerGroupHeartbeat = api({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  versions: [0, 1],
  flexibleFrom: 0,
  request: {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string({ nullableFrom: 0, default: null }),
    rackId: string({ nullableFrom: 0, default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullableFrom: 0, default: null }),
    subscribedTopicRegex: string({ from: 1, nullableFrom: 1, default: null }),
    serverAssignor: string({ nullableFrom: 0, default: null }),
    topicPartitions: array(
      {
        topicId: uuid(),
        partitions: array(int32()),
      },
      { nullableFrom: 0, default: null },
    ),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableFrom: 0, default: null }),
    memberId: string({ nullableFrom: 0, default: null }),
    memberEpoch: int32(),
    heartbeatIntervalMs: int32(),
    assignment: struct(
      {
        topicPartitions: array({
          topicId: uuid(),
          partitions: array(int32()),
        }),
      },
      { nullableFrom: 0, default: null },
    ),
  },
});
