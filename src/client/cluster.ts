// What a client knows of the cluster: brokers, topics, partition leaders; and its connections to the brokers.
// Producer, Consumer and Admin stand on it and share it. It knows nothing of records.

import { LogFault } from '../core/fault.ts';
import type { Clock, Random } from '../core/platform.ts';
import type { ResponseOf } from '../protocol/api.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { metadata } from '../protocol/messages/03-metadata.ts';
import { type Uuid, ZERO_UUID } from '../protocol/uuid.ts';
import { BrokerFault } from './broker-fault.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { type RetryContext, type RetryOptions, retrying } from './retry.ts';
import type { BrokerAddress, TransportOpener } from './transport.ts';

/** A partition's place, as of the last refresh. */
export interface PartitionPlace {
  readonly partition: number;
  /** Node id of the leader; -1 where there is none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly inSyncReplicas: readonly number[];
}

export interface TopicPlace {
  readonly name: string;
  /** The zero id where the broker knows no topic ids (Metadata below version 10). */
  readonly topicId: Uuid;
  readonly isInternal: boolean;
  /** In the order of their numbers, which begin at 0 and have no gaps. */
  readonly partitions: readonly PartitionPlace[];
}

export interface BrokerPlace extends BrokerAddress {
  readonly nodeId: number;
  readonly rack: string | null;
}

/** What the last Metadata response said of the cluster as a whole. */
export interface ClusterPlace {
  readonly clusterId: string | null;
  readonly controllerId: number;
  readonly brokers: readonly BrokerPlace[];
}

export interface ClusterOptions extends Omit<ConnectionOptions, 'opener' | 'clock' | 'random'> {
  readonly opener: TransportOpener;
  readonly clock: Clock;
  readonly random: Random;
  readonly retry: RetryOptions;
  /** Topics are looked up again after this time, in milliseconds. */
  readonly metadataMaxAgeMs: number;
}

interface CachedTopic {
  readonly place: TopicPlace;
  readonly staleAtMs: number;
}

/** Connections of different use must not wait for one another: a long poll would hold up everything behind it. */
export type ConnectionUse = string;

const CONTROL: ConnectionUse = 'control';

export class Cluster {
  readonly options: ClusterOptions;
  readonly #connections = new Map<string, Connection>();
  readonly #topics = new Map<string, CachedTopic>();
  readonly #lookups = new Map<string, Promise<TopicPlace>>();
  #brokers = new Map<number, BrokerPlace>();
  readonly #closing = new AbortController();

  constructor(options: ClusterOptions) {
    this.options = options;
  }

  /** Aborted when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  get retryContext(): RetryContext {
    return { clock: this.options.clock, random: this.options.random };
  }

  /** The connection for requests that any broker can answer. */
  get control(): Connection {
    return this.#connection(undefined, CONTROL);
  }

  /** The connection to a broker for one use; it opens itself when it is used. */
  connection(nodeId: number, use: ConnectionUse): Connection {
    return this.#connection(nodeId, use);
  }

  #connection(nodeId: number | undefined, use: ConnectionUse): Connection {
    if (this.#closing.signal.aborted) throw new LogFault('ERR_CLOSED', 'the client is closed');
    const address = this.#address(nodeId);
    const name = `${use}@${address === undefined ? '' : `${address.host}:${address.port}`}`;
    const known = this.#connections.get(name);
    if (known !== undefined) return known;
    const connection = new Connection(this.options, address);
    this.#connections.set(name, connection);
    return connection;
  }

  /**
   * A lone broker is reached by the address that the client was given, which may lead through proxies that the broker
   * knows nothing of.
   */
  #address(nodeId: number | undefined): BrokerAddress | undefined {
    if (nodeId === undefined || this.#brokers.size < 2) return undefined;
    return this.#brokers.get(nodeId);
  }

  /** Closes the connections of one use. */
  closeUse(use: ConnectionUse): void {
    for (const [name, connection] of this.#connections) {
      if (!name.startsWith(`${use}@`)) continue;
      connection.close();
      this.#connections.delete(name);
    }
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close();
    this.#connections.clear();
    this.#closing.abort();
  }

  /** The topic as last seen, where that is recent enough to be used without asking. */
  cached(topic: string): TopicPlace | undefined {
    const cached = this.#topics.get(topic);
    return cached !== undefined && this.options.clock.monotonic() < cached.staleAtMs ? cached.place : undefined;
  }

  /**
   * Looks a topic up, from memory where it is recent. With `create` the broker may create it (auto.create.topics.enable).
   * Throws ERR_BROKER (UNKNOWN_TOPIC_OR_PARTITION among others), ERR_CONNECTION, ERR_TIMEOUT.
   */
  topic(name: string, options: { readonly create: boolean }): Promise<TopicPlace> {
    const cached = this.cached(name);
    if (cached !== undefined) return Promise.resolve(cached);
    const key = `${options.create} ${name}`;
    const underWay = this.#lookups.get(key);
    if (underWay !== undefined) return underWay;
    const lookup = this.#lookUp(name, options.create).finally(() => this.#lookups.delete(key));
    this.#lookups.set(key, lookup);
    return lookup;
  }

  /** What is remembered of the topic is wrong: the next look-up asks. */
  forget(topic: string): void {
    this.#topics.delete(topic);
  }

  async #lookUp(name: string, create: boolean): Promise<TopicPlace> {
    return await retrying(this.options.retry, this.retryContext, async () => {
      const response = await this.refresh([name], create);
      const topic = response.topics.find((candidate) => candidate.name === name);
      if (topic === undefined) throw new BrokerFault(ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION, `topic ${name}`);
      if (topic.errorCode !== 0) throw lookUpFault(topic.errorCode, name, create);
      const place = topicPlace(topic, name);
      if (place.partitions.length === 0) throw new BrokerFault(ERROR_CODES.LEADER_NOT_AVAILABLE, `topic ${name}`);
      const staleAtMs = this.options.clock.monotonic() + this.options.metadataMaxAgeMs;
      this.#topics.set(name, { place, staleAtMs });
      return place;
    });
  }

  /** Asks for topics (undefined: for all of them) and learns the brokers. */
  async refresh(topics: readonly string[] | undefined, create: boolean): Promise<ResponseOf<typeof metadata>> {
    const connection = this.control;
    const version = await connection.version(metadata);
    // Version 0 has no null: there an empty list asks for all.
    const all = version === 0 ? [] : null;
    const named = topics?.map((name) => ({ name }));
    const body = { topics: named ?? all, allowAutoTopicCreation: version < 4 ? true : create };
    const response = await connection.request(metadata, body);
    this.#brokers = new Map(response.brokers.map((broker) => [broker.nodeId, broker]));
    return response;
  }

  /** Every topic that the broker lists, with the cluster as a whole. */
  async describe(): Promise<ClusterPlace & { readonly topics: readonly TopicPlace[] }> {
    const response = await retrying(this.options.retry, this.retryContext, () => this.refresh(undefined, false));
    const listed = response.topics.filter((topic) => topic.errorCode === 0);
    return {
      clusterId: response.clusterId,
      controllerId: response.controllerId,
      brokers: response.brokers,
      topics: listed.map((topic) => topicPlace(topic, topic.name ?? '')),
    };
  }
}

/** A topic that is not to be created does not appear by waiting. */
function lookUpFault(errorCode: number, name: string, create: boolean): LogFault {
  const fault = new BrokerFault(errorCode, `topic ${name}`);
  if (create || errorCode !== ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION) return fault;
  return new BrokerFault(errorCode, `topic ${name}`, undefined, { retriable: false });
}

type MetadataTopic = ResponseOf<typeof metadata>['topics'][number];

function topicPlace(topic: MetadataTopic, name: string): TopicPlace {
  const partitions = topic.partitions.map((partition) => ({
    partition: partition.partitionIndex,
    leader: partition.leaderId,
    leaderEpoch: partition.leaderEpoch,
    replicas: partition.replicaNodes,
    inSyncReplicas: partition.isrNodes,
  }));
  partitions.sort((left, right) => left.partition - right.partition);
  return { name, topicId: topic.topicId, isInternal: topic.isInternal, partitions };
}

/** The newest version of an API that can name a topic: the last one before topic ids where the id is not known. */
export function versionMaxFor(topicId: Uuid, lastWithNames: number): number {
  return topicId === ZERO_UUID ? lastWithNames : Number.POSITIVE_INFINITY;
}
