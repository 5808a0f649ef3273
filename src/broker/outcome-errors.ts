// How the words of partition owners become Kafka's error codes; exhaustive, so that a new word does not compile until
// it has its code.

import type { PartitionOutcome } from '../partition/commands.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import type { RoutedPartition } from './router.ts';
import type { BrokerServices } from './services.ts';

const CODES: Readonly<Record<PartitionOutcome, number>> = {
  ok: ERROR_CODES.NONE,
  // The router knew the partition and its owner does not: it is closed after a fault.
  'unknown-partition': ERROR_CODES.KAFKA_STORAGE_ERROR,
  'offset-out-of-range': ERROR_CODES.OFFSET_OUT_OF_RANGE,
  'fenced-leader-epoch': ERROR_CODES.FENCED_LEADER_EPOCH,
  'unknown-leader-epoch': ERROR_CODES.UNKNOWN_LEADER_EPOCH,
  'corrupt-message': ERROR_CODES.CORRUPT_MESSAGE,
  'invalid-record': ERROR_CODES.INVALID_RECORD,
  'invalid-timestamp': ERROR_CODES.INVALID_TIMESTAMP,
  'message-too-large': ERROR_CODES.MESSAGE_TOO_LARGE,
  'unsupported-compression': ERROR_CODES.UNSUPPORTED_COMPRESSION_TYPE,
  'out-of-order-sequence': ERROR_CODES.OUT_OF_ORDER_SEQUENCE_NUMBER,
  'invalid-producer-epoch': ERROR_CODES.INVALID_PRODUCER_EPOCH,
  'invalid-txn-state': ERROR_CODES.INVALID_TXN_STATE,
  'transaction-coordinator-fenced': ERROR_CODES.TRANSACTION_COORDINATOR_FENCED,
  'corrupt-log': ERROR_CODES.KAFKA_STORAGE_ERROR,
  'storage-error': ERROR_CODES.KAFKA_STORAGE_ERROR,
  // Retriable, and makes clients look the leader up again: by then a new owner has opened the partition.
  'worker-lost': ERROR_CODES.NOT_LEADER_OR_FOLLOWER,
};

/**
 * Kafka's error code of what the partition's owner answered. An owner that does not have a partition which is routed
 * to it has closed it after a fault: the partition is offline from then on.
 */
export function errorOfReply(
  services: Pick<BrokerServices, 'topics'>,
  partition: RoutedPartition,
  outcome: PartitionOutcome,
): number {
  if (outcome === 'ok') return ERROR_CODES.NONE;
  if (partition.gone) return ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
  if (outcome === 'unknown-partition') services.topics.offline(partition, 'its owner does not have it open');
  return CODES[outcome];
}
