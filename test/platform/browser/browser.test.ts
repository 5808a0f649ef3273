// The log in real tabs of a real browser: shared, killed, taken over, and brought to a broker that was not there.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { BROWSER_MS_MAX, launchChromium, ProfileBrowser } from '../../../bench/browser/chromium.ts';
import { type PageServer, servePages } from '../../../bench/browser/page-server.ts';
import { connect } from '../../../src/platform/node/connect.ts';
import { ROOT } from '../../house/source-files.ts';
import { BrokerProcess, temporaryDirectory } from '../../support/broker-process.ts';
import { freePort } from '../../support/free-port.ts';
import { TestTab } from './tab.ts';

const OFFLINE_RECORDS = 100_000;

let browser: Browser;
let server: PageServer;
const closers: (() => unknown)[] = [];

beforeAll(async () => {
  browser = await launchChromium();
  server = await servePages({ bundles: { 'tab.js': 'test/platform/browser/pages/tab.ts' }, loads: true });
});

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const numbers = (from: number, end: number): string[] =>
  Array.from({ length: end - from }, (_, index) => String(from + index));

async function newContext() {
  const context = await browser.newContext();
  context.setDefaultTimeout(BROWSER_MS_MAX);
  closers.push(() => context.close());
  return context;
}

test('records of one tab are seen by the consumers of another, in both directions', async () => {
  const context = await newContext();
  const first = await TestTab.open(context, server.url);
  const second = await TestTab.open(context, server.url);
  expect([await first.call('isLeader'), await second.call('isLeader')]).toEqual([true, false]);
  await first.call('produce', 'notes', 0, 10);
  await first.call('collect', 'notes');
  await second.call('collect', 'notes');
  await second.call('produce', 'notes', 10, 2500);
  expect(await first.collected(2500)).toEqual(numbers(0, 2500));
  expect(await second.collected(2500)).toEqual(numbers(0, 2500));
});

test('when the tab that has the log is closed, another takes over while its producer and consumer go on', async () => {
  const context = await newContext();
  const first = await TestTab.open(context, server.url);
  const second = await TestTab.open(context, server.url);
  await first.call('produce', 'notes', 0, 3);
  await second.call('collect', 'notes');
  second.begin('produceOn', 'notes', 3);
  await second.until(() => second.last('acked ') > 100);
  await first.page.close();
  const acked = second.last('acked ');
  await second.until(() => second.last('acked ') > acked + 100);
  expect(await second.call('isLeader')).toBe(true);
  const collected = await second.collected(acked + 50);
  expect(collected).toEqual(numbers(0, collected.length));
});

test('a tab that is killed in the middle of appends loses nothing that was acknowledged', async () => {
  const context = await newContext();
  let acked = -1;
  for (let round = 0; round < 4; round++) {
    const tab = await TestTab.open(context, server.url);
    const values = await tab.values('notes').catch(() => []);
    expect(values.length, `round ${round}`).toBeGreaterThan(acked);
    expect(values).toEqual(numbers(0, values.length));
    tab.begin('produceOn', 'notes', values.length);
    await tab.until(() => tab.last('acked ') > values.length + 60 * (round + 1));
    if (round % 2 === 0) await tab.crash();
    else await tab.page.close();
    acked = tab.last('acked ');
  }
  const values = await (await TestTab.open(context, server.url)).values('notes');
  expect(values.length).toBeGreaterThan(acked);
  expect(values).toEqual(numbers(0, values.length));
});

test('a browser that is killed with SIGKILL in the middle of appends loses nothing that was acknowledged', async () => {
  const profile = temporaryDirectory('profile');
  closers.push(() => profile.remove());
  let acked = -1;
  for (let round = 0; round < 3; round++) {
    const killed = await ProfileBrowser.start(profile.path);
    closers.push(() => killed.kill());
    const tab = await TestTab.open(killed.context, server.url);
    const values = round === 0 ? [] : await tab.values('notes');
    expect(values.length, `round ${round}`).toBeGreaterThan(acked);
    expect(values).toEqual(numbers(0, values.length));
    tab.begin('produceOn', 'notes', values.length);
    await tab.until(() => tab.last('acked ') > values.length + 100);
    await killed.kill();
    acked = tab.last('acked ');
  }
});

test('100,000 records written offline arrive once and in order, after the page was closed and killed on the way', async () => {
  const context = await newContext();
  const port = await freePort();
  const options = { uplink: { url: `ws://127.0.0.1:${port}`, topics: ['notes'] } };
  const offline = await TestTab.open(context, server.url, options);
  await offline.call('produce', 'notes', 0, OFFLINE_RECORDS);
  await offline.until(() => offline.lines.some((line) => line.includes('"state":"offline"')));
  await offline.page.close();

  const data = temporaryDirectory('uplink');
  closers.push(() => data.remove());
  const broker = await BrokerProcess.start({ dataDirectory: data.path, http: `127.0.0.1:${port}` });
  closers.push(() => broker.stop('SIGTERM'));
  const killed = await TestTab.open(context, server.url, options);
  await killed.until(() => killed.lines.some((line) => /"sentRecords":[1-9]/.test(line)));
  await killed.crash();
  const online = await TestTab.open(context, server.url, options);
  await online.until(() => online.lines.some((line) => line.includes('"state":"idle"')));

  const client = await connect(broker.url);
  closers.push(() => client.close());
  const consumer = client.consumer({ isolation: 'read_committed' });
  await consumer.assign([{ topic: 'notes', from: 'beginning' }]);
  let next = 0;
  for await (const record of consumer.records({ untilEnd: true })) {
    if (record.text() !== String(next)) expect(record.text()).toBe(String(next));
    next++;
  }
  expect(next).toBe(OFFLINE_RECORDS);
  await consumer.close();
});

test('the client comes into a page by one script of its own, where eval is forbidden', async () => {
  const data = temporaryDirectory('client');
  closers.push(() => data.remove());
  const broker = await BrokerProcess.start({ dataDirectory: data.path });
  closers.push(() => broker.stop('SIGTERM'));
  const page = await (await newContext()).newPage();
  await page.goto(server.url);
  await page.addScriptTag({ type: 'module', url: '/millrace-client.js' });
  const value = await page.evaluate<string>(`import('/millrace-client.js').then(async ({ connect }) => {
    const client = await connect('${broker.url}');
    await client.producer().send({ topic: 'greetings', messages: [{ value: 'hello from a page' }] });
    const consumer = client.consumer();
    await consumer.assign([{ topic: 'greetings', from: 'beginning' }]);
    for await (const record of consumer) return record.text();
  })`);
  expect(value).toBe('hello from a page');
});

test('a log in memory is shared by tabs, and says that it is in memory', async () => {
  const context = await newContext();
  const first = await TestTab.load(context, server.url);
  expect(await first.call('open', { storage: 'memory' })).toBe('memory');
  const second = await TestTab.load(context, server.url);
  expect(await second.call('open', { storage: 'memory' })).toBe('memory');
  await first.call('produce', 'notes', 0, 5);
  expect(await second.values('notes')).toEqual(numbers(0, 5));
});

test('what cannot be opened is said: a wrong config, a worker that is not there, a name that is none', async () => {
  const context = await newContext();
  const tab = await TestTab.load(context, server.url);
  await expect(tab.call('open', { config: { 'no.such.config': '1' } })).rejects.toThrow('no.such.config');
  await expect(tab.call('open', { wasm: '/absent.wasm' })).rejects.toThrow('absent.wasm');
  await expect(tab.call('open', { name: '../other' })).rejects.toThrow('cannot name a log');
});

test('the example page writes offline, and shows that everything has arrived when the broker is there', async () => {
  const port = await freePort();
  const page = await (await newContext()).newPage();
  await page.setViewportSize({ width: 960, height: 640 });
  await page.goto(`${server.url}example/index.html?broker=ws://127.0.0.1:${port}`);
  await page.getByText('on this device').waitFor();
  await page.getByRole('button', { name: 'Write 1,000' }).click();
  for (const note of ['milk', 'bread', 'a note written offline']) {
    await page.getByLabel('A note').fill(note);
    await page.getByRole('button', { name: 'Write', exact: true }).click();
  }
  await page.getByText('a note written offline').waitFor();
  await page.getByText('offline: the broker is out of reach').waitFor();
  expect(await page.locator('#local li.waits').count()).toBe(8);

  const data = temporaryDirectory('example');
  closers.push(() => data.remove());
  const broker = await BrokerProcess.start({ dataDirectory: data.path, http: `127.0.0.1:${port}` });
  closers.push(() => broker.stop('SIGTERM'));
  await page.getByText('everything has arrived').waitFor();
  await page.locator('#remote').getByText('a note written offline').waitFor();
  expect(await page.locator('#local li.arrived').count()).toBe(8);
  expect(await page.locator('#behind').textContent()).toBe('0');
  const path = process.env.MILLRACE_SCREENSHOT;
  if (path !== undefined) await page.screenshot({ path });
});

test('the README’s example writes here and arrives there', async () => {
  const data = temporaryDirectory('readme');
  closers.push(() => data.remove());
  const broker = await BrokerProcess.start({ dataDirectory: data.path });
  closers.push(() => broker.stop('SIGTERM'));
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
  const script = /```js\n(\/\/ notes\.js[\s\S]*?)```/.exec(readme)?.[1] ?? '';
  const file = join(ROOT, 'dist/browser/readme-notes.js');
  writeFileSync(file, script.replace('127.0.0.1:8092', broker.address));
  closers.push(() => rmSync(file));
  const page = await (await newContext()).newPage();
  await page.goto(server.url);
  const heard = page.waitForEvent('console', (message) => message.text() === '0 written offline');
  await page.evaluate('void import("/readme-notes.js")');
  await heard;
  const client = await connect(broker.url);
  closers.push(() => client.close());
  const consumer = client.consumer({ isolation: 'read_committed' });
  await client
    .admin()
    .createTopics({ topics: [{ topic: 'notes' }] })
    .catch(() => undefined);
  await consumer.assign([{ topic: 'notes', from: 'beginning' }]);
  for await (const record of consumer) {
    expect(record.text()).toBe('written offline');
    break;
  }
});
