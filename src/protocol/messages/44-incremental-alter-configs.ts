// IncrementalAlterConfigs (API key 44). Changes single configs: 0 sets, 1 deletes, 2 appends to a list, 3 subtracts
// from it (KIP-339).

import { api } from '../api.ts';
import { array, boolean, int8, int16, int32, string } from '../schema.ts';

export const incrementalAlterConfigs = api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 1],
  flexibleFrom: 1,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        configOperation: int8(),
        value: string({ nullableFrom: 0 }),
      }),
    }),
    validateOnly: boolean(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    responses: array({
      errorCode: int16(),
      errorMessage: string({ nullableFrom: 0, default: null }),
      resourceType: int8(),
      resourceName: string(),
    }),
  },
});
