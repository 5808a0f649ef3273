import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LENDING_BYTES } from '../../src/core/limits.ts';
import { createLendingMemory, LendingMemory } from '../../src/partition/lending-memory.ts';

const PAGE = 16 * 1024;

describe('memory that is lent', () => {
  it('lends what was read, where it was read', () => {
    const shared = createLendingMemory();
    const memory = new LendingMemory(shared);
    const bytes = memory.take(100_000).fill(7);
    const { records, lent } = memory.settle(bytes.subarray(0, 90_000));
    expect(records).toHaveLength(0);
    expect(lent).toEqual({ position: 0, length: 90_000 });
    expect(new Uint8Array(shared, 0, 90_000).every((byte) => byte === 7)).toBe(true);
  });

  it('gives small reads away, and takes their room back', () => {
    const memory = new LendingMemory(createLendingMemory());
    const bytes = memory.take(LENDING_BYTES).fill(3);
    const { records, lent } = memory.settle(bytes.subarray(0, 100));
    expect(lent).toBeUndefined();
    expect([...records]).toEqual(new Array(100).fill(3));
    expect(memory.settle(memory.take(LENDING_BYTES)).lent).toBeDefined();
  });

  it('keeps the last room of a read alone', () => {
    const memory = new LendingMemory(createLendingMemory());
    memory.take(LENDING_BYTES);
    expect(memory.settle(memory.take(LENDING_BYTES)).lent).toBeDefined();
  });

  it('gives buffers of their own while everything is lent', () => {
    const memory = new LendingMemory(createLendingMemory());
    const first = memory.settle(memory.take(LENDING_BYTES));
    const second = memory.settle(memory.take(LENDING_BYTES));
    expect(second.lent).toBeUndefined();
    expect(second.records.byteLength).toBe(LENDING_BYTES);
    memory.takeBack(first.lent?.position ?? -1);
    expect(memory.settle(memory.take(LENDING_BYTES)).lent).toBeDefined();
  });

  it('takes back only what was lent', () => {
    const memory = new LendingMemory(createLendingMemory());
    expect(() => memory.takeBack(0)).toThrow('what comes back was lent');
  });

  it('never lends the same bytes twice, and in the end has all of them again', () => {
    const step = fc.record({
      bytes: fc.integer({ min: 1, max: 3_000_000 }),
      part: fc.double({ min: 0.01, max: 1, noNaN: true }),
      back: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const shared = createLendingMemory();
        const memory = new LendingMemory(shared);
        const lent: { position: number; length: number }[] = [];
        for (const { bytes, part, back } of steps) {
          const taken = memory.take(bytes);
          expect(taken.byteLength).toBe(bytes);
          const answer = memory.settle(taken.subarray(0, Math.max(1, Math.floor(bytes * part))));
          if (answer.lent !== undefined) {
            const { position, length } = answer.lent;
            expect(position % PAGE).toBe(0);
            expect(position + length).toBeLessThanOrEqual(LENDING_BYTES);
            for (const other of lent) {
              expect(position >= other.position + other.length || position + length <= other.position).toBe(true);
            }
            lent.push(answer.lent);
          }
          if (back % 3 === 0 && lent.length > 0) {
            const [gone] = lent.splice(back % lent.length, 1);
            if (gone !== undefined) memory.takeBack(gone.position);
          }
        }
        for (const { position } of lent) memory.takeBack(position);
        expect(memory.settle(memory.take(LENDING_BYTES)).lent).toBeDefined();
      }),
    );
  });
});
