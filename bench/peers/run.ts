// Runs scenarios, every product by turns in every round, and gathers what came out of each run.

import { execFileSync } from 'node:child_process';
import type { BrokerPool } from './broker-pool.ts';
import type { Peer } from './peer.ts';
import { busyPart } from './process-usage.ts';
import type { Runs } from './report.ts';
import type { Measurement, Scale, Scenario } from './scenario.ts';
import { figureText } from './table.ts';

/** Beyond this other programs, or a broker that should be idle, have a part in what is measured. */
const BUSY_PART_MAX = 0.15;
const CALM_SAMPLE_MS = 200;
const CALM_ATTEMPTS = 25;

export interface RunOptions {
  readonly scenarios: readonly Scenario[];
  readonly peers: readonly Peer[];
  readonly rounds: number;
  readonly scale: Scale;
  readonly pool: BrokerPool;
  /** Minutes after which no further scenario is begun. */
  readonly minutes: number;
  say(line: string): void;
}

export interface RunOutcome {
  readonly all: readonly Runs[];
  readonly failures: readonly string[];
  readonly disturbedRuns: number;
  readonly runs: number;
}

export async function runScenarios(options: RunOptions): Promise<RunOutcome> {
  const all: Runs[] = [];
  const failures: string[] = [];
  const tally = { disturbedRuns: 0, runs: 0 };
  const endMs = performance.now() + options.minutes * 60_000;
  for (const scenario of options.scenarios) {
    if (performance.now() < endMs) all.push(...(await runScenario(scenario, options, { failures, tally })));
    else failures.push(`${scenario.name}: the ${options.minutes} minutes given were over`);
  }
  return { all, failures, ...tally };
}

interface Books {
  readonly failures: string[];
  readonly tally: { disturbedRuns: number; runs: number };
}

async function runScenario(scenario: Scenario, options: RunOptions, books: Books): Promise<Runs[]> {
  const rounds = Math.min(options.rounds, scenario.roundsMax ?? options.rounds);
  const peers = options.peers.filter(({ name }) => scenario.peers.includes(name));
  const collected = new Map<Peer, (readonly Measurement[])[]>(peers.map((peer) => [peer, []]));
  for (let round = 1; round <= rounds; round++) {
    for (const [peer, runs] of collected) {
      const run = await runTwice(scenario, peer, { options, books, place: `${round}/${rounds}` });
      if (run !== undefined) runs.push(run);
    }
  }
  return [...collected].map(([peer, runs]) => ({
    scenario: scenario.name,
    peer: peer.name,
    version: peer.version,
    runs,
  }));
}

/** A run that fails is made once again, which is said; undefined where that fails, too. */
async function runTwice(
  scenario: Scenario,
  peer: Peer,
  { options, books, place }: { readonly options: RunOptions; readonly books: Books; readonly place: string },
): Promise<readonly Measurement[] | undefined> {
  for (const last of [false, true]) {
    try {
      const run = await runOnce(scenario, peer, { options, books });
      options.say(`${scenario.name} ${place} ${peer.name}: ${runText(run)}`);
      return run;
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      options.say(`FAILED ${scenario.name} ${place} ${peer.name}: ${cause}`);
      if (last) books.failures.push(`${scenario.name}, ${peer.name}, round ${place}: ${cause}`);
    }
  }
  return undefined;
}

async function runOnce(
  scenario: Scenario,
  peer: Peer,
  { options, books }: { readonly options: RunOptions; readonly books: Books },
): Promise<readonly Measurement[]> {
  const { pool, scale } = options;
  if ('runAlone' in scenario) {
    await calm(scale, books);
    return scenario.runAlone(peer, { pool, scale });
  }
  const broker = await pool.broker(peer, scenario.guarantee);
  await calm(scale, books);
  try {
    return await scenario.run(broker, scale);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : error}\n${broker.server.output().slice(-1000)}`);
  }
}

/** What the last run has left to be written is written, and the machine is idle, or that is noted. */
async function calm({ quick }: Scale, { tally }: Books): Promise<void> {
  tally.runs++;
  execFileSync('sync');
  for (let attempt = 0; attempt < (quick ? 1 : CALM_ATTEMPTS); attempt++) {
    if ((await busyPart(CALM_SAMPLE_MS)) < BUSY_PART_MAX) return;
  }
  tally.disturbedRuns++;
}

function runText(run: readonly Measurement[]): string {
  return run.map(({ metric, unit, value }) => `${metric} ${figureText(value)} ${unit}`).join(', ');
}
