// Puts Zstandard beside the package's own WebAssembly, with its licence: hosts that cannot load the package it comes from
// are given the file. Run by `npm run build`.

import { copyFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This file is run as dist/src/platform/zstd-files.js. */
const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const zstd = dirname(createRequire(import.meta.url).resolve('@bokuweb/zstd-wasm'));

copyFileSync(join(zstd, 'zstd.wasm'), join(root, 'dist/assembly/zstd.wasm'));
copyFileSync(join(root, 'src/compression/zstd-license.txt'), join(root, 'dist/assembly/zstd-license.txt'));
