import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SlotPlacement } from '../../src/partition/slot-placement.ts';

/** Places as an executor does, and gives the slots. */
function placeAll(placement: SlotPlacement, handles: readonly number[], internal = false): number[] {
  return handles.map((handle) => {
    if (placement.wantsSlot(handle, internal)) placement.started();
    return placement.place(handle, internal);
  });
}

function begun(slotsMax: number, slotPartitionsMin = 2): SlotPlacement {
  const placement = new SlotPlacement({ slotsMax, slotPartitionsMin });
  placement.started();
  return placement;
}

describe('the slot of a partition', () => {
  test('is the first while that has few, then a further one until all have as many, then each in turn for as many again', () => {
    expect(placeAll(begun(3), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])).toEqual([0, 0, 1, 1, 2, 2, 0, 0, 1, 1]);
  });

  test('stays the same when it is asked for again, and is the first where none was placed', () => {
    const placement = begun(2);
    placeAll(placement, [1, 2, 3]);
    expect(placeAll(placement, [3, 3])).toEqual([1, 1]);
    expect([1, 2, 3, 4].map((handle) => placement.slotOf(handle))).toEqual([0, 0, 1, 0]);
  });

  test('of an internal partition counts for internal ones alone, and starts no slot', () => {
    const placement = begun(2);
    expect(placeAll(placement, [1, 2, 3, 4, 5], true)).toEqual([0, 0, 0, 0, 0]);
    expect(placeAll(placement, [11, 12, 13])).toEqual([0, 0, 1]);
    expect(placeAll(placement, [6, 7], true)).toEqual([1, 1]);
  });

  test('is one that has lost partitions before one that has not', () => {
    const placement = begun(2);
    placeAll(placement, [1, 2, 3, 4, 5, 6]);
    placement.release(3);
    placement.release(3);
    placement.release(99);
    expect(placeAll(placement, [7, 8, 9, 10])).toEqual([1, 1, 1, 0]);
  });

  test('is among those that run where no further one can be started', () => {
    const placement = begun(4);
    placement.startNoMore();
    expect(placeAll(placement, [1, 2, 3, 4])).toEqual([0, 0, 0, 0]);
  });
});

test('whatever is opened and closed, slots differ by what goes to one in a row at most', () => {
  const step = fc.record({ handle: fc.nat(40), opens: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 4 }), (steps, slots) => {
      const placement = begun(slots, 3);
      const open = new Map<number, number>();
      for (const { handle, opens } of steps) {
        if (opens) {
          const [slot = -1] = placeAll(placement, [handle]);
          expect(open.get(handle) ?? slot).toBe(slot);
          open.set(handle, slot);
        } else {
          placement.release(handle);
          open.delete(handle);
        }
        for (const [other, slot] of open) expect(placement.slotOf(other)).toBe(slot);
      }
      for (const handle of [...open.keys()]) placement.release(handle);
      const fresh = placeAll(
        placement,
        Array.from({ length: 24 }, (_, index) => 100 + index),
      );
      const counts = Array.from({ length: slots }, (_, slot) => fresh.filter((one) => one === slot).length);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(3);
    }),
  );
});
