// `npm run bench -- [--json FILE] [--filter TEXT]`: runs the suites, prints a table, stores the rows.
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Row } from './row.ts';
import { SUITES } from './suites.ts';

const { values: options } = parseArgs({
  options: { json: { type: 'string' }, filter: { type: 'string', default: '' } },
});

function machine(): string {
  const processors = cpus();
  return `${processors.length} x ${processors[0]?.model ?? 'unknown processor'}, ${process.platform} ${process.arch}`;
}

function print(line: readonly string[]): void {
  const [name = '', value = '', unit = '', ratio = '', baseline = '', check = ''] = line;
  const columns = [name.padEnd(28), value.padStart(14), unit.padEnd(11), ratio.padStart(8), baseline.padEnd(44), check];
  process.stdout.write(`${columns.join(' ').trimEnd()}\n`);
}

function number(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}

const rows: Row[] = [];

function report(row: Row): void {
  rows.push(row);
  const baseline = `${row.baseline} ${number(row.baselineValue)}`;
  print([row.name, number(row.value), row.unit, `${row.ratio.toFixed(2)}x`, baseline, row.check ?? '']);
}

process.stdout.write(`${machine()}; Node ${process.version}\n`);
print(['name', 'value', 'unit', 'ratio', 'baseline', 'result']);
for (const suite of SUITES) await suite.run({ filter: options.filter, tiny: false, report });
if (options.json !== undefined) {
  const stored = rows.map(({ check: _check, ...row }) => row);
  writeFileSync(options.json, `${JSON.stringify(stored, null, 2)}\n`);
}
