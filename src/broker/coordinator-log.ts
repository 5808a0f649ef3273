// The log of a coordinator: an internal, compacted topic that the broker makes when it is first needed, and the state
// behind each of its partitions. It knows no kind of record.

import { assert, present } from '../core/assert.ts';
import { COORDINATOR_BATCH_BYTES_MAX } from '../core/limits.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import type { ConfigEntries } from './config/broker-config.ts';
import type { RecordFormat } from './coordinator-log-format.ts';
import { CoordinatorLogPartition, type StateMachine } from './coordinator-log-partition.ts';
import type { RoutedTopic } from './router.ts';
import type { BrokerServices } from './services.ts';
import { createTopic, isRefusal } from './topic-creation.ts';

/** What a coordinator takes from the broker. */
export type CoordinatorServices = Pick<
  BrokerServices,
  'executor' | 'metadata' | 'router' | 'topics' | 'clock' | 'random' | 'logger' | 'config' | 'recordBatches'
>;

export interface CoordinatorLogOptions<R, M extends StateMachine<R>> {
  readonly services: CoordinatorServices;
  readonly topic: string;
  /** Partitions and configurations of the topic when it is made; the overrides are whole, nobody's defaults reach it. */
  readonly creation: () => { readonly partitionCount: number; readonly configs: ConfigEntries };
  readonly format: RecordFormat<R>;
  /** An empty state for the partition with this index. */
  readonly machine: (index: number) => M;
}

/** Kafka's `String.hashCode` of the key, made positive, modulo the partition count: where Kafka keeps it too. */
export function partitionOfKey(key: string, partitionCount: number): number {
  let hash = 0;
  for (let index = 0; index < key.length; index++) hash = (Math.imul(hash, 31) + key.charCodeAt(index)) | 0;
  const positive = hash === -2_147_483_648 ? 0 : Math.abs(hash);
  return positive % partitionCount;
}

export class CoordinatorLog<R, M extends StateMachine<R>> {
  readonly #options: CoordinatorLogOptions<R, M>;
  #partitions: CoordinatorLogPartition<R, M>[] | undefined;
  #creating: Promise<number> | undefined;
  #closed = false;

  constructor(options: CoordinatorLogOptions<R, M>) {
    this.#options = options;
  }

  /** The partitions, by index; undefined while there is no topic, and so no state. */
  get partitions(): readonly CoordinatorLogPartition<R, M>[] | undefined {
    return this.#partitions;
  }

  /** Begins to read the log where there is one. Called once, when the topics are open. */
  start(): void {
    const topic = this.#options.services.router.topic(this.#options.topic);
    if (topic !== undefined) this.#attach(topic);
  }

  /** Makes the topic where there is none; resolves with NONE when its partitions are there and being read. */
  ensure(): Promise<number> | undefined {
    if (this.#partitions !== undefined) return undefined;
    if (this.#closed) return Promise.resolve(ERROR_CODES.COORDINATOR_NOT_AVAILABLE);
    this.#creating ??= this.#create().finally(() => {
      this.#creating = undefined;
    });
    return this.#creating;
  }

  /** The partition that keeps the key; undefined while there is no topic. */
  partitionOf(key: string): CoordinatorLogPartition<R, M> | undefined {
    return this.#partitions?.[this.indexOf(key)];
  }

  /** The index of that partition: of the topic as it is, or as it would be made. */
  indexOf(key: string): number {
    return partitionOfKey(key, this.#partitions?.length ?? this.#options.creation().partitionCount);
  }

  /** Resolves when no partition is being read. */
  async whenLoaded(): Promise<void> {
    await Promise.all(this.#partitions?.map((each) => each.whenLoaded()) ?? []);
  }

  /** Answers what is under way and takes nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#creating;
    await Promise.all(this.#partitions?.map((each) => each.close()) ?? []);
  }

  async #create(): Promise<number> {
    const { services, topic: name, creation } = this.#options;
    const { partitionCount, configs } = creation();
    const made = await createTopic(services, { name, partitionCount, replicationFactor: 1, configs });
    // Nobody else makes it, but whoever asked before may have been answered while it came into being.
    if (isRefusal(made) && made.errorCode !== ERROR_CODES.TOPIC_ALREADY_EXISTS) {
      services.logger.error('the topic of a coordinator cannot be made', { topic: name, reason: made.message });
      return ERROR_CODES.COORDINATOR_NOT_AVAILABLE;
    }
    if (this.#partitions === undefined) this.#attach(present(services.router.topic(name), 'topic just made'));
    await this.whenLoaded();
    return ERROR_CODES.NONE;
  }

  #attach(topic: RoutedTopic): void {
    assert(this.#partitions === undefined, 'the log of a coordinator is read once');
    const { services, format, machine } = this.#options;
    const { executor, clock, logger, recordBatches: codec } = services;
    this.#partitions = topic.partitions.map(
      (partition) =>
        new CoordinatorLogPartition({
          partition,
          executor,
          codec,
          format,
          clock,
          flushes: () => services.config.settings.flushesForAcksAll,
          machine: () => machine(partition.index),
          report: (message, fault) =>
            logger.error(message, { partition: partition.directory, fault: fault.code, reason: fault.message }),
        }),
    );
  }
}

/** Overrides that every topic of a coordinator has: what users set as defaults must not reach it. */
export const COORDINATOR_TOPIC_CONFIGS = {
  'cleanup.policy': 'compact',
  'compression.type': 'producer',
  'message.timestamp.type': 'CreateTime',
  'message.timestamp.before.max.ms': '9223372036854775807',
  'message.timestamp.after.max.ms': '9223372036854775807',
  'retention.ms': '-1',
  'max.message.bytes': String(COORDINATOR_BATCH_BYTES_MAX),
  'min.insync.replicas': '1',
  'retention.bytes': '-1',
} as const;
