// The rows against Kafka as a picture: a bar for each on a logarithmic scale, to the right of the line where Millrace is
// better and to the left where it is worse. Plain SVG, with a background of its own so that it reads on any page.

import { goalOf } from './goals.ts';
import type { PeerRow } from './report.ts';
import { factorText, figureText } from './table.ts';

const WIDTH = 1120;
const LABEL_WIDTH = 340;
/** Between the labels and the plot: for the factor of a bar that reaches the left edge. */
const GAP = 48;
const VALUE_WIDTH = 290;
const ROW_HEIGHT = 20;
const GROUP_HEIGHT = 34;
const TOP = 96;
const BOTTOM = 44;
const TICKS = [0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64];
const BETTER = '#1a7f5a';
const WORSE = '#c2452d';
const FONT = 'font-family="ui-sans-serif, system-ui, Segoe UI, Helvetica, Arial, sans-serif"';

/** What each group of scenarios is called, by the first part of their names. */
const GROUPS: Readonly<Record<string, string>> = {
  produce: 'Produce: throughput',
  consume: 'Consume: throughput',
  'produce-and-consume': 'Produce and consume together',
  'one-record-requests': 'Requests of one record',
  latency: 'Latency from end to end',
  client: 'With whole clients',
  start: 'Start',
  'many-partitions': 'Many partitions',
  'recovery-after-SIGKILL': 'Recovery',
  growth: 'How cost grows',
  soak: 'Soak',
  cpu: 'Processor time of the broker for a gigabyte',
};

const CPU_GROUP = 'cpu';
/** Metrics that are left to the table, so that the picture stays one. */
const NOT_DRAWN = new Set(['peak memory', 'p50', 'first metadata', 'creation', 'memory, created']);
/** Processor time is drawn where there is a goal for it, and of produce without compression. */
const CPU_DRAWN = /^(produce\/.*\/none|consume\/.*)$/;

function isDrawn({ peer, metric, scenario }: PeerRow): boolean {
  if (peer !== 'kafka' || NOT_DRAWN.has(metric)) return false;
  return metric !== 'broker CPU' || CPU_DRAWN.test(scenario);
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

function groupOf({ scenario, metric }: PeerRow): string {
  if (metric === 'broker CPU') return CPU_GROUP;
  return scenario.split('/')[0] ?? scenario;
}

/** Such as `acks=1, 100 B, 64 partitions, lz4`. */
function labelOf(row: PeerRow): string {
  const parts = row.scenario.split('/');
  const named = row.metric === 'broker CPU' ? parts : parts.slice(1);
  const words = named.filter((part) => part !== 'none').join(', ');
  const readable = words.replaceAll('-', ' ').replace(/(\d+)B\b/, '$1 B');
  const metric =
    row.metric === 'throughput' || row.metric === 'broker CPU' || row.metric === 'records' ? '' : row.metric;
  return [readable, metric].filter((part) => part !== '').join(': ');
}

function text(
  x: number,
  y: number,
  { content, attributes = '' }: { readonly content: string; readonly attributes?: string },
): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${FONT} ${attributes}>${escaped(content)}</text>`;
}

/** The picture of the rows whose peer is Kafka. */
export function chart(all: readonly PeerRow[], { title, subtitle }: ChartOptions): string {
  const rows = all.filter(isDrawn);
  const order = Object.keys(GROUPS);
  const groups = [...new Set(rows.map(groupOf))].sort((a, b) => order.indexOf(a) - order.indexOf(b));
  const factors = rows.map(({ advantage }) => advantage).filter(Number.isFinite);
  const low = TICKS.filter((tick) => tick <= Math.min(0.5, ...factors)).at(-1) ?? 0.125;
  const high = TICKS.find((tick) => tick >= Math.max(4, ...factors)) ?? 64;
  const width = WIDTH - LABEL_WIDTH - GAP - VALUE_WIDTH;
  const at = (factor: number): number => LABEL_WIDTH + GAP + scale(factor, { low, high, width });
  const height = TOP + groups.length * GROUP_HEIGHT + rows.length * ROW_HEIGHT + BOTTOM;
  const parts: string[] = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(24, 34, { content: title, attributes: 'font-size="20" font-weight="700" fill="#1c1f23"' }),
    text(24, 56, { content: subtitle, attributes: 'font-size="12" fill="#5b6470"' }),
    text(at(1) + 8, TOP - 22, {
      content: 'Millrace better →',
      attributes: `font-size="12" font-weight="600" fill="${BETTER}"`,
    }),
    text(at(1) - 8, TOP - 22, {
      content: '← Kafka better',
      attributes: `font-size="12" font-weight="600" fill="${WORSE}" text-anchor="end"`,
    }),
  ];
  for (const tick of TICKS.filter((tick) => tick >= low && tick <= high)) {
    const stroke = tick === 1 ? 'stroke="#1c1f23" stroke-width="1.5"' : 'stroke="#dfe3e8" stroke-width="1"';
    parts.push(`<line x1="${at(tick)}" y1="${TOP - 12}" x2="${at(tick)}" y2="${height - BOTTOM + 6}" ${stroke}/>`);
    const label = tick < 1 ? `1/${1 / tick}` : `${tick}x`;
    parts.push(
      text(at(tick), height - BOTTOM + 22, {
        content: label,
        attributes: 'font-size="11" fill="#5b6470" text-anchor="middle"',
      }),
    );
  }
  let y = TOP;
  for (const group of groups) {
    y += GROUP_HEIGHT;
    parts.push(
      text(24, y - 8, {
        content: GROUPS[group] ?? group,
        attributes: 'font-size="13" font-weight="700" fill="#1c1f23"',
      }),
    );
    for (const row of rows.filter((row) => groupOf(row) === group)) {
      parts.push(...bar(row, { y, at }));
      y += ROW_HEIGHT;
    }
  }
  parts.push('</svg>', '');
  return parts.join('\n');
}

function bar(row: PeerRow, { y, at }: { readonly y: number; at(factor: number): number }): string[] {
  const one = at(1);
  const end = at(row.advantage);
  const better = row.advantage >= 1;
  const color = better ? BETTER : WORSE;
  const goal = goalOf(row);
  const mark = goal === undefined ? '' : goal.met ? ' ✓' : ` ✗ goal ${goal.text}`;
  const unit = row.unit === '' ? '' : ` ${row.unit}`;
  const values = `${figureText(row.millrace)} | ${figureText(row.peerValue)}${unit}${mark}`;
  const middle = y + ROW_HEIGHT / 2 + 4;
  return [
    text(LABEL_WIDTH, middle, {
      content: labelOf(row),
      attributes: 'font-size="12" fill="#1c1f23" text-anchor="end"',
    }),
    `<rect x="${Math.min(one, end).toFixed(1)}" y="${y + 3}" width="${Math.max(1, Math.abs(end - one)).toFixed(1)}" height="${ROW_HEIGHT - 6}" rx="2" fill="${color}"/>`,
    text(better ? end + 5 : end - 5, middle, {
      content: factorText(row.advantage),
      attributes: `font-size="11" font-weight="600" fill="${color}" text-anchor="${better ? 'start' : 'end'}"`,
    }),
    text(WIDTH - VALUE_WIDTH + 44, middle, { content: values, attributes: 'font-size="11" fill="#5b6470"' }),
  ];
}
