// CRC32C (Castagnoli, RFC 3720 B.4).
import { EIGHT_VECTORS_LEFT, FOUR_BYTES_LEFT, foldByEightTerms, foldByFourTerms } from "./crc32c-fold";
import { makeStreamTables, streamBytes } from "./crc32c-streams";
import { CRC_TABLES } from "./regions";

// @ts-ignore: decorator
@inline const POLYNOMIAL: u32 = 0x82f63b78;

/** Table j holds the CRC register of each byte followed by j zero bytes. */
// @ts-ignore: decorator
@inline const SLICES: u32 = 16;

// Where one way overtakes the next, by measurement (bench/kernels/crc32c.ts).
// @ts-ignore: decorator
@inline const STREAM_BYTES_MIN: usize = 256;
// @ts-ignore: decorator
@inline const EIGHT_BYTES_MIN: usize = 1408;
// @ts-ignore: decorator
@inline const FOUR_BYTES_MIN: usize = 16384;

export function makeTables(): void {
  for (let byte: u32 = 0; byte < 256; ++byte) {
    let register = byte;
    for (let bit = 0; bit < 8; ++bit) register = (register >>> 1) ^ (register & 1 ? POLYNOMIAL : 0);
    store<u32>(CRC_TABLES + (byte << 2), register);
  }
  for (let slice: u32 = 1; slice < SLICES; ++slice) {
    for (let byte: u32 = 0; byte < 256; ++byte) {
      const previous = load<u32>(CRC_TABLES + ((slice - 1) << 10) + (byte << 2));
      const next = (previous >>> 8) ^ load<u32>(CRC_TABLES + ((previous & 255) << 2));
      store<u32>(CRC_TABLES + (slice << 10) + (byte << 2), next);
    }
  }
  makeStreamTables();
}

/** Runs `register` over the bytes by tables: 16 at a time, then 4, then one by one. */
export function sliceBytes(register: u32, pointer: usize, end: usize): u32 {
  const wholeEnd = pointer + ((end - pointer) & ~15);
  while (pointer < wholeEnd) {
    const first = register ^ load<u32>(pointer);
    const second = load<u32>(pointer, 4);
    const third = load<u32>(pointer, 8);
    const fourth = load<u32>(pointer, 12);
    register = load<u32>((first & 255) << 2, CRC_TABLES + 15 * 1024)
      ^ load<u32>((first >>> 6) & 1020, CRC_TABLES + 14 * 1024)
      ^ load<u32>((first >>> 14) & 1020, CRC_TABLES + 13 * 1024)
      ^ load<u32>((first >>> 22) & 1020, CRC_TABLES + 12 * 1024)
      ^ load<u32>((second & 255) << 2, CRC_TABLES + 11 * 1024)
      ^ load<u32>((second >>> 6) & 1020, CRC_TABLES + 10 * 1024)
      ^ load<u32>((second >>> 14) & 1020, CRC_TABLES + 9 * 1024)
      ^ load<u32>((second >>> 22) & 1020, CRC_TABLES + 8 * 1024)
      ^ load<u32>((third & 255) << 2, CRC_TABLES + 7 * 1024)
      ^ load<u32>((third >>> 6) & 1020, CRC_TABLES + 6 * 1024)
      ^ load<u32>((third >>> 14) & 1020, CRC_TABLES + 5 * 1024)
      ^ load<u32>((third >>> 22) & 1020, CRC_TABLES + 4 * 1024)
      ^ load<u32>((fourth & 255) << 2, CRC_TABLES + 3 * 1024)
      ^ load<u32>((fourth >>> 6) & 1020, CRC_TABLES + 2 * 1024)
      ^ load<u32>((fourth >>> 14) & 1020, CRC_TABLES + 1 * 1024)
      ^ load<u32>((fourth >>> 22) & 1020, CRC_TABLES + 0 * 1024);
    pointer += 16;
  }
  const wordsEnd = pointer + ((end - pointer) & ~3);
  while (pointer < wordsEnd) {
    const word = register ^ load<u32>(pointer);
    register = load<u32>((word & 255) << 2, CRC_TABLES + 3 * 1024)
      ^ load<u32>((word >>> 6) & 1020, CRC_TABLES + 2 * 1024)
      ^ load<u32>((word >>> 14) & 1020, CRC_TABLES + 1 * 1024)
      ^ load<u32>((word >>> 22) & 1020, CRC_TABLES + 0 * 1024);
    pointer += 4;
  }
  while (pointer < end) {
    register = (register >>> 8) ^ load<u32>(((register ^ load<u8>(pointer)) & 255) << 2, CRC_TABLES);
    ++pointer;
  }
  return register;
}

/** CRC32C of `length` bytes. The length alone decides how: by tables, in 16 streams, or folded first. */
export function crc32c(pointer: usize, length: usize): u32 {
  const end = pointer + length;
  let register: u32 = 0xffffffff;
  if (length < STREAM_BYTES_MIN) return ~sliceBytes(register, pointer, end);
  if (length < EIGHT_BYTES_MIN) {
    const first = pointer + (length & 63);
    register = sliceBytes(register, pointer, first);
    return ~streamBytes(register, first, (end - first) >>> 4);
  }
  if (length < FOUR_BYTES_MIN) {
    const first = pointer + (length & 15);
    register = sliceBytes(register, pointer, first);
    return foldAndStream(register, first, end - first);
  }
  const first = pointer + ((length - FOUR_BYTES_LEFT) & 63);
  register = sliceBytes(register, pointer, first);
  return foldAndStream(0, foldByFourTerms(register, first, end - first), FOUR_BYTES_LEFT);
}

/** The CRC of whole vectors that begin with `register`. As 16 streams, n vectors have a stride of n bytes. */
function foldAndStream(register: u32, pointer: usize, bytes: usize): u32 {
  return ~streamBytes(0, foldByEightTerms(register, pointer, bytes >>> 4), EIGHT_VECTORS_LEFT);
}
