// The LZ4 frame format (lz4_Frame_format.md 1.6) around a block codec. Every size is known before anything is
// decompressed: a block's own tokens say how large it becomes.
//
//   magic u32 | flags u8 | block size u8 | [content size u64] | header checksum u8
//   | { size u32 (bit 31: stored as it is), block, [checksum u32] } ... | end mark 0 u32 | [content checksum u32]
//   All little-endian. Blocks that lean on the one before are refused, as Kafka's own reader does; what comes behind the
//   frame is not looked at, as there.

import type { BatchCodec } from '../core/compression.ts';
import { malformed, oversized } from './malformed.ts';
import { xxh32 } from './xxh32.ts';

/** Raw LZ4 blocks. */
export interface Lz4Blocks {
  compress(bytes: Uint8Array): Uint8Array;
  /** `outputBytes` is what the block's tokens add up to. Throws where the block is malformed. */
  decompress(bytes: Uint8Array, outputBytes: number): Uint8Array;
}

const FORMAT = 'LZ4 frame';
const MAGIC = 0x184d2204;
const FLAG_VERSION = 0x40;
const FLAG_VERSION_MASK = 0xc0;
const FLAG_INDEPENDENT = 0x20;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_CONTENT_CHECKSUM = 0x04;
const FLAGS_REFUSED = 0x03;
/** Blocks of 64 KiB, as Kafka's own writer makes them. */
const BLOCK_SIZE_CODE = 4;
const BLOCK_BYTES = 65_536;
const STORED = 0x8000_0000;
const HEADER_BYTES = 7;
const WORD_BYTES = 4;
const CONTENT_SIZE_BYTES = 8;
const LENGTH_NIBBLE_MAX = 15;
const MATCH_BYTES_MIN = 4;
const DISTANCE_BYTES = 2;

interface Header {
  readonly flags: number;
  readonly blockBytesMax: number;
  /** Where the first block begins. */
  readonly end: number;
}

interface Block {
  readonly bytes: Uint8Array;
  readonly outputBytes: number;
  readonly isStored: boolean;
}

/** A codec of LZ4 frames. It has one level, so a level that is asked for is not looked at. */
export function createLz4Codec(blocks: Lz4Blocks): BatchCodec {
  return {
    compress: (bytes) => compressFrame(blocks, bytes),
    decompress: (bytes, bytesMax) => decompressFrame(blocks, bytes, bytesMax),
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function headerChecksum(descriptor: Uint8Array): number {
  return (xxh32(descriptor) >>> 8) & 0xff;
}

function compressFrame(blocks: Lz4Blocks, bytes: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  let total = HEADER_BYTES + WORD_BYTES;
  for (let from = 0; from < bytes.length; from += BLOCK_BYTES) {
    const plain = bytes.subarray(from, from + BLOCK_BYTES);
    const packed = blocks.compress(plain);
    const part = packed.length < plain.length ? packed : plain;
    parts.push(part);
    total += WORD_BYTES + part.length;
  }
  const frame = new Uint8Array(total);
  const view = viewOf(frame);
  view.setUint32(0, MAGIC, true);
  frame[4] = FLAG_VERSION | FLAG_INDEPENDENT;
  frame[5] = BLOCK_SIZE_CODE << 4;
  frame[6] = headerChecksum(frame.subarray(4, 6));
  let at = HEADER_BYTES;
  for (const [index, part] of parts.entries()) {
    const plainBytes = Math.min(BLOCK_BYTES, bytes.length - index * BLOCK_BYTES);
    view.setUint32(at, part.length === plainBytes ? (part.length | STORED) >>> 0 : part.length, true);
    frame.set(part, at + WORD_BYTES);
    at += WORD_BYTES + part.length;
  }
  return frame;
}

function decompressFrame(blocks: Lz4Blocks, bytes: Uint8Array, bytesMax: number): Uint8Array {
  const header = readHeader(bytes);
  const { list, end, outputBytes } = readBlocks(bytes, header, bytesMax);
  const output = new Uint8Array(outputBytes);
  let at = 0;
  for (const block of list) {
    output.set(block.isStored ? block.bytes : unpacked(blocks, block), at);
    at += block.outputBytes;
  }
  if ((header.flags & FLAG_CONTENT_CHECKSUM) !== 0) {
    if (end + WORD_BYTES > bytes.length) throw malformed(FORMAT, 'it ends inside of its checksum');
    if (viewOf(bytes).getUint32(end, true) !== xxh32(output)) throw malformed(FORMAT, 'its checksum does not match');
  }
  return output;
}

function unpacked(blocks: Lz4Blocks, block: Block): Uint8Array {
  let output: Uint8Array;
  try {
    output = blocks.decompress(block.bytes, block.outputBytes);
  } catch (error) {
    throw malformed(FORMAT, `a block cannot be read: ${String(error)}`, error);
  }
  if (output.length !== block.outputBytes) throw malformed(FORMAT, 'a block has another size than its tokens say');
  return output;
}

function readHeader(bytes: Uint8Array): Header {
  const view = viewOf(bytes);
  if (bytes.length < HEADER_BYTES) throw malformed(FORMAT, 'it ends inside of its header');
  if (view.getUint32(0, true) !== MAGIC) throw malformed(FORMAT, 'it does not begin with the magic');
  const flags = view.getUint8(4);
  if ((flags & FLAG_VERSION_MASK) !== FLAG_VERSION) throw malformed(FORMAT, 'its version is unknown');
  if ((flags & FLAGS_REFUSED) !== 0) throw malformed(FORMAT, 'it asks for a dictionary or sets a reserved bit');
  if ((flags & FLAG_INDEPENDENT) === 0) throw malformed(FORMAT, 'its blocks depend on each other');
  const code = view.getUint8(5) >>> 4;
  if (code < BLOCK_SIZE_CODE || code > 7) throw malformed(FORMAT, 'its block size is unknown');
  const end = 6 + ((flags & FLAG_CONTENT_SIZE) === 0 ? 0 : CONTENT_SIZE_BYTES);
  if (end >= bytes.length) throw malformed(FORMAT, 'it ends inside of its header');
  if (bytes[end] !== headerChecksum(bytes.subarray(4, end))) {
    throw malformed(FORMAT, 'the checksum of its header does not match');
  }
  return { flags, blockBytesMax: BLOCK_BYTES << (2 * (code - BLOCK_SIZE_CODE)), end: end + 1 };
}

interface Blocks {
  readonly list: readonly Block[];
  /** Behind the end mark. */
  readonly end: number;
  readonly outputBytes: number;
}

function readBlocks(bytes: Uint8Array, { flags, blockBytesMax, end }: Header, bytesMax: number): Blocks {
  const view = viewOf(bytes);
  const list: Block[] = [];
  let outputBytes = 0;
  for (let at = end; ; ) {
    if (at + WORD_BYTES > bytes.length) throw malformed(FORMAT, 'it has no end mark');
    const size = view.getUint32(at, true);
    at += WORD_BYTES;
    if (size === 0) return { list, end: at, outputBytes };
    const isStored = size >= STORED;
    const blockEnd = at + (isStored ? size - STORED : size);
    const checksumBytes = (flags & FLAG_BLOCK_CHECKSUM) === 0 ? 0 : WORD_BYTES;
    if (blockEnd + checksumBytes > bytes.length) throw malformed(FORMAT, 'it ends inside of a block');
    const block = blockOf(bytes.subarray(at, blockEnd), isStored, blockBytesMax);
    if (checksumBytes > 0 && view.getUint32(blockEnd, true) !== xxh32(block.bytes)) {
      throw malformed(FORMAT, 'the checksum of a block does not match');
    }
    outputBytes += block.outputBytes;
    if (outputBytes > bytesMax) throw oversized(FORMAT, bytesMax);
    list.push(block);
    at = blockEnd + checksumBytes;
  }
}

function blockOf(bytes: Uint8Array, isStored: boolean, blockBytesMax: number): Block {
  const outputBytes = isStored ? bytes.length : blockOutputBytes(bytes);
  if (outputBytes < 0) throw malformed(FORMAT, 'a block ends inside of a sequence');
  if (outputBytes > blockBytesMax) throw malformed(FORMAT, 'a block is larger than its frame allows');
  return { bytes, outputBytes, isStored };
}

/** What the sequences of a block add up to, or -1 where they do not end with the block. */
function blockOutputBytes(bytes: Uint8Array): number {
  const { length } = bytes;
  let at = 0;
  let output = 0;
  while (at < length) {
    const token = bytes[at++] ?? 0;
    let literals = token >>> 4;
    if (literals === LENGTH_NIBBLE_MAX) {
      for (let more = 255; more === 255; ) {
        if (at >= length) return -1;
        more = bytes[at++] ?? 0;
        literals += more;
      }
    }
    at += literals;
    output += literals;
    if (at === length) return output;
    at += DISTANCE_BYTES;
    let match = token & LENGTH_NIBBLE_MAX;
    if (match === LENGTH_NIBBLE_MAX) {
      for (let more = 255; more === 255; ) {
        if (at >= length) return -1;
        more = bytes[at++] ?? 0;
        match += more;
      }
    }
    output += match + MATCH_BYTES_MIN;
  }
  return -1;
}
