// Stamped record batches for storage tests.

import type { AppendInfo } from '../../src/storage/log-options.ts';
import type { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';

export interface TestBatch {
  readonly baseOffset?: number;
  /** One record each. Default: one record at time 1,000. */
  readonly timestamps?: readonly number[];
  /** Value of every record, with its offset in front. */
  readonly value?: string;
  readonly leaderEpoch?: number;
  readonly logAppendTimeMs?: number;
}

export function stampedBatch(kernels: Kernels, batch: TestBatch): { bytes: Uint8Array; info: AppendInfo } {
  const { baseOffset = 0, timestamps = [1000], value = 'value', leaderEpoch = 0, logAppendTimeMs } = batch;
  const encoder = new RecordBatchEncoder(kernels);
  const utf8 = new TextEncoder();
  const encoded = encoder.encode(
    timestamps.map((timestamp, index) => ({
      key: null,
      value: utf8.encode(`${baseOffset + index} ${value}`),
      headers: [],
      timestamp,
    })),
  );
  const pointer = kernels.reserve(encoded.length);
  kernels.bytes().set(encoded, pointer);
  if (logAppendTimeMs !== undefined) kernels.stampLogAppendTime(pointer, logAppendTimeMs);
  kernels.stampBatch(pointer, baseOffset, leaderEpoch);
  const maxTimestamp = logAppendTimeMs ?? Math.max(...timestamps);
  return {
    bytes: kernels.bytes().slice(pointer, pointer + encoded.length),
    info: {
      baseOffset,
      lastOffset: baseOffset + timestamps.length - 1,
      maxTimestamp,
      offsetOfMaxTimestamp: baseOffset + timestamps.indexOf(Math.max(...timestamps)),
      leaderEpoch,
    },
  };
}
