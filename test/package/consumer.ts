// The package as npm packs it, installed in an empty project of somebody else's.

import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from '../house/source-files.ts';
import { PROCESS_MS_MAX } from '../support/broker-process.ts';

const run = promisify(execFile);

export class Consumer {
  readonly root: string;
  /** The packed package. */
  readonly tarball: string;

  private constructor(root: string, tarball: string) {
    this.root = root;
    this.tarball = tarball;
  }

  static async create(): Promise<Consumer> {
    const root = mkdtempSync(join(tmpdir(), 'millrace-consumer-'));
    const packed = join(root, 'packed');
    mkdirSync(packed);
    await run('npm', ['pack', '--pack-destination', packed], { cwd: ROOT });
    const [name] = readdirSync(packed);
    if (name === undefined) throw new Error('npm has packed nothing');
    const consumer = new Consumer(root, join(packed, name));
    consumer.write('package.json', JSON.stringify({ name: 'consumer', private: true }));
    const flags = ['--no-audit', '--no-fund', '--prefer-offline', '--fetch-retries=5', '--loglevel=error'];
    await run('npm', ['install', ...flags, consumer.tarball], { cwd: root });
    return consumer;
  }

  write(name: string, text: string): string {
    const file = join(this.root, name);
    writeFileSync(file, text);
    return file;
  }

  /** Runs a script of the project, and returns what it printed. */
  async node(name: string, text: string): Promise<string> {
    const { stdout } = await run(process.execPath, [this.write(name, text)], {
      cwd: this.root,
      timeout: PROCESS_MS_MAX,
    });
    return stdout;
  }

  /** Runs a tool of this checkout in the project; what it printed, whether it was content or not. */
  async tool(name: string, args: readonly string[]): Promise<{ readonly isContent: boolean; readonly output: string }> {
    try {
      const { stdout } = await run(join(ROOT, 'node_modules/.bin', name), args, {
        cwd: this.root,
        timeout: PROCESS_MS_MAX,
      });
      return { isContent: true, output: stdout };
    } catch (error) {
      const output = error instanceof Error && 'stdout' in error ? `${error.stdout}` : String(error);
      return { isContent: false, output };
    }
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
