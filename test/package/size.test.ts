// Budgets of what users load: a change that goes over one fails here. Counted is what a bundler makes of an entry for a
// browser, minified, with everything it needs but the WebAssembly, and gzipped; of the WebAssembly, its bytes as they are.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { ROOT } from '../house/source-files.ts';

const KILOBYTE = 1024;

async function bundledBytes(entry: string): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
  });
  const [file] = outputFiles;
  if (file === undefined || outputFiles.length !== 1) throw new Error(`${entry} did not become one file`);
  return gzipSync(file.contents, { level: 9 }).byteLength;
}

test('the WebAssembly has less than 24 KB', () => {
  expect(readFileSync(join(ROOT, 'dist/assembly/millrace.wasm')).byteLength).toBeLessThan(24 * KILOBYTE);
});

test('the Zstandard that is fetched by who meets it has less than 90 KB, gzipped', () => {
  const bytes = readFileSync(join(ROOT, 'dist/assembly/zstd.wasm'));
  expect(gzipSync(bytes, { level: 9 }).byteLength).toBeLessThan(90 * KILOBYTE);
});

test.each([
  { entry: 'src/client/index.ts', kilobytes: 40 },
  { entry: 'src/engine/index.ts', kilobytes: 60 },
])('$entry has less than $kilobytes KB, minified and gzipped', async ({ entry, kilobytes }) => {
  expect(await bundledBytes(entry)).toBeLessThan(kilobytes * KILOBYTE);
});
