// Serves the built files of `dist/browser`, and pages of tests and benchmarks that are bundled on the way, as any static server would:
// with the right types, and with a policy that forbids `eval`.

import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { dirname, extname, join, normalize, sep } from 'node:path';
import { build, type Plugin } from 'esbuild';

const PACKAGE = dirname(createRequire(import.meta.url).resolve('millrace/package.json'));
const ROOT = join(PACKAGE, 'dist/browser') + sep;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
  '.map': 'application/json',
};

/** Nothing but WebAssembly may be compiled at run time. */
export const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self' ws:; worker-src 'self'";

export interface PageServer {
  /** `http://127.0.0.1:PORT/` */
  readonly url: string;
  close(): Promise<void>;
}

export interface PageServerOptions {
  /** Source files that are bundled, as paths in the package, by the name under which they are served. */
  readonly bundles?: Readonly<Record<string, string>>;
  /** Whether the page at `/` loads them; workers are loaded otherwise. */
  readonly loads?: boolean;
  readonly plugins?: Plugin[];
  /** Names that the bundles find something else by, and files that bring those. */
  readonly define?: Record<string, string>;
  readonly inject?: string[];
}

export async function servePages(options: PageServerOptions = {}): Promise<PageServer> {
  const { bundles = {}, loads = false, plugins = [], define = {}, inject = [] } = options;
  const scripts = Object.keys(bundles).map((name) => `<script type="module" src="/${name}"></script>`);
  const made = new Map<string, string>([['/', `<!doctype html><title>a test</title>${loads ? scripts.join('') : ''}`]]);
  for (const [name, file] of Object.entries(bundles))
    made.set(`/${name}`, await bundled(file, { plugins, define, inject }));
  const server = createServer(({ url = '/' }, response) => {
    const path = new URL(url, 'http://localhost').pathname;
    const content = made.get(path) ?? fileAt(path);
    const type = path === '/' ? TYPES['.html'] : TYPES[extname(path)];
    response.writeHead(content === undefined ? 404 : 200, {
      'content-type': type ?? 'application/octet-stream',
      'content-security-policy': POLICY,
    });
    response.end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${portOf(server)}/`, close: () => closed(server) };
}

/** Pages import what users do: the built file. */
const builtFiles: Plugin = {
  name: 'built-files',
  setup(hooks) {
    hooks.onResolve({ filter: /src\/platform\/browser\/index\.ts$/ }, () => ({ path: '/millrace.js', external: true }));
  },
};

type BundleSettings = Required<Pick<PageServerOptions, 'plugins' | 'define' | 'inject'>>;

async function bundled(file: string, { plugins, define, inject }: BundleSettings): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(PACKAGE, file)],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    write: false,
    logLevel: 'error',
    define,
    inject,
    plugins: [builtFiles, ...plugins],
  });
  return outputFiles[0]?.text ?? '';
}

function fileAt(path: string): Buffer | undefined {
  const file = normalize(join(ROOT, path));
  if (!file.startsWith(ROOT)) return undefined;
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
