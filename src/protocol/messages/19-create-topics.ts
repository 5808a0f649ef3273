// CreateTopics (API key 19). Creates topics. Version 4 allows the broker's defaults for partitions and replicas (-1,
// KIP-464); 5 answers with the topic's configs (KIP-525); 7 with its id (KIP-516).

import { api } from '../api.ts';
import { array, boolean, int8, int16, int32, string, uuid } from '../schema.ts';

export const createTopics = api({
  key: 19,
  name: 'CreateTopics',
  versions: [2, 7],
  flexibleFrom: 5,
  request: {
    topics: array({
      name: string(),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array({
        partitionIndex: int32(),
        brokerIds: array(int32()),
      }),
      configs: array({
        name: string(),
        value: string({ nullableFrom: 0 }),
      }),
    }),
    timeoutMs: int32({ default: 60000 }),
    validateOnly: boolean({ default: false }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array({
      name: string(),
      topicId: uuid({ from: 7, ignorable: true }),
      errorCode: int16(),
      errorMessage: string({ nullableFrom: 0, default: null }),
      topicConfigErrorCode: int16({ from: 5, tag: 0, ignorable: true }),
      numPartitions: int32({ from: 5, default: -1, ignorable: true }),
      replicationFactor: int16({ from: 5, default: -1, ignorable: true }),
      configs: array(
        {
          name: string(),
          value: string({ nullableFrom: 5 }),
          readOnly: boolean(),
          configSource: int8({ default: -1, ignorable: true }),
          isSensitive: boolean(),
        },
        { from: 5, nullableFrom: 5, ignorable: true },
      ),
    }),
  },
});
