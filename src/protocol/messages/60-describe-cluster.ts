// DescribeCluster (API key 60). Brokers and controller of the cluster (KIP-700). Version 1 may ask a controller
// (KIP-919); 2 shows fenced brokers (KIP-1073).

import { api } from '../api.ts';
import { array, boolean, int8, int16, int32, string } from '../schema.ts';

export const describeCluster = api({
  key: 60,
  name: 'DescribeCluster',
  versions: [0, 2],
  flexibleFrom: 0,
  request: {
    includeClusterAuthorizedOperations: boolean(),
    endpointType: int8({ from: 1, default: 1 }),
    includeFencedBrokers: boolean({ from: 2 }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullableFrom: 0, default: null }),
    endpointType: int8({ from: 1, default: 1 }),
    clusterId: string(),
    controllerId: int32({ default: -1 }),
    brokers: array({
      brokerId: int32(),
      host: string(),
      port: int32(),
      rack: string({ nullableFrom: 0, default: null }),
      isFenced: boolean({ from: 2 }),
    }),
    clusterAuthorizedOperations: int32({ default: -2147483648 }),
  },
});
