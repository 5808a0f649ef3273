// CRC32C of both builds against published vectors, the oracle and a native implementation.
import { crc32c as nativeCrc32c } from '@node-rs/crc32';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kernels } from '../../src/wasm/kernels.ts';
import { CrcTable } from '../../src/wasm/oracle.ts';
import { BUILDS, noise, place, utf8 } from './builds.ts';

const crc = new CrcTable();

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

// RFC 3720 B.4 gives the CRC's bytes in the order of transmission; here they are numbers.
const PUBLISHED: readonly (readonly [string, Uint8Array, number])[] = [
  ['RFC 3720 B.4, 32 bytes of zeroes', new Uint8Array(32), 0x8a9136aa],
  ['RFC 3720 B.4, 32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['RFC 3720 B.4, 32 incrementing bytes', Uint8Array.from({ length: 32 }, (_, index) => index), 0x46dd794e],
  ['RFC 3720 B.4, 32 decrementing bytes', Uint8Array.from({ length: 32 }, (_, index) => 31 - index), 0x113fdb5c],
  [
    'RFC 3720 B.4, an iSCSI SCSI read (10) command PDU',
    hex('01c000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000'),
    0xd9963a56,
  ],
  ['the check value of the CRC catalogue, "123456789"', utf8('123456789'), 0xe3069283],
  ['no bytes', new Uint8Array(0), 0],
];

/** Lengths around which the kernel changes its way, and around multiples of its units. */
function boundaryLengths(): number[] {
  const lengths = new Set<number>();
  const stages = [256, 1408, 16_384];
  const others = [80 * 16, 5424, 5424 + 16_384, 5424 + 2 * 16_384, 5424 + 3 * 16_384, 65_536, 262_144];
  for (const middle of [...stages, ...others]) {
    for (let delta = -70; delta <= 70; delta++) lengths.add(middle + delta);
  }
  return [...lengths];
}

describe.each(BUILDS)('crc32c of the %s', (_, make) => {
  const kernels: Kernels = make();

  it.each(PUBLISHED)('gives the published value for %s', (_name, bytes, expected) => {
    expect(kernels.crc32c(place(kernels, bytes), bytes.length)).toBe(expected);
    expect(crc.crc32c(bytes)).toBe(expected);
  });

  it('agrees with the oracle at every length from 0 to 2,048', () => {
    const bytes = noise(2048);
    const pointer = place(kernels, bytes);
    for (let length = 0; length <= bytes.length; length++) {
      const expected = crc.crc32c(bytes.subarray(0, length));
      if (kernels.crc32c(pointer, length) !== expected) expect.fail(`wrong at length ${length}`);
    }
  });

  it('agrees with a native implementation around every length where its way changes', () => {
    const bytes = noise(262_144 + 128, 7);
    const pointer = place(kernels, bytes, 5);
    for (const length of boundaryLengths()) {
      const expected = nativeCrc32c(bytes.subarray(0, length));
      if (kernels.crc32c(pointer, length) !== expected) expect.fail(`wrong at length ${length}`);
    }
  });

  it('does not depend on alignment nor on the bytes around the input', () => {
    for (const length of [1, 15, 255, 256, 700, 1407, 1408, 4096, 16_383, 16_384, 40_000]) {
      const bytes = noise(length, length);
      const expected = nativeCrc32c(bytes);
      for (let misalignment = 0; misalignment < 64; misalignment++) {
        const pointer = kernels.reserve(length + 192);
        kernels.bytes().fill(0xa5 ^ misalignment, pointer, pointer + length + 192);
        kernels.bytes().set(bytes, pointer + misalignment);
        const actual = kernels.crc32c(pointer + misalignment, length);
        if (actual !== expected) expect.fail(`wrong at length ${length}, misalignment ${misalignment}`);
      }
    }
  });

  it('agrees with a native implementation on random bytes of random lengths', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 120_000 }),
        fc.integer({ min: 1 }),
        fc.nat(63),
        (length, seed, misalignment) => {
          const bytes = noise(length, seed);
          return kernels.crc32c(place(kernels, bytes, misalignment), length) === nativeCrc32c(bytes);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('leaves no trace of a long input in the next one', () => {
    const long = noise(100_000, 3);
    const short = noise(5000, 4);
    const expected = nativeCrc32c(short);
    kernels.crc32c(place(kernels, long), long.length);
    expect(kernels.crc32c(place(kernels, short), short.length)).toBe(expected);
    expect(kernels.crc32cOf(short)).toBe(expected);
  });

  it('changes when any one bit of the input changes', () => {
    const bytes = noise(3000, 9);
    const pointer = place(kernels, bytes);
    const before = kernels.crc32c(pointer, bytes.length);
    const memory = kernels.bytes();
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const at = pointer + (bit >>> 3);
      const original = memory[at] ?? 0;
      memory[at] = original ^ (1 << (bit & 7));
      if (kernels.crc32c(pointer, bytes.length) === before) expect.fail(`bit ${bit} is not seen`);
      memory[at] = original;
    }
    expect(kernels.crc32c(pointer, bytes.length)).toBe(before);
  });
});
