// The codecs of hosts that have neither Node's zlib nor a way to load WebAssembly packages: gzip in plain JavaScript, and
// snappy and lz4 of the kernels, which every host has.

import type { BatchCodecs } from '../core/compression.ts';
import { Kernels } from '../wasm/kernels.ts';
import { createLz4Codec } from '../wasm/lz4-codec.ts';
import type { WasmSource } from '../wasm/module.ts';
import { createSnappyCodec } from '../wasm/snappy-codec.ts';
import { PORTABLE_GZIP } from './gzip-codec.ts';
import { unavailableCodec } from './unavailable-codec.ts';

/**
 * Gzip, snappy and lz4; zstd is refused. A host that has more puts its own over them:
 * `{ ...createPortableCodecs(wasm), zstd }`. `wasm` is the plain build, `millrace.wasm`.
 */
export function createPortableCodecs(wasm: WasmSource): BatchCodecs {
  return {
    gzip: PORTABLE_GZIP,
    snappy: createSnappyCodec(() => Kernels.create(wasm)),
    lz4: createLz4Codec(() => Kernels.create(wasm)),
    zstd: unavailableCodec('zstd'),
  };
}
