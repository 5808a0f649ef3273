// CRC32C (Castagnoli, RFC 3720 B.4).
import { CRC_TABLES } from "./regions";

// @ts-ignore: decorator
@inline const POLYNOMIAL: u32 = 0x82f63b78;

/** Table j holds the CRC register of each byte followed by j zero bytes. */
// @ts-ignore: decorator
@inline const SLICES: u32 = 16;

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
}

/** Runs `register` over the bytes by tables: 16 at a time, then one by one. */
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
  while (pointer < end) {
    register = (register >>> 8) ^ load<u32>(((register ^ load<u8>(pointer)) & 255) << 2, CRC_TABLES);
    ++pointer;
  }
  return register;
}

/** CRC32C of `length` bytes. */
export function crc32c(pointer: usize, length: usize): u32 {
  return ~sliceBytes(0xffffffff, pointer, pointer + length);
}
