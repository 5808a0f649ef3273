// The codecs of hosts that have neither Node's zlib nor a way to load WebAssembly packages: gzip in plain JavaScript, and
// lz4 of the kernels, which every host has.

import { Gunzip, gzipSync } from 'fflate';
import type { BatchCodec, BatchCodecs } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { Kernels } from '../wasm/kernels.ts';
import { createLz4Codec } from '../wasm/lz4-codec.ts';
import type { WasmSource } from '../wasm/module.ts';
import { malformed, oversized } from './malformed.ts';
import { unavailableCodec } from './unavailable-codec.ts';

const GZIP = 'gzip';
/** Deflate makes at most 1032 of one byte, so that one step goes beyond its bound by less than 17 MB. */
const GZIP_STEP_BYTES = 16 * 1024;
const GZIP_LEVELS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] as const;

/**
 * Gzip and lz4; the other codecs are refused. A host that has more puts its own over them:
 * `{ ...createPortableCodecs(wasm), zstd }`. `wasm` is the plain build, `millrace.wasm`.
 */
export function createPortableCodecs(wasm: WasmSource): BatchCodecs {
  return {
    gzip: GZIP_CODEC,
    snappy: unavailableCodec('snappy'),
    lz4: createLz4Codec(() => Kernels.create(wasm)),
    zstd: unavailableCodec('zstd'),
  };
}

const GZIP_CODEC: BatchCodec = {
  compress: (bytes, level) => {
    const known = GZIP_LEVELS.find((each) => each === level);
    return gzipSync(bytes, known === undefined ? {} : { level: known });
  },
  decompress: (bytes, bytesMax) => {
    const output = new BoundedOutput(bytesMax);
    const gunzip = new Gunzip((chunk) => output.add(chunk));
    try {
      for (let at = 0; at < bytes.length || at === 0; at += GZIP_STEP_BYTES) {
        const end = Math.min(bytes.length, at + GZIP_STEP_BYTES);
        gunzip.push(bytes.subarray(at, end), end === bytes.length);
      }
    } catch (error) {
      if (error instanceof LogFault) throw error;
      throw malformed(GZIP, error instanceof Error ? error.message : String(error), error);
    }
    return output.joined();
  },
};

/** What a decompressor gives piece by piece, up to a bound. */
class BoundedOutput {
  readonly #bytesMax: number;
  readonly #chunks: Uint8Array[] = [];
  #byteCount = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(chunk: Uint8Array): void {
    this.#byteCount += chunk.length;
    if (this.#byteCount > this.#bytesMax) throw oversized(GZIP, this.#bytesMax);
    this.#chunks.push(chunk);
  }

  joined(): Uint8Array {
    const bytes = new Uint8Array(this.#byteCount);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}
