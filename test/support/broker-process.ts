// The built broker as a real process with a real data directory, for tests that kill it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from '../house/source-files.ts';

/** A process that should have ended by itself is killed after this: far more than a busy machine takes. */
export const PROCESS_MS_MAX = 240_000;
export const CLI = join(ROOT, 'dist/bin/millrace.cjs');

/** A directory of its own for one test, and its removal. */
export function temporaryDirectory(label: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `millrace-${label}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export interface BrokerProcessOptions {
  /** Where it is left out, the arguments name a configuration that says it, and the Kafka listeners too. */
  readonly dataDirectory?: string;
  /** `HOST:PORT` of the Kafka listener; a free port of loopback where it is left out. */
  readonly kafka?: string;
  /** `HOST:PORT` of WebSocket and HTTP; a free port of loopback where it is left out. */
  readonly http?: string;
  /** Further arguments of `millrace start`. */
  readonly arguments?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class BrokerProcess {
  /** The ready line, parsed. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Milliseconds from spawn to the ready line. */
  readonly readyAfterMs: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<Exit>;
  readonly #lines: string[];

  private constructor(child: ChildProcess, started: Started) {
    this.#child = child;
    this.ready = started.ready;
    this.readyAfterMs = started.readyAfterMs;
    this.#exited = started.exited;
    this.#lines = started.lines;
  }

  /** Starts the broker on a free port; resolves at its ready line, rejects with its output when it ends before. */
  static async start(options: BrokerProcessOptions): Promise<BrokerProcess> {
    const startedAt = performance.now();
    const { dataDirectory, kafka = '127.0.0.1:0', http = '127.0.0.1:0' } = options;
    const place = dataDirectory === undefined ? [] : ['--data-dir', dataDirectory, '--kafka', kafka];
    const child = spawn(process.execPath, [CLI, 'start', '--http', http, ...place, ...(options.arguments ?? [])], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.environment },
    });
    const exited: Promise<Exit> = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    const lines: string[] = [];
    const ready = await new Promise<Record<string, unknown>>((resolve, reject) => {
      const listen = (line: string): void => {
        lines.push(line);
        const parsed = parseLine(line);
        if (parsed?.msg === 'ready') resolve(parsed);
      };
      if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', listen);
      if (child.stderr !== null) createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
      exited.then(({ code, signal }) => reject(new Error(`broker ended (${code ?? signal}):\n${lines.join('\n')}`)));
    });
    return new BrokerProcess(child, { ready, readyAfterMs: performance.now() - startedAt, exited, lines });
  }

  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new Error('the broker has no process');
    return pid;
  }

  get address(): string {
    return String(this.ready.http);
  }

  /** `HOST:PORT` of the Kafka listener, for `bootstrap.servers`. */
  get kafka(): string {
    return String(this.ready.kafka);
  }

  /** For `--server` and clients. */
  get url(): string {
    return `ws://${this.address}`;
  }

  /** Everything the broker has printed. */
  get output(): string {
    return this.#lines.join('\n');
  }

  /** Sends the signal and resolves when the process is gone. */
  async stop(signal: NodeJS.Signals): Promise<Exit> {
    this.#child.kill(signal);
    return this.#exited;
  }
}

interface Started {
  readonly ready: Record<string, unknown>;
  readonly readyAfterMs: number;
  readonly exited: Promise<Exit>;
  readonly lines: string[];
}

function parseLine(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  const value: unknown = JSON.parse(line);
  return typeof value === 'object' && value !== null ? { ...value } : undefined;
}
