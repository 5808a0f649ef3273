// Reads record batches (magic 2) for clients: batches of a region, and their records as views over the bytes given. The
// kernel checks and tabulates; JavaScript objects are made as they are asked for. Knows no topics and no codecs: the
// caller decompresses.
import {
  ATTRIBUTE_COMPRESSION_MASK,
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_LOG_APPEND_TIME,
  ATTRIBUTE_TRANSACTIONAL,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH,
  BATCH_LENGTH_OVERHEAD,
  BATCH_MAGIC,
  BATCH_MAGIC_VALUE,
  RECORD_BYTES_MIN,
} from '../../assembly/shared/batch-layout.ts';
import {
  RECORD_TABLE_HEADER_COUNT,
  RECORD_TABLE_HEADERS,
  RECORD_TABLE_KEY,
  RECORD_TABLE_KEY_BYTES,
  RECORD_TABLE_OFFSET_DELTA,
  RECORD_TABLE_STRIDE,
  RECORD_TABLE_TIMESTAMP,
  RECORD_TABLE_VALUE,
  RECORD_TABLE_VALUE_BYTES,
} from '../../assembly/shared/record-table-layout.ts';
import { STATUS_OK } from '../../assembly/shared/status.ts';
import { LogFault } from '../core/fault.ts';
import { type BatchHeader, readBatchHeader, viewOf } from './batch-header.ts';
import type { Kernels } from './kernels.ts';

const WORD_BYTES = 4;
const DOUBLE_BYTES = 8;
const WORDS = RECORD_TABLE_STRIDE / WORD_BYTES;
const DOUBLES = RECORD_TABLE_STRIDE / DOUBLE_BYTES;

export interface DecodeOptions {
  /** Whether every batch's CRC is checked. Default true. */
  readonly checkCrc?: boolean;
}

export interface DecodedHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** Splits regions into batches and batches into records. Reusable; holds nothing between calls. */
export class RecordBatchDecoder {
  readonly #kernels: Kernels;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  /**
   * The whole batches of a region; a partial batch at its end is left out (a fetch may cut one off). Throws `LogFault`
   * ERR_CORRUPT_LOG for a wrong length, magic or CRC.
   */
  *batches(region: Uint8Array, options: DecodeOptions = {}): Generator<DecodedBatch, void, undefined> {
    let position = 0;
    while (region.length - position >= BATCH_LENGTH_OVERHEAD) {
      const view = new DataView(region.buffer, region.byteOffset + position, region.length - position);
      const length = view.getInt32(BATCH_LENGTH);
      if (length < BATCH_HEADER_BYTES - BATCH_LENGTH_OVERHEAD) throw corrupt(position, 'its length is too small');
      const bytes = length + BATCH_LENGTH_OVERHEAD;
      if (bytes > view.byteLength) return;
      if (view.getUint8(BATCH_MAGIC) !== BATCH_MAGIC_VALUE) throw corrupt(position, 'its magic is not 2');
      const batch = region.subarray(position, position + bytes);
      if (options.checkCrc !== false) this.#check(batch, position);
      yield new DecodedBatch(this.#kernels, batch);
      position += bytes;
    }
  }

  #check(batch: Uint8Array, position: number): void {
    const pointer = this.#kernels.reserve(batch.length);
    this.#kernels.bytes().set(batch, pointer);
    const status = this.#kernels.checkStoredBatch(pointer, batch.length);
    if (status !== STATUS_OK) throw corrupt(position, `its check gave status ${status}`);
  }
}

function corrupt(position: number, reason: string): LogFault {
  return new LogFault('ERR_CORRUPT_LOG', `The record batch at byte ${position} is corrupt: ${reason}`);
}

/** One batch: its header's fields, and its records on demand. A view: it stays valid as long as the bytes given. */
export class DecodedBatch {
  readonly #kernels: Kernels;
  readonly #header: BatchHeader;
  /** The whole batch. */
  readonly bytes: Uint8Array;

  constructor(kernels: Kernels, bytes: Uint8Array) {
    this.#kernels = kernels;
    this.#header = readBatchHeader(viewOf(bytes), 0);
    this.bytes = bytes;
  }

  get baseOffset(): number {
    return this.#header.baseOffset;
  }
  get lastOffset(): number {
    return this.#header.lastOffset;
  }
  get partitionLeaderEpoch(): number {
    return this.#header.leaderEpoch;
  }
  get attributes(): number {
    return this.#header.attributes;
  }
  get baseTimestamp(): number {
    return this.#header.baseTimestamp;
  }
  get maxTimestamp(): number {
    return this.#header.maxTimestamp;
  }
  get producerId(): number {
    return this.#header.producerId;
  }
  get producerEpoch(): number {
    return this.#header.producerEpoch;
  }
  get baseSequence(): number {
    return this.#header.baseSequence;
  }
  get recordCount(): number {
    return this.#header.recordCount;
  }

  /** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
  get compression(): number {
    return this.attributes & ATTRIBUTE_COMPRESSION_MASK;
  }
  /** Whether the records are commit or abort markers, which are not for applications. */
  get isControl(): boolean {
    return (this.attributes & ATTRIBUTE_CONTROL) !== 0;
  }
  get isTransactional(): boolean {
    return (this.attributes & ATTRIBUTE_TRANSACTIONAL) !== 0;
  }
  get hasLogAppendTime(): boolean {
    return (this.attributes & ATTRIBUTE_LOG_APPEND_TIME) !== 0;
  }
  /** The records part as it is in the batch, compressed where `compression` is not 0. */
  get recordsBytes(): Uint8Array {
    return this.bytes.subarray(BATCH_HEADER_BYTES);
  }

  /**
   * The batch's records, in order. For a compressed batch give the decompressed records part. Keys, values and headers
   * are views over the bytes given. Throws `LogFault` ERR_CORRUPT_LOG where they do not follow the format.
   */
  records(decompressed?: Uint8Array): DecodedRecord[] {
    const table = this.table(decompressed);
    return Array.from({ length: this.recordCount }, (_, index) => new DecodedRecord(table, index));
  }

  /** The same records, without an object for each. */
  table(decompressed?: Uint8Array): RecordTable {
    if (decompressed === undefined && this.compression !== 0) {
      throw new LogFault(
        'ERR_UNSUPPORTED',
        `Records under compression codec ${this.compression} must be decompressed first`,
      );
    }
    return this.#tabulate(decompressed ?? this.recordsBytes);
  }

  #tabulate(bytes: Uint8Array): RecordTable {
    const count = this.recordCount;
    if (count < 0 || count > bytes.length / RECORD_BYTES_MIN) throw this.#corrupt('its record count is out of range');
    const tableBytes = count * RECORD_TABLE_STRIDE;
    const table = this.#kernels.reserve(tableBytes + bytes.length);
    const source = table + tableBytes;
    this.#kernels.bytes().set(bytes, source);
    const lastOffsetDelta = this.lastOffset - this.baseOffset;
    const status = this.#kernels.exports.tabulateRecords(
      source,
      bytes.length,
      count,
      this.baseTimestamp,
      lastOffsetDelta,
      table,
    );
    if (status !== STATUS_OK) throw this.#corrupt(`its records gave status ${status}`);
    const entries = this.#kernels.words().slice(table / WORD_BYTES, table / WORD_BYTES + count * WORDS);
    return new RecordTable(this, bytes, entries);
  }

  #corrupt(reason: string): LogFault {
    return new LogFault('ERR_CORRUPT_LOG', `The record batch at offset ${this.baseOffset} is corrupt: ${reason}`);
  }
}

/** The records of a batch by their number, from 0: their parts are made when they are asked for, anew each time. */
export class RecordTable {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #baseOffset: number;
  /** The time of all of them, where the batch carries the log append time. */
  readonly #logAppendTime: number | undefined;

  /** `words` holds an entry of the kernel's table for each record. */
  constructor(batch: DecodedBatch, bytes: Uint8Array, words: Int32Array<ArrayBuffer>) {
    this.#bytes = bytes;
    this.#words = words;
    this.#doubles = new Float64Array(words.buffer);
    this.#baseOffset = batch.baseOffset;
    this.#logAppendTime = batch.hasLogAppendTime ? batch.maxTimestamp : undefined;
  }

  #word(index: number, byte: number): number {
    return this.#words[index * WORDS + byte / WORD_BYTES] ?? 0;
  }

  offset(index: number): number {
    return this.#baseOffset + this.#word(index, RECORD_TABLE_OFFSET_DELTA);
  }

  /** Milliseconds since 1970; the batch's where it carries the log append time. */
  timestamp(index: number): number {
    return this.#logAppendTime ?? this.#doubles[index * DOUBLES + RECORD_TABLE_TIMESTAMP / DOUBLE_BYTES] ?? 0;
  }

  key(index: number): Uint8Array | null {
    return this.#slice(this.#word(index, RECORD_TABLE_KEY), this.#word(index, RECORD_TABLE_KEY_BYTES));
  }

  value(index: number): Uint8Array | null {
    return this.#slice(this.#word(index, RECORD_TABLE_VALUE), this.#word(index, RECORD_TABLE_VALUE_BYTES));
  }

  headers(index: number): DecodedHeader[] {
    const count = this.#word(index, RECORD_TABLE_HEADER_COUNT);
    return count === 0 ? [] : readHeaders(this.#bytes, this.#word(index, RECORD_TABLE_HEADERS), count);
  }

  #slice(position: number, length: number): Uint8Array | null {
    return length < 0 ? null : this.#bytes.subarray(position, position + length);
  }
}

/** One record. */
export class DecodedRecord {
  readonly #table: RecordTable;
  readonly #index: number;

  constructor(table: RecordTable, index: number) {
    this.#table = table;
    this.#index = index;
  }

  get offset(): number {
    return this.#table.offset(this.#index);
  }

  get timestamp(): number {
    return this.#table.timestamp(this.#index);
  }

  get key(): Uint8Array | null {
    return this.#table.key(this.#index);
  }

  get value(): Uint8Array | null {
    return this.#table.value(this.#index);
  }

  get headers(): DecodedHeader[] {
    return this.#table.headers(this.#index);
  }
}

/** Headers whose bounds the kernel has checked. */
function readHeaders(bytes: Uint8Array, first: number, count: number): DecodedHeader[] {
  const utf8 = new TextDecoder();
  const headers: DecodedHeader[] = [];
  let position = first;
  const length = (): number => {
    let raw = 0;
    let shift = 0;
    let byte = 0;
    do {
      byte = bytes[position++] ?? 0;
      raw |= (byte & 127) << shift;
      shift += 7;
    } while (byte > 127);
    return (raw >>> 1) ^ -(raw & 1);
  };
  const part = (size: number): Uint8Array => {
    position += size;
    return bytes.subarray(position - size, position);
  };
  for (let index = 0; index < count; index++) {
    const key = utf8.decode(part(length()));
    const valueBytes = length();
    headers.push({ key, value: valueBytes < 0 ? null : part(valueBytes) });
  }
  return headers;
}
