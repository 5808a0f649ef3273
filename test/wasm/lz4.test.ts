// The LZ4 kernels against a plain reading of the format and against the package that others use, with frames that keep
// to the format, that break every rule of it, and that were damaged; and that nothing outside of their room is touched.

import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as lz4 from '../../assembly/shared/lz4-layout.ts';
import { LogFault } from '../../src/core/fault.ts';
import type { Kernels } from '../../src/wasm/kernels.ts';
import { unpackLz4Frame } from '../../src/wasm/lz4.ts';
import { goldenBatches } from '../compression/golden-batches.ts';
import { BUILDS, noise, place, plainKernels, utf8 } from './builds.ts';
import { unpackedLz4 } from './lz4-oracle.ts';
import { xxh32 } from './xxh32.ts';

type Lz4Package = Readonly<Pick<typeof import('lz4-wasm-nodejs'), 'compress' | 'decompress'>>;
const lz4Package: Lz4Package = createRequire(import.meta.url)('lz4-wasm-nodejs');
/** The package's own prefix to a block. */
const PREFIX_BYTES = 4;
const BATCH_HEADER_BYTES = 61;
/** What the kernels may overwrite behind their room. */
const SLACK_BYTES = 16;
const GUARD_BYTES = 64;
const GUARD = 0xa5;

interface FrameParts {
  readonly flags: number;
  readonly code: number;
  readonly blocks: readonly { readonly bytes: Uint8Array; readonly isStored: boolean }[];
  /** What it becomes, for its checksum, where that is wanted and known. */
  readonly content?: Uint8Array;
}

function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

/** A frame whose header and checksums are right, whatever its blocks are. */
function frameOf({ flags, code, blocks, content }: FrameParts): Uint8Array {
  const all = lz4.LZ4_FLAG_VERSION | lz4.LZ4_FLAG_INDEPENDENT | flags;
  const size = flags & lz4.LZ4_FLAG_CONTENT_SIZE ? noise(8) : new Uint8Array(0);
  const descriptor = Uint8Array.of(all, code << 4, ...size);
  const parts = [word(lz4.LZ4_MAGIC), descriptor, Uint8Array.of((xxh32(descriptor) >>> 8) & 255)];
  for (const { bytes, isStored } of blocks) {
    parts.push(word(isStored ? bytes.length + 2 ** 31 : bytes.length), bytes);
    if (flags & lz4.LZ4_FLAG_BLOCK_CHECKSUM) parts.push(word(xxh32(bytes)));
  }
  parts.push(word(0));
  if (flags & lz4.LZ4_FLAG_CONTENT_CHECKSUM) parts.push(word(xxh32(content ?? new Uint8Array(0))));
  // Not a Buffer, whose slices share their bytes.
  return new Uint8Array(Buffer.concat(parts));
}

/** One sequence of a block, as it is written down: nothing says that it makes sense. */
interface Sequence {
  readonly literals: Uint8Array;
  readonly distance: number;
  readonly match: number;
}

function extension(length: number): number[] {
  if (length < 15) return [];
  return [...Array.from({ length: Math.floor((length - 15) / 255) }, () => 255), (length - 15) % 255];
}

function blockOf(sequences: readonly Sequence[], last: Uint8Array): Uint8Array {
  const parts = sequences.map(({ literals, distance, match }) =>
    Uint8Array.of(
      (Math.min(15, literals.length) << 4) | Math.min(15, match),
      ...extension(literals.length),
      ...literals,
      distance & 255,
      distance >>> 8,
      ...extension(match),
    ),
  );
  return Buffer.concat([...parts, Uint8Array.of(Math.min(15, last.length) << 4, ...extension(last.length), ...last)]);
}

/** Sequences whose distances lead back to what is there, which chance alone seldom gives. */
function reaching(list: readonly Sequence[]): Sequence[] {
  let made = 0;
  return list.map((each): Sequence => {
    made += each.literals.length;
    const distance = made === 0 ? each.distance : 1 + ((each.distance + made - 1) % made);
    made += each.match + lz4.LZ4_WORD_BYTES;
    return { ...each, distance: Math.min(65_535, distance) };
  });
}

const distances = fc.oneof(fc.integer({ min: 0, max: 40 }), fc.nat({ max: 65_535 }), fc.constantFrom(1, 15, 16, 17));
const lengths = fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 600 }), fc.constantFrom(14, 15, 269, 270, 271, 70_000));
const sequence: fc.Arbitrary<Sequence> = fc.record({
  literals: fc.oneof(fc.uint8Array({ maxLength: 18 }), fc.uint8Array({ maxLength: 700 })),
  distance: distances,
  match: lengths,
});
const likely = fc.array(sequence, { maxLength: 12 }).map(reaching);
const ending = fc.oneof(fc.uint8Array({ minLength: 5, maxLength: 30 }), fc.uint8Array({ maxLength: 6 }));
const block = fc.oneof(
  fc.tuple(likely, ending).map(([list, last]) => ({ bytes: blockOf(list, last), isStored: false })),
  fc.tuple(fc.array(sequence, { maxLength: 3 }), ending).map(([list, last]) => ({
    bytes: blockOf(list, last),
    isStored: false,
  })),
  fc.uint8Array({ minLength: 1, maxLength: 300 }).map((bytes) => ({ bytes, isStored: true })),
);
const frame = fc
  .record({
    flags: fc.integer({ min: 0, max: 15 }).map((bits) => (bits & 7) << 2),
    code: fc.integer({ min: 4, max: 7 }),
    blocks: fc.array(block, { maxLength: 4 }),
  })
  .map((parts) => {
    const plain = unpackedLz4(frameOf({ ...parts, flags: 0 }), ROOM);
    return frameOf(typeof plain === 'number' ? parts : { ...parts, content: plain });
  });
const ROOM = 400_000;

interface Packed {
  readonly bytes: Uint8Array;
  readonly isStored: boolean;
}

/** The blocks of a frame without checksums. */
function blocksOf(whole: Uint8Array): Packed[] {
  const view = new DataView(whole.buffer, whole.byteOffset, whole.length);
  const list: Packed[] = [];
  for (let at = lz4.LZ4_HEADER_BYTES; view.getUint32(at, true) !== 0; ) {
    const size = view.getUint32(at, true);
    const bytes = whole.subarray(at + 4, at + 4 + (size % 2 ** 31));
    list.push({ bytes, isStored: size >= 2 ** 31 });
    at += 4 + bytes.length;
  }
  return list;
}

/** Readers in other languages insist on the rules for the end of a block: five literals, no match in the last twelve bytes. */
function expectStrict({ bytes, isStored }: Packed, reader: Lz4Package): void {
  if (isStored) return;
  let at = 0;
  let made = 0;
  let lastMatch = Number.NEGATIVE_INFINITY;
  const length = (nibble: number): number => {
    let total = nibble;
    for (let more = nibble === 15 ? 255 : 0; more === 255; ) {
      more = bytes[at++] ?? 0;
      total += more;
    }
    return total;
  };
  for (;;) {
    const token = bytes[at++] ?? 0;
    const literals = length(token >>> 4);
    at += literals;
    made += literals;
    if (at === bytes.length) {
      if (lastMatch >= 0) expect(literals).toBeGreaterThanOrEqual(5);
      expect(made - lastMatch).toBeGreaterThanOrEqual(12);
      expect(reader.decompress(Buffer.concat([word(made), bytes])).length).toBe(made);
      return;
    }
    expect(at).toBeLessThan(bytes.length);
    at += 2;
    lastMatch = made;
    made += length(token & 15) + 4;
  }
}

/** Text of words that come again and again, as records have them. */
const text = fc
  .array(fc.constantFrom('level=info ', 'status=200 ', 'path=/api/v1/orders ', 'id=', 'a', '9e3779b1', '\n'), {
    maxLength: 4000,
  })
  .map((words) => utf8(words.join('')));
const content = fc.oneof(
  text,
  fc.uint8Array({ maxLength: 3000 }),
  text.map((bytes) => new Uint8Array(bytes.length)),
);

function packed(bytes: Uint8Array): Uint8Array {
  const blocks: { bytes: Uint8Array; isStored: boolean }[] = [];
  for (let at = 0; at < bytes.length; at += lz4.LZ4_BLOCK_BYTES_FIRST) {
    const part = bytes.subarray(at, at + lz4.LZ4_BLOCK_BYTES_FIRST);
    blocks.push({ bytes: lz4Package.compress(part).subarray(PREFIX_BYTES), isStored: false });
  }
  const flags = lz4.LZ4_FLAG_BLOCK_CHECKSUM | lz4.LZ4_FLAG_CONTENT_CHECKSUM;
  return frameOf({ flags, code: 4, blocks, content: bytes });
}

describe.each(BUILDS)('the LZ4 kernel of the %s', (_name, make) => {
  const kernels = make();

  /** What the kernel makes of a frame, beside guards that it has to leave alone. */
  function unpacked(bytes: Uint8Array, room: number, misalignment = 3): Uint8Array | number {
    const source = place(kernels, bytes, misalignment);
    const target =
      kernels.reserveBeside(source, bytes.length, GUARD_BYTES + room + SLACK_BYTES + GUARD_BYTES) + GUARD_BYTES;
    const end = target + room + SLACK_BYTES;
    kernels.bytes().fill(GUARD, target - GUARD_BYTES, end + GUARD_BYTES);
    const result = kernels.exports.unpackLz4Frame(source, bytes.length, target, room);
    expect(result).toBeLessThanOrEqual(room);
    const memory = kernels.bytes();
    expect(memory.subarray(target - GUARD_BYTES, target).every((byte) => byte === GUARD)).toBe(true);
    expect(memory.subarray(end, end + GUARD_BYTES).every((byte) => byte === GUARD)).toBe(true);
    expect(Buffer.compare(memory.subarray(source, source + bytes.length), bytes)).toBe(0);
    return result < 0 ? result : memory.slice(target, target + result);
  }

  function expectAsOracle(bytes: Uint8Array, room: number, misalignment?: number): Uint8Array | number {
    const expected = unpackedLz4(bytes, room);
    const result = unpacked(bytes, room, misalignment);
    if (typeof expected === 'number' || typeof result === 'number') expect(result).toBe(expected);
    else expect(Buffer.compare(result, expected)).toBe(0);
    return result;
  }

  test('makes of any frame what the format says, or refuses it for the same reason', () => {
    const seen = new Set<number>();
    fc.assert(
      fc.property(frame, fc.nat({ max: 15 }), (bytes, misalignment) => {
        const result = expectAsOracle(bytes, ROOM, misalignment);
        seen.add(typeof result === 'number' ? result : 0);
      }),
      { numRuns: 400 },
    );
    // Chance must have brought frames that are read, and those that lead astray.
    expect([...seen]).toEqual(expect.arrayContaining([0, lz4.LZ4_MALFORMED_BLOCK]));
  });

  test('gives the same with any byte damaged, and with any end cut off', () => {
    fc.assert(
      fc.property(frame, fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, where, flip) => {
        const at = where % bytes.length;
        expectAsOracle(
          bytes.map((byte, index) => (index === at ? byte ^ flip : byte)),
          ROOM,
        );
        expectAsOracle(bytes.subarray(0, at), ROOM);
      }),
      { numRuns: 200 },
    );
  });

  test('gives the same with any damage to blocks whose checksums nobody keeps', () => {
    fc.assert(
      fc.property(content, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }), (bytes, damages) => {
        const blocks = [{ bytes: lz4Package.compress(bytes).subarray(PREFIX_BYTES).slice(), isStored: false }];
        for (const [where, value] of damages) {
          for (const each of blocks) each.bytes[where % each.bytes.length] = value;
        }
        expectAsOracle(frameOf({ flags: 0, code: 4, blocks }), ROOM);
      }),
      { numRuns: 200 },
    );
  });

  test('reads what the package writes, and agrees with it on what it reads', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        const result = unpacked(packed(bytes), bytes.length);
        expect(typeof result !== 'number' && Buffer.compare(result, bytes)).toBe(0);
      }),
      { numRuns: 100 },
    );
    fc.assert(
      fc.property(likely, ending, (list, last) => {
        const bytes = blockOf(list, last);
        const result = unpacked(frameOf({ flags: 0, code: 4, blocks: [{ bytes, isStored: false }] }), ROOM);
        if (typeof result === 'number') return;
        const other = lz4Package.decompress(Buffer.concat([word(result.length), bytes]));
        expect(Buffer.compare(other, result)).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  test('keeps to its room, with a byte too few as with none', () => {
    fc.assert(
      fc.property(frame, fc.nat({ max: 1000 }), (bytes, room) => {
        const whole = unpackedLz4(bytes, ROOM);
        if (typeof whole === 'number' || whole.length === 0) return;
        expectAsOracle(bytes, whole.length);
        expect(unpacked(bytes, whole.length - 1)).toBe(lz4.LZ4_NO_ROOM);
        expectAsOracle(bytes, room);
      }),
      { numRuns: 150 },
    );
  });

  /** Short sequences one after the other, as text gives them; now and then one that is longer than a vector. */
  const short = fc.record({
    literals: fc.uint8Array({ maxLength: 17 }),
    distance: fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 65_535 })),
    match: fc.oneof({ weight: 6, arbitrary: fc.nat({ max: 16 }) }, { weight: 1, arbitrary: fc.nat({ max: 300 }) }),
  });
  const dense = fc
    .tuple(fc.array(short, { minLength: 1, maxLength: 10 }), fc.option(short, { nil: undefined }))
    .map(([list, astray]) => (astray === undefined ? reaching(list) : [...reaching(list), astray]));

  test('judges every end of a block, and every end of its room, as the format does', () => {
    fc.assert(
      fc.property(dense, ending, fc.integer({ min: 4, max: 7 }), (list, last, code) => {
        const bytes = blockOf(list, last);
        const of = (part: Uint8Array) => frameOf({ flags: 0, code, blocks: [{ bytes: part, isStored: false }] });
        for (let end = 1; end <= bytes.length; end++) expectAsOracle(of(bytes.subarray(0, end)), ROOM, end % 16);
        const whole = unpackedLz4(of(bytes), ROOM);
        const made = typeof whole === 'number' ? 60 : whole.length;
        for (let room = 0; room <= made; room++) expectAsOracle(of(bytes), room, room % 16);
      }),
      { numRuns: 40 },
    );
  });

  test('knows before it begins how much a frame may become, or that it is broken', () => {
    fc.assert(
      fc.property(frame, fc.option(fc.nat(), { nil: undefined }), (whole, cut) => {
        const bytes = cut === undefined ? whole : whole.subarray(0, cut % (whole.length + 1));
        const bytesMax = kernels.exports.lz4FrameBytesMax(place(kernels, bytes, 5), bytes.length);
        const result = unpackedLz4(bytes, ROOM);
        if (typeof result !== 'number') expect(bytesMax).toBeGreaterThanOrEqual(result.length);
        else if (bytesMax >= 0) expect(result).not.toBe(lz4.LZ4_NO_END_MARK);
      }),
      { numRuns: 200 },
    );
  });

  /** The frame that the kernel makes, beside guards that it has to leave alone. */
  function packedByKernel(bytes: Uint8Array, misalignment = 3): Uint8Array {
    const words = lz4.LZ4_WORD_BYTES * (Math.ceil(bytes.length / lz4.LZ4_BLOCK_BYTES_FIRST) + 1);
    const room = lz4.LZ4_HEADER_BYTES + bytes.length + words;
    const source = place(kernels, bytes, misalignment);
    const beside = lz4.LZ4_TABLE_BYTES + 2 * GUARD_BYTES + room + SLACK_BYTES;
    const table = kernels.reserveBeside(source, bytes.length, beside);
    const target = table + lz4.LZ4_TABLE_BYTES + GUARD_BYTES;
    const end = target + room + SLACK_BYTES;
    // The table may hold anything.
    kernels.bytes().fill(GUARD, table, end + GUARD_BYTES);
    const length = kernels.exports.packLz4Frame(source, bytes.length, target, table);
    expect(length).toBeLessThanOrEqual(room);
    const memory = kernels.bytes();
    expect(memory.subarray(target - GUARD_BYTES, target).every((byte) => byte === GUARD)).toBe(true);
    expect(memory.subarray(end, end + GUARD_BYTES).every((byte) => byte === GUARD)).toBe(true);
    expect(Buffer.compare(memory.subarray(source, source + bytes.length), bytes)).toBe(0);
    return memory.slice(target, target + length);
  }

  function expectGivenBack(bytes: Uint8Array, misalignment?: number): void {
    const made = packedByKernel(bytes, misalignment);
    const plain = unpackedLz4(made, bytes.length);
    expect(typeof plain !== 'number' && Buffer.compare(plain, bytes)).toBe(0);
    for (const each of blocksOf(made)) expectStrict(each, lz4Package);
  }

  test('makes frames that everybody can read', () => {
    fc.assert(
      fc.property(content, fc.nat({ max: 15 }), (bytes, misalignment) => expectGivenBack(bytes, misalignment)),
      { numRuns: 150 },
    );
    for (let length = 0; length <= 40; length++) {
      expectGivenBack(new Uint8Array(length));
      expectGivenBack(noise(length));
      expectGivenBack(utf8('abcabcabcabcabcabcabcabcabcabcabcabcabcabc'.slice(0, length)));
    }
    const mixed = Buffer.concat([noise(65_000), new Uint8Array(70_000), noise(600), noise(600), noise(65_536, 3)]);
    for (const length of [65_535, 65_536, 65_537, 131_072, mixed.length]) expectGivenBack(mixed.subarray(0, length));
  });

  test('makes text as small as others do', () => {
    const words = ['level=info ', 'status=200 ', 'path=/api/v1/orders ', 'region=north ', 'cache=hit '];
    const bytes = utf8(
      Array.from(noise(20_000), (byte) => (byte < 128 ? `id=${byte * 7919} ` : words[byte % 5])).join(''),
    );
    const other = packed(bytes).length;
    expect(packedByKernel(bytes).length).toBeLessThan(other * 1.03);
    expect(packedByKernel(noise(200_000)).length).toBeLessThan(200_040);
  });

  test('repeats at every distance and length', () => {
    const start = noise(40);
    for (let distance = 1; distance <= 40; distance++) {
      const list = [0, 1, 11, 12, 13, 14, 15, 16, 28, 29, 255, 269, 270, 524, 525].map((match) => ({
        match,
        distance,
      }));
      const sequences = list.map((each, index) => ({ ...each, literals: index === 0 ? start : noise(index) }));
      const bytes = frameOf({ flags: 0, code: 4, blocks: [{ bytes: blockOf(sequences, start), isStored: false }] });
      expect(typeof expectAsOracle(bytes, ROOM)).toBe('object');
    }
  });
});

describe('a frame in memory', () => {
  const kernels = plainKernels();

  function unpack(bytes: Uint8Array, bytesMax: number, from: Kernels = kernels): Uint8Array {
    const region = unpackLz4Frame(from, { first: place(from, bytes), byteCount: bytes.length }, bytesMax);
    return from.bytes().slice(region.first, region.first + region.byteCount);
  }

  function expectRefused(action: () => unknown, reason: RegExp): void {
    expect(action).toThrow(LogFault);
    expect(action).toThrow(reason);
  }

  test('is decompressed beside itself', () => {
    const bytes = utf8('the same words and the same words and the same words again '.repeat(3000));
    expect(Buffer.compare(unpack(packed(bytes), bytes.length), bytes)).toBe(0);
  });

  test.each(goldenBatches().filter(({ codec }) => codec === 'lz4'))(
    'is read as Kafka’s Java client wrote it: $records',
    (each) => {
      const bytes = each.batch.subarray(BATCH_HEADER_BYTES);
      expect(Buffer.compare(unpack(bytes, 1 << 20), oracle(bytes))).toBe(0);
      expect(unpack(bytes, 1 << 20).length).toBe(each.plainBytes);
    },
  );

  function oracle(bytes: Uint8Array): Uint8Array {
    const result = unpackedLz4(bytes, 1 << 20);
    if (typeof result === 'number') throw new Error(`status ${result}`);
    return result;
  }

  test('takes no more memory than it may become, and is refused where that is too much', () => {
    const fresh = plainKernels();
    // 1,000 blocks of a run of zeroes, 4 MiB each: 4 GB from 16 MB.
    const run = blockOf([{ literals: new Uint8Array(1), distance: 1, match: 4_194_304 - 20 }], new Uint8Array(10));
    const bomb = frameOf({
      flags: 0,
      code: 7,
      blocks: Array.from({ length: 1000 }, () => ({ bytes: run, isStored: false })),
    });
    expectRefused(() => unpack(bomb, 8 << 20, fresh), /decompresses to more than 8388608 bytes/);
    expect(fresh.bytes().length).toBeLessThan(bomb.length + (10 << 20));
  });

  test('is refused with the reason', () => {
    const good = packed(utf8('hello, hello, hello, hello, hello'));
    const sealed = (change: (bytes: Uint8Array) => void): Uint8Array => {
      const bytes = good.slice();
      change(bytes);
      bytes[6] = (xxh32(bytes.subarray(4, 6)) >>> 8) & 255;
      return bytes;
    };
    const flag = (bits: number) => sealed((bytes) => bytes.set([(bytes[4] ?? 0) ^ bits], 4));
    expectRefused(() => unpack(good.subarray(0, 6), 100), /malformed LZ4 frame: it ends inside of its header/);
    expectRefused(
      () =>
        unpack(
          sealed((bytes) => bytes.set([5], 0)),
          100,
        ),
      /does not begin with the magic/,
    );
    expectRefused(() => unpack(flag(0x80), 100), /its version is unknown/);
    expectRefused(() => unpack(flag(1), 100), /asks for a dictionary/);
    expectRefused(() => unpack(flag(lz4.LZ4_FLAG_INDEPENDENT), 100), /its blocks depend on each other/);
    expectRefused(
      () =>
        unpack(
          sealed((bytes) => bytes.set([0x30], 5)),
          100,
        ),
      /its block size is unknown/,
    );
    expectRefused(
      () =>
        unpack(
          sealed((bytes) => bytes.set([0x80], 5)),
          100,
        ),
      /its block size is unknown/,
    );
    expectRefused(
      () =>
        unpack(
          good.map((byte, at) => (at === 6 ? byte ^ 1 : byte)),
          100,
        ),
      /checksum of its header/,
    );
    expectRefused(() => unpack(good.subarray(0, -8), 100), /has no end mark/);
    expectRefused(() => unpack(good.subarray(0, -5), 100), /has no end mark/);
    expectRefused(() => unpack(good.subarray(0, -13), 100), /ends inside of a block/);
    expectRefused(
      () =>
        unpack(
          good.map((byte, at) => (at === 12 ? byte ^ 1 : byte)),
          100,
        ),
      /checksum of a block/,
    );
    expectRefused(() => unpack(good.subarray(0, -1), 100), /ends inside of its checksum/);
    expectRefused(
      () =>
        unpack(
          good.map((byte, at) => (at === good.length - 1 ? byte ^ 1 : byte)),
          100,
        ),
      /its checksum/,
    );
    expectRefused(() => unpack(good, 32), /decompresses to more than 32 bytes/);
    const stored = frameOf({ flags: 0, code: 4, blocks: [{ bytes: new Uint8Array(65_537), isStored: true }] });
    expectRefused(() => unpack(stored, 1 << 20), /a block is larger than its frame allows/);
    const run = blockOf([{ literals: new Uint8Array(1), distance: 1, match: 65_526 }], new Uint8Array(6));
    const large = frameOf({ flags: 0, code: 4, blocks: [{ bytes: run, isStored: false }] });
    expectRefused(() => unpack(large, 1 << 20), /a block is larger than its frame allows/);
    const astray = blockOf([{ literals: new Uint8Array(3), distance: 4, match: 0 }], new Uint8Array(6));
    const before = frameOf({ flags: 0, code: 4, blocks: [{ bytes: astray, isStored: false }] });
    expectRefused(() => unpack(before, 1 << 20), /a sequence leads outside of its block/);
  });
});
