// Record batches for parts of the broker that keep records of their own: the encoder and decoder of this room behind
// the interface of core/.

import type { BatchProducer, RecordBatchCodec, StoredBatch } from '../core/record-batch-codec.ts';
import type { Kernels } from './kernels.ts';
import { type DecodedBatch, RecordBatchDecoder } from './record-batch-decoder.ts';
import { RecordBatchEncoder } from './record-batch-encoder.ts';

const NO_HEADERS: readonly never[] = [];

export function createRecordBatchCodec(kernels: Kernels): RecordBatchCodec {
  const encoder = new RecordBatchEncoder(kernels);
  const decoder = new RecordBatchDecoder(kernels);
  return {
    encode: (records, producer) =>
      encoder.encode(
        records.map(({ key, value, timestamp }) => ({ key, value, timestamp, headers: NO_HEADERS })),
        producer === undefined ? {} : transactional(producer),
      ),
    *decode(region) {
      for (const batch of decoder.batches(region)) yield stored(batch);
    },
  };
}

/** Coordinators need no sequence numbers: each has one append under way. */
function transactional({ producerId, producerEpoch }: BatchProducer): BatchProducer & { isTransactional: true } {
  return { producerId, producerEpoch, isTransactional: true };
}

function stored(batch: DecodedBatch): StoredBatch {
  const { baseOffset, lastOffset, producerId, producerEpoch, isControl, isTransactional } = batch;
  return {
    baseOffset,
    lastOffset,
    producerId,
    producerEpoch,
    isControl,
    isTransactional,
    records: () => batch.records().map(({ offset, key, value, timestamp }) => ({ offset, key, value, timestamp })),
  };
}
