// The project's own client under load while its broker dies and comes back: idempotent producers that retry through it
// all, with several batches of a partition in flight. Nothing that they send may fail.

import type { Client } from '../../src/client/index.ts';
import { connect } from '../../src/platform/node/connect.ts';
import type { SeededRandom } from '../support/seeded-random.ts';

const PRODUCERS = 4;
/** Calls of `send` that one lane has under way. */
const SENDS_IN_FLIGHT = 12;
/** Small, so that the records of a turn are several batches. */
const BATCH_BYTES = 2000;
/** Longer than any restart of the broker. */
const DELIVERY_TIMEOUT_MS = 600_000;
const BACKOFF = { retryBackoffMs: 20, retryBackoffMaxMs: 200 };

export interface Acknowledged {
  readonly partition: number;
  readonly offset: number;
  readonly text: string;
}

export interface ClientWritersOptions {
  readonly url: string;
  readonly topic: string;
  readonly partitions: number;
  readonly random: SeededRandom;
  /** A new text for the lane, whose number no other record has. */
  readonly nextText: (lane: number) => string;
  readonly onAcknowledged: (records: readonly Acknowledged[]) => void;
}

export class ClientWriters {
  readonly #options: ClientWritersOptions;
  readonly #client: Client;
  readonly #ended: Promise<unknown>;
  #isStopping = false;

  private constructor(options: ClientWritersOptions, client: Client) {
    this.#options = options;
    this.#client = client;
    this.#ended = Promise.all(Array.from({ length: PRODUCERS }, (_, index) => this.#produce(index)));
  }

  /** Begins to write. */
  static async start(options: ClientWritersOptions): Promise<ClientWriters> {
    return new ClientWriters(options, await connect({ url: options.url, ...BACKOFF }));
  }

  /** Rejects when a record has failed. */
  get ended(): Promise<unknown> {
    return this.#ended;
  }

  /** Resolves when everything that was sent is acknowledged. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#ended;
    this.#client.close();
  }

  async #produce(index: number): Promise<void> {
    const producer = this.#client.producer({
      ...BACKOFF,
      batchBytes: BATCH_BYTES,
      deliveryTimeoutMs: DELIVERY_TIMEOUT_MS,
      retries: Number.POSITIVE_INFINITY,
    });
    const { partitions, topic } = this.#options;
    const lanes = Array.from({ length: partitions * SENDS_IN_FLIGHT }, async (_, place) => {
      const partition = place % partitions;
      while (!this.#isStopping) {
        const texts = this.#texts(index * partitions + partition);
        const places = await producer.send({ topic, partition, records: texts.map((value) => ({ value })) });
        this.#options.onAcknowledged(
          places.map(({ offset }, record) => ({ partition, offset, text: texts[record] ?? '' })),
        );
      }
    });
    await Promise.all(lanes);
  }

  #texts(lane: number): string[] {
    const { random, nextText } = this.#options;
    return Array.from({ length: 1 + random.below(5) }, () => nextText(lane));
  }
}
