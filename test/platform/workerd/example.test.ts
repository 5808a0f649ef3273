// The example and the README's worker, built by the example's own script from the built package, run in workerd.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { WorkerdProcess } from '../../../bench/workerd/workerd-process.ts';
import { ROOT } from '../../house/source-files.ts';

const EXAMPLE = join(ROOT, 'src/platform/workerd/example');
/** Inside of the package, where `millrace` is this very checkout. */
const scratch = join(ROOT, 'dist', 'workerd-test');
const running: WorkerdProcess[] = [];

afterEach(async () => {
  for (const workerd of running.splice(0)) await workerd.kill();
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function start(name: string, entry: string): Promise<WorkerdProcess> {
  const directory = join(scratch, name);
  mkdirSync(directory, { recursive: true });
  await promisify(execFile)(process.execPath, [join(EXAMPLE, 'build.js'), entry, directory]);
  const workerd = await WorkerdProcess.start(directory, 0);
  running.push(workerd);
  return workerd;
}

/** Produces a record over a WebSocket, and gives the topic's first `count` values from a subscription. */
async function subscribe(url: string, topic: string, count: number): Promise<unknown[]> {
  const socket = new WebSocket(url);
  await once(socket, 'open');
  const values: string[] = [];
  const received = new Promise<void>((resolve) => {
    socket.on('message', (data) => {
      const message: { readonly id?: number; readonly records?: { readonly value: string }[] } = JSON.parse(
        String(data),
      );
      if (message.id === 1) socket.send(JSON.stringify({ id: 2, op: 'subscribe', topic, from: 'beginning' }));
      else values.push(...(message.records ?? []).map(({ value }) => value));
      if (values.length >= count) resolve();
    });
  });
  socket.send(JSON.stringify({ id: 1, op: 'produce', topic, value: 'over a socket' }));
  await received;
  socket.close();
  return values;
}

test('the example produces, reads, and serves sockets by name', async () => {
  const workerd = await start('example', join(EXAMPLE, 'worker.js'));
  const sent = await fetch(workerd.url('/send/demo'), { method: 'POST', body: 'from the Worker' });
  expect(await sent.json()).toMatchObject({ topic: 'events', partition: 0, offset: 0 });
  expect(await subscribe(workerd.url('/log/demo', 'ws'), 'events', 2)).toEqual(['from the Worker', 'over a socket']);
  expect(await (await fetch(workerd.url('/read/demo'))).text()).toBe('0 from the Worker\n1 over a socket\n');
  expect((await fetch(workerd.url('/elsewhere'))).status).toBe(404);
});

test("the README's worker is a broker for every path", async () => {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const block = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].find(([, text]) => text?.includes('millrace/workerd'));
  mkdirSync(scratch, { recursive: true });
  const entry = join(scratch, 'readme-worker.js');
  writeFileSync(entry, block?.[1] ?? '');
  const workerd = await start('readme', entry);
  expect(await subscribe(workerd.url('/orders', 'ws'), 'topic', 1)).toEqual(['over a socket']);
});
