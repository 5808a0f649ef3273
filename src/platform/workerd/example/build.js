// Bundles a worker and writes a configuration for workerd beside it: `node build.js [WORKER [DIRECTORY]]`. The worker's
// Durable Object class is `Log`, bound as `LOG`. (wrangler does all of this by itself: its rules know `.wasm`.)

import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const [entry = fileURLToPath(new URL('worker.js', import.meta.url)), directory = 'build'] = process.argv.slice(2);

mkdirSync(join(directory, 'storage'), { recursive: true });
await build({
  entryPoints: [entry],
  outfile: join(directory, 'worker.js'),
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  mainFields: ['module', 'main'],
  conditions: ['workerd', 'worker', 'browser'],
  external: ['*.wasm'],
});
for (const name of ['millrace.wasm', 'zstd.wasm']) {
  copyFileSync(createRequire(import.meta.url).resolve(`millrace/${name}`), join(directory, name));
}
writeFileSync(
  join(directory, 'config.capnp'),
  `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "storage", disk = (path = "storage", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:8787", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    (name = "millrace/millrace.wasm", wasm = embed "millrace.wasm"),
    (name = "millrace/zstd.wasm", wasm = embed "zstd.wasm"),
  ],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [(className = "Log", uniqueKey = "log", enableSql = true)],
  durableObjectStorage = (localDisk = "storage"),
  bindings = [(name = "LOG", durableObjectNamespace = "Log")],
);
`,
);
