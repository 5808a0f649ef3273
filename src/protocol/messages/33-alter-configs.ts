// AlterConfigs (API key 33). Replaces all configs of a resource; IncrementalAlterConfigs changes single ones.

import { api } from '../api.ts';
import { array, boolean, int8, int16, int32, string } from '../schema.ts';

export const alterConfigs = api({
  key: 33,
  name: 'AlterConfigs',
  versions: [0, 2],
  flexibleFrom: 2,
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
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
