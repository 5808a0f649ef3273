// InitProducerId (API key 22).

import { api } from '../api.ts';
import { int16, int32, int64, string } from '../schema.ts';

export const initProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 5],
  flexibleFrom: 2,
  request: {
    transactionalId: string({ nullableFrom: 0 }),
    transactionTimeoutMs: int32(),
    producerId: int64({ from: 3, default: -1 }),
    producerEpoch: int16({ from: 3, default: -1 }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    producerId: int64({ default: -1 }),
    producerEpoch: int16(),
  },
});
