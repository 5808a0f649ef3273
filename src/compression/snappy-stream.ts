// Snappy as Kafka's Java client writes it: raw blocks under the header of xerial's SnappyOutputStream. A batch without
// that header is one raw block, which is what other clients write.
//
//   0x82 'SNAPPY' 0x00 | version i32 | lowest compatible version i32 | { block bytes i32, block } ...
//   All big-endian. The header may come again between two blocks, where streams were put together.
//   A raw block begins with the length of what it becomes, as a varint of up to 5 bytes.

import type { BatchCodec } from '../core/compression.ts';
import { malformed, oversized } from './malformed.ts';

/** Raw Snappy blocks. */
export interface SnappyBlocks {
  compress(bytes: Uint8Array): Uint8Array;
  /** Throws where the block is malformed, or becomes another size than it says itself. */
  decompress(bytes: Uint8Array): Uint8Array;
}

const FORMAT = 'Snappy';
const MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00];
const VERSION = 1;
const HEADER_BYTES = 16;
const WORD_BYTES = 4;
/** Block size of xerial's SnappyOutputStream. */
const BLOCK_BYTES = 32_768;

/** A codec of Snappy streams. Snappy has no levels. */
export function createSnappyCodec(blocks: SnappyBlocks): BatchCodec {
  return {
    compress: (bytes) => compressStream(blocks, bytes),
    decompress: (bytes, bytesMax) => decompressStream(blocks, bytes, bytesMax),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function compressStream(blocks: SnappyBlocks, bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  let total = HEADER_BYTES;
  for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
    const part = blocks.compress(bytes.subarray(from, from + BLOCK_BYTES));
    parts.push(part);
    total += WORD_BYTES + part.length;
  }
  const stream = new Uint8Array(total);
  const view = viewOf(stream);
  stream.set(MAGIC);
  view.setInt32(8, VERSION);
  view.setInt32(12, VERSION);
  let at = HEADER_BYTES;
  for (const part of parts) {
    view.setInt32(at, part.length);
    stream.set(part, at + WORD_BYTES);
    at += WORD_BYTES + part.length;
  }
  return stream;
}

function decompressStream(blocks: SnappyBlocks, bytes: Uint8Array, bytesMax: number): Uint8Array {
  const list = hasHeader(bytes, 0) ? blocksOf(bytes) : [bytes];
  let outputBytes = 0;
  for (const block of list) {
    outputBytes += declaredBytes(block);
    if (outputBytes > bytesMax) throw oversized(FORMAT, bytesMax);
  }
  const output = new Uint8Array(outputBytes);
  let at = 0;
  for (const block of list) {
    const part = unpacked(blocks, block);
    output.set(part, at);
    at += part.length;
  }
  return output;
}

function unpacked(blocks: SnappyBlocks, block: Uint8Array): Uint8Array {
  try {
    const part = blocks.decompress(block);
    if (part.length === declaredBytes(block)) return part;
  } catch (error) {
    throw malformed(FORMAT, `a block cannot be read: ${String(error)}`, error);
  }
  throw malformed(FORMAT, 'a block has another size than it says');
}

function hasHeader(bytes: Uint8Array, at: number): boolean {
  return bytes.length - at >= HEADER_BYTES && MAGIC.every((byte, index) => bytes[at + index] === byte);
}

function blocksOf(bytes: Uint8Array): Uint8Array[] {
  const view = viewOf(bytes);
  const list: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (hasHeader(bytes, at)) {
      if (view.getInt32(at + 12) > VERSION) throw malformed(FORMAT, 'its version is unknown');
      at += HEADER_BYTES;
      continue;
    }
    if (at + WORD_BYTES > bytes.length) throw malformed(FORMAT, 'it ends inside of a block size');
    const size = view.getInt32(at);
    at += WORD_BYTES;
    if (size < 0 || at + size > bytes.length) throw malformed(FORMAT, 'it ends inside of a block');
    list.push(bytes.subarray(at, at + size));
    at += size;
  }
  return list;
}

/** What a raw block says that it becomes. */
function declaredBytes(block: Uint8Array): number {
  let length = 0;
  for (let index = 0; index < 5; index++) {
    const byte = block[index];
    if (byte === undefined) throw malformed(FORMAT, 'a block ends inside of its length');
    length += (byte & 127) * 2 ** (7 * index);
    if (byte < 128) return length;
  }
  throw malformed(FORMAT, 'the length of a block has more than 32 bits');
}
