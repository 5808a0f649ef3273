// A broker of Deno or Bun as a real process with a real data directory, for tests that kill it or talk to it.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { ServedBrokerOptions } from '../conformance/runtimes/served-broker-main.ts';
import { bundleFor, type RuntimeName, runtime } from './runtimes.ts';

interface Ready {
  readonly url: string;
  readonly kafka: string;
}

export class RuntimeBroker {
  /** `ws://HOST:PORT`. */
  readonly url: string;
  /** `HOST:PORT` of the Kafka listener, for `bootstrap.servers`; empty where there is none. */
  readonly kafka: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #lines: readonly string[];

  private constructor(child: ChildProcess, ready: Ready, rest: { exited: Promise<unknown>; lines: readonly string[] }) {
    this.url = ready.url;
    this.kafka = ready.kafka;
    this.#child = child;
    this.#exited = rest.exited;
    this.#lines = rest.lines;
  }

  /** Resolves when the broker is ready, rejects with its output when it ends before. */
  static async start(name: RuntimeName, options: ServedBrokerOptions): Promise<RuntimeBroker> {
    const { command, arguments: runArguments } = runtime(name);
    const script = await bundleFor(name, `test/conformance/runtimes/${name}-broker.ts`);
    const child = spawn(command, [...runArguments, script, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const exited = once(child, 'exit');
    const lines: string[] = [];
    const ready = await new Promise<Ready>((resolve, reject) => {
      createInterface({ input: child.stderr }).on('line', (line) => lines.push(line));
      createInterface({ input: child.stdout }).on('line', (line) => {
        lines.push(line);
        if (line.startsWith('{"url":')) resolve(JSON.parse(line));
      });
      exited.then(([code, signal]) => reject(new Error(`${name} ended (${code ?? signal}):\n${lines.join('\n')}`)));
    });
    return new RuntimeBroker(child, ready, { exited, lines });
  }

  /** Everything that the broker has printed. */
  get output(): string {
    return this.#lines.join('\n');
  }

  /** Sends the signal and resolves when the process is gone. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#child.kill(signal);
    await this.#exited;
  }
}
