// The rows of `npm run bench` that have goals, so that one document has all of them: checksums and the encoder of record
// batches, each beside a package that people use. Measured by that program, in turns of its own.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Row } from '../../row.ts';
import { output } from '../load-programs.ts';
import { BENCH, packageVersion } from '../paths.ts';
import type { Measurement, Scale, StartScenario } from '../scenario.ts';

/** Rounds of which bench/comparison.ts takes the median. */
const ROUNDS = 9;

interface Kernel {
  readonly name: string;
  /** Of the names of rows, as `npm run bench -- --filter` takes it; under --quick the second one. */
  readonly filters: readonly [string, string];
  /** Name of a metric from what follows the slash. */
  metric(last: string): string;
}

async function kernelRows(filter: string): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-kernels-'));
  try {
    const json = join(directory, 'rows.json');
    await output(process.execPath, [BENCH, '--filter', filter, '--json', json]);
    return JSON.parse(readFileSync(json, 'utf8'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function kernel({ name, filters: [filter, quickFilter], metric }: Kernel): StartScenario {
  return {
    name: `kernels/${name}`,
    peers: ['millrace'],
    roundsMax: 1,
    async runAlone(_peer, { scale }: { readonly scale: Scale }): Promise<readonly Measurement[]> {
      const rows = await kernelRows(scale.quick ? quickFilter : filter);
      return rows.map(({ name, unit, value, baseline, baselineValue }) => ({
        metric: metric(name.split('/')[1] ?? ''),
        unit,
        value,
        better: 'more',
        beside: { name: baseline, version: packageVersion(baseline), value: baselineValue, rounds: ROUNDS },
      }));
    },
  };
}

export const KERNEL_SCENARIOS: readonly StartScenario[] = [
  kernel({ name: 'crc32c', filters: ['crc32c/', 'crc32c/65536'], metric: (last) => `${last} B` }),
  kernel({ name: 'encode', filters: ['encode/', 'encode/1000'], metric: (last) => `batches of ${last}` }),
];
