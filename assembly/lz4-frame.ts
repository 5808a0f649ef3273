// LZ4 frames as Kafka uses them, read where they lie and written: their header, the walk over their blocks, checksums. The
// format is in shared/lz4-layout.ts. Knows nothing of what is inside.
import {
  LZ4_BLOCK_BYTES_FIRST,
  LZ4_BLOCK_CHECKSUM,
  LZ4_BLOCK_CODE_FIRST,
  LZ4_BLOCK_CODE_LAST,
  LZ4_BLOCK_SIZE,
  LZ4_CONTENT_CHECKSUM,
  LZ4_CONTENT_SIZE_BYTES,
  LZ4_ENDS_IN_BLOCK,
  LZ4_ENDS_IN_CHECKSUM,
  LZ4_ENDS_IN_HEADER,
  LZ4_FLAGS,
  LZ4_FLAGS_REFUSED,
  LZ4_FLAG_BLOCK_CHECKSUM,
  LZ4_FLAG_CONTENT_CHECKSUM,
  LZ4_FLAG_CONTENT_SIZE,
  LZ4_FLAG_INDEPENDENT,
  LZ4_FLAG_VERSION,
  LZ4_FLAG_VERSION_MASK,
  LZ4_HEADER_BYTES,
  LZ4_HEADER_CHECKSUM,
  LZ4_LARGE_BLOCK,
  LZ4_LINKED_BLOCKS,
  LZ4_MAGIC,
  LZ4_MALFORMED_BLOCK,
  LZ4_NO_END_MARK,
  LZ4_NO_MAGIC,
  LZ4_NO_ROOM,
  LZ4_REFUSED_FLAG,
  LZ4_UNKNOWN_BLOCK_SIZE,
  LZ4_UNKNOWN_VERSION,
  LZ4_WORD_BYTES,
} from "./shared/lz4-layout";
import { BLOCK_MALFORMED, BLOCK_TOO_LARGE, unpackBlock } from "./lz4-block";
import { packBlock } from "./lz4-pack";
import { xxh32 } from "./xxh32";

// @ts-ignore: decorator
@inline const SIZE_MASK: u32 = 0x7fffffff;
// @ts-ignore: decorator
@inline const STORED: u32 = 0x80000000;
/** No sequence of n bytes becomes more than n times this. */
// @ts-ignore: decorator
@inline const GROWTH_MAX: u64 = 255;

/** Bytes of the header at `source`, or why it is refused. */
function headerBytes(source: usize, byteCount: u32): i32 {
  if (byteCount < <u32>LZ4_HEADER_BYTES) return LZ4_ENDS_IN_HEADER;
  if (load<u32>(source) != LZ4_MAGIC) return LZ4_NO_MAGIC;
  const flags = <u32>load<u8>(source + LZ4_FLAGS);
  if ((flags & LZ4_FLAG_VERSION_MASK) != LZ4_FLAG_VERSION) return LZ4_UNKNOWN_VERSION;
  if (flags & LZ4_FLAGS_REFUSED) return LZ4_REFUSED_FLAG;
  if (!(flags & LZ4_FLAG_INDEPENDENT)) return LZ4_LINKED_BLOCKS;
  const code = <i32>load<u8>(source + LZ4_BLOCK_SIZE) >>> 4;
  if (code < LZ4_BLOCK_CODE_FIRST || code > LZ4_BLOCK_CODE_LAST) return LZ4_UNKNOWN_BLOCK_SIZE;
  const bytes = LZ4_HEADER_BYTES + (flags & LZ4_FLAG_CONTENT_SIZE ? LZ4_CONTENT_SIZE_BYTES : 0);
  if (<u32>bytes > byteCount) return LZ4_ENDS_IN_HEADER;
  const checksum = (xxh32(source + LZ4_FLAGS, bytes - LZ4_FLAGS - 1) >>> 8) & 255;
  return <u32>load<u8>(source + bytes - 1) == checksum ? bytes : LZ4_HEADER_CHECKSUM;
}

// @ts-ignore: decorator
@inline function blockBytesMax(source: usize): u32 {
  return <u32>LZ4_BLOCK_BYTES_FIRST << (2 * ((<u32>load<u8>(source + LZ4_BLOCK_SIZE) >>> 4) - LZ4_BLOCK_CODE_FIRST));
}

// @ts-ignore: decorator
@inline function blockChecksumBytes(source: usize): u32 {
  return load<u8>(source + LZ4_FLAGS) & LZ4_FLAG_BLOCK_CHECKSUM ? LZ4_WORD_BYTES : 0;
}

/** The most that the frame at `source` can become by its header and the sizes of its blocks (up to 2^31 - 1), or why it is refused. */
export function lz4FrameBytesMax(source: usize, byteCount: u32): i32 {
  const header = headerBytes(source, byteCount);
  if (header < 0) return header;
  const bytesMax = blockBytesMax(source);
  const checksumBytes = blockChecksumBytes(source);
  let left = byteCount - header;
  let total: u64 = 0;
  source += header;
  while (left >= <u32>LZ4_WORD_BYTES) {
    const size = load<u32>(source);
    if (size == 0) return <i32>min<u64>(total, i32.MAX_VALUE);
    left -= LZ4_WORD_BYTES;
    const bytes = size & SIZE_MASK;
    if (bytes > left || left - bytes < checksumBytes) return LZ4_ENDS_IN_BLOCK;
    if (bytes > bytesMax) return LZ4_LARGE_BLOCK;
    total += size == bytes ? min<u64>(<u64>bytes * GROWTH_MAX, bytesMax) : <u64>bytes;
    left -= bytes + checksumBytes;
    source += LZ4_WORD_BYTES + bytes + checksumBytes;
  }
  return LZ4_NO_END_MARK;
}

/**
 * Decompresses the frame at `source` to `target`, which has `room` bytes and 16 more that may be overwritten. Returns how
 * many it became, or why it is refused.
 */
export function unpackLz4Frame(source: usize, byteCount: u32, target: usize, room: u32): i32 {
  const header = headerBytes(source, byteCount);
  if (header < 0) return header;
  const bytesMax = blockBytesMax(source);
  const checksumBytes = blockChecksumBytes(source);
  let at = source + header;
  let left = byteCount - header;
  let made: u32 = 0;
  for (;;) {
    if (left < <u32>LZ4_WORD_BYTES) return LZ4_NO_END_MARK;
    const size = load<u32>(at);
    at += LZ4_WORD_BYTES;
    left -= LZ4_WORD_BYTES;
    if (size == 0) break;
    const bytes = size & SIZE_MASK;
    if (bytes > left || left - bytes < checksumBytes) return LZ4_ENDS_IN_BLOCK;
    if (bytes > bytesMax) return LZ4_LARGE_BLOCK;
    if (checksumBytes && load<u32>(at + bytes) != xxh32(at, bytes)) return LZ4_BLOCK_CHECKSUM;
    const became = size == bytes
      ? unpack(at, bytes, target + made, bytesMax, room - made)
      : copyStored(at, bytes, target + made, room - made);
    if (became < 0) return became;
    made += became;
    at += bytes + checksumBytes;
    left -= bytes + checksumBytes;
  }
  if (load<u8>(source + LZ4_FLAGS) & LZ4_FLAG_CONTENT_CHECKSUM) {
    if (left < <u32>LZ4_WORD_BYTES) return LZ4_ENDS_IN_CHECKSUM;
    if (load<u32>(at) != xxh32(target, made)) return LZ4_CONTENT_CHECKSUM;
  }
  return <i32>made;
}

function unpack(source: usize, byteCount: u32, target: usize, bytesMax: u32, room: u32): i32 {
  const end = unpackBlock(source, source + byteCount, target, target + min<u32>(bytesMax, room));
  if (end == BLOCK_MALFORMED) return LZ4_MALFORMED_BLOCK;
  if (end == BLOCK_TOO_LARGE) return room < bytesMax ? LZ4_NO_ROOM : LZ4_LARGE_BLOCK;
  return <i32>(end - target);
}

function copyStored(source: usize, byteCount: u32, target: usize, room: u32): i32 {
  if (byteCount > room) return LZ4_NO_ROOM;
  memory.copy(target, source, byteCount);
  return <i32>byteCount;
}

/**
 * Compresses into a frame at `target`, in blocks of 64 KiB as Kafka's own writer makes them; those that get no smaller are
 * stored. `target` has room for the header, the end mark, what is compressed, a word for each block, and 16 bytes more;
 * `table` is scratch (LZ4_TABLE_BYTES). Returns the bytes of the frame.
 */
export function packLz4Frame(source: usize, byteCount: u32, target: usize, table: usize): u32 {
  const start = target;
  store<u32>(target, LZ4_MAGIC);
  store<u8>(target + LZ4_FLAGS, LZ4_FLAG_VERSION | LZ4_FLAG_INDEPENDENT);
  store<u8>(target + LZ4_BLOCK_SIZE, LZ4_BLOCK_CODE_FIRST << 4);
  store<u8>(target + LZ4_HEADER_BYTES - 1, xxh32(target + LZ4_FLAGS, LZ4_HEADER_BYTES - LZ4_FLAGS - 1) >>> 8);
  target += LZ4_HEADER_BYTES;
  while (byteCount) {
    const bytes = min<u32>(byteCount, LZ4_BLOCK_BYTES_FIRST);
    const packed = packBlock(source, bytes, target + LZ4_WORD_BYTES, bytes - 1, table);
    if (packed) store<u32>(target, packed);
    else {
      store<u32>(target, bytes | STORED);
      memory.copy(target + LZ4_WORD_BYTES, source, bytes);
    }
    target += LZ4_WORD_BYTES + (packed ? packed : bytes);
    source += bytes;
    byteCount -= bytes;
  }
  store<u32>(target, 0);
  return <u32>(target + LZ4_WORD_BYTES - start);
}
