// DescribeGroups (API key 15). State and members of classic groups. Version 3 adds authorized operations (KIP-430); 4
// static members (KIP-345); 6 tells of absent groups with GROUP_ID_NOT_FOUND (KIP-1043).

import { api } from '../api.ts';
import { array, boolean, bytes, int16, int32, string } from '../schema.ts';

export const describeGroups = api({
  key: 15,
  name: 'DescribeGroups',
  versions: [0, 6],
  flexibleFrom: 5,
  request: {
    groups: array(string()),
    includeAuthorizedOperations: boolean({ from: 3 }),
  },
  response: {
    throttleTimeMs: int32({ from: 1, ignorable: true }),
    groups: array({
      errorCode: int16(),
      errorMessage: string({ from: 6, nullableFrom: 6, default: null }),
      groupId: string(),
      groupState: string(),
      protocolType: string(),
      protocolData: string(),
      members: array({
        memberId: string(),
        groupInstanceId: string({ from: 4, nullableFrom: 4, default: null, ignorable: true }),
        clientId: string(),
        clientHost: string(),
        memberMetadata: bytes(),
        memberAssignment: bytes(),
      }),
      authorizedOperations: int32({ from: 3, default: -2147483648 }),
    }),
  },
});
