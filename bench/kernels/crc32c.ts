// CRC32C of bytes in linear memory, against `@node-rs/crc32` (SSE4.2, over a Buffer) and a plain table in TypeScript.
import { crc32c as nativeCrc32c } from '@node-rs/crc32';
import { present } from '../../src/core/assert.ts';
import { type Contender, compare, repetitions } from '../comparison.ts';
import { loadKernels, noise } from '../inputs.ts';
import { type BenchmarkContext, row, type Suite, wanted } from '../row.ts';

const SIZES = [256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768, 65_536, 262_144, 1_048_576];

export const crc32cSuite: Suite = {
  name: 'crc32c',
  async run(context) {
    for (const size of SIZES) {
      if (wanted(context, `crc32c/${size}`) || wanted(context, `crc32c-table/${size}`)) await runSize(context, size);
    }
  },
};

async function runSize(context: BenchmarkContext, size: number): Promise<void> {
  const { nanoseconds, check } = await compare(context, contenders(context, size));
  const rate = (name: string): number => size / present(nanoseconds.get(name), name);
  const value = rate('millrace');
  const rows = [
    row({
      name: `crc32c/${size}`,
      unit: 'GB/s',
      value,
      baseline: '@node-rs/crc32',
      baselineValue: rate('native'),
      check,
    }),
    row({ name: `crc32c-table/${size}`, unit: 'GB/s', value, baseline: 'table', baselineValue: rate('table'), check }),
  ];
  for (const each of rows) if (wanted(context, each.name)) context.report(each);
}

function contenders(context: BenchmarkContext, size: number): Contender[] {
  const kernels = loadKernels();
  const bytes = noise(size);
  // Batches lie at any address: 3 is as bad as others.
  const pointer = kernels.reserve(size + 3) + 3;
  kernels.bytes().set(bytes, pointer);
  const buffer = Buffer.from(bytes);
  const table = makeTable();
  const many = repetitions(context, size / 8 + 100);
  const few = repetitions(context, size * 3);
  return [
    { name: 'millrace', operations: many, run: repeat(many, () => kernels.crc32c(pointer, size)) },
    { name: 'native', operations: many, run: repeat(many, () => nativeCrc32c(buffer)) },
    { name: 'table', operations: few, run: repeat(few, () => tableCrc32c(table, bytes)) },
  ];
}

function repeat(times: number, operation: () => number): () => number {
  return () => {
    let result = 0;
    for (let time = 0; time < times; time++) result = operation();
    return result;
  };
}

function makeTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let register = byte;
    for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? 0x82f63b78 : 0);
    return register;
  });
}

/** What packages without native code do: one table, one byte at a time. */
function tableCrc32c(table: Uint32Array, bytes: Uint8Array): number {
  let register = -1;
  for (let index = 0; index < bytes.length; index++) {
    register = (register >>> 8) ^ (table[(register ^ (bytes[index] ?? 0)) & 255] ?? 0);
  }
  return ~register >>> 0;
}
