// `npm run bench:peers`: Millrace and its peers on the same machine, by turns. bench/README.md tells what the rows mean.

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { BrokerPool } from './broker-pool.ts';
import { hasGoal } from './goals.ts';
import { installedPeers } from './installed-peers.ts';
import { machineOf, machineText } from './machine.ts';
import { PEER_NAMES } from './peer.ts';
import { type PeerRow, type Runs, rowsOf } from './report.ts';
import { comparable, merged, publish, type Results, storeRows } from './results.ts';
import { runScenarios } from './run.ts';
import { FULL, QUICK, type Scenario } from './scenario.ts';
import { CLIENT_SCENARIOS } from './scenarios/clients.ts';
import { CONSUME_SCENARIOS } from './scenarios/consume.ts';

import { GROWTH_SCENARIOS } from './scenarios/growth.ts';
import { KERNEL_SCENARIOS } from './scenarios/kernels.ts';
import { LATENCY_SCENARIOS } from './scenarios/latency.ts';
import { PRODUCE_SCENARIOS } from './scenarios/produce.ts';
import { REQUEST_SCENARIOS } from './scenarios/requests.ts';
import { soakScenario } from './scenarios/soak.ts';
import { START_SCENARIOS } from './scenarios/starts.ts';
import { fullTable, GROUPS, goalTable, groupOf, missedGoals, reservations } from './table.ts';

const ROUNDS_DEFAULT = 3;

const { values: options } = parseArgs({
  options: {
    filter: { type: 'string', default: '' },
    peers: { type: 'string', default: PEER_NAMES.join(',') },
    rounds: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    soak: { type: 'string' },
    minutes: { type: 'string', default: 'Infinity' },
    json: { type: 'string' },
    publish: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    directory: { type: 'string', default: tmpdir() },
  },
});

function allScenarios(): readonly Scenario[] {
  return [
    ...PRODUCE_SCENARIOS,
    ...CONSUME_SCENARIOS,
    ...REQUEST_SCENARIOS,
    ...LATENCY_SCENARIOS,
    ...CLIENT_SCENARIOS,
    ...START_SCENARIOS,
    ...GROWTH_SCENARIOS,
    ...KERNEL_SCENARIOS,
    ...(options.soak === undefined ? [] : [soakScenario(Number(options.soak))]),
  ];
}

/**
 * Those of one configuration of a broker stand together, so that it is started once: Kafka does the same for the first two
 * guarantees, Millrace for the last two. Where time is limited those that have goals come first. The soak is the last: it
 * takes long, and all else is there when it is ended early.
 */
function runningOrder(scenarios: readonly Scenario[]): Scenario[] {
  const order = ['relaxed', 'default', 'durable'];
  const place = (scenario: Scenario): number =>
    'guarantee' in scenario ? order.indexOf(scenario.guarantee) : order.length;
  const isLater = ({ name }: Scenario): number => (limited && !hasGoal(name) ? 1 : 0);
  const isSoak = ({ name }: Scenario): number => (groupOf({ scenario: name }) === 'soak' ? 1 : 0);
  return [...scenarios].sort((a, b) => isSoak(a) - isSoak(b) || isLater(a) - isLater(b) || place(a) - place(b));
}

/** What each group of scenarios took. */
function timeTable(seconds: ReadonlyMap<string, number>): string[] {
  return Object.entries(GROUPS).flatMap(([group, title]) => {
    const members = [...seconds].filter(([scenario]) => groupOf({ scenario }) === group);
    const sum = members.reduce((total, [, each]) => total + each, 0);
    return members.length === 0 ? [] : [`${(sum / 60).toFixed(1).padStart(6)} min  ${title} (${members.length})`];
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const limited = Number.isFinite(Number(options.minutes));
if (options.quick && options.publish) throw new Error('what --quick measures is not to be published');
const scale = options.quick ? QUICK : FULL;
const rounds = Number(options.rounds || (options.quick ? 1 : ROUNDS_DEFAULT));
const scenarios = runningOrder(allScenarios().filter(({ name }) => new RegExp(options.filter).test(name)));
if (options.list) {
  for (const { name, peers } of scenarios) say(`${name} (${peers.join(', ')})${hasGoal(name) ? ', has a goal' : ''}`);
  process.exit(0);
}
const { peers, missing } = installedPeers(options.peers.split(','));
for (const line of missing) say(`MISSING: ${line}`);
const installed = installedPeers(PEER_NAMES).peers;
const machine = machineOf(options.directory, Object.fromEntries(installed.map(({ name, version }) => [name, version])));
say(machineText(machine));
/** Of a part of the scenarios the others' rows stay, where they can stand beside each other. */
const earlier = options.filter === '' ? undefined : comparable(machine);
if (options.publish && options.filter !== '' && earlier === undefined) {
  say('A part of the rows can only be published where the others are from this machine and these versions.');
  process.exit(1);
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say(`ended by ${signal}`);
    process.exit(1);
  });
}
const pool = new BrokerPool(options.directory, scale);
const measuredAt = new Date().toISOString();
const began = performance.now();
const declared = allScenarios().map(({ name }) => name);
function sorted(rows: readonly PeerRow[]): PeerRow[] {
  const place = ({ scenario }: PeerRow): number =>
    declared.includes(scenario) ? declared.indexOf(scenario) : Infinity;
  return [...rows].sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
}
/** After every scenario: a run that is ended leaves what it has. */
function keep(all: readonly Runs[]): void {
  if (options.json !== undefined) storeRows(options.json, sorted(rowsOf(all)));
}
const minutes = Number(options.minutes);
const outcome = await runScenarios({ scenarios, peers, rounds, scale, pool, minutes, say, keep });
await pool.end();

const rows = sorted(rowsOf(outcome.all));
say(`\n${fullTable(rows)}\n\n${goalTable(rows)}\n`);
for (const line of missedGoals(rows)) say(`GOAL MISSED: ${line}`);
for (const line of reservations(rows)) say(`WITH RESERVE: ${line}`);
const failures = [...missing, ...outcome.failures];
for (const line of failures) say(`NOT MEASURED: ${line}`);
for (const line of timeTable(outcome.seconds)) say(line);
const results: Results = {
  ...{ rows, machine, measuredAt, rounds, failures, disturbedRuns: outcome.disturbedRuns, runs: outcome.runs },
  minutes: (performance.now() - began) / 60_000,
};
if (options.publish) {
  const measured = [...outcome.seconds.keys()];
  const all = earlier === undefined ? results : merged(earlier, results, { measured });
  publish({ ...all, rows: sorted(all.rows) });
}
process.exit(failures.length === 0 ? 0 : 1);
