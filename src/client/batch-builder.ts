// Encodes records one by one, as they come, into the very memory that will be sent. It copies at once, so that the
// caller may reuse its bytes and nothing is kept for the garbage collector; header and checksum are written by the
// kernels. The format is in assembly/shared/batch-layout.ts; a test holds the bytes equal to those of RecordBatchEncoder.

import { assert } from '../core/assert.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { DecodedBatch } from '../wasm/record-batch-decoder.ts';
import {
  type CompressedRecords,
  type EncodableHeader,
  type EncodableRecord,
  type EncodedRecords,
  RecordBatchEncoder,
} from '../wasm/record-batch-encoder.ts';
import type { BatchStamp } from './producer-identity.ts';

/** Bytes of a batch header: the first record follows. */
const HEADER_BYTES = 61;
const FIRST_BUFFER_BYTES = 16 * 1024;
const NO_BUFFER = new Uint8Array(0);
/** What a record takes beside its own bytes at most, and a header of it beside its own. */
const RECORD_OVERHEAD_BYTES_MAX = 36;
const HEADER_OVERHEAD_BYTES_MAX = 10;
/** Below this a loop copies faster than a call of `set`. */
const LOOP_COPY_BYTES_MAX = 24;
const UTF8 = new TextEncoder();

/** A header with its name in bytes. */
interface HeaderBytes {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

const NO_HEADERS: readonly HeaderBytes[] = [];

/** Memory of batches that have ended, for those to come: a large buffer costs more to get than to fill. */
export class BatchMemory {
  readonly #buffers: Uint8Array[] = [];
  readonly #bytesMax: number;
  #bytes = 0;

  /** Keeps up to `bytesMax` bytes. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A buffer of any size, whose content is of no meaning. */
  take(): Uint8Array {
    const buffer = this.#buffers.pop();
    if (buffer === undefined) return new Uint8Array(FIRST_BUFFER_BYTES);
    this.#bytes -= buffer.length;
    return buffer;
  }

  /** Takes the memory of a batch that nobody reads any more. */
  give(batch: Uint8Array): void {
    const bytes = batch.buffer.byteLength;
    if (this.#bytes + bytes > this.#bytesMax || !(batch.buffer instanceof ArrayBuffer)) return;
    this.#bytes += bytes;
    this.#buffers.push(new Uint8Array(batch.buffer));
  }
}

/** One batch at a time; `finish` and `finishRecords` leave it empty, for the next. */
export class BatchBuilder {
  readonly #kernels: Kernels;
  readonly #memory: BatchMemory;
  #buffer: Uint8Array = NO_BUFFER;
  #end = HEADER_BYTES;
  #recordCount = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  constructor(kernels: Kernels, memory: BatchMemory) {
    this.#kernels = kernels;
    this.#memory = memory;
  }

  /** Bytes of the batch so far, its header included. */
  get byteCount(): number {
    return this.#end;
  }

  append(record: EncodableRecord): void {
    const { headers, timestamp } = record;
    if (this.#recordCount === 0) {
      this.#baseTimestamp = timestamp;
      this.#maxTimestamp = timestamp;
      if (this.#buffer.length === 0) this.#buffer = this.#memory.take();
    } else if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp;
    }
    this.#write(record, headers.length === 0 ? NO_HEADERS : headers.map(headerBytes));
    this.#recordCount++;
  }

  #write({ key, value, timestamp }: EncodableRecord, headers: readonly HeaderBytes[]): void {
    const offsetDelta = this.#recordCount;
    const timestampDelta = timestamp - this.#baseTimestamp;
    const bodyBytes =
      1 +
      varlongBytes(timestampDelta) +
      varintBytes(offsetDelta) +
      contentBytes(key) +
      contentBytes(value) +
      headersBytes(headers);
    this.#reserve(bodyBytes);
    const buffer = this.#buffer;
    let at = writeVarint(buffer, this.#end, bodyBytes);
    buffer[at++] = 0;
    at = writeVarlong(buffer, at, timestampDelta);
    at = writeVarint(buffer, at, offsetDelta);
    at = writeContent(buffer, at, key);
    at = writeContent(buffer, at, value);
    at = writeVarint(buffer, at, headers.length);
    for (let index = 0; index < headers.length; index++) at = writeHeader(buffer, at, headers[index]);
    this.#end = at;
  }

  #reserve(bodyBytes: number): void {
    const needed = this.#end + bodyBytes + RECORD_OVERHEAD_BYTES_MAX;
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, needed));
    grown.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = grown;
  }

  /** The batch, uncompressed, in memory that the builder lets go of: `BatchMemory` takes it back. */
  finish({ producerId, producerEpoch, baseSequence }: BatchStamp): Uint8Array {
    assert(this.#recordCount > 0, 'a batch has at least one record');
    const end = this.#end;
    const batch = this.#buffer.subarray(0, end);
    const pointer = this.#kernels.reserve(end);
    const copy = this.#kernels.bytes().subarray(pointer, pointer + end);
    copy.set(batch);
    this.#kernels.exports.sealBatch(
      pointer,
      pointer + end,
      this.#recordCount,
      0,
      this.#baseTimestamp,
      this.#maxTimestamp,
      producerId,
      producerEpoch,
      baseSequence,
    );
    batch.set(copy.subarray(0, HEADER_BYTES));
    this.#buffer = NO_BUFFER;
    this.#reset();
    return batch;
  }

  /** The records alone, to be compressed. */
  finishRecords(): EncodedRecords {
    const encoded = {
      bytes: this.#buffer.slice(HEADER_BYTES, this.#end),
      recordCount: this.#recordCount,
      baseTimestamp: this.#baseTimestamp,
      maxTimestamp: this.#maxTimestamp,
    };
    this.#reset();
    return encoded;
  }

  #reset(): void {
    this.#end = HEADER_BYTES;
    this.#recordCount = 0;
  }
}

/** The batch of compressed records. */
export function assembleBatch(kernels: Kernels, records: CompressedRecords, stamp: BatchStamp): Uint8Array {
  return new RecordBatchEncoder(kernels).assemble(records, stamp);
}

/** The batch with other numbers of its producer. */
export function restampBatch(kernels: Kernels, batch: Uint8Array, stamp: BatchStamp): Uint8Array {
  const { attributes, recordCount, baseTimestamp, maxTimestamp } = new DecodedBatch(kernels, batch);
  const bytes = batch.subarray(HEADER_BYTES);
  // No attribute but the codec is ever set by a producer without transactions.
  return assembleBatch(kernels, { bytes, recordCount, baseTimestamp, maxTimestamp, compression: attributes }, stamp);
}

/** Bytes by which a record can make a batch larger, at most. */
export function recordBytesMax({ key, value, headers }: EncodableRecord): number {
  const bytes = RECORD_OVERHEAD_BYTES_MAX + (key === null ? 0 : key.length) + (value === null ? 0 : value.length);
  return headers.length === 0 ? bytes : bytes + headerBytesMax(headers);
}

function headerBytesMax(headers: EncodableRecord['headers']): number {
  // A UTF-16 unit is at most three bytes of UTF-8.
  return headers.reduce(
    (sum, { key, value }) => sum + HEADER_OVERHEAD_BYTES_MAX + key.length * 3 + (value?.length ?? 0),
    0,
  );
}

function headerBytes({ key, value }: EncodableHeader): HeaderBytes {
  return { key: UTF8.encode(key), value };
}

/** A length and the bytes; -1 stands for null. */
function contentBytes(content: Uint8Array | null): number {
  return content === null ? 1 : varintBytes(content.length) + content.length;
}

function headersBytes(headers: readonly HeaderBytes[]): number {
  if (headers.length === 0) return 1;
  let bytes = varintBytes(headers.length);
  for (const { key, value } of headers) bytes += contentBytes(key) + contentBytes(value);
  return bytes;
}

function writeContent(buffer: Uint8Array, start: number, content: Uint8Array | null): number {
  if (content === null) return writeVarint(buffer, start, -1);
  const length = content.length;
  const at = writeVarint(buffer, start, length);
  if (length > LOOP_COPY_BYTES_MAX) buffer.set(content, at);
  else for (let index = 0; index < length; index++) buffer[at + index] = content[index] ?? 0;
  return at + length;
}

function writeHeader(buffer: Uint8Array, start: number, header: HeaderBytes | undefined): number {
  if (header === undefined) return start;
  return writeContent(buffer, writeContent(buffer, start, header.key), header.value);
}

/** Zigzag: small magnitudes of either sign become small numbers. `value` fits 32 bits. */
function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}

function varintBytes(value: number): number {
  const raw = zigzag(value);
  if (raw < 0x80) return 1;
  if (raw < 0x4000) return 2;
  if (raw < 0x20_0000) return 3;
  return raw < 0x1000_0000 ? 4 : 5;
}

function writeVarint(buffer: Uint8Array, start: number, value: number): number {
  let at = start;
  let raw = zigzag(value);
  while (raw > 0x7f) {
    buffer[at++] = raw | 0x80;
    raw >>>= 7;
  }
  buffer[at++] = raw;
  return at;
}

/** Timestamps are rarely more than 24 days apart; those that are take the slow way. */
function varlongBytes(value: number): number {
  if ((value | 0) === value) return varintBytes(value);
  let bytes = 1;
  for (let raw = zigzagLong(value); raw > 0x7fn; raw >>= 7n) bytes++;
  return bytes;
}

function writeVarlong(buffer: Uint8Array, start: number, value: number): number {
  if ((value | 0) === value) return writeVarint(buffer, start, value);
  let at = start;
  let raw = zigzagLong(value);
  for (; raw > 0x7fn; raw >>= 7n) buffer[at++] = Number(raw & 0x7fn) | 0x80;
  buffer[at++] = Number(raw);
  return at;
}

function zigzagLong(value: number): bigint {
  const long = BigInt(value);
  return BigInt.asUintN(64, (long << 1n) ^ (long >> 63n));
}
