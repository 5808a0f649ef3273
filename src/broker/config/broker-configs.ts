// The broker's configuration keys, under Kafka's names. Keys that Kafka has and this broker cannot honour yet are here
// too, so that setting one is refused with a reason. It reads no value.

import {
  CONNECTION_IDLE_MS_MAX,
  CONNECTIONS_MAX,
  FETCH_SESSIONS_MAX,
  MESSAGE_BYTES_MAX_DEFAULT,
  QUEUED_REQUEST_BYTES_MAX,
  REQUEST_BYTES_MAX,
} from '../../core/limits.ts';
import { ConfigTable, define, LONG_MAX_TEXT } from './definition.ts';

const NO_COMPACTION = 'log compaction is not available yet';
const NO_REMOTE = 'remote log storage is not available';
const NO_GROUPS = 'consumer groups are not available yet';
const NO_TRANSACTIONS = 'transactions are not available yet';
const ONE_NODE = 'this broker does not replicate yet';
const BY_FLAGS = 'it is set by the command line (see `millrace start --help`)';
const UNTUNED = 'this broker has no such setting';
const KEEPS_CODEC = 'batches are kept as the producer compressed them';

/** Every broker key, in the order of Kafka's words. */
export const BROKER_CONFIGS = new ConfigTable([
  // What the broker is.
  define(
    { name: 'node.id', type: 'int', defaultValue: '1', documentation: 'The id of this broker in its cluster.' },
    { min: 0 },
  ),
  define(
    { name: 'broker.id', type: 'int', defaultValue: null, documentation: 'The older name of node.id.' },
    { min: 0 },
  ),

  // Topics.
  define(
    {
      name: 'num.partitions',
      type: 'int',
      defaultValue: '1',
      documentation: 'Partitions of a topic whose creator does not say how many.',
    },
    { min: 1, max: 10_000 },
  ),
  define(
    {
      name: 'default.replication.factor',
      type: 'int',
      defaultValue: '1',
      documentation: 'Replicas of a topic whose creator does not say how many.',
    },
    { min: 1, max: 32_767, fixedBecause: ONE_NODE },
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
  define(
    {
      name: 'unclean.leader.election.enable',
      type: 'boolean',
      defaultValue: 'false',
      documentation: 'Whether a replica that is not in sync may become the leader.',
    },
    { fixedBecause: ONE_NODE, dynamic: true },
  ),

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
  define(
    {
      name: 'compression.type',
      type: 'string',
      defaultValue: 'producer',
      documentation: 'How batches are kept: `producer` keeps the producer’s codec.',
    },
    {
      choices: ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'],
      fixedBecause: KEEPS_CODEC,
      dynamic: true,
    },
  ),
  define(
    { name: 'compression.gzip.level', type: 'int', defaultValue: '-1', documentation: 'Level of gzip.' },
    { fixedBecause: KEEPS_CODEC, dynamic: true },
  ),
  define(
    { name: 'compression.lz4.level', type: 'int', defaultValue: '9', documentation: 'Level of lz4.' },
    { fixedBecause: KEEPS_CODEC, dynamic: true },
  ),
  define(
    { name: 'compression.zstd.level', type: 'int', defaultValue: '3', documentation: 'Level of zstd.' },
    { fixedBecause: KEEPS_CODEC, dynamic: true },
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
      name: 'log.roll.jitter.ms',
      type: 'long',
      defaultValue: null,
      documentation: 'Random part of the age at which a partition starts a new segment.',
    },
    { min: 0, max: 0, dynamic: true, fixedBecause: UNTUNED },
  ),
  define(
    {
      name: 'log.roll.jitter.hours',
      type: 'int',
      defaultValue: '0',
      documentation: 'Random part of the age at which a partition starts a new segment.',
    },
    { min: 0, fixedBecause: UNTUNED },
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
  define(
    {
      name: 'log.preallocate',
      type: 'boolean',
      defaultValue: 'false',
      documentation: 'Whether a new segment takes its whole size at once.',
    },
    { fixedBecause: UNTUNED, dynamic: true },
  ),

  // Retention.
  define(
    {
      name: 'log.cleanup.policy',
      type: 'list',
      defaultValue: 'delete',
      documentation: 'What happens to old segments: `delete` drops them by age and size.',
    },
    { choices: ['delete', 'compact'], fixedBecause: NO_COMPACTION, dynamic: true },
  ),
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
  define(
    { name: 'log.cleaner.enable', type: 'boolean', defaultValue: 'true', documentation: 'Whether compaction runs.' },
    { fixedBecause: NO_COMPACTION },
  ),
  define(
    {
      name: 'log.cleaner.delete.retention.ms',
      type: 'long',
      defaultValue: '86400000',
      documentation: 'How long tombstones stay in compacted topics.',
    },
    { min: 0, dynamic: true, fixedBecause: NO_COMPACTION },
  ),
  define(
    {
      name: 'log.cleaner.min.cleanable.ratio',
      type: 'double',
      defaultValue: '0.5',
      documentation: 'The part of a log that must be new before it is compacted.',
    },
    { dynamic: true, fixedBecause: NO_COMPACTION },
  ),
  define(
    {
      name: 'log.cleaner.min.compaction.lag.ms',
      type: 'long',
      defaultValue: '0',
      documentation: 'How long a record stays uncompacted at least.',
    },
    { min: 0, dynamic: true, fixedBecause: NO_COMPACTION },
  ),
  define(
    {
      name: 'log.cleaner.max.compaction.lag.ms',
      type: 'long',
      defaultValue: LONG_MAX_TEXT,
      documentation: 'How long a record stays uncompacted at most.',
    },
    { min: 1, dynamic: true, fixedBecause: NO_COMPACTION },
  ),
  define(
    {
      name: 'log.local.retention.ms',
      type: 'long',
      defaultValue: '-2',
      documentation: 'How long records stay on the local disk.',
    },
    { min: -2, dynamic: true, fixedBecause: NO_REMOTE },
  ),
  define(
    {
      name: 'log.local.retention.bytes',
      type: 'long',
      defaultValue: '-2',
      documentation: 'Bytes of a partition that stay on the local disk.',
    },
    { min: -2, dynamic: true, fixedBecause: NO_REMOTE },
  ),
  define(
    {
      name: 'remote.log.storage.system.enable',
      type: 'boolean',
      defaultValue: 'false',
      documentation: 'Whether segments may move to remote storage.',
    },
    { fixedBecause: NO_REMOTE },
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
    { min: 1 },
  ),
  define(
    {
      name: 'queued.max.request.bytes',
      type: 'long',
      defaultValue: String(QUEUED_REQUEST_BYTES_MAX),
      documentation: 'Request bytes that a listener holds at the same time, of all its connections.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'max.connections',
      type: 'int',
      defaultValue: String(CONNECTIONS_MAX),
      documentation: 'Connections that a listener keeps at the same time.',
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

  // Known, and without effect here.
  define(
    {
      name: 'max.connections.per.ip',
      type: 'int',
      defaultValue: '2147483647',
      documentation: 'Connections from one address.',
    },
    { min: 0, fixedBecause: UNTUNED },
  ),
  define(
    { name: 'num.network.threads', type: 'int', defaultValue: '3', documentation: 'Threads that read requests.' },
    { min: 1, fixedBecause: BY_FLAGS },
  ),
  define(
    { name: 'num.io.threads', type: 'int', defaultValue: '8', documentation: 'Threads that serve requests.' },
    { min: 1, fixedBecause: BY_FLAGS },
  ),
  define(
    { name: 'background.threads', type: 'int', defaultValue: '10', documentation: 'Threads for periodic work.' },
    { min: 1, fixedBecause: UNTUNED },
  ),
  define(
    {
      name: 'queued.max.requests',
      type: 'int',
      defaultValue: '500',
      documentation: 'Requests that wait for a thread.',
    },
    { min: 1, fixedBecause: UNTUNED },
  ),
  define(
    {
      name: 'num.recovery.threads.per.data.dir',
      type: 'int',
      defaultValue: '2',
      documentation: 'Threads that recover a data directory.',
    },
    { min: 1, fixedBecause: BY_FLAGS },
  ),
  define(
    {
      name: 'socket.send.buffer.bytes',
      type: 'int',
      defaultValue: '102400',
      documentation: 'Send buffer of a socket.',
    },
    { min: -1, fixedBecause: UNTUNED },
  ),
  define(
    {
      name: 'socket.receive.buffer.bytes',
      type: 'int',
      defaultValue: '102400',
      documentation: 'Receive buffer of a socket.',
    },
    { min: -1, fixedBecause: UNTUNED },
  ),
  define(
    { name: 'listeners', type: 'string', defaultValue: null, documentation: 'Where the broker listens.' },
    { fixedBecause: BY_FLAGS },
  ),
  define(
    {
      name: 'advertised.listeners',
      type: 'string',
      defaultValue: null,
      documentation: 'What clients are told to connect to.',
    },
    { fixedBecause: BY_FLAGS },
  ),
  define(
    { name: 'log.dirs', type: 'string', defaultValue: null, documentation: 'Data directories.' },
    { fixedBecause: BY_FLAGS },
  ),
  define(
    { name: 'log.dir', type: 'string', defaultValue: null, documentation: 'Data directory.' },
    { fixedBecause: BY_FLAGS },
  ),
  define(
    { name: 'process.roles', type: 'string', defaultValue: null, documentation: 'Broker, controller or both.' },
    { fixedBecause: UNTUNED },
  ),
  define(
    { name: 'controller.quorum.voters', type: 'string', defaultValue: null, documentation: 'Kafka’s own controllers.' },
    { fixedBecause: UNTUNED },
  ),
  define(
    {
      name: 'controller.listener.names',
      type: 'string',
      defaultValue: null,
      documentation: 'Listeners of Kafka’s own controllers.',
    },
    { fixedBecause: UNTUNED },
  ),
  define(
    { name: 'broker.rack', type: 'string', defaultValue: null, documentation: 'The rack of this broker.' },
    { fixedBecause: ONE_NODE },
  ),
  define(
    { name: 'num.replica.fetchers', type: 'int', defaultValue: '1', documentation: 'Fetchers per leader.' },
    { min: 1, fixedBecause: ONE_NODE },
  ),
  define(
    {
      name: 'replica.lag.time.max.ms',
      type: 'long',
      defaultValue: '30000',
      documentation: 'The lag at which a replica is out of sync.',
    },
    { fixedBecause: ONE_NODE },
  ),
  define(
    {
      name: 'auto.leader.rebalance.enable',
      type: 'boolean',
      defaultValue: 'true',
      documentation: 'Whether leadership is balanced.',
    },
    { fixedBecause: ONE_NODE },
  ),
  define(
    {
      name: 'group.initial.rebalance.delay.ms',
      type: 'int',
      defaultValue: '3000',
      documentation: 'How long a new group waits for members.',
    },
    { fixedBecause: NO_GROUPS },
  ),
  define(
    {
      name: 'group.min.session.timeout.ms',
      type: 'int',
      defaultValue: '6000',
      documentation: 'Shortest session timeout.',
    },
    { fixedBecause: NO_GROUPS },
  ),
  define(
    {
      name: 'group.max.session.timeout.ms',
      type: 'int',
      defaultValue: '1800000',
      documentation: 'Longest session timeout.',
    },
    { fixedBecause: NO_GROUPS },
  ),
  define(
    {
      name: 'offsets.retention.minutes',
      type: 'int',
      defaultValue: '10080',
      documentation: 'How long offsets of an empty group stay.',
    },
    { min: 1, fixedBecause: NO_GROUPS },
  ),
  define(
    {
      name: 'offsets.topic.num.partitions',
      type: 'int',
      defaultValue: '50',
      documentation: 'Partitions of the offsets topic.',
    },
    { min: 1, fixedBecause: NO_GROUPS },
  ),
  define(
    {
      name: 'offsets.topic.replication.factor',
      type: 'short',
      defaultValue: '3',
      documentation: 'Replicas of the offsets topic.',
    },
    { min: 1, fixedBecause: NO_GROUPS },
  ),
  define(
    {
      name: 'transaction.state.log.replication.factor',
      type: 'short',
      defaultValue: '3',
      documentation: 'Replicas of the transaction topic.',
    },
    { min: 1, fixedBecause: NO_TRANSACTIONS },
  ),
  define(
    {
      name: 'transaction.state.log.min.isr',
      type: 'int',
      defaultValue: '2',
      documentation: 'In-sync replicas of the transaction topic.',
    },
    { min: 1, fixedBecause: NO_TRANSACTIONS },
  ),
  define(
    { name: 'transaction.max.timeout.ms', type: 'int', defaultValue: '900000', documentation: 'Longest transaction.' },
    { min: 1, fixedBecause: NO_TRANSACTIONS },
  ),
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
