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
/** From this token on the literals' length goes on. */
// @ts-ignore: decorator
@inline const LITERALS_GO_ON: usize = LENGTH_GOES_ON << 4;
// @ts-ignore: decorator
@inline const MATCH_BYTES_MIN: usize = 4;
/** Where a match follows, so do its distance, a token and five literals: every compressor keeps to that (and lz4.c insists). */
// @ts-ignore: decorator
@inline const BYTES_BEHIND_LITERALS: usize = 8;
// @ts-ignore: decorator
@inline const VECTOR_BYTES: usize = 16;
/** The longest match that one vector holds, less 4. */
// @ts-ignore: decorator
@inline const SHORT_MATCH_LAST: usize = VECTOR_BYTES - MATCH_BYTES_MIN;
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
 *
 * Nearly all sequences are short, a vector each for literals and match, and cost one check for either end: what literals
 * are too long for is seen behind them, at the latest before their match is copied.
 */
export function unpackBlock(source: usize, sourceEnd: usize, target: usize, targetEnd: usize): usize {
  if (source >= sourceEnd) return BLOCK_MALFORMED;
  const start = target;
  const matchLast = sourceEnd - BYTES_BEHIND_LITERALS;
  let token = <usize>load<u8>(source++);
  while (true) {
    let literals = token >>> 4;
    if (token >= LITERALS_GO_ON) {
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
    } else v128.store(target, v128.load(source));

    const behind = source + literals;
    const to = target + literals;
    if (behind > matchLast) {
      if (behind > sourceEnd) return BLOCK_MALFORMED;
      if (to > targetEnd) return BLOCK_TOO_LARGE;
      return behind == sourceEnd ? to : BLOCK_MALFORMED;
    }

    const match = token & 15;
    const distance = <usize>load<u16>(behind);
    const from = to - distance;
    source = behind + 3;
    // Behind the distance stands the next token, or how the match's length goes on.
    token = <usize>load<u8>(behind, 2);
    if (match > SHORT_MATCH_LAST) {
      if (to > targetEnd) return BLOCK_TOO_LARGE;
      if (distance == 0 || from < start) return BLOCK_MALFORMED;
      let bytes = match + MATCH_BYTES_MIN;
      if (match == LENGTH_GOES_ON) {
        bytes += token;
        while (token == 255) {
          if (source >= sourceEnd) return BLOCK_MALFORMED;
          token = <usize>load<u8>(source++);
          bytes += token;
        }
      }
      if (bytes > targetEnd - to) return BLOCK_TOO_LARGE;
      target = to + bytes;
      if (distance < VECTOR_BYTES) repeat(to, distance, target);
      else copyVectors(to, from, target);
      if (match == LENGTH_GOES_ON) {
        if (source >= sourceEnd) return BLOCK_MALFORMED;
        token = <usize>load<u8>(source++);
      }
      continue;
    }

    target = to + match + MATCH_BYTES_MIN;
    if (target > targetEnd) {
      return to <= targetEnd && (distance == 0 || from < start) ? BLOCK_MALFORMED : BLOCK_TOO_LARGE;
    }
    if (from < start) return BLOCK_MALFORMED;
    if (distance < VECTOR_BYTES) {
      if (distance == 0) return BLOCK_MALFORMED;
      repeat(to, distance, target);
    } else v128.store(to, v128.load(from));
  }
  return BLOCK_MALFORMED;
}
