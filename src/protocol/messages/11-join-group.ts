// JoinGroup (API key 11). A member joins a classic group and waits until all have.
// Version 1 adds the rebalance timeout (KIP-62); 4 makes new members join again with the id they are given (KIP-394); 5
// brings static members (KIP-345); 7 the protocol type (KIP-559); 8 a reason (KIP-800); 9 a leader that need not assign
// (KIP-814).

import { api } from '../api.ts';
import { array, boolean, bytes, int16, int32, string } from '../schema.ts';

export const joinGroup = api({
  key: 11,
  name: 'JoinGroup',
  versions: [0, 9],
  flexibleFrom: 6,
  request: {
    groupId: string(),
    sessionTimeoutMs: int32(),
    rebalanceTimeoutMs: int32({ from: 1, default: -1, ignorable: true }),
    memberId: string(),
    groupInstanceId: string({ from: 5, nullableFrom: 5, default: null }),
    protocolType: string(),
    protocols: array({
      name: string(),
      metadata: bytes(),
    }),
    reason: string({ from: 8, nullableFrom: 8, default: null, ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ from: 2, ignorable: true }),
    errorCode: int16(),
    generationId: int32({ default: -1 }),
    protocolType: string({ from: 7, nullableFrom: 7, default: null, ignorable: true }),
    protocolName: string({ nullableFrom: 7 }),
    leader: string(),
    skipAssignment: boolean({ from: 9, default: false }),
    memberId: string(),
    members: array({
      memberId: string(),
      groupInstanceId: string({ from: 5, nullableFrom: 5, default: null, ignorable: true }),
      metadata: bytes(),
    }),
  },
});
