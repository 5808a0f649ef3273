// Zstandard whose WebAssembly is loaded when it is first needed, and asked for again where that has failed.

import type { BatchCodec } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import type { WasmSource } from '../wasm/module.ts';
import { createZstdLibrary } from './zstd-library.ts';

/** Where the codec is waited for. */
export interface AwaitedCodec {
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  decompress(bytes: Uint8Array, bytesMax: number): Promise<Uint8Array>;
}

export class ZstdLoader {
  /** Throws ERR_STORAGE, which brokers answer retriably, until {@link load} has resolved. */
  readonly codec: BatchCodec;
  /** Loads the codec when it is first used. Rejects as `load` does. */
  readonly awaited: AwaitedCodec;
  readonly #load: () => Promise<WasmSource>;
  #loading: Promise<void> | undefined;
  #loaded: BatchCodec | undefined;
  #failure = 'it was not asked for';

  /** `load` brings `zstd.wasm`, and may reject. */
  constructor(load: () => Promise<WasmSource>) {
    this.#load = load;
    this.codec = {
      compress: (bytes, level) => this.#ready().compress(bytes, level),
      decompress: (bytes, bytesMax) => this.#ready().decompress(bytes, bytesMax),
    };
    this.awaited = {
      compress: async (bytes) => {
        await this.load();
        return this.#ready().compress(bytes);
      },
      decompress: async (bytes, bytesMax) => {
        await this.load();
        return this.#ready().decompress(bytes, bytesMax);
      },
    };
  }

  get isLoaded(): boolean {
    return this.#loaded !== undefined;
  }

  /** Resolves when the codec can be used. Rejects with ERR_USAGE where it cannot be loaded; the next call tries again. */
  load(): Promise<void> {
    this.#loading ??= this.#begin();
    return this.#loading;
  }

  async #begin(): Promise<void> {
    try {
      this.#loaded = createZstdLibrary(await this.#load());
    } catch (error) {
      this.#loading = undefined;
      this.#failure = error instanceof Error ? error.message : String(error);
      throw new LogFault('ERR_USAGE', `zstd.wasm cannot be loaded (option \`zstdWasm\`): ${this.#failure}`, error);
    }
  }

  #ready(): BatchCodec {
    if (this.#loaded === undefined) throw new LogFault('ERR_STORAGE', `the codec zstd is not loaded: ${this.#failure}`);
    return this.#loaded;
  }
}
