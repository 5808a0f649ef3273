// The codecs in a Node process: gzip of the runtime, snappy and lz4 of the kernels, zstd from a WebAssembly package that is
// loaded when it is first used. It owns which package does what; formats are those of src/compression.

import { createRequire } from 'node:module';
import { constants, gunzipSync, gzipSync } from 'node:zlib';
import type { Codecs } from '../../client/compression.ts';
import { malformed } from '../../compression/malformed.ts';
import { createZstdCodec } from '../../compression/zstd-frames.ts';
import type { BatchCodec, LoadedCodecs } from '../../core/compression.ts';
import { LogFault } from '../../core/fault.ts';
import { Kernels } from '../../wasm/kernels.ts';
import { createLz4Codec } from '../../wasm/lz4-codec.ts';
import { createSnappyCodec } from '../../wasm/snappy-codec.ts';
import { loadWasmModule } from './wasm-modules.ts';

type ZstdPackage = Readonly<Pick<typeof import('@bokuweb/zstd-wasm'), 'compress' | 'decompress' | 'init'>>;

/** Bounds of the pieces in which zlib puts out what it makes: it sets one aside before it knows how much comes. */
const GZIP_CHUNK_BYTES_MIN = 16 * 1024;
const GZIP_CHUNK_BYTES_MAX = 256 * 1024;
/** About how much smaller gzip makes records. */
const GZIP_RATIO = 4;
/** Kafka's default of compression.zstd.level. */
const ZSTD_LEVEL_DEFAULT = 3;

/** Zstandard throws ERR_UNSUPPORTED until `load` has resolved; the others are there at once. */
export function createNodeCodecs(): LoadedCodecs {
  const zstd = new ZstdLoader();
  return {
    codecs: {
      gzip: GZIP,
      snappy: createSnappyCodec(ownKernels),
      lz4: createLz4Codec(ownKernels),
      zstd: zstd.codec,
    },
    get isLoaded() {
      return zstd.isLoaded;
    },
    load: () => zstd.load(),
  };
}

/** The same for clients, which can wait for what has to be loaded. */
export function createClientCodecs(): Required<Codecs> {
  const { codecs, load } = createNodeCodecs();
  const { gzip, snappy, lz4, zstd } = codecs;
  return {
    gzip,
    snappy,
    lz4,
    zstd: {
      compress: async (bytes) => {
        await load();
        return zstd.compress(bytes);
      },
      decompress: async (bytes, bytesMax) => {
        await load();
        return zstd.decompress(bytes, bytesMax);
      },
    },
  };
}

const GZIP: BatchCodec = {
  compress: (bytes, level = constants.Z_DEFAULT_COMPRESSION) =>
    gzipSync(bytes, { level, chunkSize: gzipChunk(bytes.length) }),
  decompress: (bytes, bytesMax) => {
    try {
      return gunzipSync(bytes, { maxOutputLength: bytesMax, chunkSize: gzipChunk(bytes.length * GZIP_RATIO) });
    } catch (error) {
      throw malformed('gzip', error instanceof Error ? error.message : String(error), error);
    }
  },
};

function gzipChunk(expectedBytes: number): number {
  return Math.max(GZIP_CHUNK_BYTES_MIN, Math.min(GZIP_CHUNK_BYTES_MAX, expectedBytes));
}

/** Kernels of its own: nobody else relies on their scratch. */
function ownKernels(): Kernels {
  return Kernels.create(loadWasmModule('plain'));
}

class ZstdLoader {
  readonly codec: BatchCodec;
  #package: ZstdPackage | undefined;
  #loading: Promise<void> | undefined;

  constructor() {
    this.codec = createZstdCodec({
      compress: (bytes, level = ZSTD_LEVEL_DEFAULT) => this.#loaded().compress(bytes, level),
      decompress: (frame, outputBytesMax) => this.#loaded().decompress(frame, { defaultHeapSize: outputBytesMax }),
    });
  }

  get isLoaded(): boolean {
    return this.#package !== undefined;
  }

  load(): Promise<void> {
    this.#loading ??= this.#load();
    return this.#loading;
  }

  async #load(): Promise<void> {
    const zstd: ZstdPackage = createRequire(import.meta.url)('@bokuweb/zstd-wasm');
    await initialized(zstd);
    this.#package = zstd;
  }

  #loaded(): ZstdPackage {
    if (this.#package === undefined) throw new LogFault('ERR_UNSUPPORTED', 'the codec zstd is not loaded');
    return this.#package;
  }
}

/**
 * The package has one WebAssembly memory in a process, and a second `init` puts another in its place, under whatever is
 * being compressed just then. So its one initialization is remembered with it.
 */
const INITIALIZATION = Symbol.for('millrace.zstd.initialization');

function initialized(zstd: ZstdPackage): Promise<unknown> {
  const known: unknown = Reflect.get(zstd, INITIALIZATION);
  if (known instanceof Promise) return known;
  const initialization = zstd.init();
  Reflect.set(zstd, INITIALIZATION, initialization);
  return initialization;
}
