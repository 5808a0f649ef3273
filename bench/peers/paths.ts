// Where the installed peers, the load programs and the results are. This file runs from dist/bench/peers.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const INSTALLED = join(ROOT, 'dist/peers');
export const CLI = join(ROOT, 'dist/bin/millrace.cjs');
/** `npm run bench`. */
export const BENCH = join(ROOT, 'dist/bench/main.js');
export const RESULTS = join(ROOT, 'bench/results');

/** Of an installed package. */
export function packageVersion(name: string): string {
  const manifest: { readonly version: string } = JSON.parse(
    readFileSync(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'),
  );
  return manifest.version;
}

/** A program of dist/peers/bin. */
export function program(name: string): string {
  return join(INSTALLED, 'bin', name);
}

/** The folder of Kafka's jars and its version, where they have been fetched. */
export function kafkaJars(): { readonly jars: string; readonly version: string } | undefined {
  const names = existsSync(INSTALLED) ? readdirSync(INSTALLED) : [];
  const folder = names.find((name) => name.startsWith('kafka-') && existsSync(join(INSTALLED, name, 'complete')));
  if (folder === undefined) return undefined;
  return { jars: join(INSTALLED, folder, 'jars', '*'), version: folder.slice('kafka-'.length) };
}
