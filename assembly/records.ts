// The records inside of an uncompressed batch: their varints, read with bounds. Knows nothing of the batch around them.
// They are written in src/wasm/record-batch-encoder.ts.
//
//   length varint | attributes i8 | timestamp delta varlong | offset delta varint | key length varint | key
//   | value length varint | value | header count varint | { key length, key, value length, value } ...
//   Varints are zigzag; a length of -1 stands for null (header keys cannot be null).
import { RECORD_BYTES_MIN } from "./shared/batch-layout";
import {
  RECORD_TABLE_HEADERS,
  RECORD_TABLE_HEADER_COUNT,
  RECORD_TABLE_KEY,
  RECORD_TABLE_KEY_BYTES,
  RECORD_TABLE_OFFSET_DELTA,
  RECORD_TABLE_STRIDE,
  RECORD_TABLE_TIMESTAMP,
  RECORD_TABLE_VALUE,
  RECORD_TABLE_VALUE_BYTES,
} from "./shared/record-table-layout";
import { STATUS_FIELD_RANGE, STATUS_OK, STATUS_RECORD, STATUS_TRAILING_BYTES } from "./shared/status";
import { isSafe } from "./bytes";

/** A varint together with the pointer behind it: value in the low half, pointer in the high one (0: malformed). */
type PackedVarint = u64;

// @ts-ignore: decorator
@inline function pack(raw: u32, after: usize): PackedVarint {
  return ((<u64>after) << 32) | <u64>((raw >>> 1) ^ -(raw & 1));
}

// @ts-ignore: decorator
@inline function valueOf(packed: PackedVarint): i32 {
  return <i32>packed;
}

// @ts-ignore: decorator
@inline function after(packed: PackedVarint): usize {
  return <usize>(packed >>> 32);
}

// @ts-ignore: decorator
@inline function readVarint(pointer: usize, end: usize): PackedVarint {
  if (pointer < end) {
    // One or two bytes are what nearly all varints take; the second one may lie behind `end`, and is then not used.
    const two = <u32>load<u16>(pointer);
    if (!(two & 0x80)) return pack(two & 127, pointer + 1);
    if (!(two & 0x8000) && pointer + 1 < end) return pack((two & 127) | (two >>> 8 << 7), pointer + 2);
  }
  return readLongVarint(pointer, end);
}

/** A varint of up to 5 bytes and 32 bits; 0 where it is longer or crosses `end`. */
function readLongVarint(pointer: usize, end: usize): PackedVarint {
  let raw: u32 = 0;
  for (let shift = 0; shift < 35 && pointer < end; shift += 7) {
    const byte = <u32>load<u8>(pointer++);
    raw |= (byte & 127) << shift;
    if (byte < 128) return shift == 28 && byte > 15 ? 0 : pack(raw, pointer);
  }
  return 0;
}

/** Bytes of the varlong at `pointer`; 0 where it is longer than 10 bytes or 64 bits, or crosses `end`. */
// @ts-ignore: decorator
@inline function varlongBytes(pointer: usize, end: usize): usize {
  return pointer < end && load<u8>(pointer) < 128 ? 1 : longVarlongBytes(pointer, end);
}

function longVarlongBytes(pointer: usize, end: usize): usize {
  let count: usize = 0;
  while (count < 10 && pointer + count < end) {
    const byte = load<u8>(pointer + count);
    ++count;
    if (byte < 128) return count == 10 && byte > 1 ? 0 : count;
  }
  return 0;
}

// @ts-ignore: decorator
@inline function varlongValue(pointer: usize, bytes: usize): i64 {
  let raw: u64 = 0;
  for (let index: usize = 0; index < bytes; ++index) raw |= (<u64>load<u8>(pointer + index) & 127) << (index * 7);
  return (raw >>> 1) ^ -(raw & 1);
}

/** The pointer behind `count` headers, or 0 where one leads outside of `end`. */
function skipHeaders(pointer: usize, end: usize, count: i32): usize {
  for (let index = 0; index < count; ++index) {
    const key = readVarint(pointer, end);
    if (!key || valueOf(key) < 0 || <usize>valueOf(key) > end - after(key)) return 0;
    pointer = after(key) + <usize>valueOf(key);
    const value = readVarint(pointer, end);
    if (!value || valueOf(value) < -1) return 0;
    const valueBytes = <usize>max<i32>(valueOf(value), 0);
    if (valueBytes > end - after(value)) return 0;
    pointer = after(value) + valueBytes;
  }
  return pointer;
}

/** Results of the last {@link scanRecords} that ended with STATUS_OK. */
export let scannedMaxTimestamp: i64 = 0;
export let scannedMaxOffsetDelta: i32 = 0;
export let scannedKeyless: bool = false;

/**
 * Checks `count` records from `pointer` to `end` byte by byte: bounds of every varint and length, and offset deltas
 * that rise (`dense`: exactly 0, 1, 2 ...) and stay within `lastOffsetDelta`. With a `table` it writes one entry of
 * record-table-layout.ts for each, with positions relative to `origin`.
 */
export function scanRecords(
  pointer: usize, end: usize, count: i32, baseTimestamp: i64, lastOffsetDelta: i32, dense: bool, table: usize, origin: usize,
): i32 {
  let maxTimestamp: i64 = i64.MIN_VALUE;
  let maxOffsetDelta = 0;
  let previousDelta = -1;
  let keyless = false;
  for (let index = 0; index < count; ++index) {
    const length = readVarint(pointer, end);
    if (!length || valueOf(length) < RECORD_BYTES_MIN - 1 || <usize>valueOf(length) > end - after(length)) return STATUS_RECORD;
    const recordEnd = after(length) + <usize>valueOf(length);
    pointer = after(length) + 1;

    const timestampBytes = varlongBytes(pointer, recordEnd);
    if (!timestampBytes) return STATUS_RECORD;
    const timestampDelta = varlongValue(pointer, timestampBytes);
    const timestamp = baseTimestamp + timestampDelta;
    if (!isSafe(timestampDelta) || !isSafe(timestamp)) return STATUS_FIELD_RANGE;

    const offsetDelta = readVarint(pointer + timestampBytes, recordEnd);
    if (!offsetDelta) return STATUS_RECORD;
    const delta = valueOf(offsetDelta);
    if (delta <= previousDelta || delta > lastOffsetDelta || (dense && delta != index)) return STATUS_RECORD;
    previousDelta = delta;

    const key = readVarint(after(offsetDelta), recordEnd);
    if (!key || valueOf(key) < -1) return STATUS_RECORD;
    const keyBytes = <usize>max<i32>(valueOf(key), 0);
    if (keyBytes > recordEnd - after(key)) return STATUS_RECORD;
    keyless = keyless || valueOf(key) < 0;

    const value = readVarint(after(key) + keyBytes, recordEnd);
    if (!value || valueOf(value) < -1) return STATUS_RECORD;
    const valueBytes = <usize>max<i32>(valueOf(value), 0);
    if (valueBytes > recordEnd - after(value)) return STATUS_RECORD;

    const headers = readVarint(after(value) + valueBytes, recordEnd);
    if (!headers || valueOf(headers) < 0 || <usize>valueOf(headers) > recordEnd - after(headers)) return STATUS_RECORD;
    const bodyEnd = valueOf(headers) == 0 ? after(headers) : skipHeaders(after(headers), recordEnd, valueOf(headers));
    if (bodyEnd != recordEnd) return STATUS_RECORD;

    if (timestamp > maxTimestamp) {
      maxTimestamp = timestamp;
      maxOffsetDelta = delta;
    }
    if (table) {
      store<f64>(table, <f64>timestamp, RECORD_TABLE_TIMESTAMP);
      store<i32>(table, delta, RECORD_TABLE_OFFSET_DELTA);
      store<i32>(table, <i32>(after(key) - origin), RECORD_TABLE_KEY);
      store<i32>(table, valueOf(key), RECORD_TABLE_KEY_BYTES);
      store<i32>(table, <i32>(after(value) - origin), RECORD_TABLE_VALUE);
      store<i32>(table, valueOf(value), RECORD_TABLE_VALUE_BYTES);
      store<i32>(table, <i32>(after(headers) - origin), RECORD_TABLE_HEADERS);
      store<i32>(table, valueOf(headers), RECORD_TABLE_HEADER_COUNT);
      table += RECORD_TABLE_STRIDE;
    }
    pointer = recordEnd;
  }
  if (pointer != end) return STATUS_TRAILING_BYTES;
  scannedMaxTimestamp = maxTimestamp;
  scannedMaxOffsetDelta = maxOffsetDelta;
  scannedKeyless = keyless;
  return STATUS_OK;
}
