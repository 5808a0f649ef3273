// SyncGroup (API key 14). The leader of a classic group hands out assignments; each member gets its own.
// Version 3 brings static members (KIP-345); 5 the protocol type and name (KIP-559).

import { api } from '../api.ts';
import { array, bytes, int16, int32, string } from '../schema.ts';

export const syncGroup = api({
  key: 14,
  name: 'SyncGroup',
  versions: [0, 5],
  flexibleFrom: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ from: 3, nullableFrom: 3, default: null }),
    protocolType: string({ from: 5, nullableFrom: 5, default: null, ignorable: true }),
    protocolName: string({ from: 5, nullableFrom: 5, default: null, ignorable: true }),
    assignments: array({
      memberId: string(),
      assignment: bytes(),
    }),
  },
  response: {
    throttleTimeMs: int32({ from: 1, ignorable: true }),
    errorCode: int16(),
    protocolType: string({ from: 5, nullableFrom: 5, default: null, ignorable: true }),
    protocolName: string({ from: 5, nullableFrom: 5, default: null, ignorable: true }),
    assignment: bytes(),
  },
});
