// OffsetCommit (API key 8). A group's members, or a client outside any group, commit offsets. Versions up to 4 may say
// how long to keep them; 6 adds the leader epoch (KIP-320); 7 static members (KIP-345); 9 serves the groups of
// KIP-848; 10 names topics by id (KIP-848).

import { api } from '../api.ts';
import { array, int16, int32, int64, int64Clamped, string, uuid } from '../schema.ts';

export const offsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: [2, 10],
  flexibleFrom: 8,
  request: {
    groupId: string(),
    generationIdOrMemberEpoch: int32({ default: -1 }),
    memberId: string(),
    groupInstanceId: string({ from: 7, nullableFrom: 7, default: null }),
    retentionTimeMs: int64Clamped({ to: 4, default: -1, ignorable: true }),
    topics: array({
      name: string({ to: 9, ignorable: true }),
      topicId: uuid({ from: 10, ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ from: 6, default: -1, ignorable: true }),
        committedMetadata: string({ nullableFrom: 0 }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32({ from: 3, ignorable: true }),
    topics: array({
      name: string({ to: 9, ignorable: true }),
      topicId: uuid({ from: 10, ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
});
