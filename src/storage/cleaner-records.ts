// The records of one batch as compaction looks at them: where each begins and ends, its offset, its time, whether it has
// a key and a value, and the hash of its key. One batch at a time; the arrays are used again for the next.

import { BATCH_HEADER_BYTES, RECORD_BYTES_MIN } from '../../assembly/shared/batch-layout.ts';
import {
  RECORD_TABLE_KEY,
  RECORD_TABLE_KEY_BYTES,
  RECORD_TABLE_OFFSET_DELTA,
  RECORD_TABLE_STRIDE,
  RECORD_TABLE_TIMESTAMP,
  RECORD_TABLE_VALUE_BYTES,
} from '../../assembly/shared/record-table-layout.ts';
import { STATUS_COUNT, STATUS_OK } from '../../assembly/shared/status.ts';
import type { BatchHeader } from '../wasm/batch-header.ts';
import type { Kernels } from '../wasm/kernels.ts';

const HASH_BYTES = 16;
const SECRET_BYTES = 16;
const WORD_BYTES = 4;
const ENTRY_WORDS = RECORD_TABLE_STRIDE / WORD_BYTES;
const ENTRY_DOUBLES = RECORD_TABLE_STRIDE / 8;

export class BatchRecords {
  readonly #kernels: Kernels;
  readonly #secret: Uint8Array;
  #words: Int32Array = new Int32Array(0);
  #doubles: Float64Array = new Float64Array(0);
  /** Four words a record, for {@link KeyOffsetMap}; undefined in meaning for a record without a key. */
  hashes: Int32Array = new Int32Array(0);
  /** The bytes that the records lie in, uncompressed. */
  bytes: Uint8Array = new Uint8Array(0);
  count = 0;

  /** `secret` has 16 bytes that no client knows. */
  constructor(kernels: Kernels, secret: Uint8Array) {
    this.#kernels = kernels;
    this.#secret = secret;
  }

  /** Header and CRC of a stored batch: a status. */
  check(batch: Uint8Array): number {
    const kernels = this.#kernels;
    const pointer = kernels.reserve(batch.length);
    kernels.bytes().set(batch, pointer);
    return kernels.checkStoredBatch(pointer, batch.length);
  }

  /** Takes the records of an uncompressed batch. A status. */
  load(batch: Uint8Array, header: BatchHeader): number {
    return this.loadRecords(batch.subarray(BATCH_HEADER_BYTES), header);
  }

  /** As {@link load}, for the records part alone. The bytes must stay as they are. */
  loadRecords(bytes: Uint8Array, { recordCount: count, baseTimestamp, baseOffset, lastOffset }: BatchHeader): number {
    if (count < 0 || count > bytes.length / RECORD_BYTES_MIN) return STATUS_COUNT;
    const kernels = this.#kernels;
    const tableBytes = count * RECORD_TABLE_STRIDE;
    const hashesBytes = count * HASH_BYTES;
    const table = kernels.reserve(tableBytes + hashesBytes + SECRET_BYTES + bytes.length);
    const hashes = table + tableBytes;
    const secret = hashes + hashesBytes;
    const source = secret + SECRET_BYTES;
    const memory = kernels.bytes();
    memory.set(bytes, source);
    memory.set(this.#secret, secret);
    const { exports } = kernels;
    const delta = lastOffset - baseOffset;
    const status = exports.tabulateRecords(source, bytes.length, count, baseTimestamp, delta, table);
    if (status !== STATUS_OK) return status;
    exports.hashKeys(table, count, source, hashes, secret);
    this.#grow(count);
    const words = kernels.words();
    this.#words.set(words.subarray(table / WORD_BYTES, hashes / WORD_BYTES));
    this.hashes.set(words.subarray(hashes / WORD_BYTES, secret / WORD_BYTES));
    this.bytes = bytes;
    this.count = count;
    return STATUS_OK;
  }

  #grow(count: number): void {
    if (this.hashes.length >= count * (HASH_BYTES / WORD_BYTES)) return;
    this.hashes = new Int32Array((2 * count * HASH_BYTES) / WORD_BYTES);
    this.#words = new Int32Array(2 * count * ENTRY_WORDS);
    this.#doubles = new Float64Array(this.#words.buffer);
  }

  #word(index: number, field: number): number {
    return this.#words[index * ENTRY_WORDS + field / WORD_BYTES] ?? 0;
  }

  offsetDelta(index: number): number {
    return this.#word(index, RECORD_TABLE_OFFSET_DELTA);
  }

  /** By its own delta, whatever the batch says of its type of time. */
  timestamp(index: number): number {
    return this.#doubles[index * ENTRY_DOUBLES + RECORD_TABLE_TIMESTAMP / 8] ?? 0;
  }

  hasKey(index: number): boolean {
    return this.#word(index, RECORD_TABLE_KEY_BYTES) >= 0;
  }

  hasValue(index: number): boolean {
    return this.#word(index, RECORD_TABLE_VALUE_BYTES) >= 0;
  }

  key(index: number): Uint8Array | undefined {
    const length = this.#word(index, RECORD_TABLE_KEY_BYTES);
    const position = this.#word(index, RECORD_TABLE_KEY);
    return length < 0 ? undefined : this.bytes.subarray(position, position + length);
  }
}
