// The transaction coordinator: takes decisions of transaction.ts into the log, tells clients when they are durable, and
// sees every decided transaction through to its last marker. It holds no rule of its own about states.
//
// Order that a crash cannot break: a partition is in the log as part of the transaction before records go to it; the
// outcome is in the log before the first marker is written; "complete" is written after the last marker is on stable
// storage. So at every start the log says of each transaction either that it is open (its timeout or its producer will
// end it), or what its outcome is, and then every marker is written, perhaps once more, which readers do not notice.

import type { TimerHandle } from '../../core/platform.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import type { ConfigEntries } from '../config/broker-config.ts';
import type { TransactionSettings } from '../config/transaction-configs.ts';
import { COORDINATOR_TOPIC_CONFIGS, CoordinatorLog, type CoordinatorServices } from '../coordinator-log.ts';
import type { CoordinatorLogPartition } from '../coordinator-log-partition.ts';
import { MarkerWriter } from './marker-writer.ts';
import { ProducerIds } from './producer-ids.ts';
import { includesAll } from './topic-partitions.ts';
import {
  type Answer,
  abortByCoordinator,
  addPartitions,
  completed,
  type Decision,
  type EndRequest,
  endTransaction,
  type InitProducerRequest,
  initProducer,
  isExpired,
  isPrepared,
  isTimedOut,
  type Moment,
  type PartitionsRequest,
  type ProducerIdentity,
  refusal,
  type Transaction,
  verifyPartition,
} from './transaction.ts';
import { TRANSACTION_LOG_FORMAT, type TransactionRecord } from './transaction-log-format.ts';
import { release, type TransactionEntry, TransactionTable } from './transaction-table.ts';
import type { TransactionalOffsets } from './transactional-offsets.ts';
import type { Marker, Place, Transactions } from './transactions.ts';

export const TRANSACTION_TOPIC = '__transaction_state';

type LogPartition = CoordinatorLogPartition<TransactionRecord, TransactionTable>;

export interface TransactionCoordinatorOptions {
  readonly services: CoordinatorServices;
  readonly offsets: TransactionalOffsets;
}

/** A request on one transactional id: what follows from its state, and who is told. */
interface Step {
  readonly transactionalId: string;
  readonly decide: (known: Transaction | undefined, moment: Moment) => Decision;
  /** Called once; in the order of the steps where they wait for the same write. */
  readonly done: (answer: Answer) => void;
}

export class TransactionCoordinator implements Transactions {
  readonly #markers: MarkerWriter;
  readonly #services: CoordinatorServices;
  readonly #log: CoordinatorLog<TransactionRecord, TransactionTable>;
  readonly #producerIds: ProducerIds;
  readonly #timers = new Set<TimerHandle>();
  #closed = false;

  constructor({ services, offsets }: TransactionCoordinatorOptions) {
    this.#services = services;
    this.#markers = new MarkerWriter(services, offsets);
    this.#producerIds = new ProducerIds(services.metadata);
    this.#log = new CoordinatorLog({
      services,
      topic: TRANSACTION_TOPIC,
      creation: () => this.#creation(),
      format: TRANSACTION_LOG_FORMAT,
      machine: (index) => new TransactionTable({ index, onLoaded: (table) => this.#loaded(table) }),
    });
  }

  /** Begins to read the log and to look for what has timed out. Called once, when the topics are open. */
  start(): void {
    this.#log.start();
    this.#repeat(
      () => this.#settings.abortTimedOutIntervalMs,
      () => this.#abortTimedOut(),
    );
    this.#repeat(
      () => this.#settings.removeExpiredIntervalMs,
      () => this.#removeExpired(),
    );
  }

  /** Answers what is under way and takes nothing more. What is prepared is completed at the next start. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
    await this.#log.close();
  }

  /** Resolves when no partition of the log is being read. */
  whenLoaded(): Promise<void> {
    return this.#log.whenLoaded();
  }

  /** Partitions that make up the log, whether it is there yet or not; for whoever asks who coordinates an id. */
  partitionOf(transactionalId: string): number {
    return this.#log.indexOf(transactionalId);
  }

  freshProducerId(): Promise<number | undefined> {
    return this.#producerIds.next();
  }

  async initProducer(request: InitProducerRequest): Promise<Answer> {
    const { timeoutMs, transactionalId } = request;
    if (timeoutMs <= 0 || timeoutMs > this.#settings.timeoutMsMax) {
      return refusal(ERROR_CODES.INVALID_TRANSACTION_TIMEOUT);
    }
    const made = await this.#log.ensure();
    if (made !== undefined && made !== ERROR_CODES.NONE) return refusal(made);
    return new Promise((done) => {
      this.#step({ transactionalId, decide: (known, moment) => initProducer(known, request, moment), done });
    });
  }

  endTransaction(transactionalId: string, request: EndRequest): Promise<Answer> {
    return new Promise((done) => {
      this.#step({ transactionalId, decide: (known, moment) => endTransaction(known, request, moment), done });
    });
  }

  addPartitions(transactionalId: string, request: PartitionsRequest, done: (errorCode: number) => void): void {
    const deadlineMs = this.#services.clock.monotonic() + this.#settings.addPartitionsWaitMsMax;
    const attempt = (): void => {
      const entry = this.#entry(transactionalId);
      if (entry !== undefined && this.#isIn(entry, request)) {
        done(ERROR_CODES.NONE);
        return;
      }
      this.#step({
        transactionalId,
        decide: (known, { nowMs }) => addPartitions(known, request, nowMs),
        done: ({ errorCode }) => {
          const leftMs = deadlineMs - this.#services.clock.monotonic();
          if (errorCode !== ERROR_CODES.CONCURRENT_TRANSACTIONS || leftMs <= 0) done(errorCode);
          else this.#afterCompletion(transactionalId, { leftMs, attempt, done });
        },
      });
    };
    attempt();
  }

  verifyPartition(transactionalId: string, producer: ProducerIdentity, place: Place): number {
    const partition = this.#log.partitionOf(transactionalId);
    if (partition !== undefined && partition.errorCode !== ERROR_CODES.NONE) return partition.errorCode;
    const entry = partition?.machine.entries.get(transactionalId);
    return verifyPartition(entry?.transaction, producer, place);
  }

  writeMarker(marker: Marker, place: Place): Promise<number> {
    return this.#markers.writeOnce(marker, place);
  }

  async describe(transactionalId: string): Promise<Transaction | number | undefined> {
    const partition = this.#log.partitionOf(transactionalId);
    if (partition === undefined) return undefined;
    if (partition.errorCode !== ERROR_CODES.NONE) return partition.errorCode;
    const entry = partition.machine.entries.get(transactionalId);
    await entry?.pending;
    return partition.machine.entries.get(transactionalId)?.transaction;
  }

  list(): { readonly errorCode: number; readonly transactions: readonly Transaction[] } {
    const transactions: Transaction[] = [];
    let errorCode: number = ERROR_CODES.NONE;
    for (const partition of this.#log.partitions ?? []) {
      if (partition.errorCode !== ERROR_CODES.NONE) errorCode = partition.errorCode;
      else for (const { transaction } of partition.machine.entries.values()) transactions.push(transaction);
    }
    return { errorCode, transactions };
  }

  get #settings(): TransactionSettings {
    return this.#services.config.settings.transactions;
  }

  #creation(): { readonly partitionCount: number; readonly configs: ConfigEntries } {
    const { logPartitionCount, logSegmentBytes } = this.#settings;
    const configs = { ...COORDINATOR_TOPIC_CONFIGS, 'segment.bytes': String(logSegmentBytes) };
    return { partitionCount: logPartitionCount, configs };
  }

  #entry(transactionalId: string): TransactionEntry | undefined {
    const partition = this.#log.partitionOf(transactionalId);
    return partition?.errorCode === ERROR_CODES.NONE ? partition.machine.entries.get(transactionalId) : undefined;
  }

  /** The way of nearly every produce request of a transaction: nothing to decide, nothing to wait for. */
  #isIn({ transaction, pending }: TransactionEntry, request: PartitionsRequest): boolean {
    return (
      pending === undefined &&
      transaction.state === 'Ongoing' &&
      transaction.producerId === request.producerId &&
      transaction.producerEpoch === request.producerEpoch &&
      includesAll(transaction.partitions, request.partitions)
    );
  }

  #step(step: Step, freshProducerId?: number): void {
    const { transactionalId, decide, done } = step;
    const partition = this.#log.partitionOf(transactionalId);
    if (partition !== undefined && partition.errorCode !== ERROR_CODES.NONE) {
      done(refusal(partition.errorCode));
      return;
    }
    const entry = partition?.machine.entries.get(transactionalId);
    const decision = decide(entry?.transaction, { nowMs: this.#services.clock.now(), freshProducerId });
    if (decision.kind === 'producer-id-needed') {
      this.#stepWithProducerId(step);
      return;
    }
    const { answer } = decision;
    const tell = (errorCode: number): void => done(errorCode === ERROR_CODES.NONE ? answer : refusal(errorCode));
    // Success is told when what it says is durable, a refusal at once.
    const pending = answer.errorCode === ERROR_CODES.NONE ? entry?.pending : undefined;
    if (decision.kind === 'answer' && pending === undefined) done(answer);
    else if (decision.kind === 'answer') pending?.then(tell);
    else if (partition === undefined) tell(ERROR_CODES.COORDINATOR_NOT_AVAILABLE);
    else this.#move(partition, decision.to, tell);
  }

  #stepWithProducerId(step: Step): void {
    this.#producerIds.next().then((producerId) => {
      if (producerId === undefined) step.done(refusal(ERROR_CODES.COORDINATOR_NOT_AVAILABLE));
      else this.#step(step, producerId);
    });
  }

  /** Takes the state into the log; `done` is told when it is durable, and a decided transaction is then completed. */
  #move(partition: LogPartition, to: Transaction, done: (errorCode: number) => void): void {
    const table = partition.machine;
    const written = partition.write([{ transactionalId: to.transactionalId, transaction: to }]);
    const entry = table.entries.get(to.transactionalId);
    // An entry that does not have the state was not written: `written` says why.
    if (entry?.transaction === to) entry.pending = written;
    written.then((errorCode) => {
      done(errorCode);
      // Whoever asks while others still wait for this write waits behind them.
      queueMicrotask(() => {
        if (entry?.pending === written) entry.pending = undefined;
      });
      if (errorCode === ERROR_CODES.NONE && isPrepared(to)) this.#complete(partition, table, to);
    });
  }

  /** Writes the markers, and then that they are written. Runs on until it is done or the table is thrown away. */
  #complete(partition: LogPartition, table: TransactionTable, prepared: Transaction): void {
    const { transactionalId, partitions, state, clientVersion, producerId, producerEpoch } = prepared;
    const marker: Marker = {
      producerId,
      producerEpoch,
      commit: state === 'PrepareCommit',
      coordinatorEpoch: this.#coordinatorEpoch(table.index),
      transactionVersion: clientVersion,
    };
    const live = (): boolean => table.live && !this.#closed;
    this.#markers.writeAll(marker, partitions, live).then(
      (written) => {
        const entry = table.entries.get(transactionalId);
        if (!written || !live() || entry?.transaction !== prepared) return;
        this.#move(partition, completed(prepared, this.#services.clock.now()), () => {});
        release(entry);
      },
      (error: unknown) => {
        this.#services.logger.error('a transaction could not be completed', { transactionalId, reason: String(error) });
      },
    );
  }

  #coordinatorEpoch(index: number): number {
    return this.#services.router.topic(TRANSACTION_TOPIC)?.partitions[index]?.leaderEpoch ?? 0;
  }

  /**
   * What was read may be in memory of the operating system alone: it was never acknowledged, or flushing it failed. So it
   * is written once more before anything follows from it, and what was decided is completed after that.
   */
  #loaded(table: TransactionTable): void {
    const partition = this.#log.partitions?.[table.index];
    if (partition === undefined) return;
    for (const { transaction } of [...table.entries.values()]) {
      if (transaction.state === 'Ongoing' || isPrepared(transaction)) this.#move(partition, transaction, () => {});
    }
  }

  #afterCompletion(
    transactionalId: string,
    wait: { readonly leftMs: number; readonly attempt: () => void; readonly done: (errorCode: number) => void },
  ): void {
    const entry = this.#entry(transactionalId);
    if (entry === undefined || !isPrepared(entry.transaction)) {
      wait.attempt();
      return;
    }
    const resume = (): void => {
      timer.cancel();
      this.#timers.delete(timer);
      wait.attempt();
    };
    const timer = this.#services.clock.schedule(wait.leftMs, () => {
      entry.completion.delete(resume);
      this.#timers.delete(timer);
      wait.done(ERROR_CODES.CONCURRENT_TRANSACTIONS);
    });
    this.#timers.add(timer);
    entry.completion.add(resume);
  }

  #abortTimedOut(): void {
    const nowMs = this.#services.clock.now();
    for (const transactionalId of this.#ids((transaction) => isTimedOut(transaction, nowMs))) {
      this.#services.logger.info('a transaction timed out and is aborted', { transactionalId });
      this.#step({
        transactionalId,
        decide: (known, moment) =>
          known !== undefined && isTimedOut(known, moment.nowMs)
            ? abortByCoordinator(known, moment)
            : { kind: 'answer', answer: refusal(ERROR_CODES.NONE) },
        done: () => {},
      });
    }
  }

  #removeExpired(): void {
    const { expirationMs } = this.#settings;
    const nowMs = this.#services.clock.now();
    for (const transactionalId of this.#ids((transaction) => isExpired(transaction, nowMs, expirationMs))) {
      this.#log.partitionOf(transactionalId)?.write([{ transactionalId, transaction: undefined }]);
    }
  }

  #ids(chosen: (transaction: Transaction) => boolean): string[] {
    return this.list()
      .transactions.filter(chosen)
      .map(({ transactionalId }) => transactionalId);
  }

  #repeat(intervalMs: () => number, work: () => void): void {
    if (this.#closed) return;
    const timer = this.#services.clock.schedule(Math.min(intervalMs(), 0x7fffffff), () => {
      this.#timers.delete(timer);
      work();
      this.#repeat(intervalMs, work);
    });
    this.#timers.add(timer);
  }
}
