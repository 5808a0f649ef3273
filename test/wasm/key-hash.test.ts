// The hash by which compaction tells keys apart, against the function's published values and its definition.
import { describe, expect, it } from 'vitest';
import {
  RECORD_TABLE_KEY,
  RECORD_TABLE_KEY_BYTES,
  RECORD_TABLE_STRIDE,
} from '../../assembly/shared/record-table-layout.ts';
import type { Kernels } from '../../src/wasm/kernels.ts';
import { BUILDS, noise } from './builds.ts';

const MASK = 0xffff_ffff_ffff_ffffn;
const rotated = (word: bigint, by: bigint) => ((word << by) | (word >> (64n - by))) & MASK;

/** SipHash-2-4 with 128 bits of output, written after the paper. */
function sipHash(secret: Uint8Array, key: Uint8Array): string {
  const [k0, k1] = [wordAt(secret, 0), wordAt(secret, 8)];
  let [a, b, c, d] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn ^ 0xeen,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const rounds = (count: number) => {
    for (let round = 0; round < count; round++) {
      a = (a + b) & MASK;
      b = rotated(b, 13n) ^ a;
      a = rotated(a, 32n);
      c = (c + d) & MASK;
      d = rotated(d, 16n) ^ c;
      a = (a + d) & MASK;
      d = rotated(d, 21n) ^ a;
      c = (c + b) & MASK;
      b = rotated(b, 17n) ^ c;
      c = rotated(c, 32n);
    }
  };
  const padded = new Uint8Array(Math.floor(key.length / 8) * 8 + 8);
  padded.set(key);
  padded[padded.length - 1] = key.length & 255;
  for (let at = 0; at < padded.length; at += 8) {
    const word = wordAt(padded, at);
    d ^= word;
    rounds(2);
    a ^= word;
  }
  c ^= 0xeen;
  rounds(4);
  const low = a ^ b ^ c ^ d;
  b ^= 0xddn;
  rounds(4);
  return hexOf(low) + hexOf(a ^ b ^ c ^ d);
}

function wordAt(bytes: Uint8Array, at: number): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
}

function hexOf(word: bigint): string {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(word);
  return bytes.toString('hex');
}

function hashed(kernels: Kernels, secret: Uint8Array, keys: readonly (Uint8Array | null)[]): string[] {
  const table = kernels.reserve(1_000_000);
  const hashes = table + keys.length * RECORD_TABLE_STRIDE;
  const secretAt = hashes + keys.length * 16;
  const origin = secretAt + 16;
  const memory = kernels.bytes();
  memory.fill(0, table, origin + 100_000);
  const view = new DataView(memory.buffer);
  memory.set(secret, secretAt);
  let position = 3;
  keys.forEach((key, index) => {
    view.setInt32(table + index * RECORD_TABLE_STRIDE + RECORD_TABLE_KEY, position, true);
    view.setInt32(table + index * RECORD_TABLE_STRIDE + RECORD_TABLE_KEY_BYTES, key?.length ?? -1, true);
    // What lies behind a key must not count.
    memory.fill(0xff, origin + position + (key?.length ?? 0), origin + position + (key?.length ?? 0) + 8);
    memory.set(key ?? new Uint8Array(0), origin + position);
    position += (key?.length ?? 0) + 9;
  });
  kernels.exports.hashKeys(table, keys.length, origin, hashes, secretAt);
  return keys.map((_, index) =>
    Buffer.from(memory.slice(hashes + index * 16, hashes + index * 16 + 16)).toString('hex'),
  );
}

describe.each(BUILDS)('the key hash of the %s', (_, make) => {
  const secret = Uint8Array.from({ length: 16 }, (_, index) => index);

  it('has the values of the reference implementation', () => {
    expect(hashed(make(), secret, [new Uint8Array(0), Uint8Array.of(0)])).toEqual([
      'a3817f04ba25a8e66df67214c7550293',
      'da87c1d86b99af44347659119b22fc45',
    ]);
  });

  it('is SipHash-2-4 at every length, whatever lies behind a key', () => {
    const keys = Array.from({ length: 260 }, (_, length) => noise(length, length + 1));
    expect(hashed(make(), secret, keys)).toEqual(keys.map((key) => sipHash(secret, key)));
    const other = noise(16, 9);
    expect(hashed(make(), other, keys.slice(0, 40))).toEqual(keys.slice(0, 40).map((key) => sipHash(other, key)));
  });

  it('leaves a null key alone', () => {
    expect(hashed(make(), secret, [null, Uint8Array.of(0)])[0]).toBe('00'.repeat(16));
  });
});
