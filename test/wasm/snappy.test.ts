// The Snappy kernels against a plain reading of the format and against the package that others use, with blocks that
// keep to the format, that break its rules, and that were damaged; and that nothing outside of their room is touched.

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { OVER_READ_BYTES } from '../../assembly/shared/memory-layout.ts';
import { SNAPPY_BLOCK_BYTES_MAX, SNAPPY_TABLE_BYTES } from '../../assembly/shared/snappy-layout.ts';
import { BUILDS, noise, place, utf8 } from './builds.ts';

type SnappyPackage = Readonly<Pick<typeof import('snappy-wasm'), 'compress_raw' | 'decompress_raw'>>;
const snappyPackage: SnappyPackage = createRequire(import.meta.url)('snappy-wasm');
/** What the kernels may overwrite behind their room. */
const SLACK_BYTES = 16;
const GUARD_BYTES = 64;
const GUARD = 0xa5;
const OUTPUT_BYTES_MAX = 100_000;

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.of(...bytes, rest);
}

function littleEndian(value: number, byteCount: number): number[] {
  return Array.from({ length: byteCount }, (_, index) => Math.floor(value / 256 ** index) % 256);
}

/** What the elements become; undefined where they are not sound. */
function unpackedByOracle(elements: Uint8Array): Uint8Array | undefined {
  const output: number[] = [];
  let at = 0;
  const number = (byteCount: number): number => {
    let value = 0;
    for (let index = 0; index < byteCount; index++) value += (elements[at + index] ?? Number.NaN) * 256 ** index;
    at += byteCount;
    return value;
  };
  while (at < elements.length) {
    const tag = number(1);
    const kind = tag % 4;
    if (kind === 0) {
      const short = tag >>> 2;
      const length = 1 + (short < 60 ? short : number(short - 59));
      if (!(at + length <= elements.length) || output.length + length > OUTPUT_BYTES_MAX) return undefined;
      for (const byte of elements.subarray(at, at + length)) output.push(byte);
      at += length;
      continue;
    }
    const length = kind === 1 ? 4 + ((tag >>> 2) & 7) : 1 + (tag >>> 2);
    const distance = kind === 1 ? (tag >>> 5) * 256 + number(1) : number(kind === 2 ? 2 : 4);
    if (!(distance >= 1 && distance <= output.length) || output.length + length > OUTPUT_BYTES_MAX) return undefined;
    for (let index = 0; index < length; index++) output.push(output[output.length - distance] ?? 0);
  }
  return Uint8Array.from(output);
}

/** One element, as it is written down: nothing says that it makes sense. */
const literal = fc
  .tuple(fc.uint8Array({ minLength: 1, maxLength: 700 }), fc.integer({ min: 0, max: 4 }))
  .map(([bytes, lengthBytes]) => {
    const length = bytes.length - 1;
    const needed = length < 60 ? 0 : length < 256 ? 1 : 2;
    const used = Math.max(lengthBytes, needed);
    const head = used === 0 ? [length << 2] : [(59 + used) << 2, ...littleEndian(length, used)];
    return Uint8Array.of(...head, ...bytes);
  });
const copy = fc
  .record({ kind: fc.constantFrom(1, 2, 3), length: fc.nat({ max: 63 }), distance: fc.nat({ max: 1500 }) })
  .map(({ kind, length, distance }) =>
    kind === 1
      ? Uint8Array.of(((distance >>> 8) << 5) | ((length & 7) << 2) | 1, distance & 255)
      : Uint8Array.of((length << 2) | kind, ...littleEndian(distance, kind === 2 ? 2 : 4)),
  );
const near = copy.filter((bytes) => (bytes[0] ?? 0) % 4 !== 1 || (bytes[0] ?? 0) < 32);
const elements = fc
  .tuple(literal, fc.array(fc.oneof(literal, copy, near), { maxLength: 30 }))
  .map(([first, rest]) => new Uint8Array(Buffer.concat([first, ...rest])));

/** Bytes that compress as text does, to some part. */
const content = fc.oneof(
  fc.uint8Array({ maxLength: 3000 }),
  fc
    .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 60 })), { maxLength: 25 })
    .map((runs) =>
      new Uint8Array(runs.flatMap(([word, times]) => Array.from({ length: times }, () => [...word]).flat())).subarray(
        0,
        SNAPPY_BLOCK_BYTES_MAX,
      ),
    ),
);

describe.each(BUILDS)('the Snappy kernel of the %s', (_name, make) => {
  const kernels = make();

  /** What the kernel makes of elements, beside guards that it has to leave alone; undefined where it refuses them. */
  function unpacked(bytes: Uint8Array, room: number, misalignment = 3): Uint8Array | undefined {
    const source = place(kernels, bytes, misalignment);
    const target =
      kernels.reserveBeside(source, bytes.length, 2 * GUARD_BYTES + room + SLACK_BYTES + OVER_READ_BYTES) + GUARD_BYTES;
    const end = target + room + SLACK_BYTES;
    kernels.bytes().fill(GUARD, target - GUARD_BYTES, end + GUARD_BYTES);
    const isSound = kernels.exports.unpackSnappyElements(source, source + bytes.length, target, target + room);
    const memory = kernels.bytes();
    expect(memory.subarray(target - GUARD_BYTES, target).every((byte) => byte === GUARD)).toBe(true);
    expect(memory.subarray(end, end + GUARD_BYTES).every((byte) => byte === GUARD)).toBe(true);
    expect(Buffer.compare(memory.subarray(source, source + bytes.length), bytes)).toBe(0);
    return isSound === 0 ? undefined : memory.slice(target, target + room);
  }

  function expectAsOracle(bytes: Uint8Array, misalignment?: number): boolean {
    const expected = unpackedByOracle(bytes);
    if (expected === undefined) {
      for (const room of [0, 1, 500, 5000]) expect(unpacked(bytes, room, misalignment)).toBeUndefined();
      return false;
    }
    const result = unpacked(bytes, expected.length, misalignment);
    expect(result !== undefined && Buffer.compare(result, expected)).toBe(0);
    expect(unpacked(bytes, expected.length + 1, misalignment)).toBeUndefined();
    if (expected.length > 0) expect(unpacked(bytes, expected.length - 1, misalignment)).toBeUndefined();
    return true;
  }

  test('makes of any elements what the format says, or refuses them', () => {
    const seen = new Set<boolean>();
    fc.assert(
      fc.property(elements, fc.nat({ max: 15 }), (bytes, misalignment) => {
        seen.add(expectAsOracle(bytes, misalignment));
      }),
      { numRuns: 500 },
    );
    // Chance must have brought both.
    expect(seen.size).toBe(2);
  });

  test('gives the same with any byte damaged, and with any end cut off', () => {
    fc.assert(
      fc.property(content, fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, where, flip) => {
        const whole = snappyPackage.compress_raw(bytes).slice(varint(bytes.length).length);
        if (whole.length === 0) return;
        const at = where % whole.length;
        expectAsOracle(whole.map((byte, index) => (index === at ? byte ^ flip : byte)));
        expectAsOracle(whole.subarray(0, at));
      }),
      { numRuns: 200 },
    );
  });

  test('refuses literals whose length turns a signed reader back, or an adder over', () => {
    for (const last of [[0xfc], [0xfa, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0xff], [0xff, 0xff, 0xff, 0x7f]]) {
      const bytes = Uint8Array.of((59 + last.length) << 2, ...last, 1, 2, 3);
      for (const room of [0, 4, 1000]) expect(unpacked(bytes, room)).toBeUndefined();
    }
  });

  test('reads what the package writes', () => {
    fc.assert(
      fc.property(content, fc.nat({ max: 15 }), (bytes, misalignment) => {
        const block = snappyPackage.compress_raw(bytes).slice();
        const result = unpacked(block.subarray(varint(bytes.length).length), bytes.length, misalignment);
        expect(result !== undefined && Buffer.compare(result, bytes)).toBe(0);
      }),
      { numRuns: 150 },
    );
  });

  /** The block that the kernel makes, beside guards that it has to leave alone. */
  function packed(bytes: Uint8Array, misalignment = 3): Uint8Array {
    const room = bytes.length + Math.ceil(bytes.length / 6) + 32;
    const source = place(kernels, bytes, misalignment);
    const table = kernels.reserveBeside(source, bytes.length, SNAPPY_TABLE_BYTES + 2 * GUARD_BYTES + room);
    const target = table + SNAPPY_TABLE_BYTES + GUARD_BYTES;
    const end = target + room;
    // The table may hold anything.
    kernels.bytes().fill(GUARD, table, end + GUARD_BYTES);
    const length = kernels.exports.packSnappyBlock(source, bytes.length, target, table);
    expect(length).toBeLessThanOrEqual(room);
    const memory = kernels.bytes();
    expect(memory.subarray(target - GUARD_BYTES, target).every((byte) => byte === GUARD)).toBe(true);
    expect(memory.subarray(end, end + GUARD_BYTES).every((byte) => byte === GUARD)).toBe(true);
    expect(Buffer.compare(memory.subarray(source, source + bytes.length), bytes)).toBe(0);
    return memory.slice(target, target + length);
  }

  function expectGivenBack(bytes: Uint8Array, misalignment?: number): void {
    const block = packed(bytes, misalignment);
    expect(Buffer.compare(snappyPackage.decompress_raw(block), bytes)).toBe(0);
    const size = varint(bytes.length);
    expect(Buffer.compare(block.subarray(0, size.length), size)).toBe(0);
    const result = unpackedByOracle(block.subarray(size.length));
    expect(result !== undefined && Buffer.compare(result, bytes)).toBe(0);
  }

  test('makes blocks that everybody can read', () => {
    fc.assert(
      fc.property(content, fc.nat({ max: 15 }), (bytes, misalignment) => expectGivenBack(bytes, misalignment)),
      { numRuns: 150 },
    );
    for (let length = 0; length <= 140; length++) {
      expectGivenBack(new Uint8Array(length));
      expectGivenBack(noise(length));
      expectGivenBack(utf8('abcabcabcabcabc'.repeat(10).slice(0, length)));
    }
    const mixed = Buffer.concat([noise(20_000), new Uint8Array(25_000), noise(600), noise(600), noise(19_336, 3)]);
    for (const length of [mixed.length, 32_768, 65_535, 65_536]) expectGivenBack(mixed.subarray(0, length));
  });

  test('makes them about as small as the package does', () => {
    const text = utf8('the quick brown fox jumps over the lazy dog, '.repeat(3) + 'and again '.repeat(20)).slice();
    const words = Array.from({ length: 300 }, (_, index) =>
      text.subarray((index * 37) % 200, ((index * 37) % 200) + 30),
    );
    const bytes = new Uint8Array(Buffer.concat(words));
    expect(packed(bytes).length).toBeLessThan(1.15 * snappyPackage.compress_raw(bytes).length);
  });
});
