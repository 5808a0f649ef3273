// A page with the log in it, driven from a test.

import type { BrowserContext, ConsoleMessage, Page } from 'playwright-core';
import type { OpenBrokerOptions } from '../../../src/platform/browser/browser-broker.ts';

export class TestTab {
  readonly page: Page;
  readonly lines: string[] = [];
  #heard: (() => void)[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.on('console', (message: ConsoleMessage) => {
      if (message.type() === 'error') console.error(`chromium: ${message.text()}`);
      this.lines.push(message.text());
      for (const wake of this.#heard.splice(0)) wake();
    });
  }

  /** A page of its own with `tab` in it. */
  static async load(context: BrowserContext, url: string): Promise<TestTab> {
    const tab = new TestTab(await context.newPage());
    // Playwright's own waiting evaluates strings in the page, which its policy forbids: pages say where they are.
    const loaded = tab.until(() => tab.lines.includes('loaded'));
    await tab.page.goto(url);
    await loaded;
    return tab;
  }

  static async open(context: BrowserContext, url: string, options: OpenBrokerOptions = {}): Promise<TestTab> {
    const tab = await TestTab.load(context, url);
    await tab.call('open', options);
    return tab;
  }

  /** Calls a method of the page's `tab`. */
  call<T>(method: string, ...parameters: readonly unknown[]): Promise<T> {
    const list = parameters.map((parameter) => JSON.stringify(parameter)).join(', ');
    return this.page.evaluate<T>(`tab.${method}(${list})`);
  }

  /** Begins something that has no end. */
  begin(method: string, ...parameters: readonly unknown[]): void {
    // The page ends before it does.
    this.call(method, ...parameters).catch(() => undefined);
  }

  values(topic: string): Promise<string[]> {
    return this.call<string[]>('values', topic);
  }

  /** What it has collected, once that is so much. */
  async collected(count: number): Promise<string[]> {
    await this.until(() => this.last('collected ') >= count);
    return await this.page.evaluate<string[]>('tab.collected');
  }

  /** The last number in a line that begins so; -1 where there is none. */
  last(prefix: string): number {
    const line = this.lines.findLast((each) => each.startsWith(prefix));
    return line === undefined ? -1 : Number(line.slice(prefix.length));
  }

  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) await new Promise<void>((resolve) => this.#heard.push(resolve));
  }

  /** Kills the process of the page, its worker with it. */
  async crash(): Promise<void> {
    const crashed = new Promise<void>((resolve) => this.page.once('crash', () => resolve()));
    const session = await this.page.context().newCDPSession(this.page);
    session.send('Page.crash').catch(() => undefined);
    await crashed;
  }
}
