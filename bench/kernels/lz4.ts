// Decompressing LZ4 frames of log-like text that lie in linear memory, in GB of output per second, against a package whose
// interface takes and gives blocks (it gets the block and its size for nothing: frames are not its business).
import { createRequire } from 'node:module';
import { present } from '../../src/core/assert.ts';
import { unpackLz4Frame } from '../../src/wasm/lz4.ts';
import { createLz4Codec } from '../../src/wasm/lz4-codec.ts';
import { type Contender, compare, repetitions } from '../comparison.ts';
import { loadKernels, noise } from '../inputs.ts';
import { type BenchmarkContext, row, type Suite, wanted } from '../row.ts';

type Lz4Package = Readonly<Pick<typeof import('lz4-wasm-nodejs'), 'decompress'>>;

const SIZES = [1024, 4096, 16_384, 65_536];
/** So many different frames in turn that no branch predictor can learn them. */
const FRAMES = 64;
const OUTPUT_BYTES_MAX = 1 << 20;
/** Behind the header of the frame and the size of its only block. */
const BLOCK_AT = 11;
const END_MARK_BYTES = 4;
const WORDS = ['level=info ', 'service=checkout ', 'method=GET ', 'path=/api/v1/orders ', 'status=200 ', 'cache=miss '];

export const lz4Suite: Suite = {
  name: 'lz4',
  async run(context) {
    for (const size of SIZES) if (wanted(context, `lz4-decompress/${size}`)) await runSize(context, size);
  },
};

async function runSize(context: BenchmarkContext, size: number): Promise<void> {
  const { nanoseconds, check } = await compare(context, contenders(context, size));
  const rate = (name: string): number => size / present(nanoseconds.get(name), name);
  const [value, baselineValue] = [rate('millrace'), rate('package')];
  const baseline = 'lz4-wasm-nodejs';
  context.report(row({ name: `lz4-decompress/${size}`, unit: 'GB/s', value, baseline, baselineValue, check }));
}

/** Half of it is words, half are numbers of which none comes twice. */
function textOf(size: number, seed: number): Uint8Array {
  let text = '';
  const random = new Uint32Array(noise(size * 4, seed).buffer);
  for (let index = 0; text.length < size; index++) {
    const word = random[index] ?? 0;
    text += word & 1 ? `id=${word.toString(16)} ` : WORDS[(word >>> 8) % WORDS.length];
  }
  return new TextEncoder().encode(text).subarray(0, size);
}

function contenders(context: BenchmarkContext, size: number): Contender[] {
  const codec = createLz4Codec(() => loadKernels());
  const frames = Array.from({ length: FRAMES }, (_, index) => codec.compress(textOf(size, index + 1)));
  const operations = repetitions(context, size / 2 + 100);
  return [inMemory(frames, operations), byPackage(frames, size, operations)];
}

/** Frames lie in front of the scratch memory, as batches lie in the slabs of a slot. */
function inMemory(frames: readonly Uint8Array[], operations: number): Contender {
  const reservedBytes = frames.reduce((sum, { length }) => sum + length, 0);
  const kernels = loadKernels({ reservedBytes });
  let first = kernels.reservedPointer;
  const sources = frames.map((frame) => {
    kernels.bytes().set(frame, first);
    first += frame.length;
    return { first: first - frame.length, byteCount: frame.length };
  });
  const run = (): Uint8Array => {
    let region = present(sources[0], 'a frame');
    for (let index = 0; index < operations; index++) {
      region = unpackLz4Frame(kernels, present(sources[index % FRAMES], 'a frame'), OUTPUT_BYTES_MAX);
    }
    return kernels.bytes().slice(region.first, region.first + region.byteCount);
  };
  return { name: 'millrace', operations, run };
}

function byPackage(frames: readonly Uint8Array[], size: number, operations: number): Contender {
  const lz4: Lz4Package = createRequire(import.meta.url)('lz4-wasm-nodejs');
  const blocks = frames.map((frame) => {
    const block = new Uint8Array(frame.length - BLOCK_AT);
    new DataView(block.buffer).setUint32(0, size, true);
    block.set(frame.subarray(BLOCK_AT, frame.length - END_MARK_BYTES), 4);
    return block;
  });
  const run = (): Uint8Array => {
    let output: Uint8Array = new Uint8Array(0);
    for (let index = 0; index < operations; index++) {
      output = lz4.decompress(present(blocks[index % FRAMES], 'a block'));
    }
    return output;
  };
  return { name: 'package', operations, run };
}
