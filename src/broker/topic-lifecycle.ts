// Carries out what the metadata says: opens the partitions of new topics, removes those of deleted ones, hands changed
// configurations to open logs. It decides nothing about requests; it is told of commits by the metadata store.

import type { MetadataEvent, MetadataStore, TopicRecord } from '../cluster/metadata-store.ts';
import { LogFault } from '../core/fault.ts';
import type { Logger } from '../core/logger.ts';
import type { OpenReply, PartitionExecutor } from '../partition/commands.ts';
import type { BrokerConfig, TopicSettings } from './config/broker-config.ts';
import { topicSettings } from './config/broker-config.ts';
import type { FetchWaits } from './fetch-waits.ts';
import type { PartitionCheckpoints } from './partition-checkpoints.ts';
import type { RoutedPartition, RoutedTopic, Router } from './router.ts';
import { isInternalTopic } from './topic-names.ts';

/** Partitions opened or closed at the same time: enough to fill the owners' groups, few enough to bound memory. */
const CONCURRENT_PARTITIONS = 512;

export interface TopicLifecycleOptions {
  readonly executor: PartitionExecutor;
  readonly metadata: MetadataStore;
  readonly directory: PartitionCheckpoints;
  readonly router: Router;
  readonly fetchWaits: FetchWaits;
  readonly logger: Logger;
  readonly config: () => BrokerConfig;
  readonly checkpoint: () => Promise<void>;
}

/** Runs `task` for every item, a bounded number at a time. */
export async function forEachConcurrently<T>(items: Iterable<T>, task: (item: T) => Promise<void>): Promise<void> {
  let batch: Promise<void>[] = [];
  for (const item of items) {
    batch.push(task(item));
    if (batch.length === CONCURRENT_PARTITIONS) {
      await Promise.all(batch);
      batch = [];
    }
  }
  await Promise.all(batch);
}

export class TopicLifecycle {
  readonly #options: TopicLifecycleOptions;
  /** Topics being opened, extended or removed, by name: what comes next for the name waits. */
  readonly #working = new Map<string, Promise<void>>();
  /** Settings by the text of their overrides: most topics share them. */
  #settings = new Map<string, TopicSettings>();
  #settingsOf: BrokerConfig | undefined;

  constructor(options: TopicLifecycleOptions) {
    this.#options = options;
  }

  /** Resolves when nothing is under way for the topic: it can be used, or is gone. */
  async settled(name: string): Promise<void> {
    for (let work = this.#working.get(name); work !== undefined; work = this.#working.get(name)) await work;
  }

  /** Resolves when nothing is under way for any topic. */
  async idle(): Promise<void> {
    while (this.#working.size > 0) await Promise.all(this.#working.values());
  }

  /** Routes and opens every topic of the metadata, and ends the deletions that a crash interrupted. */
  async start(): Promise<void> {
    const { metadata, router } = this.#options;
    for (const record of metadata.topics()) router.add(record, this.settingsOf(record));
    await forEachConcurrently(router.partitions(), (partition) => this.#open(partition, true));
    metadata.observe((event) => this.#follow(event));
  }

  /** What the topic's requests are checked against. */
  settingsOf(record: TopicRecord): TopicSettings {
    const config = this.#options.config();
    if (this.#settingsOf !== config) {
      this.#settingsOf = config;
      this.#settings = new Map();
    }
    const key = JSON.stringify(record.configs);
    const known = this.#settings.get(key);
    if (known !== undefined) return known;
    const settings = topicSettings(record.configs, config);
    this.#settings.set(key, settings);
    return settings;
  }

  #follow(event: MetadataEvent): void {
    switch (event.kind) {
      case 'topic-created':
        this.#created(event.topic);
        break;
      case 'topic-deleted':
        this.#deleted(event.topic);
        break;
      case 'topic-changed':
        this.#changed(event.topic);
        break;
      case 'broker-configured':
        this.#reconfigured();
        break;
      case 'group-configured':
        break;
    }
  }

  /** Does `work` after whatever is under way for the name. A failure is a bug or a fault that was logged. */
  #queue(name: string, work: () => Promise<void>): void {
    const before = this.#working.get(name) ?? Promise.resolve();
    const after: Promise<void> = before.then(work).then(
      () => this.#done(name, after),
      (error: unknown) => {
        this.#options.logger.error('work on a topic failed', { topic: name, reason: String(error) });
        this.#done(name, after);
      },
    );
    this.#working.set(name, after);
  }

  #done(name: string, work: Promise<void>): void {
    if (this.#working.get(name) === work) this.#working.delete(name);
  }

  #created(record: TopicRecord): void {
    const topic = this.#options.router.add(record, this.settingsOf(record));
    this.#queue(topic.name, () => forEachConcurrently([...topic.partitions], (each) => this.#open(each, false)));
  }

  #changed(record: TopicRecord): void {
    const { router } = this.#options;
    const topic = router.topic(record.name);
    if (topic === undefined) return;
    const added = router.extend(topic, record);
    if (added.length > 0) {
      this.#queue(topic.name, () => forEachConcurrently(added, (each) => this.#open(each, false)));
    }
    this.#configure(topic);
  }

  #reconfigured(): void {
    for (const topic of this.#options.router.topics()) this.#configure(topic);
  }

  #configure(topic: RoutedTopic): void {
    const before = topic.settings;
    topic.settings = this.settingsOf(topic.record);
    const { log } = topic.settings;
    if (JSON.stringify(before.log) === JSON.stringify(log)) return;
    this.#queue(topic.name, () =>
      forEachConcurrently([...topic.partitions], async (partition) => {
        if (partition.gone || partition.state === undefined) return;
        const reply = await this.#options.executor.configure({ handle: partition.handle, config: log });
        if (reply.outcome !== 'ok') this.#warn('a partition did not take its configuration', partition, reply);
      }),
    );
  }

  async #open(partition: RoutedPartition, stored: boolean): Promise<void> {
    if (partition.gone) return;
    const { executor, directory } = this.#options;
    const known = stored ? directory.partitions.get(partition.directory) : undefined;
    const reply = await executor.open({
      handle: partition.handle,
      directory: partition.directory,
      topicId: partition.topic.id,
      config: partition.topic.settings.log,
      leaderEpoch: partition.leaderEpoch,
      recoveryPoint: known?.recoveryPoint ?? 0,
      logStartOffset: known?.logStartOffset ?? 0,
      cleanShutdown: known !== undefined && directory.cleanShutdown,
      internal: isInternalTopic(partition.topic.name),
    });
    this.#opened(partition, reply);
  }

  #opened(partition: RoutedPartition, reply: OpenReply): void {
    if (partition.gone) return;
    if (reply.outcome === 'ok' && reply.state !== undefined) {
      partition.state = reply.state;
      partition.fault = undefined;
      return;
    }
    partition.state = undefined;
    partition.fault = reply.fault ?? { code: 'ERR_STORAGE', message: `${partition.directory}: ${reply.outcome}` };
    this.#warn('a partition could not be opened and is offline', partition, reply);
  }

  #warn(message: string, partition: RoutedPartition, reply: Pick<OpenReply, 'outcome' | 'fault'>): void {
    this.#options.logger.error(message, {
      partition: partition.directory,
      fault: reply.fault?.code ?? reply.outcome,
      reason: reply.fault?.message,
    });
  }

  /** Takes a partition whose owner does not have it any more out of service. */
  offline(partition: RoutedPartition, cause: string): void {
    if (partition.gone || partition.state === undefined) return;
    partition.state = undefined;
    partition.fault = { code: 'ERR_PARTITION_READ_ONLY', message: `${partition.directory}: ${cause}` };
    this.#options.logger.error('a partition is offline', { partition: partition.directory, reason: cause });
    this.#options.fetchWaits.changed(partition);
  }

  #deleted(record: TopicRecord): void {
    const { router, fetchWaits } = this.#options;
    const topic = router.topic(record.name);
    if (topic === undefined) return;
    router.remove(topic);
    for (const partition of topic.partitions) fetchWaits.changed(partition);
    this.#queue(topic.name, () => this.#remove(topic));
  }

  /**
   * Removes the directories, then the recorded points (a later topic of the same name must not be recovered from
   * them), and only then forgets that the topic was deleted: a crash in between is made good at the next start.
   */
  async #remove(topic: RoutedTopic): Promise<void> {
    let failed = false;
    await forEachConcurrently(topic.partitions, async (partition) => {
      if (!(await this.#removePartition(partition))) failed = true;
    });
    await this.#options.checkpoint();
    if (failed) return;
    await this.#options.metadata.commit([{ kind: 'forget-deleted', id: topic.id }]);
  }

  async #removePartition(partition: RoutedPartition): Promise<boolean> {
    let reply = await this.#options.executor.remove(partition.handle);
    // A lost owner may have had it open: only the one that takes its place can say.
    if (reply.outcome === 'worker-lost') reply = await this.#options.executor.remove(partition.handle);
    if (reply.outcome === 'ok') return true;
    try {
      // An offline partition has no owner: its directory is removed from here.
      this.#options.directory.removePartition(partition.directory);
      return true;
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      this.#warn('a deleted partition could not be removed', partition, {
        outcome: 'storage-error',
        fault: error.toRecord(),
      });
      return false;
    }
  }
}
