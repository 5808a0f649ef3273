// Lower bounds over the entries of Kafka's segment indexes: the last entry that is not above the target.
import {
  OFFSET_ENTRY_BYTES,
  OFFSET_ENTRY_RELATIVE_OFFSET,
  TIME_ENTRY_BYTES,
  TIME_ENTRY_TIMESTAMP,
} from "./shared/index-layout";
import { loadI32, loadI64 } from "./bytes";

/** Index of the last of `count` offset index entries at or below `relativeOffset`, or -1. */
export function offsetIndexFloor(pointer: usize, count: usize, relativeOffset: i32): i32 {
  if (count == 0 || offsetAt(pointer) > relativeOffset) return -1;
  // The floor is always one of the `count` entries from `low` on. Three probes at once wait for memory once.
  let low = pointer;
  while (count > 3) {
    const quarter = count >>> 2;
    const step = quarter * OFFSET_ENTRY_BYTES;
    const passed = usize(offsetAt(low + step) <= relativeOffset)
      + usize(offsetAt(low + step * 2) <= relativeOffset)
      + usize(offsetAt(low + step * 3) <= relativeOffset);
    low += passed * step;
    count = count - quarter * 3;
  }
  for (let left = count; left > 1; --left) {
    low += usize(offsetAt(low + OFFSET_ENTRY_BYTES) <= relativeOffset) * OFFSET_ENTRY_BYTES;
  }
  return <i32>((low - pointer) / OFFSET_ENTRY_BYTES);
}

// @ts-ignore: decorator
@inline function offsetAt(entry: usize): i32 {
  return loadI32(entry + OFFSET_ENTRY_RELATIVE_OFFSET);
}

/** Index of the last of `count` time index entries at or below `timestamp` (milliseconds), or -1. */
export function timeIndexFloor(pointer: usize, count: usize, timestamp: f64): i32 {
  const target = <i64>timestamp;
  if (count == 0 || timestampAt(pointer) > target) return -1;
  let low = pointer;
  while (count > 3) {
    const quarter = count >>> 2;
    const step = quarter * TIME_ENTRY_BYTES;
    const passed = usize(timestampAt(low + step) <= target)
      + usize(timestampAt(low + step * 2) <= target)
      + usize(timestampAt(low + step * 3) <= target);
    low += passed * step;
    count = count - quarter * 3;
  }
  for (let left = count; left > 1; --left) {
    low += usize(timestampAt(low + TIME_ENTRY_BYTES) <= target) * TIME_ENTRY_BYTES;
  }
  return <i32>((low - pointer) / TIME_ENTRY_BYTES);
}

// @ts-ignore: decorator
@inline function timestampAt(entry: usize): i64 {
  return loadI64(entry + TIME_ENTRY_TIMESTAMP);
}
