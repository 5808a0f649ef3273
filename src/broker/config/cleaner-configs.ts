// The keys of log compaction, under Kafka's names. It reads no value.

import { DEDUPE_BUFFER_BYTES_MAX } from '../../core/limits.ts';
import { type ConfigDefinition, define, LONG_MAX_TEXT, orderObjection } from './definition.ts';

export const CLEANER_BROKER_CONFIGS: readonly ConfigDefinition[] = [
  define(
    {
      name: 'log.cleanup.policy',
      type: 'list',
      defaultValue: 'delete',
      documentation:
        'What happens to old segments: `delete` drops them by age and size, `compact` keeps the last record of every key.',
    },
    { choices: ['delete', 'compact'], dynamic: true },
  ),
  define({
    name: 'log.cleaner.enable',
    type: 'boolean',
    defaultValue: 'true',
    documentation: 'Whether compaction runs.',
  }),
  define(
    {
      name: 'log.cleaner.backoff.ms',
      type: 'long',
      defaultValue: '15000',
      documentation: 'How long compaction waits where no log is due.',
    },
    { min: 0, dynamic: true },
  ),
  define(
    {
      name: 'log.cleaner.io.max.bytes.per.second',
      type: 'double',
      defaultValue: '1.7976931348623157E308',
      documentation: 'The most bytes that compaction reads and writes a second, in each slot.',
    },
    { min: 1, dynamic: true },
  ),
  define(
    {
      name: 'log.cleaner.dedupe.buffer.size',
      type: 'long',
      defaultValue: '134217728',
      documentation: 'Memory for the keys of the log that is being compacted, in bytes, in each slot: 24 a key.',
    },
    { min: 1_048_576, max: DEDUPE_BUFFER_BYTES_MAX, dynamic: true },
  ),
  define(
    {
      name: 'log.cleaner.io.buffer.load.factor',
      type: 'double',
      defaultValue: '0.9',
      documentation: 'The part of that memory that is filled; more keys than that take several passes.',
    },
    { min: 0.1, max: 0.95, dynamic: true },
  ),
  define(
    {
      name: 'log.cleaner.delete.retention.ms',
      type: 'long',
      defaultValue: '86400000',
      documentation: 'How long tombstones and transaction markers stay in compacted topics.',
    },
    { min: 0, dynamic: true },
  ),
  define(
    {
      name: 'log.cleaner.min.cleanable.ratio',
      type: 'double',
      defaultValue: '0.5',
      documentation: 'The part of a log that must be new before it is compacted.',
    },
    { min: 0, max: 1, dynamic: true },
  ),
  define(
    {
      name: 'log.cleaner.min.compaction.lag.ms',
      type: 'long',
      defaultValue: '0',
      documentation: 'How long a record stays uncompacted at least.',
    },
    { min: 0, dynamic: true },
  ),
  define(
    {
      name: 'log.cleaner.max.compaction.lag.ms',
      type: 'long',
      defaultValue: LONG_MAX_TEXT,
      documentation: 'How long a record stays uncompacted at most; its segment is rolled in time for that.',
    },
    { min: 1, dynamic: true },
  ),
];

/** A record that must not be compacted yet cannot be due already: of the broker's values, and of a topic's. */
export const brokerLagObjection = lagObjection('log.cleaner.');
export const topicLagObjection = lagObjection('');

function lagObjection(prefix: string): (number: (name: string) => number) => string | undefined {
  const keys = [`${prefix}min.compaction.lag.ms`, `${prefix}max.compaction.lag.ms`] as const;
  return (number) => orderObjection(number, keys);
}
