// Snappy as Kafka's Java client writes it: raw blocks under the header of xerial's SnappyOutputStream. A batch without
// that header is one raw block, which is what other clients write. Bytes are copied into linear memory, the kernels work on
// their blocks there, and what comes of it is copied out.
//
//   0x82 'SNAPPY' 0x00 | version i32 | lowest compatible version i32 | { block bytes i32, block } ...
//   All big-endian. The header may come again between two blocks, where streams were put together.
//   A raw block begins with the length of what it becomes, as a varint of up to 5 bytes.
//
// The kernels have it, because the plain JavaScript of npm (snappyjs 0.7.0) never ends on a literal of 2^31 bytes, and a
// WebAssembly package would be one more file for every host to bring.

import { OVER_READ_BYTES } from '../../assembly/shared/memory-layout.ts';
import { SNAPPY_LENGTH_BYTES_MAX, SNAPPY_TABLE_BYTES } from '../../assembly/shared/snappy-layout.ts';
import type { BatchCodec } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import type { Kernels } from './kernels.ts';
import { scratchKernels } from './scratch-kernels.ts';

const MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const VERSION = 1;
const HEADER_BYTES = 16;
const WORD_BYTES = 4;
/** Block size of xerial's SnappyOutputStream. */
const BLOCK_BYTES = 32_768;
/** A block is at most a sixth larger than what is in it, and this. */
const BLOCK_SLACK_BYTES = 32;

/** Where a raw block lies in a stream, and what its length says: how many bytes it becomes. */
interface Block {
  /** Behind its length. */
  readonly start: number;
  readonly end: number;
  readonly outputBytes: number;
}

/** A codec of Snappy streams; `load` as that of createLz4Codec. Snappy has no levels. */
export function createSnappyCodec(load: () => Kernels): BatchCodec {
  const use = scratchKernels(load);
  return {
    compress: (bytes) => use((kernels) => compressStream(kernels, bytes)),
    decompress: (bytes, bytesMax) => {
      const blocks = blocksOf(bytes);
      const outputBytes = blocks.reduce((sum, block) => sum + block.outputBytes, 0);
      if (outputBytes > bytesMax) throw corrupt(`Snappy decompresses to more than ${bytesMax} bytes`);
      return use((kernels) => decompressBlocks(kernels, bytes, { blocks, outputBytes }));
    },
  };
}

function compressStream(kernels: Kernels, bytes: Uint8Array): Uint8Array {
  const { length } = bytes;
  const blockCount = Math.ceil(length / BLOCK_BYTES);
  const streamBytesMax = HEADER_BYTES + length + Math.ceil(length / 6) + blockCount * (WORD_BYTES + BLOCK_SLACK_BYTES);
  const table = kernels.reserve(SNAPPY_TABLE_BYTES + length + OVER_READ_BYTES + streamBytesMax);
  const source = table + SNAPPY_TABLE_BYTES;
  const target = source + length + OVER_READ_BYTES;
  const memory = kernels.bytes();
  const view = new DataView(memory.buffer);
  memory.set(bytes, source);
  memory.set(MAGIC, target);
  view.setInt32(target + 8, VERSION);
  view.setInt32(target + 12, VERSION);
  let at = target + HEADER_BYTES;
  for (let from = 0; from < length; from += BLOCK_BYTES) {
    const blockBytes = Math.min(BLOCK_BYTES, length - from);
    const packedBytes = kernels.exports.packSnappyBlock(source + from, blockBytes, at + WORD_BYTES, table);
    view.setInt32(at, packedBytes);
    at += WORD_BYTES + packedBytes;
  }
  return memory.slice(target, at);
}

function decompressBlocks(
  kernels: Kernels,
  bytes: Uint8Array,
  { blocks, outputBytes }: { readonly blocks: readonly Block[]; readonly outputBytes: number },
): Uint8Array {
  const source = kernels.reserve(bytes.length + OVER_READ_BYTES + outputBytes);
  const target = source + bytes.length + OVER_READ_BYTES;
  kernels.bytes().set(bytes, source);
  let at = target;
  for (const { start, end, outputBytes: blockBytes } of blocks) {
    const isSound = kernels.exports.unpackSnappyElements(source + start, source + end, at, at + blockBytes);
    if (isSound === 0) throw malformed('a block cannot be read, or has another size than it says');
    at += blockBytes;
  }
  return kernels.bytes().slice(target, at);
}

function blocksOf(bytes: Uint8Array): readonly Block[] {
  if (!hasHeader(bytes, 0)) return [blockOf(bytes, 0, bytes.length)];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const blocks: Block[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (hasHeader(bytes, at)) {
      if (view.getInt32(at + 12) > VERSION) throw malformed('its version is unknown');
      at += HEADER_BYTES;
      continue;
    }
    if (at + WORD_BYTES > bytes.length) throw malformed('it ends inside of a block size');
    const size = view.getInt32(at);
    at += WORD_BYTES;
    if (size < 0 || at + size > bytes.length) throw malformed('it ends inside of a block');
    blocks.push(blockOf(bytes, at, at + size));
    at += size;
  }
  return blocks;
}

function hasHeader(bytes: Uint8Array, at: number): boolean {
  return bytes.length - at >= HEADER_BYTES && MAGIC.every((byte, index) => bytes[at + index] === byte);
}

/** The raw block in these bytes. */
function blockOf(bytes: Uint8Array, first: number, end: number): Block {
  let outputBytes = 0;
  for (let index = 0; index < SNAPPY_LENGTH_BYTES_MAX; index++) {
    const byte = first + index < end ? bytes[first + index] : undefined;
    if (byte === undefined) throw malformed('a block ends inside of its length');
    outputBytes += (byte & 127) * 2 ** (7 * index);
    if (byte < 128) return { start: first + index + 1, end, outputBytes };
  }
  throw malformed('the length of a block has more than 32 bits');
}

function malformed(what: string): LogFault {
  return corrupt(`malformed Snappy: ${what}`);
}

function corrupt(what: string): LogFault {
  return new LogFault('ERR_CORRUPT_LOG', what);
}
