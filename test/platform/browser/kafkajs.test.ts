// kafkajs in a browser bundle, over WebSocket: the README's words about it, carried out.

import { createRequire } from 'node:module';
import type { Plugin } from 'esbuild';
import packages from 'node-stdlib-browser';
import { expect, test } from 'vitest';
import { BROWSER_MS_MAX, launchChromium } from '../../../bench/browser/chromium.ts';
import { servePages } from '../../../bench/browser/page-server.ts';
import { BrokerProcess, temporaryDirectory } from '../../support/broker-process.ts';

/** What kafkajs takes from Node, from packages of the same surface; what it does not use in a page is empty. */
const nodeParts: Plugin = {
  name: 'node-parts',
  setup(hooks) {
    const files = new Map<string, string | null>(Object.entries(packages));
    hooks.onResolve({ filter: /^(node:)?[a-z_]+(\/[a-z]+)?$/ }, ({ path, kind, resolveDir }) => {
      const file = files.get(path);
      if (file === undefined) return undefined;
      return file === null ? { path, namespace: 'empty' } : hooks.resolve(file, { kind, resolveDir });
    });
    hooks.onLoad({ filter: /.*/, namespace: 'empty' }, () => ({ contents: 'module.exports = {};' }));
  },
};

test('kafkajs in a page produces and consumes over a WebSocket', async () => {
  const data = temporaryDirectory('kafkajs');
  const broker = await BrokerProcess.start({
    dataDirectory: data.path,
    arguments: ['--set', 'group.initial.rebalance.delay.ms=0'],
  });
  const server = await servePages({
    bundles: { 'kafkajs.js': 'test/platform/browser/pages/kafkajs.ts' },
    loads: true,
    plugins: [nodeParts],
    inject: [createRequire(import.meta.url).resolve('node-stdlib-browser/helpers/esbuild/shim')],
    define: { global: 'globalThis', process: 'process', Buffer: 'Buffer' },
  });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(BROWSER_MS_MAX);
    page.on('console', (message) => console.info(`chromium: ${message.text()}`));
    page.on('pageerror', (error) => console.error(`chromium: ${error.stack}`));
    await page.goto(server.url, { waitUntil: 'load' });
    const values = await page.evaluate<string[]>(`runKafkajs('${broker.address}')`);
    expect(values).toEqual(['one', 'two']);
  } finally {
    await browser.close();
    await server.close();
    await broker.stop('SIGTERM');
    data.remove();
  }
});
