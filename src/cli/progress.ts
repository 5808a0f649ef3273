// A progress line on a terminal, and nothing anywhere else.

import { formatBytes, formatCount } from './text-table.ts';

/** How often the line is drawn at most, in milliseconds. */
const DRAW_MS = 100;

export interface Progress {
  update(bytes: number, records: number): void;
  stop(): void;
}

const SILENT: Progress = { update: () => undefined, stop: () => undefined };

/** Draws a bar where the total is known, otherwise counts. */
export async function startProgress(totalBytes: number | undefined): Promise<Progress> {
  if (!process.stderr.isTTY) return SILENT;
  const { default: cliProgress } = await import('cli-progress');
  const format =
    totalBytes === undefined ? '{read} read, {records}' : '{bar} {percentage}% {read}, {records}, {eta_formatted} left';
  const bar = new cliProgress.SingleBar(
    { format, fps: 1000 / DRAW_MS, clearOnComplete: true, hideCursor: true, stream: process.stderr },
    cliProgress.Presets.shades_classic,
  );
  bar.start(totalBytes ?? 0, 0, { read: formatBytes(0), records: formatCount(0, 'record') });
  return {
    update: (bytes, records) => {
      bar.update(bytes, { read: formatBytes(bytes), records: formatCount(records, 'record') });
    },
    stop: () => bar.stop(),
  };
}
