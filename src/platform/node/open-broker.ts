// A broker in the caller's own process and thread: on memory or on a directory, with listeners or without. Whatever it is
// not asked for is not loaded.

import type { ConnectOptions } from '../../client/client.ts';
import type { Client } from '../../client/index.ts';
import type { Logger } from '../../core/logger.ts';
import type { Store } from '../../core/platform.ts';
import type { DirectoryOwnership } from '../../embedded/data-directory.ts';
import { EmbeddedBroker } from '../../embedded/embedded-broker.ts';
import { MemoryStore } from '../../storage/memory-store.ts';
import { systemClock, systemRandom } from './clock.ts';
import { createClientCodecs, createNodeCodecs } from './codecs.ts';
import { createNodeInlineExecutor } from './inline-executor.ts';
import { RequestTally } from './metrics-tally.ts';
import type { ListenAddress, NodeListeners, NodeListenersOptions } from './node-listeners.ts';
import { loadWasmModule } from './wasm-modules.ts';

/** An address to listen on: `host` is 127.0.0.1 by default, and `port` a free one. */
export type OpenAddress = Partial<ListenAddress>;

export interface OpenBrokerOptions {
  /** Where records are kept, created where it is missing; absent, they are in memory and go with the broker. */
  readonly directory?: string | undefined;
  /** Serves WebSocket and HTTP here; absent, nowhere. */
  readonly http?: OpenAddress | undefined;
  /** Serves the Kafka protocol on TCP here; absent, as the config `listeners` says, which is nowhere where it is not set. */
  readonly kafka?: OpenAddress | readonly OpenAddress[] | undefined;
  /** Broker configuration under Kafka's names, as written. */
  readonly config?: Readonly<Record<string, string>> | undefined;
  /** Origins of web pages let in beside those of loopback; `*` for all. */
  readonly allowOrigins?: readonly string[] | undefined;
  /** Hears what happens; absent, nobody does. */
  readonly logger?: Logger | undefined;
}

/** A broker in this process. */
export interface InProcessBroker extends AsyncDisposable {
  /** `ws://HOST:PORT`; empty where there is no such listener. */
  readonly url: string;
  /** `HOST:PORT` of WebSocket and HTTP; empty where there is no such listener. */
  readonly httpAddress: string;
  /** `HOST:PORT` of each Kafka listener, apart by commas as `bootstrap.servers` takes them; empty where there is none. */
  readonly kafkaAddress: string;
  /** Makes a client whose requests go straight to this broker, without a socket. It is closed with the broker. */
  client(options?: Omit<ConnectOptions, 'transport' | 'url' | 'webSocket'>): Client;
  /**
   * Ends the clients, answers what is under way and closes every partition in order. When it resolves no handle, thread,
   * timer or file of the broker is left.
   */
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Opens a broker in this process and thread, and resolves when it serves. Throws LogFault ERR_CONFIG, ERR_LISTEN,
 * ERR_DATA_DIRECTORY_LOCKED, ERR_DATA_DIRECTORY_UNREADABLE, ERR_STORAGE.
 *
 *     const broker = await openBroker();
 *     await broker.client().producer().send({ topic: 'orders', messages: [{ value: 'one coffee' }] });
 *     await broker.close();
 */
export async function openBroker(options: OpenBrokerOptions = {}): Promise<InProcessBroker> {
  const place = await openPlace(options.directory);
  const broker = await LocalBroker.prepare(options, place);
  try {
    await broker.start();
  } catch (error) {
    await broker.close();
    throw error;
  }
  return broker;
}

/** Where records are kept, and what goes with it. */
interface Place {
  readonly store: Store;
  readonly path: string;
  readonly ownership?: DirectoryOwnership;
  readonly space?: () => { readonly totalBytes: number; readonly usableBytes: number };
}

async function openPlace(directory: string | undefined): Promise<Place> {
  if (directory === undefined) return { store: new MemoryStore(), path: 'memory' };
  const [{ openNodeDirectory }, { resolve }] = await Promise.all([import('./data-directory.ts'), import('node:path')]);
  const path = resolve(directory);
  return { ...openNodeDirectory(path), path };
}

class LocalBroker implements InProcessBroker {
  readonly #place: Place;
  readonly #broker: EmbeddedBroker;
  readonly #listeners: NodeListeners | undefined;
  readonly #clients = new Set<Client>();
  #closing: Promise<void> | undefined;

  static async prepare(options: OpenBrokerOptions, place: Place): Promise<LocalBroker> {
    try {
      return new LocalBroker(options, place, await listenerParts(options));
    } catch (error) {
      place.store.close();
      throw error;
    }
  }

  private constructor(options: OpenBrokerOptions, place: Place, parts: ListenerParts | undefined) {
    const { config, logger = SILENT } = options;
    const { store } = place;
    const codecs = createNodeCodecs();
    const tally = new RequestTally();
    this.#place = place;
    this.#broker = EmbeddedBroker.prepare({
      ...place,
      clock: systemClock,
      random: systemRandom,
      logger,
      wasm: loadWasmModule('plain'),
      codecs: codecs.codecs,
      clientCodecs: createClientCodecs(),
      config,
      startExecutor: (kernels) => createNodeInlineExecutor({ kernels, store, clock: systemClock, codecs, logger }),
      observer: parts === undefined ? undefined : tally,
      advertised: ({ listener }) => this.#listeners?.advertised(listener),
    });
    this.#listeners = parts?.create({ ...addresses(options), broker: this.#broker, logger, tally });
  }

  get httpAddress(): string {
    return this.#listeners?.httpAddress ?? '';
  }

  get kafkaAddress(): string {
    return this.#listeners?.kafkaAddress ?? '';
  }

  get url(): string {
    return this.httpAddress === '' ? '' : `ws://${this.httpAddress}`;
  }

  client(options: Omit<ConnectOptions, 'transport' | 'url' | 'webSocket'> = {}): Client {
    const client = this.#broker.client(options);
    this.#clients.add(client);
    return client;
  }

  async start(): Promise<void> {
    await this.#listeners?.open();
    await this.#broker.start();
    this.#listeners?.serve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#listeners?.close();
    await this.#broker.close();
    this.#place.store.close();
  }
}

/** What listeners need, loaded where there are any. */
interface ListenerParts {
  readonly create: (options: Omit<NodeListenersOptions, 'collector'>) => NodeListeners;
}

async function listenerParts({ http, kafka, config }: OpenBrokerOptions): Promise<ListenerParts | undefined> {
  if (http === undefined && kafka === undefined && (config?.listeners ?? '') === '') return undefined;
  const [{ NodeListeners }, { YoungCollector }] = await Promise.all([
    import('./node-listeners.ts'),
    import('./young-collector.ts'),
  ]);
  return { create: (options) => new NodeListeners({ ...options, collector: new YoungCollector() }) };
}

function addresses({ http, kafka, allowOrigins = [] }: OpenBrokerOptions): {
  readonly http: ListenAddress | undefined;
  readonly kafka: readonly ListenAddress[] | undefined;
  readonly allowOrigins: readonly string[];
} {
  const full = ({ host = LOOPBACK, port = 0 }: OpenAddress): ListenAddress => ({ host, port });
  const list = kafka === undefined || Array.isArray(kafka) ? kafka : [kafka];
  return { http: http && full(http), kafka: list?.map(full), allowOrigins };
}
