// The typed face of the kernels: scratch memory, CRC, checking, stamping, walking, index search. It owns the views over
// linear memory (re-made when it grows) and knows nothing of files, partitions or requests.
import {
  ATTRIBUTE_COMPRESSION_MASK,
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_LOG_APPEND_TIME,
  ATTRIBUTE_TRANSACTIONAL,
} from '../../assembly/shared/batch-layout.ts';
import { HEAP_BASE, OVER_READ_BYTES, SUMMARY_POINTER } from '../../assembly/shared/memory-layout.ts';
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
  SUMMARY_RECORD_COUNT,
  SUMMARY_RECORDS_MAX_TIMESTAMP,
  SUMMARY_SLOTS,
} from '../../assembly/shared/summary-layout.ts';
import { assert } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import { instantiateKernels, type KernelExports, type WasmSource } from './module.ts';

const PAGE_BYTES = 65_536;
/** Linear memory ends here at the latest (4 GiB, the limit of 32-bit WebAssembly). */
const MEMORY_BYTES_MAX = 65_536 * PAGE_BYTES;
const SCRATCH_ALIGNMENT = 16;
/** Largest relative offset that an index entry can hold: 31 bits. */
const RELATIVE_OFFSET_LAST = 0x7fffffff;

/** How {@link Kernels.create} lays out memory. */
export interface KernelsOptions {
  /** Makes this the shared build's memory; see {@link Kernels.createSharedMemory}. Absent: the plain build. */
  readonly memory?: WebAssembly.Memory;
  /** Bytes right behind the heap base that belong to the caller: `reserve` works behind them. Default 0. */
  readonly reservedBytes?: number;
}

/** What the batch checked last says of itself. Numbers, valid until the next check; undefined in meaning before it. */
export class BatchSummary {
  #slots: Float64Array = new Float64Array(SUMMARY_SLOTS);

  /** Points the summary at the memory's current buffer. Called by {@link Kernels} alone. */
  attach(buffer: ArrayBufferLike): void {
    this.#slots = new Float64Array(buffer, SUMMARY_POINTER, SUMMARY_SLOTS);
  }

  #slot(index: number): number {
    return this.#slots[index] ?? 0;
  }

  get baseOffset(): number {
    return this.#slot(SUMMARY_BASE_OFFSET);
  }
  /** The whole batch: 12 + its length field. */
  get batchBytes(): number {
    return this.#slot(SUMMARY_BATCH_BYTES);
  }
  get partitionLeaderEpoch(): number {
    return this.#slot(SUMMARY_LEADER_EPOCH);
  }
  /** All 16 bits, unsigned. */
  get attributes(): number {
    return this.#slot(SUMMARY_ATTRIBUTES);
  }
  /** 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
  get compression(): number {
    return this.attributes & ATTRIBUTE_COMPRESSION_MASK;
  }
  get isControl(): boolean {
    return (this.attributes & ATTRIBUTE_CONTROL) !== 0;
  }
  get isTransactional(): boolean {
    return (this.attributes & ATTRIBUTE_TRANSACTIONAL) !== 0;
  }
  get hasLogAppendTime(): boolean {
    return (this.attributes & ATTRIBUTE_LOG_APPEND_TIME) !== 0;
  }
  get lastOffsetDelta(): number {
    return this.#slot(SUMMARY_LAST_OFFSET_DELTA);
  }
  get lastOffset(): number {
    return this.baseOffset + this.lastOffsetDelta;
  }
  /** Milliseconds since 1970; -1 for none. */
  get baseTimestamp(): number {
    return this.#slot(SUMMARY_BASE_TIMESTAMP);
  }
  /** As the header says. */
  get maxTimestamp(): number {
    return this.#slot(SUMMARY_MAX_TIMESTAMP);
  }
  /** Largest timestamp of the records themselves; the header's where `validateBatch` did not read them. */
  get recordsMaxTimestamp(): number {
    return this.#slot(SUMMARY_RECORDS_MAX_TIMESTAMP);
  }
  /** Offset delta of the first record with the largest timestamp; the last delta where records were not read. */
  get offsetDeltaOfMaxTimestamp(): number {
    return this.#slot(SUMMARY_OFFSET_DELTA_OF_MAX);
  }
  /** -1 where the producer is neither idempotent nor transactional. */
  get producerId(): number {
    return this.#slot(SUMMARY_PRODUCER_ID);
  }
  get producerEpoch(): number {
    return this.#slot(SUMMARY_PRODUCER_EPOCH);
  }
  get baseSequence(): number {
    return this.#slot(SUMMARY_BASE_SEQUENCE);
  }
  get recordCount(): number {
    return this.#slot(SUMMARY_RECORD_COUNT);
  }
  /** Whether a record has a null key. False where the records were not read (compressed, or `checkStoredBatch`). */
  get hasKeylessRecord(): boolean {
    return this.#slot(SUMMARY_HAS_KEYLESS) !== 0;
  }
}

/** One instance of the kernels with its memory. Not for use by several threads at once. */
export class Kernels {
  /** First byte of linear memory that kernels never touch on their own. The same in every build. */
  static readonly heapBase: number = HEAP_BASE;

  readonly memory: WebAssembly.Memory;
  readonly summary: BatchSummary = new BatchSummary();
  /** The raw exports, for the encoder and the decoder beside this file. */
  readonly exports: KernelExports;
  /** First byte of what `reserve` gives out. */
  readonly #scratch: number;
  #bytes: Uint8Array;
  #words: Int32Array;

  private constructor(exports: KernelExports, memory: WebAssembly.Memory, reservedBytes: number) {
    this.exports = exports;
    this.memory = memory;
    this.#scratch = alignUp(HEAP_BASE + reservedBytes + OVER_READ_BYTES);
    this.#bytes = new Uint8Array(memory.buffer);
    this.#words = new Int32Array(memory.buffer);
    this.#grow(this.#scratch + OVER_READ_BYTES);
    this.#attach();
  }

  /** Instantiates the kernels. `source` is the plain build, or the shared build when a shared memory is given. */
  static create(source: WasmSource, options: KernelsOptions = {}): Kernels {
    const { exports, memory } = instantiateKernels(source, options.memory);
    return new Kernels(exports, memory, options.reservedBytes ?? 0);
  }

  /** A shared memory that holds `reservedBytes` for the caller from `heapBase` on, and may grow by `scratchBytesMax`. */
  static createSharedMemory(options: { reservedBytes: number; scratchBytesMax: number }): WebAssembly.Memory {
    const initial = Math.ceil((HEAP_BASE + options.reservedBytes + 2 * PAGE_BYTES) / PAGE_BYTES);
    const maximum = Math.min(initial + Math.ceil(options.scratchBytesMax / PAGE_BYTES), MEMORY_BYTES_MAX / PAGE_BYTES);
    return new WebAssembly.Memory({ initial, maximum, shared: true });
  }

  /** Start of the caller's `reservedBytes`. */
  get reservedPointer(): number {
    return HEAP_BASE;
  }

  /**
   * The whole memory. Ask again after anything that may grow it: a plain memory detaches older views. Over a shared
   * memory this is a view over a SharedArrayBuffer, which some platform calls (TextDecoder, WebSocket) refuse.
   */
  bytes(): Uint8Array {
    // A plain memory that grew has detached its views, which are then empty; `memory.buffer` is slow to ask for.
    if (this.#bytes.length === 0) this.#attach();
    return this.#bytes;
  }

  /** The whole memory as 32-bit words, with the same rules as {@link bytes}. */
  words(): Int32Array {
    if (this.#words.length === 0) this.#attach();
    return this.#words;
  }

  /**
   * A scratch region of at least `byteCount` bytes, 16-byte aligned, with slack for over-reads behind it. It is valid
   * until the next `reserve`, and its content is undefined. Throws `LogFault` ERR_STORAGE when memory cannot grow.
   */
  reserve(byteCount: number): number {
    const pointer = this.#scratch;
    this.#grow(pointer + byteCount + OVER_READ_BYTES);
    return pointer;
  }

  /** As {@link reserve}, but leaves alone the `length` bytes at `pointer`, which may lie in scratch themselves. */
  reserveBeside(pointer: number, length: number, byteCount: number): number {
    if (pointer < this.#scratch) return this.reserve(byteCount);
    const beside = alignUp(pointer + length + OVER_READ_BYTES);
    this.#grow(beside + byteCount + OVER_READ_BYTES);
    return beside;
  }

  #grow(end: number): void {
    const missing = end - this.bytes().length;
    if (missing <= 0) return;
    try {
      this.memory.grow(Math.ceil(missing / PAGE_BYTES));
    } catch (cause) {
      throw new LogFault('ERR_STORAGE', `WebAssembly memory cannot grow to ${end} bytes`, cause);
    }
    this.#attach();
  }

  #attach(): void {
    const { buffer } = this.memory;
    this.summary.attach(buffer);
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Int32Array(buffer);
  }

  /** CRC32C (RFC 3720), unsigned. */
  crc32c(pointer: number, length: number): number {
    return this.exports.crc32c(pointer, length) >>> 0;
  }

  /** Copies the bytes into scratch and takes their CRC32C. */
  crc32cOf(source: Uint8Array): number {
    const pointer = this.reserve(source.length);
    this.bytes().set(source, pointer);
    return this.crc32c(pointer, source.length);
  }

  /** Checks a batch that a producer sent, records included where they are not compressed. A status; fills `summary`. */
  validateBatch(pointer: number, available: number): number {
    return this.exports.validateBatch(pointer, available);
  }

  /** Checks a batch of the log: header and CRC; gaps and empty batches pass. A status; fills `summary`. */
  checkStoredBatch(pointer: number, available: number): number {
    return this.exports.checkStoredBatch(pointer, available);
  }

  /**
   * Checks the decompressed records of the batch that was validated last, as `validateBatch` does those of an
   * uncompressed one. A status; fills what `summary` says of records.
   */
  validateRecords(first: number, byteCount: number): number {
    const { recordCount, baseTimestamp } = this.summary;
    return this.exports.validateRecords(first, byteCount, recordCount, baseTimestamp);
  }

  /**
   * Makes the header at `pointer` fit to records behind it that end at `end` and are under codec number `codec`: length,
   * attributes, CRC, and `summary`.
   */
  recodeBatch(pointer: number, end: number, codec: number): void {
    this.exports.recodeBatch(pointer, end, codec);
  }

  /** Sets base offset and leader epoch, which the CRC does not cover. */
  stampBatch(pointer: number, baseOffset: number, leaderEpoch: number): void {
    this.exports.stampBatch(pointer, baseOffset, leaderEpoch);
  }

  /** Sets timestamp type log append time and the max timestamp, and renews the CRC. */
  stampLogAppendTime(pointer: number, timestampMs: number): void {
    this.exports.stampLogAppendTime(pointer, timestampMs);
  }

  /** Sets the max timestamp, and renews the CRC. */
  stampMaxTimestamp(pointer: number, timestampMs: number): void {
    this.exports.stampMaxTimestamp(pointer, timestampMs);
  }

  /** Bytes of the batch at `pointer` by its length field; 0 where it is cut off, -1 where the length is wrong. */
  batchBytes(pointer: number, available: number): number {
    return this.exports.batchBytes(pointer, available);
  }

  /** Bytes of the whole batches at the start of the region. Reads headers only. */
  wholeBatchesBytes(pointer: number, available: number): number {
    return this.exports.wholeBatchesBytes(pointer, available) >>> 0;
  }

  /** Position of the first whole batch whose last offset is `offset` or above, or -1. Reads headers only. */
  findBatch(pointer: number, available: number, offset: number): number {
    return this.exports.findBatch(pointer, available, offset);
  }

  /** Index of the last of `entryCount` offset index entries at or below `relativeOffset` (any number), or -1. */
  offsetIndexFloor(pointer: number, entryCount: number, relativeOffset: number): number {
    if (relativeOffset > RELATIVE_OFFSET_LAST) return entryCount - 1;
    return relativeOffset < 0 ? -1 : this.exports.offsetIndexFloor(pointer, entryCount, relativeOffset);
  }

  /** Index of the last of `entryCount` time index entries at or below `timestampMs`, or -1. */
  timeIndexFloor(pointer: number, entryCount: number, timestampMs: number): number {
    return this.exports.timeIndexFloor(pointer, entryCount, timestampMs);
  }
}

function alignUp(pointer: number): number {
  assert(Number.isSafeInteger(pointer) && pointer < MEMORY_BYTES_MAX, 'a pointer lies inside of linear memory');
  return Math.ceil(pointer / SCRATCH_ALIGNMENT) * SCRATCH_ALIGNMENT;
}
