// Snappy blocks (format_description.txt of Snappy), decompressed and made: literals, and copies of what came before.
// Knows nothing of the streams that blocks come in.
//
//   length of what it becomes, varint | { element } ...
//   literal        length less 1 << 2 | 0, or 60 to 63 there and the length less 1 in 1 to 4 bytes | bytes
//   copy, 1 byte   distance's high bits << 5 | length less 4 (up to 7) << 2 | 1 | distance's low byte
//   copy, 2 bytes  length less 1 << 2 | 2 | distance u16
//   copy, 4 bytes  length less 1 << 2 | 3 | distance u32
//   All little-endian.
//
// Copies are made in whole vectors, as those of LZ4 are: what they write is at most 16 bytes behind the room given.

import { SNAPPY_TABLE_BYTES } from "./shared/snappy-layout";
import { copyVectors, repeat } from "./lz4-block";
import { matchEnd, placeOf } from "./lz4-pack";

// @ts-ignore: decorator
@inline const LITERAL: usize = 0;
// @ts-ignore: decorator
@inline const COPY_1: usize = 1;
// @ts-ignore: decorator
@inline const COPY_2: usize = 2;
/** Above this a literal's length stands in bytes of its own. */
// @ts-ignore: decorator
@inline const LITERAL_SHORT: usize = 60;
// @ts-ignore: decorator
@inline const COPY_1_BYTES_MIN: usize = 4;
// @ts-ignore: decorator
@inline const COPY_1_BYTES_MAX: usize = 11;
// @ts-ignore: decorator
@inline const COPY_1_DISTANCE_MAX: usize = 2047;
// @ts-ignore: decorator
@inline const COPY_BYTES_MAX: usize = 64;
// @ts-ignore: decorator
@inline const MATCH_BYTES_MIN: usize = 4;
// @ts-ignore: decorator
@inline const VECTOR_BYTES: usize = 16;
/** From here on a copy by the runtime is worth its call. */
// @ts-ignore: decorator
@inline const LONG_COPY_BYTES: usize = 512;
/** A step grows by a byte after so many places (as a power of two) without a match, as in Snappy itself. */
// @ts-ignore: decorator
@inline const PATIENCE_BITS: u32 = 5;

/**
 * Decompresses the elements from `source` to `sourceEnd`, which stand behind the block's length. Returns whether they are
 * sound and become the bytes from `target` to `targetEnd`, no more and no less.
 */
export function unpackSnappyElements(source: usize, sourceEnd: usize, target: usize, targetEnd: usize): bool {
  const start = target;
  while (source < sourceEnd) {
    const tag = <usize>load<u8>(source++);
    let length = tag >>> 2;
    if ((tag & 3) == LITERAL) {
      if (length >= LITERAL_SHORT) {
        const lengthBytes = length - LITERAL_SHORT + 1;
        if (lengthBytes > sourceEnd - source) return false;
        length = <usize>(load<u32>(source) & (<u32>0xffffffff >>> (32 - (<u32>lengthBytes << 3))));
        source += lengthBytes;
      }
      // One less than it is, so that 2^32 bytes are not none.
      if (length >= sourceEnd - source || length >= targetEnd - target) return false;
      const end = target + length + 1;
      if (length > LONG_COPY_BYTES) memory.copy(target, source, length + 1);
      else copyVectors(target, source, end);
      source += length + 1;
      target = end;
      continue;
    }
    let distance: usize;
    if ((tag & 3) == COPY_1) {
      if (source >= sourceEnd) return false;
      distance = ((tag >>> 5) << 8) | <usize>load<u8>(source);
      length = (length & 7) + COPY_1_BYTES_MIN;
      ++source;
    } else {
      const distanceBytes: usize = (tag & 3) == COPY_2 ? 2 : 4;
      if (distanceBytes > sourceEnd - source) return false;
      distance = distanceBytes == 2 ? <usize>load<u16>(source) : <usize>load<u32>(source);
      length += 1;
      source += distanceBytes;
    }
    if (distance - 1 >= target - start || length > targetEnd - target) return false;
    const end = target + length;
    if (distance < VECTOR_BYTES) repeat(target, distance, end);
    else copyVectors(target, target - distance, end);
    target = end;
  }
  return target == targetEnd;
}

// @ts-ignore: decorator
@inline function writeLiteral(target: usize, source: usize, byteCount: usize): usize {
  if (!byteCount) return target;
  const length = byteCount - 1;
  if (length < LITERAL_SHORT) store<u8>(target++, <u32>(length << 2));
  else if (length < 256) {
    store<u8>(target, <u32>(LITERAL_SHORT << 2));
    store<u8>(target + 1, <u32>length);
    target += 2;
  } else {
    store<u8>(target, <u32>((LITERAL_SHORT + 1) << 2));
    store<u16>(target + 1, <u32>length);
    target += 3;
  }
  if (byteCount > VECTOR_BYTES) memory.copy(target, source, byteCount);
  else v128.store(target, v128.load(source));
  return target + byteCount;
}

// @ts-ignore: decorator
@inline function writeCopy2(target: usize, distance: usize, length: usize): usize {
  store<u8>(target, <u32>(((length - 1) << 2) | COPY_2));
  store<u16>(target + 1, <u32>distance);
  return target + 3;
}

// @ts-ignore: decorator
@inline function writeCopy(target: usize, distance: usize, length: usize): usize {
  // What is left is never too short for a copy of one byte.
  while (length >= COPY_BYTES_MAX + COPY_1_BYTES_MIN) {
    target = writeCopy2(target, distance, COPY_BYTES_MAX);
    length -= COPY_BYTES_MAX;
  }
  if (length > COPY_BYTES_MAX) {
    target = writeCopy2(target, distance, COPY_BYTES_MAX - COPY_1_BYTES_MIN);
    length -= COPY_BYTES_MAX - COPY_1_BYTES_MIN;
  }
  if (length > COPY_1_BYTES_MAX || distance > COPY_1_DISTANCE_MAX) return writeCopy2(target, distance, length);
  store<u8>(target, <u32>(((distance >>> 8) << 5) | ((length - COPY_1_BYTES_MIN) << 2) | COPY_1));
  store<u8>(target + 1, <u32>distance);
  return target + 2;
}

/**
 * Compresses up to 64 KiB (SNAPPY_BLOCK_BYTES_MAX) from `source` into a block at `target`, which has room for the bytes as
 * they are, a sixth more, and 32. `table` is scratch (SNAPPY_TABLE_BYTES). Returns the bytes of the block.
 */
export function packSnappyBlock(source: usize, byteCount: u32, target: usize, table: usize): u32 {
  const start = target;
  const end = source + byteCount;
  let rest = byteCount;
  for (; rest > 127; rest >>>= 7) store<u8>(target++, rest | 128);
  store<u8>(target++, rest);
  let literals = source;
  if (<usize>byteCount > MATCH_BYTES_MIN) {
    const matchLast = end - MATCH_BYTES_MIN;
    // An empty place stands for the first byte.
    memory.fill(table, 0, SNAPPY_TABLE_BYTES);
    let at = source + 1;
    let tries: u32 = 1 << PATIENCE_BITS;
    while (at <= matchLast) {
      const place = placeOf(table, at);
      const earlier = source + <usize>load<u16>(place);
      store<u16>(place, <u32>(at - source));
      if (load<u32>(earlier) != load<u32>(at)) {
        at += <usize>(tries++ >>> PATIENCE_BITS);
        continue;
      }
      const behind = matchEnd(at + MATCH_BYTES_MIN, earlier + MATCH_BYTES_MIN, end);
      target = writeCopy(writeLiteral(target, literals, at - literals), at - earlier, behind - at);
      at = behind;
      literals = at;
      tries = 1 << PATIENCE_BITS;
      if (at <= matchLast) store<u16>(placeOf(table, at - 2), <u32>(at - 2 - source));
    }
  }
  return <u32>(writeLiteral(target, literals, end - literals) - start);
}
