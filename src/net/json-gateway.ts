// The json subprotocol of one broker: a client library in the same process, shared by all sessions, so that they have
// the same metadata, partitioner and batch encoding as every other client. A session has its own producers and readers.

import type { RequestHandler } from '../broker/request-handler.ts';
import { Client } from '../client/client.ts';
import type { ClientWasm } from '../client/client-wasm.ts';
import type { Codecs } from '../client/compression.ts';
import type { ConsumedBatch, Consumer } from '../client/consumer.ts';
import { InProcessOpener } from '../client/in-process-transport.ts';
import type { Producer } from '../client/producer.ts';
import type { Clock, Random } from '../core/platform.ts';
import type { ConnectionParts } from './connection.ts';
import type { FrameSink } from './frame-transport.ts';
import type { JsonRecordOutput } from './json-protocol.ts';
import { type JsonClient, openJsonSession } from './json-session.ts';
import type { SubscriptionSource } from './json-subscription.ts';
import type { SavedSession } from './saved-session.ts';

export interface JsonGatewayOptions {
  readonly handler: RequestHandler;
  readonly wasm: ClientWasm;
  /** For reading compressed records; gzip comes with the runtime. */
  readonly codecs?: Codecs | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

/** What a listener has of a connection. */
export interface JsonConnectionParts extends Omit<ConnectionParts, 'handler' | 'isBusy' | 'onAnswered'> {
  /** What another session of the same client has saved, to go on with. */
  readonly saved?: SavedSession | undefined;
}

/** Bytes of one session's records that wait for acknowledgement; beyond, its produce requests wait. */
const PRODUCE_BYTES_MAX = 4 * 1024 * 1024;
/** Producers that are kept for sessions to come, of each number of acks. */
const IDLE_PRODUCERS_MAX = 32;
/** Bytes of one subscription that are read ahead of the client's credit. */
const READ_AHEAD_BYTES = 1024 * 1024;
/** The broker is in this process: what is retriable (a topic that is being created) is over soon. */
const RETRY_BACKOFF_MS = 10;
/** Retriable failures of a subscription in a row before it is ended and the client told. */
const READ_RETRIES = 20;

export class JsonGateway {
  readonly #handler: RequestHandler;
  readonly #client: Client;
  readonly #producers: ProducerPool;

  constructor(options: JsonGatewayOptions) {
    this.#handler = options.handler;
    this.#client = new Client({
      transport: new InProcessOpener(options.handler),
      clientId: 'millrace-json',
      wasm: options.wasm,
      codecs: options.codecs ?? {},
      retryBackoffMs: RETRY_BACKOFF_MS,
      clock: options.clock,
      random: options.random,
    });
    this.#producers = new ProducerPool(this.#client);
  }

  /** Opens a session over a transport of text messages. */
  open(parts: JsonConnectionParts): FrameSink {
    const client = new SessionClient(this.#client, this.#producers);
    return openJsonSession({ ...parts, client, whenWritable: () => this.#handler.whenWritable() });
  }

  /** Ends the client; sessions must have ended before. */
  close(): void {
    this.#client.close();
  }
}

type Acks = 0 | 1 | -1;

/**
 * Producers between two sessions. Partitions remember each idempotent producer for a day (producer.id.expiration.ms), so
 * that sessions which come and go are not to be a new one each.
 */
class ProducerPool {
  readonly #client: Client;
  readonly #idle = new Map<Acks, Producer[]>();

  constructor(client: Client) {
    this.#client = client;
  }

  take(acks: Acks): Producer {
    const idle = this.#idle.get(acks)?.pop();
    const options = { acks, bufferBytes: PRODUCE_BYTES_MAX, retryBackoffMs: RETRY_BACKOFF_MS };
    return idle ?? this.#client.producer(options);
  }

  /** Takes a producer back once everything that was given to it has arrived or failed. */
  async give(acks: Acks, producer: Producer): Promise<void> {
    await producer.flush();
    const idle = this.#idle.get(acks) ?? [];
    this.#idle.set(acks, idle);
    if (idle.length < IDLE_PRODUCERS_MAX) idle.push(producer);
    else await producer.close();
  }
}

class SessionClient implements JsonClient {
  readonly admin;
  readonly #client: Client;
  readonly #pool: ProducerPool;
  readonly #producers = new Map<Acks, Producer>();

  constructor(client: Client, pool: ProducerPool) {
    this.#client = client;
    this.#pool = pool;
    this.admin = client.admin();
  }

  producer(acks: Acks): Producer {
    const known = this.#producers.get(acks);
    if (known !== undefined) return known;
    const producer = this.#pool.take(acks);
    this.#producers.set(acks, producer);
    return producer;
  }

  read(topic: string, positions: ReadonlyMap<number, number>): SubscriptionSource {
    const consumer = this.#client.consumer({
      maxBytes: READ_AHEAD_BYTES,
      partitionBytes: READ_AHEAD_BYTES,
      prefetchBytes: READ_AHEAD_BYTES,
      retries: READ_RETRIES,
    });
    return new ConsumerSource(consumer, topic, positions);
  }

  close(): void {
    // What is still on its way arrives or fails by itself: nobody is left to be told.
    for (const [acks, producer] of this.#producers) this.#pool.give(acks, producer).catch(() => undefined);
    this.#producers.clear();
  }
}

/** A consumer's batches, begun with the first call. */
class ConsumerSource implements SubscriptionSource {
  readonly #consumer: Consumer;
  readonly #topic: string;
  readonly #positions: ReadonlyMap<number, number>;
  #batches: AsyncIterator<ConsumedBatch> | undefined;

  constructor(consumer: Consumer, topic: string, positions: ReadonlyMap<number, number>) {
    this.#consumer = consumer;
    this.#topic = topic;
    this.#positions = positions;
  }

  async next(): Promise<readonly JsonRecordOutput[] | undefined> {
    this.#batches ??= await this.#start();
    const { done, value } = await this.#batches.next();
    return done === true ? undefined : value.records;
  }

  async #start(): Promise<AsyncIterator<ConsumedBatch>> {
    const topic = this.#topic;
    await this.#consumer.assign([...this.#positions].map(([partition, from]) => ({ topic, partition, from })));
    return this.#consumer.batches();
  }

  close(): void {
    void this.#consumer.close();
  }
}
