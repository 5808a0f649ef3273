// workerd itself, with a worker of the tests or benchmarks: bundled as a user bundles, started with a configuration written for it, on
// a port of its own and with the storage of its Durable Objects on disk.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { build } from 'esbuild';

const WASM_NAMES = ['millrace.wasm', 'zstd.wasm'];
/** workerd's file descriptor for telling the ports that it found. */
const CONTROL_FD = 3;

export interface WorkerdOptions {
  /** The worker's source. */
  readonly entry: string;
  /** Durable Object classes by binding. */
  readonly objects: Readonly<Record<string, string>>;
}

/** A bundled worker and its storage; workerd is started on it as often as wanted. */
export class WorkerdPlace {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create({ entry, objects }: WorkerdOptions): Promise<WorkerdPlace> {
    const place = new WorkerdPlace(mkdtempSync(join(tmpdir(), 'millrace-workerd-')));
    mkdirSync(join(place.directory, 'storage'));
    await build({
      entryPoints: [entry],
      outfile: join(place.directory, 'worker.js'),
      bundle: true,
      format: 'esm',
      platform: 'neutral',
      target: 'es2022',
      mainFields: ['module', 'main'],
      conditions: ['workerd', 'worker', 'browser'],
      external: ['workerd:*', 'cloudflare:*', '*.wasm'],
      logLevel: 'silent',
    });
    for (const name of WASM_NAMES) {
      copyFileSync(createRequire(import.meta.url).resolve(`#wasm/${name}`), join(place.directory, name));
    }
    writeFileSync(join(place.directory, 'config.capnp'), configuration(objects));
    return place;
  }

  /** Port 0 is a free one. */
  start(port = 0): Promise<WorkerdProcess> {
    return WorkerdProcess.start(this.directory, port);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export class WorkerdProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  /** What it printed. */
  readonly lines: string[];

  private constructor(child: ChildProcess, port: number, lines: string[]) {
    this.#child = child;
    this.port = port;
    this.lines = lines;
  }

  static async start(directory: string, wantedPort: number): Promise<WorkerdProcess> {
    // `--experimental` is for the hooks of `workerd:unsafe` alone. The package names its binary: the command beside it may be a script that runs it, and would be killed in its place.
    const { default: binary }: { readonly default: string } = createRequire(import.meta.url)('workerd');
    const child = spawn(
      binary,
      [
        'serve',
        'config.capnp',
        '--experimental',
        `--socket-addr=http=127.0.0.1:${wantedPort}`,
        `--control-fd=${CONTROL_FD}`,
      ],
      { cwd: directory, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] },
    );
    const lines: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => lines.push(line));
    }
    const port = await portOf(child, lines);
    return new WorkerdProcess(child, port, lines);
  }

  url(path = '/', scheme: 'http' | 'ws' = 'http'): string {
    return `${scheme}://127.0.0.1:${this.port}${path}`;
  }

  /** Ends it at once; resolves when it has ended. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

function portOf(child: ChildProcess, lines: readonly string[]): Promise<number> {
  return new Promise((resolvePort, reject) => {
    child.once('exit', (code) => reject(new Error(`workerd ended with ${code}:\n${lines.join('\n')}`)));
    const control = child.stdio[CONTROL_FD];
    if (!(control instanceof Readable)) return reject(new Error('workerd has no control pipe'));
    createInterface({ input: control }).on('line', (line) => {
      const message: { readonly event: string; readonly port: number } = JSON.parse(line);
      if (message.event === 'listen') resolvePort(message.port);
    });
  });
}

function configuration(objects: Readonly<Record<string, string>>): string {
  const namespaces = Object.values(objects).map(
    (name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`,
  );
  const bindings = Object.entries(objects).map(
    ([binding, name]) => `(name = "${binding}", durableObjectNamespace = "${name}")`,
  );
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "storage", disk = (path = "storage", writable = true)),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [
    (name = "worker.js", esModule = embed "worker.js"),
    ${WASM_NAMES.map((name) => `(name = "${name}", wasm = embed "${name}")`).join(', ')},
  ],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["unsafe_module"],
  durableObjectNamespaces = [${namespaces.join(', ')}],
  durableObjectStorage = (localDisk = "storage"),
  bindings = [${bindings.join(', ')}],
);
`;
}
