// The encoder with memory that goes round, as the client's producer uses it: nothing of an earlier batch shows in a later
// one, and nothing of a record that its owner changes afterwards.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BATCH_HEADER_BYTES } from '../../assembly/shared/batch-layout.ts';
import { BatchMemory } from '../../src/wasm/batch-memory.ts';
import { CrcTable, encodeBatch } from '../../src/wasm/oracle.ts';
import { RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { RecordBatchEncoder, recordBytesMax } from '../../src/wasm/record-batch-encoder.ts';
import { record, records } from './arbitrary-records.ts';
import { plainKernels } from './builds.ts';

const crc = new CrcTable();
const kernels = plainKernels();
const memory = new BatchMemory(1024 * 1024);
const encoder = new RecordBatchEncoder(kernels, memory);
const decoder = new RecordBatchDecoder(kernels);
/** Larger than the first buffer, so that it has to grow. */
const largeRecords = fc.array(
  fc.record({
    timestamp: fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER }),
    key: fc.constant(null),
    value: fc.uint8Array({ minLength: 8000, maxLength: 20_000 }),
    headers: fc.constant([]),
  }),
  { minLength: 1, maxLength: 4 },
);

test('any batches, one in the memory of another, are those of the oracle', () => {
  fc.assert(
    fc.property(fc.oneof(records, largeRecords), (list) => {
      const stamp = { producerId: 2 ** 40 + 7, producerEpoch: 3, baseSequence: 2 ** 31 - 1 };
      const batch = encoder.encode(list, stamp);
      expect(Buffer.compare(batch, encodeBatch(crc, list, stamp))).toBe(0);
      memory.give(batch);
    }),
    { numRuns: 200 },
  );
});

test('several batches under way at once have memory of their own', () => {
  fc.assert(
    fc.property(fc.array(records, { minLength: 2, maxLength: 4 }), (lists) => {
      const batches = lists.map((list) => encoder.encode(list));
      const expected = lists.map((list) => encodeBatch(crc, list));
      expect(batches.map((batch, index) => Buffer.compare(batch, expected[index] ?? batch.subarray(1)))).toEqual(
        lists.map(() => 0),
      );
      for (const batch of batches) memory.give(batch);
    }),
  );
});

test('no record makes a batch larger than was told without a look at the batch', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 200 }), (list) => {
      for (const each of list) {
        const before = encoder.byteCount;
        encoder.append(each);
        expect(encoder.byteCount - before).toBeLessThanOrEqual(recordBytesMax(each));
      }
      memory.give(encoder.finish());
    }),
  );
});

test('bytes that are reused after a record was taken do not change it', () => {
  const bytes = Buffer.from('one');
  encoder.append({ key: null, value: bytes, headers: [], timestamp: 1 });
  bytes.write('two');
  encoder.append({ key: null, value: bytes, headers: [], timestamp: 1 });
  const [batch] = [...decoder.batches(encoder.finish())];
  expect(batch?.records().map(({ value }) => Buffer.from(value ?? []).toString())).toEqual(['one', 'two']);
});

test('a batch lies in memory that was given, and an encoder without memory gives buffers of their own', () => {
  const small = new BatchMemory(100_000);
  const pooled = new RecordBatchEncoder(kernels, small);
  const [list] = fc.sample(records, { numRuns: 1, seed: 1 });
  const first = pooled.encode(list ?? []);
  small.give(first);
  expect(pooled.encode(list ?? []).buffer).toBe(first.buffer);
  const own = new RecordBatchEncoder(kernels).encode(list ?? []);
  expect(own).toEqual(first);
  expect(own.buffer.byteLength).toBe(own.length);
});

test('records for a compressor leave the memory in which they were written', () => {
  const one = new BatchMemory(1024 * 1024);
  const pooled = new RecordBatchEncoder(kernels, one);
  const given = new Uint8Array(100_000);
  one.give(given);
  fc.assert(
    fc.property(records, (list) => {
      for (const each of list) pooled.append(each);
      const encoded = pooled.finishRecords();
      expect(Buffer.compare(encoded.bytes, encodeBatch(crc, list).subarray(BATCH_HEADER_BYTES))).toBe(0);
      const left = one.take();
      expect(left.buffer).toBe(given.buffer);
      left.fill(0xff);
      one.give(left);
      expect(encoded.bytes.buffer).not.toBe(given.buffer);
    }),
    { numRuns: 50 },
  );
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
