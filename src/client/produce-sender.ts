// Sends the batches of a producer: which batch goes when, in which request, and what follows from the answer. It keeps
// the order of every partition through retries and knows nothing of how records came into batches.

import { LogFault } from '../core/fault.ts';
import type { ResponseOf } from '../protocol/api.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { produce } from '../protocol/messages/00-produce.ts';
import type { Uuid } from '../protocol/uuid.ts';
import { type BackoffOptions, backoffMs } from './backoff.ts';
import { asError, BrokerFault, isRetriable } from './broker-fault.ts';
import { type Cluster, type TopicPlace, versionMaxFor } from './cluster.ts';
import type { BatchOutcome, PartitionQueue, ProducerBatch } from './producer-batch.ts';
import { IDEMPOTENT_IN_FLIGHT_MAX, type IdentitySource } from './producer-identity.ts';

/** Last version of Produce that names topics; later ones carry their ids (KIP-516). */
const LAST_VERSION_WITH_NAMES = 12;
const OUT_OF_SEQUENCE: ReadonlySet<number> = new Set([
  ERROR_CODES.OUT_OF_ORDER_SEQUENCE_NUMBER,
  ERROR_CODES.UNKNOWN_PRODUCER_ID,
]);

export interface SendOptions extends BackoffOptions {
  /** Kafka's number: 0 none, 1 written, -1 on stable storage. */
  readonly acks: 0 | 1 | -1;
  /** How long the broker may take to acknowledge, in milliseconds. */
  readonly timeoutMs: number;
  /** How often a batch is sent again after a retriable failure. */
  readonly retries: number;
  /** A batch is given up after this time, in milliseconds, retries or not. */
  readonly deliveryTimeoutMs: number;
  /**
   * Batches of one partition on the wire at once, full or not. Undefined: as many full ones as the partition can tell
   * from new ones, and one without idempotence.
   */
  readonly inFlightPerPartitionMax: number | undefined;
  /** Requests to one broker on the wire at once. */
  readonly requestsInFlightMax: number;
  /** Whether batches have to be compressed before they are sent. */
  readonly compresses: boolean;
  /** Bytes of batches in one request; a larger batch goes alone. */
  readonly requestBytesMax: number;
}

interface Outgoing {
  readonly nodeId: number;
  readonly batches: ProducerBatch[];
}

export class ProduceSender {
  readonly #cluster: Cluster;
  readonly #options: SendOptions;
  readonly #use: string;
  readonly #identities: IdentitySource;
  readonly #onSettled: (batch: ProducerBatch) => void;
  /** Queues that may have something to send. */
  readonly #active = new Set<PartitionQueue>();
  readonly #requestsInFlight = new Map<number, number>();
  /** Topics whose leaders are being looked up; their queues wait. */
  readonly #lookingUp = new Set<string>();
  /** Ends when every request so far has been compressed. */
  #compressing: Promise<void> = Promise.resolve();

  /** `use` names the producer's own connections; `onSettled` hears of every batch that has ended, before its records do. */
  constructor(
    cluster: Cluster,
    options: SendOptions & { readonly use: string; readonly identities: IdentitySource },
    onSettled: (batch: ProducerBatch) => void,
  ) {
    this.#cluster = cluster;
    this.#options = options;
    this.#use = options.use;
    this.#identities = options.identities;
    this.#onSettled = onSettled;
  }

  /** The queue may have something to send at the next {@link dispatch}. */
  add(queue: PartitionQueue): void {
    this.#active.add(queue);
  }

  /** Sends everything that is ready and may go. */
  dispatch(): void {
    // A request carries one batch of a partition at most, so several of one partition take several rounds.
    while (this.#dispatchRound());
  }

  #dispatchRound(): boolean {
    const outgoing = new Map<number, Outgoing>();
    for (const queue of this.#active) {
      if (!queue.isReady) this.#active.delete(queue);
      else if (this.#maySend(queue)) this.#collect(queue, outgoing);
    }
    for (const { nodeId, batches } of outgoing.values()) this.#send(nodeId, batches);
    return outgoing.size > 0;
  }

  #maySend(queue: PartitionQueue): boolean {
    if (queue.mustRestart && !this.#restart(queue)) return false;
    if (queue.inFlight === 0) return true;
    const { inFlightPerPartitionMax } = this.#options;
    if (inFlightPerPartitionMax !== undefined) return queue.inFlight < inFlightPerPartitionMax;
    return queue.hasClosed && queue.sequence.isIdempotent && queue.inFlight < IDEMPOTENT_IN_FLIGHT_MAX;
  }

  /** Begins the sequence numbers anew as soon as that can be; true where it is done. */
  #restart(queue: PartitionQueue): boolean {
    if (queue.inFlight > 0) return false;
    if (!queue.sequence.isSpent) {
      queue.restart();
      return true;
    }
    queue.isBackingOff = true;
    this.#identities
      .after(queue.sequence.identity)
      .then(
        (identity) => queue.restart(identity),
        (error: unknown) => this.#failQueue(queue, asError(error)),
      )
      .finally(() => {
        queue.isBackingOff = false;
        this.add(queue);
        this.dispatch();
      });
    return false;
  }

  /** Puts the oldest batch of the queue into the next request to its leader. */
  #collect(queue: PartitionQueue, outgoing: Map<number, Outgoing>): void {
    const leader = this.#leaderOf(queue);
    if (leader === undefined || (this.#requestsInFlight.get(leader) ?? 0) >= this.#options.requestsInFlightMax) return;
    let request = outgoing.get(leader);
    if (request !== undefined && sizeOf(request.batches) + queue.nextBytes > this.#options.requestBytesMax) {
      this.#send(leader, request.batches);
      outgoing.delete(leader);
      request = undefined;
      if ((this.#requestsInFlight.get(leader) ?? 0) >= this.#options.requestsInFlightMax) return;
    }
    const batch = queue.shift();
    if (batch === undefined) return;
    if (request === undefined) outgoing.set(leader, { nodeId: leader, batches: [batch] });
    else request.batches.push(batch);
  }

  #leaderOf(queue: PartitionQueue): number | undefined {
    const { topic, partition } = queue;
    const place = this.#cluster.cached(topic);
    if (place === undefined) {
      this.#lookUp(topic);
      return undefined;
    }
    const leader = place.partitions[partition]?.leader ?? -1;
    return leader < 0 ? this.#withoutLeader(queue) : leader;
  }

  /** The queue's next batch counts a failure and waits, as if the broker had refused it. */
  #withoutLeader(queue: PartitionQueue): undefined {
    const batch = queue.shift();
    if (batch === undefined) return;
    this.#cluster.forget(queue.topic);
    const { topic, partition } = queue;
    this.#fail(batch, new BrokerFault(ERROR_CODES.LEADER_NOT_AVAILABLE, `produce to ${topic}-${partition}`));
  }

  #lookUp(topic: string): void {
    if (this.#lookingUp.has(topic)) return;
    this.#lookingUp.add(topic);
    this.#cluster
      .topic(topic, { create: true })
      .catch((error: unknown) => this.#failTopic(topic, asError(error)))
      .finally(() => {
        this.#lookingUp.delete(topic);
        this.dispatch();
      });
  }

  /** The topic could not be looked up, with all the retries that this allows. */
  #failTopic(topic: string, fault: Error): void {
    for (const queue of this.#active) if (queue.topic === topic) this.#failQueue(queue, fault);
  }

  #failQueue(queue: PartitionQueue, fault: Error): void {
    for (const batch of queue.drain()) this.#settle(batch, { fault });
  }

  #send(nodeId: number, batches: readonly ProducerBatch[]): void {
    this.#requestsInFlight.set(nodeId, (this.#requestsInFlight.get(nodeId) ?? 0) + 1);
    this.#exchange(nodeId, batches)
      .catch((error: unknown) => {
        const fault = asError(error);
        for (const batch of batches) this.#fail(batch, fault);
      })
      .finally(() => {
        this.#requestsInFlight.set(nodeId, (this.#requestsInFlight.get(nodeId) ?? 1) - 1);
        this.dispatch();
      });
  }

  async #exchange(nodeId: number, batches: readonly ProducerBatch[]): Promise<void> {
    const { acks, timeoutMs, compresses } = this.#options;
    if (compresses) await this.#compress(batches);
    const connection = this.#cluster.connection(nodeId, this.#use);
    const topics = this.#topicsOf(batches);
    const body = { acks, timeoutMs, topicData: topics.map(topicData) };
    const versionMax = Math.min(...topics.map(({ place }) => versionMaxFor(place.topicId, LAST_VERSION_WITH_NAMES)));
    if (acks === 0) {
      await connection.post(produce, body, { versionMax });
      for (const batch of batches) this.#settle(batch, { baseOffset: -1, logAppendTimeMs: -1 });
      return;
    }
    const response = await connection.request(produce, body, { versionMax });
    const answers = answersOf(response);
    for (const batch of batches) this.#answer(batch, answers, topics);
  }

  /** Requests leave in the order in which their batches were taken, however long each takes to compress. */
  #compress(batches: readonly ProducerBatch[]): Promise<void> {
    const compressed = Promise.all(batches.map((batch) => batch.compress()));
    const turn = this.#compressing.then(() => compressed).then(() => undefined);
    this.#compressing = turn.catch(() => undefined);
    return turn;
  }

  #topicsOf(batches: readonly ProducerBatch[]): OutgoingTopic[] {
    const topics = new Map<string, OutgoingTopic>();
    for (const batch of batches) {
      const { topic } = batch.queue;
      const known = topics.get(topic);
      if (known !== undefined) known.batches.push(batch);
      else topics.set(topic, { place: this.#place(topic), batches: [batch] });
    }
    return [...topics.values()];
  }

  #place(topic: string): TopicPlace {
    const place = this.#cluster.cached(topic);
    if (place === undefined) throw new BrokerFault(ERROR_CODES.LEADER_NOT_AVAILABLE, `produce to ${topic}`);
    return place;
  }

  #answer(batch: ProducerBatch, answers: Answers, topics: readonly OutgoingTopic[]): void {
    const { topic, partition } = batch.queue;
    const topicId = topics.find(({ place }) => place.name === topic)?.place.topicId;
    const answer = answers.get(`${topic} ${partition}`) ?? answers.get(`${topicId} ${partition}`);
    const about = `produce to ${topic}-${partition}`;
    if (answer === undefined) {
      this.#fail(batch, new LogFault('ERR_MALFORMED_FRAME', `${about}: the response does not mention the partition`));
    } else if (answer.errorCode === ERROR_CODES.NONE) {
      this.#settle(batch, answer);
    } else if (answer.errorCode === ERROR_CODES.DUPLICATE_SEQUENCE_NUMBER) {
      // An older broker has the batch and no longer knows where.
      this.#settle(batch, { baseOffset: -1, logAppendTimeMs: -1 });
    } else if (batch.queue.sequence.isIdempotent && OUT_OF_SEQUENCE.has(answer.errorCode)) {
      this.#outOfSequence(batch, new BrokerFault(answer.errorCode, about, answer.errorMessage, { retriable: true }));
    } else {
      this.#fail(batch, new BrokerFault(answer.errorCode, about, answer.errorMessage));
    }
  }

  /**
   * The partition misses what came before the batch. That is a batch still to be sent again, or one that was given up,
   * or the broker has forgotten: only then is nothing left that could arrive late, and the numbers begin anew (KIP-360).
   * The batch itself is certainly not in the log, so that new numbers cannot double it.
   */
  #outOfSequence(batch: ProducerBatch, fault: BrokerFault): void {
    const { queue } = batch;
    if (queue.isOldest(batch)) {
      queue.mustRestart = true;
      this.#fail(batch, fault);
      return;
    }
    queue.putBack(batch);
    this.#backOff(queue, 1);
  }

  #settle(batch: ProducerBatch, outcome: BatchOutcome): void {
    batch.queue.land(batch);
    this.#onSettled(batch);
    batch.settle(outcome);
  }

  /** Sends the batch again later, or gives it up. */
  #fail(batch: ProducerBatch, fault: Error): void {
    batch.failures++;
    const ageMs = this.#cluster.options.clock.monotonic() - batch.createdMs;
    const { retries, deliveryTimeoutMs } = this.#options;
    if (!isRetriable(fault) || batch.failures > retries || ageMs >= deliveryTimeoutMs) {
      this.#settle(batch, { fault });
      return;
    }
    // Most retriable refusals come of a leader that has moved.
    if (fault instanceof BrokerFault) this.#cluster.forget(batch.queue.topic);
    batch.queue.putBack(batch);
    this.#backOff(batch.queue, batch.failures);
  }

  #backOff(queue: PartitionQueue, failures: number): void {
    const { clock, random } = this.#cluster.options;
    if (queue.isBackingOff) return;
    queue.isBackingOff = true;
    clock.schedule(backoffMs(this.#options, failures, random), () => {
      queue.isBackingOff = false;
      this.add(queue);
      this.dispatch();
    });
  }
}

interface OutgoingTopic {
  readonly place: TopicPlace;
  readonly batches: ProducerBatch[];
}

interface TopicData {
  readonly name: string;
  readonly topicId: Uuid;
  readonly partitionData: readonly { readonly index: number; readonly records: Uint8Array }[];
}

function topicData({ place, batches }: OutgoingTopic): TopicData {
  const partitionData = batches.map((batch) => ({ index: batch.queue.partition, records: batch.bytes }));
  return { name: place.name, topicId: place.topicId, partitionData };
}

type Answer = ResponseOf<typeof produce>['responses'][number]['partitionResponses'][number];
/** By topic name or id, whichever the version carries, and partition. */
type Answers = ReadonlyMap<string, Answer>;

function answersOf(response: ResponseOf<typeof produce>): Answers {
  const answers = new Map<string, Answer>();
  for (const { name, topicId, partitionResponses } of response.responses) {
    for (const answer of partitionResponses) answers.set(`${name === '' ? topicId : name} ${answer.index}`, answer);
  }
  return answers;
}

function sizeOf(batches: readonly ProducerBatch[]): number {
  return batches.reduce((sum, batch) => sum + batch.byteCount, 0);
}
