// Shortens the input of a CRC32C without tables, by XOR alone. A sparse multiple of the generator P, here
//
//   six terms     x^209 + x^144 + x^54 + x^39 + x^14 + 1
//   eight terms   x^79 + x^75 + x^71 + x^58 + x^18 + x^12 + x + 1
//
// is a multiple of P with all exponents times 128 too (squaring maps x to x^2 over GF(2)). So with vectors of 16 bytes
// as the unit, vector i may be removed when it is XORed into the vectors (degree - exponent) further on, for every
// exponent but the degree. Done as a gather: taken[i] = input[i] XOR taken[i - degree + exponent] ...; what lies before
// the first vector is zero. The last `degree` vectors gather what was taken, and are all that is left: their CRC is the
// CRC of the whole. Method: Chorba, arXiv 2412.16398; these relations belong to the Castagnoli polynomial.
import { CRC_EIGHT_LEFT, CRC_EIGHT_TAKEN, CRC_SIX_LEFT, CRC_SIX_TAKEN } from "./regions";

/** Vectors that {@link foldByEightTerms} leaves: the degree, made even. */
// @ts-ignore: decorator
@inline export const EIGHT_VECTORS_LEFT: usize = 80;
/** Vectors that {@link foldBySixTerms} leaves. */
// @ts-ignore: decorator
@inline export const SIX_VECTORS_LEFT: usize = 209;
/** Most vectors that {@link foldByEightTerms} may take: what its scratch region holds. */
// @ts-ignore: decorator
@inline export const EIGHT_VECTORS_TAKEN_MAX: usize = 1024;
/** Vectors between two moves of the six-term window to the front of its scratch region. */
// @ts-ignore: decorator
@inline const SIX_CHUNK: usize = 1024;

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
@inline function six5(at: usize): v128 {
  return v128.xor(six4(at), v128.load(at, 144 * 16));
}

// @ts-ignore: decorator
@inline function six4(at: usize): v128 {
  return v128.xor(six3(at), v128.load(at, 54 * 16));
}

// @ts-ignore: decorator
@inline function six3(at: usize): v128 {
  return v128.xor(v128.xor(v128.load(at), v128.load(at, 14 * 16)), v128.load(at, 39 * 16));
}

/** Takes vectors while `at` is below `end`; four at a time, so the caller's count is a multiple of four. */
// @ts-ignore: decorator
@inline function takeBySixTerms(input: usize, at: usize, end: usize): void {
  while (at < end) {
    v128.store(at, v128.xor(v128.load(input), six5(at)), 209 * 16);
    v128.store(at, v128.xor(v128.load(input, 16), six5(at + 16)), 210 * 16);
    v128.store(at, v128.xor(v128.load(input, 32), six5(at + 32)), 211 * 16);
    v128.store(at, v128.xor(v128.load(input, 48), six5(at + 48)), 212 * 16);
    at += 64;
    input += 64;
  }
}

/**
 * Folds `vectors` vectors, the first of them XORed with `register`, down to SIX_VECTORS_LEFT at the address returned.
 * `vectors` is SIX_VECTORS_LEFT + 4 n, n > 0.
 */
export function foldBySixTerms(register: u32, input: usize, vectors: usize): usize {
  memory.fill(CRC_SIX_TAKEN, 0, SIX_VECTORS_LEFT << 4);
  // Tap 0 of the first vector: what is XORed into the first vector comes in with exponent 0.
  store<u32>(CRC_SIX_TAKEN, register);
  let remaining = vectors - SIX_VECTORS_LEFT;
  while (remaining > SIX_CHUNK) {
    takeBySixTerms(input, CRC_SIX_TAKEN, CRC_SIX_TAKEN + (SIX_CHUNK << 4));
    memory.copy(CRC_SIX_TAKEN, CRC_SIX_TAKEN + (SIX_CHUNK << 4), SIX_VECTORS_LEFT << 4);
    input += SIX_CHUNK << 4;
    remaining -= SIX_CHUNK;
  }
  let at = CRC_SIX_TAKEN + (remaining << 4);
  takeBySixTerms(input, CRC_SIX_TAKEN, at);
  input += remaining << 4;
  const end = at;
  const left = CRC_SIX_LEFT - at;
  const rest = input - at;
  for (; at < end + 65 * 16; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), six5(at)));
  for (; at < end + 155 * 16; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), six4(at)));
  for (; at < end + 170 * 16; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), six3(at)));
  for (; at < end + 195 * 16; at += 16) {
    v128.store(at + left, v128.xor(v128.load(at + rest), v128.xor(v128.load(at), v128.load(at, 14 * 16))));
  }
  for (; at < end + 209 * 16; at += 16) v128.store(at + left, v128.xor(v128.load(at + rest), v128.load(at)));
  return CRC_SIX_LEFT;
}
