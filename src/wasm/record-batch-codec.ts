// Record batches for parts of the broker that keep records of their own: the encoder and decoder of this room behind
// the interface of core/.

import { type BatchCodecs, codecName } from '../core/compression.ts';
import { DECOMPRESSED_BATCH_BYTES_MAX } from '../core/limits.ts';
import type { BatchProducer, RecordBatchCodec, StoredBatch } from '../core/record-batch-codec.ts';
import type { Kernels } from './kernels.ts';
import { type DecodedBatch, RecordBatchDecoder } from './record-batch-decoder.ts';
import { RecordBatchEncoder } from './record-batch-encoder.ts';

const NO_HEADERS: readonly never[] = [];

/** Without `codecs` compressed batches, which another broker may have written, cannot be read. */
export function createRecordBatchCodec(kernels: Kernels, codecs?: BatchCodecs): RecordBatchCodec {
  const encoder = new RecordBatchEncoder(kernels);
  const decoder = new RecordBatchDecoder(kernels);
  return {
    encode: (records, producer) =>
      encoder.encode(
        records.map(({ key, value, timestamp }) => ({ key, value, timestamp, headers: NO_HEADERS })),
        producer === undefined ? {} : transactional(producer),
      ),
    *decode(region) {
      for (const batch of decoder.batches(region)) yield stored(batch, codecs);
    },
  };
}

/** Coordinators need no sequence numbers: each has one append under way. */
function transactional({ producerId, producerEpoch }: BatchProducer): BatchProducer & { isTransactional: true } {
  return { producerId, producerEpoch, isTransactional: true };
}

function stored(batch: DecodedBatch, codecs: BatchCodecs | undefined): StoredBatch {
  const { baseOffset, lastOffset, producerId, producerEpoch, isControl, isTransactional } = batch;
  return {
    baseOffset,
    lastOffset,
    producerId,
    producerEpoch,
    isControl,
    isTransactional,
    records: () =>
      batch
        .records(decompressed(batch, codecs))
        .map(({ offset, key, value, timestamp }) => ({ offset, key, value, timestamp })),
  };
}

function decompressed(batch: DecodedBatch, codecs: BatchCodecs | undefined): Uint8Array | undefined {
  const name = codecName(batch.compression);
  return name && codecs?.[name].decompress(batch.recordsBytes, DECOMPRESSED_BATCH_BYTES_MAX);
}
