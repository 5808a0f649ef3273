// Reads assigned partitions: where each stands, and its records or batches as something to iterate over.

import { LogFault } from '../core/fault.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { lookUpOffsets, timestampOf } from './admin.ts';
import type { Cluster } from './cluster.ts';
import { type Codecs, decompress } from './compression.ts';
import { type FetchedBatch, type FetchedPartition, Fetcher, type FetchOptions, nameOf } from './fetcher.ts';
import { commitOffsets, fetchCommitted, type OffsetToCommit } from './groups/committed-offsets.ts';
import { CoordinatorLink } from './groups/coordinator-link.ts';
import { GroupMembership, noGroup, type Subscription } from './groups/group-membership.ts';
import { ISOLATION_LEVELS, type Isolation } from './isolation.ts';
import { ConsumedRecord, type TopicPartition } from './record.ts';

/** How a consumer behaves. The names in brackets are Kafka's. */
export interface ConsumerOptions {
  /** How long the broker may wait for records before it answers with none (fetch.max.wait.ms). Default 500. */
  readonly maxWaitMs?: number;
  /** The broker waits until it has this many bytes (fetch.min.bytes). Default 1. */
  readonly minBytes?: number;
  /** Bytes of one response (fetch.max.bytes). Default 16 MiB. */
  readonly maxBytes?: number;
  /** Bytes of one partition in a response (max.partition.fetch.bytes). Default 4 MiB. */
  readonly partitionBytes?: number;
  /** Bytes that are fetched ahead of the application. Default 32 MiB; the last response may go over it. */
  readonly prefetchBytes?: number;
  /** Whether the checksum of every batch is verified (check.crcs). Default true. */
  readonly checkCrc?: boolean;
  /**
   * What to do where the log no longer has, or does not yet have, the offset (auto.offset.reset): throw (the default),
   * or go on from the first or from the end.
   */
  readonly outOfRange?: 'error' | 'earliest' | 'latest';
  /**
   * What is read of transactions (isolation.level): everything (`read_uncommitted`, the default), or nothing of one that
   * was aborted, and of one that is open nothing yet, nor what was written after its beginning (`read_committed`).
   */
  readonly isolation?: Isolation;
  /** How often a retriable failure is tried again before the iteration throws it. Default: without end. */
  readonly retries?: number;
  /** The group of `subscribe` and `commit` (group.id); its members share the partitions of their topics (KIP-848). */
  readonly groupId?: string;
  /** How often processed offsets are committed (auto.commit.interval.ms). Default 5000; 0 leaves it to `commit`. */
  readonly autoCommitIntervalMs?: number;
  /** How long the member may take to give partitions up (max.poll.interval.ms). Default 300000. */
  readonly rebalanceTimeoutMs?: number;
}

export interface SubscribeOptions extends Subscription {
  /** Where to begin in partitions without a committed offset. Default `end`. */
  readonly from?: 'beginning' | 'end';
}

/** Where to begin: the first record, the next to be written, an offset, or the first record at or after a time. */
export type StartPosition = 'beginning' | 'end' | number | Date;

export interface Assignment {
  readonly topic: string;
  /** By default all partitions of the topic, as they are now. */
  readonly partition?: number;
  /** Default `beginning`. */
  readonly from?: StartPosition;
}

/** Records of one partition that were written together. */
export interface ConsumedBatch extends TopicPartition {
  /** In the order of their offsets; never empty. */
  readonly records: readonly ConsumedRecord[];
  /** The end of what could be read when the batch was fetched. */
  readonly highWatermark: number;
}

export interface IterationOptions {
  /** Ends where the partitions end when the iteration begins; otherwise it waits for more, until `close`. */
  readonly untilEnd?: boolean;
}

/** Handlers for {@link Consumer.run}, in the form that kafkajs has them. */
export interface RunHandlers {
  readonly eachMessage?: (payload: {
    readonly topic: string;
    readonly partition: number;
    readonly message: ConsumedRecord;
  }) => Promise<void> | void;
  readonly eachBatch?: (payload: { readonly batch: ConsumedBatch }) => Promise<void> | void;
}

const DEFAULTS: FetchOptions = {
  maxWaitMs: 500,
  minBytes: 1,
  maxBytes: 16 * 1024 * 1024,
  partitionBytes: 4 * 1024 * 1024,
  prefetchBytes: 32 * 1024 * 1024,
  checkCrc: true,
  outOfRange: 'error',
  isolation: 'read_uncommitted',
  retries: Number.POSITIVE_INFINITY,
};

export interface ConsumerContext {
  readonly cluster: Cluster;
  readonly kernels: () => Promise<Kernels>;
  readonly codecs: Codecs;
  /** Names this consumer's connections. */
  readonly use: string;
}

/**
 * Reads the partitions it is assigned. Made by `client.consumer()`. Iterate over it for records:
 *
 *     await consumer.assign([{ topic: 'greetings', from: 'beginning' }]);
 *     for await (const record of consumer) console.log(record.offset, record.text());
 *
 * Iteration throws a {@link BrokerFault} where the broker refuses for good, ERR_CORRUPT_LOG for a batch that fails its
 * checksum, ERR_UNSUPPORTED for a compression codec that the client does not have, ERR_USAGE for zstd that cannot be loaded.
 */
export class Consumer implements AsyncIterable<ConsumedRecord> {
  readonly #context: ConsumerContext;
  readonly #options: FetchOptions;
  #fetcher: Promise<Fetcher> | undefined;
  #started: Fetcher | undefined;
  #closed = false;
  readonly #group: GroupSettings;
  #membership: GroupMembership | undefined;
  #from: 'beginning' | 'end' = 'end';
  #fault: unknown;
  /** By name, the offset after the last record that the application is done with: it has asked for the next one. */
  readonly #processed = new Map<string, OffsetToCommit>();

  constructor(context: ConsumerContext, options: ConsumerOptions) {
    const { groupId, autoCommitIntervalMs, rebalanceTimeoutMs, ...fetching } = options;
    // A misspelt one would read what was never committed.
    if (!Object.hasOwn(ISOLATION_LEVELS, options.isolation ?? DEFAULTS.isolation)) {
      const levels = Object.keys(ISOLATION_LEVELS).join(' or ');
      throw new LogFault('ERR_USAGE', `isolation is ${levels}, not ${options.isolation}`);
    }
    this.#context = context;
    this.#options = { ...DEFAULTS, ...fetching };
    this.#group = {
      groupId,
      autoCommitIntervalMs: autoCommitIntervalMs ?? AUTO_COMMIT_INTERVAL_MS,
      rebalanceTimeoutMs: rebalanceTimeoutMs ?? REBALANCE_TIMEOUT_MS,
    };
  }

  /**
   * Shares the partitions of these topics with the other members of the group, as they come and go, and goes on where
   * the group has committed. Resolves when the coordinator has answered. What has been processed (the application asked
   * for the next record) is committed from time to time, before partitions go to others, and by `close`.
   */
  async subscribe(options: SubscribeOptions): Promise<void> {
    const { groupId } = this.#group;
    if (groupId === undefined) throw noGroup();
    await this.#start();
    this.#from = options.from ?? 'end';
    const { cluster, use } = this.#context;
    this.#membership ??= new GroupMembership({
      ...this.#group,
      groupId,
      cluster,
      use,
      assign: (places) => this.#own(places),
      processed: () => [...this.#processed.values()],
      failed: (error) => this.#fail(error),
    });
    await this.#membership.subscribe(options);
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Partitions that are new begin where the group has committed; the others go on where they are. */
  async #own(places: readonly TopicPartition[]): Promise<void> {
    const known = this.#started?.partitions;
    const fresh = places.filter((place) => known?.has(nameOf(place)) !== true);
    const link = this.#membership?.link;
    const committed = link === undefined || fresh.length === 0 ? [] : await fetchCommitted(link, fresh);
    const offsets = new Map(committed.map((place) => [nameOf(place), place.offset]));
    const isFresh = new Set(fresh);
    const wanted = new Set(places.map(nameOf));
    for (const name of [...this.#processed.keys()]) if (!wanted.has(name)) this.#processed.delete(name);
    await this.assign(
      places.map((place) =>
        isFresh.has(place) ? { ...place, from: offsets.get(nameOf(place)) ?? this.#from } : place,
      ),
    );
  }

  #fail(error: unknown): void {
    this.#fault = error;
    this.#started?.close();
  }

  /**
   * Commits offsets for the group: those given, or those after the last records that iteration has given. Resolves when
   * the broker has them on stable storage.
   */
  async commit(offsets: readonly OffsetToCommit[] = this.#positions()): Promise<void> {
    const { groupId } = this.#group;
    if (groupId === undefined) throw noGroup();
    if (this.#membership !== undefined) return await this.#membership.commit(offsets);
    await commitOffsets(new CoordinatorLink(this.#context.cluster, groupId), offsets);
  }

  #positions(): OffsetToCommit[] {
    const partitions = [...(this.#started?.partitions.values() ?? [])];
    return partitions.map(({ topic, partition, position }) => ({ topic, partition, offset: position }));
  }

  /**
   * Consumes these partitions from now on, and no others. Resolves when it is known where each begins. A partition that
   * was assigned before and names no `from` goes on where it is. Throws for a topic or partition that does not exist.
   */
  async assign(assignments: readonly Assignment[]): Promise<void> {
    const fetcher = await this.#start();
    const wanted = (await Promise.all(assignments.map((assignment) => this.#expand(assignment)))).flat();
    const kept = new Set(wanted.map(nameOf));
    const starting = wanted.filter((place) => place.from !== undefined || !fetcher.partitions.has(nameOf(place)));
    const offsets = await this.#resolve(starting);
    for (const name of [...fetcher.partitions.keys()]) if (!kept.has(name)) fetcher.remove(name);
    starting.forEach(({ topic, partition }, index) => {
      fetcher.remove(nameOf({ topic, partition }));
      fetcher.add(assigned(topic, partition, offsets[index] ?? 0));
    });
    fetcher.pump();
  }

  async #start(): Promise<Fetcher> {
    if (this.#closed) throw new LogFault('ERR_CLOSED', 'the consumer is closed');
    this.#fetcher ??= this.#context.kernels().then((kernels) => {
      const { cluster, use } = this.#context;
      this.#started = new Fetcher({ cluster, use, kernels }, this.#options);
      return this.#started;
    });
    return await this.#fetcher;
  }

  async #expand({ topic, partition, from }: Assignment): Promise<Place[]> {
    const { partitions } = await this.#context.cluster.topic(topic, { create: false });
    if (partition === undefined) return partitions.map((place) => ({ topic, partition: place.partition, from }));
    if (partitions[partition] === undefined) {
      throw new LogFault('ERR_USAGE', `topic ${topic} has partitions 0 to ${partitions.length - 1}, not ${partition}`);
    }
    return [{ topic, partition, from }];
  }

  /** The offset of each start position. A time after the last record means the end. */
  async #resolve(places: readonly Place[]): Promise<number[]> {
    const offsets = await this.#lookUp(places.map((place) => ({ ...place, from: place.from ?? 'beginning' })));
    const late = places.filter((_place, index) => offsets[index] === -1);
    if (late.length === 0) return offsets;
    const ends = await this.#lookUp(late.map((place) => ({ ...place, from: 'end' })));
    return offsets.map((offset) => (offset === -1 ? (ends.shift() ?? 0) : offset));
  }

  async #lookUp(places: readonly (TopicPartition & { readonly from: StartPosition })[]): Promise<number[]> {
    const asked = places.filter(({ from }) => typeof from !== 'number');
    const queries = asked.map(({ topic, partition, from }) => ({ topic, partition, timestamp: timestampFor(from) }));
    const found =
      queries.length === 0 ? [] : await lookUpOffsets(this.#context.cluster, queries, this.#options.isolation);
    const answers = found.values();
    return places.map(({ from }) => (typeof from === 'number' ? from : (answers.next().value?.offset ?? -1)));
  }

  /** Goes on from another place. Throws ERR_USAGE for a partition that is not assigned. */
  async seek(place: TopicPartition, from: StartPosition): Promise<void> {
    const partition = this.#assigned(place);
    const [offset] = await this.#resolve([{ topic: place.topic, partition: place.partition, from }]);
    this.#started?.seek(partition, offset ?? 0);
  }

  /** Holds partitions back, by default all: no record of them is given until they are resumed. */
  pause(places: readonly TopicPartition[] = this.assignment): void {
    for (const place of places) this.#started?.pause(this.#assigned(place));
  }

  /** Lets paused partitions go on, by default all. */
  resume(places: readonly TopicPartition[] = this.assignment): void {
    for (const place of places) this.#assigned(place).isPaused = false;
    this.#started?.resume();
  }

  /** The partitions that are assigned. */
  get assignment(): readonly TopicPartition[] {
    const partitions = [...(this.#started?.partitions.values() ?? [])];
    return partitions.map(({ topic, partition }) => ({ topic, partition }));
  }

  /** The offset after the last record that iteration has given. Throws ERR_USAGE for a partition not assigned. */
  position(place: TopicPartition): number {
    return this.#assigned(place).position;
  }

  #assigned(place: TopicPartition): FetchedPartition {
    const partition = this.#started?.partitions.get(nameOf(place));
    if (partition === undefined) throw new LogFault('ERR_USAGE', `partition ${nameOf(place)} is not assigned`);
    return partition;
  }

  [Symbol.asyncIterator](): AsyncIterator<ConsumedRecord> {
    return this.records();
  }

  /** The records, one by one; of one partition in the order of their offsets. */
  async *records(options: IterationOptions = {}): AsyncGenerator<ConsumedRecord, void, undefined> {
    for await (const { fetched, records } of this.#batches(options)) {
      for (const record of records) {
        // A seek or a pause from within the loop makes the rest of the batch stale.
        if (fetched.source.generation !== fetched.generation) break;
        fetched.source.position = record.offset + 1;
        yield record;
        if (this.#membership !== undefined) this.#done(fetched.source, record.offset + 1);
      }
    }
  }

  /** The records in the batches in which they were written. */
  async *batches(options: IterationOptions = {}): AsyncGenerator<ConsumedBatch, void, undefined> {
    for await (const { fetched, records } of this.#batches(options)) {
      const { topic, partition } = fetched.source;
      fetched.source.position = fetched.batch.lastOffset + 1;
      yield { topic, partition, records, highWatermark: fetched.highWatermark };
      if (this.#membership !== undefined) this.#done(fetched.source, fetched.batch.lastOffset + 1);
    }
  }

  #done({ topic, partition }: FetchedPartition, offset: number): void {
    const name = nameOf({ topic, partition });
    if (this.#started?.partitions.has(name) === true) this.#processed.set(name, { topic, partition, offset });
  }

  /** Calls a handler for each record or batch, one after another. Resolves when the consumer is closed. */
  async run(handlers: RunHandlers): Promise<void> {
    const { eachBatch, eachMessage } = handlers;
    if (eachBatch !== undefined) {
      for await (const batch of this.batches()) await eachBatch({ batch });
    } else if (eachMessage !== undefined) {
      for await (const message of this) {
        await eachMessage({ topic: message.topic, partition: message.partition, message });
      }
    }
  }

  async *#batches(options: IterationOptions): AsyncGenerator<OpenedBatch, void, undefined> {
    const fetcher = await this.#start();
    const ends = options.untilEnd === true ? await this.#ends(fetcher) : undefined;
    while (!fetcher.isClosed) {
      const fetched = fetcher.take();
      if (fetched !== undefined) {
        const records = await this.#open(fetched, ends?.get(nameOf(fetched.source)));
        // A seek or a pause while the batch was opened makes it stale.
        if (records.length > 0 && fetched.source.generation === fetched.generation) yield { fetched, records };
      } else if (ends !== undefined && isAtEnd(fetcher, ends)) {
        return;
      } else {
        await fetcher.whenChanged();
      }
    }
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Where the assigned partitions end now, by name. */
  async #ends(fetcher: Fetcher): Promise<ReadonlyMap<string, number>> {
    const places = [...fetcher.partitions.values()];
    const queries = places.map(({ topic, partition }) => ({ topic, partition, timestamp: timestampOf('latest') }));
    const found = await lookUpOffsets(this.#context.cluster, queries, this.#options.isolation);
    return new Map(found.map((place) => [nameOf(place), place.offset]));
  }

  /** The records of the batch that were asked for. */
  async #open(fetched: FetchedBatch, end = Number.POSITIVE_INFINITY): Promise<ConsumedRecord[]> {
    const { batch, fromOffset, source } = fetched;
    const { compression } = batch;
    const plain =
      compression === 0 ? undefined : await decompress(compression, batch.recordsBytes, this.#context.codecs);
    const table = batch.table(plain);
    const records: ConsumedRecord[] = [];
    for (let index = 0; index < batch.recordCount; index++) {
      const record = new ConsumedRecord(source, table, index);
      if (record.offset >= fromOffset && record.offset < end) records.push(record);
    }
    return records;
  }

  /** Ends every iteration and closes the consumer's connections. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#started?.close();
    if (this.#membership !== undefined) await this.#leave(this.#membership);
    this.#context.cluster.closeUse(this.#context.use);
  }

  async #leave(membership: GroupMembership): Promise<void> {
    try {
      if (this.#group.autoCommitIntervalMs > 0 && this.#fault === undefined) await membership.commit(this.#positions());
    } finally {
      await membership.leave();
      this.#context.cluster.closeUse(`${this.#context.use}-group`);
    }
  }

  /** Alias of {@link close}, for those who come from kafkajs. */
  disconnect(): Promise<void> {
    return this.close();
  }
}

interface GroupSettings {
  readonly groupId: string | undefined;
  readonly autoCommitIntervalMs: number;
  readonly rebalanceTimeoutMs: number;
}

const AUTO_COMMIT_INTERVAL_MS = 5000;
const REBALANCE_TIMEOUT_MS = 300_000;

interface Place extends TopicPartition {
  readonly from: StartPosition | undefined;
}

interface OpenedBatch {
  readonly fetched: FetchedBatch;
  readonly records: readonly ConsumedRecord[];
}

function assigned(topic: string, partition: number, offset: number): FetchedPartition {
  return {
    topic,
    partition,
    fetchOffset: offset,
    position: offset,
    highWatermark: -1,
    isPaused: false,
    generation: 0,
    failures: 0,
    isBackingOff: false,
  };
}

function timestampFor(from: StartPosition): number {
  if (from === 'beginning') return timestampOf('earliest');
  if (from === 'end') return timestampOf('latest');
  if (typeof from === 'number') return from;
  if (typeof from === 'object') return from.getTime();
  throw new LogFault('ERR_USAGE', `a position is beginning, end, an offset or a Date, not ${String(from)}`);
}

function isAtEnd(fetcher: Fetcher, ends: ReadonlyMap<string, number>): boolean {
  if (fetcher.hasBatches) return false;
  for (const [name, { fetchOffset }] of fetcher.partitions) if (fetchOffset < (ends.get(name) ?? 0)) return false;
  return true;
}
