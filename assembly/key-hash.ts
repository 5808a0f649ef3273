// A keyed 128-bit hash of every record key in a table (records.ts): SipHash-2-4 with the long output, by Aumasson and
// Bernstein. Compaction tells keys apart by it alone, so nobody who does not know the secret may find two that collide.
import { RECORD_TABLE_KEY, RECORD_TABLE_KEY_BYTES, RECORD_TABLE_STRIDE } from "./shared/record-table-layout";

/** Bytes of one hash. */
const HASH_BYTES: usize = 16;

let v0: u64 = 0;
let v1: u64 = 0;
let v2: u64 = 0;
let v3: u64 = 0;

// @ts-ignore: decorator
@inline function round(): void {
  v0 += v1;
  v2 += v3;
  v1 = rotl<u64>(v1, 13) ^ v0;
  v3 = rotl<u64>(v3, 16) ^ v2;
  v0 = rotl<u64>(v0, 32);
  v2 += v1;
  v0 += v3;
  v1 = rotl<u64>(v1, 17) ^ v2;
  v3 = rotl<u64>(v3, 21) ^ v0;
  v2 = rotl<u64>(v2, 32);
}

// @ts-ignore: decorator
@inline function mix(word: u64): void {
  v3 ^= word;
  round();
  round();
  v0 ^= word;
}

/** May read up to 7 bytes behind the key; they do not count. */
function hashKey(pointer: usize, length: i32, target: usize, k0: u64, k1: u64): void {
  v0 = k0 ^ 0x736f6d6570736575;
  v1 = k1 ^ 0x646f72616e646f6d ^ 0xee;
  v2 = k0 ^ 0x6c7967656e657261;
  v3 = k1 ^ 0x7465646279746573;
  const tail = length & 7;
  const end = pointer + <usize>(length - tail);
  for (; pointer < end; pointer += 8) mix(load<u64>(pointer));
  const rest = tail == 0 ? 0 : load<u64>(pointer) & ((<u64>1 << (<u64>tail << 3)) - 1);
  mix(rest | (<u64>length << 56));
  v2 ^= 0xee;
  for (let index = 0; index < 4; ++index) round();
  store<u64>(target, v0 ^ v1 ^ v2 ^ v3);
  v1 ^= 0xdd;
  for (let index = 0; index < 4; ++index) round();
  store<u64>(target, v0 ^ v1 ^ v2 ^ v3, 8);
}

/**
 * Writes 16 bytes for each of `count` table entries to `target`; those of a null key are left alone. Key positions are
 * relative to `origin`. `secret` points to 16 bytes.
 */
export function hashKeys(table: usize, count: i32, origin: usize, target: usize, secret: usize): void {
  const k0 = load<u64>(secret);
  const k1 = load<u64>(secret, 8);
  for (let index = 0; index < count; ++index) {
    const length = load<i32>(table, RECORD_TABLE_KEY_BYTES);
    if (length >= 0) hashKey(origin + <usize>load<i32>(table, RECORD_TABLE_KEY), length, target, k0, k1);
    table += RECORD_TABLE_STRIDE;
    target += HASH_BYTES;
  }
}
