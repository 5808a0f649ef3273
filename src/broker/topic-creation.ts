// The rules by which a topic comes into being, for CreateTopics and for creation on first use alike.

import { PARTITIONS_PER_REQUEST_MAX } from '../core/limits.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { type Uuid, uuidFromBytes } from '../protocol/uuid.ts';
import { type ConfigEntries, topicObjection } from './config/broker-config.ts';
import { normalize, objection, quote } from './config/definition.ts';
import { TOPIC_CONFIGS } from './config/topic-configs.ts';
import type { RoutedTopic } from './router.ts';
import type { BrokerServices } from './services.ts';
import { isInternalTopic, topicNameObjection } from './topic-names.ts';

/** Kafka's error code and what it is about. */
export interface Refusal {
  readonly errorCode: number;
  readonly message: string;
}

export interface TopicAssignment {
  readonly partitionIndex: number;
  readonly brokerIds: readonly number[];
}

/** A topic as a client asks for it. -1 stands for the broker's default. */
export interface TopicWish {
  readonly name: string;
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly assignments: readonly TopicAssignment[];
  readonly configs: readonly { readonly name: string; readonly value: string | null }[];
}

/** A topic that nothing speaks against. */
export interface TopicPlan {
  readonly name: string;
  readonly partitionCount: number;
  readonly replicationFactor: number;
  readonly configs: ConfigEntries;
}

export function isRefusal(value: object): value is Refusal {
  return 'errorCode' in value;
}

function refuse(errorCode: number, message: string): Refusal {
  return { errorCode, message };
}

/** Checks a wish against the rules and the topics there are. */
export function planTopic(services: BrokerServices, wish: TopicWish): TopicPlan | Refusal {
  const { name } = wish;
  const objected = nameRefusal(services, name);
  if (objected !== undefined) return objected;
  const count = wish.assignments.length > 0 ? assignedCount(services, wish) : wishedCount(services, wish);
  if (typeof count !== 'number') return count;
  const configs = planConfigs(services, wish.configs);
  if (isConfigRefusal(configs)) return configs.refusal;
  return { name, partitionCount: count, replicationFactor: 1, configs: configs.entries };
}

function nameRefusal({ router }: BrokerServices, name: string): Refusal | undefined {
  const objected = topicNameObjection(name);
  if (objected !== undefined) return refuse(ERROR_CODES.INVALID_TOPIC_EXCEPTION, objected);
  if (isInternalTopic(name)) {
    return refuse(ERROR_CODES.INVALID_REQUEST, `Topic '${name}' is internal: the broker makes it when it needs it`);
  }
  if (router.topic(name) !== undefined) {
    return refuse(ERROR_CODES.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
  }
  const other = router.collision(name);
  if (other !== undefined) {
    return refuse(ERROR_CODES.INVALID_TOPIC_EXCEPTION, `Topic '${name}' collides with existing topic: ${other}`);
  }
  return undefined;
}

function wishedCount({ config }: BrokerServices, { numPartitions, replicationFactor }: TopicWish): number | Refusal {
  if (replicationFactor === 0 || replicationFactor < -1) {
    return refuse(
      ERROR_CODES.INVALID_REPLICATION_FACTOR,
      'Replication factor must be larger than 0, or -1 to use the default value.',
    );
  }
  if (replicationFactor > 1) {
    return refuse(
      ERROR_CODES.INVALID_REPLICATION_FACTOR,
      `Unable to replicate the partition ${replicationFactor} time(s): only 1 broker is registered.`,
    );
  }
  if (numPartitions === -1) return config.settings.numPartitions;
  if (numPartitions <= 0) {
    return refuse(ERROR_CODES.INVALID_PARTITIONS, 'Number of partitions was set to an invalid non-positive value.');
  }
  return numPartitions > PARTITIONS_PER_REQUEST_MAX ? tooMany(numPartitions) : numPartitions;
}

export function tooMany(count: number): Refusal {
  return refuse(
    ERROR_CODES.POLICY_VIOLATION,
    `${count} partitions are too many: one request creates at most ${PARTITIONS_PER_REQUEST_MAX}`,
  );
}

function assignedCount({ metadata }: BrokerServices, wish: TopicWish): number | Refusal {
  const { assignments } = wish;
  if (wish.numPartitions !== -1 || wish.replicationFactor !== -1) {
    return refuse(
      ERROR_CODES.INVALID_REQUEST,
      'A manual partition assignment was specified, but numPartitions and replicationFactor were not both set to -1.',
    );
  }
  const indexes = new Set(assignments.map(({ partitionIndex }) => partitionIndex));
  if (indexes.size !== assignments.length) {
    return refuse(ERROR_CODES.INVALID_REPLICA_ASSIGNMENT, 'Found multiple manual assignments for one partition.');
  }
  for (let index = 0; index < assignments.length; index++) {
    if (!indexes.has(index)) {
      return refuse(
        ERROR_CODES.INVALID_REPLICA_ASSIGNMENT,
        'Partitions should be a consecutive 0-based integer sequence.',
      );
    }
  }
  if (assignments.length > PARTITIONS_PER_REQUEST_MAX) return tooMany(assignments.length);
  for (const { brokerIds } of assignments) {
    const refusal = replicaRefusal(brokerIds, metadata.nodeId);
    if (refusal !== undefined) return refusal;
  }
  return assignments.length;
}

/** One broker can hold one replica of each partition: itself. */
export function replicaRefusal(brokerIds: readonly number[], nodeId: number): Refusal | undefined {
  const code = ERROR_CODES.INVALID_REPLICA_ASSIGNMENT;
  if (brokerIds.length === 0) return refuse(code, 'The manual partition assignment includes an empty replica list.');
  if (new Set(brokerIds).size !== brokerIds.length) {
    return refuse(code, 'The manual partition assignment includes a broker more than once.');
  }
  const foreign = brokerIds.find((id) => id !== nodeId);
  if (foreign === undefined) return undefined;
  return refuse(code, `The manual partition assignment includes broker ${foreign}, but no such broker is registered.`);
}

type PlannedConfigs = { readonly entries: ConfigEntries } | { readonly refusal: Refusal };

function isConfigRefusal(planned: PlannedConfigs): planned is { readonly refusal: Refusal } {
  return 'refusal' in planned;
}

function planConfigs({ config }: BrokerServices, wishes: TopicWish['configs']): PlannedConfigs {
  const entries: Record<string, string> = {};
  for (const { name, value } of wishes) {
    const checked = checkTopicConfig(name, value);
    if (typeof checked !== 'string') return { refusal: checked };
    entries[name] = checked;
  }
  const objected = topicObjection(entries, config);
  if (objected !== undefined) return { refusal: refuse(ERROR_CODES.INVALID_CONFIG, objected) };
  return { entries };
}

/** The normalized value of a topic key, or what speaks against it. */
function checkTopicConfig(name: string, given: string | null): string | Refusal {
  const definition = TOPIC_CONFIGS.find(name);
  if (definition === undefined) {
    return refuse(
      ERROR_CODES.INVALID_CONFIG,
      `Unknown topic config name: ${quote(name)}${TOPIC_CONFIGS.suggestion(name)}`,
    );
  }
  if (given === null) {
    return refuse(ERROR_CODES.INVALID_CONFIG, `Null value not supported for topic configs: ${name}`);
  }
  const value = normalize(definition, given);
  const objected = objection(definition, value);
  return objected === undefined ? value : refuse(ERROR_CODES.INVALID_CONFIG, objected);
}

/** An id that no topic has; Kafka avoids a leading hyphen, because it looks like an option on a command line. */
function newTopicId({ random, router }: Pick<BrokerServices, 'random' | 'router'>): Uuid {
  for (;;) {
    const id = uuidFromBytes(random.uuid());
    if (!id.startsWith('-') && !id.startsWith('AAAAAAAAAAAAAAAAAAAA') && router.topicById(id) === undefined) return id;
  }
}

/** Makes the topic; when it resolves, its partitions are open, or offline for a reason that was logged. */
export async function createTopic(
  services: Pick<BrokerServices, 'metadata' | 'random' | 'router' | 'topics'>,
  plan: TopicPlan,
): Promise<RoutedTopic | Refusal> {
  const { name, partitionCount, configs } = plan;
  const id = newTopicId(services);
  const result = await services.metadata.commit([{ kind: 'create-topic', name, id, partitionCount, configs }]);
  if (result.outcome === 'failed') return refuse(ERROR_CODES.KAFKA_STORAGE_ERROR, result.fault.message);
  const topic = services.router.topic(name);
  if (result.outcome === 'conflict' || topic === undefined) {
    return refuse(ERROR_CODES.TOPIC_ALREADY_EXISTS, `Topic '${name}' already exists.`);
  }
  await services.topics.settled(name);
  return topic;
}
