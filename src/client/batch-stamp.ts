// Headers for records that were encoded before: when they have been compressed, and when their producer's numbers change.

import type { Kernels } from '../wasm/kernels.ts';
import { DecodedBatch } from '../wasm/record-batch-decoder.ts';
import { type CompressedRecords, RecordBatchEncoder } from '../wasm/record-batch-encoder.ts';
import type { BatchStamp } from './producer-identity.ts';

/** The batch of compressed records. */
export function assembleBatch(kernels: Kernels, records: CompressedRecords, stamp: BatchStamp): Uint8Array {
  return new RecordBatchEncoder(kernels).assemble(records, stamp);
}

/** The batch with other numbers of its producer. */
export function restampBatch(kernels: Kernels, batch: Uint8Array, stamp: BatchStamp): Uint8Array {
  const {
    attributes,
    recordCount,
    baseTimestamp,
    maxTimestamp,
    recordsBytes: bytes,
  } = new DecodedBatch(kernels, batch);
  // No attribute but the codec is ever set by a producer without transactions.
  return assembleBatch(kernels, { bytes, recordCount, baseTimestamp, maxTimestamp, compression: attributes }, stamp);
}
