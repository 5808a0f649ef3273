// A client of a cluster: how it is opened, and what is made from it.

import { LogFault } from '../core/fault.ts';
import type { Clock, Random } from '../core/platform.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { Admin } from './admin.ts';
import { STANDARD_CLOCK } from './client-clock.ts';
import { STANDARD_RANDOM } from './client-random.ts';
import { type ClientWasm, loadedZstd, loadKernels } from './client-wasm.ts';
import { Cluster } from './cluster.ts';
import { type Codecs, kernelCodecs } from './compression.ts';
import { Consumer, type ConsumerContext, type ConsumerOptions } from './consumer.ts';
import { GroupAdmin } from './groups/group-admin.ts';
import { Producer, type ProducerContext, type ProducerOptions } from './producer.ts';
import type { TransportOpener } from './transport.ts';
import { standardWebSocket, type WebSocketConstructor, WebSocketOpener } from './web-socket-transport.ts';

/** How a client reaches its broker and behaves towards it. All but the URL have defaults. */
export interface ConnectOptions {
  /** `ws://HOST:PORT` or `wss://HOST:PORT`, with any path. Needed unless there is a `transport`. */
  readonly url?: string;
  /** The WebSocket class. Default `globalThis.WebSocket`; Node 20 has none, so pass the class of the `ws` package there. */
  readonly webSocket?: WebSocketConstructor;
  /**
   * `millrace.wasm`: a compiled module (all that Workers accept), its bytes, a URL or a response. By default it is
   * fetched from beside this file when the first record is sent or read.
   */
  readonly wasm?: ClientWasm;
  /**
   * `zstd.wasm`, in the same forms. By default it is fetched from beside this file when the first batch is compressed or
   * read with that codec.
   */
  readonly zstdWasm?: ClientWasm;
  /** Carries frames in place of a WebSocket, for example an {@link InProcessOpener}. */
  readonly transport?: TransportOpener;
  /** Names the client in the broker's log and metrics. Default `millrace-client`. */
  readonly clientId?: string;
  /** How long opening a connection may take, in milliseconds. Default 10000. */
  readonly connectTimeoutMs?: number;
  /** How long the broker may take to answer, in milliseconds. Default 30000. */
  readonly requestTimeoutMs?: number;
  /** How often a request that changes nothing is tried again after a retriable failure. Default 5. */
  readonly retries?: number;
  /** Wait before the first retry or reconnection, in milliseconds; it doubles with each. Default 100. */
  readonly retryBackoffMs?: number;
  /** Longest such wait, in milliseconds. Default 1000. */
  readonly retryBackoffMaxMs?: number;
  /** Partition leaders are looked up again after this time, in milliseconds. Default 300000. */
  readonly metadataMaxAgeMs?: number;
  /** Codecs in place of the client's own: snappy, lz4, zstd, and gzip where the runtime has `DecompressionStream`. */
  readonly codecs?: Codecs;
  readonly clock?: Clock;
  readonly random?: Random;
}

const DEFAULTS = {
  clientId: 'millrace-client',
  connectTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  retries: 5,
  retryBackoffMs: 100,
  retryBackoffMaxMs: 1000,
  metadataMaxAgeMs: 300_000,
  codecs: {},
  clock: STANDARD_CLOCK,
  random: STANDARD_RANDOM,
} as const;
/** Requests of one connection that may wait for their responses at once. */
const IN_FLIGHT_MAX = 256;

/**
 * Connects to a broker. Resolves when it has answered. Throws ERR_CONNECTION where it cannot be reached, ERR_TIMEOUT,
 * ERR_UNSUPPORTED where it speaks no version of the protocol that this client knows, ERR_USAGE.
 *
 *     const client = await connect('ws://127.0.0.1:8092');
 */
export async function connect(target: string | ConnectOptions): Promise<Client> {
  const client = new Client(typeof target === 'string' ? { url: target } : target);
  try {
    await client.open();
  } catch (error) {
    client.close();
    throw error;
  }
  return client;
}

/** A connected client. Producers, consumers and the admin made from it share what it knows of the cluster. */
export class Client {
  readonly #cluster: Cluster;
  readonly #wasm: ClientWasm | undefined;
  readonly #codecs: Codecs;
  #kernels: Promise<Kernels> | undefined;
  #made = 0;

  /** Opens nothing: {@link connect} does both. Without it the first use connects. */
  constructor(options: ConnectOptions) {
    const { clientId, requestTimeoutMs, metadataMaxAgeMs, clock, random, ...settings } = { ...DEFAULTS, ...options };
    const backoff = { initialMs: settings.retryBackoffMs, maxMs: settings.retryBackoffMaxMs };
    this.#wasm = settings.wasm;
    const zstd = loadedZstd(settings.zstdWasm).awaited;
    this.#codecs = { ...kernelCodecs(() => this.#load()), zstd, ...settings.codecs };
    this.#cluster = new Cluster({
      opener: settings.transport ?? webSocketOpener({ ...settings, clock }),
      clientId,
      requestTimeoutMs,
      metadataMaxAgeMs,
      inFlightMax: IN_FLIGHT_MAX,
      reconnect: backoff,
      retry: { ...backoff, retries: settings.retries },
      clock,
      random,
    });
  }

  /** Connects unless it is connected; see {@link connect}. */
  async open(): Promise<void> {
    await this.#cluster.control.open();
  }

  /** Makes a producer, which opens its own connection when it sends. */
  producer(options: ProducerOptions = {}): Producer {
    return new Producer(this.#context('producer'), options);
  }

  /** Makes a consumer, which opens its own connection when it fetches. */
  consumer(options: ConsumerOptions = {}): Consumer {
    return new Consumer(this.#context('consumer'), options);
  }

  /** Topics, configs and offsets. */
  admin(): Admin {
    return new Admin(this.#cluster);
  }

  /** Groups: who is in them, and where they stand. */
  groups(): GroupAdmin {
    return new GroupAdmin(this.#cluster);
  }

  /** Ends every connection at once; what is under way fails with ERR_CLOSED. Close producers before, to flush them. */
  close(): void {
    this.#cluster.close();
  }

  #context(kind: string): ProducerContext & ConsumerContext {
    this.#made++;
    const use = `${kind}-${this.#made}`;
    return { cluster: this.#cluster, kernels: () => this.#load(), codecs: this.#codecs, use };
  }

  #load(): Promise<Kernels> {
    this.#kernels ??= loadKernels(this.#wasm);
    return this.#kernels;
  }
}

interface WebSocketSettings {
  readonly url?: string;
  readonly webSocket?: WebSocketConstructor;
  readonly connectTimeoutMs: number;
  readonly clock: Clock;
}

function webSocketOpener({ url, webSocket, connectTimeoutMs, clock }: WebSocketSettings): WebSocketOpener {
  if (url === undefined) throw new LogFault('ERR_USAGE', 'connect needs a `url` or a `transport`');
  const socketClass = webSocket ?? standardWebSocket();
  if (socketClass === undefined) {
    throw new LogFault('ERR_USAGE', 'this runtime has no WebSocket: pass the class of the `ws` package as `webSocket`');
  }
  return new WebSocketOpener({ url, webSocket: socketClass, connectTimeoutMs, clock });
}
