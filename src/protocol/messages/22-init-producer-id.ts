// InitProducerId (API key 22). A producer asks for its id and epoch, and so fences older producers of the same
// transactional id. Version 3 lets it keep its id when it recovers (KIP-360); 4 may answer PRODUCER_FENCED (KIP-588).

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
