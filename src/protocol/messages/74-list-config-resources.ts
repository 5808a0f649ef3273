// ListConfigResources (API key 74). The resources that have configurations. Version 0 is ListClientMetricsResources
// (KIP-714), which asks for client metrics alone; 1 asks for any types (KIP-1142).

import { api } from '../api.ts';
import { array, int8, int16, int32, string } from '../schema.ts';

/** The type of a resource where the version does not tell it: client metrics. */
const CLIENT_METRICS = 16;

export const listConfigResources = api({
  key: 74,
  name: 'ListConfigResources',
  versions: [0, 1],
  flexibleFrom: 0,
  request: {
    resourceTypes: array(int8(), { from: 1, default: [] }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    configResources: array({
      resourceName: string(),
      resourceType: int8({ from: 1, default: CLIENT_METRICS, ignorable: true }),
    }),
  },
});
