// CreatePartitions (API key 37). Adds partitions to topics (KIP-195).

import { api } from '../api.ts';
import { array, boolean, int16, int32, string } from '../schema.ts';

export const createPartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 3],
  flexibleFrom: 2,
  request: {
    topics: array({
      name: string(),
      count: int32(),
      assignments: array(
        {
          brokerIds: array(int32()),
        },
        { nullableFrom: 0 },
      ),
    }),
    timeoutMs: int32(),
    validateOnly: boolean(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string({ nullableFrom: 0, default: null }),
    }),
  },
});
