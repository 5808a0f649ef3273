// From the figures of single runs to rows: medians, spread, ratio.

import type { PeerName } from './peer.ts';
import type { Baseline, Measurement } from './scenario.ts';

/** Figures of the runs of one scenario with one product, in the order of the runs. */
export interface Runs {
  readonly scenario: string;
  readonly peer: PeerName;
  readonly version: string;
  readonly runs: readonly (readonly Measurement[])[];
}

/** Lowest and highest of the runs. */
export type Spread = readonly [number, number];

/** One figure of Millrace beside that of a peer, or of a package, medians both. */
export interface PeerRow {
  readonly scenario: string;
  readonly metric: string;
  readonly unit: string;
  readonly better: 'more' | 'less';
  readonly peer: string;
  readonly peerVersion: string;
  readonly peerValue: number;
  readonly peerSpread: Spread;
  readonly millrace: number;
  readonly millraceSpread: Spread;
  /** millrace / peerValue. */
  readonly ratio: number;
  /** How many times better Millrace is, whichever direction is better; below 1 it is worse. */
  readonly advantage: number;
  /** Runs of each. */
  readonly rounds: number;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  if (upper === undefined) throw new Error('the median of nothing');
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

interface Summary {
  readonly measurement: Measurement;
  readonly value: number;
  readonly spread: Spread;
}

/** Medians by metric, in the order of the first run. */
function summaries({ runs }: Runs): Summary[] {
  return (runs[0] ?? []).map((measurement) => {
    const values = runs
      .flatMap((run) => run.filter(({ metric }) => metric === measurement.metric))
      .map(({ value }) => value);
    return { measurement, value: median(values), spread: spreadOf(values) };
  });
}

/**
 * Rows of every peer that was measured in the same scenario as Millrace, for the metrics that both have, and of what
 * brings its own baseline along.
 */
export function rowsOf(all: readonly Runs[]): PeerRow[] {
  return [...rowsOfPeers(all), ...all.filter(({ peer }) => peer === 'millrace').flatMap(rowsOfBaselines)];
}

function rowsOfPeers(all: readonly Runs[]): PeerRow[] {
  return all
    .filter(({ peer, runs }) => peer !== 'millrace' && runs.length > 0)
    .flatMap((theirs) => {
      const ours = all.find(
        ({ peer, scenario, runs }) => peer === 'millrace' && scenario === theirs.scenario && runs.length > 0,
      );
      if (ours === undefined) return [];
      const own = summaries(ours);
      return summaries(theirs).flatMap((summary) => {
        const match = own.find(({ measurement }) => measurement.metric === summary.measurement.metric);
        const { peer, version, runs, scenario } = theirs;
        return match === undefined ? [] : [rowOf({ peer, version, rounds: runs.length, scenario }, summary, match)];
      });
    });
}

function rowsOfBaselines(ours: Runs): PeerRow[] {
  return summaries(ours).flatMap((own) => {
    const baselines = ours.runs
      .flatMap((run) => run.filter(({ metric }) => metric === own.measurement.metric))
      .flatMap(({ beside }): readonly Baseline[] => (beside === undefined ? [] : [beside]));
    const [first] = baselines;
    if (first === undefined) return [];
    const values = baselines.map(({ value }) => value);
    const theirs: Summary = { measurement: own.measurement, value: median(values), spread: spreadOf(values) };
    const rounds = first.rounds * baselines.length;
    return [rowOf({ peer: first.name, version: first.version, rounds, scenario: ours.scenario }, theirs, own)];
  });
}

function spreadOf(values: readonly number[]): Spread {
  return [Math.min(...values), Math.max(...values)];
}

interface Theirs {
  readonly scenario: string;
  readonly peer: string;
  readonly version: string;
  readonly rounds: number;
}

function rowOf(theirs: Theirs, summary: Summary, own: Summary): PeerRow {
  const { metric, unit, better } = summary.measurement;
  const ratio = own.value / summary.value;
  return {
    scenario: theirs.scenario,
    metric,
    unit,
    better,
    peer: theirs.peer,
    peerVersion: theirs.version,
    peerValue: summary.value,
    peerSpread: summary.spread,
    millrace: own.value,
    millraceSpread: own.spread,
    ratio,
    advantage: better === 'more' ? ratio : 1 / ratio,
    rounds: theirs.rounds,
  };
}
