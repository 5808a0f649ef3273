// LZ4 blocks (lz4_Block_format.md) decompressed: sequences of literals and of matches in what came before. Knows nothing
// of frames.
//
//   token u8 | [more literals u8 ...] | literals | distance u16 | [more match u8 ...]     the last one ends at its literals
//   token: literals in the high half, match less 4 in the low one; 15 goes on in further bytes as long as they are 255
//
// Copies are made in whole vectors: what they read behind a block is readable (OVER_READ_BYTES) and never used, what they
// write is at most 16 bytes behind the room given, which their caller keeps free.

/** In place of the end of what was decompressed. */
// @ts-ignore: decorator
@inline export const BLOCK_MALFORMED: usize = 0;
/** It becomes more than there is room for. */
// @ts-ignore: decorator
@inline export const BLOCK_TOO_LARGE: usize = 1;

// @ts-ignore: decorator
@inline const LENGTH_GOES_ON: usize = 15;
// @ts-ignore: decorator
@inline const MATCH_BYTES_MIN: usize = 4;
/** Where a match follows, so do its distance, a token and five literals: every compressor keeps to that (and lz4.c insists). */
// @ts-ignore: decorator
@inline const BYTES_BEHIND_LITERALS: usize = 8;
// @ts-ignore: decorator
@inline const VECTOR_BYTES: usize = 16;
/** From here on a copy by the runtime is worth its call. */
// @ts-ignore: decorator
@inline const LONG_COPY_BYTES: usize = 512;

/** For each distance below 16 the shuffle that repeats its bytes through a vector, then how far each repetition reaches. */
const REPETITIONS = memory.data(17 * 16);

/** Called once, before any block. */
export function makeRepetitions(): void {
  for (let distance: usize = 1; distance < VECTOR_BYTES; ++distance) {
    for (let lane: usize = 0; lane < VECTOR_BYTES; ++lane) store<u8>(REPETITIONS + distance * VECTOR_BYTES + lane, <u32>(lane % distance));
    store<u8>(REPETITIONS + VECTOR_BYTES * VECTOR_BYTES + distance, <u32>(VECTOR_BYTES - VECTOR_BYTES % distance));
  }
}

// @ts-ignore: decorator
@inline export function copyVectors(target: usize, source: usize, end: usize): void {
  do {
    v128.store(target, v128.load(source));
    target += VECTOR_BYTES;
    source += VECTOR_BYTES;
  } while (target < end);
}

/** A match that overlaps what it makes. */
// @ts-ignore: decorator
@inline export function repeat(target: usize, distance: usize, end: usize): void {
  const shuffle = v128.load(REPETITIONS + distance * VECTOR_BYTES);
  const step = <usize>load<u8>(REPETITIONS + VECTOR_BYTES * VECTOR_BYTES + distance);
  const bytes = i8x16.swizzle(v128.load(target - distance), shuffle);
  do {
    v128.store(target, bytes);
    target += step;
  } while (target < end);
}

/**
 * Decompresses the block from `source` to `sourceEnd`, which has at most 4 MiB. Returns the pointer behind what came out,
 * at most `targetEnd`, or BLOCK_MALFORMED or BLOCK_TOO_LARGE.
 */
export function unpackBlock(source: usize, sourceEnd: usize, target: usize, targetEnd: usize): usize {
  const start = target;
  while (source < sourceEnd) {
    const token = <usize>load<u8>(source++);
    let literals = token >>> 4;
    if (literals == LENGTH_GOES_ON) {
      let more: usize = 255;
      while (more == 255) {
        if (source >= sourceEnd) return BLOCK_MALFORMED;
        more = <usize>load<u8>(source++);
        literals += more;
      }
      if (literals > sourceEnd - source) return BLOCK_MALFORMED;
      if (literals > targetEnd - target) return BLOCK_TOO_LARGE;
      if (literals > LONG_COPY_BYTES) memory.copy(target, source, literals);
      else copyVectors(target, source, target + literals);
    } else {
      if (literals > sourceEnd - source) return BLOCK_MALFORMED;
      if (literals > targetEnd - target) return BLOCK_TOO_LARGE;
      v128.store(target, v128.load(source));
    }
    source += literals;
    target += literals;
    if (sourceEnd - source < BYTES_BEHIND_LITERALS) return source == sourceEnd ? target : BLOCK_MALFORMED;

    const distance = <usize>load<u16>(source);
    source += 2;
    if (distance - 1 >= target - start) return BLOCK_MALFORMED;
    let match = (token & 15) + MATCH_BYTES_MIN;
    if (match == LENGTH_GOES_ON + MATCH_BYTES_MIN) {
      let more: usize = 255;
      while (more == 255) {
        if (source >= sourceEnd) return BLOCK_MALFORMED;
        more = <usize>load<u8>(source++);
        match += more;
      }
    }
    if (match > targetEnd - target) return BLOCK_TOO_LARGE;
    const end = target + match;
    if (distance < VECTOR_BYTES) repeat(target, distance, end);
    else copyVectors(target, target - distance, end);
    target = end;
  }
  return BLOCK_MALFORMED;
}
