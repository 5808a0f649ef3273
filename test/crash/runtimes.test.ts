// The kill rounds on the brokers of Deno and Bun, with workers that own the partitions and without.

import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/broker-process.ts';
import { RuntimeBroker } from '../support/runtime-broker.ts';
import { SEED } from '../support/seed.ts';
import { runKillRounds } from './kill-rounds.ts';

const rounds = Number(process.env.MILLRACE_KILL_ROUNDS ?? 3);

test.each([
  ['deno', 'frames', 1],
  ['deno', 'client', 0],
  ['bun', 'frames', 1],
  ['bun', 'client', 0],
] as const)(
  `${rounds} rounds of SIGKILL lose and double nothing: %s, writers of %s, %i workers`,
  async (name, writers, workers) => {
    console.log(`MILLRACE_SEED=${SEED}`);
    const directory = temporaryDirectory(`kill-rounds-${name}`);
    const result = await runKillRounds({
      dataDirectory: directory.path,
      rounds,
      seed: SEED,
      writers,
      start: ({ dataDirectory, http, config }) =>
        RuntimeBroker.start(name, { directory: dataDirectory, http, config, workers }),
    });
    console.log(`${name}: ${result.acknowledged} records acknowledged, ${result.stored} stored`);
    expect(result.violations).toEqual([]);
    expect(result.acknowledged).toBeGreaterThan(0);
    directory.remove();
  },
  rounds * 10_000 + 300_000,
);
