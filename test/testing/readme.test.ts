// The examples of the page on testing, run by the runners that they are for.

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../house/source-files.ts';
import { PROCESS_MS_MAX } from '../support/broker-process.ts';

const page = readFileSync(join(ROOT, 'src/testing/README.md'), 'utf8');
/** Inside of the package, where `millrace/testing` is this very checkout. */
const scratch = join(ROOT, 'dist', 'testing-page');

/** Each example opens with the name of its file. */
const examples = [...page.matchAll(/```js\n(\/\/ (\S+)\n[\s\S]*?)```/g)].map(([, text = '', name = '']) => ({
  name,
  text,
}));

beforeAll(() => {
  mkdirSync(scratch, { recursive: true });
  for (const { name, text } of examples) writeFileSync(join(scratch, name), text);
  writeFileSync(join(scratch, 'jest.config.json'), JSON.stringify({ testMatch: ['**/*.test.mjs'], transform: {} }));
  writeFileSync(join(scratch, 'vitest.config.mjs'), "export default { test: { include: ['*.vitest.mjs'] } };\n");
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function run(args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<string> {
  // The runners of the examples are not to take themselves for parts of this one.
  const {
    VITEST: _vitest,
    VITEST_WORKER_ID: _worker,
    VITEST_POOL_ID: _pool,
    NODE_ENV: _env,
    ...inherited
  } = process.env;
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    cwd: scratch,
    timeout: PROCESS_MS_MAX,
    env: { ...inherited, NO_COLOR: '1', ...environment },
  });
  return stdout + stderr;
}

test('the page has an example for each runner', () => {
  expect(examples.map(({ name }) => name)).toEqual([
    'greeter.mjs',
    'greeter.vitest.mjs',
    'greeter.test.mjs',
    'greeter.node-test.mjs',
  ]);
});

test('vitest', async () => {
  const output = await run([join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--root', scratch]);
  expect(output).toMatch(/Tests\s+1 passed/);
});

test('jest, which ends by itself', async () => {
  const output = await run([
    '--experimental-vm-modules',
    join(ROOT, 'node_modules/jest/bin/jest.js'),
    '--rootDir',
    scratch,
  ]);
  expect(output).toMatch(/Tests:\s+1 passed/);
  expect(output).not.toContain('did not exit');
});

test('node:test', async () => {
  expect(await run(['--test', 'greeter.node-test.mjs'])).toMatch(/pass 1\n/);
});
