// The topic's configuration keys, under Kafka's names. Each takes its type, bounds and default from the broker key
// that speaks for topics which do not set it. It reads no value.

import { present } from '../../core/assert.ts';
import { BROKER_CONFIGS, FLUSH_TIME, RETENTION_TIME, ROLL_TIME, type Synonym } from './broker-configs.ts';
import { type ConfigDefinition, ConfigTable, define } from './definition.ts';

const NO_REMOTE = 'remote log storage is not available';
const ONE_NODE = 'this broker does not replicate yet';

/** A topic key with the broker keys behind it, in the order in which they speak. */
interface TopicKey {
  readonly definition: ConfigDefinition;
  readonly synonyms: readonly Synonym[];
}

/** A default of the broker, in the topic key's own unit. */
export function scaled(value: string, { scale }: Synonym): string {
  if (scale === undefined) return value;
  const number = BigInt(value);
  return (number < 0n ? -1n : number * BigInt(scale)).toString();
}

function behind(name: string, synonyms: readonly Synonym[]): TopicKey {
  const definitions = synonyms.map((synonym) => BROKER_CONFIGS.get(synonym.name));
  const spoken = definitions.findIndex(({ defaultValue }) => defaultValue !== null);
  const first = present(definitions[0], 'broker key');
  const value = present(definitions[spoken]?.defaultValue, 'broker default');
  const defaultValue = scaled(value, present(synonyms[spoken], 'synonym'));
  return { definition: { ...first, name, defaultValue, dynamic: true }, synonyms };
}

function same(name: string, brokerName: string): TopicKey {
  return behind(name, [{ name: brokerName }]);
}

function alone(definition: ConfigDefinition): TopicKey {
  return { definition, synonyms: [] };
}

const KEYS: readonly TopicKey[] = [
  same('cleanup.policy', 'log.cleanup.policy'),
  same('compression.gzip.level', 'compression.gzip.level'),
  same('compression.lz4.level', 'compression.lz4.level'),
  same('compression.type', 'compression.type'),
  same('compression.zstd.level', 'compression.zstd.level'),
  same('delete.retention.ms', 'log.cleaner.delete.retention.ms'),
  same('file.delete.delay.ms', 'log.segment.delete.delay.ms'),
  same('flush.messages', 'log.flush.interval.messages'),
  behind('flush.ms', FLUSH_TIME),
  alone(
    define(
      {
        name: 'follower.replication.throttled.replicas',
        type: 'list',
        defaultValue: '',
        documentation: 'Replicas whose fetching from the leader is throttled.',
      },
      { dynamic: true, fixedBecause: ONE_NODE },
    ),
  ),
  same('index.interval.bytes', 'log.index.interval.bytes'),
  alone(
    define(
      {
        name: 'leader.replication.throttled.replicas',
        type: 'list',
        defaultValue: '',
        documentation: 'Replicas whose serving of followers is throttled.',
      },
      { dynamic: true, fixedBecause: ONE_NODE },
    ),
  ),
  same('local.retention.bytes', 'log.local.retention.bytes'),
  same('local.retention.ms', 'log.local.retention.ms'),
  same('max.compaction.lag.ms', 'log.cleaner.max.compaction.lag.ms'),
  same('max.message.bytes', 'message.max.bytes'),
  same('message.timestamp.after.max.ms', 'log.message.timestamp.after.max.ms'),
  same('message.timestamp.before.max.ms', 'log.message.timestamp.before.max.ms'),
  same('message.timestamp.type', 'log.message.timestamp.type'),
  same('min.cleanable.dirty.ratio', 'log.cleaner.min.cleanable.ratio'),
  same('min.compaction.lag.ms', 'log.cleaner.min.compaction.lag.ms'),
  same('min.insync.replicas', 'min.insync.replicas'),
  same('preallocate', 'log.preallocate'),
  alone(
    define(
      {
        name: 'remote.log.copy.disable',
        type: 'boolean',
        defaultValue: 'false',
        documentation: 'Whether nothing more is copied to remote storage.',
      },
      { dynamic: true, fixedBecause: NO_REMOTE },
    ),
  ),
  alone(
    define(
      {
        name: 'remote.log.delete.on.disable',
        type: 'boolean',
        defaultValue: 'false',
        documentation: 'Whether remote segments go when remote storage is turned off.',
      },
      { dynamic: true, fixedBecause: NO_REMOTE },
    ),
  ),
  alone(
    define(
      {
        name: 'remote.storage.enable',
        type: 'boolean',
        defaultValue: 'false',
        documentation: 'Whether segments of the topic move to remote storage.',
      },
      { dynamic: true, fixedBecause: NO_REMOTE },
    ),
  ),
  same('retention.bytes', 'log.retention.bytes'),
  behind('retention.ms', RETENTION_TIME),
  same('segment.bytes', 'log.segment.bytes'),
  same('segment.index.bytes', 'log.index.size.max.bytes'),
  behind('segment.jitter.ms', [{ name: 'log.roll.jitter.ms' }, { name: 'log.roll.jitter.hours', scale: 3_600_000 }]),
  behind('segment.ms', ROLL_TIME),
  same('unclean.leader.election.enable', 'unclean.leader.election.enable'),
];

const SYNONYMS: ReadonlyMap<string, readonly Synonym[]> = new Map(
  KEYS.map(({ definition, synonyms }) => [definition.name, synonyms]),
);

/** Every topic key, by name. */
export const TOPIC_CONFIGS = new ConfigTable(KEYS.map(({ definition }) => definition));

/** The broker keys that give a topic key's default, in the order in which they speak. */
export function topicSynonyms(name: string): readonly Synonym[] {
  return SYNONYMS.get(name) ?? [];
}
