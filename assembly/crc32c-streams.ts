// CRC32C over 16 streams at once, by nibble tables in SIMD registers. A block of 16 * S bytes is read as 16 adjacent
// streams of S bytes. Their next 16 bytes each are transposed, so that vector c holds byte c of every stream; then
// four vectors at a time go through the CRC, where a lookup of 4 bits for all streams is one `i8x16.swizzle`. In the
// end the 16 registers are joined by tables that advance a register over S and 4 S zero bytes. S is a multiple of 4:
// the last transposition may take bytes that are not the stream's, up to 12 behind the input, and leave them unused.
//
// The state of the streams is four vectors too ("planes"): plane j holds byte j of every stream's register.
import { CRC_NIBBLES, CRC_PLANES, CRC_SHIFTS, CRC_TABLES } from "./regions";

/** Shortest and longest stream; each length between them that is a multiple of 4 has its shift tables. */
// @ts-ignore: decorator
@inline export const STREAM_STRIDE_FIRST: usize = 16;
// @ts-ignore: decorator
@inline export const STREAM_STRIDE_LAST: usize = 84;
/** Four tables of 256 words. */
// @ts-ignore: decorator
@inline const ADVANCE_TABLE_BYTES: usize = 4096;

// @ts-ignore: decorator
@inline function low(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline function high(a: v128, b: v128): v128 {
  return v128.shuffle<i8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/**
 * Writes the transpose of 16 rows of 16 bytes, `stride` bytes apart, to CRC_PLANES: four times the same perfect
 * shuffle of rows i and i + 8.
 */
// @ts-ignore: decorator
@inline function transpose(row: usize, stride: usize): void {
  const a0 = v128.load(row);
  const a1 = v128.load(row + stride * 1);
  const a2 = v128.load(row + stride * 2);
  const a3 = v128.load(row + stride * 3);
  const a4 = v128.load(row + stride * 4);
  const a5 = v128.load(row + stride * 5);
  const a6 = v128.load(row + stride * 6);
  const a7 = v128.load(row + stride * 7);
  const a8 = v128.load(row + stride * 8);
  const a9 = v128.load(row + stride * 9);
  const a10 = v128.load(row + stride * 10);
  const a11 = v128.load(row + stride * 11);
  const a12 = v128.load(row + stride * 12);
  const a13 = v128.load(row + stride * 13);
  const a14 = v128.load(row + stride * 14);
  const a15 = v128.load(row + stride * 15);
  const b0 = low(a0, a8);
  const b1 = high(a0, a8);
  const b2 = low(a1, a9);
  const b3 = high(a1, a9);
  const b4 = low(a2, a10);
  const b5 = high(a2, a10);
  const b6 = low(a3, a11);
  const b7 = high(a3, a11);
  const b8 = low(a4, a12);
  const b9 = high(a4, a12);
  const b10 = low(a5, a13);
  const b11 = high(a5, a13);
  const b12 = low(a6, a14);
  const b13 = high(a6, a14);
  const b14 = low(a7, a15);
  const b15 = high(a7, a15);
  const c0 = low(b0, b8);
  const c1 = high(b0, b8);
  const c2 = low(b1, b9);
  const c3 = high(b1, b9);
  const c4 = low(b2, b10);
  const c5 = high(b2, b10);
  const c6 = low(b3, b11);
  const c7 = high(b3, b11);
  const c8 = low(b4, b12);
  const c9 = high(b4, b12);
  const c10 = low(b5, b13);
  const c11 = high(b5, b13);
  const c12 = low(b6, b14);
  const c13 = high(b6, b14);
  const c14 = low(b7, b15);
  const c15 = high(b7, b15);
  const d0 = low(c0, c8);
  const d1 = high(c0, c8);
  const d2 = low(c1, c9);
  const d3 = high(c1, c9);
  const d4 = low(c2, c10);
  const d5 = high(c2, c10);
  const d6 = low(c3, c11);
  const d7 = high(c3, c11);
  const d8 = low(c4, c12);
  const d9 = high(c4, c12);
  const d10 = low(c5, c13);
  const d11 = high(c5, c13);
  const d12 = low(c6, c14);
  const d13 = high(c6, c14);
  const d14 = low(c7, c15);
  const d15 = high(c7, c15);
  v128.store(CRC_PLANES, low(d0, d8), 0);
  v128.store(CRC_PLANES, high(d0, d8), 16);
  v128.store(CRC_PLANES, low(d1, d9), 32);
  v128.store(CRC_PLANES, high(d1, d9), 48);
  v128.store(CRC_PLANES, low(d2, d10), 64);
  v128.store(CRC_PLANES, high(d2, d10), 80);
  v128.store(CRC_PLANES, low(d3, d11), 96);
  v128.store(CRC_PLANES, high(d3, d11), 112);
  v128.store(CRC_PLANES, low(d4, d12), 128);
  v128.store(CRC_PLANES, high(d4, d12), 144);
  v128.store(CRC_PLANES, low(d5, d13), 160);
  v128.store(CRC_PLANES, high(d5, d13), 176);
  v128.store(CRC_PLANES, low(d6, d14), 192);
  v128.store(CRC_PLANES, high(d6, d14), 208);
  v128.store(CRC_PLANES, low(d7, d15), 224);
  v128.store(CRC_PLANES, high(d7, d15), 240);
}

/** Eight lookups that give plane `plane` of the next registers; table (4 * (2 * byte + half) + plane) of CRC_NIBBLES. */
// @ts-ignore: decorator
@inline function plane0(l0: v128, h0: v128, l1: v128, h1: v128, l2: v128, h2: v128, l3: v128, h3: v128): v128 {
  return v128.xor(
    v128.xor(v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 0), l0), i8x16.swizzle(v128.load(CRC_NIBBLES, 64), h0)), v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 128), l1), i8x16.swizzle(v128.load(CRC_NIBBLES, 192), h1))),
    v128.xor(v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 256), l2), i8x16.swizzle(v128.load(CRC_NIBBLES, 320), h2)), v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 384), l3), i8x16.swizzle(v128.load(CRC_NIBBLES, 448), h3))),
  );
}

// @ts-ignore: decorator
@inline function plane1(l0: v128, h0: v128, l1: v128, h1: v128, l2: v128, h2: v128, l3: v128, h3: v128): v128 {
  return v128.xor(
    v128.xor(v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 16), l0), i8x16.swizzle(v128.load(CRC_NIBBLES, 80), h0)), v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 144), l1), i8x16.swizzle(v128.load(CRC_NIBBLES, 208), h1))),
    v128.xor(v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 272), l2), i8x16.swizzle(v128.load(CRC_NIBBLES, 336), h2)), v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 400), l3), i8x16.swizzle(v128.load(CRC_NIBBLES, 464), h3))),
  );
}

// @ts-ignore: decorator
@inline function plane2(l0: v128, h0: v128, l1: v128, h1: v128, l2: v128, h2: v128, l3: v128, h3: v128): v128 {
  return v128.xor(
    v128.xor(v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 32), l0), i8x16.swizzle(v128.load(CRC_NIBBLES, 96), h0)), v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 160), l1), i8x16.swizzle(v128.load(CRC_NIBBLES, 224), h1))),
    v128.xor(v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 288), l2), i8x16.swizzle(v128.load(CRC_NIBBLES, 352), h2)), v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 416), l3), i8x16.swizzle(v128.load(CRC_NIBBLES, 480), h3))),
  );
}

// @ts-ignore: decorator
@inline function plane3(l0: v128, h0: v128, l1: v128, h1: v128, l2: v128, h2: v128, l3: v128, h3: v128): v128 {
  return v128.xor(
    v128.xor(v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 48), l0), i8x16.swizzle(v128.load(CRC_NIBBLES, 112), h0)), v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 176), l1), i8x16.swizzle(v128.load(CRC_NIBBLES, 240), h1))),
    v128.xor(v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 304), l2), i8x16.swizzle(v128.load(CRC_NIBBLES, 368), h2)), v128.xor(i8x16.swizzle(v128.load(CRC_NIBBLES, 432), l3), i8x16.swizzle(v128.load(CRC_NIBBLES, 496), h3))),
  );
}

/** Register advanced over the zero bytes that the table at `table` stands for. */
// @ts-ignore: decorator
@inline function advance(register: u32, table: usize): u32 {
  return load<u32>(table + ((register & 255) << 2))
    ^ load<u32>(table + ((register >>> 6) & 1020), 1024)
    ^ load<u32>(table + ((register >>> 14) & 1020), 2048)
    ^ load<u32>(table + ((register >>> 22) & 1020), 3072);
}

/** Joins registers 4 i ... 4 i + 3, each `stride` bytes in front of the next one. */
// @ts-ignore: decorator
@inline function joinFour(states: v128, table: usize): u32 {
  let register = <u32>i32x4.extract_lane(states, 0);
  register = advance(register, table) ^ <u32>i32x4.extract_lane(states, 1);
  register = advance(register, table) ^ <u32>i32x4.extract_lane(states, 2);
  return advance(register, table) ^ <u32>i32x4.extract_lane(states, 3);
}

/** Address of the table that advances over `stride` zero bytes; the one for 4 * `stride` follows it. */
// @ts-ignore: decorator
@inline function shiftTables(stride: usize): usize {
  return CRC_SHIFTS + ((stride - STREAM_STRIDE_FIRST) >>> 2) * (2 * ADVANCE_TABLE_BYTES);
}

/** Runs `register` over 16 * `stride` bytes; `stride` is a multiple of 4 between STREAM_STRIDE_FIRST and its last. */
export function streamBytes(register: u32, pointer: usize, stride: usize): u32 {
  let state0 = i8x16.replace_lane(i8x16.splat(0), 0, <i8>register);
  let state1 = i8x16.replace_lane(i8x16.splat(0), 0, <i8>(register >>> 8));
  let state2 = i8x16.replace_lane(i8x16.splat(0), 0, <i8>(register >>> 16));
  let state3 = i8x16.replace_lane(i8x16.splat(0), 0, <i8>(register >>> 24));
  const nibble = i8x16.splat(15);
  const end = pointer + stride;
  while (pointer < end) {
    transpose(pointer, stride);
    const columnsEnd = CRC_PLANES + (min<usize>(end - pointer, 16) << 4);
    for (let columns = CRC_PLANES; columns < columnsEnd; columns += 64) {
      const byte0 = v128.xor(state0, v128.load(columns));
      const byte1 = v128.xor(state1, v128.load(columns, 16));
      const byte2 = v128.xor(state2, v128.load(columns, 32));
      const byte3 = v128.xor(state3, v128.load(columns, 48));
      const low0 = v128.and(byte0, nibble);
      const low1 = v128.and(byte1, nibble);
      const low2 = v128.and(byte2, nibble);
      const low3 = v128.and(byte3, nibble);
      const high0 = v128.and(i16x8.shr_u(byte0, 4), nibble);
      const high1 = v128.and(i16x8.shr_u(byte1, 4), nibble);
      const high2 = v128.and(i16x8.shr_u(byte2, 4), nibble);
      const high3 = v128.and(i16x8.shr_u(byte3, 4), nibble);
      state0 = plane0(low0, high0, low1, high1, low2, high2, low3, high3);
      state1 = plane1(low0, high0, low1, high1, low2, high2, low3, high3);
      state2 = plane2(low0, high0, low1, high1, low2, high2, low3, high3);
      state3 = plane3(low0, high0, low1, high1, low2, high2, low3, high3);
    }
    pointer += 16;
  }
  const pairs01Low = low(state0, state1);
  const pairs01High = high(state0, state1);
  const pairs23Low = low(state2, state3);
  const pairs23High = high(state2, state3);
  const one = shiftTables(stride);
  const four = one + ADVANCE_TABLE_BYTES;
  let joined = joinFour(words(pairs01Low, pairs23Low, false), one);
  joined = advance(joined, four) ^ joinFour(words(pairs01Low, pairs23Low, true), one);
  joined = advance(joined, four) ^ joinFour(words(pairs01High, pairs23High, false), one);
  return advance(joined, four) ^ joinFour(words(pairs01High, pairs23High, true), one);
}

// @ts-ignore: decorator
@inline function words(a: v128, b: v128, upper: bool): v128 {
  return upper
    ? v128.shuffle<i16>(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
    : v128.shuffle<i16>(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

/** Makes the nibble tables and the shift tables from the byte tables of crc32c.ts, which must be there. */
export function makeStreamTables(): void {
  for (let byte: u32 = 0; byte < 4; ++byte) {
    for (let half: u32 = 0; half < 2; ++half) {
      for (let nibble: u32 = 0; nibble < 16; ++nibble) {
        const entry = load<u32>(CRC_TABLES + ((3 - byte) << 10) + ((nibble << (half << 2)) << 2));
        const target = CRC_NIBBLES + ((byte * 2 + half) << 6) + nibble;
        for (let plane: u32 = 0; plane < 4; ++plane) store<u8>(target + (plane << 4), entry >>> (plane << 3));
      }
    }
  }
  for (let byte: u32 = 0; byte < 4; ++byte) {
    for (let bits: u32 = 0; bits < 256; ++bits) makeShifts(byte, bits);
  }
}

/** The entries of all shift tables for one byte of a register: `stride` and 4 * `stride` zero bytes further on each. */
function makeShifts(byte: u32, bits: u32): void {
  let one = bits << (byte << 3);
  let four = one;
  const entry = (byte << 10) + (bits << 2);
  for (let stride: usize = 4; stride <= STREAM_STRIDE_LAST; stride += 4) {
    one = advanceFour(one);
    four = advanceFour(advanceFour(advanceFour(advanceFour(four))));
    if (stride >= STREAM_STRIDE_FIRST) {
      store<u32>(shiftTables(stride) + entry, one);
      store<u32>(shiftTables(stride) + entry, four, ADVANCE_TABLE_BYTES);
    }
  }
}

/** Register advanced over 4 zero bytes. */
function advanceFour(register: u32): u32 {
  return load<u32>((register & 255) << 2, CRC_TABLES + 3 * 1024)
    ^ load<u32>((register >>> 6) & 1020, CRC_TABLES + 2 * 1024)
    ^ load<u32>((register >>> 14) & 1020, CRC_TABLES + 1024)
    ^ load<u32>((register >>> 22) & 1020, CRC_TABLES);
}
