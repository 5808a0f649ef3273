// Appending and reading in a Durable Object of workerd, beside rows of SQLite in the same object's storage. Both are on
// stable storage before the next unit begins, and both give the same records.

import { fileURLToPath } from 'node:url';
import type { BenchmarkContext, Suite } from '../row.ts';
import { row, wanted } from '../row.ts';
import type { Work, WorkDone } from './worker.ts';
import { WorkerdPlace, type WorkerdProcess } from './workerd-process.ts';

interface Scenario {
  readonly name: string;
  readonly action: Work['action'];
  readonly records: number;
  readonly unit: number;
  readonly inFlight: number;
}

const READ_RECORDS = 100_000;
const SCENARIOS: readonly Scenario[] = [
  { name: 'append/1', action: 'append', records: 300, unit: 1, inFlight: 1 },
  { name: 'append/1-in-flight-64', action: 'append', records: 12_800, unit: 1, inFlight: 64 },
  { name: 'append/100', action: 'append', records: 20_000, unit: 100, inFlight: 1 },
  { name: 'append/100-in-flight-16', action: 'append', records: 160_000, unit: 100, inFlight: 16 },
  { name: 'append/1000-in-flight-16', action: 'append', records: 320_000, unit: 1000, inFlight: 16 },
  { name: 'read', action: 'read', records: READ_RECORDS, unit: 1, inFlight: 1 },
];
const FILL = { action: 'append', records: READ_RECORDS, unit: 1000, inFlight: 10 } as const;
const ROUNDS = 3;
const TINY_RECORDS = 200;

export const workerdSuite: Suite = {
  name: 'workerd',
  async run(context) {
    const scenarios = SCENARIOS.filter(({ name }) => wanted(context, `workerd/${name}`));
    if (scenarios.length === 0) return;
    // The compiled suite has its worker compiled beside it.
    const entry = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);
    const place = await WorkerdPlace.create({ entry: fileURLToPath(entry), objects: { MEASURED: 'Measured' } });
    try {
      const workerd = await place.start();
      try {
        for (const scenario of scenarios) await measure(context, workerd, scenario);
      } finally {
        await workerd.kill();
      }
    } finally {
      place.remove();
    }
  },
};

async function measure(context: BenchmarkContext, workerd: WorkerdProcess, scenario: Scenario): Promise<void> {
  const records = context.tiny ? Math.min(TINY_RECORDS, scenario.records) : scenario.records;
  const seconds: Record<Work['way'], number[]> = { millrace: [], rows: [] };
  const checks = new Set<string>();
  for (let round = 0; round < (context.tiny ? 1 : ROUNDS); round++) {
    for (const way of ['millrace', 'rows'] as const) {
      const ask = (work: Omit<Work, 'way'>): Promise<WorkDone> =>
        perform(workerd, `/${scenario.name}/${way}/${round}`, { ...work, way });
      // Opens the broker, which is not what is measured.
      await ask(scenario.action === 'read' ? { ...FILL, records } : { ...scenario, records: 1, unit: 1, inFlight: 1 });
      const startedAt = performance.now();
      const done = await ask({ ...scenario, records });
      seconds[way].push((performance.now() - startedAt) / 1000);
      checks.add(`${done.records}/${done.bytes}/${done.hash.toString(16)}`);
    }
  }
  if (checks.size !== 1) throw new Error(`${scenario.name}: the results differ: ${[...checks].join(' ')}`);
  const rate = (way: Work['way']): number =>
    records / (seconds[way].sort((a, b) => a - b)[seconds[way].length >> 1] ?? 1);
  context.report(
    row({
      name: `workerd/${scenario.name}`,
      unit: 'records/s',
      value: rate('millrace'),
      baseline: 'rows of SQLite',
      baselineValue: rate('rows'),
      check: [...checks].join(),
    }),
  );
}

async function perform(workerd: WorkerdProcess, path: string, work: Work): Promise<WorkDone> {
  const response = await fetch(workerd.url(path), { method: 'POST', body: JSON.stringify(work) });
  if (!response.ok) throw new Error(`${path}: ${await response.text()}\n${workerd.lines.join('\n')}`);
  return response.json();
}
