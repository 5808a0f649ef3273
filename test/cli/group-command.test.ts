// `millrace group` and `millrace consume --group` against a broker process.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../src/platform/node/connect.ts';
import { BrokerProcess, temporaryDirectory } from '../support/broker-process.ts';
import { runCommand } from '../support/run-command.ts';

const directory = temporaryDirectory('group-command');
let broker: BrokerProcess;
let server = '';

beforeAll(async () => {
  broker = await BrokerProcess.start({
    dataDirectory: directory.path,
    arguments: ['group.consumer.min.heartbeat.interval.ms=100', 'group.consumer.heartbeat.interval.ms=100'].flatMap(
      (each) => ['--set', each],
    ),
  });
  server = `ws://${broker.address}`;
  expect(await runCommand(['topic', 'create', 'orders', '--partitions', '2'], { server })).toMatchObject({ code: 0 });
  const input = Array.from({ length: 10 }, (_, index) => `k${index % 2} ${index}\n`).join('');
  const produced = await runCommand(['produce', 'orders'], { server, input: Buffer.from(input) });
  expect(produced).toMatchObject({ code: 0, stderr: expect.stringContaining('10 records') });
});

afterAll(async () => {
  await broker.stop('SIGTERM');
  directory.remove();
});

async function say(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(words, { server });
  return code === 0 ? stdout.toString() : `${code} ${stderr}`;
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

test('a group goes on where it was, and is told with its lag in records and time', async () => {
  const first = linesOf(await say('consume', 'orders', '--group', 'billing', '--count', '4'));
  expect(first).toHaveLength(4);
  expect(await say('group', 'list')).toMatch(/^GROUP +STATE +PROTOCOL\nbilling +Empty +consumer\n$/);
  const described = JSON.parse(await say('group', 'describe', 'billing', '--format', 'json'));
  const lags: { readonly lag: number; readonly behindMs?: number }[] = described.lag;
  expect(lags.reduce((sum, { lag }) => sum + lag, 0)).toBeLessThanOrEqual(6);
  expect(lags.some(({ behindMs }) => behindMs !== undefined && behindMs >= 0)).toBe(true);
  expect(await say('group', 'describe', 'billing')).toMatch(/TOPIC +PARTITION +COMMITTED +END OFFSET +LAG +BEHIND/);
  const rest = linesOf(await say('consume', 'orders', '--group', 'billing', '--until-end'));
  expect([...first, ...rest].sort()).toEqual(Array.from({ length: 10 }, (_, index) => `k${index % 2} ${index}`).sort());
});

test('a group is reset to another place, and deleted', async () => {
  await say('consume', 'orders', '--group', 'audit', '--until-end');
  expect(linesOf(await say('consume', 'orders', '--group', 'audit', '--until-end'))).toEqual([]);
  expect(await say('group', 'reset', 'audit', '--to', 'beginning')).toMatch(/orders +0 +0\norders +1 +0\n/);
  expect(linesOf(await say('consume', 'orders', '--group', 'audit', '--until-end'))).toHaveLength(10);
  expect(await say('group', 'delete', 'audit')).toBe('deleted audit\n');
  expect(await say('group', 'describe', 'audit')).toMatch(/^1 .*GROUP_ID_NOT_FOUND/);
  expect(await say('group', 'reset', 'audit', '--to', 'end')).toMatch(/^2 .*--topic/);
  expect(await say('group', 'reset', 'fresh', '--topic', 'orders', '--to', 'end')).toMatch(/orders/);
  expect(linesOf(await say('consume', 'orders', '--group', 'fresh', '--until-end'))).toEqual([]);
});

test('what a group cannot take is said', async () => {
  expect(await say('consume', 'orders', '--group', 'g', '--partition', '0')).toMatch(/^2 .*--partition/);
  expect(await say('consume', 'orders', '--group', 'g', '--from', '5')).toMatch(/^2 .*group reset/);
  expect(await say('group', 'reset', 'g', '--topic', 'orders')).toMatch(/^2 .*--to/);
  expect(await say('group', 'reset', 'g', '--topic', 'orders', '--to', '999')).toMatch(
    /^2 millrace: --to 999: orders-0 has offsets from 0 to \d+ /,
  );
});

test('a group is not reset behind the back of its members', async () => {
  const client = await connect(server);
  const consumer = client.consumer({ groupId: 'busy' });
  await consumer.subscribe({ topics: ['orders'], from: 'end' });
  expect(await say('group', 'reset', 'busy', '--topic', 'orders', '--to', 'end')).toMatch(
    /^1 millrace: group busy has members: end them first, .*group describe busy/,
  );
  await consumer.close();
  await client.close();
});
