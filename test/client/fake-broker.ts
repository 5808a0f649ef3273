// A broker small enough to be read at a glance, with faults on demand: what the client is tested against where a real
// one would not misbehave on time.

import type { RequestHandler, ResponseFrame } from '../../src/broker/request-handler.ts';
import { present } from '../../src/core/assert.ts';
import { LogFault } from '../../src/core/fault.ts';
import type { AnyApi, RequestOf, ResponseInput } from '../../src/protocol/api.ts';
import { readRequestHeader, responseHeaderVersion, writeResponseHeader } from '../../src/protocol/headers.ts';
import { produce } from '../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { listOffsets } from '../../src/protocol/messages/02-list-offsets.ts';
import { metadata } from '../../src/protocol/messages/03-metadata.ts';
import { apiVersions } from '../../src/protocol/messages/18-api-versions.ts';
import { initProducerId } from '../../src/protocol/messages/22-init-producer-id.ts';
import { Reader } from '../../src/protocol/reader.ts';
import { type Uuid, uuidFromBytes } from '../../src/protocol/uuid.ts';
import { Writer } from '../../src/protocol/writer.ts';

const BASE_OFFSET = 0;
const LAST_OFFSET_DELTA = 23;
const PRODUCER_ID = 43;
const PRODUCER_EPOCH = 51;
const BASE_SEQUENCE = 53;
const RECORD_COUNT = 57;
/** Batches by which a partition knows a producer. */
const WINDOW = 5;
const OUT_OF_ORDER_SEQUENCE_NUMBER = 45;
const INVALID_PRODUCER_EPOCH = 47;
const UNKNOWN_PRODUCER_ID = 59;

/** What happens to the next request of an API: a Kafka error, a lost connection before or after it has taken effect. */
export type Fault = number | 'drop' | 'apply-then-drop' | 'never-answer';

interface FakePartition {
  batches: Uint8Array[];
  endOffset: number;
  /** By producer id. */
  producers: Map<number, FakeProducer>;
}

interface FakeProducer {
  epoch: number;
  /** The last batches, oldest first. */
  batches: { readonly first: number; readonly count: number; readonly baseOffset: number }[];
}

export interface FakeBrokerOptions {
  readonly partitions?: number;
  readonly autoCreate?: boolean;
  /** Newest version offered of every API. */
  readonly versionMax?: Readonly<Record<number, number>>;
  /** False for a broker of before Kafka 0.11. Default true. */
  readonly idempotence?: boolean;
  /** The epoch with which producers begin. */
  readonly producerEpoch?: number;
}

export class FakeBroker implements RequestHandler {
  readonly topics = new Map<string, FakePartition[]>();
  readonly produceRequests: RequestOf<typeof produce>[] = [];
  /** Requests seen, by API key. */
  readonly seen = new Map<number, number>();
  readonly #options: FakeBrokerOptions;
  readonly #faults = new Map<number, Fault[]>();
  readonly #waits: (() => void)[] = [];
  /** Holds every Produce answer back until it is resolved. */
  gate: Promise<void> | undefined;
  #producerIds = 0;
  producesUnderWay = 0;
  producesUnderWayMax = 0;

  constructor(options: FakeBrokerOptions = {}) {
    this.#options = options;
  }

  /** The next requests of the API meet these faults, one each. */
  inject(apiKey: number, ...faults: Fault[]): void {
    this.#faults.set(apiKey, [...(this.#faults.get(apiKey) ?? []), ...faults]);
  }

  createTopic(name: string, partitions = this.#options.partitions ?? 1): void {
    this.topics.set(
      name,
      Array.from({ length: partitions }, () => ({ batches: [], endOffset: 0, producers: new Map() })),
    );
  }

  /** Loses what the partitions know of producers, as when their records are all deleted. */
  forgetProducers(): void {
    for (const partitions of this.topics.values()) for (const { producers } of partitions) producers.clear();
  }

  whenWritable(): Promise<void> | undefined {
    return undefined;
  }

  async handle(frame: Uint8Array): Promise<ResponseFrame | undefined> {
    const reader = new Reader(frame);
    const apis = this.#apis();
    const find = (key: number): AnyApi | undefined => apis.find((api) => api.key === key);
    const header = readRequestHeader(reader, find);
    const api = present(find(header.apiKey), `API ${header.apiKey}`);
    this.seen.set(api.key, (this.seen.get(api.key) ?? 0) + 1);
    const fault = this.#faults.get(api.key)?.shift();
    if (fault === 'drop') throw new LogFault('ERR_CONNECTION', 'injected');
    if (fault === 'never-answer') return new Promise(() => undefined);
    if (api.key === apiVersions.key && !api.supports(header.apiVersion))
      throw new LogFault('ERR_UNSUPPORTED', 'version');
    const body = api.decodeRequest(reader, header.apiVersion);
    const response = await this.#answer(api, body, typeof fault === 'number' ? fault : 0);
    if (fault === 'apply-then-drop') throw new LogFault('ERR_CONNECTION', 'injected');
    if (response === undefined) return undefined;
    const writer = new Writer();
    writeResponseHeader(writer, header.correlationId, responseHeaderVersion(api, header.apiVersion));
    api.writeResponse(writer, response, header.apiVersion);
    const bytes = writer.finishFlat();
    return { chunks: [bytes], byteLength: bytes.length };
  }

  #apis(): AnyApi[] {
    const apis: AnyApi[] = [produce, fetch, listOffsets, metadata, apiVersions];
    return this.#options.idempotence === false ? apis : [...apis, initProducerId];
  }

  async #answer(api: AnyApi, body: unknown, errorCode: number): Promise<unknown> {
    switch (api.key) {
      case apiVersions.key:
        return this.#apiVersions();
      case metadata.key:
        return this.#metadata(body as RequestOf<typeof metadata>, errorCode);
      case produce.key:
        return await this.#produce(body as RequestOf<typeof produce>, errorCode);
      case initProducerId.key:
        return this.#initProducerId(errorCode);
      case listOffsets.key:
        return this.#listOffsets(body as RequestOf<typeof listOffsets>);
      default:
        return await this.#fetch(body as RequestOf<typeof fetch>, errorCode);
    }
  }

  #apiVersions(): ResponseInput<typeof apiVersions> {
    const ranges = this.#apis().map((api) => ({
      apiKey: api.key,
      minVersion: api.advertisedFrom,
      maxVersion: Math.min(api.versions[1], this.#options.versionMax?.[api.key] ?? 99),
    }));
    return { errorCode: 0, apiKeys: ranges };
  }

  #initProducerId(errorCode: number): ResponseInput<typeof initProducerId> {
    return { errorCode, producerId: 1000 + this.#producerIds++, producerEpoch: this.#options.producerEpoch ?? 0 };
  }

  #metadata(body: RequestOf<typeof metadata>, errorCode: number): ResponseInput<typeof metadata> {
    const names = body.topics?.map((topic) => topic.name ?? '') ?? [...this.topics.keys()];
    if (this.#options.autoCreate !== false && body.allowAutoTopicCreation) {
      for (const name of names) if (!this.topics.has(name)) this.createTopic(name);
    }
    return {
      brokers: [{ nodeId: 1, host: 'nowhere', port: 1 }],
      controllerId: 1,
      clusterId: 'fake',
      topics: names.map((name) => {
        const partitions = this.topics.get(name);
        const missing = partitions === undefined ? 3 : 0;
        return {
          errorCode: errorCode || missing,
          name,
          topicId: topicIdOf(name),
          partitions: (partitions ?? []).map((_partition, partitionIndex) => ({
            errorCode: 0,
            partitionIndex,
            leaderId: 1,
            leaderEpoch: 0,
            replicaNodes: [1],
            isrNodes: [1],
          })),
        };
      }),
    };
  }

  async #produce(
    body: RequestOf<typeof produce>,
    errorCode: number,
  ): Promise<ResponseInput<typeof produce> | undefined> {
    this.produceRequests.push(body);
    this.producesUnderWay++;
    this.producesUnderWayMax = Math.max(this.producesUnderWayMax, this.producesUnderWay);
    await this.gate;
    this.producesUnderWay--;
    const responses = body.topicData.map((topic) => ({
      name: topic.name,
      topicId: topic.topicId,
      partitionResponses: topic.partitionData.map(({ index, records }) => {
        const partition = this.#partition(topic.name || this.#nameOf(topic.topicId), index);
        if (errorCode !== 0 || partition === undefined || records === null) {
          return { index, errorCode: errorCode || 3, baseOffset: -1 };
        }
        return { index, ...append(partition, records) };
      }),
    }));
    for (const wake of this.#waits.splice(0)) wake();
    return body.acks === 0 ? undefined : { responses };
  }

  #listOffsets(body: RequestOf<typeof listOffsets>): ResponseInput<typeof listOffsets> {
    const topics = body.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex, timestamp }) => {
        const partition = this.#partition(name, partitionIndex);
        const offset = timestamp === -1 ? (partition?.endOffset ?? -1) : 0;
        return { partitionIndex, errorCode: partition === undefined ? 3 : 0, offset, timestamp: -1 };
      }),
    }));
    return { topics };
  }

  async #fetch(body: RequestOf<typeof fetch>, errorCode: number): Promise<ResponseInput<typeof fetch>> {
    if (errorCode === 0 && !this.#hasRecords(body)) await this.#appended(body.maxWaitMs);
    const responses = body.topics.map(({ topic, topicId, partitions }) => ({
      topic,
      topicId,
      partitions: partitions.map(({ partition: partitionIndex, fetchOffset }) => {
        const partition = this.#partition(topic || this.#nameOf(topicId), partitionIndex);
        const endOffset = partition?.endOffset ?? 0;
        const outside = fetchOffset > endOffset ? 1 : 0;
        const records = errorCode === 0 ? recordsFrom(partition, fetchOffset) : new Uint8Array(0);
        const code = errorCode || (partition === undefined ? 3 : outside);
        return { partitionIndex, errorCode: code, highWatermark: endOffset, abortedTransactions: null, records };
      }),
    }));
    return { responses };
  }

  #hasRecords(body: RequestOf<typeof fetch>): boolean {
    return body.topics.some(({ topic, topicId, partitions }) =>
      partitions.some(({ partition, fetchOffset }) => {
        const found = this.#partition(topic || this.#nameOf(topicId), partition);
        return found === undefined || found.endOffset !== fetchOffset;
      }),
    );
  }

  #appended(maxWaitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, maxWaitMs);
      this.#waits.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #partition(topic: string, index: number): FakePartition | undefined {
    return this.topics.get(topic)?.[index];
  }

  #nameOf(topicId: Uuid): string {
    return [...this.topics.keys()].find((name) => topicIdOf(name) === topicId) ?? '';
  }
}

function topicIdOf(name: string): Uuid {
  const bytes = new Uint8Array(16);
  bytes.set(new TextEncoder().encode(name).subarray(0, 16));
  return uuidFromBytes(bytes);
}

interface Appended {
  readonly errorCode: number;
  readonly baseOffset: number;
}

function append(partition: FakePartition, records: Uint8Array): Appended {
  const batch = new Uint8Array(records);
  const view = new DataView(batch.buffer);
  const known = partition.producers.get(Number(view.getBigInt64(PRODUCER_ID)));
  const found = view.getBigInt64(PRODUCER_ID) < 0n ? undefined : judge(view, known);
  if (found !== undefined) return found;
  const baseOffset = partition.endOffset;
  remember(partition, view, baseOffset);
  view.setBigInt64(BASE_OFFSET, BigInt(baseOffset));
  partition.batches.push(batch);
  partition.endOffset = baseOffset + view.getInt32(LAST_OFFSET_DELTA) + 1;
  return { errorCode: 0, baseOffset };
}

/** What is answered in place of writing the batch. Stricter than Kafka, which takes any number of one it does not know. */
function judge(view: DataView, known: FakeProducer | undefined): Appended | undefined {
  const refused = (errorCode: number): Appended => ({ errorCode, baseOffset: -1 });
  const first = view.getInt32(BASE_SEQUENCE);
  const epoch = view.getInt16(PRODUCER_EPOCH);
  if (known === undefined) return first === 0 ? undefined : refused(UNKNOWN_PRODUCER_ID);
  if (epoch < known.epoch) return refused(INVALID_PRODUCER_EPOCH);
  if (epoch > known.epoch) return first === 0 ? undefined : refused(OUT_OF_ORDER_SEQUENCE_NUMBER);
  const count = view.getInt32(RECORD_COUNT);
  const same = known.batches.find((batch) => batch.first === first && batch.count === count);
  if (same !== undefined) return { errorCode: 0, baseOffset: same.baseOffset };
  const last = known.batches.at(-1);
  const due = last === undefined ? 0 : (last.first + last.count) & 0x7fff_ffff;
  return first === due ? undefined : refused(OUT_OF_ORDER_SEQUENCE_NUMBER);
}

function remember(partition: FakePartition, view: DataView, baseOffset: number): void {
  const producerId = Number(view.getBigInt64(PRODUCER_ID));
  const epoch = view.getInt16(PRODUCER_EPOCH);
  const known = partition.producers.get(producerId);
  const before = known?.epoch === epoch ? known.batches : [];
  const batch = { first: view.getInt32(BASE_SEQUENCE), count: view.getInt32(RECORD_COUNT), baseOffset };
  if (producerId >= 0) partition.producers.set(producerId, { epoch, batches: [...before, batch].slice(-WINDOW) });
}

function recordsFrom(partition: FakePartition | undefined, offset: number): Uint8Array {
  const batches = (partition?.batches ?? []).filter((batch) => lastOffsetOf(batch) >= offset);
  const bytes = new Uint8Array(batches.reduce((sum, batch) => sum + batch.length, 0));
  let at = 0;
  for (const batch of batches) {
    bytes.set(batch, at);
    at += batch.length;
  }
  return bytes;
}

function lastOffsetOf(batch: Uint8Array): number {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.length);
  return Number(view.getBigInt64(BASE_OFFSET)) + view.getInt32(LAST_OFFSET_DELTA);
}
