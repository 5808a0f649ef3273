// `<offset>.snapshot`: what the log knew of its producers when it ended at that offset, in Kafka's format, version 1.
//
//   0        2        6       10
//   +--------+--------+-------+--------------------+-----------+
//   | version| CRC32C | count | count entries of   | extension |
//   | 1      | of the | int32 | 46 bytes           |           |
//   |        | rest   |       |                    |           |
//   +--------+--------+-------+--------------------+-----------+
//   entry: producer id i64 | epoch i16 | last sequence i32 | last offset i64 | offset delta i32 | timestamp i64 |
//          coordinator epoch i32 | first offset of the open transaction i64, -1 for none
//
// Kafka keeps only each producer's last batch, so that a producer which repeats an earlier one after a restart is told
// that its sequence is wrong. The extension behind the entries keeps the whole window; Kafka's reader stops before it:
//
//   "MRPS" | for every entry, in order: last seen i64 | earlier batches u8 | for each, oldest first:
//          last sequence i32 | last offset i64 | offset delta i32 | timestamp i64
//
// Crash policy: a file that does not pass its check, or is absent, is as good as an older one with more of the log read
// again. It is never needed for the log's own content.

import { readInt64, viewOf, writeInt64 } from '../wasm/batch-header.ts';
import type { Kernels } from '../wasm/kernels.ts';

/** Batches that are remembered of each producer: as many as a client may have in flight (Kafka's number too). */
export const PRODUCER_BATCHES_MAX = 5;

/** One batch of a producer. */
export interface ProducerBatchPlace {
  /** Sequence of the last record; -1 for batches of a coordinator, which have none. */
  readonly lastSequence: number;
  readonly lastOffset: number;
  /** Last offset less first offset, and so last sequence less first sequence. */
  readonly offsetDelta: number;
  readonly timestamp: number;
}

/** What a log knows of one producer. */
export interface ProducerRecord {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Of the last marker; -1 for none. */
  readonly coordinatorEpoch: number;
  /** Of the last batch or marker, as it says itself. */
  readonly lastTimestamp: number;
  /** The broker's time when it wrote last; -1 where a file does not say. */
  readonly lastSeenMs: number;
  /** First offset of the open transaction, or -1. */
  readonly transactionStart: number;
  /** Oldest first, at most {@link PRODUCER_BATCHES_MAX}. */
  readonly batches: readonly ProducerBatchPlace[];
}

const VERSION = 1;
const CRC_AT = 2;
const COUNT_AT = 6;
const ENTRIES_AT = 10;
const ENTRY_BYTES = 46;
/** "MRPS". */
const EXTENSION_MAGIC = 0x4d525053;
const EXTENSION_HEAD_BYTES = 4;
const EXTENSION_ENTRY_BYTES = 9;
const EXTENSION_BATCH_BYTES = 24;
const NO_BATCH: ProducerBatchPlace = { lastSequence: -1, lastOffset: -1, offsetDelta: 0, timestamp: -1 };

export function encodeSnapshot(kernels: Kernels, records: readonly ProducerRecord[]): Uint8Array {
  let byteCount = ENTRIES_AT + EXTENSION_HEAD_BYTES;
  for (const record of records) {
    byteCount += ENTRY_BYTES + EXTENSION_ENTRY_BYTES + earlierBatches(record) * EXTENSION_BATCH_BYTES;
  }
  const bytes = new Uint8Array(byteCount);
  const view = viewOf(bytes);
  view.setInt16(0, VERSION);
  view.setInt32(COUNT_AT, records.length);
  let at = ENTRIES_AT;
  for (const record of records) at = writeEntry(view, at, record);
  view.setUint32(at, EXTENSION_MAGIC);
  at += EXTENSION_HEAD_BYTES;
  for (const record of records) at = writeExtension(view, at, record);
  view.setUint32(CRC_AT, kernels.crc32cOf(bytes.subarray(COUNT_AT)));
  return bytes;
}

function earlierBatches(record: ProducerRecord): number {
  return Math.max(0, record.batches.length - 1);
}

function writeEntry(view: DataView, at: number, record: ProducerRecord): number {
  const last = record.batches.at(-1) ?? NO_BATCH;
  writeInt64(view, at, record.producerId);
  view.setInt16(at + 8, record.producerEpoch);
  view.setInt32(at + 10, last.lastSequence);
  writeInt64(view, at + 14, last.lastOffset);
  view.setInt32(at + 22, last.offsetDelta);
  writeInt64(view, at + 26, record.lastTimestamp);
  view.setInt32(at + 34, record.coordinatorEpoch);
  writeInt64(view, at + 38, record.transactionStart);
  return at + ENTRY_BYTES;
}

function writeExtension(view: DataView, start: number, record: ProducerRecord): number {
  writeInt64(view, start, record.lastSeenMs);
  view.setUint8(start + 8, earlierBatches(record));
  let at = start + EXTENSION_ENTRY_BYTES;
  for (const batch of record.batches.slice(0, -1)) {
    view.setInt32(at, batch.lastSequence);
    writeInt64(view, at + 4, batch.lastOffset);
    view.setInt32(at + 12, batch.offsetDelta);
    writeInt64(view, at + 16, batch.timestamp);
    at += EXTENSION_BATCH_BYTES;
  }
  return at;
}

/** Undefined where the bytes are no whole snapshot. A broken extension counts as none. */
export function decodeSnapshot(kernels: Kernels, bytes: Uint8Array): ProducerRecord[] | undefined {
  if (bytes.length < ENTRIES_AT) return undefined;
  const view = viewOf(bytes);
  const count = view.getInt32(COUNT_AT);
  const entriesEnd = ENTRIES_AT + count * ENTRY_BYTES;
  if (view.getInt16(0) !== VERSION || count < 0 || entriesEnd > bytes.length) return undefined;
  if (view.getUint32(CRC_AT) !== kernels.crc32cOf(bytes.subarray(COUNT_AT))) return undefined;
  const records: ProducerRecord[] = [];
  for (let at = ENTRIES_AT; at < entriesEnd; at += ENTRY_BYTES) records.push(readEntry(view, at));
  if (!records.every(isSound)) return undefined;
  return extended(view, entriesEnd, records) ?? records;
}

function readEntry(view: DataView, at: number): ProducerRecord {
  const lastTimestamp = readInt64(view, at + 26);
  const batch = {
    lastSequence: view.getInt32(at + 10),
    lastOffset: readInt64(view, at + 14),
    offsetDelta: view.getInt32(at + 22),
    timestamp: lastTimestamp,
  };
  return {
    producerId: readInt64(view, at),
    producerEpoch: view.getInt16(at + 8),
    coordinatorEpoch: view.getInt32(at + 34),
    lastTimestamp,
    lastSeenMs: -1,
    transactionStart: readInt64(view, at + 38),
    batches: batch.lastOffset < 0 ? [] : [batch],
  };
}

function isSound(record: ProducerRecord): boolean {
  const { producerId, lastTimestamp, transactionStart } = record;
  const offsets = record.batches.every((batch) => Number.isSafeInteger(batch.lastOffset) && batch.offsetDelta >= 0);
  return producerId >= 0 && [producerId, lastTimestamp, transactionStart].every(Number.isSafeInteger) && offsets;
}

function extended(view: DataView, start: number, records: readonly ProducerRecord[]): ProducerRecord[] | undefined {
  let at = start + EXTENSION_HEAD_BYTES;
  if (at > view.byteLength || view.getUint32(start) !== EXTENSION_MAGIC) return undefined;
  const whole: ProducerRecord[] = [];
  for (const record of records) {
    if (at + EXTENSION_ENTRY_BYTES > view.byteLength) return undefined;
    const lastSeenMs = readInt64(view, at);
    const count = view.getUint8(at + 8);
    at += EXTENSION_ENTRY_BYTES;
    const end = at + count * EXTENSION_BATCH_BYTES;
    if (end > view.byteLength || count >= PRODUCER_BATCHES_MAX) return undefined;
    const batches: ProducerBatchPlace[] = [];
    for (; at < end; at += EXTENSION_BATCH_BYTES) batches.push(readBatch(view, at));
    whole.push({ ...record, lastSeenMs, batches: [...batches, ...record.batches] });
  }
  return whole;
}

function readBatch(view: DataView, at: number): ProducerBatchPlace {
  return {
    lastSequence: view.getInt32(at),
    lastOffset: readInt64(view, at + 4),
    offsetDelta: view.getInt32(at + 12),
    timestamp: readInt64(view, at + 16),
  };
}
