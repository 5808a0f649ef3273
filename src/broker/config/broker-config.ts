// The broker's configuration as it stands: what was given at the start and what was changed since, layered as Kafka
// layers it, and the parsed values that the request path reads. Immutable: a change makes a new one.

import { LogFault } from '../../core/fault.ts';
import type { CleanerConfig, LogCompression, LogConfig } from '../../storage/log-config.ts';
import { BROKER_CONFIGS, brokerSynonyms, NODE_ID } from './broker-configs.ts';
import { brokerLagObjection, topicLagObjection } from './cleaner-configs.ts';
import { listOf, toNumber } from './definition.ts';
import { GROUP_KEYS, type GroupBrokerSettings, groupSettings, groupsObjection } from './group-configs.ts';
import { type ListenerSetting, parseAdvertisedListeners, parseListeners, withoutControllers } from './listeners.ts';
import { checkStartEntries, type KeysWithoutEffect } from './start-entries.ts';
import { scaled, TOPIC_CONFIGS, topicSynonyms } from './topic-configs.ts';
import { type TransactionSettings, transactionSettings } from './transaction-configs.ts';

/** Where a value comes from, with the numbers by which DescribeConfigs tells it. */
export const CONFIG_SOURCES = {
  'dynamic-topic': 1,
  'dynamic-broker': 2,
  'dynamic-default-broker': 3,
  'static-broker': 4,
  default: 5,
  'dynamic-group': 8,
} as const;
export type ConfigSource = keyof typeof CONFIG_SOURCES;

/** Normalized values by key. */
export type ConfigEntries = Readonly<Record<string, string>>;

export interface ConfigSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: ConfigSource;
}

/** A value with everything that could have given it, the one that does first. */
export interface ResolvedConfig {
  /** In the key's own unit; null where nothing sets it. */
  readonly value: string | null;
  readonly source: ConfigSource;
  readonly synonyms: readonly ConfigSynonym[];
}

/** What the broker reads while it serves: numbers and flags, parsed once. */
export interface BrokerSettings {
  readonly nodeId: number;
  readonly numPartitions: number;
  readonly defaultReplicationFactor: number;
  readonly autoCreateTopics: boolean;
  readonly deleteTopics: boolean;
  readonly flushesForAcksAll: boolean;
  readonly fetchMaxBytes: number;
  /** Partitions of one DescribeTopicPartitions response. */
  readonly requestPartitionsMax: number;
  readonly fetchSessionsMax: number;
  /** Undefined where `listeners` is not set. */
  readonly listeners: readonly ListenerSetting[] | undefined;
  readonly advertisedListeners: readonly ListenerSetting[];
  readonly listenerProtocolMap: string;
  readonly socketRequestMaxBytes: number;
  readonly queuedRequestMaxBytes: number;
  readonly maxConnections: number;
  readonly connectionsMaxIdleMs: number;
  readonly flushCheckpointIntervalMs: number;
  readonly retentionCheckIntervalMs: number;
  readonly groups: GroupBrokerSettings;
  readonly transactions: TransactionSettings;
}

/** What one topic's requests are checked against. */
export interface TopicSettings {
  readonly log: LogConfig;
  readonly minInsyncReplicas: number;
}

interface Layer {
  readonly source: ConfigSource;
  readonly entries: ConfigEntries;
}

const NOTHING: ConfigEntries = {};

export class BrokerConfig {
  readonly settings: BrokerSettings;
  readonly #static: ConfigEntries;
  readonly #layers: readonly Layer[];

  /** The entries must have been checked: see {@link parseBrokerConfig}. */
  constructor(given: ConfigEntries, changed: ConfigEntries = NOTHING, changedDefault: ConfigEntries = NOTHING) {
    this.#static = given;
    this.#layers = [
      { source: 'dynamic-broker', entries: changed },
      { source: 'dynamic-default-broker', entries: changedDefault },
      { source: 'static-broker', entries: given },
    ];
    this.settings = settingsOf(this);
  }

  /** The same start, with other dynamic values: this broker's own, and those of every broker in the cluster. */
  withDynamic(changed: ConfigEntries, changedDefault: ConfigEntries): BrokerConfig {
    return new BrokerConfig(this.#static, changed, changedDefault);
  }

  /** The value of a broker key. Throws ERR_CONFIG where there is no such key. */
  resolve(name: string): ResolvedConfig {
    const definition = BROKER_CONFIGS.get(name);
    const found: (ConfigSynonym & { readonly unit: string | null })[] = [];
    for (const synonym of brokerSynonyms(name)) found.push(...this.#given(synonym.name));
    if (definition.defaultValue !== null) {
      found.push({ name, value: definition.defaultValue, unit: definition.defaultValue, source: 'default' });
    }
    // A key of another unit (log.retention.hours) speaks for the broker's behaviour, not for this key's value.
    const own = found.find((entry) => entry.name === name || sameUnit(name, entry.name));
    return { value: own?.unit ?? null, source: own?.source ?? 'default', synonyms: found.map(bare) };
  }

  *#given(name: string): Generator<ConfigSynonym & { readonly unit: string | null }> {
    for (const { source, entries } of this.#layers) {
      const value = entries[name];
      if (value !== undefined) yield { name, value, unit: value, source };
    }
  }

  /** The value of a topic key, for a topic with these overrides. Throws ERR_CONFIG where there is no such key. */
  resolveTopic(name: string, overrides: ConfigEntries): ResolvedConfig {
    const definition = TOPIC_CONFIGS.get(name);
    const found: (ConfigSynonym & { readonly unit: string | null })[] = [];
    const own = overrides[name];
    if (own !== undefined) found.push({ name, value: own, unit: own, source: 'dynamic-topic' });
    for (const synonym of topicSynonyms(name)) {
      for (const given of this.#given(synonym.name)) {
        found.push({ ...given, unit: given.value === null ? null : scaled(given.value, synonym) });
      }
    }
    for (const synonym of topicSynonyms(name)) {
      const value = BROKER_CONFIGS.get(synonym.name).defaultValue;
      if (value !== null) found.push({ name: synonym.name, value, unit: scaled(value, synonym), source: 'default' });
    }
    if (topicSynonyms(name).length === 0) {
      found.push({ name, value: definition.defaultValue, unit: definition.defaultValue, source: 'default' });
    }
    const [first] = found;
    return { value: first?.unit ?? null, source: first?.source ?? 'default', synonyms: found.map(bare) };
  }

  /** The value of a group's key, for a group with these overrides. Throws ERR_CONFIG where there is no such key. */
  resolveGroup(name: string, overrides: ConfigEntries): ResolvedConfig {
    const behind = this.resolve(GROUP_KEYS[name]?.name ?? name);
    const own = overrides[name];
    if (own === undefined) return behind;
    const source = 'dynamic-group';
    return { value: own, source, synonyms: [{ name, value: own, source }, ...behind.synonyms] };
  }

  /** What speaks against the values together, dynamic ones included; undefined where nothing does. */
  get objection(): string | undefined {
    const number = (name: string): number => toNumber(this.resolve(name).value ?? '0');
    return groupsObjection(number) ?? brokerLagObjection(number);
  }
}

function bare({ name, value, source }: ConfigSynonym): ConfigSynonym {
  return { name, value, source };
}

function sameUnit(name: string, other: string): boolean {
  return NODE_ID.some((each) => each.name === name) && NODE_ID.some((each) => each.name === other);
}

function settingsOf(config: BrokerConfig): BrokerSettings {
  const number = (name: string): number => toNumber(config.resolve(name).value ?? '0');
  const flag = (name: string): boolean => config.resolve(name).value === 'true';
  const text = (name: string): string => config.resolve(name).value ?? '';
  const listeners = text('listeners');
  const controllers = listOf(text('controller.listener.names'));
  return {
    nodeId: number('node.id'),
    numPartitions: number('num.partitions'),
    defaultReplicationFactor: number('default.replication.factor'),
    autoCreateTopics: flag('auto.create.topics.enable'),
    deleteTopics: flag('delete.topic.enable'),
    flushesForAcksAll: flag('millrace.acks.all.flush'),
    fetchMaxBytes: number('fetch.max.bytes'),
    requestPartitionsMax: number('max.request.partition.size.limit'),
    fetchSessionsMax: number('max.incremental.fetch.session.cache.slots'),
    listeners: listeners === '' ? undefined : listenersFor(listeners, controllers),
    advertisedListeners: withoutControllers(parseAdvertisedListeners(text('advertised.listeners')), controllers),
    listenerProtocolMap: text('listener.security.protocol.map'),
    socketRequestMaxBytes: number('socket.request.max.bytes'),
    queuedRequestMaxBytes: number('queued.max.request.bytes'),
    maxConnections: number('max.connections'),
    connectionsMaxIdleMs: number('connections.max.idle.ms'),
    flushCheckpointIntervalMs: number('log.flush.offset.checkpoint.interval.ms'),
    retentionCheckIntervalMs: number('log.retention.check.interval.ms'),
    groups: groupSettings({ number, text: (name) => config.resolve(name).value ?? '' }),
    transactions: transactionSettings({ number, flag }),
  };
}

function listenersFor(value: string, controllers: readonly string[]): readonly ListenerSetting[] {
  const listeners = withoutControllers(parseListeners('listeners', value), controllers);
  if (listeners.length > 0) return listeners;
  throw new LogFault('ERR_CONFIG', 'controller.listener.names takes every listener, and leaves none for clients');
}

/** What speaks against a topic's values together, with the broker's where the topic sets none. */
export function topicObjection(overrides: ConfigEntries, broker: BrokerConfig): string | undefined {
  return topicLagObjection((name) => toNumber(broker.resolveTopic(name, overrides).value ?? '0'));
}

/** The log's settings, and what else requests are checked against, for a topic with these overrides. */
export function topicSettings(overrides: ConfigEntries, broker: BrokerConfig): TopicSettings {
  const value = (name: string): string => broker.resolveTopic(name, overrides).value ?? '';
  return {
    log: toLogConfig(overrides, broker),
    minInsyncReplicas: toNumber(value('min.insync.replicas')),
  };
}

/** The settings of each log of a topic with these overrides. */
export function toLogConfig(overrides: ConfigEntries, broker: BrokerConfig): LogConfig {
  const value = (name: string): string => broker.resolveTopic(name, overrides).value ?? '';
  const number = (name: string): number => toNumber(value(name));
  const policies = value('cleanup.policy').split(',');
  // A record that must be compacted in time must not wait in the active segment.
  const compacts = policies.includes('compact');
  return {
    segmentBytes: number('segment.bytes'),
    segmentMs: compacts ? Math.min(number('segment.ms'), number('max.compaction.lag.ms')) : number('segment.ms'),
    segmentIndexBytes: number('segment.index.bytes'),
    indexIntervalBytes: number('index.interval.bytes'),
    retentionMs: number('retention.ms'),
    retentionBytes: number('retention.bytes'),
    deletes: policies.includes('delete'),
    compacts,
    minCleanableDirtyRatio: number('min.cleanable.dirty.ratio'),
    minCompactionLagMs: number('min.compaction.lag.ms'),
    maxCompactionLagMs: number('max.compaction.lag.ms'),
    deleteRetentionMs: number('delete.retention.ms'),
    cleaner: toCleanerConfig(broker),
    maxMessageBytes: number('max.message.bytes'),
    compression: toLogCompression(value),
    stampsLogAppendTime: value('message.timestamp.type') === 'LogAppendTime',
    timestampBeforeMaxMs: number('message.timestamp.before.max.ms'),
    timestampAfterMaxMs: number('message.timestamp.after.max.ms'),
    flushMessages: number('flush.messages'),
    flushMs: number('flush.ms'),
    producerIdExpirationMs: toNumber(broker.resolve('producer.id.expiration.ms').value ?? '0'),
    fileDeleteDelayMs: number('file.delete.delay.ms'),
  };
}

/** The codec that compression.type asks for, which has passed its choices, with its level. */
function toLogCompression(value: (name: string) => string): LogCompression {
  const type = value('compression.type');
  switch (type) {
    case 'gzip':
      return { type, level: toNumber(value('compression.gzip.level')) };
    case 'zstd':
      return { type, level: toNumber(value('compression.zstd.level')) };
    case 'snappy':
    case 'lz4':
    case 'uncompressed':
      return { type, level: undefined };
    default:
      return { type: 'producer', level: undefined };
  }
}

function toCleanerConfig(broker: BrokerConfig): CleanerConfig {
  const number = (name: string): number => toNumber(broker.resolve(name).value ?? '0');
  return {
    enabled: broker.resolve('log.cleaner.enable').value === 'true',
    backoffMs: number('log.cleaner.backoff.ms'),
    ioBytesPerSecond: number('log.cleaner.io.max.bytes.per.second'),
    dedupeBufferBytes: number('log.cleaner.dedupe.buffer.size'),
    loadFactor: number('log.cleaner.io.buffer.load.factor'),
  };
}

export interface ParsedBrokerConfig {
  readonly config: BrokerConfig;
  /** What was given and has no effect, for whoever gave it. */
  readonly withoutEffect: readonly KeysWithoutEffect[];
}

/**
 * The configuration from Kafka's keys, as a properties file or a command line gives them.
 * Throws ERR_CONFIG that names the key and what it takes.
 */
export function parseStartConfig(given: ConfigEntries): ParsedBrokerConfig {
  const { entries, withoutEffect } = checkStartEntries(given);
  const config = new BrokerConfig(entries);
  if (config.objection !== undefined) throw new LogFault('ERR_CONFIG', config.objection);
  return { config, withoutEffect };
}

/** {@link parseStartConfig} for those who tell nobody what had no effect. */
export function parseBrokerConfig(given: ConfigEntries): BrokerConfig {
  return parseStartConfig(given).config;
}
