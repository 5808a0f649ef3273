// Makes the files that the command and its partition threads are run from: each one script instead of some three hundred,
// because finding, reading and linking that many modules took longer than everything else in a start. As CommonJS,
// which Node 20 loads without its asynchronous loader. Names are kept, so that stacks can be read. Each is run by a few
// lines that take its code cache. Run by `npm run build`.

import { chmodSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';
import { makeCodeCaches } from './code-cache.ts';
import { scriptDigest } from './script-digest.ts';

/** This file is run as dist/src/cli/bundle.js. */
const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');

interface Program {
  /** The script, from its sources to the folder of dist where it lies. */
  readonly source: string;
  readonly script: string;
  /** What runs it. */
  readonly launcher: string;
  readonly entry: string;
}

const PROGRAMS: readonly Program[] = [
  {
    source: 'src/cli/main.ts',
    script: 'dist/bin/command.cjs',
    launcher: 'src/cli/launch.ts',
    entry: 'dist/bin/millrace.cjs',
  },
  {
    source: 'workers/partition-worker.ts',
    script: 'dist/workers/partition-thread.cjs',
    launcher: 'workers/partition-launch.ts',
    entry: 'dist/workers/partition-worker.cjs',
  },
];

const META_URL = 'const importMetaUrl=require("node:url").pathToFileURL(__filename).href;';
const CJS_NAMES = 'const __dirname=require("node:path").dirname(__filename),exports=module.exports;';
const COMMON: BuildOptions = {
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  minifyWhitespace: true,
  minifySyntax: true,
  // Piscina starts its threads from a file of its own, koffi loads a library.
  external: ['piscina', 'koffi', 'bufferutil', 'utf-8-validate'],
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'none',
  charset: 'ascii',
};

for (const { source, script, launcher, entry } of PROGRAMS) {
  removeCaches(dirname(script));
  await build({
    ...COMMON,
    entryPoints: [join(root, source)],
    outfile: join(root, script),
    define: { 'import.meta.url': 'importMetaUrl' },
    // As src/platform/node/cached-script.ts takes it: as a script, and as CommonJS.
    banner: {
      js: `(typeof module==="object"?module:{}).exports=function(require,module,__filename){${CJS_NAMES}${META_URL}`,
    },
    footer: { js: '};' },
  });
  await build({
    ...COMMON,
    entryPoints: [join(root, launcher)],
    outfile: join(root, entry),
    define: { 'import.meta.url': 'importMetaUrl', SCRIPT_DIGEST: JSON.stringify(scriptDigest(join(root, script))) },
    banner: { js: META_URL },
  });
}
// Links that npx made to a checkout stay as they are when the checkout changes: those of before this script existed lead
// to the module that it is made of.
for (const file of ['dist/bin/millrace.cjs', 'dist/src/cli/main.js']) chmodSync(join(root, file), 0o755);
await makeCodeCaches(join(root, 'dist/bin/millrace.cjs'));

/** Of the folder, which the first build of a checkout has to make. */
function removeCaches(folder: string): void {
  mkdirSync(join(root, folder), { recursive: true });
  for (const name of readdirSync(join(root, folder))) {
    if (name.endsWith('.cache')) rmSync(join(root, folder, name));
  }
}
