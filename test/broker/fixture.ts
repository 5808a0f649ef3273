// A whole broker over a memory store, driven by frames, for the broker's tests.

import { Broker } from '../../src/broker/broker.ts';
import { type BrokerConfig, type ConfigEntries, parseBrokerConfig } from '../../src/broker/config/broker-config.ts';
import type {
  PartitionCheckpoint,
  PartitionCheckpoints,
  StoredPartition,
} from '../../src/broker/partition-checkpoints.ts';
import type { ConnectionContext, RequestObservation } from '../../src/broker/request-handler.ts';
import { LocalMetadataStore } from '../../src/cluster/local-metadata-store.ts';
import { present } from '../../src/core/assert.ts';
import { bytesOnly } from '../../src/core/file-range.ts';
import type { Random, Store } from '../../src/core/platform.ts';
import type { PartitionExecutor } from '../../src/partition/commands.ts';
import { createInlineExecutor } from '../../src/partition/inline-executor.ts';
import { createNodeCodecs } from '../../src/platform/node/codecs.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import type { Api } from '../../src/protocol/api.ts';
import { decodeResponseFrame, encodeRequestFrame } from '../../src/protocol/headers.ts';
import { produce } from '../../src/protocol/messages/00-produce.ts';
import { createTopics } from '../../src/protocol/messages/19-create-topics.ts';
import type { Decoded, Encodable, Fields } from '../../src/protocol/schema.ts';
import { parseUuid, type Uuid } from '../../src/protocol/uuid.ts';
import { flatten } from '../../src/protocol/writer.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { createRecordBatchCodec } from '../../src/wasm/record-batch-codec.ts';
import { RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { ManualClock } from './manual-clock.ts';

export const NODE_ID = 1;
export const CLUSTER_ID = 'test-cluster';
const nodeCodecs = createNodeCodecs();
export const kernels: Kernels = Kernels.create(loadWasmModule('plain'));

/** An id that no topic has. */
export const UNKNOWN_ID: Uuid = present(parseUuid('AAECAwQFBgcICQoLDA0ODw'), 'id');

/** Random numbers from a fixed seed. */
export function fixedRandom(seed = 1): Random {
  const random = new SeededRandom(seed);
  return {
    uint32: () => random.uint32(),
    uuid: () => Uint8Array.from({ length: 16 }, () => random.below(256)),
  };
}

/** A connection that a test can end. */
export function connection(id = 1): ConnectionContext & { readonly end: () => void } {
  const controller = new AbortController();
  return {
    id,
    listener: 'HTTP',
    clientHost: '127.0.0.1',
    localHost: 'broker.test',
    localPort: 8092,
    closed: controller.signal,
    end: () => controller.abort(),
  };
}

/** What a data directory remembers between two starts. */
export class MemoryCheckpoints implements PartitionCheckpoints {
  readonly path = '/memory';
  readonly cleanShutdown: boolean;
  readonly partitions: Map<string, StoredPartition>;
  readonly #store: Store;
  points: ReadonlyMap<string, PartitionCheckpoint>;
  finished = false;
  writes = 0;

  constructor(store: Store, before?: MemoryCheckpoints) {
    this.#store = store;
    this.cleanShutdown = before?.finished ?? false;
    this.points = before?.points ?? new Map();
    this.partitions = new Map();
    for (const { name, isDirectory } of store.list('')) {
      if (!isDirectory) continue;
      const point = this.points.get(name);
      this.partitions.set(name, {
        topicId: topicIdOf(store, name),
        recoveryPoint: point?.recoveryPoint ?? 0,
        logStartOffset: point?.logStartOffset ?? 0,
      });
    }
  }

  write(points: ReadonlyMap<string, PartitionCheckpoint>): void {
    this.points = points;
    this.writes++;
  }

  finish(points: ReadonlyMap<string, PartitionCheckpoint>): void {
    this.write(points);
    this.finished = true;
  }

  removePartition(directory: string): void {
    this.#store.removeDirectory(directory);
  }

  space(): { readonly totalBytes: number; readonly usableBytes: number } {
    return { totalBytes: 1000, usableBytes: 400 };
  }
}

function topicIdOf(store: Store, directory: string): string | undefined {
  const bytes = store.readSmall(`${directory}/partition.metadata`);
  return /topic_id: (\S+)/.exec(new TextDecoder().decode(bytes ?? new Uint8Array(0)))?.[1];
}

export interface FixtureOptions {
  readonly config?: ConfigEntries;
  readonly store?: MemoryStore;
  readonly checkpoints?: MemoryCheckpoints;
  readonly wrap?: (executor: PartitionExecutor) => PartitionExecutor;
}

export class BrokerFixture {
  readonly broker: Broker;
  readonly store: MemoryStore;
  readonly clock: ManualClock;
  readonly metadata: LocalMetadataStore;
  readonly checkpoints: MemoryCheckpoints;
  readonly executor: PartitionExecutor;
  readonly observations: RequestObservation[];
  readonly connection = connection();
  readonly #encoder = new RecordBatchEncoder(kernels);
  #correlationId = 0;

  private constructor(parts: Omit<FixtureParts, 'config'> & { readonly broker: Broker }) {
    this.broker = parts.broker;
    this.store = parts.store;
    this.clock = parts.clock;
    this.metadata = parts.metadata;
    this.checkpoints = parts.checkpoints;
    this.executor = parts.executor;
    this.observations = parts.observations;
  }

  static async start(options: FixtureOptions = {}): Promise<BrokerFixture> {
    await nodeCodecs.load();
    const parts = makeParts(options);
    const broker = await Broker.start({
      executor: parts.executor,
      metadata: parts.metadata,
      directory: parts.checkpoints,
      config: parts.config,
      clock: parts.clock,
      random: fixedRandom(parts.metadata.brokerEpoch),
      logger: silentLogger,
      recordBatches: createRecordBatchCodec(kernels),
      observer: { observe: (request) => parts.observations.push(request) },
      advertised: ({ localHost, localPort }) => ({ host: localHost, port: localPort }),
    });
    return new BrokerFixture({ ...parts, broker });
  }

  /** Sends a frame as it is. */
  async send(frame: Uint8Array, from: ConnectionContext = this.connection): Promise<Uint8Array | undefined> {
    const response = await this.broker.handle(frame, from);
    if (response === undefined) return undefined;
    const flat = flatten(bytesOnly(response.chunks));
    if (flat.length !== response.byteLength) throw new Error('byteLength is not the length of the chunks');
    return flat;
  }

  async request<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    body: Encodable<Request>,
    from: ConnectionContext = this.connection,
  ): Promise<Decoded<Response>> {
    const response = await this.maybe(api, version, body, from);
    if (response === undefined) throw new Error('no response');
    return response;
  }

  /** As `request`, for requests that may have no response. */
  async maybe<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    body: Encodable<Request>,
    from: ConnectionContext = this.connection,
  ): Promise<Decoded<Response> | undefined> {
    const correlationId = ++this.#correlationId;
    const frame = flatten(encodeRequestFrame(api, body, { version, correlationId, clientId: 'test' }));
    const bytes = await this.send(frame, from);
    if (bytes === undefined) return undefined;
    const response = decodeResponseFrame(api, version, bytes);
    if (response.correlationId !== correlationId) throw new Error('the response answers another request');
    return response.body;
  }

  /** A record batch of these values. */
  batch(...values: readonly string[]): Uint8Array {
    const timestamp = this.clock.now();
    return this.#encoder.encode(
      values.map((value) => ({ key: null, value: new TextEncoder().encode(value), headers: [], timestamp })),
    );
  }

  /** Creates a topic and returns its id. */
  async createTopic(name: string, numPartitions = 1, configs: Readonly<Record<string, string>> = {}): Promise<Uuid> {
    const { topics } = await this.request(createTopics, 7, {
      topics: [
        {
          name,
          numPartitions,
          replicationFactor: -1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
    });
    const [made] = topics;
    if (made === undefined || made.errorCode !== 0) throw new Error(`no topic: ${made?.errorMessage}`);
    return made.topicId;
  }

  /** Produces one batch and returns its partition's response. */
  async produce(
    name: string,
    records: Uint8Array | null,
    { index = 0, acks = 1, version = 12 }: { index?: number; acks?: number; version?: number } = {},
  ): Promise<Decoded<typeof produce.response>['responses'][number]['partitionResponses'][number]> {
    const { responses } = await this.request(produce, version, {
      acks,
      timeoutMs: 1000,
      topicData: [{ name, partitionData: [{ index, records }] }],
    });
    const only = responses[0]?.partitionResponses[0];
    if (only === undefined) throw new Error('no partition response');
    return only;
  }

  /** Ends the broker in order, and starts it again over what it left. */
  async restart(options: { readonly clean?: boolean; readonly config?: ConfigEntries } = {}): Promise<BrokerFixture> {
    if (options.clean !== false) await this.broker.close();
    await this.executor.close();
    return BrokerFixture.start({ ...options, store: this.store, checkpoints: this.checkpoints });
  }
}

interface FixtureParts {
  readonly store: MemoryStore;
  readonly clock: ManualClock;
  readonly metadata: LocalMetadataStore;
  readonly checkpoints: MemoryCheckpoints;
  readonly executor: PartitionExecutor;
  readonly observations: RequestObservation[];
  readonly config: BrokerConfig;
}

function makeParts(options: FixtureOptions): FixtureParts {
  const store = options.store ?? new MemoryStore();
  const clock = new ManualClock();
  const inline = createInlineExecutor({ kernels, store, clock, logger: silentLogger, codecs: nodeCodecs.codecs });
  return {
    store,
    clock,
    executor: options.wrap?.(inline) ?? inline,
    metadata: LocalMetadataStore.open({ store, clusterId: CLUSTER_ID, nodeId: NODE_ID, logger: silentLogger }),
    checkpoints: new MemoryCheckpoints(store, options.checkpoints),
    observations: [],
    config: parseBrokerConfig(options.config ?? {}),
  };
}

/** The values of all records in fetched bytes. */
export function valuesOf(records: Uint8Array | null): string[] {
  const decoder = new RecordBatchDecoder(kernels);
  const values: string[] = [];
  for (const batch of decoder.batches(records ?? new Uint8Array(0))) {
    for (const record of batch.records()) values.push(new TextDecoder().decode(record.value ?? new Uint8Array(0)));
  }
  return values;
}

/** Lets everything happen that needs no time to pass. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
