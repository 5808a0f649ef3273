// What the kernels must do, said a second time in plain TypeScript, straight from Kafka's format and for clarity alone.
// Tests and benchmarks compare the kernels with it; the product never calls it. It shares the status codes and the byte
// offsets with the kernels, nothing else.
import * as layout from '../../assembly/shared/batch-layout.ts';
import { OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES } from '../../assembly/shared/index-layout.ts';
import * as status from '../../assembly/shared/status.ts';

const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** One byte at a time, as in RFC 3720. */
export class CrcTable {
  readonly #table = new Uint32Array(256);

  constructor() {
    for (let byte = 0; byte < 256; byte++) {
      let register = byte;
      for (let bit = 0; bit < 8; bit++) register = (register >>> 1) ^ (register & 1 ? 0x82f63b78 : 0);
      this.#table[byte] = register;
    }
  }

  /** CRC32C of the bytes, unsigned. */
  crc32c(bytes: Uint8Array): number {
    let register = 0xffffffff;
    for (const byte of bytes) register = (register >>> 8) ^ (this.#table[(register ^ byte) & 255] ?? 0);
    return ~register >>> 0;
  }
}

export interface OracleHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

export interface OracleRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly OracleHeader[];
}

/** What a check reports when it passes. */
export interface OracleSummary {
  readonly baseOffset: number;
  readonly batchBytes: number;
  readonly partitionLeaderEpoch: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly recordsMaxTimestamp: number;
  readonly offsetDeltaOfMaxTimestamp: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly recordCount: number;
  readonly hasKeylessRecord: boolean;
}

export interface OracleVerdict {
  readonly status: number;
  readonly summary?: OracleSummary;
}

/** Header fields that {@link encodeBatch} cannot take from the records. */
export interface OracleBatchFields {
  readonly attributes?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
}

/** Thrown by the reader when bytes do not follow the format; becomes a status. */
class Malformed extends Error {
  readonly status: number;

  constructor(code: number) {
    super(`status ${code}`);
    this.status = code;
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.position;
  }

  take(count: number): Uint8Array {
    if (count < 0 || count > this.left) throw new Malformed(status.STATUS_RECORD);
    this.position += count;
    return this.#bytes.subarray(this.position - count, this.position);
  }

  /** A zigzag varint that must fit `bits` bits. */
  varint(bits: 32 | 64): bigint {
    let raw = 0n;
    for (let index = 0; index < (bits === 32 ? 5 : 10); index++) {
      const byte = this.take(1)[0] ?? 0;
      raw |= BigInt(byte & 127) << BigInt(7 * index);
      if (byte < 128) {
        if (raw >> BigInt(bits) !== 0n) break;
        return (raw >> 1n) ^ -(raw & 1n);
      }
    }
    throw new Malformed(status.STATUS_RECORD);
  }

  length(): number {
    const length = Number(this.varint(32));
    if (length < -1) throw new Malformed(status.STATUS_RECORD);
    return length;
  }

  nullable(): Uint8Array | null {
    const length = this.length();
    return length === -1 ? null : this.take(length);
  }
}

class Writer {
  readonly bytes: number[] = [];

  varint(value: number): void {
    let raw = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
    while (raw > 127n) {
      this.bytes.push(Number(raw & 127n) | 128);
      raw >>= 7n;
    }
    this.bytes.push(Number(raw));
  }

  raw(bytes: Iterable<number>): void {
    for (const byte of bytes) this.bytes.push(byte);
  }

  nullable(bytes: Uint8Array | null): void {
    this.varint(bytes === null ? -1 : bytes.length);
    this.raw(bytes ?? []);
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The batch that these records make; the first one's timestamp is the base timestamp, offsets count from 0. */
export function encodeBatch(
  crc: CrcTable,
  records: readonly Omit<OracleRecord, 'offset'>[],
  fields: OracleBatchFields = {},
): Uint8Array {
  const base = records[0]?.timestamp ?? 0;
  const body = new Writer();
  records.forEach((record, index) => {
    const writer = new Writer();
    writer.raw([0]);
    writer.varint(record.timestamp - base);
    writer.varint(index);
    writer.nullable(record.key);
    writer.nullable(record.value);
    writer.varint(record.headers.length);
    for (const header of record.headers) {
      writer.nullable(new TextEncoder().encode(header.key));
      writer.nullable(header.value);
    }
    body.varint(writer.bytes.length);
    body.raw(writer.bytes);
  });
  const batch = new Uint8Array(layout.BATCH_HEADER_BYTES + body.bytes.length);
  batch.set(body.bytes, layout.BATCH_HEADER_BYTES);
  const view = viewOf(batch);
  view.setInt32(layout.BATCH_LENGTH, batch.length - layout.BATCH_LENGTH_OVERHEAD);
  view.setInt32(layout.BATCH_LEADER_EPOCH, -1);
  view.setInt8(layout.BATCH_MAGIC, 2);
  view.setInt16(layout.BATCH_ATTRIBUTES, fields.attributes ?? 0);
  view.setInt32(layout.BATCH_LAST_OFFSET_DELTA, records.length - 1);
  view.setBigInt64(layout.BATCH_BASE_TIMESTAMP, BigInt(base));
  view.setBigInt64(layout.BATCH_MAX_TIMESTAMP, BigInt(Math.max(...records.map((record) => record.timestamp))));
  view.setBigInt64(layout.BATCH_PRODUCER_ID, BigInt(fields.producerId ?? -1));
  view.setInt16(layout.BATCH_PRODUCER_EPOCH, fields.producerEpoch ?? -1);
  view.setInt32(layout.BATCH_BASE_SEQUENCE, fields.baseSequence ?? -1);
  view.setInt32(layout.BATCH_RECORD_COUNT, records.length);
  renewCrc(crc, batch);
  return batch;
}

/** Sets the CRC to what the bytes behind it give. */
export function renewCrc(crc: CrcTable, batch: Uint8Array): void {
  viewOf(batch).setUint32(layout.BATCH_CRC, crc.crc32c(batch.subarray(layout.BATCH_ATTRIBUTES)));
}

/** The records of one uncompressed batch, whose header is taken to be right. Throws where they are malformed. */
export function decodeRecords(batch: Uint8Array): OracleRecord[] {
  const view = viewOf(batch);
  const count = view.getInt32(layout.BATCH_RECORD_COUNT);
  const lastDelta = view.getInt32(layout.BATCH_LAST_OFFSET_DELTA);
  const base = view.getBigInt64(layout.BATCH_BASE_TIMESTAMP);
  const baseOffset = Number(view.getBigInt64(layout.BATCH_BASE_OFFSET));
  const reader = new Reader(batch.subarray(layout.BATCH_HEADER_BYTES));
  const records: OracleRecord[] = [];
  let previous = -1;
  for (let index = 0; index < count; index++) {
    const length = reader.length();
    const record = new Reader(reader.take(length));
    record.take(1);
    const delta = record.varint(64);
    const timestamp = base + delta;
    if (!isSafe(delta) || !isSafe(timestamp)) throw new Malformed(status.STATUS_FIELD_RANGE);
    const offsetDelta = Number(record.varint(32));
    if (offsetDelta <= previous || offsetDelta > lastDelta) throw new Malformed(status.STATUS_RECORD);
    previous = offsetDelta;
    const key = record.nullable();
    const value = record.nullable();
    const headers = readHeaders(record);
    if (record.left > 0) throw new Malformed(status.STATUS_RECORD);
    records.push({ offset: baseOffset + offsetDelta, timestamp: Number(timestamp), key, value, headers });
  }
  if (reader.left > 0) throw new Malformed(status.STATUS_TRAILING_BYTES);
  return records;
}

function readHeaders(record: Reader): OracleHeader[] {
  const count = record.length();
  if (count < 0) throw new Malformed(status.STATUS_RECORD);
  const headers: OracleHeader[] = [];
  for (let index = 0; index < count; index++) {
    const key = record.nullable();
    if (key === null) throw new Malformed(status.STATUS_RECORD);
    headers.push({ key: new TextDecoder().decode(key), value: record.nullable() });
  }
  return headers;
}

function isSafe(value: bigint): boolean {
  return value >= -SAFE && value <= SAFE;
}

/** The rules for batches of the log: header and CRC. */
export function checkStoredBatch(crc: CrcTable, bytes: Uint8Array): OracleVerdict {
  if (bytes.length < layout.BATCH_LENGTH_OVERHEAD) return { status: status.STATUS_TRUNCATED };
  const batchBytes = viewOf(bytes).getInt32(layout.BATCH_LENGTH) + layout.BATCH_LENGTH_OVERHEAD;
  if (batchBytes < layout.BATCH_HEADER_BYTES || batchBytes > 0x7fffffff) return { status: status.STATUS_LENGTH };
  if (batchBytes > bytes.length) return { status: status.STATUS_TRUNCATED };
  const batch = bytes.subarray(0, batchBytes);
  const view = viewOf(batch);
  if (view.getInt8(layout.BATCH_MAGIC) !== 2) return { status: status.STATUS_MAGIC };
  if (view.getUint32(layout.BATCH_CRC) !== crc.crc32c(batch.subarray(layout.BATCH_ATTRIBUTES))) {
    return { status: status.STATUS_CRC };
  }
  const long = [
    layout.BATCH_BASE_OFFSET,
    layout.BATCH_BASE_TIMESTAMP,
    layout.BATCH_MAX_TIMESTAMP,
    layout.BATCH_PRODUCER_ID,
  ];
  const lastOffset = view.getBigInt64(layout.BATCH_BASE_OFFSET) + BigInt(view.getInt32(layout.BATCH_LAST_OFFSET_DELTA));
  if (!isSafe(lastOffset) || !long.every((offset) => isSafe(view.getBigInt64(offset)))) {
    return { status: status.STATUS_FIELD_RANGE };
  }
  if (view.getInt32(layout.BATCH_RECORD_COUNT) < 0) return { status: status.STATUS_COUNT };
  if (view.getInt32(layout.BATCH_LAST_OFFSET_DELTA) < 0) return { status: status.STATUS_OFFSET_DELTA };
  return { status: status.STATUS_OK, summary: summarize(batch) };
}

function summarize(batch: Uint8Array): OracleSummary {
  const view = viewOf(batch);
  const maxTimestamp = Number(view.getBigInt64(layout.BATCH_MAX_TIMESTAMP));
  const lastOffsetDelta = view.getInt32(layout.BATCH_LAST_OFFSET_DELTA);
  return {
    baseOffset: Number(view.getBigInt64(layout.BATCH_BASE_OFFSET)),
    batchBytes: batch.length,
    partitionLeaderEpoch: view.getInt32(layout.BATCH_LEADER_EPOCH),
    attributes: view.getUint16(layout.BATCH_ATTRIBUTES),
    lastOffsetDelta,
    baseTimestamp: Number(view.getBigInt64(layout.BATCH_BASE_TIMESTAMP)),
    maxTimestamp,
    recordsMaxTimestamp: maxTimestamp,
    offsetDeltaOfMaxTimestamp: lastOffsetDelta,
    producerId: Number(view.getBigInt64(layout.BATCH_PRODUCER_ID)),
    producerEpoch: view.getInt16(layout.BATCH_PRODUCER_EPOCH),
    baseSequence: view.getInt32(layout.BATCH_BASE_SEQUENCE),
    recordCount: view.getInt32(layout.BATCH_RECORD_COUNT),
    hasKeylessRecord: false,
  };
}

/** The rules for batches from producers. */
export function validateBatch(crc: CrcTable, bytes: Uint8Array): OracleVerdict {
  const stored = checkStoredBatch(crc, bytes);
  if (stored.summary === undefined) return stored;
  const { attributes, recordCount, lastOffsetDelta, batchBytes } = stored.summary;
  const codec = attributes & layout.ATTRIBUTE_COMPRESSION_MASK;
  if (codec > layout.COMPRESSION_CODEC_LAST || (attributes & ~layout.ATTRIBUTES_FROM_PRODUCERS) !== 0) {
    return { status: status.STATUS_ATTRIBUTES };
  }
  if (recordCount <= 0) return { status: status.STATUS_COUNT };
  if (lastOffsetDelta !== recordCount - 1) return { status: status.STATUS_OFFSET_DELTA };
  if (codec !== 0) return stored;
  const recordBytes = batchBytes - layout.BATCH_HEADER_BYTES;
  if (recordCount > Math.floor(recordBytes / layout.RECORD_BYTES_MIN)) return { status: status.STATUS_COUNT };
  try {
    const records = decodeRecords(bytes.subarray(0, batchBytes));
    const recordsMaxTimestamp = Math.max(...records.map((record) => record.timestamp));
    const offsetDeltaOfMaxTimestamp = records.findIndex((record) => record.timestamp === recordsMaxTimestamp);
    const hasKeylessRecord = records.some((record) => record.key === null);
    const summary = { ...stored.summary, recordsMaxTimestamp, offsetDeltaOfMaxTimestamp, hasKeylessRecord };
    return { status: status.STATUS_OK, summary };
  } catch (error) {
    if (error instanceof Malformed) return { status: error.status };
    throw error;
  }
}

/** A copy with base offset and leader epoch set. */
export function stampBatch(batch: Uint8Array, baseOffset: number, leaderEpoch: number): Uint8Array {
  const stamped = batch.slice();
  viewOf(stamped).setBigInt64(layout.BATCH_BASE_OFFSET, BigInt(baseOffset));
  viewOf(stamped).setInt32(layout.BATCH_LEADER_EPOCH, leaderEpoch);
  return stamped;
}

/** A copy with the log append time as its time, and the CRC that follows. */
export function stampLogAppendTime(crc: CrcTable, batch: Uint8Array, timestampMs: number): Uint8Array {
  const stamped = batch.slice();
  const view = viewOf(stamped);
  view.setInt16(layout.BATCH_ATTRIBUTES, view.getInt16(layout.BATCH_ATTRIBUTES) | layout.ATTRIBUTE_LOG_APPEND_TIME);
  view.setBigInt64(layout.BATCH_MAX_TIMESTAMP, BigInt(timestampMs));
  renewCrc(crc, stamped);
  return stamped;
}

/** Index of the last offset index entry at or below `relativeOffset`, or -1, by looking at every one. */
export function offsetIndexFloor(entries: Uint8Array, relativeOffset: number): number {
  const view = viewOf(entries);
  let floor = -1;
  for (let index = 0; index < entries.length / OFFSET_ENTRY_BYTES; index++) {
    if (view.getInt32(index * OFFSET_ENTRY_BYTES) <= relativeOffset) floor = index;
  }
  return floor;
}

/** Index of the last time index entry at or below `timestampMs`, or -1, by looking at every one. */
export function timeIndexFloor(entries: Uint8Array, timestampMs: number): number {
  const view = viewOf(entries);
  let floor = -1;
  for (let index = 0; index < entries.length / TIME_ENTRY_BYTES; index++) {
    if (Number(view.getBigInt64(index * TIME_ENTRY_BYTES)) <= timestampMs) floor = index;
  }
  return floor;
}
