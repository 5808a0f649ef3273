// LeaveGroup (API key 13). Members leave a classic group: one by `memberId` up to version 2, several in `members` from
// 3 on (KIP-345). Version 5 adds a reason (KIP-800).

import { api } from '../api.ts';
import { array, int16, int32, string } from '../schema.ts';

export const leaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: [0, 5],
  flexibleFrom: 4,
  request: {
    groupId: string(),
    memberId: string({ to: 2 }),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullableFrom: 3, default: null }),
        reason: string({ from: 5, nullableFrom: 5, default: null, ignorable: true }),
      },
      { from: 3 },
    ),
  },
  response: {
    throttleTimeMs: int32({ from: 1, ignorable: true }),
    errorCode: int16(),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullableFrom: 3 }),
        errorCode: int16(),
      },
      { from: 3 },
    ),
  },
});
