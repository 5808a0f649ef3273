// Every codec against what Kafka's Java client wrote, against other implementations, and against bytes that are damaged
// or made to do damage.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { createPortableCodecs } from '../../src/compression/portable-codecs.ts';
import { type CodecName, codecNumber } from '../../src/core/compression.ts';
import { LogFault } from '../../src/core/fault.ts';
import { createClientCodecs, createNodeCodecs } from '../../src/platform/node/codecs.ts';
import { xxh32 } from '../wasm/xxh32.ts';
import { type GoldenBatch, goldenBatches } from './golden-batches.ts';

const HEADER_BYTES = 61;
const MEBIBYTE = 1024 * 1024;
const NAMES: readonly CodecName[] = ['gzip', 'snappy', 'lz4', 'zstd'];
const golden = goldenBatches();
const node = createNodeCodecs();
const { codecs } = node;
const wasm = (name: string) => new Uint8Array(readFileSync(createRequire(import.meta.url).resolve(`#wasm/${name}`)));
const portable = createPortableCodecs(wasm('millrace.wasm'), wasm('zstd.wasm'));
/** Every codec of every kind of host. */
const CODECS = [
  ...NAMES.map((name) => ({ host: 'node', name, codec: codecs[name] })),
  ...NAMES.map((name) => ({ host: 'elsewhere', name, codec: portable[name] })),
];

beforeAll(() => node.load());

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function recordsOf({ batch }: GoldenBatch): Uint8Array {
  return batch.subarray(HEADER_BYTES);
}

/** Whether the bytes are refused, as they must be when they are refused at all. */
function isRefused(action: () => unknown): boolean {
  try {
    action();
    return false;
  } catch (error) {
    if (error instanceof LogFault && error.code === 'ERR_CORRUPT_LOG') return true;
    throw error;
  }
}

/** Bytes that compress as text does, to some part. */
const compressible = fc
  .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 3000 })), { maxLength: 40 })
  .map(
    (runs) => new Uint8Array(runs.flatMap(([word, times]) => Array.from({ length: times }, () => [...word]).flat())),
  );
const content = fc.oneof(fc.uint8Array({ maxLength: 2000 }), compressible);

test.each(golden)("reads what Kafka's Java client writes: $codec $level, $records", (batch) => {
  expect((batch.batch[22] ?? 0) & 7).toBe(codecNumber(batch.codec));
  for (const { codec } of CODECS.filter(({ name }) => name === batch.codec)) {
    const plain = codec.decompress(recordsOf(batch), MEBIBYTE);
    expect(plain.length).toBe(batch.plainBytes);
    expect(sha256(plain)).toBe(batch.plain);
  }
});

describe.each(CODECS)('$name on $host', ({ name, host, codec }) => {
  const sample = new Uint8Array(Buffer.from('hello, hello, hello, hello and then something else 0123456789'.repeat(3)));

  test('gives back what was compressed', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        expect(Buffer.compare(codec.decompress(codec.compress(bytes), bytes.length + 1), bytes)).toBe(0);
      }),
      { numRuns: 30 },
    );
  });

  test('gives back many blocks, and bytes that cannot be made smaller', () => {
    const large = Buffer.alloc(3 * MEBIBYTE + 17);
    for (let at = 0; at < large.length; at++) large[at] = at % 70_000 < 35_000 ? (at * 2_654_435_761) >>> 13 : at % 90;
    const compressed = codec.compress(large);
    expect(compressed.length).toBeLessThan(large.length);
    expect(sha256(codec.decompress(compressed, large.length))).toBe(sha256(large));
  });

  test('keeps the bound, with one byte less as with none', () => {
    const compressed = codec.compress(sample);
    expect(codec.decompress(compressed, sample.length).length).toBe(sample.length);
    expect(isRefused(() => codec.decompress(compressed, sample.length - 1))).toBe(true);
    expect(isRefused(() => codec.decompress(compressed, 1))).toBe(true);
  });

  test('refuses what is cut off at any byte', () => {
    const compressed = codec.compress(sample);
    // A snappy stream has no end of its own: behind its header or a block, the part before is a whole stream.
    const whole = name === 'snappy' ? [16] : [];
    for (let length = 0; length < compressed.length; length++) {
      if (whole.includes(length)) continue;
      expect(isRefused(() => codec.decompress(compressed.slice(0, length), MEBIBYTE))).toBe(true);
    }
  });

  test('gives back something bounded, or refuses, whatever byte is damaged', () => {
    const subjects = [
      codec.compress(sample),
      ...golden.filter((each) => each.codec === name && each.records === 'few').map(recordsOf),
    ];
    for (const subject of subjects) {
      for (let at = 0; at < subject.length; at++) {
        for (const flip of [1, 2, 4, 8, 16, 32, 64, 128, 255]) {
          const damaged = subject.slice();
          damaged[at] = (damaged[at] ?? 0) ^ flip;
          let bytes = 0;
          isRefused(() => {
            bytes = codec.decompress(damaged, MEBIBYTE).length;
          });
          expect(bytes).toBeLessThanOrEqual(MEBIBYTE);
        }
      }
    }
    expect(Buffer.compare(codec.decompress(codec.compress(sample), MEBIBYTE), sample)).toBe(0);
  });

  test('refuses noise, or what it makes of it is bounded', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        let bytes = 0;
        isRefused(() => {
          bytes = codec.decompress(noise, MEBIBYTE).length;
        });
        return bytes <= MEBIBYTE;
      }),
    );
  });

  test('bounds what a small batch may become', () => {
    const bomb = codec.compress(new Uint8Array(64 * MEBIBYTE));
    expect(bomb.length).toBeLessThan(4 * MEBIBYTE);
    expect(isRefused(() => codec.decompress(bomb, MEBIBYTE))).toBe(true);
  });

  test('reads what the other hosts write', () => {
    fc.assert(
      fc.property(content, (bytes) => {
        for (const other of CODECS.filter((each) => each.name === name && each.host !== host)) {
          expect(Buffer.compare(codec.decompress(other.codec.compress(bytes), bytes.length + 1), bytes)).toBe(0);
        }
      }),
      { numRuns: 30 },
    );
  });
});

test.each(NAMES)('clients in Node wait for nothing that they have not asked for: %s', async (name) => {
  const client = createClientCodecs()[name];
  const sample = new Uint8Array(Buffer.from('hello, hello, hello'));
  const compressed = await client.compress?.(sample);
  expect(Buffer.compare(await client.decompress(compressed ?? sample, MEBIBYTE), sample)).toBe(0);
});

describe('levels', () => {
  const text = golden.filter((each) => each.records === 'text');
  const plain = codecs.gzip.decompress(recordsOf(text[0] as GoldenBatch), MEBIBYTE);

  test('make gzip and zstd smaller', () => {
    expect(codecs.gzip.compress(plain, 9).length).toBeLessThan(codecs.gzip.compress(plain, 1).length);
    expect(codecs.gzip.compress(plain).length).toBe(gzipSync(plain, { level: constants.Z_DEFAULT_COMPRESSION }).length);
    expect(codecs.zstd.compress(plain, 19).length).toBeLessThan(codecs.zstd.compress(plain, -50).length);
    expect(codecs.zstd.compress(plain).length).toBe(codecs.zstd.compress(plain, 3).length);
  });
});

describe('formats', () => {
  const sample = Buffer.from('the same words and the same words and the same words again');

  test.each([codecs.gzip, portable.gzip])(
    'members of gzip that were put together are read, each with its checksum',
    (gzip) => {
      const members = [gzipSync(sample), gzipSync(Buffer.alloc(0)), gzipSync(sample)];
      const both = Buffer.concat(members);
      expect(Buffer.from(gzip.decompress(both, 1000))).toEqual(Buffer.concat([sample, sample]));
      const [first = both] = members;
      for (const at of [1, 5, 8].flatMap((back) => [first.length - back, both.length - back])) {
        const damaged = Buffer.from(both);
        damaged[at] = (damaged[at] ?? 0) ^ 1;
        expect(isRefused(() => gzip.decompress(damaged, 1000))).toBe(true);
      }
    },
  );

  test('one bare block of snappy is read', () => {
    const snappy: { compress_raw(bytes: Uint8Array): Uint8Array } = createRequire(import.meta.url)('snappy-wasm');
    expect(Buffer.from(codecs.snappy.decompress(snappy.compress_raw(sample), 100))).toEqual(sample);
  });

  test('snappy streams that were put together are read', () => {
    const twice = Buffer.concat([codecs.snappy.compress(sample), codecs.snappy.compress(sample)]);
    expect(Buffer.from(codecs.snappy.decompress(twice, 1000))).toEqual(Buffer.concat([sample, sample]));
  });

  test('snappy that promises more than it holds is refused before anything is set aside', () => {
    // A length of 4 GiB less one, then nothing; and a literal whose length turns a signed reader back.
    expect(isRefused(() => codecs.snappy.decompress(new Uint8Array([255, 255, 255, 255, 15]), MEBIBYTE))).toBe(true);
    const backwards = new Uint8Array([16, 252, 250, 255, 255, 255, 1, 2, 3]);
    expect(isRefused(() => codecs.snappy.decompress(backwards, MEBIBYTE))).toBe(true);
  });

  test('frames of zstd that were put together, and skippable ones, are read', () => {
    const skippable = new Uint8Array([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9]);
    const both = Buffer.concat([skippable, codecs.zstd.compress(sample), skippable, codecs.zstd.compress(sample)]);
    expect(Buffer.from(codecs.zstd.decompress(both, 1000))).toEqual(Buffer.concat([sample, sample]));
    expect(isRefused(() => codecs.zstd.decompress(both, 2 * sample.length - 1))).toBe(true);
  });

  test('zstd whose blocks repeat one byte without end is refused by its headers', () => {
    const head = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x58];
    const block = [2 | ((131_072 << 3) & 255), (131_072 >> 5) & 255, (131_072 >> 13) & 255, 7];
    const bomb = new Uint8Array([...head, ...Array.from({ length: 4096 }, () => block).flat()]);
    expect(() => codecs.zstd.decompress(bomb, MEBIBYTE)).toThrow(/cut off|more than/);
    bomb[bomb.length - 4] = (bomb[bomb.length - 4] ?? 0) | 1;
    expect(() => codecs.zstd.decompress(bomb, MEBIBYTE)).toThrow(/more than 1048576 bytes/);
  });

  test('an LZ4 frame with every checksum and a content size is read, and its checksums hold', () => {
    // Made of stored blocks, so that it can be written down here.
    const frame = Buffer.alloc(15 + 4 + sample.length + 4 + 4 + 4);
    frame.writeUInt32LE(0x184d2204, 0);
    frame[4] = 0x40 | 0x20 | 0x10 | 0x08 | 0x04;
    frame[5] = 0x40;
    frame.writeUInt32LE(sample.length, 6);
    frame[14] = (xxh32(frame.subarray(4, 14)) >>> 8) & 255;
    frame.writeUInt32LE((sample.length | 0x8000_0000) >>> 0, 15);
    sample.copy(frame, 19);
    frame.writeUInt32LE(xxh32(sample), 19 + sample.length);
    frame.writeUInt32LE(xxh32(sample), frame.length - 4);
    expect(Buffer.from(codecs.lz4.decompress(frame, 100))).toEqual(sample);
    for (const at of [14, 19, 19 + sample.length, frame.length - 1]) {
      const damaged = Buffer.from(frame);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expect(isRefused(() => codecs.lz4.decompress(damaged, 100))).toBe(true);
    }
  });

  test('XXH32 agrees with the published values', () => {
    // xxHash's own test vectors, and the length at which its stripes begin.
    expect(xxh32(new Uint8Array(0))).toBe(0x02cc5d05);
    expect(xxh32(Buffer.from('a'))).toBe(0x550d7456);
    expect(xxh32(Buffer.from('abc'))).toBe(0x32d153ff);
    expect(xxh32(Buffer.from('Nobody inspects the spammish repetition'))).toBe(0xe2293b2f);
  });
});
