// Batches whose producer's numbers change after they were encoded.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { assembleBatch, restampBatch } from '../../src/client/batch-stamp.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { records } from '../wasm/arbitrary-records.ts';
import { plainWasm } from './fixture.ts';

const NOBODY = { producerId: -1, producerEpoch: -1, baseSequence: -1 };
const kernels = Kernels.create(plainWasm());
const encoder = new RecordBatchEncoder(kernels);

test('a batch with other numbers is the batch that has had them from the start', () => {
  const stamp = { producerId: 2 ** 40 + 7, producerEpoch: 3, baseSequence: 2 ** 31 - 1 };
  fc.assert(
    fc.property(records, fc.integer({ min: 0, max: 4 }), (list, compression) => {
      for (const each of list) encoder.append(each);
      // No codec looks at the bytes here: they need not be compressed to carry its number.
      const encoded = { ...encoder.finishRecords(), compression };
      const stamped = assembleBatch(kernels, encoded, stamp);
      expect(restampBatch(kernels, stamped, NOBODY)).toEqual(assembleBatch(kernels, encoded, NOBODY));
      if (compression === 0) expect(stamped).toEqual(encoder.encode(list, stamp));
    }),
  );
});
