// The rows of the hosts run once, short: the log and what stands beside it give the same records back.

import { expect, test } from 'vitest';
import type { Row } from '../../bench/row.ts';
import { runtimesSuite } from '../../bench/runtimes/suite.ts';

test.each(['node', 'deno', 'bun'])('the rows of %s are measured and checked', async (name) => {
  const rows: Row[] = [];
  await runtimesSuite.run({ filter: `${name} `, tiny: true, report: (row) => rows.push(row) });
  expect(rows.map((row) => row.name.split(',')[0])).toEqual([
    `${name} append`,
    `${name} append`,
    `${name} append`,
    `${name} read`,
    `${name} append`,
  ]);
  for (const { value, baselineValue } of rows) {
    expect(value).toBeGreaterThan(0);
    expect(baselineValue).toBeGreaterThan(0);
  }
});
