// InitProducerId (API key 22), versions 0 to 5.
//
// Behaviour: without a transactional id a producer gets an id of its own with epoch 0. With one it takes the id over:
// older producers are fenced, and a transaction that they left open is aborted first, which CONCURRENT_TRANSACTIONS
// makes the client wait for. A producer that gives its id and epoch goes on with them after an error (KIP-360).
// Versions: 2 flexible; 3 producer id and epoch (KIP-360); 4 PRODUCER_FENCED, which older ones know as
// INVALID_PRODUCER_EPOCH (KIP-588); 5 TRANSACTION_ABORTABLE (KIP-890), which is never needed here.

import type { RequestOf } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { initProducerId } from '../../protocol/messages/22-init-producer-id.ts';
import type { Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';
import { fencedFor } from '../transactions/error-versions.ts';
import { type Answer, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, refusal } from '../transactions/transaction.ts';

type Request = RequestOf<typeof initProducerId>;

/** The first version that knows PRODUCER_FENCED. */
const FENCED_VERSION = 4;

export const initProducerIdHandler: Handler<typeof initProducerId.request, typeof initProducerId.response> = {
  api: initProducerId,
  versions: initProducerId.versions,
  async handle(services, request, call) {
    const { errorCode, producerId, producerEpoch } = await initialize(services, request);
    return { errorCode: call.note(fencedFor(call.version, FENCED_VERSION, errorCode)), producerId, producerEpoch };
  },
};

function initialize(services: BrokerServices, request: Request): Answer | Promise<Answer> {
  const { transactionalId, transactionTimeoutMs: timeoutMs, producerId, producerEpoch } = request;
  const hasId = producerId !== NO_PRODUCER_ID;
  if (hasId !== (producerEpoch !== NO_PRODUCER_EPOCH)) return refusal(ERROR_CODES.INVALID_REQUEST);
  if (transactionalId === null) return withoutTransactions(services);
  if (transactionalId === '') return refusal(ERROR_CODES.INVALID_REQUEST);
  const expected = hasId ? { producerId, producerEpoch } : undefined;
  return services.transactions.initProducer({ transactionalId, timeoutMs, expected });
}

async function withoutTransactions({ transactions }: BrokerServices): Promise<Answer> {
  const producerId = await transactions.freshProducerId();
  if (producerId === undefined) return refusal(ERROR_CODES.COORDINATOR_NOT_AVAILABLE);
  return { errorCode: ERROR_CODES.NONE, producerId, producerEpoch: 0 };
}
