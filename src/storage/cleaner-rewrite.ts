// Batches as compaction leaves them: some of the records, or none. Base offset, last offset, producer and sequence stay
// what they were, and so does every record's own offset; length, count, CRC and the largest timestamp follow. A delete
// horizon (KIP-534, attribute bit 6) takes the place of the base timestamp, to which records' times are relative.

import {
  ATTRIBUTE_COMPRESSION_MASK,
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_DELETE_HORIZON,
  ATTRIBUTE_LOG_APPEND_TIME,
  ATTRIBUTE_TRANSACTIONAL,
  BATCH_ATTRIBUTES,
  BATCH_BASE_TIMESTAMP,
  BATCH_CRC,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH,
  BATCH_LENGTH_OVERHEAD,
  BATCH_MAX_TIMESTAMP,
  BATCH_RECORD_COUNT,
} from '../../assembly/shared/batch-layout.ts';
import { CLEANER_RECORDS_PER_STEP, CLEANER_WINDOW_BYTES } from '../core/limits.ts';
import { type BatchHeader, viewOf, writeInt64 } from '../wasm/batch-header.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { BatchRecords } from './cleaner-records.ts';

/** A varint of 32 bits and one of 64, at their longest. */
const VARINT_BYTES_MAX = 5;
const VARLONG_BYTES_MAX = 10;
const EMPTY_ATTRIBUTES = ATTRIBUTE_LOG_APPEND_TIME | ATTRIBUTE_TRANSACTIONAL | ATTRIBUTE_CONTROL;

/** When the batch's tombstones or its marker may go; undefined where compaction has not come by yet. */
export function deleteHorizonOf(header: BatchHeader): number | undefined {
  return (header.attributes & ATTRIBUTE_DELETE_HORIZON) === 0 ? undefined : header.baseTimestamp;
}

export interface Rewrite {
  readonly header: BatchHeader;
  readonly batch: Uint8Array;
  readonly records: BatchRecords;
  /** One byte a record: 1 keeps it. */
  readonly keep: Uint8Array;
  /** A horizon to be set; undefined leaves the batch's as it is. */
  readonly deleteHorizonMs: number | undefined;
  readonly compress: ((records: Uint8Array) => Uint8Array) | undefined;
}

/** The batch with the records to keep, of which there is at least one. Between its steps the thread may be given away. */
export function* rewriteBatch(kernels: Kernels, rewrite: Rewrite): Generator<void, Uint8Array, void> {
  const { header, batch, deleteHorizonMs, compress } = rewrite;
  const kept = new KeptRecords(rewrite);
  while (kept.copySome(CLEANER_RECORDS_PER_STEP, CLEANER_WINDOW_BYTES)) yield;
  const records = compress === undefined ? kept.bytes : compress(kept.bytes);
  const target = new Uint8Array(BATCH_HEADER_BYTES + records.length);
  target.set(batch.subarray(0, BATCH_HEADER_BYTES));
  target.set(records, BATCH_HEADER_BYTES);
  const view = viewOf(target);
  if (deleteHorizonMs !== undefined) {
    view.setInt16(BATCH_ATTRIBUTES, header.attributes | ATTRIBUTE_DELETE_HORIZON);
    writeInt64(view, BATCH_BASE_TIMESTAMP, deleteHorizonMs);
  }
  // With the broker's time the largest timestamp is the time of all records.
  if ((header.attributes & ATTRIBUTE_LOG_APPEND_TIME) === 0) writeInt64(view, BATCH_MAX_TIMESTAMP, kept.maxTimestamp);
  view.setInt32(BATCH_RECORD_COUNT, kept.count);
  return sealed(kernels, target, view);
}

/** The header alone: what is remembered of its producer outlives the records. */
export function emptyBatch(kernels: Kernels, header: BatchHeader, batch: Uint8Array): Uint8Array {
  const target = batch.slice(0, BATCH_HEADER_BYTES);
  const view = viewOf(target);
  view.setInt16(BATCH_ATTRIBUTES, header.attributes & EMPTY_ATTRIBUTES & ~ATTRIBUTE_COMPRESSION_MASK);
  writeInt64(view, BATCH_BASE_TIMESTAMP, -1);
  view.setInt32(BATCH_RECORD_COUNT, 0);
  return sealed(kernels, target, view);
}

function sealed(kernels: Kernels, batch: Uint8Array, view: DataView): Uint8Array {
  view.setInt32(BATCH_LENGTH, batch.length - BATCH_LENGTH_OVERHEAD);
  view.setUint32(BATCH_CRC, kernels.crc32cOf(batch.subarray(BATCH_ATTRIBUTES)));
  return batch;
}

/** The records to keep, byte for byte but for their times where the base timestamp changes. */
class KeptRecords {
  readonly #rewrite: Rewrite;
  readonly #source: Uint8Array;
  readonly #target: Uint8Array;
  #index = 0;
  #position = 0;
  #written = 0;
  count = 0;
  maxTimestamp = Number.NEGATIVE_INFINITY;

  constructor(rewrite: Rewrite) {
    const { records, deleteHorizonMs } = rewrite;
    const growth = deleteHorizonMs === undefined ? 0 : records.count * (VARINT_BYTES_MAX + VARLONG_BYTES_MAX);
    this.#rewrite = rewrite;
    this.#source = records.bytes;
    this.#target = new Uint8Array(records.bytes.length + growth);
  }

  /** Copies so many records, or about so many bytes; false where that was all. */
  copySome(recordsMax: number, bytesMax: number): boolean {
    const { records, keep, deleteHorizonMs } = this.#rewrite;
    const indexEnd = Math.min(records.count, this.#index + recordsMax);
    const writtenEnd = this.#written + bytesMax;
    for (; this.#index < indexEnd && this.#written < writtenEnd; this.#index++) {
      const start = this.#position;
      const length = this.#readVarint();
      const body = this.#position;
      this.#position = body + length;
      if (keep[this.#index] === 0) continue;
      const timestamp = records.timestamp(this.#index);
      if (deleteHorizonMs === undefined) this.#copy(start, this.#position);
      else this.#copyWithTime(body, timestamp - deleteHorizonMs);
      this.count += 1;
      this.maxTimestamp = Math.max(this.maxTimestamp, timestamp);
    }
    return this.#index < records.count;
  }

  get bytes(): Uint8Array {
    return this.#target.subarray(0, this.#written);
  }

  #copy(start: number, end: number): void {
    this.#target.set(this.#source.subarray(start, end), this.#written);
    this.#written += end - start;
  }

  /** The record whose body begins at `body` and ends at the position, with another timestamp delta. */
  #copyWithTime(body: number, timestampDelta: number): void {
    const end = this.#position;
    this.#position = body + 1;
    while (this.#byte() > 127);
    const rest = this.#position;
    this.#position = end;
    const delta = varlong(timestampDelta);
    this.#writeLength(1 + delta.length + end - rest);
    this.#copy(body, body + 1);
    this.#target.set(delta, this.#written);
    this.#written += delta.length;
    this.#copy(rest, end);
  }

  #writeLength(length: number): void {
    const bytes = varlong(length);
    this.#target.set(bytes, this.#written);
    this.#written += bytes.length;
  }

  #byte(): number {
    return this.#source[this.#position++] ?? 0;
  }

  #readVarint(): number {
    let raw = 0;
    let shift = 0;
    let byte = this.#byte();
    while (byte > 127) {
      raw |= (byte & 127) << shift;
      shift += 7;
      byte = this.#byte();
    }
    raw |= byte << shift;
    return (raw >>> 1) ^ -(raw & 1);
  }
}

/** A zigzag varint. */
function varlong(value: number): number[] {
  const wide = BigInt(value);
  let raw = wide < 0n ? -2n * wide - 1n : 2n * wide;
  const bytes: number[] = [];
  while (raw > 127n) {
    bytes.push(Number(raw & 127n) | 128);
    raw >>= 7n;
  }
  bytes.push(Number(raw));
  return bytes;
}
