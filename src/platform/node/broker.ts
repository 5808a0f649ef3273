// A broker as the command runs it: a data directory on disk, worker threads that own its partitions, and listeners. Here
// the parts meet; each of them knows only its neighbours' interfaces.

import { parseBrokerConfig } from '../../broker/config/broker-config.ts';
import type { Logger } from '../../core/logger.ts';
import { EmbeddedBroker } from '../../embedded/embedded-broker.ts';
import { SlotExecutor } from '../../partition/slot-executor.ts';
import { systemClock, systemRandom } from './clock.ts';
import { createClientCodecs, createNodeCodecs } from './codecs.ts';
import { type NodeDirectory, openNodeDirectory } from './data-directory.ts';
import { RequestTally } from './metrics-tally.ts';
import { NodeListeners } from './node-listeners.ts';
import { type BegunThread, startPiscinaThread } from './piscina-thread.ts';
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
  /** Threads that own partitions, at most: one is started at once, others where there are partitions enough for them. */
  readonly workers: number;
  /** Broker configuration under Kafka's names, as written. */
  readonly config: Readonly<Record<string, string>>;
  /** Origins of web pages let in beside those of loopback and of the broker itself; `*` for all. */
  readonly allowOrigins: readonly string[];
  readonly logger: Logger;
  /** The worker's entry, where it is not the package's own: tests put one in its place that breaks on purpose. */
  readonly workerFile?: string | undefined;
  /** A thread that was begun already, for the first of the workers. */
  readonly thread?: BegunThread | undefined;
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

class NodeBroker implements RunningBroker {
  readonly #options: StartBrokerOptions;
  readonly #tally = new RequestTally();
  readonly #collector = new YoungCollector();
  readonly #directory: NodeDirectory;
  readonly #broker: EmbeddedBroker;
  readonly #listeners: NodeListeners;
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
    this.#listeners = new NodeListeners({
      ...options,
      broker: this.#broker,
      tally: this.#tally,
      collector: this.#collector,
    });
  }

  #prepare(): EmbeddedBroker {
    const { dataDirectory, logger, config } = this.#options;
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
      advertised: ({ listener }) => this.#listeners.advertised(listener),
    });
  }

  get httpAddress(): string {
    return this.#listeners.httpAddress;
  }

  get kafkaAddress(): string {
    return this.#listeners.kafkaAddress;
  }

  async start(): Promise<void> {
    await this.#listeners.open();
    await this.#broker.start();
    this.#listeners.serve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#listeners.close();
    await this.#broker.close();
    this.#directory.store.close();
  }

  #startExecutor(): SlotExecutor {
    const { workers, logger, dataDirectory, workerFile, thread } = this.#options;
    const module = thread?.module ?? loadWasmModule('shared');
    const onBytesReceived = (bytes: number): void => this.#collector.took(bytes);
    let begun = thread;
    return new SlotExecutor({
      slots: workers,
      logger,
      onBytesCopied: onBytesReceived,
      startThread: (_slot, listener) => {
        const slotThread = startPiscinaThread({
          module,
          storeRoot: dataDirectory,
          listener,
          workerFile,
          begun,
          onBytesReceived,
        });
        begun = undefined;
        return slotThread;
      },
    });
  }
}
