// Runs scenarios, every product by turns in every round, and gathers what came out of each run and how long it took.

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
  /** Takes what there is after each scenario. */
  keep(all: readonly Runs[]): void;
}

export interface RunOutcome {
  readonly all: readonly Runs[];
  readonly failures: readonly string[];
  readonly disturbedRuns: number;
  readonly runs: number;
  /** Of each scenario, starts of brokers included. */
  readonly seconds: ReadonlyMap<string, number>;
}

interface Books {
  readonly all: Runs[];
  readonly failures: string[];
  readonly tally: { disturbedRuns: number; runs: number };
  readonly seconds: Map<string, number>;
  readonly began: number;
}

export async function runScenarios(options: RunOptions): Promise<RunOutcome> {
  const tally = { disturbedRuns: 0, runs: 0 };
  const books: Books = { all: [], failures: [], tally, seconds: new Map(), began: performance.now() };
  const endMs = books.began + options.minutes * 60_000;
  for (const [index, scenario] of options.scenarios.entries()) {
    if (performance.now() >= endMs) {
      books.failures.push(`${scenario.name}: the ${options.minutes} minutes given were over`);
      continue;
    }
    const began = performance.now();
    books.all.push(...(await runScenario(scenario, options, books)));
    const seconds = (performance.now() - began) / 1000;
    books.seconds.set(scenario.name, seconds);
    options.keep(books.all);
    options.say(`[${clock(books)}] ${index + 1} of ${options.scenarios.length}: ${seconds.toFixed(1)} s`);
  }
  return { ...books, ...tally };
}

/** Minutes and seconds since the first scenario began. */
function clock({ began }: Books): string {
  const seconds = Math.round((performance.now() - began) / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

async function runScenario(scenario: Scenario, options: RunOptions, books: Books): Promise<Runs[]> {
  const rounds = Math.min(options.rounds, scenario.roundsMax ?? options.rounds);
  const peers = options.peers.filter(({ name }) => scenario.peers.includes(name));
  const done = new Map(peers.map((peer) => [peer, runsOfTheSame(scenario, peer, books)]));
  const collected = new Map<Peer, (readonly Measurement[])[]>(peers.map((peer) => [peer, [...(done.get(peer) ?? [])]]));
  for (let round = 1; round <= rounds; round++) {
    for (const [peer, runs] of collected) {
      if (done.get(peer) !== undefined) continue;
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

/** What has been measured as another scenario, which is the very same for this peer. */
function runsOfTheSame({ sameAs }: Scenario, { name }: Peer, { all }: Books): Runs['runs'] | undefined {
  return all.find(({ scenario, peer }) => scenario === sameAs?.[name] && peer === name)?.runs;
}

/** A run that fails is made once again, which is said; undefined where that fails, too. */
async function runTwice(
  scenario: Scenario,
  peer: Peer,
  { options, books, place }: { readonly options: RunOptions; readonly books: Books; readonly place: string },
): Promise<readonly Measurement[] | undefined> {
  for (const last of [false, true]) {
    const began = performance.now();
    try {
      const run = await runOnce(scenario, peer, { options, books });
      const seconds = ((performance.now() - began) / 1000).toFixed(1);
      options.say(`${scenario.name} ${place} ${peer.name} (${seconds} s): ${runText(run)}`);
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
    // Brokers of other scenarios need not take memory, and nothing in the background, from these.
    await pool.end();
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
