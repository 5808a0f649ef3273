// The benchmark in workerd runs once: both ways give the same records, and its rows have the shape that is promised.

import { expect, test } from 'vitest';
import type { Row } from '../../../bench/row.ts';
import { workerdSuite } from '../../../bench/workerd/suite.ts';

test('a log and rows of SQLite give the same records back', async () => {
  const rows: Row[] = [];
  await workerdSuite.run({ filter: '', tiny: true, report: (row) => rows.push(row) });
  expect(rows.map(({ name }) => name)).toEqual([
    'workerd/append/1',
    'workerd/append/1-in-flight-64',
    'workerd/append/100',
    'workerd/append/100-in-flight-16',
    'workerd/append/1000-in-flight-16',
    'workerd/read',
  ]);
  for (const { value, baselineValue, ratio, check } of rows) {
    expect(value).toBeGreaterThan(0);
    expect(ratio).toBeCloseTo(value / baselineValue);
    expect(check).toMatch(/^200\/20000\/[0-9a-f]+$/);
  }
});
