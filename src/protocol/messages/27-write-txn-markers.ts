// WriteTxnMarkers (API key 27). The transaction coordinator has markers written into the partitions of a transaction
// (KIP-98). Between brokers. Version 2 says which transaction version is in use (KIP-1228).

import { api } from '../api.ts';
import { array, boolean, int8, int16, int32, int64, string } from '../schema.ts';

export const writeTxnMarkers = api({
  key: 27,
  name: 'WriteTxnMarkers',
  versions: [1, 2],
  flexibleFrom: 1,
  request: {
    markers: array({
      producerId: int64(),
      producerEpoch: int16(),
      transactionResult: boolean(),
      topics: array({
        name: string(),
        partitionIndexes: array(int32()),
      }),
      coordinatorEpoch: int32(),
      transactionVersion: int8({ from: 2, default: 0, ignorable: true }),
    }),
  },
  response: {
    markers: array({
      producerId: int64(),
      topics: array({
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          errorCode: int16(),
        }),
      }),
    }),
  },
});
