// The embedded broker as a conformance broker, for every host: over the place's store, in this very thread, its sockets
// pairs in memory. A crash takes the store away from under it, so that nothing it still does reaches the files.

import type { BatchCodecs } from '../../../src/core/compression.ts';
import { LogFault } from '../../../src/core/fault.ts';
import type { Logger } from '../../../src/core/logger.ts';
import type { Clock, Random, Store, StoreEntry, StoreFile } from '../../../src/core/platform.ts';
import { openEmbeddedBroker } from '../../../src/embedded/embedded-broker.ts';
import type { BrokerSettings, ConformanceBroker, ConformancePlace } from './host.ts';
import { openPair } from './sockets.ts';

export interface EmbeddedParts {
  readonly wasm: WebAssembly.Module;
  readonly codecs: BatchCodecs;
  readonly clock: Clock;
  readonly random: Random;
}

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export async function openEmbedded(
  place: Pick<ConformancePlace, 'open' | 'close' | 'crash'>,
  parts: EmbeddedParts,
  { config }: BrokerSettings,
): Promise<ConformanceBroker> {
  const store = new MortalStore(await place.open());
  const broker = await openEmbeddedBroker({ ...parts, store, config, logger: SILENT });
  return {
    client: async () => broker.client(),
    socket: async (subprotocol) =>
      openPair(
        (transport) =>
          broker.accept({ transport, subprotocol, clientHost: 'pair', localHost: 'localhost', localPort: 0 }),
        subprotocol,
      ),
    close: async () => {
      await broker.close();
      await place.close();
    },
    crash: async () => {
      store.die();
      await place.crash();
      // Ends what would go on in a process that lives; every file is out of its reach.
      await broker.close().catch(() => undefined);
    },
  };
}

/** A store that can be taken away. */
class MortalStore implements Store {
  readonly #store: Store;
  #isDead = false;

  constructor(store: Store) {
    this.#store = store;
  }

  die(): void {
    this.#isDead = true;
  }

  /** Throws once the store was taken away. */
  check(): void {
    if (this.#isDead) throw new LogFault('ERR_STORAGE', 'the store was taken away');
  }

  get #alive(): Store {
    this.check();
    return this.#store;
  }

  list(directory: string): StoreEntry[] {
    return this.#alive.list(directory);
  }

  exists(path: string): boolean {
    return this.#alive.exists(path);
  }

  createDirectory(path: string): void {
    this.#alive.createDirectory(path);
  }

  removeDirectory(path: string): void {
    this.#alive.removeDirectory(path);
  }

  rename(from: string, to: string): void {
    this.#alive.rename(from, to);
  }

  remove(path: string): void {
    this.#alive.remove(path);
  }

  open(path: string, options: { readonly create: boolean }): StoreFile {
    return new MortalFile(this, this.#alive.open(path, options));
  }

  readSmall(path: string): Uint8Array | undefined {
    return this.#alive.readSmall(path);
  }

  replaceSmall(path: string, content: Uint8Array): void {
    this.#alive.replaceSmall(path, content);
  }

  flushDirectory(path: string): void {
    this.#alive.flushDirectory(path);
  }

  close(): void {
    if (!this.#isDead) this.#store.close();
  }
}

class MortalFile implements StoreFile {
  readonly path: string;
  readonly #store: MortalStore;
  readonly #file: StoreFile;

  constructor(store: MortalStore, file: StoreFile) {
    this.#store = store;
    this.#file = file;
    this.path = file.path;
  }

  get #alive(): StoreFile {
    this.#store.check();
    return this.#file;
  }

  size(): number {
    return this.#alive.size();
  }

  read(target: Uint8Array, position: number): number {
    return this.#alive.read(target, position);
  }

  write(source: Uint8Array, position: number): void {
    this.#alive.write(source, position);
  }

  writeAll(sources: readonly Uint8Array[], position: number): void {
    this.#alive.writeAll(sources, position);
  }

  truncate(size: number): void {
    this.#alive.truncate(size);
  }

  async flush(): Promise<void> {
    await this.#alive.flush();
  }

  flushSync(): void {
    this.#alive.flushSync();
  }

  /** A file is given up also when the store is gone: that writes nothing. */
  close(): void {
    this.#file.close();
  }
}
