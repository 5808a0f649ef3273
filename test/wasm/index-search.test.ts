// Floors over index entries: both builds against the oracle.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES } from '../../assembly/shared/index-layout.ts';
import { offsetIndexFloor, timeIndexFloor } from '../../src/wasm/oracle.ts';
import { BUILDS, place } from './builds.ts';

function offsetEntries(relativeOffsets: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(relativeOffsets.length * OFFSET_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  relativeOffsets.forEach((relativeOffset, index) => {
    view.setInt32(index * OFFSET_ENTRY_BYTES, relativeOffset);
    view.setInt32(index * OFFSET_ENTRY_BYTES + 4, index * 4096);
  });
  return bytes;
}

function timeEntries(timestamps: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(timestamps.length * TIME_ENTRY_BYTES);
  const view = new DataView(bytes.buffer);
  timestamps.forEach((timestamp, index) => {
    view.setBigInt64(index * TIME_ENTRY_BYTES, BigInt(timestamp));
    view.setInt32(index * TIME_ENTRY_BYTES + 8, index);
  });
  return bytes;
}

const sorted = (numbers: number[]): number[] => numbers.sort((a, b) => a - b);

describe.each(BUILDS)('index search of the %s', (_, make) => {
  const kernels = make();

  it('finds nothing in an empty index', () => {
    const pointer = kernels.reserve(16);
    expect(kernels.offsetIndexFloor(pointer, 0, 5)).toBe(-1);
    expect(kernels.timeIndexFloor(pointer, 0, 5)).toBe(-1);
  });

  it('finds every entry, and the one in front of every gap, in indexes of every size up to 70', () => {
    for (let count = 1; count <= 70; count++) {
      const offsets = offsetEntries(Array.from({ length: count }, (_value, index) => index * 10));
      const pointer = place(kernels, offsets, count % 7);
      for (let target = -11; target < count * 10 + 11; target++) {
        const expected = target < 0 ? -1 : Math.min(Math.floor(target / 10), count - 1);
        if (kernels.offsetIndexFloor(pointer, count, target) !== expected) expect.fail(`${target} of ${count}`);
      }
    }
  });

  it('agrees with the oracle on offset indexes', () => {
    const relative = fc.integer({ min: 0, max: 0x7fffffff });
    fc.assert(
      fc.property(fc.uniqueArray(relative, { maxLength: 200 }), relative, (offsets, target) => {
        const entries = offsetEntries(sorted(offsets));
        const pointer = place(kernels, entries);
        const targets = [target, -1, 0, 0x7fffffff, ...offsets, ...offsets.map((offset) => offset - 1)];
        return targets.every(
          (each) => kernels.offsetIndexFloor(pointer, offsets.length, each) === offsetIndexFloor(entries, each),
        );
      }),
    );
  });

  it('agrees with the oracle on time indexes, equal timestamps included', () => {
    const timestamp = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -1, max: 5 }));
    fc.assert(
      fc.property(fc.array(timestamp, { maxLength: 200 }), timestamp, (timestamps, target) => {
        const entries = timeEntries(sorted(timestamps));
        const pointer = place(kernels, entries);
        return [target, ...timestamps].every(
          (each) => kernels.timeIndexFloor(pointer, timestamps.length, each) === timeIndexFloor(entries, each),
        );
      }),
    );
  });

  it('takes targets outside of 32 bits and outside of all numbers', () => {
    const pointer = place(kernels, offsetEntries([0, 7, 0x7fffffff]));
    expect(kernels.offsetIndexFloor(pointer, 3, 2 ** 40)).toBe(2);
    expect(kernels.offsetIndexFloor(pointer, 3, -(2 ** 40))).toBe(-1);
    const times = place(kernels, timeEntries([1, 2, 3]));
    expect(kernels.timeIndexFloor(times, 3, Number.POSITIVE_INFINITY)).toBe(2);
    expect(kernels.timeIndexFloor(times, 3, Number.NEGATIVE_INFINITY)).toBe(-1);
  });
});
