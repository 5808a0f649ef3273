// Serves the built files to a browser on this machine: `npm run example:browser`. Any static server does as well.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const PORT = 8093;
/** This file is run as dist/src/platform/browser/example-server.js. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../../browser') + sep;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.wasm': 'application/wasm',
};

const server = createServer(({ url = '/' }, response) => {
  const { pathname } = new URL(url, 'http://localhost');
  if (pathname === '/') {
    response.writeHead(302, { location: '/example/index.html' }).end();
    return;
  }
  try {
    const file = normalize(join(ROOT, decodeURIComponent(pathname)));
    if (!file.startsWith(ROOT)) throw new Error('outside of the folder');
    const content = readFileSync(file);
    response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(content);
  } catch {
    response.writeHead(404).end();
  }
});

server.on('error', (error) => {
  process.stderr.write(`the example page cannot be served on port ${PORT}: ${error.message}\n`);
  process.exitCode = 1;
});
server.listen(PORT, '127.0.0.1', () => {
  process.stdout.write(`http://localhost:${PORT}/ (the broker: npm start)\n`);
});
