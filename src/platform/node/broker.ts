// A whole broker in a Node process: data directory, worker threads, listener, metrics. Here the parts meet; each of them
// knows only its neighbours' interfaces.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Broker } from '../../broker/broker.ts';
import { type BrokerConfig, parseStartConfig } from '../../broker/config/broker-config.ts';
import type { ConnectionContext, RequestHandler } from '../../broker/request-handler.ts';
import { LocalMetadataStore } from '../../cluster/local-metadata-store.ts';
import { LogFault } from '../../core/fault.ts';
import type { Logger } from '../../core/logger.ts';
import { JsonGateway } from '../../net/json-gateway.ts';
import { SlotExecutor } from '../../partition/slot-executor.ts';
import { Kernels } from '../../wasm/kernels.ts';
import { createRecordBatchCodec } from '../../wasm/record-batch-codec.ts';
import { systemClock, systemRandom } from './clock.ts';
import { createClientCodecs, createNodeCodecs } from './codecs.ts';
import { ConnectionSet } from './connection-set.ts';
import { type OpenDataDirectory, openDataDirectory } from './data-directory.ts';
import { type HttpListener, listenHttp } from './http-listener.ts';
import { initialMetadata } from './initial-metadata.ts';
import { KafkaListeners, named } from './kafka-listeners.ts';
import type { BrokerMetrics } from './metrics.ts';
import { RequestTally } from './metrics-tally.ts';
import { startPiscinaThread } from './piscina-thread.ts';
import { loadWasmModule } from './wasm-modules.ts';

export interface StartBrokerOptions {
  /** Absolute path; created where it is missing. It goes over the config `log.dirs`. */
  readonly dataDirectory: string;
  readonly http: { readonly host: string; readonly port: number };
  /**
   * Where the Kafka protocol is served on TCP; port 0 picks a free one. Absent, as the config `listeners` says, which
   * is nowhere where it is not set.
   */
  readonly kafka?: readonly { readonly host: string; readonly port: number }[] | undefined;
  /** Threads that own partitions. */
  readonly workers: number;
  /** Broker configuration under Kafka's names, as written. */
  readonly config: Readonly<Record<string, string>>;
  /** Origins of web pages let in beside those of loopback and of the broker itself; `*` for all. */
  readonly allowOrigins: readonly string[];
  readonly logger: Logger;
  /** The worker's entry, where it is not the package's own: tests put one in its place that breaks on purpose. */
  readonly workerFile?: string | undefined;
}

export interface RunningBroker {
  /** `HOST:PORT` of WebSocket and HTTP. */
  readonly httpAddress: string;
  /** `HOST:PORT` of each Kafka listener, apart by commas as `bootstrap.servers` takes them; empty where there is none. */
  readonly kafkaAddress: string;
  /** Stops accepting, answers what is under way, closes every partition in order. Resolves when nothing is left open. */
  close(): Promise<void>;
}

/**
 * Starts a broker and resolves when it serves. HTTP answers from the beginning, `/readyz` with 503 until then.
 * @throws LogFault ERR_CONFIG, ERR_LISTEN, ERR_DATA_DIRECTORY_LOCKED, ERR_DATA_DIRECTORY_UNREADABLE, ERR_STORAGE
 */
export async function startBroker(options: StartBrokerOptions): Promise<RunningBroker> {
  const { config, withoutEffect } = parseStartConfig(options.config);
  for (const { keys, reason } of withoutEffect) {
    options.logger.warn('configuration that has no effect here', { keys: keys.join(', '), reason });
  }
  const node = new NodeBroker(options, config);
  try {
    await node.start();
  } catch (error) {
    await node.close();
    throw error;
  }
  return node;
}

function packageVersion(): string {
  const file = createRequire(import.meta.url).resolve('millrace/package.json');
  const { version }: { version: string } = JSON.parse(readFileSync(file, 'utf8'));
  return version;
}

class NodeBroker implements RunningBroker {
  readonly #options: StartBrokerOptions;
  readonly #config: BrokerConfig;
  readonly #tally = new RequestTally();
  #metrics: Promise<BrokerMetrics> | undefined;
  readonly #version = packageVersion();
  #directory: OpenDataDirectory | undefined;
  #executor: SlotExecutor | undefined;
  #broker: Broker | undefined;
  #gateway: JsonGateway | undefined;
  #connections: ConnectionSet | undefined;
  #listener: HttpListener | undefined;
  #kafka: KafkaListeners | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: StartBrokerOptions, config: BrokerConfig) {
    this.#options = options;
    this.#config = config;
  }

  get httpAddress(): string {
    return this.#listener?.authority ?? '';
  }

  get kafkaAddress(): string {
    return this.#kafka?.addresses.join(',') ?? '';
  }

  async start(): Promise<void> {
    const { dataDirectory, logger } = this.#options;
    const { nodeId } = this.#config.settings;
    this.#directory = openDataDirectory({ path: dataDirectory, nodeId });
    // Threads start up while this one goes on.
    const executor = this.#startExecutor();
    this.#executor = executor;
    const handler = this.#handler();
    const connections = this.#openConnections();
    this.#listener = await this.#listen(handler, connections);
    this.#kafka = await this.#listenKafka(handler, connections);
    const { store, clusterId, checkpoints } = this.#directory;
    const recordBatches = createRecordBatchCodec(Kernels.create(loadWasmModule('plain')), createNodeCodecs().codecs);
    const metadata = LocalMetadataStore.open({
      store,
      clusterId,
      nodeId,
      logger,
      initial: () =>
        initialMetadata({ store, partitions: new Set(checkpoints.partitions.keys()), recordBatches, logger }),
    });
    const broker = await Broker.start({
      executor,
      metadata,
      directory: checkpoints,
      config: this.#config,
      clock: systemClock,
      random: systemRandom,
      logger,
      recordBatches,
      observer: this.#tally,
      advertised: (connection) =>
        this.#kafka?.advertised(connection.listener) ?? { host: connection.localHost, port: connection.localPort },
    });
    this.#broker = broker;
    this.#kafka.serve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const broker = this.#broker;
    await Promise.all([this.#listener?.close(), this.#kafka?.close()]);
    this.#gateway?.close();
    await broker?.close();
    await this.#executor?.close();
    this.#directory?.close();
    (await this.#metrics)?.close();
  }

  #startExecutor(): SlotExecutor {
    const { workers, logger, dataDirectory, workerFile } = this.#options;
    const module = loadWasmModule('shared');
    return new SlotExecutor({
      slots: workers,
      logger,
      startThread: (_slot, listener) => startPiscinaThread({ module, storeRoot: dataDirectory, listener, workerFile }),
    });
  }

  /** Shared by the listeners, so that their bounds are the broker's. */
  #openConnections(): ConnectionSet {
    const { settings } = this.#config;
    const connections = new ConnectionSet({
      logger: this.#options.logger,
      connectionsMax: settings.maxConnections,
      idleMsMax: settings.connectionsMaxIdleMs,
      queuedRequestBytesMax: settings.queuedRequestMaxBytes,
    });
    this.#connections = connections;
    return connections;
  }

  #listenKafka(handler: RequestHandler, connections: ConnectionSet): Promise<KafkaListeners> {
    const { kafka, logger } = this.#options;
    const { settings } = this.#config;
    return KafkaListeners.open({
      listeners: kafka?.map(named) ?? settings.listeners ?? [],
      advertised: settings.advertisedListeners,
      protocolMap: settings.listenerProtocolMap,
      handler,
      connections,
      logger,
      requestBytesMax: settings.socketRequestMaxBytes,
    });
  }

  #listen(handler: RequestHandler, connections: ConnectionSet): Promise<HttpListener> {
    const { http, logger, allowOrigins } = this.#options;
    const { settings } = this.#config;
    const gateway = new JsonGateway({
      handler,
      wasm: loadWasmModule('plain'),
      clock: systemClock,
      random: systemRandom,
      codecs: createClientCodecs(),
    });
    this.#gateway = gateway;
    return listenHttp({
      ...http,
      handler,
      openJson: (parts) => gateway.open(parts),
      service: {
        version: this.#version,
        notReady: () =>
          this.#broker === undefined || this.#closing !== undefined ? 'the log is being opened or closed' : undefined,
        metrics: () => this.#scrape(),
      },
      logger,
      allowOrigins,
      connections,
      connectionsMax: settings.maxConnections,
      requestBytesMax: settings.socketRequestMaxBytes,
    });
  }

  /** The listener is there before the broker is; it lets no connection in until then. */
  #handler(): RequestHandler {
    const broker = (): Broker => {
      if (this.#broker === undefined) throw new LogFault('ERR_CLOSED', 'the broker is not ready');
      return this.#broker;
    };
    return {
      handle: (frame: Uint8Array, context: ConnectionContext) => broker().handle(frame, context),
      whenWritable: () => broker().whenWritable(),
    };
  }

  /** prom-client is loaded when somebody scrapes: it is a good part of what a start would take. */
  async #scrape(): Promise<{ readonly contentType: string; readonly body: string }> {
    this.#metrics ??= this.#openMetrics();
    return (await this.#metrics).scrape();
  }

  async #openMetrics(): Promise<BrokerMetrics> {
    const { BrokerMetrics } = await import('./metrics.ts');
    return new BrokerMetrics(this.#version, this.#tally, {
      partitions: () => this.#broker?.partitions() ?? [],
      queueLengths: () => this.#executor?.queueLengths() ?? [],
      connections: () => {
        return {
          open: this.#connections?.size ?? 0,
          accepted: this.#connections?.acceptedCount ?? 0,
          requestBytesHeld: this.#connections?.memory.used ?? 0,
        };
      },
    });
  }
}
