// A whole broker in a Node process: data directory, worker threads, listener, metrics. Here the parts meet; each of them
// knows only its neighbours' interfaces.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parseBrokerConfig } from '../../broker/config/broker-config.ts';
import type { Logger } from '../../core/logger.ts';
import { EmbeddedBroker } from '../../embedded/embedded-broker.ts';
import { KafkaListeners, named } from '../../embedded/kafka-listeners.ts';
import { SlotExecutor } from '../../partition/slot-executor.ts';
import { systemClock, systemRandom } from './clock.ts';
import { createClientCodecs, createNodeCodecs } from './codecs.ts';
import { type NodeDirectory, openNodeDirectory } from './data-directory.ts';
import { type HttpListener, listenHttp } from './http-listener.ts';
import { listenKafka } from './kafka-listener.ts';
import type { BrokerMetrics } from './metrics.ts';
import { RequestTally } from './metrics-tally.ts';
import { startPiscinaThread } from './piscina-thread.ts';
import { loadWasmModule } from './wasm-modules.ts';
import { YoungCollector } from './young-collector.ts';

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
  // Before anything is made.
  parseBrokerConfig(options.config);
  const node = new NodeBroker(options);
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
  readonly #tally = new RequestTally();
  readonly #version = packageVersion();
  readonly #directory: NodeDirectory;
  readonly #broker: EmbeddedBroker;
  #metrics: Promise<BrokerMetrics> | undefined;
  #listener: HttpListener | undefined;
  #kafka: KafkaListeners | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: StartBrokerOptions) {
    this.#options = options;
    this.#directory = openNodeDirectory(options.dataDirectory);
    try {
      this.#broker = this.#prepare();
    } catch (error) {
      this.#directory.store.close();
      throw error;
    }
  }

  #prepare(): EmbeddedBroker {
    const { dataDirectory, logger, config } = this.#options;
    const collector = new YoungCollector();
    return EmbeddedBroker.prepare({
      ...this.#directory,
      path: dataDirectory,
      clock: systemClock,
      random: systemRandom,
      logger,
      wasm: loadWasmModule('plain'),
      codecs: createNodeCodecs().codecs,
      clientCodecs: createClientCodecs(),
      config,
      // Threads start up while this one goes on.
      startExecutor: () => this.#startExecutor(),
      observer: this.#tally,
      advertised: ({ listener }) => this.#kafka?.advertised(listener),
      onBytesTaken: (bytes, used) => collector.took(bytes, used),
    });
  }

  get httpAddress(): string {
    return this.#listener?.authority ?? '';
  }

  get kafkaAddress(): string {
    return this.#kafka?.addresses.join(',') ?? '';
  }

  /** The listeners are there before the broker is: HTTP answers that it is not ready, and Kafka's clients wait. */
  async start(): Promise<void> {
    this.#listener = await this.#listen();
    this.#kafka = await this.#listenKafka();
    await this.#broker.start();
    this.#kafka.serve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([this.#listener?.close(), this.#kafka?.close()]);
    await this.#broker.close();
    this.#directory.store.close();
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

  #listenKafka(): Promise<KafkaListeners> {
    const { kafka, logger } = this.#options;
    const { settings, handler, connections } = this.#broker;
    return KafkaListeners.open({
      listeners: kafka?.map(named) ?? settings.listeners ?? [],
      advertised: settings.advertisedListeners,
      protocolMap: settings.listenerProtocolMap,
      listen: (setting) =>
        listenKafka({
          ...setting,
          handler,
          connections,
          logger,
          requestBytesMax: settings.socketRequestMaxBytes,
        }),
    });
  }

  #listen(): Promise<HttpListener> {
    const { http, logger, allowOrigins } = this.#options;
    const { settings, handler, connections } = this.#broker;
    return listenHttp({
      ...http,
      handler,
      openJson: (parts) => this.#broker.openJson(parts),
      service: {
        version: this.#version,
        notReady: () =>
          this.#broker.isServing && this.#closing === undefined ? undefined : 'the log is being opened or closed',
        metrics: () => this.#scrape(),
      },
      logger,
      allowOrigins,
      connections,
      connectionsMax: settings.maxConnections,
      requestBytesMax: settings.socketRequestMaxBytes,
    });
  }

  /** prom-client is loaded when somebody scrapes: it is a good part of what a start would take. */
  async #scrape(): Promise<{ readonly contentType: string; readonly body: string }> {
    this.#metrics ??= this.#openMetrics();
    return (await this.#metrics).scrape();
  }

  async #openMetrics(): Promise<BrokerMetrics> {
    const { BrokerMetrics } = await import('./metrics.ts');
    return new BrokerMetrics(this.#version, this.#tally, {
      partitions: () => this.#broker.broker?.partitions() ?? [],
      queueLengths: () => this.#broker.queueLengths(),
      connections: () => {
        const { size, acceptedCount, memory } = this.#broker.connections;
        return { open: size, accepted: acceptedCount, requestBytesHeld: memory.used };
      },
    });
  }
}
