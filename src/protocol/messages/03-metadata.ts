// Metadata (API key 3). Brokers, topics and who leads their partitions. In version 0 no topics means all of them; from
// 1 on null does. Version 4 lets the client forbid auto-creation; 7 brings the leader epoch; 8 authorized operations
// (KIP-430); 10 topic ids, which may be asked for from 12 on (KIP-516); 13 an error for the whole response (KIP-1102).

import { api } from '../api.ts';
import { array, boolean, int16, int32, string, uuid } from '../schema.ts';

export const metadata = api({
  key: 3,
  name: 'Metadata',
  versions: [0, 13],
  flexibleFrom: 9,
  request: {
    topics: array(
      {
        topicId: uuid({ from: 10, ignorable: true }),
        name: string({ nullableFrom: 10 }),
      },
      { nullableFrom: 1 },
    ),
    allowAutoTopicCreation: boolean({ from: 4, default: true }),
    includeClusterAuthorizedOperations: boolean({ from: 8, to: 10 }),
    includeTopicAuthorizedOperations: boolean({ from: 8 }),
  },
  response: {
    throttleTimeMs: int32({ from: 3, ignorable: true }),
    brokers: array({
      nodeId: int32(),
      host: string(),
      port: int32(),
      rack: string({ from: 1, nullableFrom: 1, default: null, ignorable: true }),
    }),
    clusterId: string({ from: 2, nullableFrom: 2, default: null, ignorable: true }),
    controllerId: int32({ from: 1, default: -1, ignorable: true }),
    topics: array({
      errorCode: int16(),
      name: string({ nullableFrom: 12 }),
      topicId: uuid({ from: 10, ignorable: true }),
      isInternal: boolean({ from: 1, default: false, ignorable: true }),
      partitions: array({
        errorCode: int16(),
        partitionIndex: int32(),
        leaderId: int32(),
        leaderEpoch: int32({ from: 7, default: -1, ignorable: true }),
        replicaNodes: array(int32()),
        isrNodes: array(int32()),
        offlineReplicas: array(int32(), { from: 5, ignorable: true }),
      }),
      topicAuthorizedOperations: int32({ from: 8, default: -2147483648 }),
    }),
    clusterAuthorizedOperations: int32({ from: 8, to: 10, default: -2147483648 }),
    errorCode: int16({ from: 13, ignorable: true }),
  },
});
