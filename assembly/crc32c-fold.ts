// Shortens the input of a CRC32C without tables, by XOR alone. A sparse multiple of the generator P, here
//
//   four terms    x^5424 + x^4146 + x^3859 + 1
//   eight terms   x^79 + x^75 + x^71 + x^58 + x^18 + x^12 + x + 1
//
// stays a multiple of P when all exponents are multiplied by a power of two (squaring maps x to x^2 over GF(2)): the
// unit may be a byte (four terms) or a vector of 16 bytes (eight terms). So unit i may be removed when it is XORed into
// the units (degree - exponent) further on, for every exponent but the degree. Done as a gather: taken[i] = input[i] XOR
// taken[i - degree + exponent] ...; what lies before the first unit is zero. The last `degree` units gather what was
// taken, and are all that is left: their CRC is the CRC of the whole. Fewer terms are quicker and leave more.
// Method: Chorba, arXiv 2412.16398; these relations belong to the Castagnoli polynomial.
import { CRC_EIGHT_LEFT, CRC_EIGHT_TAKEN, CRC_FOUR_LEFT, CRC_FOUR_TAKEN } from "./regions";

/** Vectors that {@link foldByEightTerms} leaves: the degree, made even. */
// @ts-ignore: decorator
@inline export const EIGHT_VECTORS_LEFT: usize = 80;
/** Bytes that {@link foldByFourTerms} leaves: the degree. */
// @ts-ignore: decorator
@inline export const FOUR_BYTES_LEFT: usize = 5424;
/** Most vectors that {@link foldByEightTerms} may take: what its scratch region holds. */
// @ts-ignore: decorator
@inline export const EIGHT_VECTORS_TAKEN_MAX: usize = 1024;
/** Bytes between two moves of the four-term window to the front of its scratch region. */
// @ts-ignore: decorator
@inline const FOUR_CHUNK_BYTES: usize = 16384;

// @ts-ignore: decorator
@inline function eight7(at: usize): v128 {
  return v128.xor(eight6(at), v128.load(at, 75 * 16));
}

// @ts-ignore: decorator
@inline function eight6(at: usize): v128 {
  return v128.xor(eight5(at), v128.load(at, 71 * 16));
}

// @ts-ignore: decorator
@inline function eight5(at: usize): v128 {
  return v128.xor(eight4(at), v128.load(at, 58 * 16));
}

// @ts-ignore: decorator
@inline function eight4(at: usize): v128 {
  return v128.xor(v128.xor(v128.load(at), v128.load(at, 16)), v128.xor(v128.load(at, 12 * 16), v128.load(at, 18 * 16)));
}

// @ts-ignore: decorator
@inline function eight3(at: usize): v128 {
  return v128.xor(v128.xor(v128.load(at), v128.load(at, 16)), v128.load(at, 12 * 16));
}

/**
 * Folds `vectors` vectors, the first of them XORed with `register`, down to EIGHT_VECTORS_LEFT at the address returned.
 * `vectors` is more than those by at most EIGHT_VECTORS_TAKEN_MAX.
 */
export function foldByEightTerms(register: u32, input: usize, vectors: usize): usize {
  // `at` runs 79 vectors behind what is taken: exponents are offsets from it. The first 79 vectors there stay zero.
  let at = CRC_EIGHT_TAKEN;
  const end = at + ((vectors - EIGHT_VECTORS_LEFT) << 4);
  v128.store(at, v128.xor(v128.load(input), i32x4.replace_lane(i32x4.splat(0), 0, register)), 79 * 16);
  at += 16;
  input += 16;
  while (at + 64 <= end) {
    v128.store(at, v128.xor(v128.load(input), eight7(at)), 79 * 16);
    v128.store(at, v128.xor(v128.load(input, 16), eight7(at + 16)), 80 * 16);
    v128.store(at, v128.xor(v128.load(input, 32), eight7(at + 32)), 81 * 16);
    v128.store(at, v128.xor(v128.load(input, 48), eight7(at + 48)), 82 * 16);
    at += 64;
    input += 64;
  }
  while (at < end) {
    v128.store(at, v128.xor(v128.load(input), eight7(at)), 79 * 16);
    at += 16;
    input += 16;
  }
  // From here on nothing more is taken, so the larger exponents fall out one after the other.
  const left = CRC_EIGHT_LEFT - at;
  const rest = input - at;
  for (; at < end + 4 * 16; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), eight7(at)));
  for (; at < end + 8 * 16; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), eight6(at)));
  for (; at < end + 21 * 16; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), eight5(at)));
  for (; at < end + 61 * 16; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), eight4(at)));
  for (; at < end + 67 * 16; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), eight3(at)));
  for (; at < end + 78 * 16; at += 16) {
    v128.store(at + left, v128.xor(v128.load(at + rest), v128.xor(v128.load(at), v128.load(at, 16))));
  }
  v128.store(at + left, v128.xor(v128.load(at + rest), v128.load(at)));
  v128.store(at + left, v128.load(at + rest, 16), 16);
  return CRC_EIGHT_LEFT;
}

// @ts-ignore: decorator
@inline function four3(at: usize): v128 {
  return v128.xor(four2(at), v128.load(at, 4146));
}

// @ts-ignore: decorator
@inline function four2(at: usize): v128 {
  return v128.xor(v128.load(at), v128.load(at, 3859));
}

/** Takes vectors while `at` is below `end`, four at a time, with constant offsets. */
// @ts-ignore: decorator
@inline function takeByFourTerms(input: usize, at: usize, end: usize): void {
  while (at < end) {
    v128.store(at, v128.xor(v128.load(input), four3(at)), FOUR_BYTES_LEFT);
    const taps16 = v128.xor(v128.xor(v128.load(at, 16), v128.load(at, 3859 + 16)), v128.load(at, 4146 + 16));
    v128.store(at, v128.xor(v128.load(input, 16), taps16), FOUR_BYTES_LEFT + 16);
    const taps32 = v128.xor(v128.xor(v128.load(at, 32), v128.load(at, 3859 + 32)), v128.load(at, 4146 + 32));
    v128.store(at, v128.xor(v128.load(input, 32), taps32), FOUR_BYTES_LEFT + 32);
    const taps48 = v128.xor(v128.xor(v128.load(at, 48), v128.load(at, 3859 + 48)), v128.load(at, 4146 + 48));
    v128.store(at, v128.xor(v128.load(input, 48), taps48), FOUR_BYTES_LEFT + 48);
    at += 64;
    input += 64;
  }
}

/**
 * Folds `bytes` bytes, the first four of them XORed with `register`, down to FOUR_BYTES_LEFT at the address returned.
 * `bytes` is FOUR_BYTES_LEFT + 64 n, n > 0.
 */
export function foldByFourTerms(register: u32, input: usize, bytes: usize): usize {
  memory.fill(CRC_FOUR_TAKEN, 0, FOUR_BYTES_LEFT);
  // What is XORed into the first bytes comes in with exponent 0.
  store<u32>(CRC_FOUR_TAKEN, register);
  let remaining = bytes - FOUR_BYTES_LEFT;
  while (remaining > FOUR_CHUNK_BYTES) {
    takeByFourTerms(input, CRC_FOUR_TAKEN, CRC_FOUR_TAKEN + FOUR_CHUNK_BYTES);
    memory.copy(CRC_FOUR_TAKEN, CRC_FOUR_TAKEN + FOUR_CHUNK_BYTES, FOUR_BYTES_LEFT);
    input += FOUR_CHUNK_BYTES;
    remaining -= FOUR_CHUNK_BYTES;
  }
  let at = CRC_FOUR_TAKEN + remaining;
  takeByFourTerms(input, CRC_FOUR_TAKEN, at);
  input += remaining;
  // Nothing more is taken. The odd exponents reach up to 3 bytes over the end before they fall out: into zeroes.
  v128.store(at, i8x16.splat(0), FOUR_BYTES_LEFT);
  const end = at;
  const left = CRC_FOUR_LEFT - at;
  const rest = input - at;
  for (; at < end + 1280; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), four3(at)));
  for (; at < end + 1568; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), four2(at)));
  for (; at < end + FOUR_BYTES_LEFT; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), v128.load(at)));
  return CRC_FOUR_LEFT;
}
