// A broker with listeners in a runtime that is not Node: directory or memory, partitions in web Workers or in the caller's
// thread, WebSocket, HTTP and Kafka TCP. What each is made of comes from the runtime, as a RuntimeHost.

import type { ListenerSetting } from '../../broker/config/listeners.ts';
import type { RequestObserver } from '../../broker/request-handler.ts';
import type { Client, ConnectOptions } from '../../client/client.ts';
import type { Codecs } from '../../client/compression.ts';
import type { LoadedCodecs } from '../../core/compression.ts';
import { LogFault } from '../../core/fault.ts';
import type { Logger } from '../../core/logger.ts';
import type { Clock, Random, Store } from '../../core/platform.ts';
import type { DirectoryOwnership } from '../../embedded/data-directory.ts';
import { EmbeddedBroker } from '../../embedded/embedded-broker.ts';
import { type KafkaListener, KafkaListeners, named } from '../../embedded/kafka-listeners.ts';
import type { HttpService } from '../../net/http.ts';
import { isLoopbackHost } from '../../net/origin.ts';
import type { SlotThread, SlotThreadListener } from '../../partition/group.ts';
import { SlotExecutor } from '../../partition/slot-executor.ts';
import { MemoryStore } from '../../storage/memory-store.ts';
import { HttpFront } from './http-front.ts';

/** An address to listen on: `host` is 127.0.0.1 by default, and `port` a free one. */
export interface OpenAddress {
  readonly host?: string;
  readonly port?: number;
}

export interface OpenBrokerOptions {
  /** Where records are kept, created where it is missing; absent, they are in memory and go with the broker. */
  readonly directory?: string | undefined;
  /** Serves WebSocket and HTTP here; absent, nowhere. */
  readonly http?: OpenAddress | undefined;
  /** Serves the Kafka protocol on TCP here; absent, as the config `listeners` says, which is nowhere where it is not set. */
  readonly kafka?: OpenAddress | readonly OpenAddress[] | undefined;
  /**
   * Web Workers that own the partitions of a directory, at most: one is started at once, others where there are partitions
   * enough for them. Default 0: the caller's own thread owns them.
   */
  readonly workers?: number | undefined;
  /** Broker configuration under Kafka's names, as written. */
  readonly config?: Readonly<Record<string, string>> | undefined;
  /** Origins of web pages let in beside those of loopback; `*` for all. */
  readonly allowOrigins?: readonly string[] | undefined;
  /** Hears what happens; absent, nobody does. */
  readonly logger?: Logger | undefined;
}

/** A broker in this process. */
export interface OpenBroker {
  /** `ws://HOST:PORT`; empty where there is no such listener. */
  readonly url: string;
  /** `HOST:PORT` of WebSocket and HTTP; empty where there is no such listener. */
  readonly httpAddress: string;
  /** `HOST:PORT` of each Kafka listener, apart by commas as `bootstrap.servers` takes them; empty where there is none. */
  readonly kafkaAddress: string;
  /** Makes a client whose requests go straight to this broker, without a socket. It is closed with the broker. */
  client(options?: Omit<ConnectOptions, 'transport' | 'url' | 'webSocket'>): Client;
  /** Ends the clients, answers what is under way and closes every partition in order. */
  close(): Promise<void>;
}

/** A directory of the runtime's file system. */
export interface HostDirectory {
  readonly store: Store;
  readonly ownership: DirectoryOwnership;
  readonly space: () => { readonly totalBytes: number; readonly usableBytes: number } | undefined;
}

export interface HttpServer {
  readonly host: string;
  readonly port: number;
  /** `HOST:PORT` for a URL. */
  readonly authority: string;
  /** Stops accepting, and ends what is no WebSocket. */
  close(): Promise<void>;
}

export interface ServedHttp {
  readonly host: string;
  readonly port: number;
  readonly front: HttpFront;
  readonly broker: EmbeddedBroker;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ServedKafka extends ListenerSetting {
  readonly broker: EmbeddedBroker;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What counts for the metrics of a process. */
export interface HostMetrics {
  readonly observer: RequestObserver;
  scrape(broker: EmbeddedBroker): ReturnType<HttpService['metrics']>;
  close(): Promise<void>;
}

/** What a runtime brings. */
export interface RuntimeHost {
  readonly clock: Clock;
  readonly random: Random;
  /** Of the package. */
  readonly version: string;
  readonly hostname: string;
  loadWasm(build: 'plain' | 'shared'): WebAssembly.Module;
  createCodecs(): LoadedCodecs;
  createClientCodecs(): Codecs;
  /** Makes the directory where it is missing. Throws LogFault ERR_STORAGE. */
  openDirectory(path: string): HostDirectory;
  startThread(options: {
    readonly module: WebAssembly.Module;
    readonly storeRoot: string;
    readonly listener: SlotThreadListener;
  }): SlotThread;
  /** Throws LogFault ERR_LISTEN. */
  listenHttp(options: ServedHttp): HttpServer;
  /** Throws LogFault ERR_LISTEN. */
  listenKafka(options: ServedKafka): KafkaListener;
  createMetrics(version: string): HostMetrics;
}

const LOOPBACK = '127.0.0.1';
const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/**
 * Opens a broker, and resolves when it serves. Throws LogFault ERR_CONFIG, ERR_LISTEN, ERR_DATA_DIRECTORY_LOCKED,
 * ERR_DATA_DIRECTORY_UNREADABLE, ERR_STORAGE, ERR_USAGE.
 */
export async function openServedBroker(host: RuntimeHost, options: OpenBrokerOptions): Promise<OpenBroker> {
  const { workers = 0, directory } = options;
  if (!Number.isInteger(workers) || workers < 0) throw new LogFault('ERR_USAGE', 'workers is a whole number');
  if (workers > 0 && directory === undefined) {
    throw new LogFault('ERR_USAGE', 'workers need a directory: memory belongs to the thread that has it');
  }
  const codecs = host.createCodecs();
  // Workers load their own when they first need them; this thread cannot wait then.
  if (workers === 0) await codecs.load();
  const place = directory === undefined ? memoryPlace() : { ...host.openDirectory(directory), path: directory };
  let broker: ServedBroker;
  try {
    broker = new ServedBroker(host, options, { place, codecs });
  } catch (error) {
    place.store.close();
    throw error;
  }
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
  readonly space?: HostDirectory['space'];
}

function memoryPlace(): Place {
  return { store: new MemoryStore(), path: 'memory' };
}

class ServedBroker implements OpenBroker {
  readonly #host: RuntimeHost;
  readonly #options: OpenBrokerOptions;
  readonly #logger: Logger;
  readonly #place: Place;
  readonly #metrics: HostMetrics;
  readonly #broker: EmbeddedBroker;
  readonly #clients = new Set<Client>();
  #http: HttpServer | undefined;
  #kafka: KafkaListeners | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    host: RuntimeHost,
    options: OpenBrokerOptions,
    { place, codecs }: { readonly place: Place; readonly codecs: LoadedCodecs },
  ) {
    const { clock, random } = host;
    this.#host = host;
    this.#options = options;
    this.#logger = options.logger ?? SILENT;
    this.#place = place;
    this.#metrics = host.createMetrics(host.version);
    const workers = options.workers ?? 0;
    this.#broker = EmbeddedBroker.prepare({
      ...place,
      clock,
      random,
      logger: this.#logger,
      wasm: host.loadWasm('plain'),
      codecs: codecs.codecs,
      clientCodecs: host.createClientCodecs(),
      config: options.config,
      startExecutor: workers === 0 ? undefined : () => this.#startWorkers(workers),
      observer: this.#metrics.observer,
      advertised: ({ listener }) => this.#kafka?.advertised(listener),
    });
  }

  get httpAddress(): string {
    return this.#http?.authority ?? '';
  }

  get kafkaAddress(): string {
    return this.#kafka?.addresses.join(',') ?? '';
  }

  get url(): string {
    return this.httpAddress === '' ? '' : `ws://${this.httpAddress}`;
  }

  client(options: Omit<ConnectOptions, 'transport' | 'url' | 'webSocket'> = {}): Client {
    const client = this.#broker.client(options);
    this.#clients.add(client);
    return client;
  }

  /** HTTP is there before the broker is, and answers that it is not ready. */
  async start(): Promise<void> {
    const { http } = this.#options;
    if (http !== undefined) this.#http = this.#listenHttp(http);
    await this.#broker.start();
    this.#kafka = await this.#listenKafka();
    this.#kafka.serve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.#kafka?.close();
    // Its server ends when its WebSockets have ended, and the broker ends those.
    const served = this.#http?.close();
    await this.#broker.close();
    await served;
    this.#place.store.close();
    await this.#metrics.close();
  }

  #startWorkers(slots: number): SlotExecutor {
    const module = this.#host.loadWasm('shared');
    return new SlotExecutor({
      slots,
      logger: this.#logger,
      startThread: (_slot, listener) => this.#host.startThread({ module, storeRoot: this.#place.path, listener }),
    });
  }

  #listenHttp({ host = LOOPBACK, port = 0 }: OpenAddress): HttpServer {
    const bare = host.replace(/^\[|\]$/g, '');
    const front = new HttpFront({
      broker: this.#broker,
      service: {
        version: this.#host.version,
        notReady: () => (this.#broker.isServing ? undefined : 'the log is being opened or closed'),
        metrics: () => this.#metrics.scrape(this.#broker),
      },
      logger: this.#logger,
      allowOrigins: this.#options.allowOrigins ?? [],
      ownHosts: [host, this.#host.hostname],
      isBoundToLoopback: isLoopbackHost(bare.includes(':') ? `[${bare}]` : bare),
    });
    return this.#host.listenHttp({
      host: bare,
      port,
      front,
      broker: this.#broker,
      clock: this.#host.clock,
      logger: this.#logger,
    });
  }

  #listenKafka(): Promise<KafkaListeners> {
    const { kafka } = this.#options;
    const { settings } = this.#broker;
    const list: readonly OpenAddress[] | undefined = kafka === undefined ? undefined : [kafka].flat();
    const given = list?.map(({ host = LOOPBACK, port = 0 }, index) => named({ host, port }, index));
    return KafkaListeners.open({
      listeners: given ?? settings.listeners ?? [],
      advertised: settings.advertisedListeners,
      protocolMap: settings.listenerProtocolMap,
      listen: async (setting) =>
        this.#host.listenKafka({
          ...setting,
          broker: this.#broker,
          clock: this.#host.clock,
          logger: this.#logger,
        }),
    });
  }
}
