// FindCoordinator (API key 10). Which broker coordinates a group (key type 0), a transactional id (1, from version 1)
// or a share group (2). Version 4 asks for several keys at once (KIP-699) in `coordinatorKeys`, which takes the place
// of `key`.

import { api } from '../api.ts';
import { array, int8, int16, int32, string } from '../schema.ts';

export const findCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: [0, 6],
  flexibleFrom: 3,
  request: {
    key: string({ to: 3 }),
    keyType: int8({ from: 1, default: 0 }),
    coordinatorKeys: array(string(), { from: 4 }),
  },
  response: {
    throttleTimeMs: int32({ from: 1, ignorable: true }),
    errorCode: int16({ to: 3 }),
    errorMessage: string({ from: 1, to: 3, nullableFrom: 1, ignorable: true }),
    nodeId: int32({ to: 3 }),
    host: string({ to: 3 }),
    port: int32({ to: 3 }),
    coordinators: array(
      {
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: int16(),
        errorMessage: string({ nullableFrom: 4, default: null, ignorable: true }),
      },
      { from: 4 },
    ),
  },
});
