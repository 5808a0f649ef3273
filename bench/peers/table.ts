// The rows as Markdown: one line for each figure, with all products beside each other.

import { goalOf } from './goals.ts';
import { PEER_NAMES, PEER_TITLES, type PeerName } from './peer.ts';
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
const USAGE = new Set(['broker CPU', 'peak memory']);

interface Line {
  readonly scenario: string;
  readonly metric: string;
  readonly unit: string;
  readonly millrace: number;
  readonly millraceSpread: Spread;
  readonly peers: ReadonlyMap<PeerName, PeerRow>;
}

function linesOf(rows: readonly PeerRow[]): Line[] {
  const keys = [...new Set(rows.map(({ scenario, metric }) => `${scenario}\n${metric}`))];
  return keys.flatMap((key) => {
    const members = rows.filter(({ scenario, metric }) => `${scenario}\n${metric}` === key);
    const first = members[0];
    return first === undefined ? [] : [{ ...first, peers: new Map(members.map((row) => [row.peer, row])) }];
  });
}

function goalText(row: PeerRow | undefined): string {
  const goal = row === undefined ? undefined : goalOf(row);
  if (goal === undefined) return '';
  return goal.met ? `${goal.text} ✓` : `**${goal.text} ✗**`;
}

function otherPeers(rows: readonly PeerRow[]): PeerName[] {
  return PEER_NAMES.filter((name) => rows.some(({ peer }) => peer === name));
}

/** The short table: what was reached, and beside it how many times less processor time and memory than Kafka. */
export function shortTable(rows: readonly PeerRow[]): string {
  const peers = otherPeers(rows);
  const heading = [
    '',
    'Millrace',
    ...peers.map((name) => PEER_TITLES[name]),
    'against Kafka',
    'its CPU',
    'its memory',
    'goal',
  ];
  const lines = linesOf(rows).filter(({ metric }) => !USAGE.has(metric));
  const seen = new Set<string>();
  const body = lines.map((line) => {
    const kafka = line.peers.get('kafka');
    const first = !seen.has(line.scenario);
    seen.add(line.scenario);
    const usage = (metric: string): string => {
      const row = rows.find((row) => row.peer === 'kafka' && row.scenario === line.scenario && row.metric === metric);
      return row === undefined || !first ? '' : factorText(row.ratio);
    };
    return [
      `${line.scenario}, ${line.metric} (${line.unit})`,
      figureText(line.millrace),
      ...peers.map((name) => peerText(line.peers.get(name))),
      kafka === undefined ? '' : factorText(kafka.advantage),
      usage('broker CPU'),
      usage('peak memory'),
      goalText(kafka),
    ];
  });
  return markdown(heading, body);
}

function peerText(row: PeerRow | undefined): string {
  return row === undefined ? '' : figureText(row.peerValue);
}

function spreadText(value: number, [low, high]: Spread): string {
  return `${figureText(value)} (${figureText(low)}–${figureText(high)})`;
}

/** Every row with the lowest and the highest run. */
export function fullTable(rows: readonly PeerRow[]): string {
  const heading = ['scenario', 'metric', 'unit', 'Millrace', 'peer', 'its figure', 'advantage', 'runs', 'goal'];
  const body = rows.map((row) => [
    row.scenario,
    row.metric,
    row.unit,
    spreadText(row.millrace, row.millraceSpread),
    `${PEER_TITLES[row.peer]} ${row.peerVersion}`,
    spreadText(row.peerValue, row.peerSpread),
    factorText(row.advantage),
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

function markdown(heading: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(heading), `|${'---|'.repeat(heading.length)}`, ...body.map(line)].join('\n');
}
