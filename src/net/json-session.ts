// One client's json session: its requests performed through the client library, its subscriptions fed as far as it
// grants. Order, limits and liveness of requests are the Connection's, which drives this as it drives a broker: here a
// request is a text message and its response another. Records are sent beside the responses.

import type { RequestHandler, ResponseFrame } from '../broker/request-handler.ts';
import type { Admin } from '../client/admin.ts';
import { BrokerFault } from '../client/broker-fault.ts';
import type { Producer } from '../client/producer.ts';
import type { RecordInput } from '../client/record.ts';
import { LogFault } from '../core/fault.ts';
import type { Logger } from '../core/logger.ts';
import { Connection, type ConnectionParts } from './connection.ts';
import type { FrameSink } from './frame-transport.ts';
import {
  type AnswerFields,
  formatAnswer,
  formatError,
  InvalidRequest,
  type JsonError,
  type JsonRequest,
  type ParsedRequest,
  parseRequest,
} from './json-protocol.ts';
import { Subscription, type SubscriptionSource } from './json-subscription.ts';
import type { SavedSession, SavedSubscription } from './saved-session.ts';

type SubscribeRequest = Extract<JsonRequest, { readonly op: 'subscribe' }>;
type ProduceRequest = Extract<JsonRequest, { readonly op: 'produce' }>;
type CreateRequest = Extract<JsonRequest, { readonly op: 'create-topic' }>;

/** What a session needs of the client library. Made for the session and closed with it. */
export interface JsonClient {
  readonly admin: Pick<
    Admin,
    'createTopics' | 'deleteTopics' | 'describeTopic' | 'fetchTopicOffsets' | 'listTopics' | 'listOffsets'
  >;
  /** The producer of an acks setting, always the same one. */
  producer(acks: 0 | 1 | -1): Pick<Producer, 'send'>;
  /** Opens a reader at the given offsets. */
  read(topic: string, positions: ReadonlyMap<number, number>): SubscriptionSource;
  /** Nothing more will be asked; what is being produced may still arrive. */
  close(): void;
}

/** Kafka's numbers of the errors that are found here and not by the broker. */
const INVALID_REQUEST = { code: 'INVALID_REQUEST', number: 42 } as const;
const UNKNOWN_SERVER_ERROR = { code: 'UNKNOWN_SERVER_ERROR', number: -1 } as const;
const LOCAL_ERRORS: Readonly<Partial<Record<string, { readonly code: string; readonly number: number }>>> = {
  ERR_TIMEOUT: { code: 'REQUEST_TIMED_OUT', number: 7 },
  ERR_CONNECTION: { code: 'NETWORK_EXCEPTION', number: 13 },
  ERR_USAGE: INVALID_REQUEST,
  ERR_UNSUPPORTED: { code: 'UNSUPPORTED_VERSION', number: 35 },
  ERR_CLOSED: { code: 'NETWORK_EXCEPTION', number: 13 },
};

interface Answer {
  readonly text: string | undefined;
  /** The subscription that begins once the answer was sent. */
  readonly starts?: Subscription | undefined;
}

const SUBSCRIPTIONS_MAX = 64;
const TEXT_DECODER = new TextDecoder();
const TEXT_ENCODER = new TextEncoder();

export interface JsonSessionParts extends Omit<ConnectionParts, 'handler' | 'isBusy' | 'onAnswered'> {
  /** Whether the broker takes more; requests are not begun before. */
  readonly whenWritable: () => Promise<void> | undefined;
  readonly client: JsonClient;
  /** What another session of the same client has saved, to go on with. */
  readonly saved?: SavedSession | undefined;
}

/** Opens a session over a transport of text messages. */
export function openJsonSession(parts: JsonSessionParts): FrameSink {
  const session = new JsonSession(parts);
  const connection = new Connection({
    ...parts,
    handler: session,
    isBusy: () => session.hasSubscriptions,
    onAnswered: (response) => session.onAnswered(response),
  });
  parts.lifetime.signal.addEventListener('abort', () => session.closeSubscriptions());
  if (parts.saved !== undefined) session.restore(parts.saved);
  return {
    onFrame: (frame) => connection.onFrame(frame),
    onDrain() {
      connection.onDrain();
      session.onDrain();
    },
    onClose() {
      connection.onClose();
      session.close();
    },
    onTick: (nowMs) => connection.onTick(nowMs),
    close: (code, reason) => connection.close(code, reason),
    drain: (code, reason) => connection.drain(code, reason),
    save: () => (connection.save() === undefined ? undefined : session.save()),
  };
}

class JsonSession implements RequestHandler {
  readonly #parts: JsonSessionParts;
  readonly #client: JsonClient;
  readonly #logger: Logger;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Subscriptions whose answer has not been sent. */
  readonly #starting = new Map<ResponseFrame, Subscription>();
  #subscriptionCount = 0;
  /** Settles when every request so far has, and when every exclusive one has. */
  #all: Promise<unknown> = Promise.resolve();
  #exclusive: Promise<unknown> = Promise.resolve();

  constructor(parts: JsonSessionParts) {
    this.#parts = parts;
    this.#client = parts.client;
    this.#logger = parts.logger;
  }

  get hasSubscriptions(): boolean {
    return this.#subscriptions.size > 0;
  }

  whenWritable(): Promise<void> | undefined {
    return this.#parts.whenWritable();
  }

  /** Answers one message; an error is an answer too. */
  async handle(frame: Uint8Array): Promise<ResponseFrame | undefined> {
    const { text, starts } = await this.#answer(TEXT_DECODER.decode(frame));
    if (text === undefined) return undefined;
    const bytes = TEXT_ENCODER.encode(text);
    const response = { chunks: [bytes], byteLength: bytes.byteLength };
    if (starts !== undefined) this.#starting.set(response, starts);
    return response;
  }

  /** A subscription's first records follow the answer that tells of it. */
  onAnswered(response: ResponseFrame): void {
    const subscription = this.#starting.get(response);
    if (subscription === undefined) return;
    this.#starting.delete(response);
    subscription.start();
  }

  onDrain(): void {
    for (const subscription of this.#subscriptions.values()) subscription.wake();
  }

  save(): SavedSession {
    const subscriptions = [...this.#subscriptions.values()].map((subscription) => subscription.save());
    return { subscriptions, subscriptionCount: this.#subscriptionCount };
  }

  /** Goes on with the subscriptions of another session; their client has been told of them. */
  restore(saved: SavedSession): void {
    this.#subscriptionCount = saved.subscriptionCount;
    for (const each of saved.subscriptions) this.#open(each).start();
  }

  closeSubscriptions(): void {
    for (const subscription of this.#subscriptions.values()) subscription.close();
    this.#subscriptions.clear();
    this.#starting.clear();
  }

  close(): void {
    this.closeSubscriptions();
    this.#client.close();
  }

  async #answer(text: string): Promise<Answer> {
    let parsed: ParsedRequest;
    try {
      parsed = parseRequest(text);
    } catch (error) {
      if (!(error instanceof InvalidRequest)) throw error;
      return { text: formatError(error.id, error.op, { ...INVALID_REQUEST, message: error.message }) };
    }
    const { id, request } = parsed;
    try {
      const fields = await this.#inOrder(request);
      // Granting credit is frequent and cannot fail but for its name: it is answered to those who ask by an id.
      if (request.op === 'credit' && id === undefined) return { text: undefined };
      const starts = request.op === 'subscribe' ? this.#subscriptions.get(String(fields.subscription)) : undefined;
      return { text: formatAnswer(id, request.op, fields), starts };
    } catch (error) {
      return { text: formatError(id, request.op, this.#describe(error)) };
    }
  }

  /**
   * Requests take effect in the order in which they came, though records of many are on the way at once: what changes
   * or reads the state of topics waits for all before it, and all after it wait for it.
   */
  #inOrder(request: JsonRequest): Promise<AnswerFields> {
    const isShared = request.op === 'produce' || request.op === 'credit' || request.op === 'unsubscribe';
    const before = isShared ? this.#exclusive : this.#all;
    const performed = before.then(() => this.#perform(request));
    const settled = performed.catch(() => undefined);
    if (!isShared) this.#exclusive = settled;
    this.#all = isShared ? Promise.all([this.#all, settled]) : settled;
    return performed;
  }

  async #perform(request: JsonRequest): Promise<AnswerFields> {
    switch (request.op) {
      case 'create-topic':
        return await this.#createTopic(request);
      case 'list-topics':
        return { topics: await this.#client.admin.listTopics() };
      case 'describe-topic':
        return await this.#describeTopic(request.topic);
      case 'delete-topic':
        await this.#client.admin.deleteTopics({ topics: [request.topic] });
        return { topic: request.topic };
      case 'produce':
        return await this.#produce(request);
      case 'subscribe':
        return await this.#subscribe(request);
      case 'unsubscribe':
        this.#subscription(request.subscription).close();
        this.#subscriptions.delete(request.subscription);
        return { subscription: request.subscription };
      case 'credit':
        return {
          subscription: request.subscription,
          credit: this.#subscription(request.subscription).grant(request.credit),
        };
    }
  }

  async #createTopic(request: CreateRequest): Promise<AnswerFields> {
    const { topic, partitions, replicationFactor, configs } = request;
    const newTopic = {
      topic,
      configs,
      ...(partitions === undefined ? {} : { numPartitions: partitions }),
      ...(replicationFactor === undefined ? {} : { replicationFactor }),
    };
    await this.#client.admin.createTopics({ topics: [newTopic] });
    const place = await this.#client.admin.describeTopic(topic);
    return { topic, partitions: place.partitions.length };
  }

  async #describeTopic(topic: string): Promise<AnswerFields> {
    const { admin } = this.#client;
    const [place, offsets] = [await admin.describeTopic(topic), await admin.fetchTopicOffsets(topic)];
    const ends = new Map(offsets.map((each) => [each.partition, each]));
    const partitions = place.partitions.map(({ partition, leader, replicas, inSyncReplicas }) => ({
      partition,
      leader,
      replicas,
      inSyncReplicas,
      logStartOffset: ends.get(partition)?.low ?? -1,
      highWatermark: ends.get(partition)?.high ?? -1,
    }));
    return { topic, topicId: place.topicId, partitions };
  }

  async #produce(request: ProduceRequest): Promise<AnswerFields> {
    const { topic, acks, isSingle } = request;
    const records: RecordInput[] = request.records.map(({ key, value, headers, partition, timestamp }) => ({
      key,
      value,
      headers,
      partition,
      timestamp,
    }));
    const places = await this.#client.producer(acks).send({ topic, records });
    const shown = places.map(({ partition, offset, timestamp }) => ({ partition, offset, timestamp }));
    return isSingle ? { topic, ...shown[0] } : { topic, records: shown };
  }

  async #subscribe(request: SubscribeRequest): Promise<AnswerFields> {
    if (this.#subscriptions.size >= SUBSCRIPTIONS_MAX) {
      throw new InvalidRequest(`a connection may have ${SUBSCRIPTIONS_MAX} subscriptions`);
    }
    this.#subscriptionCount += 1;
    const name = request.subscription ?? `${request.topic}-${this.#subscriptionCount}`;
    if (this.#subscriptions.has(name)) throw new InvalidRequest(`the subscription "${name}" exists already`);
    const positions = await this.#positions(request);
    if (this.#parts.lifetime.signal.aborted) throw new LogFault('ERR_CLOSED', 'the connection has ended');
    this.#open({ ...request, name, positions: [...positions] });
    const partitions = [...positions].map(([partition, offset]) => ({ partition, offset }));
    return { subscription: name, topic: request.topic, partitions, credit: request.credit };
  }

  #open({ name, topic, credit, keyEncoding, valueEncoding, positions }: SavedSubscription): Subscription {
    const subscription = new Subscription({
      name,
      topic,
      credit,
      keyEncoding,
      valueEncoding,
      positions: new Map(positions),
      source: this.#client.read(topic, new Map(positions)),
      transport: this.#parts.transport,
      outboundBytesHigh: this.#parts.limits.outboundBytesHigh,
      describe: (error) => this.#describe(error),
      onEnd: () => this.#subscriptions.delete(name),
    });
    this.#subscriptions.set(name, subscription);
    return subscription;
  }

  /** Offsets at which a subscription begins, for each of its partitions. */
  async #positions({ topic, partitions, from }: SubscribeRequest): Promise<ReadonlyMap<number, number>> {
    const { admin } = this.#client;
    const place = await admin.describeTopic(topic);
    const wanted = partitions ?? place.partitions.map(({ partition }) => partition);
    for (const partition of wanted) {
      if (partition >= place.partitions.length) {
        throw new InvalidRequest(`topic ${topic} has no partition ${partition}: it has ${place.partitions.length}`);
      }
    }
    if (from.kind === 'offset') return new Map(wanted.map((partition) => [partition, from.offset]));
    const places = wanted.map((partition) => ({ topic, partition }));
    const query = from.kind === 'beginning' ? 'earliest' : from.kind === 'timestamp' ? from : 'latest';
    const found = await admin.listOffsets(places, query);
    const positions = new Map(found.map(({ partition, offset }) => [partition, offset]));
    if (from.kind === 'offsets')
      for (const partition of wanted) setWhere(positions, partition, from.offsets.get(partition));
    const isMissing = found.some(({ offset }) => offset < 0);
    if (isMissing) {
      // No record is that late: records that are still to come are.
      for (const { partition, offset } of await admin.listOffsets(places, 'latest')) {
        if ((positions.get(partition) ?? -1) < 0) positions.set(partition, offset);
      }
    }
    return positions;
  }

  #subscription(name: string): Subscription {
    const subscription = this.#subscriptions.get(name);
    if (subscription === undefined) throw new InvalidRequest(`there is no subscription "${name}"`);
    return subscription;
  }

  /** An error as the client is told it. What is nobody's fault but ours is logged and not told. */
  #describe(error: unknown): JsonError {
    if (error instanceof InvalidRequest) return { ...INVALID_REQUEST, message: error.message };
    if (error instanceof BrokerFault) return { code: error.error, number: error.errorCode, message: error.message };
    if (error instanceof LogFault)
      return { ...(LOCAL_ERRORS[error.code] ?? UNKNOWN_SERVER_ERROR), message: error.message };
    this.#logger.error('json request failed', { connection: this.#parts.context.id, error });
    return { ...UNKNOWN_SERVER_ERROR, message: 'internal error' };
  }
}

function setWhere(positions: Map<number, number>, partition: number, offset: number | undefined): void {
  if (offset !== undefined) positions.set(partition, offset);
}
