// ListOffsets (API key 2). Offsets by time: -1 asks for the end, -2 for the start, -3 for the highest timestamp
// (version 7, KIP-734), -4 for the earliest local offset (8, KIP-405), -5 for the last tiered one (9, KIP-1005), -6
// for the earliest not yet tiered (11, KIP-1023). Version 2 brings the isolation level (KIP-98); 4 the leader epoch
// (KIP-320); 10 a timeout (KIP-1075).

import { api } from '../api.ts';
import { array, int8, int16, int32, int64, int64Clamped, string } from '../schema.ts';

export const listOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: [1, 11],
  flexibleFrom: 6,
  request: {
    replicaId: int32(),
    isolationLevel: int8({ from: 2 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32({ from: 4, default: -1, ignorable: true }),
        timestamp: int64Clamped(),
      }),
    }),
    timeoutMs: int32({ from: 10, ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ from: 2, ignorable: true }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        timestamp: int64({ default: -1 }),
        offset: int64({ default: -1 }),
        leaderEpoch: int32({ from: 4, default: -1 }),
      }),
    }),
  },
});
