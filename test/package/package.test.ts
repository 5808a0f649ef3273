// What is published: that it installs, that each entry works from there in the module systems that Node has, and that
// tools which check packages and types find nothing.

import { readFileSync } from 'node:fs';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Consumer } from './consumer.ts';

let consumer: Consumer;

beforeAll(async () => {
  consumer = await Consumer.create();
});

afterAll(() => consumer?.remove());

/** Each entry that Node can use, with something done by it. Others are tested in their own runtimes. */
const ENTRIES: Readonly<Record<string, string>> = {
  millrace: `
    const broker = await entry.openBroker({ http: {} });
    const client = await entry.connect(broker.url);
    const [placed] = await client.producer().send({ topic: 'orders', messages: [{ value: 'x' }] });
    client.close();
    await broker.close();
    console.log(placed.offset);`,
  'millrace/node': `
    const broker = await entry.openBroker();
    const [placed] = await broker.client().producer().send({ topic: 'orders', messages: [{ value: 'x' }] });
    await broker.close();
    console.log(placed.offset);`,
  'millrace/client': `
    const { startKafka } = await import('millrace/testing');
    const { WebSocket } = await import('ws');
    const { readFileSync } = await import('node:fs');
    const { fileURLToPath } = await import('node:url');
    const kafka = await startKafka();
    const wasm = readFileSync(require.resolve('millrace/millrace.wasm'));
    const client = await entry.connect({ url: kafka.wsUrl, webSocket: WebSocket, wasm });
    const [placed] = await client.producer().send({ topic: 'orders', messages: [{ value: 'x' }] });
    client.close();
    await kafka.close();
    console.log(placed.offset);`,
  'millrace/testing': `
    const kafka = await entry.startKafka({ topics: ['orders'] });
    const [placed] = await kafka.produce('orders', ['x']);
    await kafka.waitForRecords('orders');
    await kafka.close();
    console.log(placed.offset);`,
  'millrace/engine': `
    const log = await entry.openLog();
    console.log(log.append([{ value: 'x' }]).baseOffset);
    log.close();`,
  'millrace/embedded': `
    const { STANDARD_CLOCK: clock, STANDARD_RANDOM: random } = entry;
    const wasm = new WebAssembly.Module(require('node:fs').readFileSync(require.resolve('millrace/millrace.wasm')));
    const codecs = entry.createPortableCodecs(wasm);
    const store = new entry.MemoryStore();
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const broker = await entry.openEmbeddedBroker({ store, clock, random, logger, wasm, codecs });
    const client = broker.client();
    const [placed] = await client.producer().send({ topic: 'orders', messages: [{ value: 'x' }] });
    client.close();
    await broker.close();
    console.log(placed.offset);`,
  'millrace/kafkajs': `
    console.log(typeof entry.webSocketFactory({ webSocket: class {} }) === 'function' ? 0 : 1);`,
};

test.each(Object.entries(ENTRIES))('%s works from an import', async (name, use) => {
  const script = `import { createRequire } from 'node:module';
    import * as entry from '${name}';
    const require = createRequire(import.meta.url);
    ${use}`;
  expect(await consumer.node('entry.mjs', script)).toBe('0\n');
});

// Node 20.19, 22.12 and later take modules by `require`.
test.each(Object.entries(ENTRIES))('%s works from a require', async (name, use) => {
  const script = `const entry = require('${name}'); (async () => { ${use} })();`;
  expect(await consumer.node('entry.cjs', script)).toBe('0\n');
});

test('the command is installed', async () => {
  const { stdout } = await import('node:child_process').then(({ spawnSync }) =>
    spawnSync('node_modules/.bin/millrace', ['--version'], { cwd: consumer.root, encoding: 'utf8' }),
  );
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('publint has nothing to say', async () => {
  const tarball = new Uint8Array(readFileSync(consumer.tarball)).buffer;
  const { messages, pkg } = await publint({ pack: { tarball }, level: 'suggestion' });
  expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
});

test('arethetypeswrong finds nothing wrong', async () => {
  // Modules alone: `require` of them is Node's own business. The WebAssembly has no types.
  const args = [
    consumer.tarball,
    '--profile',
    'esm-only',
    '--exclude-entrypoints',
    'millrace.wasm',
    'zstd.wasm',
    '--format',
    'ascii',
  ];
  const { isContent, output } = await consumer.tool('attw', args);
  expect(isContent, output).toBe(true);
  for (const name of Object.keys(ENTRIES)) expect(output).toContain(`"${name}"`);
});

const PORTABLE = `
import { connect, type Client } from 'millrace/client';
import { openLog, MemoryStore, type PartitionLog } from 'millrace/engine';
import { openEmbeddedBroker, type EmbeddedBroker } from 'millrace/embedded';

export const client: Promise<Client> = connect('ws://127.0.0.1:8092');
declare const wasm: WebAssembly.Module;
export const log: Promise<PartitionLog> = openLog({ wasm, store: new MemoryStore(), retentionMs: 1000 });
export const opener: (options: Parameters<typeof openEmbeddedBroker>[0]) => Promise<EmbeddedBroker> = openEmbeddedBroker;
`;

/** As a page or a Worker has it, and as Node has it: neither has types of Node's. */
const PROJECTS = {
  'a bundler': { module: 'ESNext', moduleResolution: 'bundler', lib: ['ES2023', 'DOM', 'DOM.AsyncIterable'] },
  'a worker': {
    module: 'ESNext',
    moduleResolution: 'bundler',
    lib: ['ES2023', 'WebWorker', 'WebWorker.AsyncIterable'],
  },
};

test.each(Object.entries(PROJECTS))(
  'client, engine and embedded type-check without Node’s types, for %s',
  async (_name, options) => {
    consumer.write('portable.ts', PORTABLE);
    const compilerOptions = {
      ...options,
      target: 'ES2022',
      types: [],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
    };
    consumer.write('tsconfig.json', JSON.stringify({ compilerOptions, files: ['portable.ts'] }));
    const { output, isContent } = await consumer.tool('tsc', ['-p', 'tsconfig.json']);
    expect({ output, isContent }).toEqual({ output: '', isContent: true });
  },
);
