// Kafka's record batch of magic 2: checked, walked, stamped and written where it lies. The format is in
// shared/batch-layout.ts. Nothing here knows which partition a batch is for.
import {
  ATTRIBUTES_FROM_PRODUCERS,
  ATTRIBUTE_COMPRESSION_MASK,
  ATTRIBUTE_LOG_APPEND_TIME,
  BATCH_ATTRIBUTES,
  BATCH_BASE_OFFSET,
  BATCH_BASE_SEQUENCE,
  BATCH_BASE_TIMESTAMP,
  BATCH_CRC,
  BATCH_HEADER_BYTES,
  BATCH_LAST_OFFSET_DELTA,
  BATCH_LEADER_EPOCH,
  BATCH_LENGTH,
  BATCH_LENGTH_OVERHEAD,
  BATCH_MAGIC,
  BATCH_MAGIC_VALUE,
  BATCH_MAX_TIMESTAMP,
  BATCH_PRODUCER_EPOCH,
  BATCH_PRODUCER_ID,
  BATCH_RECORD_COUNT,
  COMPRESSION_CODEC_LAST,
  RECORD_BYTES_MIN,
} from "./shared/batch-layout";
import {
  STATUS_ATTRIBUTES,
  STATUS_COUNT,
  STATUS_CRC,
  STATUS_FIELD_RANGE,
  STATUS_LENGTH,
  STATUS_MAGIC,
  STATUS_OFFSET_DELTA,
  STATUS_OK,
  STATUS_TRUNCATED,
} from "./shared/status";
import {
  SUMMARY_ATTRIBUTES,
  SUMMARY_BASE_OFFSET,
  SUMMARY_BASE_SEQUENCE,
  SUMMARY_BASE_TIMESTAMP,
  SUMMARY_BATCH_BYTES,
  SUMMARY_HAS_KEYLESS,
  SUMMARY_LAST_OFFSET_DELTA,
  SUMMARY_LEADER_EPOCH,
  SUMMARY_MAX_TIMESTAMP,
  SUMMARY_OFFSET_DELTA_OF_MAX,
  SUMMARY_PRODUCER_EPOCH,
  SUMMARY_PRODUCER_ID,
  SUMMARY_RECORDS_MAX_TIMESTAMP,
  SUMMARY_RECORD_COUNT,
} from "./shared/summary-layout";
import { isSafe, loadI16, loadI32, loadI64, storeI16, storeI32, storeI64 } from "./bytes";
import { crc32c } from "./crc32c";
import { scanRecords, scannedKeyless, scannedMaxOffsetDelta, scannedMaxTimestamp } from "./records";
import { SUMMARY } from "./regions";

// @ts-ignore: decorator
@inline function summarize(slot: usize, value: f64): void {
  store<f64>(SUMMARY + (slot << 3), value);
}

/** Length, magic and ranges; fills the summary as soon as the length is known to be right. */
function checkHeader(pointer: usize, available: u32): i32 {
  if (available < <u32>BATCH_LENGTH_OVERHEAD) return STATUS_TRUNCATED;
  const length = loadI32(pointer + BATCH_LENGTH);
  if (length < BATCH_HEADER_BYTES - BATCH_LENGTH_OVERHEAD || length > i32.MAX_VALUE - BATCH_LENGTH_OVERHEAD) return STATUS_LENGTH;
  if (<u32>(length + BATCH_LENGTH_OVERHEAD) > available) return STATUS_TRUNCATED;
  if (load<u8>(pointer + BATCH_MAGIC) != BATCH_MAGIC_VALUE) return STATUS_MAGIC;
  const baseOffset = loadI64(pointer + BATCH_BASE_OFFSET);
  const baseTimestamp = loadI64(pointer + BATCH_BASE_TIMESTAMP);
  const maxTimestamp = loadI64(pointer + BATCH_MAX_TIMESTAMP);
  const producerId = loadI64(pointer + BATCH_PRODUCER_ID);
  const lastOffsetDelta = loadI32(pointer + BATCH_LAST_OFFSET_DELTA);
  summarize(SUMMARY_BASE_OFFSET, <f64>baseOffset);
  summarize(SUMMARY_BATCH_BYTES, <f64>(length + BATCH_LENGTH_OVERHEAD));
  summarize(SUMMARY_LEADER_EPOCH, <f64>loadI32(pointer + BATCH_LEADER_EPOCH));
  summarize(SUMMARY_ATTRIBUTES, <f64>(loadI16(pointer + BATCH_ATTRIBUTES) & 0xffff));
  summarize(SUMMARY_LAST_OFFSET_DELTA, <f64>lastOffsetDelta);
  summarize(SUMMARY_BASE_TIMESTAMP, <f64>baseTimestamp);
  summarize(SUMMARY_MAX_TIMESTAMP, <f64>maxTimestamp);
  summarize(SUMMARY_PRODUCER_ID, <f64>producerId);
  summarize(SUMMARY_PRODUCER_EPOCH, <f64>loadI16(pointer + BATCH_PRODUCER_EPOCH));
  summarize(SUMMARY_BASE_SEQUENCE, <f64>loadI32(pointer + BATCH_BASE_SEQUENCE));
  summarize(SUMMARY_RECORD_COUNT, <f64>loadI32(pointer + BATCH_RECORD_COUNT));
  summarize(SUMMARY_OFFSET_DELTA_OF_MAX, <f64>lastOffsetDelta);
  summarize(SUMMARY_HAS_KEYLESS, 0);
  summarize(SUMMARY_RECORDS_MAX_TIMESTAMP, <f64>maxTimestamp);
  const safe = isSafe(baseOffset) && isSafe(baseOffset + <i64>lastOffsetDelta)
    && isSafe(baseTimestamp) && isSafe(maxTimestamp) && isSafe(producerId);
  return safe ? STATUS_OK : STATUS_FIELD_RANGE;
}

// @ts-ignore: decorator
@inline function batchEnd(pointer: usize): usize {
  return pointer + BATCH_LENGTH_OVERHEAD + loadI32(pointer + BATCH_LENGTH);
}

// @ts-ignore: decorator
@inline function computeCrc(pointer: usize): u32 {
  return crc32c(pointer + BATCH_ATTRIBUTES, batchEnd(pointer) - pointer - BATCH_ATTRIBUTES);
}

/** Rules for batches that the log holds already: header and CRC. Gaps and empty batches (compaction) pass. */
export function checkStoredBatch(pointer: usize, available: u32): i32 {
  const status = checkHeader(pointer, available);
  if (status != STATUS_OK && status != STATUS_FIELD_RANGE) return status;
  if (<u32>loadI32(pointer + BATCH_CRC) != computeCrc(pointer)) return STATUS_CRC;
  if (status != STATUS_OK) return status;
  if (loadI32(pointer + BATCH_RECORD_COUNT) < 0) return STATUS_COUNT;
  return loadI32(pointer + BATCH_LAST_OFFSET_DELTA) < 0 ? STATUS_OFFSET_DELTA : STATUS_OK;
}

/** Rules for batches that producers send: everything a later reader relies on. */
export function validateBatch(pointer: usize, available: u32): i32 {
  const status = checkStoredBatch(pointer, available);
  if (status != STATUS_OK) return status;
  const attributes = loadI16(pointer + BATCH_ATTRIBUTES);
  const codec = attributes & ATTRIBUTE_COMPRESSION_MASK;
  if (codec > COMPRESSION_CODEC_LAST || (attributes & ~ATTRIBUTES_FROM_PRODUCERS) != 0) return STATUS_ATTRIBUTES;
  const count = loadI32(pointer + BATCH_RECORD_COUNT);
  if (count <= 0) return STATUS_COUNT;
  if (loadI32(pointer + BATCH_LAST_OFFSET_DELTA) != count - 1) return STATUS_OFFSET_DELTA;
  if (codec != 0) return STATUS_OK;
  const first = pointer + BATCH_HEADER_BYTES;
  return validateRecords(first, <u32>(batchEnd(pointer) - first), count, <f64>loadI64(pointer + BATCH_BASE_TIMESTAMP));
}

/**
 * Rules for the records of a batch from a producer, where they are not compressed or decompressed. Fills what the summary
 * says of records; the base timestamp is that of their batch.
 */
export function validateRecords(first: usize, byteCount: u32, count: i32, baseTimestamp: f64): i32 {
  if (<u32>count > byteCount / RECORD_BYTES_MIN) return STATUS_COUNT;
  const status = scanRecords(first, first + byteCount, count, <i64>baseTimestamp, count - 1, true, 0, first);
  if (status != STATUS_OK) return status;
  summarize(SUMMARY_RECORDS_MAX_TIMESTAMP, <f64>scannedMaxTimestamp);
  summarize(SUMMARY_OFFSET_DELTA_OF_MAX, <f64>scannedMaxOffsetDelta);
  summarize(SUMMARY_HAS_KEYLESS, scannedKeyless ? 1 : 0);
  return STATUS_OK;
}

/**
 * Reads `count` records of a region (the records of a batch, decompressed where they were compressed) into a table;
 * offset deltas may have gaps. Returns a status.
 */
export function tabulateRecords(
  pointer: usize, byteCount: u32, count: i32, baseTimestamp: f64, lastOffsetDelta: i32, table: usize,
): i32 {
  if (count < 0 || <u32>count > byteCount / RECORD_BYTES_MIN) return STATUS_COUNT;
  return scanRecords(pointer, pointer + byteCount, count, <i64>baseTimestamp, lastOffsetDelta, false, table, pointer);
}

/** Base offset and leader epoch, both outside of the CRC. */
export function stampBatch(pointer: usize, baseOffset: f64, leaderEpoch: i32): void {
  storeI64(pointer + BATCH_BASE_OFFSET, <i64>baseOffset);
  storeI32(pointer + BATCH_LEADER_EPOCH, leaderEpoch);
}

/** Timestamp type log append time, with its time as the max timestamp, and the CRC that follows from it. */
export function stampLogAppendTime(pointer: usize, timestamp: f64): void {
  storeI16(pointer + BATCH_ATTRIBUTES, loadI16(pointer + BATCH_ATTRIBUTES) | ATTRIBUTE_LOG_APPEND_TIME);
  storeI64(pointer + BATCH_MAX_TIMESTAMP, <i64>timestamp);
  storeI32(pointer + BATCH_CRC, computeCrc(pointer));
}

/** The max timestamp, and the CRC that follows from it. */
export function stampMaxTimestamp(pointer: usize, timestamp: f64): void {
  storeI64(pointer + BATCH_MAX_TIMESTAMP, <i64>timestamp);
  storeI32(pointer + BATCH_CRC, computeCrc(pointer));
}

/**
 * Makes a header fit to records behind it that were compressed anew and end at `end`: codec, length and CRC, and the
 * summary's view of them.
 */
export function recodeBatch(pointer: usize, end: usize, codec: i32): void {
  const attributes = (loadI16(pointer + BATCH_ATTRIBUTES) & ~ATTRIBUTE_COMPRESSION_MASK) | codec;
  const bytes = <i32>(end - pointer);
  storeI16(pointer + BATCH_ATTRIBUTES, attributes);
  storeI32(pointer + BATCH_LENGTH, bytes - BATCH_LENGTH_OVERHEAD);
  storeI32(pointer + BATCH_CRC, computeCrc(pointer));
  summarize(SUMMARY_ATTRIBUTES, <f64>(attributes & 0xffff));
  summarize(SUMMARY_BATCH_BYTES, <f64>bytes);
}

/** Bytes of the batch at `pointer` by its length field alone; 0 where it is cut off, -1 where the length is wrong. */
export function batchBytes(pointer: usize, available: u32): i32 {
  if (available < <u32>BATCH_LENGTH_OVERHEAD) return 0;
  const length = loadI32(pointer + BATCH_LENGTH);
  if (length < BATCH_HEADER_BYTES - BATCH_LENGTH_OVERHEAD || length > i32.MAX_VALUE - BATCH_LENGTH_OVERHEAD) return -1;
  return <u32>(length + BATCH_LENGTH_OVERHEAD) > available ? 0 : length + BATCH_LENGTH_OVERHEAD;
}

/** Bytes of the whole batches at the start of a region: what a fetch may serve of it. */
export function wholeBatchesBytes(pointer: usize, available: u32): u32 {
  let position: u32 = 0;
  let bytes = batchBytes(pointer, available);
  while (bytes > 0) {
    position += bytes;
    bytes = batchBytes(pointer + position, available - position);
  }
  return position;
}

/** Position of the first whole batch whose last offset is `offset` or above; -1 where the region has none. */
export function findBatch(pointer: usize, available: u32, offset: f64): i32 {
  const target = <i64>offset;
  let position: u32 = 0;
  let bytes = batchBytes(pointer, available);
  while (bytes > 0) {
    const batch = pointer + position;
    if (loadI64(batch + BATCH_BASE_OFFSET) + <i64>loadI32(batch + BATCH_LAST_OFFSET_DELTA) >= target) return position;
    position += bytes;
    bytes = batchBytes(pointer + position, available - position);
  }
  return -1;
}

/**
 * Writes the header in front of records that end at `end` (compressed or not), with length and CRC. Base offset is 0,
 * the leader epoch -1: the broker stamps them. Returns the batch's bytes.
 */
export function sealBatch(
  pointer: usize, end: usize, count: i32, attributes: i32, baseTimestamp: f64, maxTimestamp: f64,
  producerId: f64, producerEpoch: i32, baseSequence: i32,
): i32 {
  const bytes = <i32>(end - pointer);
  storeI64(pointer + BATCH_BASE_OFFSET, 0);
  storeI32(pointer + BATCH_LENGTH, bytes - BATCH_LENGTH_OVERHEAD);
  storeI32(pointer + BATCH_LEADER_EPOCH, -1);
  store<u8>(pointer + BATCH_MAGIC, BATCH_MAGIC_VALUE);
  storeI16(pointer + BATCH_ATTRIBUTES, attributes);
  storeI32(pointer + BATCH_LAST_OFFSET_DELTA, count - 1);
  storeI64(pointer + BATCH_BASE_TIMESTAMP, <i64>baseTimestamp);
  storeI64(pointer + BATCH_MAX_TIMESTAMP, <i64>maxTimestamp);
  storeI64(pointer + BATCH_PRODUCER_ID, <i64>producerId);
  storeI16(pointer + BATCH_PRODUCER_EPOCH, producerEpoch);
  storeI32(pointer + BATCH_BASE_SEQUENCE, baseSequence);
  storeI32(pointer + BATCH_RECORD_COUNT, count);
  storeI32(pointer + BATCH_CRC, computeCrc(pointer));
  return bytes;
}
