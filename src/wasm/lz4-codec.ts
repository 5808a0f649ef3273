// LZ4 for everybody whose bytes are not in linear memory: copied in, worked on by the kernels, copied out.

import {
  LZ4_BLOCK_BYTES_FIRST,
  LZ4_HEADER_BYTES,
  LZ4_TABLE_BYTES,
  LZ4_WORD_BYTES,
} from '../../assembly/shared/lz4-layout.ts';
import { OVER_READ_BYTES } from '../../assembly/shared/memory-layout.ts';
import type { BatchCodec } from '../core/compression.ts';
import type { Kernels } from './kernels.ts';
import { unpackLz4Frame } from './lz4.ts';
import { scratchKernels } from './scratch-kernels.ts';

/**
 * A codec of LZ4 frames. `load` is called when kernels are first needed, and again after a batch that took much memory;
 * the codec uses their scratch, so nobody else may rely on it meanwhile. It has one level, and looks at none.
 */
export function createLz4Codec(load: () => Kernels): BatchCodec {
  const use = scratchKernels(load);
  return {
    compress: (bytes) => use((kernels) => compress(kernels, bytes)),
    decompress: (bytes, bytesMax) => use((kernels) => decompress(kernels, bytes, bytesMax)),
  };
}

function compress(kernels: Kernels, bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const frameBytesMax = LZ4_HEADER_BYTES + length + LZ4_WORD_BYTES * (Math.ceil(length / LZ4_BLOCK_BYTES_FIRST) + 1);
  const table = kernels.reserve(LZ4_TABLE_BYTES + length + OVER_READ_BYTES + frameBytesMax);
  const source = table + LZ4_TABLE_BYTES;
  const target = source + length + OVER_READ_BYTES;
  kernels.bytes().set(bytes, source);
  const byteCount = kernels.exports.packLz4Frame(source, length, target, table) >>> 0;
  return kernels.bytes().slice(target, target + byteCount);
}

function decompress(kernels: Kernels, bytes: Uint8Array, bytesMax: number): Uint8Array {
  const source = kernels.reserve(bytes.length);
  kernels.bytes().set(bytes, source);
  const { first, byteCount } = unpackLz4Frame(kernels, { first: source, byteCount: bytes.length }, bytesMax);
  return kernels.bytes().slice(first, first + byteCount);
}
