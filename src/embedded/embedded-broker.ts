// A whole broker without its runtime: data directory, metadata, partitions, sessions and a client of its own, over a
// store that the host brings. The host adds what only it has: files, sockets, threads, timers.

import { Broker } from '../broker/broker.ts';
import { type BrokerConfig, type BrokerSettings, parseStartConfig } from '../broker/config/broker-config.ts';
import type { ConnectionContext, RequestHandler, RequestObserver } from '../broker/request-handler.ts';
import type { Endpoint } from '../broker/services.ts';
import { Client, type ConnectOptions } from '../client/client.ts';
import type { Codecs } from '../client/compression.ts';
import { InProcessOpener } from '../client/in-process-transport.ts';
import { LocalMetadataStore } from '../cluster/local-metadata-store.ts';
import type { BatchCodecs } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { JSON_MESSAGE_BYTES_MAX } from '../core/limits.ts';
import type { Logger } from '../core/logger.ts';
import type { Clock, Random, Store } from '../core/platform.ts';
import { Connection } from '../net/connection.ts';
import { ConnectionSet, type WatchedTransport } from '../net/connection-set.ts';
import type { FrameSink } from '../net/frame-transport.ts';
import { type JsonConnectionParts, JsonGateway } from '../net/json-gateway.ts';
import type { SavedSession } from '../net/saved-session.ts';
import type { Subprotocol } from '../net/subprotocol.ts';
import type { PartitionExecutor } from '../partition/commands.ts';
import { createInlineExecutor } from '../partition/inline-executor.ts';
import { Kernels } from '../wasm/kernels.ts';
import { createRecordBatchCodec } from '../wasm/record-batch-codec.ts';
import { type DirectoryOwnership, type OpenDataDirectory, openDataDirectory, SOLE_OWNER } from './data-directory.ts';
import { initialMetadata } from './initial-metadata.ts';

export interface EmbeddedBrokerOptions {
  /** Its root is the data directory. It stays the caller's, who closes it after the broker. */
  readonly store: Store;
  /** Where the store is, for people: faults and DescribeLogDirs name it. */
  readonly path?: string | undefined;
  /** Who may have the directory. By default nobody else can open the store while this broker has it. */
  readonly ownership?: DirectoryOwnership | undefined;
  /** Bytes of the disk; by default unknown. */
  readonly space?: (() => { readonly totalBytes: number; readonly usableBytes: number } | undefined) | undefined;
  /** The time of records, groups, transactions and long polls. */
  readonly clock: Clock;
  /** The time of connections and of the broker's own clients; by default `clock`. */
  readonly connectionClock?: Clock | undefined;
  readonly random: Random;
  readonly logger: Logger;
  /** The plain build, compiled. */
  readonly wasm: WebAssembly.Module;
  readonly codecs: BatchCodecs;
  /** Codecs of the broker's own clients; by default `codecs`. */
  readonly clientCodecs?: Codecs | undefined;
  /** Broker configuration under Kafka's names, as written. */
  readonly config?: Readonly<Record<string, string>> | undefined;
  /**
   * Makes the owners of partitions once the directory is taken; the broker closes what is made. By default partitions
   * are owned by the caller's own thread. The kernels are the broker's own, for an executor in this thread.
   */
  readonly startExecutor?: ((kernels: Kernels) => PartitionExecutor) | undefined;
  /** What a client is told to connect to; undefined, and by default, where it came. */
  readonly advertised?: ((connection: ConnectionContext) => Endpoint | undefined) | undefined;
  readonly observer?: RequestObserver | undefined;
  /** Stands between connections and the broker: tests put one in that fails on purpose. */
  readonly intercept?: ((handler: RequestHandler) => RequestHandler) | undefined;
}

/** A connection that a host has accepted. */
export interface AcceptedConnection {
  readonly transport: WatchedTransport;
  /** What its messages are; TCP carries `kafka`. */
  readonly subprotocol: Subprotocol;
  readonly clientHost: string;
  /** Listener name, as in Kafka's `listeners`; by default `HTTP`. */
  readonly listener?: string | undefined;
  /** By what the client reached the broker; Metadata tells it where nothing is advertised. */
  readonly localHost: string;
  readonly localPort: number;
  /** What a session of the same client has saved before its host slept, to go on with. */
  readonly saved?: SavedSession | undefined;
}

/** Longest time that connections get for their last answers when the broker is closed. */
const CLOSE_MS_MAX = 5000;
const NO_OBSERVER: RequestObserver = { observe: () => undefined };

/**
 * Opens a broker over a store, and resolves when it serves. Throws LogFault ERR_CONFIG, ERR_DATA_DIRECTORY_LOCKED,
 * ERR_DATA_DIRECTORY_UNREADABLE, ERR_STORAGE.
 */
export async function openEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<EmbeddedBroker> {
  const broker = EmbeddedBroker.prepare(options);
  try {
    await broker.start();
  } catch (error) {
    await broker.close();
    throw error;
  }
  return broker;
}

export class EmbeddedBroker {
  /** Takes Kafka frames. Refuses with ERR_CLOSED while the broker does not serve. */
  readonly handler: RequestHandler;
  /** The same without what intercepts. */
  readonly directHandler: RequestHandler;
  readonly connections: ConnectionSet;
  readonly settings: BrokerSettings;
  readonly #options: EmbeddedBrokerOptions;
  readonly #config: BrokerConfig;
  readonly #kernels: Kernels;
  readonly #directory: OpenDataDirectory;
  readonly #executor: PartitionExecutor;
  #gateway: JsonGateway | undefined;
  #broker: Broker | undefined;
  #closing: Promise<void> | undefined;

  /** Takes the directory, and begins to make what owns its partitions; {@link start} opens them. */
  static prepare(options: EmbeddedBrokerOptions): EmbeddedBroker {
    return new EmbeddedBroker(options);
  }

  private constructor(options: EmbeddedBrokerOptions) {
    const { store, random, logger, path = '/', ownership = SOLE_OWNER } = options;
    this.#options = options;
    const { config, withoutEffect } = parseStartConfig(options.config ?? {});
    for (const { keys, reason } of withoutEffect) {
      logger.warn('configuration that has no effect here', { keys: keys.join(', '), reason });
    }
    this.#config = config;
    this.settings = this.#config.settings;
    this.#kernels = Kernels.create(options.wasm);
    const space = options.space ?? (() => undefined);
    this.#directory = openDataDirectory({ store, path, nodeId: this.settings.nodeId, random, ownership, space });
    this.#executor = this.#startExecutor();
    this.connections = new ConnectionSet({
      logger,
      clock: this.#connectionClock,
      connectionsMax: this.settings.maxConnections,
      idleMsMax: this.settings.connectionsMaxIdleMs,
      queuedRequestBytesMax: this.settings.queuedRequestMaxBytes,
    });
    this.directHandler = {
      handle: (frame, context) => this.#serving().handle(frame, context),
      serve: (frame, context, responder) => this.#serving().serve(frame, context, responder),
      whenWritable: () => this.#serving().whenWritable(),
    };
    this.handler = options.intercept?.(this.directHandler) ?? this.directHandler;
  }

  #startExecutor(): PartitionExecutor {
    const { startExecutor, store, clock, codecs, logger } = this.#options;
    try {
      return (
        startExecutor?.(this.#kernels) ?? createInlineExecutor({ kernels: this.#kernels, store, clock, codecs, logger })
      );
    } catch (error) {
      this.#directory.close();
      throw error;
    }
  }

  /** Opens every partition; resolves when requests are served. To be called once. */
  async start(): Promise<void> {
    const { store, clock, random, logger, codecs, observer = NO_OBSERVER, advertised } = this.#options;
    const { clusterId, checkpoints } = this.#directory;
    const recordBatches = createRecordBatchCodec(this.#kernels, codecs);
    const metadata = LocalMetadataStore.open({
      store,
      clusterId,
      nodeId: this.settings.nodeId,
      logger,
      initial: () =>
        initialMetadata({ store, partitions: new Set(checkpoints.partitions.keys()), recordBatches, logger }),
    });
    this.#broker = await Broker.start({
      executor: this.#executor,
      metadata,
      directory: checkpoints,
      config: this.#config,
      clock,
      random,
      logger,
      recordBatches,
      observer,
      advertised: (connection) =>
        advertised?.(connection) ?? { host: connection.localHost, port: connection.localPort },
    });
  }

  /** The broker itself; undefined until it serves. */
  get broker(): Broker | undefined {
    return this.#broker;
  }

  /** Requests are served: the broker has been started, and is not being closed. */
  get isServing(): boolean {
    return this.#broker !== undefined && this.#closing === undefined;
  }

  /** For metrics: commands waiting and in flight, by slot. */
  queueLengths(): readonly number[] {
    return this.#executor.queueLengths();
  }

  /**
   * A client whose frames go straight to this broker, with `direct` past what intercepts. It is the caller's to close.
   * Its clock is the standard one unless it is given another: somebody waits for its timers.
   */
  client(
    options: Omit<ConnectOptions, 'transport' | 'url' | 'webSocket'> = {},
    { direct = false }: { readonly direct?: boolean } = {},
  ): Client {
    const { wasm, codecs, random } = this.#clientOptions();
    const transport = new InProcessOpener(direct ? this.directHandler : this.handler);
    return new Client({ wasm, codecs, random, ...options, transport });
  }

  /** Largest message of a subprotocol, in bytes: transports refuse a larger one before it is taken in. */
  messageBytesMax(subprotocol: Subprotocol): number {
    const { socketRequestMaxBytes } = this.settings;
    return subprotocol === 'kafka' ? socketRequestMaxBytes : Math.min(socketRequestMaxBytes, JSON_MESSAGE_BYTES_MAX);
  }

  /** Why no connection can be accepted now, in words; undefined where one can. */
  get refusal(): string | undefined {
    if (this.#broker === undefined) return 'the log is being opened';
    if (this.#closing !== undefined) return 'the broker is shutting down';
    return this.connections.isFull ? 'too many connections: max.connections is reached' : undefined;
  }

  /**
   * Opens the session of an accepted connection, bounded as every connection of the broker is. The transport then gives
   * its frames to the sink that is returned, and tells it of its end by `onClose`.
   * @throws LogFault ERR_CONNECTION where no connection can be accepted: see {@link refusal}
   */
  accept(connection: AcceptedConnection): FrameSink {
    const { refusal, connections } = this;
    if (refusal !== undefined) throw new LogFault('ERR_CONNECTION', refusal);
    const { transport, subprotocol, clientHost, localHost, localPort, listener = 'HTTP' } = connection;
    const id = connections.nextId();
    const lifetime = new AbortController();
    const context = { id, listener, clientHost, localHost, localPort, closed: lifetime.signal };
    const { limits, memory } = connections;
    const parts = { transport, context, lifetime, limits, memory, logger: this.#options.logger };
    const { saved } = connection;
    const session =
      subprotocol === 'json' ? this.openJson({ ...parts, saved }) : new Connection({ ...parts, handler: this.handler });
    const sink = new AcceptedSession(session, () => connections.remove(id));
    connections.add(id, { clientHost, transport, sink });
    return sink;
  }

  /** Opens a session of the `json` subprotocol for a connection that the host keeps account of itself. */
  openJson(parts: JsonConnectionParts): FrameSink {
    this.#gateway ??= new JsonGateway({ ...this.#clientOptions(), handler: this.handler });
    return this.#gateway.open(parts);
  }

  /**
   * Answers what is under way, closes connections and every partition in order, and gives the directory up. Resolves
   * when nothing is left but the store.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.connections.close(CLOSE_MS_MAX);
    this.#gateway?.close();
    await this.#broker?.close();
    await this.#executor.close();
    this.#directory.close();
  }

  get #connectionClock(): Clock {
    return this.#options.connectionClock ?? this.#options.clock;
  }

  #clientOptions(): {
    readonly wasm: WebAssembly.Module;
    readonly codecs: Codecs;
    readonly clock: Clock;
    readonly random: Random;
  } {
    const { wasm, codecs, clientCodecs = codecs, random } = this.#options;
    return { wasm, codecs: clientCodecs, clock: this.#connectionClock, random };
  }

  #serving(): Broker {
    if (this.#broker === undefined) throw new LogFault('ERR_CLOSED', 'the broker is not ready');
    return this.#broker;
  }
}

/** A session that leaves the set of connections when its transport has ended. */
class AcceptedSession implements FrameSink {
  readonly #session: FrameSink;
  readonly #onEnd: () => void;

  constructor(session: FrameSink, onEnd: () => void) {
    this.#session = session;
    this.#onEnd = onEnd;
  }

  onFrame(frame: Uint8Array): void {
    this.#session.onFrame(frame);
  }

  onDrain(): void {
    this.#session.onDrain();
  }

  onClose(): void {
    this.#session.onClose();
    this.#onEnd();
  }

  onTick(nowMs: number): void {
    this.#session.onTick(nowMs);
  }

  close(code: number, reason: string): void {
    this.#session.close(code, reason);
  }

  drain(code: number, reason: string): void {
    this.#session.drain(code, reason);
  }

  save(): SavedSession | undefined {
    return this.#session.save?.();
  }
}
