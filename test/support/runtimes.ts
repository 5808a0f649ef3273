// Deno and Bun for tests: their binaries, and bundles of this project's tests for them.

import { join } from 'node:path';
import { build } from 'esbuild';
import type { RuntimeName } from '../../bench/runtimes/binaries.ts';
import { ROOT } from '../house/source-files.ts';

export { type Runtime, type RuntimeName, runtime } from '../../bench/runtimes/binaries.ts';

/**
 * Bundles an entry under test/ for a runtime, as deep in dist/ as the built package has its hosts, so that they find their
 * WebAssembly and workers from there. Returns the path of the bundle.
 */
export async function bundleFor(name: RuntimeName, entry: string): Promise<string> {
  const base = entry.replace(/^.*\//, '').replace(/\.ts$/, '.js');
  const outfile = join(ROOT, 'dist/test/runtimes', name, base);
  await build({
    entryPoints: [join(ROOT, entry)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'es2023',
    packages: 'external',
    sourcemap: 'inline',
    logLevel: 'error',
  });
  return outfile;
}
