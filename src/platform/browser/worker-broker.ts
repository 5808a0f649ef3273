// The log in a dedicated worker: the store, the broker on it, the connections of tabs, the uplink. It exists while its
// worker is the one that has the log.

import { delay } from '../../client/client-clock.ts';
import type { Codecs } from '../../client/compression.ts';
import { InProcessOpener } from '../../client/in-process-transport.ts';
import { standardWebSocket, WebSocketOpener } from '../../client/web-socket-transport.ts';
import { createPortableCodecs } from '../../compression/portable-codecs.ts';
import { ZstdLoader } from '../../compression/zstd-loader.ts';
import { assert } from '../../core/assert.ts';
import type { LoadedCodecs } from '../../core/compression.ts';
import { LogFault } from '../../core/fault.ts';
import type { Logger } from '../../core/logger.ts';
import type { Clock, Random, Store } from '../../core/platform.ts';
import { type EmbeddedBroker, openEmbeddedBroker } from '../../embedded/embedded-broker.ts';
import type { Subprotocol } from '../../net/subprotocol.ts';
import { MemoryStore } from '../../storage/memory-store.ts';
import type { UplinkMemory } from '../../uplink/positions.ts';
import { Uplink, type UplinkStatus } from '../../uplink/uplink.ts';
import { Kernels } from '../../wasm/kernels.ts';
import { createLoadingExecutor } from '../loading-executor.ts';
import { hasLocks, whenEnded } from './lifelines.ts';
import { LinkedSocket } from './linked-socket.ts';
import { type BrokerSettings, NAMES, type StorageKind, type UplinkSettings } from './messages.ts';
import { OpfsStore } from './opfs-store.ts';
import { type HandleDirectory, openOpfsDirectory } from './sync-handles.ts';

/** Where logs lie in the origin private file system. */
const OPFS_ROOT = 'millrace';
/** Remembers the uplink's positions, beside the log. */
const UPLINK_FILE = 'uplink-positions';
/** A worker that has just ended may still have its files: they are asked for this often, and for this long. */
const STORE_RETRY_MS = 50;
const STORE_RETRIES = 100;
const CONNECT_TIMEOUT_MS = 10_000;
/** Commands wait for zstd.wasm, and the network may be one that answers nothing. */
const ZSTD_TIMEOUT_MS = 10_000;

/** What a log of one origin needs, and what a device can spare. Whatever the caller sets goes over it. */
const CONFIG: Readonly<Record<string, string>> = {
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.num.partitions': '1',
  // Nothing that was written offline is to go by itself before it has been brought anywhere.
  'log.retention.ms': '-1',
  'log.segment.bytes': String(64 * 1024 * 1024),
  'log.cleaner.dedupe.buffer.size': String(8 * 1024 * 1024),
};

export interface WorkerBrokerOptions {
  readonly settings: BrokerSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly onUplink: (status: UplinkStatus) => void;
}

export class WorkerBroker {
  readonly storage: StorageKind;
  readonly #options: WorkerBrokerOptions;
  readonly #store: Store;
  readonly #broker: EmbeddedBroker;
  readonly #uplink: Uplink | undefined;
  /** Connections by tab. */
  readonly #tabs = new Map<string, Set<LinkedSocket>>();
  readonly #closing = new AbortController();

  private constructor(options: WorkerBrokerOptions, parts: Parts) {
    this.#options = options;
    this.storage = parts.storage;
    this.#store = parts.store;
    this.#broker = parts.broker;
    this.#uplink = parts.uplink;
  }

  /** Throws what OpfsStore.open and openEmbeddedBroker do, and ERR_USAGE where millrace.wasm cannot be loaded. */
  static async open(options: WorkerBrokerOptions): Promise<WorkerBroker> {
    const { settings, clock, random, logger } = options;
    const module = await loadModule(settings.wasm);
    const { store, storage } = await openStore(module, options);
    try {
      const config = { ...CONFIG, ...settings.config };
      const { zstdWasm } = settings;
      const zstd = new ZstdLoader(() => compiled(zstdWasm, AbortSignal.timeout(ZSTD_TIMEOUT_MS)));
      const codecs = { ...createPortableCodecs(module), zstd: zstd.codec };
      const clientCodecs = { ...codecs, zstd: zstd.awaited };
      const loadedCodecs: LoadedCodecs = {
        codecs,
        load: () => zstd.load(),
        get isLoaded() {
          return zstd.isLoaded;
        },
      };
      const path = `opfs:/${OPFS_ROOT}/${settings.name}`;
      const broker = await openEmbeddedBroker({
        ...{ store, path, clock, random, logger, wasm: module, codecs, clientCodecs, config },
        startExecutor: (kernels) => createLoadingExecutor({ kernels, store, clock, logger, codecs: loadedCodecs }),
      });
      const parts = { ...options, broker, store, module, codecs: clientCodecs };
      const uplink = settings.uplink && (await openUplink(settings.uplink, parts));
      return new WorkerBroker(options, { store, storage, broker, uplink });
    } catch (error) {
      store.close();
      throw error;
    }
  }

  get uplinkStatus(): UplinkStatus | undefined {
    return this.#uplink?.status;
  }

  wakeUplink(): void {
    this.#uplink?.wake();
  }

  /** Serves a tab's connection. */
  connect(place: MessagePort | BroadcastChannel, tabId: string, subprotocol: Subprotocol): void {
    const { clock, logger } = this.#options;
    const sockets = this.#tabs.get(tabId) ?? this.#watch(tabId);
    try {
      const onEnd = () => sockets.delete(socket);
      const socket = new LinkedSocket({ place, broker: this.#broker, subprotocol, tabId, clock, onEnd });
      sockets.add(socket);
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      logger.warn('a connection was refused', { tab: tabId, reason: error.message });
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#uplink?.close();
    await this.#broker.close();
    this.#store.close();
  }

  /** A tab that ends says nothing: its lock does. */
  #watch(tabId: string): Set<LinkedSocket> {
    const sockets = new Set<LinkedSocket>();
    this.#tabs.set(tabId, sockets);
    if (!hasLocks()) return sockets;
    whenEnded(NAMES.tab(this.#options.settings.name, tabId), this.#closing.signal, () => {
      this.#tabs.delete(tabId);
      for (const socket of [...sockets]) socket.abandon();
    });
    return sockets;
  }
}

interface OpenStore {
  readonly store: Store;
  readonly storage: StorageKind;
}

interface Parts extends OpenStore {
  readonly broker: EmbeddedBroker;
  readonly uplink: Uplink | undefined;
}

async function loadModule(wasm: WebAssembly.Module | string): Promise<WebAssembly.Module> {
  if (typeof wasm !== 'string') return wasm;
  try {
    return await compiled(wasm);
  } catch (error) {
    throw new LogFault('ERR_USAGE', `${wasm} cannot be loaded (option \`wasm\`): ${String(error)}`, error);
  }
}

async function compiled(wasm: WebAssembly.Module | string, signal?: AbortSignal): Promise<WebAssembly.Module> {
  if (typeof wasm !== 'string') return wasm;
  const response = await fetch(wasm, signal === undefined ? {} : { signal });
  if (!response.ok) throw new Error(`${wasm}: ${response.status} ${response.statusText}`);
  return await WebAssembly.compile(await response.arrayBuffer());
}

async function openStore(module: WebAssembly.Module, options: WorkerBrokerOptions): Promise<OpenStore> {
  const { settings, logger } = options;
  if (settings.storage === 'memory') return { store: new MemoryStore(), storage: 'memory' };
  let directory: HandleDirectory;
  try {
    directory = await openOpfsDirectory([OPFS_ROOT, settings.name]);
  } catch (error) {
    // Browsers have the interface and refuse its use, in private windows for example.
    if (settings.storage === 'opfs') throw new LogFault('ERR_STORAGE', `no private files: ${String(error)}`, error);
    logger.warn('no private files here: records are kept in memory', { error });
    return { store: new MemoryStore(), storage: 'memory' };
  }
  return { store: await openOpfsStore(directory, module, options), storage: 'opfs' };
}

async function openOpfsStore(
  directory: HandleDirectory,
  module: WebAssembly.Module,
  { clock, logger }: WorkerBrokerOptions,
): Promise<Store> {
  // Its own memory: the store takes checksums while its callers' bytes are in theirs.
  const kernels = Kernels.create(module);
  for (let left = STORE_RETRIES; ; left--) {
    try {
      return await OpfsStore.open({ directory, checksum: (bytes) => kernels.crc32cOf(bytes), logger });
    } catch (error) {
      const isLocked = error instanceof LogFault && error.code === 'ERR_DATA_DIRECTORY_LOCKED';
      if (!isLocked || left === 0) throw error;
    }
    await delay(clock, STORE_RETRY_MS);
  }
}

interface UplinkParts extends WorkerBrokerOptions {
  readonly broker: EmbeddedBroker;
  readonly store: Store;
  readonly module: WebAssembly.Module;
  readonly codecs: Codecs;
}

async function openUplink(
  { url, topics, id, unresolved }: UplinkSettings,
  { broker, store, module, codecs, clock, random, logger, onUplink: onStatus }: UplinkParts,
): Promise<Uplink> {
  const webSocket = standardWebSocket();
  assert(webSocket !== undefined, 'every browser has WebSockets');
  return new Uplink({
    id: id ?? (await clusterIdOf(broker)),
    topics,
    local: new InProcessOpener(broker.handler),
    remote: new WebSocketOpener({ url, webSocket, clock, connectTimeoutMs: CONNECT_TIMEOUT_MS }),
    memory: new StoredText(store, UPLINK_FILE),
    kernels: Kernels.create(module),
    codecs,
    clock,
    random,
    logger,
    unresolved,
    onStatus,
  });
}

/** Made when the log is made, and never again: the best name that it has. */
async function clusterIdOf(broker: EmbeddedBroker): Promise<string> {
  const client = broker.client();
  try {
    const { clusterId } = await client.admin().describeCluster();
    return clusterId ?? '';
  } finally {
    client.close();
  }
}

class StoredText implements UplinkMemory {
  readonly #store: Store;
  readonly #path: string;

  constructor(store: Store, path: string) {
    this.#store = store;
    this.#path = path;
  }

  load(): string | undefined {
    const content = this.#store.readSmall(this.#path);
    return content === undefined ? undefined : new TextDecoder().decode(content);
  }

  save(text: string): void {
    this.#store.replaceSmall(this.#path, new TextEncoder().encode(text));
    this.#store.flushDirectory('');
  }
}
