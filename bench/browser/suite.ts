// The browser's rows: records into the log of a page and out of it, in Chromium, beside IndexedDB by `idb`. Runs
// alternate and medians count.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { type BenchmarkContext, row, type Suite, wanted } from '../row.ts';
import { ProfileBrowser } from './chromium.ts';
import type { PageResult, PageSettings } from './page.ts';
import { servePages } from './page-server.ts';

const ROUNDS = 3;
const TINY_RECORDS = 200;

const SHAPES: readonly (PageSettings & { readonly name: string })[] = [
  { name: 'batches of 1000', records: 50_000, recordBytes: 100, batch: 1000, durable: false },
  { name: 'batches of 1000, durable', records: 20_000, recordBytes: 100, batch: 1000, durable: true },
  { name: 'one by one', records: 2000, recordBytes: 100, batch: 1, durable: false },
  { name: 'one by one, durable', records: 500, recordBytes: 100, batch: 1, durable: true },
];

export const browserSuite: Suite = {
  name: 'browser',
  async run(context) {
    const shapes = SHAPES.filter(
      ({ name }) => wanted(context, `browser append, ${name}`) || wanted(context, 'browser read'),
    );
    if (shapes.length === 0) return;
    const server = await servePages({ bundles: { 'bench.js': 'bench/browser/page.ts' }, loads: true });
    const profile = mkdtempSync(join(tmpdir(), 'millrace-bench-profile-'));
    const browser = await ProfileBrowser.start(profile);
    try {
      const page = await browser.context.newPage();
      await page.goto(server.url, { waitUntil: 'load' });
      for (const shape of shapes) await runShape(context, page, shape);
    } finally {
      await browser.kill();
      await server.close();
      rmSync(profile, { recursive: true, force: true });
    }
  },
};

async function runShape(context: BenchmarkContext, page: Page, shape: (typeof SHAPES)[number]): Promise<void> {
  const { name, ...settings } = context.tiny ? { ...shape, records: Math.min(shape.records, TINY_RECORDS) } : shape;
  const log: PageResult[] = [];
  const indexedDb: PageResult[] = [];
  for (let round = 0; round < (context.tiny ? 1 : ROUNDS); round++) {
    log.push(await measure(page, 'measureLog', settings));
    indexedDb.push(await measure(page, 'measureIndexedDb', settings));
  }
  const hashes = new Set([...log, ...indexedDb].map(({ hash }) => hash));
  if (hashes.size !== 1) throw new Error(`browser, ${name}: what was read is not what was written`);
  const check = [...hashes].map((hash) => hash.toString(16)).join();
  const parts = { context, log, indexedDb, check };
  reportRow({ ...parts, name: `browser append, ${name}`, rateOf: ({ append }) => append });
  if (settings.batch > 1) reportRow({ ...parts, name: `browser read, ${name}`, rateOf: ({ read }) => read });
}

function measure(page: Page, side: 'measureLog' | 'measureIndexedDb', settings: PageSettings): Promise<PageResult> {
  return page.evaluate<PageResult>(`${side}(${JSON.stringify(settings)})`);
}

interface RowParts {
  readonly context: BenchmarkContext;
  readonly name: string;
  readonly log: readonly PageResult[];
  readonly indexedDb: readonly PageResult[];
  readonly check: string;
  readonly rateOf: (result: PageResult) => number;
}

function reportRow({ context, name, log, indexedDb, check, rateOf }: RowParts): void {
  if (!wanted(context, name)) return;
  const [value, baselineValue] = [median(log.map(rateOf)), median(indexedDb.map(rateOf))];
  context.report(row({ name, unit: 'records/s', value, baseline: 'IndexedDB by idb', baselineValue, check }));
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[sorted.length >> 1] ?? 0;
}
