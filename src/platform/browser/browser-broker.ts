// The log of an origin as a page sees it: opens it in a worker of this tab or finds it in another tab's, and makes clients.

import { Client, type ConnectOptions } from '../../client/client.ts';
import { STANDARD_CLOCK } from '../../client/client-clock.ts';
import { STANDARD_RANDOM } from '../../client/client-random.ts';
import { LogFault } from '../../core/fault.ts';
import type { Subprotocol } from '../../net/subprotocol.ts';
import { uuidFromBytes } from '../../protocol/uuid.ts';
import type { UplinkStatus } from '../../uplink/uplink.ts';
import type { UplinkTopic } from '../../uplink/uplink-session.ts';
import { LeaderWatch } from './leader.ts';
import { hasLocks, live, whenEnded } from './lifelines.ts';
import { LinkOpener, type LinkTarget } from './link-opener.ts';
import { type BrokerSettings, NAMES, type StorageKind, type WorkerEvent, type WorkerRequest } from './messages.ts';
import { hasPrivateFiles } from './sync-handles.ts';

const CLOSE_TIMEOUT_MS = 10_000;
const ID_BYTES = 16;
/** A worker that ends by itself is made again after this time, in milliseconds. */
const RESPAWN_MS = 100;

/** Local topics that go to a remote broker whenever it can be reached: each record once, in order. */
export interface UplinkRequest {
  /** `ws://HOST:PORT` or `wss://HOST:PORT` of the remote broker. */
  readonly url: string;
  /** Topics by name, or with another name there. */
  readonly topics: readonly (string | UplinkTopic)[];
  /** Names this log in the remote cluster, and must be its alone. Default: the log's own cluster id. */
  readonly id?: string;
  /** What to do with records of which nobody knows any more whether they have arrived. Default: stop, and say so. */
  readonly unresolved?: 'resend' | 'skip';
}

export interface OpenBrokerOptions {
  /** Names the log within the origin: tabs that name the same one share it. Default `default`. */
  readonly name?: string;
  /** `memory` keeps nothing beyond its worker. Default: `opfs`, and memory where the origin has no private files. */
  readonly storage?: StorageKind;
  /** Broker configuration under Kafka's names. That of the tab whose worker has the log counts. */
  readonly config?: Readonly<Record<string, string>>;
  readonly uplink?: UplinkRequest;
  /** Told of every change of the uplink, whichever tab's worker has it. */
  readonly onUplink?: (status: UplinkStatus) => void;
  /** `millrace.wasm`: a compiled module or its URL. Default: beside this file. */
  readonly wasm?: WebAssembly.Module | URL | string;
  /** `zstd.wasm`: likewise, for batches under zstd. It is loaded when the first comes. */
  readonly zstdWasm?: WebAssembly.Module | URL | string;
  /** Makes the worker of `millrace-worker.js`. Default: from beside this file. */
  readonly worker?: () => Worker;
}

/**
 * Opens the log of this origin, creating it where there is none, and resolves when it can be used. The log lives in a
 * worker of one tab; other tabs use it there, and when that tab ends one of them takes over: nothing acknowledged is
 * lost. Throws ERR_STORAGE, ERR_CONFIG, ERR_DATA_DIRECTORY_UNREADABLE, and ERR_USAGE where a file cannot be loaded.
 *
 *     const broker = await openBroker({ uplink: { url: 'wss://example.org', topics: ['notes'] } });
 *     const producer = broker.client().producer();
 *     await producer.send({ topic: 'notes', messages: [{ value: 'written offline' }] });
 */
export async function openBroker(options: OpenBrokerOptions = {}): Promise<BrowserBroker> {
  const broker = new BrowserBroker(options);
  try {
    await broker.open();
  } catch (error) {
    await broker.close();
    throw error;
  }
  return broker;
}

export class BrowserBroker {
  readonly #options: OpenBrokerOptions;
  readonly #settings: BrokerSettings;
  readonly #tabId = newId();
  readonly #leader: LeaderWatch;
  readonly #closing = new AbortController();
  readonly #clients = new Set<Client>();
  #worker: Worker | undefined;
  /** As it was when there last was somebody who had the log. */
  #storage: StorageKind = 'memory';
  #uplink: UplinkStatus | undefined;
  #failed: (fault: LogFault) => void = () => undefined;
  #workerEnded: () => void = () => undefined;
  #closed: Promise<void> | undefined;

  /** Opens nothing: {@link openBroker} does both. */
  constructor(options: OpenBrokerOptions) {
    this.#options = options;
    this.#settings = settingsOf(options);
    this.#leader = new LeaderWatch({
      name: this.#settings.name,
      tabId: this.#tabId,
      clock: STANDARD_CLOCK,
      connectOwn: (subprotocol) => this.#connectOwn(subprotocol),
      onUplink: (status) => this.#tellUplink(status),
    });
  }

  async open(): Promise<void> {
    if (hasLocks()) await live(NAMES.tab(this.#settings.name, this.#tabId), this.#closing.signal);
    const failed = new Promise<never>((_resolve, reject) => {
      this.#failed = reject;
    });
    this.#spawn();
    await Promise.race([this.#leader.target('kafka'), failed]);
    this.#failed = () => undefined;
    this.#storage = this.storage;
  }

  /** Where records are kept: `memory` where the origin has no private files, and where it was asked for. */
  get storage(): StorageKind {
    return this.#leader.current?.storage ?? this.#storage;
  }

  /** Whether this tab's own worker has the log. */
  get isLeader(): boolean {
    return this.#leader.isOwn;
  }

  /** How the uplink stands; undefined where there is none. */
  get uplink(): UplinkStatus | undefined {
    return this.#uplink;
  }

  /** A client of the log. It is closed with the broker at the latest. */
  client(options: Omit<ConnectOptions, 'transport' | 'url' | 'webSocket'> = {}): Client {
    const { wasm, zstdWasm } = this.#settings;
    const transport = new LinkOpener(this.#settings.name, STANDARD_CLOCK, () => this.target('kafka'));
    const client = new Client({ wasm, zstdWasm, ...options, transport });
    this.#clients.add(client);
    return client;
  }

  /** The worker that has the log, for those that bring their own protocol engine. */
  target(subprotocol: Subprotocol): Promise<LinkTarget> {
    return this.#leader.target(subprotocol);
  }

  /** Closes this tab's clients and its worker; where that had the log, in order, and another tab takes over. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const client of this.#clients) client.close();
    const worker = this.#worker;
    if (worker !== undefined) {
      const ended = new Promise<void>((resolve) => {
        this.#workerEnded = resolve;
        STANDARD_CLOCK.schedule(CLOSE_TIMEOUT_MS, resolve);
      });
      this.#post({ kind: 'close' });
      await ended;
      worker.terminate();
    }
    this.#closing.abort();
    this.#leader.close();
  }

  #spawn(): void {
    const workerId = newId();
    const worker = this.#options.worker?.() ?? packagedWorker();
    this.#worker = worker;
    this.#leader.ownWorkerId = workerId;
    worker.onmessage = ({ data }: MessageEvent<WorkerEvent>) => this.#receive(data, workerId);
    worker.onerror = (event) => {
      const what = event.message === undefined ? 'the worker cannot be loaded (option `worker`)' : event.message;
      this.#failed(new LogFault('ERR_USAGE', `the worker of the log has failed: ${what}`));
    };
    this.#post({ kind: 'start', settings: this.#settings, workerId });
  }

  #receive(event: WorkerEvent, workerId: string): void {
    switch (event.kind) {
      case 'alive':
        whenEnded(NAMES.worker(this.#settings.name, workerId), this.#closing.signal, () => this.#respawn(workerId));
        return;
      case 'serving':
        this.#leader.found(workerId, event.storage);
        return;
      case 'failed':
        this.#failed(LogFault.fromRecord(event.fault));
        this.#workerEnded();
        return;
      case 'closed':
        this.#workerEnded();
    }
  }

  /** Something has ended the worker, and the tab is still there. */
  #respawn(workerId: string): void {
    this.#leader.lost(workerId);
    this.#workerEnded();
    if (this.#closed !== undefined) return;
    this.#worker?.terminate();
    this.#worker = undefined;
    STANDARD_CLOCK.schedule(RESPAWN_MS, () => {
      if (this.#closed === undefined) this.#spawn();
    });
  }

  #connectOwn(subprotocol: Subprotocol): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#post({ kind: 'connect', port: port2, tabId: this.#tabId, subprotocol }, [port2]);
    return port1;
  }

  #post(request: WorkerRequest, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(request, transfer);
  }

  #tellUplink(status: UplinkStatus): void {
    this.#uplink = status;
    this.#options.onUplink?.(status);
  }
}

function settingsOf({
  name = 'default',
  storage,
  config = {},
  uplink,
  wasm,
  zstdWasm,
}: OpenBrokerOptions): BrokerSettings {
  if (!/^[\w.-]+$/.test(name) || /^\.+$/.test(name)) {
    throw new LogFault('ERR_USAGE', `${name} cannot name a log: letters, digits, dots, underscores and hyphens can`);
  }
  return {
    name,
    config,
    storage: storage ?? (hasPrivateFiles() ? undefined : 'memory'),
    wasm: wasm instanceof WebAssembly.Module ? wasm : String(wasm ?? new URL('./millrace.wasm', import.meta.url)),
    zstdWasm:
      zstdWasm instanceof WebAssembly.Module ? zstdWasm : String(zstdWasm ?? new URL('./zstd.wasm', import.meta.url)),
    uplink: uplink && {
      url: uplink.url,
      topics: uplink.topics.map((topic) => (typeof topic === 'string' ? { topic, remoteTopic: topic } : topic)),
      id: uplink.id,
      unresolved: uplink.unresolved,
    },
  };
}

/** Bundlers know this form, and bring the file along. */
function packagedWorker(): Worker {
  return new Worker(new URL('./millrace-worker.js', import.meta.url), { type: 'module', name: 'millrace' });
}

function newId(): string {
  const bytes = STANDARD_RANDOM.uuid();
  return uuidFromBytes(bytes.subarray(0, ID_BYTES));
}
