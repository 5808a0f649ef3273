// Keeps record batches coming from the leaders of assigned partitions, up to a bound of memory: one fetch per broker
// at a time, a long poll where there is nothing. It hands over batches; consumer.ts makes records of them.

import type { ResponseOf } from '../protocol/api.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { fetch } from '../protocol/messages/01-fetch.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { DecodedBatch } from '../wasm/record-batch-decoder.ts';
import { RecordBatchDecoder } from '../wasm/record-batch-decoder.ts';
import { groupByTopic, lookUpOffsets } from './admin.ts';
import { backoffMs } from './backoff.ts';
import { asError, BrokerFault, isRetriable } from './broker-fault.ts';
import { BufferBudget } from './buffer-budget.ts';
import { type Cluster, versionMaxFor } from './cluster.ts';
import { AbortedFilter, ISOLATION_LEVELS, type Isolation } from './isolation.ts';
import type { TopicPartition } from './record.ts';

/** Last version of Fetch that names topics; later ones carry their ids (KIP-516). */
const LAST_VERSION_WITH_NAMES = 12;
const NO_SESSION = { sessionId: 0, sessionEpoch: -1 };
/** Time on top of the long poll within which a broker has to answer, in milliseconds. */
const ANSWER_MARGIN_MS = 30_000;

export interface FetchOptions {
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly partitionBytes: number;
  readonly prefetchBytes: number;
  readonly checkCrc: boolean;
  readonly outOfRange: 'error' | 'earliest' | 'latest';
  readonly isolation: Isolation;
  /** How often a retriable failure of one partition is tried again before it is thrown. */
  readonly retries: number;
}

/** A partition being consumed. */
export interface FetchedPartition extends TopicPartition {
  /** Offset of the next fetch. */
  fetchOffset: number;
  /** Offset after the last record that the application has been given. */
  position: number;
  /** Where what can be read ended at the last fetch; -1 before it. */
  highWatermark: number;
  isPaused: boolean;
  /** Changes with every seek: what an older fetch brings is thrown away. */
  generation: number;
  failures: number;
  isBackingOff: boolean;
}

/** A batch that waits for the application. */
export interface FetchedBatch {
  readonly source: FetchedPartition;
  readonly generation: number;
  readonly batch: DecodedBatch;
  /** Records below this were not asked for. */
  readonly fromOffset: number;
  readonly highWatermark: number;
}

export interface FetcherContext {
  readonly cluster: Cluster;
  readonly kernels: Kernels;
  readonly use: string;
}

export class Fetcher {
  readonly #context: FetcherContext;
  readonly #options: FetchOptions;
  readonly #decoder: RecordBatchDecoder;
  readonly #budget: BufferBudget;
  /** In the order in which the next fetch asks for them: those that brought records go to the end. */
  readonly #partitions = new Map<string, FetchedPartition>();
  readonly #polling = new Set<number>();
  #queue: FetchedBatch[] = [];
  #wake: (() => void)[] = [];
  #fault: Error | undefined;
  #closed = false;

  constructor(context: FetcherContext, options: FetchOptions) {
    this.#context = context;
    this.#options = options;
    this.#decoder = new RecordBatchDecoder(context.kernels);
    this.#budget = new BufferBudget(options.prefetchBytes);
  }

  get partitions(): ReadonlyMap<string, FetchedPartition> {
    return this.#partitions;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  add(partition: FetchedPartition): void {
    this.#fault = undefined;
    this.#partitions.set(nameOf(partition), partition);
  }

  remove(name: string): void {
    const partition = this.#partitions.get(name);
    if (partition === undefined) return;
    this.#partitions.delete(name);
    this.#forget(partition);
  }

  /** Goes on from another offset; batches that wait are dropped. */
  seek(partition: FetchedPartition, offset: number): void {
    this.#forget(partition);
    partition.fetchOffset = offset;
    partition.position = offset;
    partition.failures = 0;
    this.#fault = undefined;
    this.pump();
  }

  #forget(partition: FetchedPartition): void {
    partition.generation++;
    const dropped = this.#queue.filter((fetched) => fetched.source === partition);
    this.#queue = this.#queue.filter((fetched) => fetched.source !== partition);
    for (const { batch } of dropped) this.#budget.give(batch.bytes.length);
  }

  /** The next batch, or undefined where none waits. Throws what a fetch has met. */
  take(): FetchedBatch | undefined {
    const fetched = this.#queue.shift();
    if (fetched === undefined && this.#fault !== undefined) throw this.#fault;
    if (fetched !== undefined) this.#budget.give(fetched.batch.bytes.length);
    this.pump();
    return fetched;
  }

  /** Resolves when something has changed: a batch has come, an offset moved, a fault was met, the end. */
  whenChanged(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  /** Holds the partition back. What was fetched of it is dropped, so that it takes no memory from the others. */
  pause(partition: FetchedPartition): void {
    partition.isPaused = true;
    this.#forget(partition);
    partition.fetchOffset = partition.position;
    this.pump();
  }

  /** Partitions that were paused may go on. */
  resume(): void {
    this.#changed();
    this.pump();
  }

  /** Whether batches wait. */
  get hasBatches(): boolean {
    return this.#queue.length > 0;
  }

  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#changed();
  }

  #changed(): void {
    for (const resolve of this.#wake.splice(0)) resolve();
  }

  /** Starts fetches from every broker that has none under way, while there is memory for what they bring. */
  pump(): void {
    if (this.#closed || this.#fault !== undefined || this.#budget.isFull) return;
    for (const [leader, partitions] of this.#fetchable()) {
      if (!this.#polling.has(leader)) this.#poll(leader, partitions);
    }
  }

  #fetchable(): Map<number, FetchedPartition[]> {
    const byLeader = new Map<number, FetchedPartition[]>();
    for (const partition of this.#partitions.values()) {
      if (partition.isPaused || partition.isBackingOff) continue;
      const leader = this.#leaderOf(partition);
      if (leader === undefined) continue;
      const group = byLeader.get(leader);
      if (group === undefined) byLeader.set(leader, [partition]);
      else group.push(partition);
    }
    return byLeader;
  }

  #leaderOf(partition: FetchedPartition): number | undefined {
    const place = this.#context.cluster.cached(partition.topic);
    const leader = place?.partitions[partition.partition]?.leader ?? -1;
    if (leader >= 0) return leader;
    this.#lookUp(partition, place !== undefined);
    return undefined;
  }

  #lookUp(partition: FetchedPartition, isLeaderless: boolean): void {
    const { cluster } = this.#context;
    const { topic } = partition;
    if (isLeaderless) {
      cluster.forget(topic);
      this.#failed(partition, new BrokerFault(ERROR_CODES.LEADER_NOT_AVAILABLE, `fetch ${nameOf(partition)}`));
      return;
    }
    cluster.topic(topic, { create: false }).then(
      () => this.pump(),
      (error: unknown) => this.#end(asError(error)),
    );
  }

  #poll(leader: number, partitions: readonly FetchedPartition[]): void {
    this.#polling.add(leader);
    const asked = new Map(partitions.map((partition) => [partition, partition.generation]));
    this.#exchange(leader, partitions)
      .then(
        (response) => this.#receive(response, asked),
        (error: unknown) => {
          const fault = asError(error);
          for (const partition of partitions) this.#failed(partition, fault);
        },
      )
      .catch((error: unknown) => this.#end(asError(error)))
      .finally(() => {
        this.#polling.delete(leader);
        this.pump();
      });
  }

  async #exchange(leader: number, partitions: readonly FetchedPartition[]): Promise<ResponseOf<typeof fetch>> {
    const { cluster, use } = this.#context;
    const { maxWaitMs, minBytes, maxBytes, partitionBytes, isolation } = this.#options;
    const places = groupByTopic(partitions).map(([topic, group]) => ({ topic, place: cluster.cached(topic), group }));
    const topics = places.map(({ topic, place, group }) => ({
      topic,
      ...(place === undefined ? {} : { topicId: place.topicId }),
      partitions: group.map(({ partition, fetchOffset }) => ({
        partition,
        fetchOffset,
        partitionMaxBytes: partitionBytes,
      })),
    }));
    const limits = places.map(({ place }) =>
      place === undefined ? LAST_VERSION_WITH_NAMES : versionMaxFor(place.topicId, LAST_VERSION_WITH_NAMES),
    );
    const isolationLevel = ISOLATION_LEVELS[isolation];
    const body = { ...NO_SESSION, maxWaitMs, minBytes, maxBytes, isolationLevel, topics, forgottenTopicsData: [] };
    return await cluster
      .connection(leader, use)
      .request(fetch, body, { versionMax: Math.min(...limits), timeoutMs: maxWaitMs + ANSWER_MARGIN_MS });
  }

  #receive(response: ResponseOf<typeof fetch>, asked: ReadonlyMap<FetchedPartition, number>): void {
    if (response.errorCode !== ERROR_CODES.NONE) throw new BrokerFault(response.errorCode, 'fetch');
    for (const { topic, topicId, partitions } of response.responses) {
      const name = topic === '' ? this.#topicOf(topicId) : topic;
      for (const answer of partitions) {
        const partition = this.#partitions.get(`${name}-${answer.partitionIndex}`);
        // A partition that was taken away or moved meanwhile has no use for the answer.
        if (partition === undefined || partition.generation !== asked.get(partition)) continue;
        this.#receivePartition(partition, answer);
      }
    }
    this.#changed();
  }

  #topicOf(topicId: string): string | undefined {
    for (const { topic } of this.#partitions.values()) {
      if (this.#context.cluster.cached(topic)?.topicId === topicId) return topic;
    }
    return undefined;
  }

  #receivePartition(partition: FetchedPartition, answer: PartitionAnswer): void {
    if (answer.errorCode === ERROR_CODES.OFFSET_OUT_OF_RANGE) {
      this.#outOfRange(partition, answer);
    } else if (answer.errorCode !== ERROR_CODES.NONE) {
      this.#failed(partition, new BrokerFault(answer.errorCode, `fetch ${nameOf(partition)}`));
    } else {
      partition.failures = 0;
      const isCommitted = this.#options.isolation === 'read_committed';
      partition.highWatermark = isCommitted ? answer.lastStableOffset : answer.highWatermark;
      if (answer.records !== null && answer.records.length > 0) this.#enqueue(partition, answer, answer.records);
    }
  }

  #enqueue(partition: FetchedPartition, { abortedTransactions }: PartitionAnswer, records: Uint8Array): void {
    const { generation, highWatermark } = partition;
    // Brokers list them for read_committed alone.
    const filter = new AbortedFilter(abortedTransactions ?? []);
    for (const batch of this.#decoder.batches(records, { checkCrc: this.#options.checkCrc })) {
      const isAborted = filter.isAborted(batch);
      if (batch.lastOffset < partition.fetchOffset) continue;
      // Markers of transactions are not records; the offsets that they take are passed over.
      if (!isAborted && !batch.isControl && batch.recordCount > 0) {
        this.#queue.push({ source: partition, generation, batch, fromOffset: partition.fetchOffset, highWatermark });
        this.#budget.take(batch.bytes.length);
      }
      partition.fetchOffset = batch.lastOffset + 1;
    }
    const name = nameOf(partition);
    this.#partitions.delete(name);
    this.#partitions.set(name, partition);
  }

  #outOfRange(partition: FetchedPartition, answer: PartitionAnswer): void {
    const { outOfRange, isolation } = this.#options;
    if (outOfRange === 'error') {
      const about = `fetch ${nameOf(partition)} from offset ${partition.fetchOffset}`;
      this.#end(new BrokerFault(answer.errorCode, about));
      return;
    }
    const { generation } = partition;
    const timestamp = outOfRange === 'latest' ? -1 : -2;
    partition.isBackingOff = true;
    const query = { topic: partition.topic, partition: partition.partition, timestamp };
    lookUpOffsets(this.#context.cluster, [query], isolation).then(
      ([found]) => {
        partition.isBackingOff = false;
        if (found !== undefined && partition.generation === generation) this.seek(partition, found.offset);
        this.pump();
      },
      (error: unknown) => {
        partition.isBackingOff = false;
        this.#end(asError(error));
      },
    );
  }

  /** Asks again later, or ends with the fault. */
  #failed(partition: FetchedPartition, fault: Error): void {
    if (this.#closed) return;
    partition.failures++;
    if (!isRetriable(fault) || partition.failures > this.#options.retries) {
      this.#end(fault);
      return;
    }
    const { cluster } = this.#context;
    if (fault instanceof BrokerFault) cluster.forget(partition.topic);
    partition.isBackingOff = true;
    const { retry, random, clock } = cluster.options;
    clock.schedule(backoffMs(retry, partition.failures, random), () => {
      partition.isBackingOff = false;
      this.pump();
    });
  }

  #end(fault: Error): void {
    this.#fault ??= fault;
    this.#changed();
  }
}

type PartitionAnswer = ResponseOf<typeof fetch>['responses'][number]['partitions'][number];

/** How a partition is called: `<topic>-<partition>`. */
export function nameOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}
