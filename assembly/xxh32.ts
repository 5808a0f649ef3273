// XXH32, the checksum of LZ4 frames (xxHash specification, chapter 2), with seed 0.

// @ts-ignore: decorator
@inline const PRIME_1: u32 = 0x9e3779b1;
// @ts-ignore: decorator
@inline const PRIME_2: u32 = 0x85ebca77;
// @ts-ignore: decorator
@inline const PRIME_3: u32 = 0xc2b2ae3d;
// @ts-ignore: decorator
@inline const PRIME_4: u32 = 0x27d4eb2f;
// @ts-ignore: decorator
@inline const PRIME_5: u32 = 0x165667b1;

// @ts-ignore: decorator
@inline function round(lane: u32, input: u32): u32 {
  return rotl<u32>(lane + input * PRIME_2, 13) * PRIME_1;
}

export function xxh32(pointer: usize, byteCount: u32): u32 {
  const end = pointer + byteCount;
  let hash = PRIME_5;
  if (byteCount >= 16) {
    let a = PRIME_1 + PRIME_2;
    let b = PRIME_2;
    let c: u32 = 0;
    let d: u32 = 0 - PRIME_1;
    for (const last = end - 16; pointer <= last; pointer += 16) {
      a = round(a, load<u32>(pointer));
      b = round(b, load<u32>(pointer, 4));
      c = round(c, load<u32>(pointer, 8));
      d = round(d, load<u32>(pointer, 12));
    }
    hash = rotl<u32>(a, 1) + rotl<u32>(b, 7) + rotl<u32>(c, 12) + rotl<u32>(d, 18);
  }
  hash += byteCount;
  for (; pointer + 4 <= end; pointer += 4) hash = rotl<u32>(hash + load<u32>(pointer) * PRIME_3, 17) * PRIME_4;
  for (; pointer < end; ++pointer) hash = rotl<u32>(hash + <u32>load<u8>(pointer) * PRIME_5, 11) * PRIME_1;
  hash = (hash ^ (hash >>> 15)) * PRIME_2;
  hash = (hash ^ (hash >>> 13)) * PRIME_3;
  return hash ^ (hash >>> 16);
}
