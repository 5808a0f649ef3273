// The built command as its users have it: bytes in and out, exit codes, and what it says.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { FakeBroker } from '../client/fake-broker.ts';
import { type ServedBroker, serveWebSocket } from '../client/web-socket-broker.ts';
import { CLI, temporaryDirectory } from '../support/broker-process.ts';
import { runCommand } from '../support/run-command.ts';

const PRODUCE = 0;
const MESSAGE_TOO_LARGE = 10;
/** What a command that sent everything ends with. */
const SENT = { code: 0, stderr: expect.stringContaining(' to t in ') };
const directory = temporaryDirectory('command');
const broker = new FakeBroker();
let served: ServedBroker;
let server = '';

beforeAll(async () => {
  served = await serveWebSocket(broker);
  server = served.url;
});

beforeEach(() => broker.topics.clear());

afterAll(() => {
  served.close();
  directory.remove();
});

test('bytes go in and come out as they are, a record for each line', async () => {
  const arbitrary = fc.array(fc.oneof(fc.constantFrom(10, 13, 0, 255), fc.integer({ min: 0, max: 255 })), {
    minLength: 1,
    maxLength: 3000,
  });
  const property = fc.asyncProperty(arbitrary, async (bytes) => {
    broker.topics.clear();
    const input = Buffer.from(bytes);
    expect(await runCommand(['produce', 't'], { server, input })).toMatchObject({ code: 0 });
    const consumed = await runCommand(['consume', 't', '--until-end'], { server });
    const expected = input.at(-1) === 10 ? input : Buffer.concat([input, Buffer.from('\n')]);
    expect(consumed).toMatchObject({ code: 0, stderr: '' });
    expect(consumed.stdout.equals(expected)).toBe(true);
  });
  await fc.assert(property, { numRuns: 6 });
});

test('a file is sent in bounded memory and order, with a summary', async () => {
  const lines = Array.from({ length: 200_000 }, (_, index) => `line ${index} ${'x'.repeat(index % 90)}`);
  const text = lines.map((line) => `${line}\n`).join('');
  const path = join(directory.path, 'lines.txt');
  writeFileSync(path, text);
  const produced = await runCommand(['produce', 't', '--file', path], { server });
  expect(produced.code).toBe(0);
  expect(produced.stderr).toMatch(/^200,000 records, \S+ MB to t in \S+ s \(\S+ records\/s\)\n$/);
  const consumed = await runCommand(['consume', 't', '--count', '200000'], { server });
  expect(consumed.stdout.toString()).toBe(text);
});

test('the key is what stands before the separator', async () => {
  const input = Buffer.from('de:hallo:welt\nno key\n:empty\n');
  expect(await runCommand(['produce', 't', '--key-separator', ':'], { server, input })).toMatchObject(SENT);
  const consumed = await runCommand(['consume', 't', '--until-end', '--format', 'json'], { server });
  const records = consumed.stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(records.map(({ key, value }) => [key, value])).toEqual([
    ['de', 'hallo:welt'],
    [null, 'no key'],
    ['', 'empty'],
  ]);
  expect(records[0]).toMatchObject({ topic: 't', partition: 0, offset: 0, timestamp: expect.any(Number), headers: [] });
  const text = await runCommand(['consume', 't', '--until-end', '--key-separator', '\\t'], { server });
  expect(text.stdout.toString()).toBe('de\thallo:welt\nno key\n\tempty\n');
});

test('bytes that are not UTF-8 stand in JSON as base64', async () => {
  expect(await runCommand(['produce', 't'], { server, input: Buffer.from([0xff, 0xfe]) })).toMatchObject(SENT);
  const consumed = await runCommand(['consume', 't', '--until-end', '--format', 'json'], { server });
  expect(JSON.parse(consumed.stdout.toString())).toMatchObject({ valueBase64: '//4=' });
});

test('consume begins and ends where it is told', async () => {
  expect(await runCommand(['produce', 't'], { server, input: Buffer.from('0\n1\n2\n3\n4\n') })).toMatchObject(SENT);
  const consumed = async (...args: string[]): Promise<string> =>
    (await runCommand(['consume', 't', ...args], { server })).stdout.toString();
  expect(await consumed('--from', '2', '--count', '2')).toBe('2\n3\n');
  expect(await consumed('--from', 'beginning', '--partition', '0', '--count', '1')).toBe('0\n');
  expect(await consumed('--from', 'end', '--until-end')).toBe('');
  expect(await consumed('--count', '0')).toBe('');
});

test('consume ends quietly when its reader has enough, and when it is interrupted', async () => {
  const input = Buffer.from('a line of some length\n'.repeat(200_000));
  expect(await runCommand(['produce', 't'], { server, input })).toMatchObject(SENT);
  const piped = spawn(process.execPath, [CLI, 'consume', 't', '--server', server], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  piped.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await once(piped.stdout, 'data');
  piped.stdout.destroy();
  expect(await once(piped, 'exit')).toEqual([0, null]);
  expect(said).toBe('');
  const waiting = spawn(process.execPath, [CLI, 'consume', 't', '--server', server], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(waiting.stdout, 'data');
  waiting.stdout.resume();
  waiting.kill('SIGINT');
  expect(await once(waiting, 'exit')).toEqual([0, null]);
});

test('a refusal by the broker is one line that names Kafka’s error', async () => {
  broker.inject(PRODUCE, MESSAGE_TOO_LARGE);
  const produced = await runCommand(['produce', 't'], { server, input: Buffer.from('x\n') });
  expect(produced.code).toBe(1);
  expect(produced.stderr).toMatch(/^millrace: produce to t-0: MESSAGE_TOO_LARGE \(10\): .* \[ERR_BROKER\]\n$/);
});

test('a broker that is not there is one line with a hint', async () => {
  const consumed = await runCommand(['consume', 't'], { server: 'ws://127.0.0.1:1' });
  expect(consumed.code).toBe(1);
  expect(consumed.stderr).toMatch(/^millrace: cannot reach ws:\/\/127.0.0.1:1: .*ECONNREFUSED.*millrace start.*\n$/);
});

test('a listener that speaks another protocol is told as that', async () => {
  const url = new URL(server);
  const consumed = await runCommand(['consume', 't'], { server: `kafka://${url.host}` });
  expect(consumed.code).toBe(1);
  expect(consumed.stderr).toMatch(/answers in HTTP, not in Kafka's protocol: it is reached by ws:\/\/127.0.0.1:\d+ \[/);
});

test.each(['end', 'resetAndDestroy'] as const)('a listener that hangs up by %s may be one of Kafka', async (ending) => {
  const hangsUp = createServer((socket) => socket.once('data', () => socket[ending]())).listen(0, '127.0.0.1');
  await once(hangsUp, 'listening');
  const address = hangsUp.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const refused = await runCommand(['consume', 't'], { server: `ws://127.0.0.1:${port}` });
  hangsUp.close();
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(
    /^millrace: cannot reach ws:.* \(a Kafka listener is reached by kafka:\/\/HOST:PORT\)\n$/,
  );
});

test('a wrong line of --config is told with its file', async () => {
  const path = join(directory.path, 'server.properties');
  writeFileSync(path, 'num.partitions=3\nlog.retention.hours=24x\n');
  const { code, stderr } = await runCommand(['start', '--config', path, '--data-dir', directory.path]);
  expect(stderr).toBe(
    `millrace: --config ${path}: Invalid value '24x' for configuration log.retention.hours: it takes a whole number from -1 to 2147483647 [ERR_CONFIG]\n`,
  );
  expect(code).toBe(2);
});

test('a topic that does not exist is told at once', async () => {
  const consumed = await runCommand(['consume', 'missing'], { server });
  expect(consumed.code).toBe(1);
  expect(consumed.stderr).toMatch(/^millrace: topic missing: UNKNOWN_TOPIC_OR_PARTITION \(3\)/);
});

test.each([
  [['nonsense'], /unknown command 'nonsense'/],
  [['produce'], /missing required argument 'topic'/],
  [['produce', 't', '--file', '/nowhere/at/all'], /--file \/nowhere\/at\/all cannot be read/],
  [['produce', 't', '--acks', '2'], /takes 0 or 1 or all/],
  [['consume', 't', '--from', 'yesterday'], /takes beginning, end, an offset/],
  [['consume', 't', '--count', '-1'], /whole number/],
  [['consume', 't', '--server', 'http://x'], /--server takes ws:/],
  [['start', '--http', '99'], /HOST:PORT/],
  [['start', '--config', '/nowhere/at/all'], /--config \/nowhere\/at\/all cannot be read/],
  [['topic', 'alter', 't'], /takes --partitions, --config or --unset/],
  [['log', 'dump', '/nowhere/at/all'], /cannot be read/],
  [['log', 'dump', '/tmp'], /\/tmp cannot be read: it is a directory/],
  [['start', '--kafka', '19092'], /HOST:PORT, such as 127\.0\.0\.1:19092/],
  [['start', '--data-dir', ''], /--data-dir.*at least one character/],
  [['start', '--allow-origin', 'app.example'], /--allow-origin.*https:\/\/app\.example/],
  [
    ['start', '--set', 'log.retention.hour=1'],
    /Unknown configuration 'log\.retention\.hour' \(did you mean log\.retention\.hours\?\)/,
  ],
  [['consume', 't', '--group', ''], /--group.*at least one character/],
  [['bench', 'produce', '--records', '1', '--json', '/nowhere/x.json'], /--json \/nowhere\/x\.json cannot be written/],
])('millrace %j is used wrongly: one line and exit code 2', async (args, message) => {
  const { code, stdout, stderr } = await runCommand(args, { server });
  expect(stderr).toMatch(message);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stdout.toString()).toBe('');
  expect(code).toBe(2);
});

test('help and version go to standard output with exit code 0', async () => {
  const version = await runCommand(['--version']);
  expect(version.stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(version.code).toBe(0);
  for (const args of [
    ['--help'],
    ['start', '--help'],
    ['produce', '--help'],
    ['consume', '--help'],
    ['topic', '--help'],
  ]) {
    const { code, stdout } = await runCommand(args);
    expect(stdout.toString()).toContain('Examples:');
    expect(code).toBe(0);
  }
});

test('a segment is dumped batch by batch, and a corrupt one is told with its place', async () => {
  expect(await runCommand(['produce', 't'], { server, input: Buffer.from('hello\nworld\n') })).toMatchObject(SENT);
  const batches = broker.topics.get('t')?.[0]?.batches ?? [];
  const path = join(directory.path, 'segment.log');
  writeFileSync(path, Buffer.concat(batches));
  const dumped = await runCommand(['log', 'dump', path, '--records']);
  expect(dumped.stdout.toString()).toContain('value "world"');
  expect(dumped.stdout.toString()).toMatch(/2 records in \d+ record batch(es)?\n$/);
  expect(dumped.code).toBe(0);
  const corrupt = Buffer.concat(batches);
  corrupt[corrupt.length - 2] = (corrupt[corrupt.length - 2] ?? 0) ^ 1;
  writeFileSync(path, corrupt);
  const failed = await runCommand(['log', 'dump', path]);
  const last = batches.at(-1) ?? new Uint8Array(0);
  expect(failed.stderr).toContain(`byte ${corrupt.length - last.length}`);
  expect(failed.code).toBe(1);
});
