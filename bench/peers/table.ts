// The rows as Markdown: the goals and what they came to, then every figure with all products beside each other.

import { goalLines, goalOf } from './goals.ts';
import { isPeerName, PEER_NAMES, PEER_TITLES, type PeerName, peerTitle } from './peer.ts';
import type { PeerRow, Spread } from './report.ts';

/** Two or three digits that mean something. */
export function figureText(value: number): string {
  if (!Number.isFinite(value)) return '–';
  if (value >= 1e6) return `${(value / 1e6).toFixed(2)} M`;
  if (value >= 100) return Math.round(value).toLocaleString('en');
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function factorText(factor: number): string {
  if (!Number.isFinite(factor)) return '–';
  return `${factor >= 10 ? factor.toFixed(0) : factor.toFixed(2)}x`;
}

/** Figures that are about what a run used rather than what it reached. */
const USAGE = new Set(['broker CPU', 'peak memory', 'load CPU', 'load', 'dropped by retention']);
/** Those of which neither more nor less is better: they tell about the load. */
const ABOUT_THE_LOAD = new Set(['load CPU', 'load', 'dropped by retention']);

/** What groups of scenarios are called, by the first part of their names. */
export const GROUPS: Readonly<Record<string, string>> = {
  produce: 'Produce',
  consume: 'Consume',
  'produce-and-consume': 'Produce and consume together',
  'one-record-requests': 'Requests of one record',
  latency: 'Latency from end to end',
  client: 'With whole clients',
  start: 'Start',
  'many-partitions': '10,000 partitions',
  'recovery-after-SIGKILL': 'Recovery after SIGKILL',
  growth: 'How cost grows',
  kernels: 'Kernels, beside @node-rs/crc32 and kafkajs',
  soak: 'Memory at full load, beside that minutes before',
};

export function groupOf({ scenario }: { readonly scenario: string }): string {
  return scenario.split('/')[0] ?? scenario;
}

/** What parts a scenario from others of its group, such as `acks=1, 100 B, 64 partitions, lz4`. */
export function scenarioLabel(scenario: string): string {
  return scenario
    .split('/')
    .slice(1)
    .filter((part) => part !== 'none')
    .join(', ')
    .replaceAll('-', ' ')
    .replace(/\b1024B\b/, '1 KiB')
    .replace(/(\d+)B\b/, '$1 B')
    .replace(/\b1 (connection|partition)s\b/, '1 $1');
}

/** The same with its figure: what is looked at first goes without saying. */
export function rowLabel({ scenario, metric }: Pick<PeerRow, 'scenario' | 'metric'>): string {
  const said = metric === 'throughput' || metric === 'broker CPU' || metric === 'records' || metric === 'requests';
  return [scenarioLabel(scenario), said ? '' : metric].filter((part) => part !== '').join(': ');
}

function goalText(row: PeerRow | undefined): string {
  const goal = row === undefined ? undefined : goalOf(row);
  return goal === undefined ? '' : goal.met ? `${goal.text} ✓` : `**${goal.text} ✗**`;
}

/** Every goal, what was seen, and whether it is met. */
export function goalTable(rows: readonly PeerRow[]): string {
  const body = goalLines(rows).map(({ title, text, rows, held, seen, worst }) => {
    const met = rows === 0 ? 'not measured' : held === rows ? '✓' : rows === 1 ? '**✗**' : `**✗** ${held} of ${rows}`;
    return [title, text, seen, worst, met];
  });
  return markdown(['', 'goal', 'seen', 'worst of them', 'met'], body);
}

interface Line {
  readonly scenario: string;
  readonly metric: string;
  readonly unit: string;
  readonly millrace: number;
  readonly peers: ReadonlyMap<PeerName, PeerRow>;
}

function linesOf(rows: readonly PeerRow[]): Line[] {
  const lines = new Map<string, Line & { readonly peers: Map<PeerName, PeerRow> }>();
  for (const row of rows) {
    if (!isPeerName(row.peer)) continue;
    const key = `${row.scenario}\n${row.metric}`;
    const line = lines.get(key) ?? { ...row, peers: new Map() };
    lines.set(key, line);
    line.peers.set(row.peer, row);
  }
  return [...lines.values()];
}

function otherPeers(rows: readonly PeerRow[]): PeerName[] {
  return PEER_NAMES.filter((name) => rows.some(({ peer }) => peer === name));
}

/** The groups of the rows, in their order, each with its table of products or of packages. */
export function groupTables(rows: readonly PeerRow[], heading: string): string {
  const tables = Object.entries(GROUPS).flatMap(([group, title]) => {
    const members = rows.filter((row) => groupOf(row) === group);
    if (members.length === 0) return [];
    const ofProducts = members.some(({ peer }) => isPeerName(peer));
    return [`${heading} ${title}\n\n${ofProducts ? shortTable(members) : packageTable(members)}`];
  });
  return tables.join('\n\n');
}

/** What was reached, and beside it processor time and memory as parts of Kafka's. */
export function shortTable(rows: readonly PeerRow[]): string {
  const peers = otherPeers(rows);
  const lines = linesOf(rows).filter(({ metric }) => !USAGE.has(metric));
  const usageOf = (line: Line, metric: string): string => {
    if (lines.find(({ scenario }) => scenario === line.scenario) !== line) return '';
    const row = rows.find((row) => row.peer === 'kafka' && row.scenario === line.scenario && row.metric === metric);
    return row === undefined ? '' : `${factorText(row.ratio)}${metric === 'broker CPU' ? goalMark(row) : ''}`;
  };
  const hasUsage = rows.some(({ metric }) => metric === 'broker CPU');
  const body = lines.map((line) => {
    const kafka = line.peers.get('kafka');
    return [
      rowLabel(line),
      line.unit,
      figureText(line.millrace),
      ...peers.map((name) => peerText(line.peers.get(name))),
      kafka === undefined ? '' : factorText(kafka.advantage),
      goalText(kafka),
      ...(hasUsage ? [usageOf(line, 'broker CPU'), usageOf(line, 'peak memory')] : []),
    ];
  });
  const titles = peers.map((name) => PEER_TITLES[name]);
  const usage = hasUsage ? ["CPU of Kafka's", "memory of Kafka's"] : [];
  return markdown(['', '', 'Millrace', ...titles, 'against Kafka', 'goal', ...usage], body);
}

function goalMark(row: PeerRow): string {
  const goal = goalOf(row);
  return goal === undefined ? '' : goal.met ? ' ✓' : ' **✗**';
}

function peerText(row: PeerRow | undefined): string {
  return row === undefined ? '' : figureText(row.peerValue);
}

function packageTable(rows: readonly PeerRow[]): string {
  const body = rows.map((row) => [
    rowLabel(row),
    row.unit,
    figureText(row.millrace),
    `${peerTitle(row.peer)} ${row.peerVersion}`,
    figureText(row.peerValue),
    factorText(row.advantage),
    goalText(row),
  ]);
  return markdown(['', '', 'Millrace', 'beside', '', 'against it', 'goal'], body);
}

function spreadText(value: number, [low, high]: Spread): string {
  return low === high ? figureText(value) : `${figureText(value)} (${figureText(low)}–${figureText(high)})`;
}

/** Every row with the lowest and the highest run. */
export function fullTable(rows: readonly PeerRow[]): string {
  const heading = ['scenario', 'metric', 'unit', 'Millrace', 'peer', 'its figure', 'advantage', 'runs', 'goal'];
  const body = rows.map((row) => [
    row.scenario,
    row.metric,
    row.unit,
    spreadText(row.millrace, row.millraceSpread),
    `${peerTitle(row.peer)} ${row.peerVersion}`,
    spreadText(row.peerValue, row.peerSpread),
    ABOUT_THE_LOAD.has(row.metric) ? '' : factorText(row.advantage),
    String(row.rounds),
    goalText(row),
  ]);
  return markdown(heading, body);
}

/** One line for each goal that a row misses. */
export function missedGoals(rows: readonly PeerRow[]): string[] {
  return rows.flatMap((row) => {
    const goal = goalOf(row);
    if (goal === undefined || goal.met) return [];
    const values = `${figureText(row.millrace)} ${row.unit} beside ${figureText(row.peerValue)}`;
    return [`${row.scenario}, ${row.metric}: ${factorText(row.advantage)} (${values}), goal ${goal.text}`];
  });
}

/** kafka-wire has one thread: beyond this part of a core it, and not the broker, may be what is measured. */
const LOAD_CORES_MAX = 0.9;
const BY_ONE_THREAD = /^(produce|consume|one-record-requests)\//;

/** Lines about figures that are not what their scenario means to show. */
export function reservations(rows: readonly PeerRow[]): string[] {
  const rolled = rows.filter(({ metric }) => metric === 'dropped by retention');
  const unreached = rolled.flatMap(({ scenario, millraceSpread, peer, peerSpread }) => [
    ...(millraceSpread[0] > 0 ? [] : [`${scenario}: a run of Millrace did not reach retention`]),
    ...(peerSpread[0] > 0 ? [] : [`${scenario}: a run of ${peerTitle(peer)} did not reach retention`]),
  ]);
  const wire = rows.filter(
    ({ scenario, metric, peer }) => metric === 'load' && peer === 'kafka' && BY_ONE_THREAD.test(scenario),
  );
  const busy = (scenario: string, name: string, cores: number): string[] =>
    cores < LOAD_CORES_MAX
      ? []
      : [`${scenario}: the load took ${cores.toFixed(2)} cores with ${name}, which may do more than is seen`];
  const limited = wire.flatMap(({ scenario, millrace, peer, peerValue }) => [
    ...busy(scenario, PEER_TITLES.millrace, millrace),
    ...busy(scenario, peerTitle(peer), peerValue),
  ]);
  return [...new Set([...unreached, ...limited])];
}

function markdown(heading: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heading), `|${'---|'.repeat(heading.length)}`, ...body.map(line)].join('\n');
}
