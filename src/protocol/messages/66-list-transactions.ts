// ListTransactions (API key 66). The transactions of a coordinator (KIP-664). Version 1 filters by duration (KIP-994),
// 2 by a pattern (KIP-1152).

import { api } from '../api.ts';
import { array, int16, int32, int64, string } from '../schema.ts';

export const listTransactions = api({
  key: 66,
  name: 'ListTransactions',
  versions: [0, 2],
  flexibleFrom: 0,
  request: {
    stateFilters: array(string()),
    producerIdFilters: array(int64()),
    durationFilter: int64({ from: 1, default: -1 }),
    transactionalIdPattern: string({ from: 2, nullableFrom: 2, default: null }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: array({
      transactionalId: string(),
      producerId: int64(),
      transactionState: string(),
    }),
  },
});
