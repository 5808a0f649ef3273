// A real Chromium for tests and benchmarks: the system's, or the one that npm brings. Where neither runs, they fail.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
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

/** How long a start, a page or a wait in one may take: a busy machine is no fault. */
export const BROWSER_MS_MAX = 240_000;

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

/** A browser whose contexts are private windows: their files are in memory. */
export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({ executablePath: await executablePath(), args: FLAGS, timeout: BROWSER_MS_MAX });
}

/** A browser with a profile on the disk, which outlives it; it can be killed. */
export class ProfileBrowser {
  readonly context: BrowserContext;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, context: BrowserContext) {
    this.#child = child;
    this.context = context;
  }

  static async start(profile: string): Promise<ProfileBrowser> {
    const flags = [...FLAGS, `--user-data-dir=${profile}`, '--remote-debugging-port=0', 'about:blank'];
    // A group of its own: the browser is many processes.
    const child = spawn(await executablePath(), flags, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    const endpoint = await new Promise<string>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`Chromium ended with ${code}`)));
      createInterface({ input: child.stderr }).on('line', (line) => {
        const found = /DevTools listening on (ws:\S+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
    });
    const browser = await chromium.connectOverCDP(endpoint, { timeout: BROWSER_MS_MAX });
    const [context] = browser.contexts();
    if (context === undefined) throw new Error('the browser has no context');
    context.setDefaultTimeout(BROWSER_MS_MAX);
    return new ProfileBrowser(child, context);
  }

  /** SIGKILL to every process of the browser. */
  async kill(): Promise<void> {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    process.kill(-pid, 'SIGKILL');
    await exited;
  }
}
