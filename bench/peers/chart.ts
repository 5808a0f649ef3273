// The rows against Kafka as a picture: a bar for each on a logarithmic scale, to the right of the line where Millrace is
// better and to the left where it is worse, with a mark where its goal is, and the figures of both in columns beside it.
// Plain SVG, with a background of its own so that it reads on any page.

import { goalOf } from './goals.ts';
import type { PeerRow } from './report.ts';
import { factorText, figureText, GROUPS, groupOf, rowLabel } from './table.ts';

const WIDTH = 1240;
const LABEL_WIDTH = 300;
/** Between the labels and the plot: for the factor of a bar that reaches the left edge. */
const GAP = 48;
const VALUE_WIDTH = 410;
/** Where the columns end that stand to the right of the plot, from the right edge. */
const COLUMNS = { millrace: 320, kafka: 246, unit: 238, goal: 168 } as const;
const ROW_HEIGHT = 20;
const GROUP_HEIGHT = 32;
const TOP = 100;
const BOTTOM = 44;
const TICKS = [0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64];
const BETTER = '#1a7f5a';
const WORSE = '#c2452d';
const INK = '#1c1f23';
const FAINT = '#5b6470';
const FONT = 'font-family="ui-sans-serif, system-ui, Segoe UI, Helvetica, Arial, sans-serif"';

const PRODUCE_CPU = 'Processor time of the broker for a gigabyte produced';
const CONSUME_CPU = 'Processor time of the broker for a gigabyte consumed';
/** Metrics that are left to the tables, so that the picture stays one. */
const NOT_DRAWN = new Set([
  ...['peak memory', 'load', 'load CPU', 'dropped by retention', 'p50', 'first metadata', 'creation', 'produced'],
  ...['memory, created', 'CPU of a fetch alone', '8 partitions'],
]);
/** Of requests their number is drawn, of latency the time. */
const NOT_DRAWN_OF = /^(one-record-requests\/.* p99|growth\/partitions \d+ partitions|growth\/idle-polls CPU .* idle)$/;
/** What stands beside packages, or beside itself. */
const PACKAGE_GROUPS = new Set(['kernels', 'soak']);
/** Processor time is drawn where there is a goal for it. */
const CPU_DRAWN = /^(produce|consume|produce-and-consume)\//;

function isDrawn({ peer, metric, scenario }: PeerRow): boolean {
  if (PACKAGE_GROUPS.has(groupOf({ scenario }))) return true;
  if (peer !== 'kafka' || NOT_DRAWN.has(metric) || NOT_DRAWN_OF.test(`${scenario} ${metric}`)) return false;
  return metric !== 'broker CPU' || CPU_DRAWN.test(scenario);
}

function titleOf(row: PeerRow): string {
  if (row.metric === 'broker CPU') return groupOf(row) === 'produce' ? PRODUCE_CPU : CONSUME_CPU;
  const title = GROUPS[groupOf(row)] ?? groupOf(row);
  return row.metric === 'throughput' ? `${title}: throughput` : title;
}

/** Rows of processor time of the first part's scenarios may be of several. */
function labelOf(row: PeerRow): string {
  const label = rowLabel(row);
  const several = row.metric === 'broker CPU' && groupOf(row) === 'produce-and-consume';
  return several ? `at the tail, while produced, ${label}` : label;
}

export interface ChartOptions {
  readonly title: string;
  readonly subtitle: string;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Where a factor lies, in pixels from the left of the plot. */
export function scale(
  factor: number,
  { low, high, width }: { readonly low: number; readonly high: number; readonly width: number },
): number {
  const clamped = Math.min(high, Math.max(low, factor));
  return (Math.log(clamped / low) / Math.log(high / low)) * width;
}

interface TextStyle {
  readonly size: number;
  readonly fill?: string;
  readonly weight?: number;
  readonly anchor?: 'start' | 'middle' | 'end';
}

function text(
  x: number,
  y: number,
  { content, style }: { readonly content: string; readonly style: TextStyle },
): string {
  const { size, fill = INK, weight, anchor } = style;
  const more = `${weight === undefined ? '' : ` font-weight="${weight}"`}${anchor === undefined ? '' : ` text-anchor="${anchor}"`}`;
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${FONT} font-size="${size}" fill="${fill}"${more}>${escaped(content)}</text>`;
}

type At = (factor: number) => number;

/** The picture of the rows whose peer is Kafka, or no product. */
export function chart(all: readonly PeerRow[], options: ChartOptions): string {
  const rows = all.filter(isDrawn);
  const titles = [...new Set(rows.map(titleOf))];
  // Processor time last, as its bars stand beside those of throughput in mind.
  const order = [...titles.filter((title) => title !== PRODUCE_CPU && title !== CONSUME_CPU), PRODUCE_CPU, CONSUME_CPU];
  const groups = order.filter((title) => titles.includes(title));
  const factors = rows.flatMap((row) => [row.advantage, goalOf(row)?.factor ?? 1]).filter(Number.isFinite);
  const low = TICKS.filter((tick) => tick <= Math.min(0.5, ...factors)).at(-1) ?? 0.125;
  const high = TICKS.find((tick) => tick >= Math.max(4, ...factors)) ?? 64;
  const width = WIDTH - LABEL_WIDTH - GAP - VALUE_WIDTH;
  const at: At = (factor) => LABEL_WIDTH + GAP + scale(factor, { low, high, width });
  const height = TOP + groups.length * GROUP_HEIGHT + rows.length * ROW_HEIGHT + BOTTOM;
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(options.title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    ...head(options, at),
    ...ticks({ low, high, height, at }),
  ];
  let y = TOP;
  for (const group of groups) {
    y += GROUP_HEIGHT;
    parts.push(text(24, y - 8, { content: group, style: { size: 13, weight: 700 } }));
    for (const row of rows.filter((row) => titleOf(row) === group)) {
      parts.push(...bar(row, { y, at }));
      y += ROW_HEIGHT;
    }
  }
  parts.push('</svg>', '');
  return parts.join('\n');
}

function head({ title, subtitle }: ChartOptions, at: At): string[] {
  const column = (content: string, right: number, anchor: 'start' | 'end'): string =>
    text(WIDTH - right, TOP - 22, { content, style: { size: 12, weight: 600, anchor } });
  return [
    text(24, 34, { content: title, style: { size: 20, weight: 700 } }),
    text(24, 56, { content: subtitle, style: { size: 12, fill: FAINT } }),
    text(at(1) + 8, TOP - 22, { content: 'Millrace better →', style: { size: 12, weight: 600, fill: BETTER } }),
    text(at(1) - 8, TOP - 22, {
      content: '← Kafka better',
      style: { size: 12, weight: 600, fill: WORSE, anchor: 'end' },
    }),
    column('Millrace', COLUMNS.millrace, 'end'),
    column('Kafka', COLUMNS.kafka, 'end'),
    column('goal', COLUMNS.goal, 'start'),
  ];
}

function ticks({ low, high, height, at }: { low: number; high: number; height: number; at: At }): string[] {
  return TICKS.filter((tick) => tick >= low && tick <= high).flatMap((tick) => {
    const stroke = tick === 1 ? `stroke="${INK}" stroke-width="1.5"` : 'stroke="#dfe3e8" stroke-width="1"';
    const [x, content] = [at(tick), tick < 1 ? `1/${1 / tick}` : `${tick}x`];
    return [
      `<line x1="${x.toFixed(1)}" y1="${TOP - 12}" x2="${x.toFixed(1)}" y2="${height - BOTTOM + 6}" ${stroke}/>`,
      text(x, height - BOTTOM + 22, { content, style: { size: 11, fill: FAINT, anchor: 'middle' } }),
    ];
  });
}

/** A thin line with a triangle on it: how far the bar is to reach. */
function goalAt(x: number, y: number): string {
  const [top, bottom] = [y + 1, y + ROW_HEIGHT - 1];
  return `<path d="M${x.toFixed(1)} ${bottom}V${top + 4}l-3.5 -4h7l-3.5 4" fill="${INK}" stroke="${INK}" stroke-width="1"/>`;
}

function bar(row: PeerRow, { y, at }: { readonly y: number; readonly at: At }): string[] {
  const [one, end] = [at(1), at(row.advantage)];
  const better = row.advantage >= 1;
  const color = better ? BETTER : WORSE;
  const goal = goalOf(row);
  const goalX = goal?.factor === undefined ? undefined : at(goal.factor);
  const middle = y + ROW_HEIGHT / 2 + 4;
  const factor = factorText(row.advantage);
  // Where the goal's mark would stand in the number, the number stands behind it.
  const beside = better && goalX !== undefined && goalX >= end - 1 && goalX < end + factor.length * 7 + 8 ? goalX : end;
  const value = (content: string, right: number, style: Partial<TextStyle> = {}): string =>
    text(WIDTH - right, middle, { content, style: { size: 11, fill: FAINT, ...style } });
  return [
    text(LABEL_WIDTH, middle, { content: labelOf(row), style: { size: 12, anchor: 'end' } }),
    `<rect x="${Math.min(one, end).toFixed(1)}" y="${y + 3}" width="${Math.max(1, Math.abs(end - one)).toFixed(1)}" height="${ROW_HEIGHT - 6}" rx="2" fill="${color}"/>`,
    ...(goalX === undefined ? [] : [goalAt(goalX, y)]),
    text(better ? beside + 6 : end - 5, middle, {
      content: factor,
      style: { size: 11, weight: 600, fill: color, anchor: better ? 'start' : 'end' },
    }),
    value(figureText(row.millrace), COLUMNS.millrace, { fill: INK, anchor: 'end' }),
    value(figureText(row.peerValue), COLUMNS.kafka, { anchor: 'end' }),
    value(row.unit, COLUMNS.unit),
    ...(goal === undefined
      ? []
      : [
          value(`${goal.met ? '✓' : '✗'} ${goal.text}`, COLUMNS.goal, { fill: goal.met ? BETTER : WORSE, weight: 600 }),
        ]),
  ];
}
