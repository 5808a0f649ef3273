// The measurement of the codecs written by hand runs once, however short; it refuses to compare different results.

import { expect, test } from 'vitest';
import { fastCodecsSuite } from '../../bench/protocol/fast-codecs.ts';
import type { Row } from '../../bench/row.ts';

test('measures requests and responses of both APIs beside their tables', async () => {
  const rows: Row[] = [];
  await fastCodecsSuite.run({ filter: '', tiny: true, report: (row) => rows.push(row) });
  expect(rows.map(({ name, baseline }) => [name, baseline])).toEqual(
    ['produce-request', 'produce-response', 'fetch-request', 'fetch-response'].map((name) => [
      `protocol/${name}`,
      'table',
    ]),
  );
  for (const { value, baselineValue } of rows) expect(Math.min(value, baselineValue)).toBeGreaterThan(0);
});
