// OffsetFetch (API key 9). Committed offsets of a group. Null topics ask for all of them (version 2). Version 5 adds
// the leader epoch (KIP-320); 7 waits for open transactions (KIP-447); 8 asks for several groups at once (KIP-709) in
// `groups`, which takes the place of `groupId` and `topics`; 9 fences members (KIP-848); 10 names topics by id.

import { api } from '../api.ts';
import { array, boolean, int16, int32, int64, string, uuid } from '../schema.ts';

export const offsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  versions: [1, 10],
  flexibleFrom: 6,
  request: {
    groupId: string({ to: 7 }),
    topics: array(
      {
        name: string(),
        partitionIndexes: array(int32()),
      },
      { to: 7, nullableFrom: 2 },
    ),
    groups: array(
      {
        groupId: string(),
        memberId: string({ from: 9, nullableFrom: 9, default: null, ignorable: true }),
        memberEpoch: int32({ from: 9, default: -1, ignorable: true }),
        topics: array(
          {
            name: string({ to: 9, ignorable: true }),
            topicId: uuid({ from: 10, ignorable: true }),
            partitionIndexes: array(int32()),
          },
          { nullableFrom: 8 },
        ),
      },
      { from: 8 },
    ),
    requireStable: boolean({ from: 7, default: false }),
  },
  response: {
    throttleTimeMs: int32({ from: 3, ignorable: true }),
    topics: array(
      {
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          committedOffset: int64(),
          committedLeaderEpoch: int32({ from: 5, default: -1, ignorable: true }),
          metadata: string({ nullableFrom: 0 }),
          errorCode: int16(),
        }),
      },
      { to: 7 },
    ),
    errorCode: int16({ from: 2, to: 7, default: 0, ignorable: true }),
    groups: array(
      {
        groupId: string(),
        topics: array({
          name: string({ to: 9, ignorable: true }),
          topicId: uuid({ from: 10, ignorable: true }),
          partitions: array({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ default: -1, ignorable: true }),
            metadata: string({ nullableFrom: 8 }),
            errorCode: int16(),
          }),
        }),
        errorCode: int16({ default: 0 }),
      },
      { from: 8 },
    ),
  },
});
