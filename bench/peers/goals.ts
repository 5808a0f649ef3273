// The figures to reach, which rows each is about, and what they came to.

import type { PeerRow } from './report.ts';

interface Goal {
  /** What it is about. */
  readonly title: string;
  /** Such as `2x`. */
  readonly text: string;
  readonly scenario: RegExp;
  readonly metric: RegExp;
  /** Beside whom: Kafka where nothing is said. */
  readonly peer?: string;
  /** The figure of a row that counts. */
  figure(row: PeerRow): number;
  holds(figure: number, row: PeerRow): boolean;
  show(figure: number): string;
  readonly better: 'more' | 'less';
}

type Subject = Pick<Goal, 'title' | 'scenario' | 'metric'> & { readonly peer?: string };

function factor(value: number): string {
  if (!Number.isFinite(value)) return '–';
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(2)}x`;
}

/** How many times better than the peer. */
function atLeast(least: number, subject: Subject): Goal {
  return {
    ...subject,
    text: `${least}x`,
    better: 'more',
    figure: ({ advantage }) => advantage,
    holds: (figure) => figure >= least,
    show: factor,
  };
}

/** A percentage of Millrace's own. */
function percentage(better: 'more' | 'less', limit: number, subject: Subject): Goal {
  return {
    ...subject,
    text: better === 'more' ? `${limit} %` : `${limit} % at most`,
    better,
    figure: ({ millrace }) => millrace,
    holds: (figure) => (better === 'more' ? figure >= limit : figure <= limit),
    show: (figure) => `${figure.toFixed(0)} %`,
  };
}

function millions(value: number): string {
  return `${(value / 1e6).toFixed(1)} million/s`;
}

const THROUGHPUT = /^throughput$/;
const CPU = /^broker CPU$/;
const CRC32C = { scenario: /^kernels\/crc32c$/, peer: '@node-rs/crc32' } as const;
const ENCODED_RECORDS_MIN = 5e6;
const ENCODED_FACTOR_MIN = 10;

/** In the order in which they are shown; a row counts for the first that fits it. */
const GOALS: readonly Goal[] = [
  atLeast(2, {
    title: 'produce, acks 1 or all relaxed: throughput',
    scenario: /^produce\/acks=(1|all-relaxed)\//,
    metric: THROUGHPUT,
  }),
  atLeast(1.5, { title: 'produce, durable: throughput', scenario: /^produce\/acks=all-durable\//, metric: THROUGHPUT }),
  atLeast(2, { title: 'produce: CPU of the broker for a gigabyte', scenario: /^produce\//, metric: CPU }),
  {
    title: 'records of 100 B by the own client over WebSocket, acks 1',
    text: '3 million/s',
    scenario: /^client\/own\/produce\/100B$/,
    metric: /^records$/,
    better: 'more',
    figure: ({ millrace }) => millrace,
    holds: (figure) => figure >= 3e6,
    show: millions,
  },
  atLeast(1.2, { title: 'consume, catching up: throughput', scenario: /^consume\//, metric: THROUGHPUT }),
  atLeast(1.2, {
    title: 'consume at the tail, while produced: throughput',
    scenario: /^produce-and-consume\//,
    metric: /^consumed$/,
  }),
  atLeast(1, {
    title: 'consume: CPU of the broker for a gigabyte',
    scenario: /^(consume|produce-and-consume)\//,
    metric: CPU,
  }),
  atLeast(1.5, {
    title: 'requests of one record, 64 connections',
    scenario: /^one-record-requests\/64-/,
    metric: /^requests$/,
  }),
  atLeast(2, { title: 'latency from end to end, p99', scenario: /^latency\//, metric: /^p99$/ }),
  atLeast(2, { title: 'latency from end to end, p99.9', scenario: /^latency\//, metric: /^p99\.9$/ }),
  atLeast(10, { title: 'ready after the start', scenario: /^start$/, metric: /^first/ }),
  atLeast(5, { title: 'memory, idle', scenario: /^start$/, metric: /^idle memory$/ }),
  atLeast(3, { title: 'memory with 10,000 partitions', scenario: /^many-partitions$/, metric: /^memory/ }),
  atLeast(2, { ...CRC32C, title: 'CRC32C from 64 KiB', metric: /^(65536|262144|1048576) B$/ }),
  atLeast(1, { ...CRC32C, title: 'CRC32C from 8 KiB', metric: /^(8192|16384|32768) B$/ }),
  atLeast(0.8, { ...CRC32C, title: 'CRC32C from 512 B', metric: /^(512|1024|2048|4096) B$/ }),
  {
    ...atLeast(ENCODED_FACTOR_MIN, {
      title: 'encoding batches of 100 B records, one core',
      scenario: /^kernels\/encode$/,
      metric: /^batches of /,
      peer: 'kafkajs',
    }),
    text: `${ENCODED_FACTOR_MIN}x and ${millions(ENCODED_RECORDS_MIN)}`,
    holds: (figure, { millrace }) => figure >= ENCODED_FACTOR_MIN && millrace >= ENCODED_RECORDS_MIN,
  },
  percentage('more', 70, {
    title: 'throughput with 1,000 partitions, of that with 8',
    scenario: /^growth\/partitions$/,
    metric: / of /,
  }),
  // Flat, but for what the measurement itself varies by.
  percentage('less', 120, {
    title: 'CPU of a fetch among 1,000 idle ones, of that alone',
    scenario: /^growth\/idle-polls$/,
    metric: / among /,
  }),
  {
    ...percentage('less', 105, {
      title: 'memory at the end of ten minutes at full load, of that before',
      scenario: /^soak\/10-minutes$/,
      metric: /^memory/,
      peer: 'Millrace, minutes before',
    }),
    figure: ({ ratio }) => ratio * 100,
  },
];

function goalFor(row: PeerRow): Goal | undefined {
  return GOALS.find(
    ({ scenario, metric, peer = 'kafka' }) =>
      peer === row.peer && scenario.test(row.scenario) && metric.test(row.metric),
  );
}

/** What a row is to reach, and whether it does; undefined where there is no goal. */
export function goalOf(row: PeerRow):
  | {
      readonly text: string;
      readonly met: boolean /** The advantage to reach, where it is one. */;
      readonly factor?: number;
    }
  | undefined {
  const goal = goalFor(row);
  if (goal === undefined) return undefined;
  const factor = /^([\d.]+)x/.exec(goal.text)?.[1];
  return {
    text: goal.text,
    met: goal.holds(goal.figure(row), row),
    ...(factor === undefined ? {} : { factor: Number(factor) }),
  };
}

/** Whether rows of a scenario count for a goal. */
export function hasGoal(name: string): boolean {
  return GOALS.some(({ scenario }) => scenario.test(name));
}

export interface GoalLine {
  readonly title: string;
  readonly text: string;
  /** Rows that count, and those that hold; none where nothing was measured. */
  readonly rows: number;
  readonly held: number;
  /** The worst and the best figure, or the one that there is. */
  readonly seen: string;
  /** Where the worst was. */
  readonly worst: string;
}

/** A line for each goal, the ones without a row, too. */
export function goalLines(rows: readonly PeerRow[]): GoalLine[] {
  return GOALS.map((goal) => {
    const { title, text, better } = goal;
    const members = rows
      .filter((row) => goalFor(row) === goal)
      .map((row) => ({ row, figure: goal.figure(row) }))
      .sort((a, b) => (better === 'more' ? a.figure - b.figure : b.figure - a.figure));
    const held = members.filter(({ row, figure }) => goal.holds(figure, row)).length;
    const [worst, best] = [members[0], members.at(-1)];
    if (worst === undefined || best === undefined) return { title, text, rows: 0, held, seen: '', worst: '' };
    const figures = members.length === 1 ? [worst.figure] : [worst.figure, best.figure];
    const place = /^(throughput|broker CPU|consumed|requests|p99(\.9)?)$/.test(worst.row.metric)
      ? worst.row.scenario
      : worst.row.metric;
    const seen = figures.map(goal.show).join(' to ');
    return { title, text, rows: members.length, held, seen, worst: members.length === 1 ? '' : place };
  });
}
