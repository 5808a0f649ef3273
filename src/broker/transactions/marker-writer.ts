// Writes the markers that end a transaction into its partitions, again and again until each has it. A partition that is
// gone needs none. It decides no outcome.

import type { AppendReply } from '../../partition/commands.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { errorOfReply } from '../outcome-errors.ts';
import type { RoutedPartition } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import type { TopicPartitions } from './topic-partitions.ts';
import { OFFSETS_TOPIC, type TransactionalOffsets } from './transactional-offsets.ts';
import type { Marker, Place } from './transactions.ts';

/** First and longest pause before a marker that was refused is written again. */
const RETRY_MS_MIN = 50;
const RETRY_MS_MAX = 5000;

export type MarkerServices = Pick<BrokerServices, 'executor' | 'router' | 'clock' | 'config' | 'logger' | 'topics'>;

/** What a partition said to a marker. */
type MarkerResult = 'written' | 'gone' | Exclude<AppendReply['outcome'], 'ok'> | 'offline';

export class MarkerWriter {
  readonly #services: MarkerServices;
  readonly #offsets: TransactionalOffsets;

  constructor(services: MarkerServices, offsets: TransactionalOffsets) {
    this.#services = services;
    this.#offsets = offsets;
  }

  /**
   * Resolves with true when every partition has the marker on stable storage, with false as soon as `live` says that
   * somebody else has taken over: from then on nothing is written any more.
   */
  async writeAll(marker: Marker, partitions: TopicPartitions, live: () => boolean): Promise<boolean> {
    const writes: Promise<boolean>[] = [];
    for (const [topic, indexes] of partitions) {
      for (const index of indexes) writes.push(this.#persist(marker, { topic, index }, live));
    }
    return (await Promise.all(writes)).every((written) => written);
  }

  /** One attempt, for whoever has it written by request: a Kafka error code. */
  async writeOnce(marker: Marker, place: Place): Promise<number> {
    if (place.topic === OFFSETS_TOPIC) await this.#offsets.durable(place.index);
    const partition = this.#partition(place);
    if (partition === undefined) return ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
    if (partition.state === undefined) return partition.unavailable;
    const reply = await this.#append(marker, place, partition);
    return errorOfReply(this.#services, partition, reply.outcome);
  }

  async #persist(marker: Marker, place: Place, live: () => boolean): Promise<boolean> {
    let { coordinatorEpoch } = marker;
    for (let pauseMs = RETRY_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, RETRY_MS_MAX)) {
      if (place.topic === OFFSETS_TOPIC) await this.#offsets.durable(place.index);
      if (!live()) return false;
      const result = await this.#attempt({ ...marker, coordinatorEpoch }, place);
      if (result === 'written' || result === 'gone') return true;
      // A later marker of the same producer stands there already, and it ended the transaction.
      if (result === 'invalid-producer-epoch') return true;
      this.#warn(marker, place, result);
      if (result === 'transaction-coordinator-fenced') {
        coordinatorEpoch = Math.max(coordinatorEpoch, await this.#coordinatorEpochOf(marker, place));
      }
      await this.#pause(pauseMs);
    }
  }

  async #attempt(marker: Marker, place: Place): Promise<MarkerResult> {
    const partition = this.#partition(place);
    if (partition === undefined) return 'gone';
    if (partition.state === undefined) return partition.gone ? 'gone' : 'offline';
    const { outcome } = await this.#append(marker, place, partition);
    if (outcome === 'ok') return 'written';
    return partition.gone ? 'gone' : outcome;
  }

  async #append(marker: Marker, { topic, index }: Place, { handle }: RoutedPartition): Promise<AppendReply> {
    const durable = this.#services.config.settings.flushesForAcksAll;
    const reply = await this.#services.executor.writeMarker({ handle, ...marker, durable });
    if (reply.outcome === 'ok' && topic === OFFSETS_TOPIC) {
      this.#offsets.endTransaction(index, marker.producerId, marker.commit);
    }
    return reply;
  }

  /** There is one coordinator here: a higher epoch came with a marker written by hand, and must not block for ever. */
  async #coordinatorEpochOf({ producerId }: Marker, place: Place): Promise<number> {
    const partition = this.#partition(place);
    if (partition === undefined) return -1;
    const { producers } = await this.#services.executor.describeProducers(partition.handle);
    return producers.find((each) => each.producerId === producerId)?.coordinatorEpoch ?? -1;
  }

  #partition({ topic, index }: Place): RoutedPartition | undefined {
    return this.#services.router.topic(topic)?.partitions[index];
  }

  #warn({ producerId }: Marker, { topic, index }: Place, reason: string): void {
    const partition = `${topic}-${index}`;
    this.#services.logger.warn('a transaction marker is to be written again', { partition, producerId, reason });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#services.clock.schedule(ms, resolve));
  }
}
