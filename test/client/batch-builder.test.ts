// The builder against the encoder: the same records are the same bytes.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BatchBuilder, BatchMemory, recordBytesMax, restampBatch } from '../../src/client/batch-builder.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { plainWasm } from './fixture.ts';

const NOBODY = { producerId: -1, producerEpoch: -1, baseSequence: -1 };
const kernels = Kernels.create(plainWasm());
const memory = new BatchMemory(1024 * 1024);
const builder = new BatchBuilder(kernels, memory);
const encoder = new RecordBatchEncoder(kernels);
const decoder = new RecordBatchDecoder(kernels);

const content = fc.option(fc.uint8Array({ maxLength: 300 }));
const record = fc.record({
  key: content,
  value: fc.oneof(content, fc.uint8Array({ minLength: 8000, maxLength: 20_000 })),
  headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme' }), value: content }), { maxLength: 3 }),
  timestamp: fc.oneof(
    fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
    fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
  ),
});

test('any records give the bytes of the encoder', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 200 }), (records) => {
      for (const each of records) {
        const before = builder.byteCount;
        builder.append(each);
        expect(builder.byteCount - before).toBeLessThanOrEqual(recordBytesMax(each));
      }
      const { byteCount } = builder;
      const stamp = { producerId: 2 ** 40 + 7, producerEpoch: 3, baseSequence: 2 ** 31 - 1 };
      const built = builder.finish(stamp);
      expect(built.length).toBe(byteCount);
      expect(Buffer.compare(built, encoder.encode(records, stamp))).toBe(0);
      expect(Buffer.compare(restampBatch(kernels, built, NOBODY), encoder.encode(records))).toBe(0);
      // The next batch is written over what is left of this one.
      memory.give(built);
    }),
    { numRuns: 200 },
  );
});

test('bytes that are reused after a record was taken do not change it', () => {
  const bytes = Buffer.from('one');
  builder.append({ key: null, value: bytes, headers: [], timestamp: 1 });
  bytes.write('two');
  builder.append({ key: null, value: bytes, headers: [], timestamp: 1 });
  const [batch] = [...decoder.batches(builder.finish(NOBODY))];
  expect(batch?.records().map(({ value }) => Buffer.from(value ?? []).toString())).toEqual(['one', 'two']);
});

test('memory is kept for the next batch up to a bound', () => {
  const bounded = new BatchMemory(3000);
  const [small, large] = [new Uint8Array(2000), new Uint8Array(2000)];
  bounded.give(small.subarray(0, 10));
  bounded.give(large);
  expect(bounded.take().buffer).toBe(small.buffer);
  expect(bounded.take().buffer).not.toBe(large.buffer);
  bounded.give(large);
  expect(bounded.take().buffer).toBe(large.buffer);
});
