// Topics, configs and offsets of a cluster, for operators and set-up code.

import type { ResponseOf } from '../protocol/api.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { listOffsets } from '../protocol/messages/02-list-offsets.ts';
import { createTopics } from '../protocol/messages/19-create-topics.ts';
import { deleteTopics } from '../protocol/messages/20-delete-topics.ts';
import { deleteRecords } from '../protocol/messages/21-delete-records.ts';
import { describeConfigs } from '../protocol/messages/32-describe-configs.ts';
import { createPartitions } from '../protocol/messages/37-create-partitions.ts';
import { incrementalAlterConfigs } from '../protocol/messages/44-incremental-alter-configs.ts';
import { ZERO_UUID } from '../protocol/uuid.ts';
import { BrokerFault } from './broker-fault.ts';
import type { BrokerPlace, Cluster, TopicPlace } from './cluster.ts';
import { ISOLATION_LEVELS, type Isolation } from './isolation.ts';
import type { TopicPartition } from './record.ts';
import { retrying } from './retry.ts';

/** How long the broker may take over a change, in milliseconds. */
const CHANGE_TIMEOUT_MS = 30_000;
/** Stands for the broker's own default (KIP-464): num.partitions, default.replication.factor. */
const BROKER_DEFAULT = -1;

/** Kafka's numbers for what configs belong to. */
const RESOURCE_TYPES = { topic: 2, broker: 4, group: 32 } as const;
const CONFIG_OPERATIONS = { set: 0, delete: 1, append: 2, subtract: 3 } as const;
const CONFIG_SOURCES = [
  'unknown',
  'topic',
  'broker',
  'default-broker',
  'static-broker',
  'default',
  'broker-logger',
  'client-metrics',
  'group',
] as const;

export interface NewTopic {
  readonly topic: string;
  /** By default the broker's num.partitions. */
  readonly numPartitions?: number;
  /** By default the broker's default.replication.factor. */
  readonly replicationFactor?: number;
  /** Topic configs by Kafka's names, for example `{ 'retention.ms': '60000' }`. */
  readonly configs?: Readonly<Record<string, string>>;
}

/** What configs belong to. A broker's name is its node id, a group's its group id. */
export interface ConfigResource {
  readonly type: keyof typeof RESOURCE_TYPES;
  readonly name: string;
}

export interface ConfigEntry {
  readonly name: string;
  /** Null where the config is sensitive. */
  readonly value: string | null;
  /** Who set it: `topic`, `broker`, `default-broker`, `group`, `static-broker` (the start command or its file) or `default`. */
  readonly source: (typeof CONFIG_SOURCES)[number];
  readonly readOnly: boolean;
  readonly sensitive: boolean;
}

/** One change of a config. Without `operation` a value is set, and null goes back to the default. */
export interface ConfigChange {
  readonly name: string;
  readonly value: string | null;
  /** `append` and `subtract` are for lists, such as cleanup.policy. */
  readonly operation?: 'set' | 'append' | 'subtract';
}

/** Which offset to look up: the ends of the log, or the first record at or after a time (milliseconds since 1970). */
export type OffsetQuery = 'earliest' | 'latest' | 'max-timestamp' | { readonly timestamp: number };

export interface PartitionOffset extends TopicPartition {
  /** -1 where no record is that late. */
  readonly offset: number;
  readonly timestamp: number;
}

export interface ClusterDescription {
  readonly clusterId: string | null;
  readonly controllerId: number;
  readonly brokers: readonly BrokerPlace[];
}

/**
 * Changes and describes a cluster. Every method throws a {@link BrokerFault} that names Kafka's error where the broker
 * refuses, and ERR_CONNECTION or ERR_TIMEOUT where it cannot be reached. A change that names several things may have
 * been made for some of them when it throws for another.
 */
export class Admin {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Creates topics; when it resolves they can be used. `validateOnly` checks without creating. */
  async createTopics(request: {
    readonly topics: readonly NewTopic[];
    readonly validateOnly?: boolean;
  }): Promise<void> {
    const topics = request.topics.map((topic) => ({
      name: topic.topic,
      numPartitions: topic.numPartitions ?? BROKER_DEFAULT,
      replicationFactor: topic.replicationFactor ?? BROKER_DEFAULT,
      assignments: [],
      configs: Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value })),
    }));
    const validateOnly = request.validateOnly ?? false;
    const body = { topics, validateOnly, timeoutMs: CHANGE_TIMEOUT_MS };
    const response = await this.#cluster.control.request(createTopics, body);
    for (const { name } of response.topics) this.#cluster.forget(name);
    refuse(response.topics, (topic) => `create topic ${topic.name}`);
  }

  /** Deletes topics with all of their records. */
  async deleteTopics(request: { readonly topics: readonly string[] }): Promise<void> {
    const { topics: names } = request;
    const topics = names.map((name) => ({ name, topicId: ZERO_UUID }));
    const connection = this.#cluster.control;
    const version = await connection.version(deleteTopics);
    const named = version >= 6 ? { topics } : { topicNames: names };
    const response = await connection.request(deleteTopics, { ...named, timeoutMs: CHANGE_TIMEOUT_MS });
    for (const name of names) this.#cluster.forget(name);
    refuse(response.responses, (topic) => `delete topic ${topic.name}`);
  }

  /** Raises the number of partitions of topics to `count` each. Keys may then map to other partitions than before. */
  async createPartitions(request: {
    readonly topicPartitions: readonly { readonly topic: string; readonly count: number }[];
    readonly validateOnly?: boolean;
  }): Promise<void> {
    const topics = request.topicPartitions.map(({ topic, count }) => ({ name: topic, count, assignments: null }));
    const validateOnly = request.validateOnly ?? false;
    const body = { topics, validateOnly, timeoutMs: CHANGE_TIMEOUT_MS };
    const response = await this.#cluster.control.request(createPartitions, body);
    for (const { name } of response.results) this.#cluster.forget(name);
    refuse(response.results, (topic) => `create partitions of ${topic.name}`);
  }

  /** Names of all topics, sorted; internal ones only where asked for. */
  async listTopics(options: { readonly internal?: boolean } = {}): Promise<string[]> {
    const { topics } = await this.#cluster.describe();
    const listed = topics.filter((topic) => options.internal === true || !topic.isInternal);
    return listed.map((topic) => topic.name).sort();
  }

  /** Partitions, leaders and ids of every topic, internal ones included. */
  async describeTopics(): Promise<readonly TopicPlace[]> {
    return (await this.#cluster.describe()).topics;
  }

  /** Partitions, leaders and id of one topic. */
  async describeTopic(topic: string): Promise<TopicPlace> {
    this.#cluster.forget(topic);
    return await this.#cluster.topic(topic, { create: false });
  }

  async describeCluster(): Promise<ClusterDescription> {
    const { clusterId, controllerId, brokers } = await this.#cluster.describe();
    return { clusterId, controllerId, brokers };
  }

  /** Every config of a topic, group or broker, with its value and who set it; or those that `names` asks for. */
  async describeConfigs(resource: ConfigResource, names?: readonly string[]): Promise<ConfigEntry[]> {
    const asked = { resourceType: RESOURCE_TYPES[resource.type], resourceName: resource.name };
    const body = { resources: [{ ...asked, configurationKeys: names ?? null }] };
    const { retry } = this.#cluster.options;
    const response = await retrying(retry, this.#cluster.retryContext, () =>
      this.#cluster.control.request(describeConfigs, body),
    );
    refuse(response.results, () => `describe configs of ${resource.type} ${resource.name}`);
    return response.results.flatMap((result) => result.configs.map(configEntry));
  }

  /** Changes some configs of a topic, group or broker and leaves the others (KIP-339). */
  async alterConfigs(
    resource: ConfigResource,
    changes: readonly ConfigChange[],
    options: { readonly validateOnly?: boolean } = {},
  ): Promise<void> {
    const configs = changes.map(({ name, value, operation }) => ({
      name,
      value,
      configOperation: value === null ? CONFIG_OPERATIONS.delete : CONFIG_OPERATIONS[operation ?? 'set'],
    }));
    const altered = { resourceType: RESOURCE_TYPES[resource.type], resourceName: resource.name, configs };
    const body = { resources: [altered], validateOnly: options.validateOnly ?? false };
    const response = await this.#cluster.control.request(incrementalAlterConfigs, body);
    refuse(response.responses, () => `alter configs of ${resource.type} ${resource.name}`);
  }

  /** Looks offsets up; the answers stand in the order of `partitions`. */
  async listOffsets(partitions: readonly TopicPartition[], query: OffsetQuery): Promise<PartitionOffset[]> {
    const timestamp = timestampOf(query);
    return await lookUpOffsets(
      this.#cluster,
      partitions.map((place) => ({ ...place, timestamp })),
    );
  }

  /** First offset and end offset (exclusive) of every partition of a topic. */
  async fetchTopicOffsets(topic: string): Promise<{ partition: number; low: number; high: number }[]> {
    const { partitions } = await this.describeTopic(topic);
    const places = partitions.map(({ partition }) => ({ topic, partition }));
    const [low, high] = await Promise.all([this.listOffsets(places, 'earliest'), this.listOffsets(places, 'latest')]);
    return places.map(({ partition }, index) => ({
      partition,
      low: low[index]?.offset ?? -1,
      high: high[index]?.offset ?? -1,
    }));
  }

  /**
   * Deletes the records below an offset; -1 deletes all that consumers can see. Resolves with the first offset that is
   * left of each partition.
   */
  async deleteRecords(
    partitions: readonly (TopicPartition & { readonly offset: number })[],
  ): Promise<PartitionOffset[]> {
    const results: PartitionOffset[] = [];
    for (const [leader, group] of await groupByLeader(this.#cluster, partitions)) {
      const topics = groupByTopic(group).map(([name, places]) => ({
        name,
        partitions: places.map(({ partition, offset }) => ({ partitionIndex: partition, offset })),
      }));
      const connection = this.#cluster.connection(leader, 'control');
      const response = await connection.request(deleteRecords, { topics, timeoutMs: CHANGE_TIMEOUT_MS });
      for (const { name, partitions: deleted } of response.topics) {
        refuse(deleted, ({ partitionIndex }) => `delete records of ${name}-${partitionIndex}`);
        for (const { partitionIndex, lowWatermark } of deleted) {
          results.push({ topic: name, partition: partitionIndex, offset: lowWatermark, timestamp: -1 });
        }
      }
    }
    return results;
  }
}

/** Throws for the first result that is an error. */
function refuse<T extends { readonly errorCode: number; readonly errorMessage?: string | null }>(
  results: readonly T[],
  about: (result: T) => string,
): void {
  const failed = results.find((result) => result.errorCode !== ERROR_CODES.NONE);
  if (failed !== undefined) throw new BrokerFault(failed.errorCode, about(failed), failed.errorMessage);
}

type DescribedConfig = ResponseOf<typeof describeConfigs>['results'][number]['configs'][number];

function configEntry(config: DescribedConfig): ConfigEntry {
  const source = CONFIG_SOURCES[config.configSource] ?? 'unknown';
  return { name: config.name, value: config.value, source, readOnly: config.readOnly, sensitive: config.isSensitive };
}

/** The number under which ListOffsets knows the query. */
export function timestampOf(query: OffsetQuery): number {
  if (query === 'latest') return -1;
  if (query === 'earliest') return -2;
  return query === 'max-timestamp' ? -3 : query.timestamp;
}

/**
 * Looks offsets up with their leaders; answers in the order of the queries. Retries what is retriable. With
 * `read_committed` a partition ends where the first open transaction begins.
 */
export async function lookUpOffsets(
  cluster: Cluster,
  queries: readonly (TopicPartition & { readonly timestamp: number })[],
  isolation: Isolation = 'read_uncommitted',
): Promise<PartitionOffset[]> {
  return await retrying(cluster.options.retry, cluster.retryContext, async () => {
    try {
      return await lookUpOffsetsOnce(cluster, queries, isolation);
    } catch (error) {
      for (const { topic } of queries) cluster.forget(topic);
      throw error;
    }
  });
}

async function lookUpOffsetsOnce(
  cluster: Cluster,
  queries: readonly (TopicPartition & { readonly timestamp: number })[],
  isolation: Isolation,
): Promise<PartitionOffset[]> {
  const isolationLevel = ISOLATION_LEVELS[isolation];
  const found = new Map<string, PartitionOffset>();
  for (const [leader, group] of await groupByLeader(cluster, queries)) {
    const topics = groupByTopic(group).map(([name, places]) => ({
      name,
      partitions: places.map(({ partition, timestamp }) => ({ partitionIndex: partition, timestamp })),
    }));
    const connection = cluster.connection(leader, 'control');
    const body = { replicaId: -1, isolationLevel, topics, timeoutMs: CHANGE_TIMEOUT_MS };
    const response = await connection.request(listOffsets, body);
    for (const { name, partitions } of response.topics) {
      refuse(partitions, ({ partitionIndex }) => `list offsets of ${name}-${partitionIndex}`);
      for (const { partitionIndex: partition, offset, timestamp } of partitions) {
        found.set(`${name} ${partition}`, { topic: name, partition, offset, timestamp });
      }
    }
  }
  return queries.map(({ topic, partition }) => {
    const answer = found.get(`${topic} ${partition}`);
    if (answer === undefined)
      throw new BrokerFault(ERROR_CODES.UNKNOWN_SERVER_ERROR, `list offsets of ${topic}-${partition}`);
    return answer;
  });
}

/** Partitions by the node that leads them. Throws where a partition does not exist or has no leader. */
export async function groupByLeader<T extends TopicPartition>(
  cluster: Cluster,
  partitions: readonly T[],
): Promise<Map<number, T[]>> {
  const groups = new Map<number, T[]>();
  for (const place of partitions) {
    const { partitions: known } = await cluster.topic(place.topic, { create: false });
    const leader = known[place.partition]?.leader;
    if (leader === undefined || leader < 0) {
      const missing = leader === undefined;
      const code = missing ? ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION : ERROR_CODES.LEADER_NOT_AVAILABLE;
      throw new BrokerFault(code, `partition ${place.topic}-${place.partition}`, undefined, { retriable: !missing });
    }
    const group = groups.get(leader);
    if (group === undefined) groups.set(leader, [place]);
    else group.push(place);
  }
  return groups;
}

/** Partitions by topic, in order of appearance. */
export function groupByTopic<T extends TopicPartition>(partitions: readonly T[]): [topic: string, places: T[]][] {
  const topics = new Map<string, T[]>();
  for (const place of partitions) {
    const places = topics.get(place.topic);
    if (places === undefined) topics.set(place.topic, [place]);
    else places.push(place);
  }
  return [...topics];
}
