// Where the figures go: a file of rows, and, when they are published, the results' folder and a section of the README.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chart } from './chart.ts';
import { type Machine, machineText } from './machine.ts';
import { RESULTS, ROOT } from './paths.ts';
import type { PeerRow } from './report.ts';
import { fullTable, missedGoals, shortTable } from './table.ts';

const SECTION_BEGIN = '<!-- peers: begin -->';
const SECTION_END = '<!-- peers: end -->';

export interface Results {
  readonly rows: readonly PeerRow[];
  readonly machine: Machine;
  readonly measuredAt: string;
  readonly rounds: number;
  /** What could not be measured, and why. */
  readonly failures: readonly string[];
  /** Runs before which other programs kept the machine busy. */
  readonly disturbedRuns: number;
  readonly runs: number;
}

export function storeRows(file: string, rows: readonly PeerRow[]): void {
  writeFileSync(file, `${JSON.stringify(rows, null, 2)}\n`);
}

function about({ machine, measuredAt, rounds, runs, disturbedRuns }: Results): string {
  const disturbed =
    disturbedRuns === 0 ? '' : ` Before ${disturbedRuns} of ${runs} runs other programs kept the machine busy.`;
  return `Measured ${measuredAt.slice(0, 10)} on ${machineText(machine)}. Medians of ${rounds} alternated runs.${disturbed}`;
}

function failureText({ failures }: Results): string {
  if (failures.length === 0) return '';
  return `\nNot measured:\n\n${failures.map((failure) => `- ${failure.split('\n')[0]}`).join('\n')}\n`;
}

function missedText(rows: readonly PeerRow[]): string {
  const missed = missedGoals(rows);
  if (missed.length === 0) return '\nEvery goal is met.\n';
  return `\nGoals that are missed (bench/README.md has the causes):\n\n${missed.map((line) => `- ${line}`).join('\n')}\n`;
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
    '![Chart](peers.svg)',
    missedText(rows),
    fullTable(rows),
    failureText(results),
  ];
  writeFileSync(join(RESULTS, 'peers.md'), page.join('\n'));
  const readme = join(ROOT, 'README.md');
  const section = `${about(results)}\n\n![Millrace beside Apache Kafka](bench/results/peers.svg)\n\n${shortTable(rows)}\n${failureText(results)}`;
  writeFileSync(readme, withSection(readFileSync(readme, 'utf8'), section));
}

export function svg({ rows, machine, rounds }: Results): string {
  const kafka = rows.find(({ peer }) => peer === 'kafka')?.peerVersion ?? '';
  return chart(rows, {
    title: `Millrace against Apache Kafka ${kafka} on the same machine`,
    subtitle: `${machine.cores} cores shared with the load, ${machine.memoryGiB} GiB; medians of ${rounds} alternated runs. Right: Millrace | Kafka`,
  });
}

/** The text with what is between the marks of the section replaced. */
export function withSection(text: string, section: string): string {
  const begin = text.indexOf(SECTION_BEGIN);
  const end = text.indexOf(SECTION_END);
  if (begin < 0 || end < begin) throw new Error(`the text has no ${SECTION_BEGIN} and ${SECTION_END}`);
  return `${text.slice(0, begin + SECTION_BEGIN.length)}\n${section.trim()}\n${text.slice(end)}`;
}
