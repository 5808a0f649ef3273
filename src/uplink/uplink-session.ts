// One life of an uplink, from the moment when it knows where it stands to the first thing that goes wrong: reads local
// partitions and brings what is read over, round by round. It never tries again by itself; uplink.ts begins anew.

import { Admin } from '../client/admin.ts';
import { BrokerFault } from '../client/broker-fault.ts';
import { Cluster, type TopicPlace } from '../client/cluster.ts';
import type { Codecs } from '../client/compression.ts';
import { type FetchedBatch, type FetchedPartition, Fetcher, type FetchOptions, nameOf } from '../client/fetcher.ts';
import type { TransportOpener } from '../client/transport.ts';
import { assert } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import type { Clock, Random } from '../core/platform.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { makeOutgoing, type StoredPart } from './outgoing-batches.ts';
import type { UplinkPosition, UplinkPositions } from './positions.ts';
import { type RemoteBatches, RemoteTransactions } from './remote-transactions.ts';

const CLIENT_ID = 'millrace-uplink';
const CONNECTION = {
  clientId: CLIENT_ID,
  requestTimeoutMs: 30_000,
  metadataMaxAgeMs: 300_000,
  inFlightMax: 64,
  reconnect: { initialMs: 100, maxMs: 1000 },
  retry: { initialMs: 50, maxMs: 1000, retries: 5 },
};
/** Local topics are looked at this often, in milliseconds: they may have got partitions, or be others by that name. */
const REFRESH_MS = 5000;

const FETCHING: FetchOptions = {
  maxWaitMs: REFRESH_MS,
  minBytes: 1,
  maxBytes: 4 * 1024 * 1024,
  partitionBytes: 1024 * 1024,
  prefetchBytes: 4 * 1024 * 1024,
  checkCrc: true,
  outOfRange: 'earliest',
  isolation: 'read_committed',
  retries: 10,
};

/** A local topic, and what it is called there. */
export interface UplinkTopic {
  readonly topic: string;
  readonly remoteTopic: string;
}

export interface UplinkSessionOptions {
  readonly id: string;
  readonly topics: readonly UplinkTopic[];
  readonly local: TransportOpener;
  readonly remote: TransportOpener;
  readonly kernels: Kernels;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly random: Random;
  readonly positions: UplinkPositions;
  readonly unresolved: 'resend' | 'skip' | undefined;
  readonly roundBytes: number;
  readonly batchBytes: number;
  readonly transactionTimeoutMs: number;
}

/** A local partition, where it goes, and how far it has come. */
interface Lane {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly remoteTopic: string;
  readonly remotePartition: number;
  readonly fetched: FetchedPartition;
  position: number;
}

/** What a round takes from one lane. */
interface LaneRound {
  readonly lane: Lane;
  readonly parts: StoredPart[];
}

export class UplinkSession {
  readonly #options: UplinkSessionOptions;
  readonly #local: Cluster;
  readonly #remote: Cluster;
  readonly #transactions: RemoteTransactions;
  readonly #fetcher: Fetcher;
  readonly #lanes = new Map<string, Lane>();
  /** By remote partition, the next sequence of this producer's epoch. */
  readonly #sequences = new Map<string, number>();
  #refreshDueMs = 0;

  constructor(options: UplinkSessionOptions) {
    const { id, local, remote, clock, random, kernels, transactionTimeoutMs } = options;
    this.#options = options;
    this.#local = new Cluster({ ...CONNECTION, opener: local, clock, random });
    this.#remote = new Cluster({ ...CONNECTION, opener: remote, clock, random });
    const name = `millrace-uplink-${id}`;
    this.#transactions = new RemoteTransactions({
      cluster: this.#remote,
      transactionalId: name,
      groupId: name,
      transactionTimeoutMs,
    });
    this.#fetcher = new Fetcher({ cluster: this.#local, kernels, use: 'uplink' }, FETCHING);
  }

  /** Finds out where every partition stands, and begins to read. */
  async open(): Promise<void> {
    await this.#transactions.begin();
    const { clusterId } = await this.#remote.describe();
    this.#options.positions.belongTo(clusterId ?? '');
    for (const topic of this.#options.topics) await this.#addLanes(topic);
    await this.#takePositions();
    this.#refreshDueMs = this.#options.clock.monotonic() + REFRESH_MS;
    for (const lane of this.#lanes.values()) {
      lane.fetched.fetchOffset = lane.position;
      lane.fetched.position = lane.position;
      this.#fetcher.add(lane.fetched);
    }
    this.#fetcher.pump();
  }

  get hasRecords(): boolean {
    return this.#fetcher.hasBatches;
  }

  /** Offsets that are still to be brought over; undefined until every partition has been looked at. */
  get behind(): number | undefined {
    let offsets = 0;
    for (const { fetched, position } of this.#lanes.values()) {
      if (fetched.highWatermark < 0) return undefined;
      // Markers and what was aborted are passed over without being sent.
      const passed = this.hasRecords ? position : fetched.fetchOffset;
      offsets += Math.max(0, fetched.highWatermark - passed);
    }
    return offsets;
  }

  /** Resolves when there may be records; with false where the session is over: the local topics have changed. */
  async whenChanged(): Promise<boolean> {
    // Nothing is there to be taken; this throws what the fetcher has met.
    assert(this.#fetcher.take() === undefined, 'no records wait');
    await this.#fetcher.whenChanged();
    if (this.#fetcher.isClosed) return false;
    const now = this.#options.clock.monotonic();
    if (now < this.#refreshDueMs) return true;
    this.#refreshDueMs = now + REFRESH_MS;
    return await this.#areTopicsTheSame();
  }

  /** Brings over what has been read, up to a bound, as one transaction; returns the number of records. */
  async sendRound(): Promise<number> {
    const round = this.#takeRound();
    const positions = round.map(({ lane, parts }) => positionAfter(lane, parts));
    const { records, recordCount } = await this.#outgoing(round);
    await this.#commit(records, positions);
    round.forEach(({ lane }, index) => {
      lane.position = positions[index]?.offset ?? lane.position;
    });
    return recordCount;
  }

  /** Aborts what was staged, so that readers of the remote topics need not wait; what cannot be reached is left. */
  async abandon(): Promise<void> {
    try {
      await this.#transactions.abandon();
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
    }
  }

  close(): void {
    this.#fetcher.close();
    this.#local.close();
    this.#remote.close();
  }

  async #addLanes({ topic, remoteTopic }: UplinkTopic): Promise<void> {
    const place = await this.#local.topic(topic, { create: true });
    const remoteCount = await this.#remotePartitions(remoteTopic, place.partitions.length);
    for (const { partition } of place.partitions) {
      this.#lanes.set(nameOf({ topic, partition }), {
        topic,
        topicId: place.topicId,
        partition,
        remoteTopic,
        remotePartition: partition % remoteCount,
        fetched: newPartition(topic, partition),
        position: 0,
      });
    }
  }

  /** Partitions of the remote topic, which is created with as many as the local one has where it is absent. */
  async #remotePartitions(topic: string, wanted: number): Promise<number> {
    try {
      return (await this.#remote.topic(topic, { create: false })).partitions.length;
    } catch (error) {
      if (!isRefusal(error, ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION)) throw error;
    }
    try {
      await new Admin(this.#remote).createTopics({ topics: [{ topic, numPartitions: wanted }] });
    } catch (error) {
      if (!isRefusal(error, ERROR_CODES.TOPIC_ALREADY_EXISTS)) throw error;
    }
    return (await this.#remote.topic(topic, { create: true })).partitions.length;
  }

  async #takePositions(): Promise<void> {
    const lanes = [...this.#lanes.values()];
    const committed = await this.#transactions.committed(lanes);
    const known = new Map(committed.map((place) => [nameOf(place), place]));
    const fresh: Lane[] = [];
    for (const lane of lanes) {
      const remote = known.get(nameOf(lane));
      if (remote !== undefined && remote.metadata === lane.topicId) {
        lane.position = remote.offset;
      } else {
        lane.position = this.#resolve(lane);
        fresh.push(lane);
      }
    }
    // From here on a missing position is one that was forgotten.
    if (fresh.length > 0) await this.#commit([], fresh.map(positionOf));
    this.#options.positions.settle(lanes.map(positionOf));
  }

  /** Where a partition stands of which the remote broker knows nothing, or nothing any more. */
  #resolve(lane: Lane): number {
    const { positions, unresolved } = this.#options;
    const { committed, pending } = positions.knowledge(placeOf(lane));
    if (pending === undefined || committed === undefined || pending === committed) return committed ?? 0;
    if (unresolved === 'resend') return committed;
    if (unresolved === 'skip') return pending;
    const what = `${nameOf(lane)} from offset ${committed} to ${pending}`;
    throw new LogFault(
      'ERR_UPLINK_POSITION',
      `nobody knows whether ${what} has arrived: the remote broker has forgotten`,
    );
  }

  async #commit(records: readonly RemoteBatches[], positions: readonly UplinkPosition[]): Promise<void> {
    await this.#transactions.stage(records, positions);
    this.#options.positions.begin(positions);
    await this.#transactions.end(true);
    this.#options.positions.settle(positions);
  }

  #takeRound(): LaneRound[] {
    const rounds = new Map<Lane, LaneRound>();
    let bytes = 0;
    while (bytes < this.#options.roundBytes && this.#fetcher.hasBatches) {
      const fetched = this.#fetcher.take();
      const lane = fetched === undefined ? undefined : this.#lanes.get(nameOf(fetched.source));
      if (fetched === undefined || lane === undefined) break;
      this.#checkTopic(lane);
      bytes += fetched.batch.bytes.length;
      const round = rounds.get(lane);
      if (round === undefined) rounds.set(lane, { lane, parts: [partOf(fetched)] });
      else round.parts.push(partOf(fetched));
    }
    return [...rounds.values()];
  }

  /** Offsets of a topic that was deleted and created anew are not those of its positions. */
  #checkTopic({ topic, topicId }: Lane): void {
    const place = this.#local.cached(topic);
    if (place === undefined || place.topicId === topicId) return;
    throw new LogFault('ERR_CONNECTION', `the local topic ${topic} was created anew`);
  }

  /** Lanes that lead to one remote partition follow one another there. */
  async #outgoing(round: readonly LaneRound[]): Promise<{ records: RemoteBatches[]; recordCount: number }> {
    const { kernels, codecs, batchBytes } = this.#options;
    const { identity } = this.#transactions;
    const byPlace = new Map<string, RemoteBatches>();
    let recordCount = 0;
    for (const { lane, parts } of round) {
      const place = { topic: lane.remoteTopic, partition: lane.remotePartition };
      const name = nameOf(place);
      const baseSequence = this.#sequences.get(name) ?? 0;
      const made = await makeOutgoing(parts, { kernels, codecs, identity, baseSequence, batchBytesMax: batchBytes });
      this.#sequences.set(name, made.nextSequence);
      recordCount += made.recordCount;
      byPlace.set(name, { ...place, batches: [...(byPlace.get(name)?.batches ?? []), ...made.batches] });
    }
    return { records: [...byPlace.values()], recordCount };
  }

  async #areTopicsTheSame(): Promise<boolean> {
    const { topics } = await this.#local.describe();
    return this.#options.topics.every(({ topic }) => {
      const place = topics.find(({ name }) => name === topic);
      return place !== undefined && this.#hasLanesOf(place);
    });
  }

  #hasLanesOf({ name: topic, topicId, partitions }: TopicPlace): boolean {
    return partitions.every(({ partition }) => this.#lanes.get(nameOf({ topic, partition }))?.topicId === topicId);
  }
}

function newPartition(topic: string, partition: number): FetchedPartition {
  return {
    topic,
    partition,
    fetchOffset: 0,
    position: 0,
    highWatermark: -1,
    isPaused: false,
    generation: 0,
    failures: 0,
    isBackingOff: false,
  };
}

function placeOf({ topic, topicId, partition }: Lane): Omit<UplinkPosition, 'offset'> {
  return { topic, topicId, partition };
}

function positionOf(lane: Lane): UplinkPosition {
  return { ...placeOf(lane), offset: lane.position };
}

function partOf({ batch, fromOffset }: FetchedBatch): StoredPart {
  return { batch, fromOffset };
}

function positionAfter(lane: Lane, parts: readonly StoredPart[]): UplinkPosition {
  const last = parts.at(-1);
  return { ...placeOf(lane), offset: last === undefined ? lane.position : last.batch.lastOffset + 1 };
}

function isRefusal(error: unknown, errorCode: number): boolean {
  return error instanceof BrokerFault && error.errorCode === errorCode;
}
