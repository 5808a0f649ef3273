// The broker's configuration keys, under Kafka's names. It reads no value.

import {
  CONNECTION_IDLE_MS_MAX,
  CONNECTIONS_MAX,
  FETCH_SESSIONS_MAX,
  MESSAGE_BYTES_MAX_DEFAULT,
  PARTITIONS_PER_REQUEST_MAX,
  QUEUED_REQUEST_BYTES_MAX,
  REQUEST_BYTES_LIMIT,
  REQUEST_BYTES_MAX,
} from '../../core/limits.ts';
import { CLEANER_BROKER_CONFIGS } from './cleaner-configs.ts';
import { ConfigTable, define, LONG_MAX_TEXT } from './definition.ts';
import { GROUP_BROKER_CONFIGS } from './group-configs.ts';
import { PROTOCOL_MAP_DEFAULT } from './listeners.ts';
import { NODE_BROKER_CONFIGS } from './node-configs.ts';
import { TRANSACTION_BROKER_CONFIGS } from './transaction-configs.ts';
import { UNSUPPORTED_BROKER_CONFIGS } from './unsupported-broker-configs.ts';

/** Every broker key, in the order of Kafka's words. */
export const BROKER_CONFIGS = new ConfigTable([
  // What the broker is.
  ...NODE_BROKER_CONFIGS,

  // Topics.
  define(
    {
      name: 'num.partitions',
      type: 'int',
      defaultValue: '1',
      documentation: 'Partitions of a topic whose creator does not say how many.',
    },
    { min: 1, max: PARTITIONS_PER_REQUEST_MAX },
  ),
  define(
    {
      name: 'min.insync.replicas',
      type: 'int',
      defaultValue: '1',
      documentation: 'In-sync replicas without which a produce request with acks=all is refused.',
    },
    { min: 1, dynamic: true },
  ),
  define(
    {
      name: 'auto.create.topics.enable',
      type: 'boolean',
      defaultValue: 'true',
      documentation: 'Whether a topic comes into being when a client asks for its metadata and allows it.',
    },
    {},
  ),
  define({
    name: 'delete.topic.enable',
    type: 'boolean',
    defaultValue: 'true',
    documentation: 'Whether topics may be deleted.',
  }),

  // Messages.
  define(
    {
      name: 'message.max.bytes',
      type: 'int',
      defaultValue: String(MESSAGE_BYTES_MAX_DEFAULT),
      documentation: 'The largest record batch, after compression, in bytes.',
    },
    { min: 0, dynamic: true },
  ),
  define(
    {
      name: 'compression.type',
      type: 'string',
      defaultValue: 'producer',
      documentation:
        'How batches are kept: `producer` keeps them as they come, anything else compresses the others anew.',
    },
    { choices: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'], dynamic: true },
  ),
  define(
    {
      name: 'compression.gzip.level',
      type: 'int',
      defaultValue: '-1',
      documentation: 'Level at which the broker compresses with gzip, 1 to 9; -1 is the level of zlib.',
    },
    { min: -1, max: 9, dynamic: true },
  ),
  define(
    {
      name: 'compression.lz4.level',
      type: 'int',
      defaultValue: '9',
      documentation: 'Level of lz4; the default stands for the fast one.',
    },
    { min: 1, max: 17, dynamic: true, fixedBecause: 'lz4 is compressed at its fast level', withoutEffect: true },
  ),
  define(
    {
      name: 'compression.zstd.level',
      type: 'int',
      defaultValue: '3',
      documentation: 'Level at which the broker compresses with zstd.',
    },
    { min: -131_072, max: 22, dynamic: true },
  ),
  define(
    {
      name: 'log.message.timestamp.type',
      type: 'string',
      defaultValue: 'CreateTime',
      documentation: 'Whether records keep the time that the producer gave them or get the time of the append.',
    },
    { choices: ['CreateTime', 'LogAppendTime'], dynamic: true },
  ),
  define(
    {
      name: 'log.message.timestamp.before.max.ms',
      type: 'long',
      defaultValue: LONG_MAX_TEXT,
      documentation: 'How far the time of a record may lie before the time of the append.',
    },
    { min: 0, dynamic: true },
  ),
  define(
    {
      name: 'log.message.timestamp.after.max.ms',
      type: 'long',
      defaultValue: '3600000',
      documentation: 'How far the time of a record may lie after the time of the append.',
    },
    { min: 0, dynamic: true },
  ),

  // Segments and indexes.
  define(
    {
      name: 'log.segment.bytes',
      type: 'int',
      defaultValue: '1073741824',
      documentation: 'The size beyond which a partition starts a new segment, in bytes.',
    },
    { min: 14, dynamic: true },
  ),
  define(
    {
      name: 'log.roll.ms',
      type: 'long',
      defaultValue: null,
      documentation: 'The age at which a partition starts a new segment; where it is not set, log.roll.hours holds.',
    },
    { min: 1, dynamic: true },
  ),
  define(
    {
      name: 'log.roll.hours',
      type: 'int',
      defaultValue: '168',
      documentation: 'The age at which a partition starts a new segment, where log.roll.ms is not set.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'log.index.size.max.bytes',
      type: 'int',
      defaultValue: '10485760',
      documentation: 'The largest offset index and time index of a segment, in bytes.',
    },
    { min: 12, dynamic: true },
  ),
  define(
    {
      name: 'log.index.interval.bytes',
      type: 'int',
      defaultValue: '4096',
      documentation: 'Bytes of the log between two entries of its index.',
    },
    { min: 0, dynamic: true },
  ),

  // Retention.
  define(
    {
      name: 'log.retention.ms',
      type: 'long',
      defaultValue: null,
      documentation: 'How long records are kept; -1 for ever. Where it is not set, log.retention.minutes holds.',
    },
    { min: -1, dynamic: true },
  ),
  define(
    {
      name: 'log.retention.minutes',
      type: 'int',
      defaultValue: null,
      documentation: 'How long records are kept; -1 for ever. Where it is not set, log.retention.hours holds.',
    },
    { min: -1 },
  ),
  define(
    {
      name: 'log.retention.hours',
      type: 'int',
      defaultValue: '168',
      documentation: 'How long records are kept, where neither log.retention.ms nor log.retention.minutes is set.',
    },
    { min: -1 },
  ),
  define(
    {
      name: 'log.retention.bytes',
      type: 'long',
      defaultValue: '-1',
      documentation: 'The size of a partition beyond which its oldest segments are dropped; -1 for no such size.',
    },
    { min: -1, dynamic: true },
  ),
  define(
    {
      name: 'log.retention.check.interval.ms',
      type: 'long',
      defaultValue: '300000',
      documentation: 'How often the broker looks for segments to drop or to roll.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'log.segment.delete.delay.ms',
      type: 'long',
      defaultValue: '60000',
      documentation: 'How long the files of a dropped segment stay.',
    },
    { min: 0, dynamic: true },
  ),

  // Compaction.
  ...CLEANER_BROKER_CONFIGS,

  // Producers.
  define(
    {
      name: 'producer.id.expiration.ms',
      type: 'int',
      defaultValue: '86400000',
      documentation: 'How long a partition remembers an idempotent producer that writes nothing.',
    },
    { min: 1, dynamic: true },
  ),

  // Durability.
  define(
    {
      name: 'log.flush.interval.messages',
      type: 'long',
      defaultValue: LONG_MAX_TEXT,
      documentation: 'Records after which a partition is flushed to stable storage without being asked.',
    },
    { min: 1, dynamic: true },
  ),
  define(
    {
      name: 'log.flush.interval.ms',
      type: 'long',
      defaultValue: null,
      documentation:
        'The longest time that a record stays unflushed; where it is not set, log.flush.scheduler.interval.ms holds.',
    },
    { min: 0, dynamic: true },
  ),
  define(
    {
      name: 'log.flush.scheduler.interval.ms',
      type: 'long',
      defaultValue: LONG_MAX_TEXT,
      documentation: 'The longest time that a record stays unflushed, where log.flush.interval.ms is not set.',
    },
    { min: 0 },
  ),
  define(
    {
      name: 'log.flush.offset.checkpoint.interval.ms',
      type: 'int',
      defaultValue: '60000',
      documentation: 'How often the broker writes down up to where each partition is flushed.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'millrace.acks.all.flush',
      type: 'boolean',
      defaultValue: 'true',
      documentation:
        'Whether acks=all is answered only when the records are on stable storage. false is Kafka’s habit: the operating system has them, a power failure may lose them.',
    },
    { dynamic: true },
  ),

  // Requests and connections.
  define({
    name: 'listeners',
    type: 'string',
    defaultValue: null,
    documentation:
      'Where the Kafka protocol is served on TCP, as `PLAINTEXT://HOST:PORT`; the option `--kafka` goes over it.',
  }),
  define({
    name: 'advertised.listeners',
    type: 'string',
    defaultValue: null,
    documentation:
      'What clients are told to connect to, by listener. Where it is not set, the address by which each client came.',
  }),
  define({
    name: 'listener.security.protocol.map',
    type: 'string',
    defaultValue: PROTOCOL_MAP_DEFAULT,
    documentation: 'The protocol of each listener name. PLAINTEXT alone is served.',
  }),
  define(
    {
      name: 'fetch.max.bytes',
      type: 'int',
      defaultValue: '57671680',
      documentation: 'The most bytes of records in one fetch response, but for a single batch that is larger.',
    },
    { min: 1024 },
  ),
  define(
    {
      name: 'max.request.partition.size.limit',
      type: 'int',
      defaultValue: '2000',
      documentation: 'The most partitions that one DescribeTopicPartitions response tells of.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'max.incremental.fetch.session.cache.slots',
      type: 'int',
      defaultValue: String(FETCH_SESSIONS_MAX),
      documentation: 'Incremental fetch sessions kept at the same time.',
    },
    { min: 0 },
  ),
  define(
    {
      name: 'socket.request.max.bytes',
      type: 'int',
      defaultValue: String(REQUEST_BYTES_MAX),
      documentation: 'The largest request, in bytes.',
    },
    { min: 1, max: REQUEST_BYTES_LIMIT },
  ),
  define(
    {
      name: 'queued.max.request.bytes',
      type: 'long',
      defaultValue: String(QUEUED_REQUEST_BYTES_MAX),
      documentation: 'Request bytes that are held at the same time, of all connections together.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'max.connections',
      type: 'int',
      defaultValue: String(CONNECTIONS_MAX),
      documentation: 'Connections that are kept at the same time, of all listeners together.',
    },
    { min: 0 },
  ),
  define(
    {
      name: 'connections.max.idle.ms',
      type: 'long',
      defaultValue: String(CONNECTION_IDLE_MS_MAX),
      documentation: 'The time after which a connection without requests is closed.',
    },
    {},
  ),

  // Consumer groups.
  ...GROUP_BROKER_CONFIGS,

  // Transactions.
  ...TRANSACTION_BROKER_CONFIGS,

  // Known, and without effect here.

  ...UNSUPPORTED_BROKER_CONFIGS,
]);

/** Keys by which one setting may be given: the first that is set holds. `scale` makes milliseconds of its unit. */
export interface Synonym {
  readonly name: string;
  readonly scale?: number;
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

export const RETENTION_TIME: readonly Synonym[] = [
  { name: 'log.retention.ms' },
  { name: 'log.retention.minutes', scale: MINUTE_MS },
  { name: 'log.retention.hours', scale: HOUR_MS },
];
export const ROLL_TIME: readonly Synonym[] = [{ name: 'log.roll.ms' }, { name: 'log.roll.hours', scale: HOUR_MS }];
export const FLUSH_TIME: readonly Synonym[] = [
  { name: 'log.flush.interval.ms' },
  { name: 'log.flush.scheduler.interval.ms' },
];
export const NODE_ID: readonly Synonym[] = [{ name: 'node.id' }, { name: 'broker.id' }];

const SYNONYMS: ReadonlyMap<string, readonly Synonym[]> = new Map(
  [RETENTION_TIME, ROLL_TIME, FLUSH_TIME, NODE_ID].flatMap((synonyms) =>
    synonyms.map(({ name }, index): [string, readonly Synonym[]] => [name, synonyms.slice(index)]),
  ),
);

/** The keys that speak for `name`, itself first. */
export function brokerSynonyms(name: string): readonly Synonym[] {
  return SYNONYMS.get(name) ?? [{ name }];
}
