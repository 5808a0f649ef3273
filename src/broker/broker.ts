// The broker: everything that stands behind a frame, put together, opened, kept going and closed. It knows neither
// sockets nor files.

import type { MetadataStore } from '../cluster/metadata-store.ts';
import { LogFault } from '../core/fault.ts';
import type { Logger } from '../core/logger.ts';
import type { Clock, Random, TimerHandle } from '../core/platform.ts';
import type { RecordBatchCodec } from '../core/record-batch-codec.ts';
import type { PartitionExecutor, PartitionState } from '../partition/commands.ts';
import type { BrokerConfig } from './config/broker-config.ts';
import { converge } from './convergence.ts';
import type { CoordinatorServices } from './coordinator-log.ts';
import { Dispatch } from './dispatch.ts';
import { FetchSessions } from './fetch-sessions.ts';
import { FetchWaits } from './fetch-waits.ts';
import { GroupCoordinator } from './groups/group-coordinator.ts';
import { unsupportedApiVersions } from './handlers/18-api-versions.ts';
import { ROUTES } from './handlers/table.ts';
import type { PartitionCheckpoint, PartitionCheckpoints } from './partition-checkpoints.ts';
import type {
  ConnectionContext,
  RequestHandler,
  RequestObserver,
  Responder,
  ResponseFrame,
} from './request-handler.ts';
import { type RoutedPartition, Router } from './router.ts';
import type { BrokerServices, Endpoint } from './services.ts';
import { forEachConcurrently, TopicLifecycle } from './topic-lifecycle.ts';
import { TransactionCoordinator } from './transactions/transaction-coordinator.ts';

export interface BrokerOptions {
  readonly executor: PartitionExecutor;
  readonly metadata: MetadataStore;
  readonly directory: PartitionCheckpoints;
  readonly config: BrokerConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Makes and reads the batches of logs that the broker itself keeps. */
  readonly recordBatches: RecordBatchCodec;
  readonly observer: RequestObserver;
  /** Where the client of this connection is to connect. */
  readonly advertised: (connection: ConnectionContext) => Endpoint;
}

/** One partition for metrics. */
export interface PartitionGauge {
  readonly topic: string;
  readonly partition: number;
  /** Undefined while the partition is offline. */
  readonly state: PartitionState | undefined;
}

export class Broker implements RequestHandler {
  readonly #options: BrokerOptions;
  /** What the handlers work with. */
  readonly services: BrokerServices;
  readonly #router = new Router();
  readonly #fetchWaits: FetchWaits;
  readonly #topics: TopicLifecycle;
  readonly #groups: GroupCoordinator;
  readonly #transactions: TransactionCoordinator;
  readonly #dispatch: Dispatch;
  readonly #timers = new Set<TimerHandle>();
  #config: BrokerConfig;
  #checkpointDue: Promise<void> | undefined;
  #closed = false;

  /**
   * Opens every partition and begins the periodic work; resolves when requests can be served. A partition that cannot
   * be opened is offline and the others serve. Throws LogFault where metadata or data directory refuse.
   */
  static async start(options: BrokerOptions): Promise<Broker> {
    const broker = new Broker(options);
    await broker.#start();
    return broker;
  }

  private constructor(options: BrokerOptions) {
    this.#options = options;
    this.#config = this.#currentConfig();
    this.#fetchWaits = new FetchWaits(options.clock);
    this.#topics = new TopicLifecycle({
      ...options,
      router: this.#router,
      fetchWaits: this.#fetchWaits,
      config: () => this.#config,
      checkpoint: () => this.#checkpoint(),
    });
    const coordinatorServices = this.#coordinatorServices();
    this.#groups = new GroupCoordinator(coordinatorServices);
    this.#transactions = new TransactionCoordinator({ services: coordinatorServices, offsets: this.#groups });
    this.services = this.#services();
    this.#dispatch = new Dispatch({
      routes: ROUTES,
      services: this.services,
      clock: options.clock,
      observer: options.observer,
      unsupportedApiVersions,
    });
  }

  #coordinatorServices(): CoordinatorServices {
    const { executor, metadata, clock, random, logger, recordBatches } = this.#options;
    const current = (): BrokerConfig => this.#config;
    return {
      executor,
      metadata,
      clock,
      random,
      logger,
      recordBatches,
      router: this.#router,
      topics: this.#topics,
      get config() {
        return current();
      },
    };
  }

  #services(): BrokerServices {
    const { executor, metadata, directory, clock, random, logger, recordBatches, advertised } = this.#options;
    const current = (): BrokerConfig => this.#config;
    return {
      executor,
      metadata,
      directory,
      clock,
      random,
      logger,
      recordBatches,
      advertised,
      router: this.#router,
      topics: this.#topics,
      transactions: this.#transactions,
      groups: this.#groups,
      transactionalOffsets: this.#groups,
      fetchWaits: this.#fetchWaits,
      fetchSessions: new FetchSessions({ clock, random, slots: () => this.#config.settings.fetchSessionsMax }),
      checkpoint: () => this.#checkpoint(),
      apis: ROUTES.map(({ served }) => served),
      get config() {
        return current();
      },
    };
  }

  /** The configuration as it stands: what was given at the start, under what was changed since. */
  get config(): BrokerConfig {
    return this.#config;
  }

  get partitionCount(): number {
    let count = 0;
    for (const topic of this.#router.topics()) count += topic.partitions.length;
    return count;
  }

  /** Long polls that wait now. */
  get waitingFetches(): number {
    return this.#fetchWaits.size;
  }

  *partitions(): Generator<PartitionGauge> {
    for (const { topic, index, state } of this.#router.partitions())
      yield { topic: topic.name, partition: index, state };
  }

  handle(frame: Uint8Array, context: ConnectionContext): Promise<ResponseFrame | undefined> {
    if (this.#closed) return Promise.reject(new LogFault('ERR_CLOSED', 'the broker is shutting down'));
    return this.#dispatch.handle(frame, context);
  }

  serve(frame: Uint8Array, context: ConnectionContext, responder: Responder): void {
    if (!this.#closed) this.#dispatch.serve(frame, context, responder);
    else this.handle(frame, context).catch((fault: unknown) => responder.rejected(fault));
  }

  whenWritable(): Promise<void> | undefined {
    return this.#options.executor.whenWritable();
  }

  /**
   * Answers waiting fetches, closes every partition in order and records it. `clean` says that the next start need
   * not recover anything. The executor stays open: it belongs to whoever made it.
   */
  async close(): Promise<{ readonly clean: boolean }> {
    if (this.#closed) return { clean: false };
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    this.#fetchWaits.close();
    await this.#transactions.close();
    await this.#groups.close();
    await this.#topics.idle();
    return { clean: await this.#closePartitions() };
  }

  async #start(): Promise<void> {
    const { executor, metadata, directory, logger, clock } = this.#options;
    // What was changed while the broker ran and what this start was given may not go together.
    const { objection } = this.#config;
    if (objection !== undefined) throw new LogFault('ERR_CONFIG', objection);
    executor.onStateChange((handle, state) => this.#stateChanged(handle, state));
    await converge({ metadata, directory, logger, clock });
    metadata.observe((event) => {
      if (event.kind === 'broker-configured') this.#config = this.#currentConfig();
    });
    await this.#topics.start();
    // Points of partitions that a deletion took before a crash must not meet a later partition of the same name.
    await this.#checkpoint();
    this.#groups.start();
    this.#transactions.start();
    const { retentionCheckIntervalMs, flushCheckpointIntervalMs } = this.#config.settings;
    this.#repeat(retentionCheckIntervalMs, () => this.#maintain());
    this.#repeat(flushCheckpointIntervalMs, () => this.#checkpoint());
  }

  #currentConfig(): BrokerConfig {
    const { config, metadata } = this.#options;
    const own = metadata.brokerConfigs(metadata.nodeId).configs;
    const common = metadata.brokerConfigs(undefined).configs;
    return config.withDynamic(own, common);
  }

  #stateChanged(handle: number, state: PartitionState): void {
    const partition = this.#router.partition(handle);
    if (partition === undefined) return;
    const before = partition.state;
    partition.state = state;
    partition.fault = undefined;
    if (before !== undefined) this.#fetchWaits.moved(partition, before, state);
  }

  /** Does `work` every `intervalMs` after the end of the last time. */
  #repeat(intervalMs: number, work: () => Promise<void>): void {
    if (this.#closed) return;
    const timer = this.#options.clock.schedule(Math.min(intervalMs, 0x7fffffff), () => {
      this.#timers.delete(timer);
      work().then(
        () => this.#repeat(intervalMs, work),
        (error: unknown) => {
          this.#options.logger.error('periodic work failed', { reason: String(error) });
          this.#repeat(intervalMs, work);
        },
      );
    });
    this.#timers.add(timer);
  }

  async #maintain(): Promise<void> {
    const { faults } = await this.#options.executor.maintain();
    for (const { handle, fault } of faults) {
      const partition = this.#router.partition(handle)?.directory;
      this.#options.logger.error('maintenance of a partition failed', {
        partition,
        fault: fault.code,
        reason: fault.message,
      });
    }
  }

  /** Requests for a checkpoint in one turn of the event loop share one. */
  #checkpoint(): Promise<void> {
    this.#checkpointDue ??= Promise.resolve().then(() => {
      this.#checkpointDue = undefined;
      this.#options.directory.write(this.#points());
    });
    return this.#checkpointDue;
  }

  #points(): Map<string, PartitionCheckpoint> {
    const points = new Map<string, PartitionCheckpoint>();
    for (const partition of this.#router.partitions()) points.set(partition.directory, this.#pointOf(partition));
    return points;
  }

  /** An offline partition keeps what was recorded when it was last open. */
  #pointOf({ directory, state }: RoutedPartition): PartitionCheckpoint {
    const known = state ?? this.#options.directory.partitions.get(directory);
    return { recoveryPoint: known?.recoveryPoint ?? 0, logStartOffset: known?.logStartOffset ?? 0 };
  }

  async #closePartitions(): Promise<boolean> {
    const { executor, directory, logger } = this.#options;
    let clean = true;
    await forEachConcurrently(this.#router.partitions(), async (partition) => {
      if (partition.state === undefined) {
        clean = false;
        return;
      }
      const reply = await executor.closePartition(partition.handle);
      if (reply.state !== undefined) partition.state = reply.state;
      if (reply.outcome === 'ok') return;
      clean = false;
      logger.error('a partition was not closed in order', { partition: partition.directory, ...reply.fault });
    });
    return this.#record(() => (clean ? directory.finish(this.#points()) : directory.write(this.#points()))) && clean;
  }

  /** A disk that refuses the last checkpoint costs the next start a recovery and nothing else. */
  #record(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      this.#options.logger.error('the last checkpoint could not be written', {
        fault: error.code,
        reason: error.message,
      });
      return false;
    }
  }
}
