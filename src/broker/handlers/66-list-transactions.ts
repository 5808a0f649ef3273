// ListTransactions (API key 66), versions 0 and 1.
//
// Behaviour: the transactional ids of this broker, those that match every filter given (KIP-664). A state that Kafka
// does not know is named in the answer and matches nothing.
// Versions: 1 transactions that have run for longer than a time (KIP-994).
// Not here: version 2, whose pattern is an RE2 expression, because nothing here matches one in bounded time.

import { ERROR_CODES } from '../../protocol/errors.ts';
import { listTransactions } from '../../protocol/messages/66-list-transactions.ts';
import type { Handler } from '../handler.ts';
import { TRANSACTION_STATES, type Transaction } from '../transactions/transaction.ts';

const STATES: ReadonlySet<string> = new Set(TRANSACTION_STATES);

export const listTransactionsHandler: Handler<typeof listTransactions.request, typeof listTransactions.response> = {
  api: listTransactions,
  versions: [0, 1],
  handle({ transactions, clock }, request, call) {
    const { stateFilters, durationFilter } = request;
    const states = new Set(stateFilters);
    const producerIds = new Set(request.producerIdFilters);
    const nowMs = clock.now();
    const matches = (transaction: Transaction): boolean =>
      (states.size === 0 || states.has(transaction.state)) &&
      (producerIds.size === 0 || producerIds.has(transaction.producerId)) &&
      (durationFilter < 0 || nowMs - transaction.startTimeMs > durationFilter);
    const { errorCode, transactions: all } = transactions.list();
    if (errorCode !== ERROR_CODES.NONE) {
      return { errorCode: call.note(errorCode), unknownStateFilters: [], transactionStates: [] };
    }
    return {
      errorCode,
      unknownStateFilters: stateFilters.filter((state) => !STATES.has(state)),
      transactionStates: all.filter(matches).map(({ transactionalId, producerId, state }) => ({
        transactionalId,
        producerId,
        transactionState: state,
      })),
    };
  },
};
