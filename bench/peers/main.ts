// `npm run bench:peers`: Millrace and its peers on the same machine, by turns. bench/README.md tells what the rows mean.

import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { BrokerPool } from './broker-pool.ts';
import { installedPeers } from './installed-peers.ts';
import { machineOf, machineText } from './machine.ts';
import { PEER_NAMES } from './peer.ts';
import { rowsOf } from './report.ts';
import { publish, storeRows } from './results.ts';
import { runScenarios } from './run.ts';
import { FULL, QUICK, type Scenario } from './scenario.ts';
import { CLIENT_SCENARIOS } from './scenarios/clients.ts';
import { CONSUME_SCENARIOS } from './scenarios/consume.ts';
import { GROWTH_SCENARIOS } from './scenarios/growth.ts';
import { LATENCY_SCENARIOS } from './scenarios/latency.ts';
import { PRODUCE_SCENARIOS } from './scenarios/produce.ts';
import { REQUEST_SCENARIOS } from './scenarios/requests.ts';
import { soakScenario } from './scenarios/soak.ts';
import { START_SCENARIOS } from './scenarios/starts.ts';
import { fullTable, missedGoals } from './table.ts';

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
    ...(options.soak === undefined ? [] : [soakScenario(Number(options.soak))]),
  ];
}

/** Those of one configuration of a broker stand together, so that it is started once. */
function runningOrder(scenarios: readonly Scenario[]): Scenario[] {
  const order = ['default', 'relaxed', 'durable'];
  const place = (scenario: Scenario): number =>
    'guarantee' in scenario ? order.indexOf(scenario.guarantee) : order.length;
  return [...scenarios].sort((a, b) => place(a) - place(b));
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const scale = options.quick ? QUICK : FULL;
const rounds = Number(options.rounds || (options.quick ? 1 : ROUNDS_DEFAULT));
const scenarios = runningOrder(allScenarios().filter(({ name }) => new RegExp(options.filter).test(name)));
if (options.list) {
  for (const { name, peers } of scenarios) say(`${name} (${peers.join(', ')})`);
  process.exit(0);
}
const { peers, missing } = installedPeers(options.peers.split(','));
for (const line of missing) say(`MISSING: ${line}`);
const machine = machineOf(options.directory, Object.fromEntries(peers.map(({ name, version }) => [name, version])));
say(machineText(machine));

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say(`ended by ${signal}`);
    process.exit(1);
  });
}
const pool = new BrokerPool(options.directory, scale);
const measuredAt = new Date().toISOString();
const outcome = await runScenarios({ scenarios, peers, rounds, scale, pool, minutes: Number(options.minutes), say });
await pool.end();

const declared = allScenarios().map(({ name }) => name);
const rows = rowsOf(outcome.all).sort((a, b) => declared.indexOf(a.scenario) - declared.indexOf(b.scenario));
say(`\n${fullTable(rows)}\n`);
for (const line of missedGoals(rows)) say(`GOAL MISSED: ${line}`);
const failures = [...missing, ...outcome.failures];
for (const line of failures) say(`NOT MEASURED: ${line}`);
if (options.json !== undefined) storeRows(options.json, rows);
if (options.publish) {
  publish({ rows, machine, measuredAt, rounds, failures, disturbedRuns: outcome.disturbedRuns, runs: outcome.runs });
}
process.exit(failures.length === 0 ? 0 : 1);
