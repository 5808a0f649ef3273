// Makes the files that the command and its partition threads are run from: each one script instead of some three hundred,
// because finding, reading and linking that many modules took longer than everything else in a start. As CommonJS,
// which Node 20 loads without its asynchronous loader. Names are kept, so that stacks can be read. Run by `npm run build`.

import { chmodSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/** This file is run as dist/src/cli/bundle.js. */
const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

await build({
  entryPoints: {
    'bin/millrace': join(root, 'src/cli/main.ts'),
    'workers/partition-worker': join(root, 'workers/partition-worker.ts'),
  },
  outdir: join(root, 'dist'),
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  minifyWhitespace: true,
  minifySyntax: true,
  // Piscina starts its threads from a file of its own.
  external: ['piscina', 'bufferutil', 'utf-8-validate'],
  define: { 'import.meta.url': 'importMetaUrl' },
  banner: { js: 'const importMetaUrl=require("node:url").pathToFileURL(__filename).href;' },
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'none',
});
// Links that npx made to a checkout stay as they are when the checkout changes: those of before this script existed lead
// to the module that it is made of.
for (const file of ['dist/bin/millrace.cjs', 'dist/src/cli/main.js']) chmodSync(join(root, file), 0o755);
