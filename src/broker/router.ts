// Which topics and partitions this broker serves: names and ids to handles, and the main thread's mirror of every
// partition's state. It opens and closes nothing.

import type { TopicRecord } from '../cluster/metadata-store.ts';
import { assert, present } from '../core/assert.ts';
import type { FaultRecord } from '../core/fault.ts';
import type { PartitionHandle, PartitionState } from '../partition/commands.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { parseUuid, type Uuid } from '../protocol/uuid.ts';
import type { TopicSettings } from './config/broker-config.ts';
import { collisionKey, partitionDirectory } from './topic-names.ts';

/** Something that waits for the partition to move; see fetch-waits.ts. */
export interface PartitionWait {
  /** Bytes still missing. */
  bytesLeft: number;
  /** Whether only bytes below the last stable offset count. */
  readonly stable: boolean;
  end(reason: 'bytes' | 'changed'): void;
}

/** One partition as the request path sees it. */
export class RoutedPartition {
  readonly topic: RoutedTopic;
  readonly index: number;
  readonly handle: PartitionHandle;
  readonly directory: string;
  leaderEpoch: number;
  /** The last state seen; undefined until the partition is open, and again once it is offline. */
  state: PartitionState | undefined;
  /** Deleted: nobody may serve it any more. */
  gone = false;
  /** Why it is offline. */
  fault: FaultRecord | undefined;
  /** Long polls that look at this partition; undefined where there have been none. */
  waits: Set<PartitionWait> | undefined;

  constructor(topic: RoutedTopic, index: number, handle: PartitionHandle) {
    this.topic = topic;
    this.index = index;
    this.handle = handle;
    this.directory = partitionDirectory(topic.name, index);
    this.leaderEpoch = topic.record.partitions[index]?.leaderEpoch ?? -1;
  }

  /** Kafka's error code where the partition cannot serve now, else 0. */
  get unavailable(): number {
    if (this.state !== undefined) return ERROR_CODES.NONE;
    if (this.fault !== undefined) return ERROR_CODES.KAFKA_STORAGE_ERROR;
    return this.gone ? ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION : ERROR_CODES.NOT_LEADER_OR_FOLLOWER;
  }
}

/** One topic as the request path sees it. */
export class RoutedTopic {
  readonly name: string;
  readonly id: Uuid;
  readonly partitions: RoutedPartition[] = [];
  record: TopicRecord;
  settings: TopicSettings;

  constructor(record: TopicRecord, settings: TopicSettings) {
    this.name = record.name;
    this.id = present(parseUuid(record.id), 'id of a topic');
    this.record = record;
    this.settings = settings;
  }
}

/** Checks the leader epoch that a client believes in against ours: Kafka's error code, or 0. -1 is no belief. */
export function fenceLeaderEpoch(partition: RoutedPartition, currentLeaderEpoch: number): number {
  if (currentLeaderEpoch < 0 || currentLeaderEpoch === partition.leaderEpoch) return ERROR_CODES.NONE;
  return currentLeaderEpoch < partition.leaderEpoch
    ? ERROR_CODES.FENCED_LEADER_EPOCH
    : ERROR_CODES.UNKNOWN_LEADER_EPOCH;
}

export class Router {
  readonly #topics = new Map<string, RoutedTopic>();
  readonly #topicsById = new Map<Uuid, RoutedTopic>();
  readonly #partitions: (RoutedPartition | undefined)[] = [];
  /** Names by their form with dots as underscores: two topics of one form share their metrics in Kafka. */
  readonly #forms = new Map<string, string>();

  get topicCount(): number {
    return this.#topics.size;
  }

  topics(): Iterable<RoutedTopic> {
    return this.#topics.values();
  }

  topic(name: string): RoutedTopic | undefined {
    return this.#topics.get(name);
  }

  topicById(id: Uuid): RoutedTopic | undefined {
    return this.#topicsById.get(id);
  }

  /** A topic whose name differs from `name` in dots and underscores alone. */
  collision(name: string): string | undefined {
    return this.#forms.get(collisionKey(name));
  }

  partition(handle: PartitionHandle): RoutedPartition | undefined {
    return this.#partitions[handle];
  }

  *partitions(): Generator<RoutedPartition> {
    for (const topic of this.#topics.values()) yield* topic.partitions;
  }

  /** Takes a new topic in; its partitions have handles and are not open. */
  add(record: TopicRecord, settings: TopicSettings): RoutedTopic {
    assert(!this.#topics.has(record.name), 'a topic is routed once');
    const topic = new RoutedTopic(record, settings);
    this.#topics.set(topic.name, topic);
    this.#topicsById.set(topic.id, topic);
    this.#forms.set(collisionKey(topic.name), topic.name);
    this.extend(topic, record);
    return topic;
  }

  /** Gives handles to the partitions that `record` has and the topic had not, and returns them. */
  extend(topic: RoutedTopic, record: TopicRecord): readonly RoutedPartition[] {
    topic.record = record;
    const first = topic.partitions.length;
    for (let index = first; index < record.partitions.length; index++) {
      const partition = new RoutedPartition(topic, index, this.#partitions.length);
      this.#partitions.push(partition);
      topic.partitions.push(partition);
    }
    return topic.partitions.slice(first);
  }

  /** Takes a topic out: its partitions are gone for requests that still hold them. */
  remove(topic: RoutedTopic): void {
    this.#topics.delete(topic.name);
    this.#topicsById.delete(topic.id);
    this.#forms.delete(collisionKey(topic.name));
    for (const partition of topic.partitions) {
      partition.gone = true;
      partition.state = undefined;
      this.#partitions[partition.handle] = undefined;
    }
  }
}
