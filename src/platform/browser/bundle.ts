// Makes the files that pages load: the log with its client, the client alone, the worker, the WebAssembly beside them, and
// the example page. They are complete: any static server can serve the folder. Run by `npm run build`.

import { cpSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

/** This file is run as dist/src/platform/browser/bundle.js. */
const root = join(dirname(fileURLToPath(import.meta.url)), '../../../..');
const target = join(root, 'dist/browser');
const PACKAGED_FOLDER = '../../assembly/';
/** The WebAssembly, and what comes with it. */
const FILES = ['millrace.wasm', 'zstd.wasm', 'zstd-license.txt'];

/** In the package the WebAssembly lies elsewhere than beside these files. */
const wasmBeside: Plugin = {
  name: 'wasm-beside',
  setup(hooks) {
    hooks.onLoad({ filter: /client-wasm\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!text.includes(PACKAGED_FOLDER)) throw new Error(`${path} does not name ${PACKAGED_FOLDER}`);
      return { contents: text.replaceAll(PACKAGED_FOLDER, './'), loader: 'ts' };
    });
  },
};

await build({
  entryPoints: {
    millrace: join(root, 'src/platform/browser/index.ts'),
    'millrace-client': join(root, 'src/client/index.ts'),
    'millrace-worker': join(root, 'src/platform/browser/broker-worker.ts'),
  },
  outdir: target,
  bundle: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  minify: true,
  // Says at the beginning what tools look for in vain at the end of a minified line: this is a module.
  banner: { js: 'export {};' },
  sourcemap: true,
  legalComments: 'none',
  plugins: [wasmBeside],
});
for (const file of FILES) cpSync(join(root, 'dist/assembly', file), join(target, file));
cpSync(join(root, 'src/platform/browser/example'), join(target, 'example'), { recursive: true });
