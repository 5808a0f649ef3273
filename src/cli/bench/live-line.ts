// The line on a terminal that tells how a load is going; nothing anywhere else.

import { formatBytes, formatCount } from '../text-table.ts';
import type { LoadCount, LoadLimits } from './plan.ts';

/** How often the line is drawn at most, in frames a second. */
const DRAWS_PER_SECOND = 10;
/** The rate shown is that of this time, in milliseconds. */
const RATE_MS = 1000;

export interface LiveLine {
  update(count: LoadCount, nowMs: number): void;
  stop(): void;
}

interface Reading {
  readonly atMs: number;
  readonly count: LoadCount;
}

/** The rate of the last second or so, from counts that come a few times a second. */
export class RecentRate {
  #readings: Reading[] = [];

  /** Records and bytes a second up to this reading. */
  add(count: LoadCount, atMs: number): LoadCount {
    this.#readings.push({ atMs, count });
    while (this.#readings.length > 2 && atMs - (this.#readings[1]?.atMs ?? atMs) >= RATE_MS) this.#readings.shift();
    const [first] = this.#readings;
    if (first === undefined || atMs <= first.atMs) return { records: 0, bytes: 0 };
    const seconds = (atMs - first.atMs) / 1000;
    return {
      records: (count.records - first.count.records) / seconds,
      bytes: (count.bytes - first.count.bytes) / seconds,
    };
  }
}

/** Draws a bar where the end is known, otherwise counts. */
export async function startLiveLine(limits: LoadLimits): Promise<LiveLine> {
  if (!process.stderr.isTTY) return { update: () => undefined, stop: () => undefined };
  const { default: cliProgress } = await import('cli-progress');
  const total = limits.records ?? limits.seconds;
  const format = `${total === undefined ? '' : '{bar} {percentage}%  '}{records}  {rate}/s  {bytes}/s`;
  const bar = new cliProgress.SingleBar(
    { format, fps: DRAWS_PER_SECOND, clearOnComplete: true, hideCursor: true, stream: process.stderr },
    cliProgress.Presets.shades_classic,
  );
  const rates = new RecentRate();
  let firstMs: number | undefined;
  const words = (count: LoadCount, rate: LoadCount): Readonly<Record<string, string>> => ({
    records: formatCount(count.records, 'record'),
    rate: Math.round(rate.records).toLocaleString('en-US'),
    bytes: formatBytes(rate.bytes),
  });
  bar.start(total ?? 0, 0, words({ records: 0, bytes: 0 }, { records: 0, bytes: 0 }));
  return {
    update: (count, nowMs) => {
      firstMs ??= nowMs;
      const done = limits.records === undefined ? (nowMs - firstMs) / 1000 : count.records;
      bar.update(Math.min(done, total ?? done), words(count, rates.add(count, nowMs)));
    },
    stop: () => bar.stop(),
  };
}
