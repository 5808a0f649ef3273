// The kernels for compressed batches: records checked apart from their batch, and headers made to fit to new records.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as layout from '../../assembly/shared/batch-layout.ts';
import * as status from '../../assembly/shared/status.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { records } from './arbitrary-records.ts';
import { BUILDS, noise, place } from './builds.ts';

describe.each(BUILDS)('%s', (_name, make) => {
  const kernels = make();
  const encoder = new RecordBatchEncoder(kernels);

  function told(): unknown[] {
    const { recordsMaxTimestamp, offsetDeltaOfMaxTimestamp, hasKeylessRecord } = kernels.summary;
    return [recordsMaxTimestamp, offsetDeltaOfMaxTimestamp, hasKeylessRecord];
  }

  test('records apart from their batch are judged as those inside of it', () => {
    fc.assert(
      fc.property(records, fc.nat(), fc.integer({ min: 1, max: 255 }), (list, where, flip) => {
        const batch = encoder.encode(list);
        const position = layout.BATCH_HEADER_BYTES + (where % (batch.length - layout.BATCH_HEADER_BYTES));
        const damaged = batch.slice(layout.BATCH_HEADER_BYTES);
        damaged[position - layout.BATCH_HEADER_BYTES] = (batch[position] ?? 0) ^ flip;
        for (const part of [batch.subarray(layout.BATCH_HEADER_BYTES), damaged]) {
          const { recordCount, baseTimestamp, maxTimestamp } = headerOf(batch, list);
          const whole = encoder.assemble({ bytes: part, recordCount, baseTimestamp, maxTimestamp, compression: 0 });
          const inside = kernels.validateBatch(place(kernels, whole), whole.length);
          const toldInside = told();
          const claims = encoder.assemble({ bytes: part, recordCount, baseTimestamp, maxTimestamp, compression: 1 });
          expect(kernels.validateBatch(place(kernels, claims), claims.length)).toBe(status.STATUS_OK);
          expect(kernels.validateRecords(place(kernels, part), part.length)).toBe(inside);
          if (inside === status.STATUS_OK) expect(told()).toEqual(toldInside);
        }
      }),
      { numRuns: 60 },
    );
  });

  function headerOf(batch: Uint8Array, list: readonly { readonly timestamp: number }[]) {
    kernels.checkStoredBatch(place(kernels, batch), batch.length);
    const { baseTimestamp, maxTimestamp } = kernels.summary;
    return { recordCount: list.length, baseTimestamp, maxTimestamp };
  }

  test('a header that was made to fit to other records passes its check, and keeps everything else', () => {
    const list = [{ timestamp: 7, key: noise(5), value: noise(300), headers: [] }];
    const before = encoder.encode(list, { producerId: 12, producerEpoch: 3, baseSequence: 9, isTransactional: true });
    for (const codec of [4, 1, 3, 2, 0]) {
      const pointer = place(kernels, before);
      kernels.validateBatch(pointer, before.length);
      const other = noise(40 + codec);
      kernels.bytes().set(other, pointer + layout.BATCH_HEADER_BYTES);
      const bytes = layout.BATCH_HEADER_BYTES + other.length;
      kernels.recodeBatch(pointer, pointer + bytes, codec);
      expect([kernels.summary.batchBytes, kernels.summary.compression]).toEqual([bytes, codec]);
      expect(kernels.checkStoredBatch(pointer, bytes)).toBe(status.STATUS_OK);
      const { summary } = kernels;
      expect([summary.batchBytes, summary.compression, summary.isTransactional]).toEqual([bytes, codec, true]);
      expect([summary.producerId, summary.producerEpoch, summary.baseSequence]).toEqual([12, 3, 9]);
    }
  });

  test('a max timestamp that was set is told, under a CRC that matches', () => {
    const batch = encoder.encode([{ timestamp: 7, key: null, value: noise(30), headers: [] }]);
    const pointer = place(kernels, batch);
    kernels.stampMaxTimestamp(pointer, 2 ** 45 + 1);
    expect(kernels.validateBatch(pointer, batch.length)).toBe(status.STATUS_OK);
    expect([kernels.summary.maxTimestamp, kernels.summary.recordsMaxTimestamp]).toEqual([2 ** 45 + 1, 7]);
  });

  test('scratch beside other scratch leaves it alone', () => {
    const first = kernels.reserve(1000);
    kernels.bytes().set(noise(1000), first);
    const beside = kernels.reserveBeside(first, 1000, 5_000_000);
    expect(beside).toBeGreaterThanOrEqual(first + 1000);
    kernels.bytes().fill(7, beside, beside + 5_000_000);
    expect(Buffer.compare(kernels.bytes().slice(first, first + 1000), noise(1000))).toBe(0);
    expect(kernels.reserveBeside(kernels.reservedPointer, 10, 10)).toBe(first);
  });
});
