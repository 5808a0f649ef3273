// The keys of transactions, under Kafka's names, and what the transaction coordinator reads of them.

import { type ConfigDefinition, define } from './definition.ts';

export const TRANSACTION_BROKER_CONFIGS: readonly ConfigDefinition[] = [
  define(
    {
      name: 'transaction.max.timeout.ms',
      type: 'int',
      defaultValue: '900000',
      documentation: 'The longest transaction timeout that a producer may ask for.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'transactional.id.expiration.ms',
      type: 'int',
      defaultValue: '604800000',
      documentation: 'How long a transactional id is remembered that nothing is heard of.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'transaction.abort.timed.out.transaction.cleanup.interval.ms',
      type: 'int',
      defaultValue: '10000',
      documentation: 'How often the broker looks for transactions that took longer than their timeout, to abort them.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'transaction.remove.expired.transaction.cleanup.interval.ms',
      type: 'int',
      defaultValue: '3600000',
      documentation: 'How often the broker looks for transactional ids to forget.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'transaction.partition.verification.enable',
      type: 'boolean',
      defaultValue: 'true',
      documentation: 'Whether records of a transaction are taken only by partitions that were added to it.',
    },
    { dynamic: true },
  ),
  define(
    {
      name: 'add.partitions.to.txn.retry.backoff.max.ms',
      type: 'int',
      defaultValue: '100',
      documentation: 'How long a partition that joins a transaction waits for the one before to be completed.',
    },
    { min: 0 },
  ),
  define(
    {
      name: 'transaction.state.log.num.partitions',
      type: 'int',
      // As few as of committed offsets, and for the same reasons: 50 are 202 files in place of 34.
      defaultValue: '8',
      documentation: 'Partitions of the transaction topic, when it is made. Not to be changed afterwards.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'transaction.state.log.segment.bytes',
      type: 'int',
      defaultValue: '104857600',
      documentation: 'Segment size of the transaction topic when it is made.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'transaction.state.log.replication.factor',
      type: 'short',
      defaultValue: '3',
      documentation: 'Replicas of the transaction topic when it is made; no more than there are brokers.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'transaction.state.log.min.isr',
      type: 'int',
      defaultValue: '2',
      documentation: 'min.insync.replicas of the transaction topic when it is made; no more than it has replicas.',
    },
    { min: 1 },
  ),
];

export interface TransactionSettings {
  readonly timeoutMsMax: number;
  readonly expirationMs: number;
  readonly abortTimedOutIntervalMs: number;
  readonly removeExpiredIntervalMs: number;
  readonly verifiesPartitions: boolean;
  /** How long partitions that join wait for the transaction before to be completed. */
  readonly addPartitionsWaitMsMax: number;
  /** Of the log's topic when it is made. */
  readonly logPartitionCount: number;
  readonly logSegmentBytes: number;
}

/** `value` gives a key's value as a number or as a flag. */
export function transactionSettings(value: {
  number(name: string): number;
  flag(name: string): boolean;
}): TransactionSettings {
  return {
    timeoutMsMax: value.number('transaction.max.timeout.ms'),
    expirationMs: value.number('transactional.id.expiration.ms'),
    abortTimedOutIntervalMs: value.number('transaction.abort.timed.out.transaction.cleanup.interval.ms'),
    removeExpiredIntervalMs: value.number('transaction.remove.expired.transaction.cleanup.interval.ms'),
    verifiesPartitions: value.flag('transaction.partition.verification.enable'),
    addPartitionsWaitMsMax: value.number('add.partitions.to.txn.retry.backoff.max.ms'),
    logPartitionCount: value.number('transaction.state.log.num.partitions'),
    logSegmentBytes: value.number('transaction.state.log.segment.bytes'),
  };
}
