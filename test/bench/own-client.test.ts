// The measurement of the project's own client runs once, however short, and counts what is in the log.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import type { Row } from '../../bench/row.ts';
import { ROOT } from '../house/source-files.ts';

/** As it is built: it starts the command that lies beside it. */
const BUILT = pathToFileURL(join(ROOT, 'dist/bench/end-to-end/own-client.js')).href;

it('measures the own client beside kafkajs', async () => {
  const { ownClientSuite }: typeof import('../../bench/end-to-end/own-client.ts') = await import(BUILT);
  const rows: Row[] = [];
  await ownClientSuite.run({ filter: 'acks-1', tiny: true, report: (row) => rows.push(row) });
  expect(rows.map(({ name, unit, baseline }) => [name, unit, baseline])).toEqual([
    ['own-client/produce/acks-1', 'records/s', 'kafkajs over WebSocket'],
  ]);
  for (const { value, baselineValue } of rows) expect(Math.min(value, baselineValue)).toBeGreaterThan(0);
});
