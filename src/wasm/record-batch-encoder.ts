// Writes Kafka record batches (magic 2) from records, for clients. The bytes of keys, values and headers are staged in
// linear memory beside a plan of their lengths; the kernel writes varints, header and CRC. Knows no topics.
import {
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_TRANSACTIONAL,
  BATCH_HEADER_BYTES,
  COMPRESSION_CODEC_LAST,
} from '../../assembly/shared/batch-layout.ts';
import { RECORD_PLAN_HEADER_WORDS, RECORD_PLAN_WORDS } from '../../assembly/shared/record-plan-layout.ts';
import { assert } from '../core/assert.ts';
import type { Kernels } from './kernels.ts';

const WORD_BYTES = 4;
const ALIGNMENT = 16;
/** Below this a loop in JavaScript copies faster than a call of `TypedArray.prototype.set` (measured on Node 20). */
const LOOP_COPY_BYTES_MAX = 24;

export interface EncodableHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** A record as a producer gives it. Its bytes are kept by reference until the batch is finished. */
export interface EncodableRecord {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly EncodableHeader[];
  /** Milliseconds since 1970. */
  readonly timestamp: number;
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

interface Layout {
  readonly plan: number;
  readonly stage: number;
  readonly target: number;
}

/** Reusable: `finish` and `finishRecords` leave it empty. Not for use by two batches at once. */
export class RecordBatchEncoder {
  readonly #kernels: Kernels;
  readonly #utf8 = new TextEncoder();
  #records: EncodableRecord[] = [];
  #headerKeys: Uint8Array[] = [];
  #encodedBytes = 0;
  #stagedBytes = 0;
  #planWords = 0;
  #maxTimestamp = 0;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  get recordCount(): number {
    return this.#records.length;
  }

  /** Bytes that the batch takes when it is finished now, uncompressed. */
  get byteCount(): number {
    return BATCH_HEADER_BYTES + this.#encodedBytes;
  }

  /** Bytes by which `append` of this record would grow the batch. */
  sizeOf(record: EncodableRecord): number {
    const base = this.#records[0]?.timestamp ?? record.timestamp;
    const { key, value } = record;
    let bytes = 1 + varlongBytes(record.timestamp - base) + varintBytes(this.#records.length);
    bytes += key === null ? 1 : varintBytes(key.length) + key.length;
    bytes += value === null ? 1 : varintBytes(value.length) + value.length;
    bytes += record.headers.length === 0 ? 1 : headersBytes(record.headers);
    return varintBytes(bytes) + bytes;
  }

  /** Adds a record. Its bytes must not change until the batch is finished. */
  append(record: EncodableRecord): void {
    this.#encodedBytes += this.sizeOf(record);
    this.#stagedBytes += (record.key?.length ?? 0) + (record.value?.length ?? 0);
    this.#planWords += RECORD_PLAN_WORDS;
    if (record.headers.length > 0) this.#appendHeaders(record.headers);
    if (this.#records.length === 0 || record.timestamp > this.#maxTimestamp) this.#maxTimestamp = record.timestamp;
    this.#records.push(record);
  }

  #appendHeaders(headers: readonly EncodableHeader[]): void {
    for (const header of headers) {
      const key = this.#utf8.encode(header.key);
      this.#headerKeys.push(key);
      this.#stagedBytes += key.length + (header.value?.length ?? 0);
      this.#planWords += RECORD_PLAN_HEADER_WORDS;
    }
  }

  /** Encodes all records in one call. The encoder must be empty, and is empty afterwards. */
  encode(records: readonly EncodableRecord[], options: BatchOptions = {}): Uint8Array<ArrayBuffer> {
    assert(this.#records.length === 0, 'encode starts with an empty encoder');
    for (const record of records) this.append(record);
    return this.finish(options);
  }

  /** The uncompressed batch, in a buffer of its own. At least one record must have been appended. */
  finish(options: BatchOptions = {}): Uint8Array<ArrayBuffer> {
    const { target } = this.#write();
    const end = target + this.byteCount;
    const base = this.#records[0]?.timestamp ?? 0;
    const header = { recordCount: this.recordCount, baseTimestamp: base, maxTimestamp: this.#maxTimestamp };
    this.#reset();
    return this.#seal(target, end, { ...header, compression: 0 }, options);
  }

  /** The records part alone, for a compressor; {@link assemble} makes the batch of it. */
  finishRecords(): EncodedRecords {
    const first = this.#write().target + BATCH_HEADER_BYTES;
    const encoded = {
      bytes: this.#kernels.bytes().slice(first, first + this.#encodedBytes),
      recordCount: this.recordCount,
      baseTimestamp: this.#records[0]?.timestamp ?? 0,
      maxTimestamp: this.#maxTimestamp,
    };
    this.#reset();
    return encoded;
  }

  /** Puts the header in front of records that may be compressed. Leaves appended records alone. */
  assemble(records: CompressedRecords, options: BatchOptions = {}): Uint8Array<ArrayBuffer> {
    assert(records.compression >= 0 && records.compression <= COMPRESSION_CODEC_LAST, 'the codec is one of Kafka’s');
    const target = this.#kernels.reserve(BATCH_HEADER_BYTES + records.bytes.length);
    this.#kernels.bytes().set(records.bytes, target + BATCH_HEADER_BYTES);
    return this.#seal(target, target + BATCH_HEADER_BYTES + records.bytes.length, records, options);
  }

  #seal(
    target: number,
    end: number,
    records: Omit<CompressedRecords, 'bytes'>,
    options: BatchOptions,
  ): Uint8Array<ArrayBuffer> {
    const attributes =
      records.compression |
      (options.isTransactional === true ? ATTRIBUTE_TRANSACTIONAL : 0) |
      (options.isControl === true ? ATTRIBUTE_CONTROL : 0);
    this.#kernels.exports.sealBatch(
      target,
      end,
      records.recordCount,
      attributes,
      records.baseTimestamp,
      records.maxTimestamp,
      options.producerId ?? -1,
      options.producerEpoch ?? -1,
      options.baseSequence ?? -1,
    );
    return this.#kernels.bytes().slice(target, end);
  }

  /** Stages all records and lets the kernel write them behind the place of the header. */
  #write(): Layout {
    assert(this.#records.length > 0, 'a batch has at least one record');
    const layout = this.#reserve();
    this.#stage(layout);
    const first = layout.target + BATCH_HEADER_BYTES;
    const written = this.#kernels.exports.encodeRecords(first, this.#records.length, layout.plan, layout.stage);
    assert(written === this.#encodedBytes, 'the kernel wrote as many bytes as were counted');
    return layout;
  }

  #reserve(): Layout {
    const planBytes = alignUp(this.#planWords * WORD_BYTES);
    const stageBytes = alignUp(this.#stagedBytes + ALIGNMENT);
    const plan = this.#kernels.reserve(planBytes + stageBytes + this.byteCount + ALIGNMENT);
    return { plan, stage: plan + planBytes, target: plan + planBytes + stageBytes };
  }

  #stage(layout: Layout): void {
    const bytes = this.#kernels.bytes();
    const plan = this.#kernels.words();
    const baseTimestamp = this.#records[0]?.timestamp ?? 0;
    let word = layout.plan / WORD_BYTES;
    let at = layout.stage;
    let headerKey = 0;
    for (const { key, value, headers, timestamp } of this.#records) {
      const delta = timestamp - baseTimestamp;
      plan[word] = delta;
      plan[word + 1] = Math.floor(delta / 2 ** 32);
      plan[word + 2] = key === null ? -1 : key.length;
      plan[word + 3] = value === null ? -1 : value.length;
      plan[word + 4] = headers.length;
      word += RECORD_PLAN_WORDS;
      if (key !== null) at = copy(bytes, at, key);
      if (value !== null) at = copy(bytes, at, value);
      for (const header of headers) {
        const keyBytes = this.#headerKeys[headerKey++];
        assert(keyBytes !== undefined, 'every header key was encoded when it was appended');
        plan[word] = keyBytes.length;
        plan[word + 1] = header.value === null ? -1 : header.value.length;
        word += RECORD_PLAN_HEADER_WORDS;
        at = copy(bytes, at, keyBytes);
        if (header.value !== null) at = copy(bytes, at, header.value);
      }
    }
  }

  #reset(): void {
    this.#records = [];
    this.#headerKeys = [];
    this.#encodedBytes = 0;
    this.#stagedBytes = 0;
    this.#planWords = 0;
  }
}

function copy(target: Uint8Array, at: number, source: Uint8Array): number {
  const length = source.length;
  if (length > LOOP_COPY_BYTES_MAX) target.set(source, at);
  else for (let index = 0; index < length; index++) target[at + index] = source[index] ?? 0;
  return at + length;
}

function alignUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

function headersBytes(headers: readonly EncodableHeader[]): number {
  let bytes = varintBytes(headers.length);
  for (const { key, value } of headers) {
    const keyBytes = utf8Bytes(key);
    bytes += varintBytes(keyBytes) + keyBytes;
    bytes += value === null ? 1 : varintBytes(value.length) + value.length;
  }
  return bytes;
}

/** Bytes of the text in UTF-8, as TextEncoder writes it: an unpaired surrogate becomes U+FFFD, 3 bytes. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** Bytes of a zigzag varint. */
function varintBytes(value: number): number {
  const raw = ((value << 1) ^ (value >> 31)) >>> 0;
  return raw < 128 ? 1 : raw < 16384 ? 2 : raw < 2097152 ? 3 : raw < 268435456 ? 4 : 5;
}

/** Bytes of a zigzag varlong; `value` is a safe integer. */
function varlongBytes(value: number): number {
  if ((value | 0) === value) return varintBytes(value);
  // Zigzag doubles the magnitude, which may leave the safe integers; halving the bounds instead does not.
  let limit = 2 ** 34;
  let bytes = 5;
  while (value >= limit || value < -limit) {
    limit *= 128;
    bytes++;
  }
  return bytes;
}
