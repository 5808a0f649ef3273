// TxnOffsetCommit (API key 28). Offsets are committed as part of a transaction. Version 3 fences members by generation
// (KIP-447).

import { api } from '../api.ts';
import { array, int16, int32, int64, string } from '../schema.ts';

export const txnOffsetCommit = api({
  key: 28,
  name: 'TxnOffsetCommit',
  versions: [0, 5],
  flexibleFrom: 3,
  request: {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: int32({ from: 3, default: -1 }),
    memberId: string({ from: 3, default: '' }),
    groupInstanceId: string({ from: 3, nullableFrom: 3, default: null }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ from: 2, default: -1, ignorable: true }),
        committedMetadata: string({ nullableFrom: 0 }),
      }),
    }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
      }),
    }),
  },
});
