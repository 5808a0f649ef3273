// EndTxn (API key 26), versions 0 to 5.
//
// Behaviour: a transaction is committed or aborted. The answer comes when the decision is durable; the markers follow.
// The same once more is answered as before (CONCURRENT_TRANSACTIONS while the markers are being written), the opposite
// of what was decided with INVALID_TXN_STATE.
// Versions: 2 PRODUCER_FENCED, which older ones know as INVALID_PRODUCER_EPOCH; 3 flexible; 4 TRANSACTION_ABORTABLE;
// 5 the producer's next epoch, or next id where the epochs have run out (KIP-890).

import type { RequestOf } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { endTxn } from '../../protocol/messages/26-end-txn.ts';
import type { Call, Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';
import { fencedFor } from '../transactions/error-versions.ts';
import { type Answer, EPOCH_BUMP_VERSION, refusal } from '../transactions/transaction.ts';

const FENCED_VERSION = 2;
const BUMP_VERSION = 5;

export const endTxnHandler: Handler<typeof endTxn.request, typeof endTxn.response> = {
  api: endTxn,
  versions: endTxn.versions,
  async handle(services, request, call) {
    const { errorCode, producerId, producerEpoch } = await end(services, request, call);
    const known = call.note(fencedFor(call.version, FENCED_VERSION, errorCode));
    return call.version < BUMP_VERSION ? { errorCode: known } : { errorCode: known, producerId, producerEpoch };
  },
};

function end(
  { transactions }: BrokerServices,
  request: RequestOf<typeof endTxn>,
  { version }: Call,
): Answer | Promise<Answer> {
  const { transactionalId, producerId, producerEpoch, committed: commit } = request;
  if (transactionalId === '') return refusal(ERROR_CODES.INVALID_REQUEST);
  const clientVersion = version < BUMP_VERSION ? 0 : EPOCH_BUMP_VERSION;
  return transactions.endTransaction(transactionalId, { producerId, producerEpoch, commit, clientVersion });
}
