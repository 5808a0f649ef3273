// A broker in the caller's own thread, put together: over a store that may be anything, with a clock that may be anybody's.
// What listeners need is loaded where there are any.

import type { RequestHandler, RequestObserver } from '../../broker/request-handler.ts';
import type { ConnectOptions } from '../../client/client.ts';
import type { Client } from '../../client/index.ts';
import type { Logger } from '../../core/logger.ts';
import type { Clock, Store } from '../../core/platform.ts';
import type { DirectoryOwnership } from '../../embedded/data-directory.ts';
import { EmbeddedBroker } from '../../embedded/embedded-broker.ts';
import { createLoadingExecutor } from '../loading-executor.ts';
import { systemClock, systemRandom } from './clock.ts';
import { createClientCodecs, createNodeCodecs } from './codecs.ts';
import { RequestTally } from './metrics-tally.ts';
import type { ListenAddress, NodeListeners, NodeListenersOptions } from './node-listeners.ts';
import { loadWasmModule } from './wasm-modules.ts';

/** An address to listen on: `host` is 127.0.0.1 by default, and `port` a free one. */
export type OpenAddress = Partial<ListenAddress>;

export type ClientOptions = Omit<ConnectOptions, 'transport' | 'url' | 'webSocket'>;

export interface LocalBrokerOptions {
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

/** Where records are kept, and what goes with it. */
export interface Place {
  readonly store: Store;
  readonly path: string;
  readonly ownership?: DirectoryOwnership;
  readonly space?: () => { readonly totalBytes: number; readonly usableBytes: number };
}

/** What a fixture has otherwise than a broker of use. */
export interface LocalBrokerParts {
  readonly place: Place;
  /** Time of the broker; connections always live in the real one. */
  readonly clock?: Clock | undefined;
  readonly intercept?: ((handler: RequestHandler) => RequestHandler) | undefined;
  readonly observer?: RequestObserver | undefined;
}

const LOOPBACK = '127.0.0.1';
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export class LocalBroker {
  readonly embedded: EmbeddedBroker;
  readonly #listeners: NodeListeners | undefined;
  readonly #clients = new Set<Client>();
  #closing: Promise<void> | undefined;

  /** Opens a broker, and resolves when it serves. The store stays the caller's. */
  static async open(options: LocalBrokerOptions, parts: LocalBrokerParts): Promise<LocalBroker> {
    const broker = new LocalBroker(options, parts, await listenerParts(options));
    try {
      await broker.#start();
    } catch (error) {
      await broker.close();
      throw error;
    }
    return broker;
  }

  private constructor(options: LocalBrokerOptions, parts: LocalBrokerParts, listening: ListenerParts | undefined) {
    const { config, logger = SILENT } = options;
    const { place, clock = systemClock, intercept, observer } = parts;
    const { store } = place;
    const codecs = createNodeCodecs();
    const tally = new RequestTally();
    this.embedded = EmbeddedBroker.prepare({
      ...place,
      clock,
      connectionClock: systemClock,
      random: systemRandom,
      logger,
      wasm: loadWasmModule('plain'),
      codecs: codecs.codecs,
      clientCodecs: createClientCodecs(),
      config,
      startExecutor: (kernels) => createLoadingExecutor({ kernels, store, clock, codecs, logger }),
      observer: observer ?? (listening && tally),
      intercept,
      advertised: ({ listener }) => this.#listeners?.advertised(listener),
    });
    this.#listeners = listening?.create({ ...addresses(options), broker: this.embedded, logger, tally });
  }

  /** `HOST:PORT` of WebSocket and HTTP; empty where there is no such listener. */
  get httpAddress(): string {
    return this.#listeners?.httpAddress ?? '';
  }

  /** `HOST:PORT` of each Kafka listener, apart by commas; empty where there is none. */
  get kafkaAddress(): string {
    return this.#listeners?.kafkaAddress ?? '';
  }

  /** `ws://HOST:PORT`; empty where there is no such listener. */
  get url(): string {
    return this.httpAddress === '' ? '' : `ws://${this.httpAddress}`;
  }

  /** A client whose requests go straight to the broker, `direct` past what intercepts; it is closed with it. */
  client(options: ClientOptions = {}, { direct = false }: { readonly direct?: boolean } = {}): Client {
    const client = this.embedded.client(options, { direct });
    this.#clients.add(client);
    return client;
  }

  async #start(): Promise<void> {
    await this.#listeners?.open();
    await this.embedded.start();
    this.#listeners?.serve();
  }

  /** Ends clients, listeners and partitions in order. The store stays open. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#listeners?.close();
    await this.embedded.close();
  }
}

/** What listeners need, loaded where there are any. */
interface ListenerParts {
  readonly create: (options: Omit<NodeListenersOptions, 'collector'>) => NodeListeners;
}

async function listenerParts({ http, kafka, config }: LocalBrokerOptions): Promise<ListenerParts | undefined> {
  if (http === undefined && kafka === undefined && (config?.listeners ?? '') === '') return undefined;
  const [{ NodeListeners }, { YoungCollector }] = await Promise.all([
    import('./node-listeners.ts'),
    import('./young-collector.ts'),
  ]);
  return { create: (options) => new NodeListeners({ ...options, collector: new YoungCollector() }) };
}

function addresses({ http, kafka, allowOrigins = [] }: LocalBrokerOptions): {
  readonly http: ListenAddress | undefined;
  readonly kafka: readonly ListenAddress[] | undefined;
  readonly allowOrigins: readonly string[];
} {
  const full = ({ host = LOOPBACK, port = 0 }: OpenAddress): ListenAddress => ({ host, port });
  const list = kafka === undefined || Array.isArray(kafka) ? kafka : [kafka];
  return { http: http && full(http), kafka: list?.map(full), allowOrigins };
}
