// EndTxn (API key 26). A transaction is committed or aborted. Version 5 answers with the bumped epoch (KIP-890).

import { api } from '../api.ts';
import { boolean, int16, int32, int64, string } from '../schema.ts';

export const endTxn = api({
  key: 26,
  name: 'EndTxn',
  versions: [0, 5],
  flexibleFrom: 3,
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    committed: boolean(),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    producerId: int64({ from: 5, default: -1, ignorable: true }),
    producerEpoch: int16({ from: 5, default: -1, ignorable: true }),
  },
});
