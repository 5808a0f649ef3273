// Writes Kafka record batches (magic 2) from records, one by one as they come, into the very memory that will be sent.
// A record is copied at once, so that the caller may reuse its bytes and nothing is kept for the garbage collector;
// header and checksum are written by the kernels, once a batch. Knows no topics. The format of records is in
// assembly/records.ts, that of the header in assembly/shared/batch-layout.ts.
import {
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_TRANSACTIONAL,
  BATCH_HEADER_BYTES,
  COMPRESSION_CODEC_LAST,
} from '../../assembly/shared/batch-layout.ts';
import { assert } from '../core/assert.ts';
import type { BatchMemory } from './batch-memory.ts';
import type { Kernels } from './kernels.ts';
import { varintBytes, varlongBytes, writeVarint, writeVarlong } from './varints.ts';

/** What a record takes beside its own bytes at most: length 5, attributes 1, timestamp 10, offset 5, and 3 x 5. */
const RECORD_OVERHEAD_BYTES_MAX = 36;
/** What a header takes beside its own bytes at most: two lengths. */
const HEADER_OVERHEAD_BYTES_MAX = 10;
/** Below this a loop in JavaScript copies faster than a call of `TypedArray.prototype.set` (measured on Node 20). */
const LOOP_COPY_BYTES_MAX = 24;
const FIRST_BUFFER_BYTES = 1024;
/** A larger buffer of its own is not kept for the next batch. */
const KEPT_BUFFER_BYTES_MAX = 1024 * 1024;
const NO_BUFFER = new Uint8Array(0);
const UTF8 = new TextEncoder();

export interface EncodableHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** A record as a producer gives it. */
export interface EncodableRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly EncodableHeader[];
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** A header with its name in bytes. */
interface HeaderBytes {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** Header fields that the records do not determine. All optional: a batch of a producer without idempotence. */
export interface BatchOptions {
  readonly isTransactional?: boolean;
  readonly isControl?: boolean;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
}

/** The records part of a batch, to be compressed, and what the header must say of it. */
export interface EncodedRecords {
  readonly bytes: Uint8Array;
  readonly recordCount: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
}

/** The same, compressed. `compression`: 1 gzip, 2 snappy, 3 lz4, 4 zstd; 0 for bytes as they were encoded. */
export interface CompressedRecords extends EncodedRecords {
  readonly compression: number;
}

/** A batch in linear memory that has no header yet. */
interface PlacedBatch extends Omit<CompressedRecords, 'bytes'> {
  readonly pointer: number;
  readonly end: number;
}

const NO_HEADERS: readonly HeaderBytes[] = [];
const NO_OPTIONS: BatchOptions = {};

/** Reusable: `finish` and `finishRecords` leave it empty. Not for use by two batches at once. */
export class RecordBatchEncoder {
  readonly #kernels: Kernels;
  readonly #memory: BatchMemory | undefined;
  #buffer: Uint8Array<ArrayBuffer> = NO_BUFFER;
  #end: number = BATCH_HEADER_BYTES;
  #recordCount = 0;
  #baseTimestamp = 0;
  #maxTimestamp = 0;

  /**
   * With a `memory` each batch lies in a buffer out of it, whose size the batch does not tell: it is given back by who
   * knows that nobody reads it any more. Without, batches have buffers of their own.
   */
  constructor(kernels: Kernels, memory?: BatchMemory) {
    this.#kernels = kernels;
    this.#memory = memory;
  }

  get recordCount(): number {
    return this.#recordCount;
  }

  /** Bytes that the batch takes when it is finished now, uncompressed. */
  get byteCount(): number {
    return this.#end;
  }

  /** Bytes by which `append` of this record would grow the batch. */
  sizeOf(record: EncodableRecord): number {
    const base = this.#recordCount === 0 ? record.timestamp : this.#baseTimestamp;
    const bytes = this.#bodyBytes(record, record.timestamp - base, headersInBytes(record.headers));
    return varintBytes(bytes) + bytes;
  }

  /** Adds a record; its bytes are copied. */
  append(record: EncodableRecord): void {
    const { headers, timestamp } = record;
    if (this.#recordCount === 0) {
      this.#baseTimestamp = timestamp;
      this.#maxTimestamp = timestamp;
    } else if (timestamp > this.#maxTimestamp) {
      this.#maxTimestamp = timestamp;
    }
    this.#write(record, headers.length === 0 ? NO_HEADERS : headersInBytes(headers));
    this.#recordCount++;
  }

  #bodyBytes({ key, value }: EncodableRecord, timestampDelta: number, headers: readonly HeaderBytes[]): number {
    return (
      1 +
      varlongBytes(timestampDelta) +
      varintBytes(this.#recordCount) +
      contentBytes(key) +
      contentBytes(value) +
      headersBytes(headers)
    );
  }

  #write(record: EncodableRecord, headers: readonly HeaderBytes[]): void {
    const timestampDelta = record.timestamp - this.#baseTimestamp;
    const bodyBytes = this.#bodyBytes(record, timestampDelta, headers);
    const needed = this.#end + bodyBytes + RECORD_OVERHEAD_BYTES_MAX;
    if (needed > this.#buffer.length) this.#reserve(needed);
    const buffer = this.#buffer;
    let at = writeVarint(buffer, this.#end, bodyBytes);
    buffer[at++] = 0;
    at = writeVarlong(buffer, at, timestampDelta);
    at = writeVarint(buffer, at, this.#recordCount);
    at = writeContent(buffer, at, record.key);
    at = writeContent(buffer, at, record.value);
    at = writeVarint(buffer, at, headers.length);
    for (let index = 0; index < headers.length; index++) at = writeHeader(buffer, at, headers[index]);
    this.#end = at;
  }

  #reserve(needed: number): void {
    if (this.#buffer.length === 0 && this.#memory !== undefined) this.#buffer = this.#memory.take();
    if (needed <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, needed, FIRST_BUFFER_BYTES));
    grown.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = grown;
  }

  /** Encodes all records in one call. The encoder must be empty, and is empty afterwards. */
  encode(records: readonly EncodableRecord[], options: BatchOptions = NO_OPTIONS): Uint8Array<ArrayBuffer> {
    assert(this.#recordCount === 0, 'encode starts with an empty encoder');
    for (let index = 0; index < records.length; index++) {
      const record = records[index];
      if (record !== undefined) this.append(record);
    }
    return this.finish(options);
  }

  /** The uncompressed batch. At least one record must have been appended. */
  finish(options: BatchOptions = NO_OPTIONS): Uint8Array<ArrayBuffer> {
    assert(this.#recordCount > 0, 'a batch has at least one record');
    const batch = this.#buffer.subarray(0, this.#end);
    const pointer = this.#place(batch, 0);
    const end = pointer + batch.length;
    const { recordCount, baseTimestamp, maxTimestamp } = this.#summary();
    this.#seal({ pointer, end, compression: 0, recordCount, baseTimestamp, maxTimestamp }, options);
    this.#reset();
    if (this.#memory === undefined) return this.#kernels.bytes().slice(pointer, end);
    this.#buffer = NO_BUFFER;
    const sealed = this.#kernels.bytes();
    for (let index = 0; index < BATCH_HEADER_BYTES; index++) batch[index] = sealed[pointer + index] ?? 0;
    return batch;
  }

  /** The records part alone, for a compressor; {@link assemble} makes the batch of it. */
  finishRecords(): EncodedRecords {
    assert(this.#recordCount > 0, 'a batch has at least one record');
    const encoded = { bytes: this.#buffer.slice(BATCH_HEADER_BYTES, this.#end), ...this.#summary() };
    if (this.#memory !== undefined) {
      this.#memory.give(this.#buffer);
      this.#buffer = NO_BUFFER;
    }
    this.#reset();
    return encoded;
  }

  /** Puts the header in front of records that may be compressed, in a buffer of its own. Leaves appended records alone. */
  assemble(records: CompressedRecords, options: BatchOptions = NO_OPTIONS): Uint8Array<ArrayBuffer> {
    const { bytes, compression } = records;
    assert(compression >= 0 && compression <= COMPRESSION_CODEC_LAST, 'the codec is one of Kafka’s');
    const pointer = this.#place(bytes, BATCH_HEADER_BYTES);
    const end = pointer + BATCH_HEADER_BYTES + bytes.length;
    const { recordCount, baseTimestamp, maxTimestamp } = records;
    this.#seal({ pointer, end, compression, recordCount, baseTimestamp, maxTimestamp }, options);
    return this.#kernels.bytes().slice(pointer, end);
  }

  #summary(): Omit<EncodedRecords, 'bytes'> {
    const recordCount = this.#recordCount;
    return { recordCount, baseTimestamp: this.#baseTimestamp, maxTimestamp: this.#maxTimestamp };
  }

  /** Copies the bytes into linear memory, `offset` bytes behind the pointer that it returns. */
  #place(bytes: Uint8Array, offset: number): number {
    const pointer = this.#kernels.reserve(offset + bytes.length);
    this.#kernels.bytes().set(bytes, pointer + offset);
    return pointer;
  }

  /** Writes the header of the batch that lies in linear memory. */
  #seal(batch: PlacedBatch, options: BatchOptions): void {
    const attributes =
      batch.compression |
      (options.isTransactional === true ? ATTRIBUTE_TRANSACTIONAL : 0) |
      (options.isControl === true ? ATTRIBUTE_CONTROL : 0);
    this.#kernels.exports.sealBatch(
      batch.pointer,
      batch.end,
      batch.recordCount,
      attributes,
      batch.baseTimestamp,
      batch.maxTimestamp,
      options.producerId ?? -1,
      options.producerEpoch ?? -1,
      options.baseSequence ?? -1,
    );
  }

  #reset(): void {
    if (this.#buffer.length > KEPT_BUFFER_BYTES_MAX) this.#buffer = NO_BUFFER;
    this.#end = BATCH_HEADER_BYTES;
    this.#recordCount = 0;
  }
}

/** Bytes by which a record can make a batch larger, at most; told without a look at the batch. */
export function recordBytesMax({ key, value, headers }: EncodableRecord): number {
  const bytes = RECORD_OVERHEAD_BYTES_MAX + (key === null ? 0 : key.length) + (value === null ? 0 : value.length);
  return headers.length === 0 ? bytes : bytes + headersBytesMax(headers);
}

function headersBytesMax(headers: readonly EncodableHeader[]): number {
  // A UTF-16 unit is at most three bytes of UTF-8.
  return headers.reduce(
    (sum, { key, value }) => sum + HEADER_OVERHEAD_BYTES_MAX + key.length * 3 + (value?.length ?? 0),
    0,
  );
}

function headersInBytes(headers: readonly EncodableHeader[]): readonly HeaderBytes[] {
  return headers.map(({ key, value }) => ({ key: UTF8.encode(key), value }));
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
