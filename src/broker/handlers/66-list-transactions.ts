// ListTransactions (API key 66), versions 0 to 2.
//
// Behaviour: the transactional ids of this broker, those that match every filter given (KIP-664). A state that Kafka
// does not know is named in the answer and matches nothing.
// Versions: 1 transactions that have run for longer than a time (KIP-994); 2 a pattern that the whole id matches
// (KIP-1152).

import { ERROR_CODES } from '../../protocol/errors.ts';
import { listTransactions } from '../../protocol/messages/66-list-transactions.ts';
import { PatternFault, TopicPattern } from '../groups/topic-pattern.ts';
import type { Handler } from '../handler.ts';
import { TRANSACTION_STATES, type Transaction } from '../transactions/transaction.ts';

const STATES: ReadonlySet<string> = new Set(TRANSACTION_STATES);

export const listTransactionsHandler: Handler<typeof listTransactions.request, typeof listTransactions.response> = {
  api: listTransactions,
  versions: listTransactions.versions,
  handle({ transactions, clock }, request, call) {
    const { stateFilters, durationFilter } = request;
    const pattern = patternOf(request.transactionalIdPattern);
    if (pattern === undefined) {
      const errorCode = call.note(ERROR_CODES.INVALID_REGULAR_EXPRESSION);
      return { errorCode, unknownStateFilters: [], transactionStates: [] };
    }
    const states = new Set(stateFilters);
    const producerIds = new Set(request.producerIdFilters);
    const nowMs = clock.now();
    const matches = (transaction: Transaction): boolean =>
      (states.size === 0 || states.has(transaction.state)) &&
      (producerIds.size === 0 || producerIds.has(transaction.producerId)) &&
      (durationFilter < 0 || nowMs - transaction.startTimeMs > durationFilter) &&
      (pattern === null || pattern.matches(transaction.transactionalId));
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

/** Null for any id, undefined where the expression cannot be taken. Its matcher is bounded in time, whatever it says. */
function patternOf(source: string | null): TopicPattern | null | undefined {
  if (source === null || source === '') return null;
  try {
    return new TopicPattern(source);
  } catch (error) {
    if (error instanceof PatternFault) return undefined;
    throw error;
  }
}
