// Lower bounds over the entries of Kafka's segment indexes: the last entry that is not above the target.
import {
  OFFSET_ENTRY_BYTES,
  OFFSET_ENTRY_RELATIVE_OFFSET,
  TIME_ENTRY_BYTES,
  TIME_ENTRY_TIMESTAMP,
} from "./shared/index-layout";
import { loadI32, loadI64 } from "./bytes";

/** Index of the last of `count` offset index entries at or below `relativeOffset`, or -1. */
export function offsetIndexFloor(pointer: usize, count: i32, relativeOffset: i32): i32 {
  let low = 0;
  let length = count;
  while (length > 0) {
    const half = length >>> 1;
    const middle = low + half;
    const below = loadI32(pointer + <usize>middle * OFFSET_ENTRY_BYTES + OFFSET_ENTRY_RELATIVE_OFFSET) <= relativeOffset;
    low = select(middle + 1, low, below);
    length = select(length - half - 1, half, below);
  }
  return low - 1;
}

/** Index of the last of `count` time index entries at or below `timestamp` (milliseconds), or -1. */
export function timeIndexFloor(pointer: usize, count: i32, timestamp: f64): i32 {
  const target = <i64>timestamp;
  let low = 0;
  let length = count;
  while (length > 0) {
    const half = length >>> 1;
    const middle = low + half;
    const below = loadI64(pointer + <usize>middle * TIME_ENTRY_BYTES + TIME_ENTRY_TIMESTAMP) <= target;
    low = select(middle + 1, low, below);
    length = select(length - half - 1, half, below);
  }
  return low - 1;
}
