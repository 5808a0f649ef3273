// Reads record batch headers where they lie in a buffer. Layout: assembly/shared/batch-layout.ts. No CRC here.

import {
  BATCH_ATTRIBUTES,
  BATCH_BASE_OFFSET,
  BATCH_BASE_SEQUENCE,
  BATCH_BASE_TIMESTAMP,
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
} from '../../assembly/shared/batch-layout.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';

const TWO_TO_32 = 4_294_967_296;

/** What the log needs to know of a stored batch. */
export interface BatchHeader {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Whole size, with the 12 bytes that the length field does not count. */
  readonly bytes: number;
  readonly leaderEpoch: number;
  readonly attributes: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly recordCount: number;
  /** -1 where the producer is neither idempotent nor transactional. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

/** A view for reading numbers from `bytes`. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 64-bit integer as a number; exact within the safe integers. */
export function readInt64(view: DataView, at: number): number {
  return view.getInt32(at) * TWO_TO_32 + view.getUint32(at + 4);
}

export function writeInt64(view: DataView, at: number, value: number): void {
  const high = Math.floor(value / TWO_TO_32);
  view.setInt32(at, high);
  view.setUint32(at + 4, value - high * TWO_TO_32);
}

export function baseOffsetAt(view: DataView, at: number): number {
  return readInt64(view, at + BATCH_BASE_OFFSET);
}

/** Base offset of the batch at the beginning of `bytes`, without a view: making one costs more than an append's check. */
export function baseOffsetOf(bytes: Uint8Array): number {
  return word(bytes, BATCH_BASE_OFFSET) * TWO_TO_32 + (word(bytes, BATCH_BASE_OFFSET + 4) >>> 0);
}

function word(bytes: Uint8Array, at: number): number {
  return (byte(bytes, at) << 24) | (byte(bytes, at + 1) << 16) | (byte(bytes, at + 2) << 8) | byte(bytes, at + 3);
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

export function lastOffsetAt(view: DataView, at: number): number {
  return baseOffsetAt(view, at) + view.getInt32(at + BATCH_LAST_OFFSET_DELTA);
}

/** Whole size by the length field, unchecked. */
export function batchBytesAt(view: DataView, at: number): number {
  return view.getInt32(at + BATCH_LENGTH) + BATCH_LENGTH_OVERHEAD;
}

export function readBatchHeader(view: DataView, at: number): BatchHeader {
  const baseOffset = baseOffsetAt(view, at);
  return {
    baseOffset,
    lastOffset: baseOffset + view.getInt32(at + BATCH_LAST_OFFSET_DELTA),
    bytes: batchBytesAt(view, at),
    leaderEpoch: view.getInt32(at + BATCH_LEADER_EPOCH),
    attributes: view.getUint16(at + BATCH_ATTRIBUTES),
    baseTimestamp: readInt64(view, at + BATCH_BASE_TIMESTAMP),
    maxTimestamp: readInt64(view, at + BATCH_MAX_TIMESTAMP),
    recordCount: view.getInt32(at + BATCH_RECORD_COUNT),
    producerId: readInt64(view, at + BATCH_PRODUCER_ID),
    producerEpoch: view.getInt16(at + BATCH_PRODUCER_EPOCH),
    baseSequence: view.getInt32(at + BATCH_BASE_SEQUENCE),
  };
}

/**
 * Why the bytes at `at` cannot be a batch of this log, judged by the header's own fields, or undefined. At least a
 * header must be in the view; `remaining` counts the log's bytes from the batch on.
 */
export function headerProblem(view: DataView, at: number, remaining: number): string | undefined {
  const magic = view.getUint8(at + BATCH_MAGIC);
  if (magic !== BATCH_MAGIC_VALUE) return `the magic is ${magic}, not ${BATCH_MAGIC_VALUE}`;
  const bytes = batchBytesAt(view, at);
  if (bytes < BATCH_HEADER_BYTES || bytes > BATCH_BYTES_MAX) return `the batch length ${bytes} is out of range`;
  if (bytes > remaining) return `the batch has ${bytes} bytes, of which ${remaining} are there`;
  const lastOffsetDelta = view.getInt32(at + BATCH_LAST_OFFSET_DELTA);
  if (lastOffsetDelta < 0) return `the last offset delta ${lastOffsetDelta} is negative`;
  const baseOffset = baseOffsetAt(view, at);
  if (baseOffset < 0 || !Number.isSafeInteger(baseOffset + lastOffsetDelta)) return 'the base offset is out of range';
  return undefined;
}
