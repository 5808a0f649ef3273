// A runtime with files, sockets and processes as a host of the conformance suite. Two kinds of brokers: embedded in this
// process, and a whole one in a process of its own with workers and real sockets, which is killed where a case says crash.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import type { Client } from '../../../src/client/client.ts';
import type { Store } from '../../../src/core/platform.ts';
import type { RuntimeHost } from '../../../src/platform/web/served-broker.ts';
import { openEmbedded } from '../suite/embedded.ts';
import type { BrokerSettings, ConformanceBroker, ConformanceHost, ConformancePlace } from '../suite/host.ts';
import { runConformance } from '../suite/run.ts';
import { openWebSocket } from '../suite/sockets.ts';
import type { ServedBrokerOptions } from './served-broker-main.ts';

export interface ServedRuntime {
  readonly name: string;
  readonly host: RuntimeHost;
  /** Arguments of this runtime before a script's path. */
  readonly runArguments: readonly string[];
  /** The bundle of served-broker-main.ts for this runtime. */
  readonly brokerScript: string;
  connect(url: string): Promise<Client>;
}

/** Runs the suite as the arguments say (`embedded` or `served`), and prints the report. */
export async function reportConformance(runtime: ServedRuntime, kind: string | undefined): Promise<void> {
  const codecs = runtime.host.createCodecs();
  await codecs.load();
  const isServed = kind === 'served';
  const host: ConformanceHost = {
    name: runtime.name,
    wasm: runtime.host.loadWasm('plain'),
    codecs: codecs.codecs,
    hasBroker: true,
    createPlace: async (label) =>
      isServed ? new ServedPlace(runtime, label) : new EmbeddedPlace(runtime, label, host),
  };
  const report = await runConformance(host, isServed ? { only: 'a broker:' } : {});
  console.log(JSON.stringify(report));
}

abstract class DirectoryPlace implements ConformancePlace {
  readonly path: string;
  readonly runtime: ServedRuntime;
  #store: Store | undefined;

  constructor(runtime: ServedRuntime, label: string) {
    this.runtime = runtime;
    this.path = mkdtempSync(join(tmpdir(), `millrace-conformance-${label}-`));
  }

  async open(): Promise<Store> {
    this.#store = this.runtime.host.openDirectory(this.path).store;
    return this.#store;
  }

  async close(): Promise<void> {
    this.#store?.close();
  }

  /** Closing files is what the operating system does for a process that was killed, and it flushes nothing. */
  async crash(): Promise<void> {
    this.#store?.close();
  }

  abstract openBroker(settings: BrokerSettings): Promise<ConformanceBroker>;

  async remove(): Promise<void> {
    this.#store?.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}

class EmbeddedPlace extends DirectoryPlace {
  readonly #host: ConformanceHost;

  constructor(runtime: ServedRuntime, label: string, host: ConformanceHost) {
    super(runtime, label);
    this.#host = host;
  }

  async openBroker(settings: BrokerSettings): Promise<ConformanceBroker> {
    const { clock, random } = this.runtime.host;
    const codecs = this.runtime.host.createCodecs();
    await codecs.load();
    return openEmbedded(this, { clock, random, wasm: this.#host.wasm, codecs: codecs.codecs }, settings);
  }
}

class ServedPlace extends DirectoryPlace {
  async openBroker({ config }: BrokerSettings): Promise<ConformanceBroker> {
    const { runArguments, brokerScript, connect } = this.runtime;
    const options: ServedBrokerOptions = { directory: this.path, http: {}, workers: 1, config };
    const child = spawn(execPath, [...runArguments, brokerScript, JSON.stringify(options)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const broker = new BrokerChild(child);
    const url = await broker.url;
    return {
      client: () => connect(url),
      socket: (subprotocol) => openWebSocket(url, subprotocol, (target, protocol) => new WebSocket(target, protocol)),
      close: () => broker.end('SIGTERM'),
      crash: () => broker.end('SIGKILL'),
    };
  }
}

class BrokerChild {
  /** Rejects when the broker ends before it is ready. */
  readonly url: Promise<string>;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #hasClosed = false;

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
    this.url = new Promise((resolve, reject) => {
      void this.#exited.then(() => reject(new Error('the broker ended before it was ready')));
      if (child.stdout === null) throw new Error('the broker has no output');
      createInterface({ input: child.stdout }).on('line', (line) => {
        const { url, closed }: { url?: string; closed?: boolean } = JSON.parse(line);
        if (url !== undefined) resolve(url);
        if (closed === true) this.#hasClosed = true;
      });
    });
  }

  /** The exit code is not looked at: not every runtime tells that of a child which it has sent a signal. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#child.kill(signal);
    await this.#exited;
    if (signal === 'SIGTERM' && !this.#hasClosed) throw new Error('the broker was not closed in order');
  }
}
