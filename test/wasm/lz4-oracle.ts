// What the LZ4 kernels must do, said a second time from the two format descriptions, one byte at a time.

import * as lz4 from '../../assembly/shared/lz4-layout.ts';
import { xxh32 } from './xxh32.ts';

const DISTANCE_BYTES = 2;
/** Behind literals that are not the last ones: a distance, a token and five literals. */
const BYTES_BEHIND_LITERALS = 8;

/** What a frame becomes, at most `room` bytes, or the status with which it is refused. */
export function unpackedLz4(frame: Uint8Array, room: number): Uint8Array | number {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const header = headerBytes(frame, view);
  if (header < 0) return header;
  const flags = view.getUint8(lz4.LZ4_FLAGS);
  const blockBytesMax = 2 ** (8 + 2 * (view.getUint8(lz4.LZ4_BLOCK_SIZE) >>> 4));
  const checksumBytes = flags & lz4.LZ4_FLAG_BLOCK_CHECKSUM ? 4 : 0;
  const output: number[] = [];
  let at = header;
  for (;;) {
    if (at + 4 > frame.length) return lz4.LZ4_NO_END_MARK;
    const size = view.getUint32(at, true);
    at += 4;
    if (size === 0) break;
    const byteCount = size % 2 ** 31;
    const block = frame.subarray(at, at + byteCount);
    at += byteCount + checksumBytes;
    if (at > frame.length) return lz4.LZ4_ENDS_IN_BLOCK;
    if (byteCount > blockBytesMax) return lz4.LZ4_LARGE_BLOCK;
    if (checksumBytes > 0 && view.getUint32(at - 4, true) !== xxh32(block)) return lz4.LZ4_BLOCK_CHECKSUM;
    const left = room - output.length;
    const became = size === byteCount ? unpackedBlock(block, Math.min(left, blockBytesMax)) : Array.from(block);
    if (became === 'malformed') return lz4.LZ4_MALFORMED_BLOCK;
    if (became === 'too large') return left < blockBytesMax ? lz4.LZ4_NO_ROOM : lz4.LZ4_LARGE_BLOCK;
    if (became.length > left) return lz4.LZ4_NO_ROOM;
    for (const byte of became) output.push(byte);
  }
  const bytes = Uint8Array.from(output);
  if (flags & lz4.LZ4_FLAG_CONTENT_CHECKSUM) {
    if (at + 4 > frame.length) return lz4.LZ4_ENDS_IN_CHECKSUM;
    if (view.getUint32(at, true) !== xxh32(bytes)) return lz4.LZ4_CONTENT_CHECKSUM;
  }
  return bytes;
}

function headerBytes(frame: Uint8Array, view: DataView): number {
  if (frame.length < lz4.LZ4_HEADER_BYTES) return lz4.LZ4_ENDS_IN_HEADER;
  if (view.getUint32(0, true) !== lz4.LZ4_MAGIC) return lz4.LZ4_NO_MAGIC;
  const flags = view.getUint8(lz4.LZ4_FLAGS);
  if (flags >>> 6 !== 1) return lz4.LZ4_UNKNOWN_VERSION;
  if ((flags & 3) !== 0) return lz4.LZ4_REFUSED_FLAG;
  if ((flags & lz4.LZ4_FLAG_INDEPENDENT) === 0) return lz4.LZ4_LINKED_BLOCKS;
  const code = view.getUint8(lz4.LZ4_BLOCK_SIZE) >>> 4;
  if (code < 4 || code > 7) return lz4.LZ4_UNKNOWN_BLOCK_SIZE;
  const checksumAt = (flags & lz4.LZ4_FLAG_CONTENT_SIZE) === 0 ? 6 : 14;
  if (checksumAt >= frame.length) return lz4.LZ4_ENDS_IN_HEADER;
  const checksum = (xxh32(frame.subarray(4, checksumAt)) >>> 8) & 255;
  return frame[checksumAt] === checksum ? checksumAt + 1 : lz4.LZ4_HEADER_CHECKSUM;
}

function unpackedBlock(block: Uint8Array, room: number): number[] | 'malformed' | 'too large' {
  const output: number[] = [];
  let at = 0;
  const length = (nibble: number): number => {
    let total = nibble;
    for (let more = nibble === 15 ? 255 : 0; more === 255; ) {
      if (at >= block.length) return Number.NaN;
      more = block[at++] ?? 0;
      total += more;
    }
    return total;
  };
  while (at < block.length) {
    const token = block[at++] ?? 0;
    const literals = length(token >>> 4);
    if (!(literals <= block.length - at)) return 'malformed';
    if (output.length + literals > room) return 'too large';
    for (const byte of block.subarray(at, at + literals)) output.push(byte);
    at += literals;
    if (at === block.length) return output;
    if (block.length - at < BYTES_BEHIND_LITERALS) return 'malformed';
    const distance = (block[at] ?? 0) + 256 * (block[at + 1] ?? 0);
    at += DISTANCE_BYTES;
    if (distance === 0 || distance > output.length) return 'malformed';
    const match = length(token & 15) + 4;
    if (Number.isNaN(match)) return 'malformed';
    if (output.length + match > room) return 'too large';
    for (let index = 0; index < match; index++) output.push(output[output.length - distance] ?? 0);
  }
  return 'malformed';
}
