// Every kernel benchmark runs once: its contenders agree, and its rows have the shape that is promised.
import { describe, expect, it } from 'vitest';
import { crc32cSuite } from '../../bench/kernels/crc32c.ts';
import { indexSearchSuite } from '../../bench/kernels/index-search.ts';
import { lz4Suite } from '../../bench/kernels/lz4.ts';
import { recordBatchesSuite } from '../../bench/kernels/record-batches.ts';
import type { Row } from '../../bench/row.ts';

describe('the kernel benchmarks', () => {
  it.each([crc32cSuite, recordBatchesSuite, indexSearchSuite, lz4Suite])(
    '$name: all contenders give the same result',
    async (suite) => {
      const rows: Row[] = [];
      await suite.run({ filter: '', tiny: true, report: (row) => rows.push(row) });
      expect(rows.length).toBeGreaterThan(3);
      expect(new Set(rows.map((row) => row.name)).size).toBe(rows.length);
      for (const row of rows) {
        expect(row.value).toBeGreaterThan(0);
        expect(row.ratio).toBeCloseTo(row.value / row.baselineValue);
      }
    },
  );

  it('measure only what the filter names', async () => {
    const names: string[] = [];
    const context = { filter: 'crc32c/1024', tiny: true, report: (row: Row) => names.push(row.name) };
    for (const suite of [crc32cSuite, recordBatchesSuite, indexSearchSuite, lz4Suite]) await suite.run(context);
    expect(names).toEqual(['crc32c/1024']);
  });
});
