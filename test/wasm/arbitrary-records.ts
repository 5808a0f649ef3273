// Arbitrary records for fast-check, and their plain form for comparing.
import fc from 'fast-check';
import type { OracleRecord } from '../../src/wasm/oracle.ts';

export type PlainRecord = Omit<OracleRecord, 'offset'>;

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 8 }),
  fc.uint8Array({ minLength: 60, maxLength: 70 }),
  fc.uint8Array({ minLength: 500, maxLength: 700, size: 'max' }),
);
const nullableBytes = fc.option(bytes, { freq: 5 });
const header = fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 10 }), value: nullableBytes });
const timestamp = fc.oneof(
  fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }),
  fc.integer({ min: -1, max: 2 ** 52 }),
);

export const record: fc.Arbitrary<PlainRecord> = fc.record({
  timestamp,
  key: nullableBytes,
  value: nullableBytes,
  headers: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(header, { maxLength: 4 }) },
  ),
});

export const records: fc.Arbitrary<PlainRecord[]> = fc.array(record, { minLength: 1, maxLength: 40 });

/** A fixed mixture: nulls, empties, headers, timestamps that go back, more than 64 records. */
export function sampleRecords(count = 70): PlainRecord[] {
  const text = new TextEncoder();
  return Array.from({ length: count }, (_, index) => ({
    timestamp: 1_700_000_000_000 + ((index * 7919) % 500) * 1000,
    key: index % 3 === 0 ? null : text.encode(`key ${index}`),
    value: index % 5 === 4 ? null : text.encode('x'.repeat((index * 37) % 180)),
    headers: index % 4 === 0 ? [{ key: `höader ${index}`, value: index % 8 === 0 ? null : text.encode('value') }] : [],
  }));
}
