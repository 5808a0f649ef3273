// The browser's benchmark runs once: both sides read back what was written, and its rows have the shape that is promised.

import { expect, test } from 'vitest';
import { browserSuite } from '../../../bench/browser/suite.ts';
import type { Row } from '../../../bench/row.ts';

test('the log and IndexedDB give the same records back', async () => {
  const rows: Row[] = [];
  await browserSuite.run({ filter: '', tiny: true, report: (row) => rows.push(row) });
  expect(rows.map(({ name }) => name)).toEqual([
    'browser append, batches of 1000',
    'browser read, batches of 1000',
    'browser append, batches of 1000, durable',
    'browser read, batches of 1000, durable',
    'browser append, one by one',
    'browser append, one by one, durable',
  ]);
  for (const { value, baselineValue, ratio, check } of rows) {
    expect(value).toBeGreaterThan(0);
    expect(ratio).toBeCloseTo(value / baselineValue);
    expect(check).toMatch(/^[0-9a-f]+$/);
  }
});
