// The metadata of a cluster of one broker, in one file that is replaced as a whole: a crash leaves the old or the new.
// Every start counts as an epoch, and the epoch is that of every partition's leader. It opens no partition.

import { present } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import type { Logger } from '../core/logger.ts';
import type { Store } from '../core/platform.ts';
import type { InitialMetadata } from './initial-metadata.ts';
import { METADATA_FILE, METADATA_FORMAT, type MetadataFile, readMetadataFile, unreadable } from './metadata-file.ts';
import type {
  CommitResult,
  DeletedTopic,
  MetadataChange,
  MetadataEvent,
  MetadataStore,
  PartitionRecord,
  TopicRecord,
  VersionedConfigs,
} from './metadata-store.ts';

const NO_CONFIGS: VersionedConfigs = { revision: 0, configs: {} };

/** Everything the file holds, and nothing else. */
interface Image {
  readonly revision: number;
  readonly topics: Map<string, TopicRecord>;
  readonly names: Map<string, string>;
  readonly deleted: Map<string, DeletedTopic>;
  readonly brokerConfigs: VersionedConfigs;
  readonly defaultBrokerConfigs: VersionedConfigs;
  /** By group id; never empty ones. */
  readonly groupConfigs: ReadonlyMap<string, VersionedConfigs>;
  readonly nextProducerId: number;
}

interface Pending {
  readonly changes: readonly MetadataChange[];
  readonly resolve: (result: CommitResult) => void;
}

export interface LocalMetadataOptions {
  readonly store: Store;
  readonly clusterId: string;
  readonly nodeId: number;
  readonly logger: Logger;
  /** What to begin with where there is no file yet; undefined is nothing. Asked at most once. */
  readonly initial?: () => InitialMetadata | undefined;
}

export class LocalMetadataStore implements MetadataStore {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly brokerEpoch: number;
  readonly #store: Store;
  readonly #logger: Logger;
  readonly #observers: ((event: MetadataEvent) => void)[] = [];
  #image: Image;
  #pending: Pending[] = [];

  /**
   * Reads the file, or begins with `initial` where there is none, and writes down that the broker started once more.
   * Throws ERR_DATA_DIRECTORY_UNREADABLE for a file that is damaged or belongs to another cluster, ERR_STORAGE where
   * the store refuses.
   */
  static open(options: LocalMetadataOptions): LocalMetadataStore {
    const file = readMetadataFile(options);
    const store = new LocalMetadataStore(options, file);
    store.#write(store.#image);
    return store;
  }

  private constructor(options: LocalMetadataOptions, file: MetadataFile) {
    this.clusterId = options.clusterId;
    this.nodeId = options.nodeId;
    this.brokerEpoch = file.brokerEpoch + 1;
    this.#store = options.store;
    this.#logger = options.logger;
    this.#image = imageOf(file, (count) => this.#partitions(count));
  }

  controllerId(): number {
    return this.nodeId;
  }

  topics(): Iterable<TopicRecord> {
    return this.#image.topics.values();
  }

  topicCount(): number {
    return this.#image.topics.size;
  }

  topic(name: string): TopicRecord | undefined {
    return this.#image.topics.get(name);
  }

  deletedTopics(): Iterable<DeletedTopic> {
    return this.#image.deleted.values();
  }

  brokerConfigs(nodeId: number | undefined): VersionedConfigs {
    return nodeId === undefined ? this.#image.defaultBrokerConfigs : this.#image.brokerConfigs;
  }

  groupConfigs(groupId: string): VersionedConfigs {
    return this.#image.groupConfigs.get(groupId) ?? NO_CONFIGS;
  }

  configuredGroups(): Iterable<string> {
    return this.#image.groupConfigs.keys();
  }

  nextProducerId(): number {
    return this.#image.nextProducerId;
  }

  observe(observer: (event: MetadataEvent) => void): void {
    this.#observers.push(observer);
  }

  /** Transactions of one turn of the event loop share one write. */
  commit(changes: readonly MetadataChange[]): Promise<CommitResult> {
    return new Promise((resolve) => {
      this.#pending.push({ changes, resolve });
      if (this.#pending.length === 1) queueMicrotask(() => this.#flush());
    });
  }

  #flush(): void {
    const pending = this.#pending;
    this.#pending = [];
    const outcomes: CommitResult[] = [];
    let draft = this.#draft(this.#image, []);
    for (const { changes } of pending) {
      // One change applies as a whole or not at all, so only several need a draft of their own to fall back from.
      const step = changes.length === 1 ? draft : this.#draft(draft.image(), draft.events);
      const committed = changes.every((change) => step.apply(change));
      if (committed) draft = step;
      outcomes.push(committed ? { outcome: 'committed', revision: draft.revision } : { outcome: 'conflict' });
    }
    const changed = outcomes.some(({ outcome }) => outcome === 'committed');
    const image = changed ? draft.image() : this.#image;
    const { events } = draft;
    this.#settle(pending, outcomes, { image, events });
  }

  #draft(from: Image, events: readonly MetadataEvent[]): Transaction {
    return new Transaction(from, {
      revision: this.#image.revision + 1,
      nodeId: this.nodeId,
      partitions: (count) => this.#partitions(count),
      events: [...events],
    });
  }

  #settle(
    pending: readonly Pending[],
    outcomes: readonly CommitResult[],
    next: { readonly image: Image; readonly events: readonly MetadataEvent[] },
  ): void {
    if (next.image !== this.#image) {
      const failure = this.#tryWrite(next.image);
      if (failure !== undefined) {
        for (const { resolve } of pending) resolve(failure);
        return;
      }
      this.#image = next.image;
    }
    for (const event of next.events) for (const observer of this.#observers) observer(event);
    pending.forEach(({ resolve }, index) => {
      resolve(present(outcomes[index], 'outcome'));
    });
  }

  #tryWrite(image: Image): CommitResult | undefined {
    try {
      this.#write(image);
      return undefined;
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      this.#logger.error('the metadata could not be written', { fault: error.code, reason: error.message });
      return { outcome: 'failed', fault: error.toRecord() };
    }
  }

  #write(image: Image): void {
    const file = {
      format: METADATA_FORMAT,
      clusterId: this.clusterId,
      brokerEpoch: this.brokerEpoch,
      revision: image.revision,
      topics: Array.from(image.topics.values(), ({ name, id, partitions, configs, revision }) => ({
        name,
        id,
        partitions: partitions.length,
        configs,
        revision,
      })),
      deleted: Array.from(image.deleted.values(), ({ name, id, partitionCount }) => ({
        name,
        id,
        partitions: partitionCount,
      })),
      brokerConfigs: image.brokerConfigs.configs,
      defaultBrokerConfigs: image.defaultBrokerConfigs.configs,
      groupConfigs: Object.fromEntries(Array.from(image.groupConfigs, ([groupId, each]) => [groupId, each.configs])),
      nextProducerId: image.nextProducerId,
    };
    this.#store.replaceSmall(METADATA_FILE, new TextEncoder().encode(`${JSON.stringify(file)}\n`));
    // Until the directory is flushed a power loss brings the file before back, and with it ids that were given already.
    this.#store.flushDirectory('');
  }

  /** Records of the partitions of one topic: on one node they are all alike. */
  #partitions(count: number): readonly PartitionRecord[] {
    const replicas = [this.nodeId];
    const record = {
      leader: this.nodeId,
      leaderEpoch: this.brokerEpoch,
      replicas,
      inSyncReplicas: replicas,
    };
    return new Array<PartitionRecord>(count).fill(record);
  }
}

type MakePartitions = (count: number) => readonly PartitionRecord[];

interface TransactionOptions {
  readonly revision: number;
  readonly nodeId: number;
  readonly partitions: MakePartitions;
  readonly events: MetadataEvent[];
}

/** Transactions under way: a copy of the image, and what observers are to be told. */
class Transaction {
  readonly events: MetadataEvent[];
  readonly revision: number;
  readonly #partitions: MakePartitions;
  readonly #nodeId: number;
  readonly #topics: Map<string, TopicRecord>;
  readonly #names: Map<string, string>;
  readonly #deleted: Map<string, DeletedTopic>;
  #brokerConfigs: VersionedConfigs;
  #defaultBrokerConfigs: VersionedConfigs;
  readonly #groupConfigs: Map<string, VersionedConfigs>;
  #nextProducerId: number;

  constructor(before: Image, options: TransactionOptions) {
    this.revision = options.revision;
    this.events = options.events;
    this.#nodeId = options.nodeId;
    this.#partitions = options.partitions;
    this.#topics = new Map(before.topics);
    this.#names = new Map(before.names);
    this.#deleted = new Map(before.deleted);
    this.#brokerConfigs = before.brokerConfigs;
    this.#defaultBrokerConfigs = before.defaultBrokerConfigs;
    this.#groupConfigs = new Map(before.groupConfigs);
    this.#nextProducerId = before.nextProducerId;
  }

  image(): Image {
    return {
      revision: this.revision,
      topics: this.#topics,
      names: this.#names,
      deleted: this.#deleted,
      brokerConfigs: this.#brokerConfigs,
      defaultBrokerConfigs: this.#defaultBrokerConfigs,
      groupConfigs: this.#groupConfigs,
      nextProducerId: this.#nextProducerId,
    };
  }

  /** Whether the condition of the change holds; then it is made. */
  apply(change: MetadataChange): boolean {
    switch (change.kind) {
      case 'create-topic':
        return this.#create(change);
      case 'delete-topic':
        return this.#delete(change.id);
      case 'forget-deleted':
        return this.#deleted.delete(change.id);
      case 'add-partitions':
        return this.#change(change, (topic) =>
          change.partitionCount > topic.partitions.length
            ? { ...topic, partitions: this.#partitions(change.partitionCount) }
            : undefined,
        );
      case 'configure-topic':
        return this.#change(change, (topic) => ({ ...topic, configs: change.configs }));
      case 'configure-broker':
        return this.#configureBroker(change);
      case 'configure-group':
        return this.#configureGroup(change);
      case 'take-producer-ids':
        return this.#takeProducerIds(change);
    }
  }

  #create(change: Extract<MetadataChange, { kind: 'create-topic' }>): boolean {
    const { name, id, partitionCount, configs } = change;
    if (this.#topics.has(name) || this.#names.has(id)) return false;
    const partitions = this.#partitions(partitionCount);
    const topic: TopicRecord = { name, id, partitions, configs, revision: this.revision };
    this.#topics.set(name, topic);
    this.#names.set(id, name);
    this.events.push({ kind: 'topic-created', topic });
    return true;
  }

  #find(id: string): TopicRecord | undefined {
    const name = this.#names.get(id);
    return name === undefined ? undefined : this.#topics.get(name);
  }

  #delete(id: string): boolean {
    const topic = this.#find(id);
    if (topic === undefined) return false;
    this.#topics.delete(topic.name);
    this.#names.delete(id);
    this.#deleted.set(id, { name: topic.name, id, partitionCount: topic.partitions.length });
    this.events.push({ kind: 'topic-deleted', topic });
    return true;
  }

  #change(
    condition: { readonly id: string; readonly revision: number },
    next: (topic: TopicRecord) => TopicRecord | undefined,
  ): boolean {
    const before = this.#find(condition.id);
    if (before === undefined || before.revision !== condition.revision) return false;
    const changed = next(before);
    if (changed === undefined) return false;
    const topic = { ...changed, revision: this.revision };
    this.#topics.set(topic.name, topic);
    this.events.push({ kind: 'topic-changed', topic, before });
    return true;
  }

  #configureBroker(change: Extract<MetadataChange, { kind: 'configure-broker' }>): boolean {
    const { nodeId, configs, revision } = change;
    if (nodeId !== undefined && nodeId !== this.#nodeId) return false;
    const before = nodeId === undefined ? this.#defaultBrokerConfigs : this.#brokerConfigs;
    if (before.revision !== revision) return false;
    const after = { configs, revision: this.revision };
    if (nodeId === undefined) this.#defaultBrokerConfigs = after;
    else this.#brokerConfigs = after;
    this.events.push({ kind: 'broker-configured' });
    return true;
  }

  #configureGroup({ groupId, configs, revision }: Extract<MetadataChange, { kind: 'configure-group' }>): boolean {
    if ((this.#groupConfigs.get(groupId) ?? NO_CONFIGS).revision !== revision) return false;
    if (Object.keys(configs).length === 0) this.#groupConfigs.delete(groupId);
    else this.#groupConfigs.set(groupId, { configs, revision: this.revision });
    this.events.push({ kind: 'group-configured', groupId });
    return true;
  }

  #takeProducerIds({ first, count: taken }: Extract<MetadataChange, { kind: 'take-producer-ids' }>): boolean {
    if (first !== this.#nextProducerId || !Number.isSafeInteger(first + taken)) return false;
    this.#nextProducerId = first + taken;
    return true;
  }
}

function imageOf(file: MetadataFile, makePartitions: MakePartitions): Image {
  const topics = new Map<string, TopicRecord>();
  for (const { name, id, partitions, configs: overrides, revision } of file.topics) {
    if (topics.has(name)) throw unreadable(`topic ${name} is there twice`);
    topics.set(name, { name, id, partitions: makePartitions(partitions), configs: overrides, revision });
  }
  const names = new Map(Array.from(topics.values(), ({ name, id }): [string, string] => [id, name]));
  if (names.size !== topics.size) throw unreadable('two topics have one id');
  return {
    revision: file.revision,
    topics,
    names,
    deleted: new Map(
      file.deleted.map(({ name, id, partitions }): [string, DeletedTopic] => [
        id,
        { name, id, partitionCount: partitions },
      ]),
    ),
    brokerConfigs: { revision: file.revision, configs: file.brokerConfigs },
    defaultBrokerConfigs: { revision: file.revision, configs: file.defaultBrokerConfigs },
    groupConfigs: new Map(
      Array.from(file.groupConfigs, ([groupId, each]) => [groupId, { revision: file.revision, configs: each }]),
    ),
    nextProducerId: file.nextProducerId,
  };
}
