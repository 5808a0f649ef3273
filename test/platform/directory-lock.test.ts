// The lock of a data directory between real processes that start at once, also over what a killed one left.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { temporaryDirectory } from '../support/broker-process.ts';

const RACERS = 6;
const ROUNDS = 8;
/** For the message to be there before the moment at which all of them begin. */
const HEAD_START_MS = 30;
const directory = temporaryDirectory('lock');
const racers = new Set<ChildProcess>();

afterAll(() => {
  for (const racer of racers) racer.kill('SIGKILL');
  directory.remove();
});

async function started(): Promise<ChildProcess> {
  const racer = fork(join(import.meta.dirname, 'lock-racer.mjs'));
  racers.add(racer);
  await once(racer, 'message');
  return racer;
}

async function race(path: string): Promise<Map<ChildProcess, string>> {
  const atMs = Date.now() + HEAD_START_MS;
  const results = [...racers].map(async (racer): Promise<[ChildProcess, string]> => {
    const answered = once(racer, 'message');
    racer.send({ path, atMs });
    const [answer] = await answered;
    return [racer, String(answer)];
  });
  return new Map(await Promise.all(results));
}

test('of many processes that start at once one has the directory, and a killed one keeps nobody out', async () => {
  await Promise.all(Array.from({ length: RACERS }, started));
  for (let round = 0; round < ROUNDS; round++) {
    // A directory for every four rounds: a fresh one first, and then what the winners before left.
    const path = join(directory.path, `data-${Math.floor(round / 4)}`);
    const answers = await race(path);
    const winners = [...answers].filter(([, answer]) => answer === 'taken').map(([racer]) => racer);
    const losers = [...answers.values()].filter((answer) => answer !== 'taken');
    expect(new Set(losers)).toEqual(new Set(['ERR_DATA_DIRECTORY_LOCKED']));
    expect(winners).toHaveLength(1);
    expect(readdirSync(path).filter((name) => name.startsWith('.lock')).length).toBe(2);
    for (const winner of winners) {
      const ended = once(winner, 'exit');
      winner.kill('SIGKILL');
      await ended;
      racers.delete(winner);
    }
    await started();
  }
});
