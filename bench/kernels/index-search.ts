// Floors over offset and time index entries in linear memory, against a binary search in JavaScript over a DataView.
import { OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES } from '../../assembly/shared/index-layout.ts';
import { present } from '../../src/core/assert.ts';
import { type Contender, compare } from '../comparison.ts';
import { loadKernels, noise } from '../inputs.ts';
import { type BenchmarkContext, row, type Suite, wanted } from '../row.ts';

/** 2,560 entries index 10 MiB at Kafka's default interval, 262,144 a segment of 1 GiB. */
const ENTRY_COUNTS = [2560, 262_144];
/** Enough that no branch predictor can learn them. */
const LOOKUPS = 50_000;
const FIRST_TIMESTAMP = 1_700_000_000_000;

export const indexSearchSuite: Suite = {
  name: 'index search',
  async run(context) {
    for (const count of ENTRY_COUNTS) {
      await runIndex(context, `offset-index/${count}`, () => offsetContenders(count));
      await runIndex(context, `time-index/${count}`, () => timeContenders(count));
    }
  },
};

async function runIndex(context: BenchmarkContext, name: string, contenders: () => Contender[]): Promise<void> {
  if (!wanted(context, name)) return;
  const { nanoseconds, check } = await compare(context, contenders());
  const rate = (contender: string): number => 1e9 / present(nanoseconds.get(contender), contender);
  const [value, baselineValue] = [rate('millrace'), rate('javascript')];
  context.report(
    row({ name, unit: 'lookups/s', value, baseline: 'binary search in JavaScript', baselineValue, check }),
  );
}

/** The same lookups in every run, spread over all entries. */
function targets(range: number): number[] {
  const random = new Uint32Array(noise(LOOKUPS * 4, 5).buffer);
  return Array.from(random, (word) => word % range);
}

function offsetContenders(count: number): Contender[] {
  const bytes = new Uint8Array(count * OFFSET_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < count; index++) view.setInt32(index * OFFSET_ENTRY_BYTES, index * 40);
  const kernels = loadKernels();
  const pointer = place(bytes, kernels);
  const list = targets(count * 40);
  return [
    sum('millrace', list, (target) => kernels.offsetIndexFloor(pointer, count, target)),
    sum('javascript', list, (target) => floor(count, (index) => view.getInt32(index * OFFSET_ENTRY_BYTES) <= target)),
  ];
}

function timeContenders(count: number): Contender[] {
  const bytes = new Uint8Array(count * TIME_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  for (let index = 0; index < count; index++) {
    view.setBigInt64(index * TIME_ENTRY_BYTES, BigInt(FIRST_TIMESTAMP + index * 40));
  }
  const kernels = loadKernels();
  const pointer = place(bytes, kernels);
  const list = targets(count * 40).map((target) => FIRST_TIMESTAMP + target);
  const timestampAt = (index: number): number => Number(view.getBigInt64(index * TIME_ENTRY_BYTES));
  return [
    sum('millrace', list, (target) => kernels.timeIndexFloor(pointer, count, target)),
    sum('javascript', list, (target) => floor(count, (index) => timestampAt(index) <= target)),
  ];
}

function place(bytes: Uint8Array, kernels: ReturnType<typeof loadKernels>): number {
  const pointer = kernels.reserve(bytes.length);
  kernels.bytes().set(bytes, pointer);
  return pointer;
}

function sum(name: string, list: readonly number[], find: (target: number) => number): Contender {
  const run = (): number => {
    let total = 0;
    for (const target of list) total += find(target);
    return total;
  };
  return { name, operations: list.length, run };
}

/** The search that is written down when none is given. */
function floor(count: number, isBelow: (index: number) => boolean): number {
  let low = 0;
  let high = count - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    if (isBelow(middle)) low = middle + 1;
    else high = middle - 1;
  }
  return high;
}
