// Where the figures go: a file of rows, and, when they are published, the results' folder and a section of the README.
// A run of some scenarios replaces their rows in what was published before, on the same machine with the same versions.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chart } from './chart.ts';
import { type Machine, machineText } from './machine.ts';
import { RESULTS, ROOT } from './paths.ts';
import type { PeerRow } from './report.ts';
import { fullTable, goalTable, groupTables, missedGoals, reservations } from './table.ts';

const SECTION_BEGIN = '<!-- peers: begin -->';
const SECTION_END = '<!-- peers: end -->';

export interface Results {
  readonly rows: readonly PeerRow[];
  readonly machine: Machine;
  readonly measuredAt: string;
  readonly rounds: number;
  /** What could not be measured, and why. */
  readonly failures: readonly string[];
  /** Runs before which other programs kept the machine busy; null where a part of the runs ended without telling. */
  readonly disturbedRuns: number | null;
  readonly runs: number;
  readonly minutes: number;
}

export function storeRows(file: string, rows: readonly PeerRow[]): void {
  writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
}

/** What was published before; undefined where there is nothing, or another machine or other versions were measured. */
export function comparable(machine: Machine): Results | undefined {
  const file = join(RESULTS, 'peers.json');
  if (!existsSync(file)) return undefined;
  const results: Results = JSON.parse(readFileSync(file, 'utf8'));
  return sameMachine(results.machine, machine) ? results : undefined;
}

function sameMachine(one: Machine, other: Machine): boolean {
  const text = (machine: Machine): string[] => [
    machineText({ ...machine, versions: {} }),
    ...Object.entries(machine.versions)
      .map(([name, version]) => `${name} ${version}`)
      .sort(),
  ];
  return text(one).join() === text(other).join();
}

/** The earlier results with what a run of some scenarios says about those. */
export function merged(
  earlier: Results,
  later: Results,
  { measured }: { readonly measured: readonly string[] },
): Results {
  const isNew = (row: PeerRow): boolean =>
    later.rows.some(({ scenario, peer }) => scenario === row.scenario && peer === row.peer);
  const isAboutNew = (failure: string): boolean => measured.some((name) => new RegExp(`^${name}[,:]`).test(failure));
  return {
    ...earlier,
    rows: [...earlier.rows.filter((row) => !isNew(row)), ...later.rows],
    failures: [...earlier.failures.filter((failure) => !isAboutNew(failure)), ...later.failures],
    disturbedRuns: sumKnown(earlier.disturbedRuns, later.disturbedRuns),
    runs: earlier.runs + later.runs,
    minutes: earlier.minutes + later.minutes,
  };
}

function sumKnown(one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : one + other;
}

function disturbedText(disturbedRuns: number | null, runs: number): string {
  if (disturbedRuns === null) return ' How many runs other programs disturbed was not kept for a part of them.';
  return disturbedRuns === 0 ? '' : ` Before ${disturbedRuns} of ${runs} runs other programs kept the machine busy.`;
}

function about({ machine, measuredAt, rounds, runs, disturbedRuns, minutes }: Results): string {
  const disturbed = disturbedText(disturbedRuns, runs);
  // Earlier results do not tell.
  const took = Number.isFinite(minutes) ? `, ${runs} in ${Math.round(minutes)} minutes` : '';
  return `Measured ${measuredAt.slice(0, 10)} on ${machineText(machine)}. Medians of ${rounds} alternated runs${took}.${disturbed}`;
}

function failureText({ failures }: Results): string {
  return listed(
    'Not measured:',
    failures.map((failure) => failure.split('\n')[0] ?? ''),
  );
}

function listed(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `\n${title}\n\n${lines.map((line) => `- ${line}`).join('\n')}\n`;
}

/** Writes peers.json, peers.md and peers.svg, and the section of the README that shows them. */
export function publish(results: Results): void {
  const { rows, failures: _failures, ...head } = results;
  mkdirSync(RESULTS, { recursive: true });
  writeFileSync(
    join(RESULTS, 'peers.json'),
    `${JSON.stringify({ ...head, failures: results.failures, rows }, null, 2)}\n`,
  );
  writeFileSync(join(RESULTS, 'peers.svg'), svg(results));
  const page = [
    '# Millrace beside its peers',
    '',
    about(results),
    '',
    '## Goals',
    '',
    goalTable(rows),
    listed('Rows that miss theirs ([bench/README.md](../README.md) has the causes):', missedGoals(rows)),
    '![Chart](peers.svg)',
    '',
    '## Every figure',
    '',
    'Medians, with the lowest and the highest run; an advantage is how many times better Millrace is.',
    '',
    fullTable(rows),
    listed('To be read with reserve:', reservations(rows)),
    failureText(results),
  ];
  writeFileSync(join(RESULTS, 'peers.md'), page.join('\n'));
  const readme = join(ROOT, 'README.md');
  const section = [
    about(results),
    '',
    goalTable(rows),
    '',
    '![Millrace beside Apache Kafka](bench/results/peers.svg)',
    '',
    groupTables(rows, '###'),
    listed('To be read with reserve:', reservations(rows)),
    failureText(results),
  ];
  writeFileSync(readme, withSection(readFileSync(readme, 'utf8'), section.join('\n')));
}

export function svg({ rows, machine, rounds }: Results): string {
  const kafka = rows.find(({ peer }) => peer === 'kafka')?.peerVersion ?? '';
  return chart(rows, {
    title: `Millrace against Apache Kafka ${kafka} on the same machine`,
    subtitle: `${machine.cores} cores shared with the load, ${machine.memoryGiB} GiB; medians of ${rounds} alternated runs. Bars are how many times better; ▾ is the goal.`,
  });
}

/** The text with what is between the marks of the section replaced. */
export function withSection(text: string, section: string): string {
  const begin = text.indexOf(SECTION_BEGIN);
  const end = text.indexOf(SECTION_END);
  if (begin < 0 || end < begin) throw new Error(`the text has no ${SECTION_BEGIN} and ${SECTION_END}`);
  return `${text.slice(0, begin + SECTION_BEGIN.length)}\n${section.trim()}\n${text.slice(end)}`;
}
