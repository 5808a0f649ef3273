// LZ4 blocks made: greedy matches by a hash table of places, with longer and longer steps through bytes that do not
// repeat. The format is in lz4-block.ts. Knows nothing of frames.

import { LZ4_TABLE_BYTES } from "./shared/lz4-layout";

/** The table of places has 16 bits for each of 2^13 hashes. */
// @ts-ignore: decorator
@inline const HASH_SHIFT: u32 = 32 - 13;
/** Knuth's multiplicative hash: 2^32 by the golden ratio. */
// @ts-ignore: decorator
@inline const HASH_FACTOR: u32 = 2654435761;
// @ts-ignore: decorator
@inline const LENGTH_GOES_ON: usize = 15;
/** A token and a distance. */
// @ts-ignore: decorator
@inline const SEQUENCE_BYTES: usize = 3;
// @ts-ignore: decorator
@inline const MATCH_BYTES_MIN: usize = 4;
/** The last bytes of a block are literals, and no match begins this close to its end (lz4_Block_format.md). */
// @ts-ignore: decorator
@inline const LITERALS_LAST: usize = 5;
// @ts-ignore: decorator
@inline const NO_MATCH_LAST: usize = 12;
/** A step grows by a byte after so many places (as a power of two) without a match. */
// @ts-ignore: decorator
@inline const PATIENCE_BITS: u32 = 6;

// @ts-ignore: decorator
@inline export function placeOf(table: usize, at: usize): usize {
  return table + (<usize>((load<u32>(at) * HASH_FACTOR) >>> HASH_SHIFT) << 1);
}

// @ts-ignore: decorator
@inline function lengthBytes(length: usize): usize {
  return length < LENGTH_GOES_ON ? 0 : (length - LENGTH_GOES_ON) / 255 + 1;
}

// @ts-ignore: decorator
@inline function writeLength(target: usize, length: usize): usize {
  if (length < LENGTH_GOES_ON) return target;
  let rest = length - LENGTH_GOES_ON;
  for (; rest >= 255; rest -= 255) store<u8>(target++, 255);
  store<u8>(target, <u32>rest);
  return target + 1;
}

// @ts-ignore: decorator
@inline function writeLiterals(target: usize, source: usize, literals: usize): usize {
  if (literals > 16) memory.copy(target, source, literals);
  else v128.store(target, v128.load(source));
  return target + literals;
}

/** Where what repeats at `at` what is at `earlier` ends, at most at `end`. */
// @ts-ignore: decorator
@inline export function matchEnd(at: usize, earlier: usize, end: usize): usize {
  while (at + 8 <= end) {
    const difference = load<u64>(at) ^ load<u64>(earlier);
    if (difference) return at + (<usize>ctz<u64>(difference) >>> 3);
    at += 8;
    earlier += 8;
  }
  while (at < end && load<u8>(at) == load<u8>(earlier)) {
    ++at;
    ++earlier;
  }
  return at;
}

/**
 * Compresses up to 64 KiB from `source` to `target`, which has `room` bytes and 16 more that may be overwritten. `table` is
 * scratch (LZ4_TABLE_BYTES). Returns how many bytes it became, or 0 where they find no room.
 */
export function packBlock(source: usize, byteCount: u32, target: usize, room: u32, table: usize): u32 {
  const start = target;
  const targetEnd = target + room;
  const end = source + byteCount;
  let literals = source;
  if (<usize>byteCount > NO_MATCH_LAST) {
    const matchLast = end - NO_MATCH_LAST;
    // An empty place stands for the first byte.
    memory.fill(table, 0, LZ4_TABLE_BYTES);
    let at = source + 1;
    let tries: u32 = 1 << PATIENCE_BITS;
    while (at <= matchLast) {
      const place = placeOf(table, at);
      let earlier = source + <usize>load<u16>(place);
      store<u16>(place, <u32>(at - source));
      if (load<u32>(earlier) != load<u32>(at)) {
        at += <usize>(tries++ >>> PATIENCE_BITS);
        continue;
      }
      const from = at;
      while (at > literals && earlier > source && load<u8>(at - 1) == load<u8>(earlier - 1)) {
        --at;
        --earlier;
      }
      const behind = matchEnd(from + MATCH_BYTES_MIN, from - (at - earlier) + MATCH_BYTES_MIN, end - LITERALS_LAST);
      const literalBytes = at - literals;
      const match = behind - at - MATCH_BYTES_MIN;
      if (SEQUENCE_BYTES + lengthBytes(literalBytes) + literalBytes + lengthBytes(match) > targetEnd - target) return 0;
      store<u8>(target, <u32>((min(literalBytes, LENGTH_GOES_ON) << 4) | min(match, LENGTH_GOES_ON)));
      target = writeLiterals(writeLength(target + 1, literalBytes), literals, literalBytes);
      store<u16>(target, <u32>(at - earlier));
      target = writeLength(target + 2, match);
      at = behind;
      literals = at;
      tries = 1 << PATIENCE_BITS;
      if (at <= matchLast) store<u16>(placeOf(table, at - 2), <u32>(at - 2 - source));
    }
  }
  const literalBytes = end - literals;
  if (<usize>1 + lengthBytes(literalBytes) + literalBytes > targetEnd - target) return 0;
  store<u8>(target, <u32>(min(literalBytes, LENGTH_GOES_ON) << 4));
  target = writeLength(target + 1, literalBytes);
  memory.copy(target, literals, literalBytes);
  return <u32>(target + literalBytes - start);
}
