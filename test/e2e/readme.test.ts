// The README's first steps, run as they stand but for the address.

import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { ROOT } from '../house/source-files.ts';
import { BrokerProcess, PROCESS_MS_MAX, temporaryDirectory } from '../support/broker-process.ts';
import { runCommand } from '../support/run-command.ts';

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
const directory = temporaryDirectory('readme');
/** Inside of the package, where `millrace` is this very checkout. */
const scratch = join(ROOT, 'dist', 'readme');
let broker: BrokerProcess;

beforeAll(async () => {
  mkdirSync(scratch, { recursive: true });
  broker = await BrokerProcess.start({ dataDirectory: directory.path });
});

afterAll(async () => {
  await broker.stop('SIGTERM');
  directory.remove();
  rmSync(scratch, { recursive: true, force: true });
});

/** The fenced block of this language that contains `mark`. */
function block(language: string, mark: string): string {
  const blocks = [...readme.matchAll(/```(\w+)\n([\s\S]*?)```/g)];
  const found = blocks.find(([, name, text]) => name === language && text?.includes(mark));
  if (found?.[2] === undefined) throw new Error(`the README has no ${language} block with ${mark}`);
  return found[2];
}

function here(text: string): string {
  return text.replaceAll('127.0.0.1:8092', broker.address);
}

async function runScript(name: string, text: string): Promise<string> {
  const file = join(scratch, name);
  writeFileSync(file, here(text));
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: PROCESS_MS_MAX });
  return stdout;
}

test('the first steps from a shell', async () => {
  const commands = block('sh', 'millrace produce greetings');
  expect(commands).toContain('echo hello | npx millrace produce greetings');
  expect(
    await runCommand(['produce', 'greetings'], { server: broker.url, input: Buffer.from('hello\n') }),
  ).toMatchObject({ code: 0 });
  const consume = /npx millrace (consume greetings .*)/.exec(commands)?.[1]?.split(' ') ?? [];
  const consumed = await runCommand(consume, { server: broker.url });
  expect(consumed.stdout.toString()).toBe('hello\n');
  const describe = /npx millrace (topic describe .*)/.exec(commands)?.[1]?.split(' ') ?? [];
  expect((await runCommand(describe, { server: broker.url })).code).toBe(0);
});

test('npx finds the command in this checkout', async () => {
  const cache = temporaryDirectory('npm-cache');
  // npx keeps a link to every checkout that it was run in, under the checkout's path: a newcomer has none.
  const { stdout } = await promisify(execFile)('npx', ['millrace', '--version'], {
    cwd: ROOT,
    env: { ...process.env, npm_config_cache: cache.path, npm_config_update_notifier: 'false' },
    timeout: PROCESS_MS_MAX,
  });
  cache.remove();
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('the first steps from Node', async () => {
  const output = await runScript('first-steps.mjs', block('js', '// first-steps.mjs'));
  expect(output).toMatch(/^partition \d, offset 0\n0 one coffee\n$/);
  // Who likes it runs it again.
  const again = await runScript('first-steps.mjs', block('js', '// first-steps.mjs'));
  expect(again).toMatch(/^partition \d, offset \d\n0 one coffee\n$/);
});

test('kafkajs over WebSocket', async () => {
  const text = block('js', 'kafkajs-over-websocket');
  expect(await runScript('kafkajs-over-websocket.mjs', text)).toMatch(/^offset \d+$/m);
});

test('the embedded broker', async () => {
  const embedded = temporaryDirectory('embedded');
  const text = block('js', '// embedded.mjs').replace('/tmp/millrace-embedded', embedded.path);
  expect(await runScript('embedded.mjs', text)).toMatch(/^ws:\/\/127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+$/m);
  embedded.remove();
});

test('a Kafka in a test', async () => {
  expect(await runScript('kafka-in-a-test.mjs', block('js', '// kafka-in-a-test.mjs'))).toBe('one coffee\n0\n');
});

test('the log alone', async () => {
  const directory = temporaryDirectory('log-alone');
  const text = block('js', '// log-alone.mjs').replace('/tmp/millrace-log', directory.path);
  expect(await runScript('log-alone.mjs', text)).toBe('anna one coffee\ntrue\n');
  directory.remove();
});

test('the first steps from a browser page, with the same messages', async () => {
  const messages = [...block('js', 'socket.onopen').matchAll(/JSON\.stringify\((\{.*\})\)/g)].map(([, literal]) =>
    JSON.stringify(new Function(`return ${literal}`)()),
  );
  expect(messages).toHaveLength(2);
  const socket = new WebSocket(broker.url, { origin: `http://${broker.address}` });
  const received: string[] = [];
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () => {
      for (const message of messages) socket.send(message);
    });
    socket.on('message', (data) => {
      received.push(String(data));
      if (String(data).includes('hello from a page')) resolve();
    });
  });
  socket.terminate();
  expect(JSON.parse(received[0] ?? '')).toMatchObject({ id: 1, ok: true });
});
