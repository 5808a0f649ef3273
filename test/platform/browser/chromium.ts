// A real Chromium for tests: the system's, or the one that npm brings. Where neither runs the tests fail.

import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

const SYSTEM_PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The system's browser, or that of @sparticuz/chromium, which is unpacked. `MILLRACE_CHROMIUM` names another one. */
async function executablePath(): Promise<string> {
  const named = process.env.MILLRACE_CHROMIUM;
  if (named !== undefined) return named;
  const found = SYSTEM_PATHS.find((path) => existsSync(path));
  if (found !== undefined) return found;
  try {
    const { default: packaged } = await import('@sparticuz/chromium');
    return await packaged.executablePath();
  } catch (error) {
    throw new Error('There is no Chromium: install it (apt-get install chromium), or name it by MILLRACE_CHROMIUM.', {
      cause: error,
    });
  }
}

export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({ executablePath: await executablePath(), args: FLAGS });
}

/** A browser with a profile that outlives it: for what has to be there after it was killed. */
export async function launchProfile(directory: string): Promise<BrowserContext> {
  return await chromium.launchPersistentContext(directory, { executablePath: await executablePath(), args: FLAGS });
}
