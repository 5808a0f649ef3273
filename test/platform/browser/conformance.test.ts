import { afterAll, beforeAll } from 'vitest';
import { ProfileBrowser } from '../../../bench/browser/chromium.ts';
import { type PageServer, servePages } from '../../../bench/browser/page-server.ts';
import { conformanceTests } from '../../conformance/conformance-tests.ts';
import type { ConformanceReport } from '../../conformance/suite/host.ts';
import { temporaryDirectory } from '../../support/broker-process.ts';

const profile = temporaryDirectory('conformance-profile');
let browser: ProfileBrowser;
let server: PageServer;

beforeAll(async () => {
  browser = await ProfileBrowser.start(profile.path);
  server = await servePages({
    bundles: { 'conformance-worker.js': 'test/platform/browser/pages/conformance-worker.ts' },
  });
});

afterAll(async () => {
  await browser?.kill();
  profile.remove();
  await server?.close();
});

async function run(kind: 'opfs' | 'memory'): Promise<ConformanceReport> {
  const page = await browser.context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error') console.error(`chromium: ${message.text()}`);
  });
  await page.goto(server.url);
  const outcome = await page.evaluate(
    (kind) =>
      new Promise<{ readonly report?: ConformanceReport; readonly error?: string }>((resolve) => {
        const worker = new Worker('/conformance-worker.js', { type: 'module' });
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => resolve({ error: message });
        worker.postMessage(kind);
      }),
    kind,
  );
  await page.close();
  if (outcome.report === undefined) throw new Error(outcome.error ?? 'there is no report');
  return outcome.report;
}

conformanceTests({ title: 'Chromium on private files', run: () => run('opfs') });
conformanceTests({ title: 'Chromium on memory', run: () => run('memory'), withoutBroker: true });
