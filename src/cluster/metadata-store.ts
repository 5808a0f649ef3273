// What a broker needs from wherever the cluster keeps its metadata: topics, configurations and epochs to read, and
// transactions to change them. One node keeps them in a file; a cluster keeps them in etcd. It knows no partition's log.

import type { FaultRecord } from '../core/fault.ts';

/** Who leads a partition, under which epoch, and who holds copies. */
export interface PartitionRecord {
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly inSyncReplicas: readonly number[];
}

export interface TopicRecord {
  readonly name: string;
  /** 16 bytes as base64url without padding, the form in which Kafka prints ids. */
  readonly id: string;
  /** By partition index; dense. */
  readonly partitions: readonly PartitionRecord[];
  /** Normalized overrides, by Kafka's key. */
  readonly configs: Readonly<Record<string, string>>;
  /** Revision of the store at which the record last changed: the condition of the next change. */
  readonly revision: number;
}

/** A topic that is deleted and whose directories may still be there. */
export interface DeletedTopic {
  readonly name: string;
  readonly id: string;
  readonly partitionCount: number;
}

/** One step of a transaction. A step whose condition does not hold makes the whole transaction a conflict. */
export type MetadataChange =
  | {
      /** Holds when no topic has the name or the id. */
      readonly kind: 'create-topic';
      readonly name: string;
      readonly id: string;
      readonly partitionCount: number;
      readonly configs: Readonly<Record<string, string>>;
    }
  | {
      /** Holds when the topic is there; it is remembered as deleted until `forget-deleted`. */
      readonly kind: 'delete-topic';
      readonly id: string;
    }
  | {
      /** The directories of the deleted topic are gone. */
      readonly kind: 'forget-deleted';
      readonly id: string;
    }
  | {
      /** Holds when the topic is at `revision` and has fewer partitions. */
      readonly kind: 'add-partitions';
      readonly id: string;
      readonly revision: number;
      readonly partitionCount: number;
    }
  | {
      /** Replaces the overrides; holds when the topic is at `revision`. */
      readonly kind: 'configure-topic';
      readonly id: string;
      readonly revision: number;
      readonly configs: Readonly<Record<string, string>>;
    }
  | {
      /** Replaces the dynamic values of one broker, or with `nodeId` undefined of every broker. */
      readonly kind: 'configure-broker';
      readonly nodeId: number | undefined;
      /** Revision at which the values were read, from {@link MetadataStore.brokerConfigs}. */
      readonly revision: number;
      readonly configs: Readonly<Record<string, string>>;
    }
  | {
      /** Replaces the configuration of a group, which need not exist; nothing left is no configuration. */
      readonly kind: 'configure-group';
      readonly groupId: string;
      /** Revision at which the values were read, from {@link MetadataStore.groupConfigs}. */
      readonly revision: number;
      readonly configs: Readonly<Record<string, string>>;
    }
  | {
      /** Takes producer ids for whoever asks; holds when `first` is the next one. What is taken is never given again. */
      readonly kind: 'take-producer-ids';
      readonly first: number;
      readonly count: number;
    };

export type CommitResult =
  | { readonly outcome: 'committed'; readonly revision: number }
  /** A condition did not hold: nothing changed; read again and decide again. */
  | { readonly outcome: 'conflict' }
  /** The store could not write: nothing changed. */
  | { readonly outcome: 'failed'; readonly fault: FaultRecord };

/** What changed, told in the order of the commits. */
export type MetadataEvent =
  | { readonly kind: 'topic-created'; readonly topic: TopicRecord }
  | { readonly kind: 'topic-deleted'; readonly topic: TopicRecord }
  | { readonly kind: 'topic-changed'; readonly topic: TopicRecord; readonly before: TopicRecord }
  | { readonly kind: 'broker-configured' }
  | { readonly kind: 'group-configured'; readonly groupId: string };

export interface VersionedConfigs {
  readonly revision: number;
  readonly configs: Readonly<Record<string, string>>;
}

/** Reading is from a local image and immediate; changing is a transaction. */
export interface MetadataStore {
  readonly clusterId: string;
  readonly nodeId: number;
  /** Grows with every start of this broker in the cluster; fences what an earlier start still does. */
  readonly brokerEpoch: number;
  controllerId(): number;
  /** In no particular order. */
  topics(): Iterable<TopicRecord>;
  topicCount(): number;
  topic(name: string): TopicRecord | undefined;
  deletedTopics(): Iterable<DeletedTopic>;
  brokerConfigs(nodeId: number | undefined): VersionedConfigs;
  /** The configuration of a group, empty at revision 0 where it has none. */
  groupConfigs(groupId: string): VersionedConfigs;
  /** Ids of the groups that have a configuration, in no particular order. */
  configuredGroups(): Iterable<string>;
  /** The first producer id that nobody has taken. */
  nextProducerId(): number;
  /** Applies all changes or none. When it resolves as committed they are durable and every observer has been told. */
  commit(changes: readonly MetadataChange[]): Promise<CommitResult>;
  observe(observer: (event: MetadataEvent) => void): void;
}
