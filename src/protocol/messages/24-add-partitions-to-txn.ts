// AddPartitionsToTxn (API key 24). Partitions are added to a transaction: one transaction in the `v3AndBelow` fields,
// and from version 4 on, between brokers, several in `transactions` (KIP-890).

import { api } from '../api.ts';
import { array, boolean, int16, int32, int64, string } from '../schema.ts';

export const addPartitionsToTxn = api({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: [0, 5],
  flexibleFrom: 3,
  request: {
    transactions: array(
      {
        transactionalId: string(),
        producerId: int64(),
        producerEpoch: int16(),
        verifyOnly: boolean({ default: false }),
        topics: array({
          name: string(),
          partitions: array(int32()),
        }),
      },
      { from: 4 },
    ),
    v3AndBelowTransactionalId: string({ to: 3 }),
    v3AndBelowProducerId: int64({ to: 3 }),
    v3AndBelowProducerEpoch: int16({ to: 3 }),
    v3AndBelowTopics: array(
      {
        name: string(),
        partitions: array(int32()),
      },
      { to: 3 },
    ),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16({ from: 4, ignorable: true }),
    resultsByTransaction: array(
      {
        transactionalId: string(),
        topicResults: array({
          name: string(),
          resultsByPartition: array({
            partitionIndex: int32(),
            partitionErrorCode: int16(),
          }),
        }),
      },
      { from: 4 },
    ),
    resultsByTopicV3AndBelow: array(
      {
        name: string(),
        resultsByPartition: array({
          partitionIndex: int32(),
          partitionErrorCode: int16(),
        }),
      },
      { to: 3 },
    ),
  },
});
