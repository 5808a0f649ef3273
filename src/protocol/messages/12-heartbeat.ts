// Heartbeat (API key 12). A member of a classic group says that it is alive. Version 3 brings static members (KIP-345).

import { api } from '../api.ts';
import { int16, int32, string } from '../schema.ts';

export const heartbeat = api({
  key: 12,
  name: 'Heartbeat',
  versions: [0, 4],
  flexibleFrom: 4,
  request: {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ from: 3, nullableFrom: 3, default: null }),
  },
  response: {
    throttleTimeMs: int32({ from: 1, ignorable: true }),
    errorCode: int16(),
  },
});
