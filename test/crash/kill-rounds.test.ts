// A slice of the kill rounds; `npm run test:crash` runs 200 of them.

import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/broker-process.ts';
import { SEED } from '../support/seed.ts';
import { runKillRounds } from './kill-rounds.ts';

const rounds = Number(process.env.MILLRACE_KILL_ROUNDS ?? 8);

test.each([
  ['lose and double nothing', 'frames'],
  ['leave every record of clients that retry there once', 'client'],
] as const)(
  `${rounds} rounds of SIGKILL under load %s`,
  async (_, writers) => {
    console.log(`MILLRACE_SEED=${SEED}`);
    const directory = temporaryDirectory('kill-rounds');
    const result = await runKillRounds({ dataDirectory: directory.path, rounds, seed: SEED, writers });
    console.log(`${result.rounds} rounds, ${result.acknowledged} records acknowledged, ${result.stored} stored`);
    expect(result.violations).toEqual([]);
    expect(result.acknowledged).toBeGreaterThan(0);
    directory.remove();
  },
  rounds * 10_000 + 300_000,
);
