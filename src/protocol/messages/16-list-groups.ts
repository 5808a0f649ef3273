// ListGroups (API key 16). The groups of a broker. Version 4 filters by state (KIP-518), 5 by type (KIP-848).

import { api } from '../api.ts';
import { array, int16, int32, string } from '../schema.ts';

export const listGroups = api({
  key: 16,
  name: 'ListGroups',
  versions: [0, 5],
  flexibleFrom: 3,
  request: {
    statesFilter: array(string(), { from: 4 }),
    typesFilter: array(string(), { from: 5 }),
  },
  response: {
    throttleTimeMs: int32({ from: 1, ignorable: true }),
    errorCode: int16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string({ from: 4, ignorable: true }),
      groupType: string({ from: 5, ignorable: true }),
    }),
  },
});
