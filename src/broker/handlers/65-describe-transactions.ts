// DescribeTransactions (API key 65), version 0.
//
// Behaviour: state, producer, start and partitions of each transactional id (KIP-664).

import type { ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { describeTransactions } from '../../protocol/messages/65-describe-transactions.ts';
import type { Call, Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';
import type { Transaction } from '../transactions/transaction.ts';

type StateResponse = ResponseInput<typeof describeTransactions>['transactionStates'][number];

export const describeTransactionsHandler: Handler<
  typeof describeTransactions.request,
  typeof describeTransactions.response
> = {
  api: describeTransactions,
  versions: describeTransactions.versions,
  async handle(services, request, call) {
    const states = request.transactionalIds.map((transactionalId) => describe(services, call, transactionalId));
    return { transactionStates: await Promise.all(states) };
  },
};

async function describe(services: BrokerServices, call: Call, transactionalId: string): Promise<StateResponse> {
  if (transactionalId === '') return refused(transactionalId, call.note(ERROR_CODES.INVALID_REQUEST));
  const found = await services.transactions.describe(transactionalId);
  if (typeof found === 'object') return stateOf(found);
  return refused(transactionalId, call.note(found ?? ERROR_CODES.TRANSACTIONAL_ID_NOT_FOUND));
}

function stateOf(transaction: Transaction): StateResponse {
  const { transactionalId, producerId, producerEpoch, timeoutMs, startTimeMs, state, partitions } = transaction;
  return {
    errorCode: ERROR_CODES.NONE,
    transactionalId,
    transactionState: state,
    transactionTimeoutMs: timeoutMs,
    transactionStartTimeMs: startTimeMs,
    producerId,
    producerEpoch,
    topics: Array.from(partitions, ([topic, indexes]) => ({ topic, partitions: [...indexes] })),
  };
}

function refused(transactionalId: string, errorCode: number): StateResponse {
  return {
    errorCode,
    transactionalId,
    transactionState: '',
    transactionTimeoutMs: 0,
    transactionStartTimeMs: 0,
    producerId: 0,
    producerEpoch: 0,
    topics: [],
  };
}
