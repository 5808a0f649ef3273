// What the command is run from: a few files, because reading modules one by one is most of a start.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';
import { connect } from '../../src/platform/node/connect.ts';
import { ROOT } from '../house/source-files.ts';
import { BrokerProcess, CLI } from '../support/broker-process.ts';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'millrace-start-files-'));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The command, and the package of threads with the files that it has. */
const MODULES_MAX = 20;

test('a broker starts from one script, which is no module, and the package of its threads', async () => {
  const list = join(directory, 'list.txt');
  const hook = join(directory, 'hook.cjs');
  writeFileSync(
    hook,
    `if (require('node:worker_threads').isMainThread) process.on('exit', () =>
      require('node:fs').writeFileSync(${JSON.stringify(list)}, Object.keys(require.cache).join('\\n')));`,
  );
  const broker = await BrokerProcess.start({
    dataDirectory: join(directory, 'data'),
    environment: { NODE_OPTIONS: `--require ${hook}` },
  });
  await broker.stop('SIGTERM');
  const files = readFileSync(list, 'utf8').split('\n');
  expect(files).toContain(CLI);
  expect(files.filter((file) => file !== CLI && file !== hook && !file.includes('/piscina/'))).toEqual([]);
  expect(files.length).toBeLessThan(MODULES_MAX);
});

test('the build makes code caches of the command and of its threads, and a broker takes both', async () => {
  const list = join(directory, 'caches.txt');
  const hook = join(directory, 'cache-hook.cjs');
  writeFileSync(
    hook,
    `const vm = require('node:vm'); const { Script } = vm;
    vm.Script = class extends Script { constructor(source, options) { super(source, options);
      require('node:fs').appendFileSync(${JSON.stringify(list)}, this.cachedDataRejected + '\\n'); } };`,
  );
  const broker = await BrokerProcess.start({
    dataDirectory: join(directory, 'cached-data'),
    environment: { NODE_OPTIONS: `--require ${hook}` },
  });
  // The thread has a part in it.
  const client = await connect(`ws://${broker.ready.http}`);
  await client.admin().createTopics({ topics: [{ topic: 'orders', numPartitions: 1 }] });
  client.close();
  await broker.stop('SIGTERM');
  expect(readFileSync(list, 'utf8')).toBe('false\nfalse\n');
});

test('the command runs from a link to it, as npm makes one', async () => {
  const link = join(directory, 'millrace');
  symlinkSync(CLI, link);
  const { stdout } = await run(link, ['--version']);
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('the command runs from a link that npx made before there was one script of it', async () => {
  const link = join(directory, 'millrace-of-before');
  symlinkSync(join(ROOT, 'dist/src/cli/main.js'), link);
  const { stdout } = await run(link, ['--version']);
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
