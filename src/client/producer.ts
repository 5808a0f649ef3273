// Takes records from the application into batches, within a bound of memory, and tells where they went. Batches are
// sent by produce-sender.ts.

import { LogFault } from '../core/fault.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { BufferBudget } from './buffer-budget.ts';
import type { Cluster } from './cluster.ts';
import { type CodecName, type Codecs, type Compressor, compressorOf } from './compression.ts';
import { ProduceSender, type SendOptions } from './produce-sender.ts';
import type { PartitionQueue, ProducerBatch } from './producer-batch.ts';
import { IDEMPOTENT_IN_FLIGHT_MAX, type IdentityOptions, IdentitySource } from './producer-identity.ts';
import type { RecordInput, RecordMetadata } from './record.ts';
import { RecordWriter } from './record-writer.ts';
import { SendTask } from './send-task.ts';
import { TopicSink } from './topic-sink.ts';

/** How a producer behaves. The names in brackets are Kafka's. */
export interface ProducerOptions {
  /**
   * When a record counts as sent (acks): 0 when it has left, 1 when the broker has written it, 'all' (or -1, the
   * default) when it is on stable storage and on every replica in sync.
   */
  readonly acks?: 0 | 1 | -1 | 'all';
  /**
   * How long a batch waits for more records (linger.ms), in milliseconds. Default 0: a batch goes as soon as the
   * partition has nothing else on the way, with all that has come by then.
   */
  readonly lingerMs?: number;
  /** A batch is full at this size (batch.size), in bytes. Default 256 KiB. A larger record goes in a batch of its own. */
  readonly batchBytes?: number;
  /** Bytes of records that may wait for acknowledgement (buffer.memory); beyond, `send` waits. Default 32 MiB. */
  readonly bufferBytes?: number;
  /**
   * Whether a batch that is sent again is written once (enable.idempotence): the broker knows each by its sequence
   * number, and answers a batch that it has with the place where that is. Default true where acks is 'all', retries is
   * not 0, maxInFlight is not above 5 and the broker knows of it (Kafka 0.11) and allows it; where it is asked for, each
   * of these is an error instead. Without it, a batch whose acknowledgement was lost may be in the log twice.
   */
  readonly idempotent?: boolean;
  /**
   * How often a batch is sent again after a retriable failure. Default 8; with 0 such a failure, after which the records
   * may be in the log or not, is for the caller to judge.
   */
  readonly retries?: number;
  /** Wait before the first retry (retry.backoff.ms), in milliseconds; it doubles with each. Default 100. */
  readonly retryBackoffMs?: number;
  /** Longest wait between retries (retry.backoff.max.ms), in milliseconds. Default 1000. */
  readonly retryBackoffMaxMs?: number;
  /** A batch is given up this long after its first record (delivery.timeout.ms), in milliseconds. Default 120000. */
  readonly deliveryTimeoutMs?: number;
  /** How long the broker may take to acknowledge (request.timeout.ms), in milliseconds. Default 30000. */
  readonly timeoutMs?: number;
  /** How batches are compressed (compression.type). Default not at all. See `codecs` and `zstdWasm` of `connect`. */
  readonly compression?: CodecName | undefined;
  /**
   * Batches of one partition on the way at once (max.in.flight.requests.per.connection). By default up to 5 that are
   * full, of an idempotent producer, and otherwise 1: that keeps the order of the records through every retry. A number
   * lets batches go that are not full yet, too, which hides latency; without idempotence a retry may then put a batch
   * behind its successors.
   */
  readonly maxInFlight?: number;
}

/** Records for one topic. `messages` is kafkajs' word for `records`; give one of them. */
export interface SendRequest {
  readonly topic: string;
  readonly records?: readonly RecordInput[];
  readonly messages?: readonly RecordInput[];
  /** For all records that name none themselves; by default their keys decide. */
  readonly partition?: number;
}

const DEFAULTS = {
  acks: -1,
  lingerMs: 0,
  batchBytes: 256 * 1024,
  bufferBytes: 32 * 1024 * 1024,
  retries: 8,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  deliveryTimeoutMs: 120_000,
  timeoutMs: 30_000,
  compression: undefined,
} as const;

/** Requests to one broker on the way at once. */
const REQUESTS_IN_FLIGHT_MAX = 5;
const REQUEST_BYTES_MAX = 8 * 1024 * 1024;

interface Settings extends Required<Omit<ProducerOptions, 'idempotent' | 'maxInFlight'>> {
  readonly idempotent?: boolean;
  readonly maxInFlight?: number;
}

/** As in Kafka's clients (KIP-679): a default gives way to what contradicts it, a wish does not. */
function idempotenceOf({ idempotent, acks, retries, maxInFlight = 0 }: Settings): IdentityOptions['idempotence'] {
  if (idempotent === false) return 'off';
  const can = (acks === 'all' || acks === -1) && retries > 0 && maxInFlight <= IDEMPOTENT_IN_FLIGHT_MAX;
  if (can) return idempotent === true ? 'required' : 'preferred';
  if (idempotent === undefined) return 'off';
  const limit = IDEMPOTENT_IN_FLIGHT_MAX;
  throw new LogFault('ERR_USAGE', `an idempotent producer needs acks 'all', retries, and maxInFlight up to ${limit}`);
}

export interface ProducerContext {
  readonly cluster: Cluster;
  readonly kernels: () => Promise<Kernels>;
  readonly codecs: Codecs;
  /** Names this producer's connections. */
  readonly use: string;
}

/**
 * Sends records. Made by `client.producer()`; many may be sent at once, and records of one partition keep the order of
 * the calls.
 */
export class Producer {
  readonly #context: ProducerContext;
  readonly #options: Settings;
  readonly #sender: ProduceSender;
  readonly #budget: BufferBudget;
  readonly #compressor: Compressor | undefined;
  readonly #identities: IdentitySource;
  readonly #topics = new Map<string, TopicSink>();
  readonly #lingering = new Set<PartitionQueue>();
  readonly #unsettled = new Set<ProducerBatch>();
  #drained: (() => void)[] = [];
  #isWaking = false;
  #closed = false;

  constructor(context: ProducerContext, options: ProducerOptions) {
    this.#context = context;
    this.#options = { ...DEFAULTS, ...options };
    const idempotence = idempotenceOf(this.#options);
    this.#identities = new IdentitySource(context.cluster, { idempotence });
    const { compression } = this.#options;
    this.#compressor = compression === undefined ? undefined : compressorOf(compression, context.codecs);
    this.#budget = new BufferBudget(this.#options.bufferBytes);
    const sending = { ...this.#sendOptions(), use: context.use, identities: this.#identities };
    this.#sender = new ProduceSender(context.cluster, sending, (batch) => this.#settled(batch));
  }

  #sendOptions(): SendOptions {
    const { acks, timeoutMs, retries, deliveryTimeoutMs, retryBackoffMs, retryBackoffMaxMs, maxInFlight, compression } =
      this.#options;
    return {
      acks: acks === 'all' ? -1 : acks,
      timeoutMs,
      retries,
      deliveryTimeoutMs,
      initialMs: retryBackoffMs,
      maxMs: retryBackoffMaxMs,
      inFlightPerPartitionMax: maxInFlight,
      requestsInFlightMax: Math.max(REQUESTS_IN_FLIGHT_MAX, maxInFlight ?? 0),
      compresses: compression !== undefined,
      requestBytesMax: REQUEST_BYTES_MAX,
    };
  }

  /**
   * Sends records to one topic, which the broker may create. Resolves when all of them are acknowledged, with the place
   * of each, in their order. Throws a {@link BrokerFault} where the broker refuses, ERR_CONNECTION or ERR_TIMEOUT where
   * it does not answer, ERR_USAGE for a partition that does not exist, ERR_CLOSED. Keys, values and headers must not
   * change before it settles. When it throws, some of the records may have been written.
   */
  send(request: SendRequest): Promise<RecordMetadata[]> {
    const records = request.records ?? request.messages ?? [];
    if (records.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const sink = this.#sink(request.topic);
      sink.admit(new SendTask(sink, { records, partition: request.partition, resolve, reject }));
    });
  }

  /** Sends records to several topics at once; the places stand in the order of the topics. */
  async sendBatch(request: { readonly topicMessages: readonly SendRequest[] }): Promise<RecordMetadata[]> {
    const sent = await Promise.all(request.topicMessages.map((each) => this.send(each)));
    return sent.flat();
  }

  /**
   * A writer for many small records, without a promise for each: several million records a second. Its `flush` tells
   * whether they arrived.
   */
  writer(topic: string, options: { readonly partition?: number } = {}): RecordWriter {
    return new RecordWriter(this.#sink(topic), options.partition, () => this.flush());
  }

  /** Resolves when everything taken before the call is acknowledged or has failed; lingering batches go at once. */
  async flush(): Promise<void> {
    await Promise.all([...this.#topics.values()].map((sink) => sink.whenAdmitted()));
    for (const queue of this.#lingering) this.#endLinger(queue);
    this.#sender.dispatch();
    const unsettled = new Set(this.#unsettled);
    while ([...unsettled].some((batch) => this.#unsettled.has(batch))) {
      await new Promise<void>((resolve) => this.#drained.push(resolve));
    }
  }

  /** Flushes, then closes the producer's connections. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.flush();
    this.#context.cluster.closeUse(this.#context.use);
  }

  /** Alias of {@link close}, for those who come from kafkajs. */
  disconnect(): Promise<void> {
    return this.close();
  }

  #sink(topic: string): TopicSink {
    if (this.#closed) throw new LogFault('ERR_CLOSED', 'the producer is closed');
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    if (typeof topic !== 'string' || topic === '') {
      throw new LogFault('ERR_USAGE', `a topic is named by text, not ${topic === '' ? 'an empty one' : typeof topic}`);
    }
    const sink = new TopicSink({
      topic,
      cluster: this.#context.cluster,
      kernels: this.#context.kernels,
      budget: this.#budget,
      batchBytes: this.#options.batchBytes,
      memoryBytesMax: this.#options.bufferBytes,
      compressor: this.#compressor,
      identities: this.#identities,
      onOpen: (batch) => this.#opened(batch),
    });
    this.#topics.set(topic, sink);
    return sink;
  }

  /** A batch has its first record. */
  #opened(batch: ProducerBatch): void {
    const { queue } = batch;
    this.#unsettled.add(batch);
    // The batch before it may be full by now.
    if (queue.isReady) this.#wakeSoon(queue);
    if (this.#lingering.has(queue)) return;
    const { lingerMs } = this.#options;
    if (lingerMs === 0) {
      queue.isDue = true;
      this.#wakeSoon(queue);
      return;
    }
    this.#lingering.add(queue);
    queue.lingerTimer = this.#context.cluster.options.clock.schedule(lingerMs, () => {
      this.#endLinger(queue);
      this.#sender.dispatch();
    });
  }

  /** At the end of this turn of the event loop, so that the records of a turn share requests. */
  #wakeSoon(queue: PartitionQueue): void {
    this.#sender.add(queue);
    if (this.#isWaking) return;
    this.#isWaking = true;
    queueMicrotask(() => {
      this.#isWaking = false;
      this.#sender.dispatch();
    });
  }

  #endLinger(queue: PartitionQueue): void {
    this.#lingering.delete(queue);
    queue.lingerTimer?.cancel();
    queue.lingerTimer = undefined;
    queue.isDue = true;
    this.#sender.add(queue);
  }

  #settled(batch: ProducerBatch): void {
    this.#unsettled.delete(batch);
    this.#budget.give(batch.byteCount);
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}
