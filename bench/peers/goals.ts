// The figures to reach, and which rows each is about.

import type { PeerRow } from './report.ts';

interface Goal {
  readonly scenario: RegExp;
  readonly metric: RegExp;
  /** Such as `2x`. */
  readonly text: string;
  holds(row: PeerRow): boolean;
}

function atLeast(scenario: RegExp, metric: RegExp, factor: number): Goal {
  return { scenario, metric, text: `${factor}x`, holds: (row) => row.advantage >= factor };
}

const GOALS: readonly Goal[] = [
  atLeast(/^produce\/acks=(1|all-relaxed)\//, /^throughput$/, 2),
  atLeast(/^produce\/acks=all-durable\//, /^throughput$/, 1.5),
  atLeast(/^produce\//, /^broker CPU$/, 2),
  atLeast(/^consume\//, /^throughput$/, 1.2),
  atLeast(/^consume\//, /^broker CPU$/, 1),
  atLeast(/^one-record-requests\/64-/, /^requests$/, 1.5),
  atLeast(/^latency\//, /^p99(\.9)?$/, 2),
  atLeast(/^start$/, /^first/, 10),
  atLeast(/^start$/, /^idle memory$/, 5),
  atLeast(/^many-partitions$/, /^memory/, 3),
  {
    scenario: /^client\/own\/produce\/100B$/,
    metric: /^records$/,
    text: '3 million/s',
    holds: (row) => row.millrace >= 3e6,
  },
  {
    scenario: /^growth\/partitions$/,
    metric: / of /,
    text: '70 %',
    holds: (row) => row.millrace >= 70,
  },
  {
    // Flat, but for what the measurement itself varies by.
    scenario: /^growth\/idle-polls$/,
    metric: / among /,
    text: '120 % at most',
    holds: (row) => row.millrace <= 120,
  },
  {
    scenario: /^soak\//,
    metric: /^memory, late of early$/,
    text: '105 % at most',
    holds: (row) => row.millrace <= 105,
  },
];

/** What a row is to reach, and whether it does; undefined where there is no goal. Goals are about Kafka. */
export function goalOf(row: PeerRow): { readonly text: string; readonly met: boolean } | undefined {
  if (row.peer !== 'kafka') return undefined;
  const goal = GOALS.find(({ scenario, metric }) => scenario.test(row.scenario) && metric.test(row.metric));
  return goal === undefined ? undefined : { text: goal.text, met: goal.holds(row) };
}
