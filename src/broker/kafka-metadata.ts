// What a Kafka broker's metadata log (`__cluster_metadata`, KIP-500) says of topics, configurations of topics and groups, and ids: enough to
// go on with its data directory. It reads batches in their order and knows no files. Nothing is ever written here.
//
// The value of a record is: frame version (varint, 1), kind (varint, `metadata/src/main/resources/common/metadata` in
// Kafka's source), version of the kind (varint), then its fields, all of them flexible.

import type { InitialMetadata, InitialTopic } from '../cluster/initial-metadata.ts';
import type { StoredBatch } from '../core/record-batch-codec.ts';
import { FrameFault } from '../protocol/frame-fault.ts';
import { Reader } from '../protocol/reader.ts';
import { array, type Decoded, type Fields, int8, int32, int64, string, uuid } from '../protocol/schema.ts';
import { structCodec } from '../protocol/struct-codec.ts';
import type { Uuid } from '../protocol/uuid.ts';
import { type ConfigTable, normalize, objection } from './config/definition.ts';
import { GROUP_CONFIGS } from './config/group-resource-configs.ts';
import { TOPIC_CONFIGS } from './config/topic-configs.ts';
import { COORDINATOR_TOPIC_CONFIGS } from './coordinator-log.ts';
import { isInternalTopic } from './topic-names.ts';

const FRAME_VERSION = 1;
const KINDS = {
  topic: 2,
  partition: 3,
  config: 4,
  partitionChange: 5,
  removeTopic: 9,
  producerIds: 15,
  beginTransaction: 23,
  endTransaction: 24,
  abortTransaction: 25,
} as const;
/** ConfigResource.Type of topics and groups. */
const TOPIC_RESOURCE = 2;
const GROUP_RESOURCE = 32;
const NO_LEADER_CHANGE = -2;

const TOPIC = { name: string(), topicId: uuid() };
const PARTITION = {
  partitionId: int32(),
  topicId: uuid(),
  replicas: array(int32()),
  isr: array(int32()),
  removingReplicas: array(int32()),
  addingReplicas: array(int32()),
  leader: int32(),
  leaderEpoch: int32(),
  partitionEpoch: int32(),
  directories: array(uuid(), { from: 1 }),
};
const PARTITION_CHANGE = {
  partitionId: int32(),
  topicId: uuid(),
  leader: int32({ tag: 1, default: NO_LEADER_CHANGE }),
};
const CONFIG = { resourceType: int8(), resourceName: string(), name: string(), value: string({ nullableFrom: 0 }) };
const REMOVE_TOPIC = { topicId: uuid() };
const PRODUCER_IDS = { brokerId: int32(), brokerEpoch: int64(), nextProducerId: int64() };

/** A topic as far as it has been read. */
interface KafkaTopic {
  readonly name: string;
  readonly id: Uuid;
  /** Leader epoch by partition. */
  readonly epochs: Map<number, number>;
}

export interface KafkaMetadata extends InitialMetadata {
  /** Configurations that this broker does not have, as sentences: they are not taken over. */
  readonly objections: readonly string[];
}

/** @throws LogFault ERR_CORRUPT_LOG or ERR_MALFORMED_FRAME where the log does not follow the format */
export function readKafkaMetadata(batches: Iterable<StoredBatch>): KafkaMetadata {
  const image = new KafkaImage();
  for (const batch of batches) {
    if (batch.isControl) continue;
    for (const { value } of batch.records()) if (value !== null) image.take(value);
  }
  return image.finish();
}

class KafkaImage {
  readonly #topics = new Map<Uuid, KafkaTopic>();
  readonly #removed = new Map<Uuid, KafkaTopic>();
  readonly #configs = new Map<string, Map<string, string>>();
  readonly #groupConfigs = new Map<string, Map<string, string>>();
  #nextProducerId = 0;
  /** Records of a transaction whose end has not been read (KIP-868). */
  #pending: Uint8Array[] | undefined;

  take(value: Uint8Array): void {
    switch (kindOf(value).kind) {
      case KINDS.beginTransaction:
        this.#pending = [];
        break;
      case KINDS.endTransaction:
        for (const each of this.#pending ?? []) this.#apply(each);
        this.#pending = undefined;
        break;
      case KINDS.abortTransaction:
        this.#pending = undefined;
        break;
      default:
        if (this.#pending === undefined) this.#apply(value);
        else this.#pending.push(value);
    }
  }

  finish(): KafkaMetadata {
    const objections: string[] = [];
    const topics = Array.from(this.#topics.values(), ({ name, id, epochs }): InitialTopic => {
      const accepted = acceptedOf(TOPIC_CONFIGS, this.#configs.get(name), (objected) =>
        objections.push(`topic ${name}: ${objected}`),
      );
      const configs = isInternalTopic(name) ? { ...accepted, ...COORDINATOR_TOPIC_CONFIGS } : accepted;
      return { name, id, partitionCount: epochs.size, configs };
    });
    const deleted = Array.from(this.#removed.values(), ({ name, id, epochs }) => ({
      name,
      id,
      partitionCount: epochs.size,
    }));
    const epochs = Array.from(this.#topics.values(), (topic) => Math.max(0, ...topic.epochs.values()));
    const leaderEpochMax = epochs.reduce((most, each) => Math.max(most, each), 0);
    const groupConfigs = this.#acceptedGroups(objections);
    return { topics, deleted, leaderEpochMax, groupConfigs, nextProducerId: this.#nextProducerId, objections };
  }

  #apply(value: Uint8Array): void {
    const { kind, version, reader } = kindOf(value);
    switch (kind) {
      case KINDS.topic: {
        const { name, topicId } = decode(reader, TOPIC, version);
        this.#topics.set(topicId, { name, id: topicId, epochs: new Map() });
        break;
      }
      case KINDS.partition: {
        const { topicId, partitionId, leaderEpoch } = decode(reader, PARTITION, version);
        this.#topics.get(topicId)?.epochs.set(partitionId, leaderEpoch);
        break;
      }
      case KINDS.partitionChange:
        this.#changePartition(decode(reader, PARTITION_CHANGE, version));
        break;
      case KINDS.config:
        this.#configure(decode(reader, CONFIG, version));
        break;
      case KINDS.removeTopic:
        this.#remove(decode(reader, REMOVE_TOPIC, version).topicId);
        break;
      case KINDS.producerIds:
        this.#nextProducerId = decode(reader, PRODUCER_IDS, version).nextProducerId;
        break;
    }
  }

  /** A new leader, none included, is a new epoch; the record does not say which. */
  #changePartition({ topicId, partitionId, leader }: Decoded<typeof PARTITION_CHANGE>): void {
    const epochs = this.#topics.get(topicId)?.epochs;
    const epoch = epochs?.get(partitionId);
    if (leader !== NO_LEADER_CHANGE && epoch !== undefined) epochs?.set(partitionId, epoch + 1);
  }

  #configure({ resourceType, resourceName, name, value }: Decoded<typeof CONFIG>): void {
    if (resourceType !== TOPIC_RESOURCE && resourceType !== GROUP_RESOURCE) return;
    const resources = resourceType === GROUP_RESOURCE ? this.#groupConfigs : this.#configs;
    const configs = resources.get(resourceName) ?? new Map<string, string>();
    resources.set(resourceName, configs);
    if (value === null) configs.delete(name);
    else configs.set(name, value);
  }

  #remove(id: Uuid): void {
    const topic = this.#topics.get(id);
    if (topic === undefined) return;
    this.#topics.delete(id);
    this.#configs.delete(topic.name);
    this.#removed.set(id, topic);
  }

  #acceptedGroups(objections: string[]): InitialMetadata['groupConfigs'] {
    const groups = new Map<string, Readonly<Record<string, string>>>();
    for (const [groupId, configs] of this.#groupConfigs) {
      const accepted = acceptedOf(GROUP_CONFIGS, configs, (objected) =>
        objections.push(`group ${groupId}: ${objected}`),
      );
      if (Object.keys(accepted).length > 0) groups.set(groupId, accepted);
    }
    return groups;
  }
}

/** The values that this broker has a key for and can honour; `refuse` is told of the others. */
function acceptedOf(
  table: ConfigTable,
  given: ReadonlyMap<string, string> | undefined,
  refuse: (objected: string) => void,
): Readonly<Record<string, string>> {
  const accepted: Record<string, string> = {};
  for (const [name, each] of given ?? []) {
    const definition = table.find(name);
    const value = definition === undefined ? each : normalize(definition, each);
    const objected = definition === undefined ? `there is no ${name}` : objection(definition, value);
    if (objected === undefined) accepted[name] = value;
    else refuse(objected);
  }
  return accepted;
}

function kindOf(value: Uint8Array): { readonly kind: number; readonly version: number; readonly reader: Reader } {
  const reader = new Reader(value);
  const frame = reader.uvarint();
  if (frame !== FRAME_VERSION) throw new FrameFault(`a metadata record has frame version ${frame}`);
  return { kind: reader.uvarint(), version: reader.uvarint(), reader };
}

function decode<F extends Fields>(reader: Reader, fields: F, version: number): Decoded<F> {
  const codec = structCodec(fields, { version, flexible: true, nullable: false });
  // The codec makes from a table what the table's types say.
  return codec.read(reader) as Decoded<F>;
}
