// Transactions as records of `__transaction_state`, in Kafka's format (TransactionLogKey version 0, TransactionLogValue
// version 1). One tagged field is this project's own: the epoch from which the present one was bumped. Kafka keeps it in
// memory alone, and a producer that repeats its InitProducerId after a restart is fenced there; readers skip tags that
// they do not know.

import { LogFault } from '../../core/fault.ts';
import { array, int8, int16, int32, int64, string } from '../../protocol/schema.ts';
import { type EncodedEntry, type RecordFormat, StoredSchema, storedVersion } from '../coordinator-log-format.ts';
import { NO_PARTITIONS, topicPartitions } from './topic-partitions.ts';
import { TRANSACTION_STATES, type Transaction } from './transaction.ts';

/** Undefined for an id that was forgotten. */
export interface TransactionRecord {
  readonly transactionalId: string;
  readonly transaction: Transaction | undefined;
}

/** Far from those that Kafka gives out one by one. */
const LAST_PRODUCER_EPOCH_TAG = 1000;

const KEY = new StoredSchema({
  versions: [0, 0],
  written: 0,
  fields: { transactionalId: string() },
});

const VALUE = new StoredSchema({
  versions: [0, 1],
  flexibleFrom: 1,
  written: 1,
  fields: {
    producerId: int64(),
    previousProducerId: int64({ from: 1, tag: 0, default: -1, ignorable: true }),
    nextProducerId: int64({ from: 1, tag: 1, default: -1, ignorable: true }),
    producerEpoch: int16(),
    transactionTimeoutMs: int32(),
    transactionStatus: int8(),
    transactionPartitions: array({ topic: string(), partitionIds: array(int32()) }, { nullableFrom: 0 }),
    transactionLastUpdateTimestampMs: int64(),
    transactionStartTimestampMs: int64(),
    clientTransactionVersion: int16({ from: 1, tag: 2, default: 0, ignorable: true }),
    lastProducerEpoch: int16({ from: 1, tag: LAST_PRODUCER_EPOCH_TAG, default: -1, ignorable: true }),
  },
});

function encodeValue(transaction: Transaction): Uint8Array {
  const { partitions, state } = transaction;
  const listed = [...partitions].map(([topic, indexes]) => ({ topic, partitionIds: [...indexes] }));
  return VALUE.encode({
    producerId: transaction.producerId,
    previousProducerId: transaction.previousProducerId,
    nextProducerId: transaction.nextProducerId,
    producerEpoch: transaction.producerEpoch,
    transactionTimeoutMs: transaction.timeoutMs,
    transactionStatus: TRANSACTION_STATES.indexOf(state),
    // Kafka writes no list, rather than an empty one, where there is no transaction.
    transactionPartitions: state === 'Empty' ? null : listed,
    transactionLastUpdateTimestampMs: transaction.updateTimeMs,
    transactionStartTimestampMs: transaction.startTimeMs,
    clientTransactionVersion: transaction.clientVersion,
    lastProducerEpoch: transaction.lastProducerEpoch,
  });
}

function decodeValue(transactionalId: string, bytes: Uint8Array): Transaction {
  if (!VALUE.reads(storedVersion(bytes))) throw unreadable(`its value has version ${storedVersion(bytes)}`);
  const value = VALUE.decode(bytes);
  const state = TRANSACTION_STATES[value.transactionStatus];
  if (state === undefined) throw unreadable(`its state has the number ${value.transactionStatus}`);
  const named = value.transactionPartitions?.map(({ topic, partitionIds }) => ({
    name: topic,
    partitions: partitionIds,
  }));
  return {
    transactionalId,
    producerId: value.producerId,
    previousProducerId: value.previousProducerId,
    nextProducerId: value.nextProducerId,
    producerEpoch: value.producerEpoch,
    lastProducerEpoch: value.lastProducerEpoch,
    timeoutMs: value.transactionTimeoutMs,
    state,
    partitions: named === undefined ? NO_PARTITIONS : topicPartitions(named),
    startTimeMs: value.transactionStartTimestampMs,
    updateTimeMs: value.transactionLastUpdateTimestampMs,
    clientVersion: value.clientTransactionVersion,
  };
}

function unreadable(reason: string): LogFault {
  return new LogFault('ERR_CORRUPT_LOG', `a record of the transaction log cannot be read: ${reason}`);
}

export const TRANSACTION_LOG_FORMAT: RecordFormat<TransactionRecord> = {
  encode({ transactionalId, transaction }): EncodedEntry {
    return {
      key: KEY.encode({ transactionalId }),
      value: transaction === undefined ? null : encodeValue(transaction),
    };
  },
  decode(key, value): TransactionRecord | undefined {
    if (!KEY.reads(storedVersion(key))) return undefined;
    const { transactionalId } = KEY.decode(key);
    return { transactionalId, transaction: value === null ? undefined : decodeValue(transactionalId, value) };
  },
};
