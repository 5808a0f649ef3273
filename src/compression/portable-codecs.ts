// The codecs of hosts that have neither Node's zlib nor a way to load WebAssembly packages: gzip in plain JavaScript, and
// snappy and lz4 of the kernels, which every host has. Zstandard is a quarter of a megabyte, which whoever wants it hands in.

import type { BatchCodecs } from '../core/compression.ts';
import { Kernels } from '../wasm/kernels.ts';
import { createLz4Codec } from '../wasm/lz4-codec.ts';
import type { WasmSource } from '../wasm/module.ts';
import { createSnappyCodec } from '../wasm/snappy-codec.ts';
import { PORTABLE_GZIP } from './gzip-codec.ts';
import { unavailableCodec } from './unavailable-codec.ts';
import { createZstdLibrary } from './zstd-library.ts';

/**
 * Gzip, snappy and lz4, and zstd where `zstdWasm` is given: without it, batches of that codec are refused. `wasm` is the
 * plain build, `millrace.wasm`; `zstdWasm` is `zstd.wasm`, which is instantiated when the first batch comes.
 */
export function createPortableCodecs(wasm: WasmSource, zstdWasm?: WasmSource): BatchCodecs {
  return {
    gzip: PORTABLE_GZIP,
    snappy: createSnappyCodec(() => Kernels.create(wasm)),
    lz4: createLz4Codec(() => Kernels.create(wasm)),
    zstd: zstdWasm === undefined ? unavailableCodec('zstd', 'option `zstdWasm`') : createZstdLibrary(zstdWasm),
  };
}
