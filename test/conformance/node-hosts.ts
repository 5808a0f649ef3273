// Node as a host of the conformance suite: on its file system with the whole broker, and on memory.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import type { Store } from '../../src/core/platform.ts';
import { systemClock, systemRandom } from '../../src/platform/node/clock.ts';
import { createNodeCodecs } from '../../src/platform/node/codecs.ts';
import { connect } from '../../src/platform/node/connect.ts';
import { NodeStore } from '../../src/platform/node/node-store.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { openEmbedded } from './suite/embedded.ts';
import type { BrokerSettings, ConformanceBroker, ConformanceHost, ConformancePlace } from './suite/host.ts';
import { openWebSocket } from './suite/sockets.ts';

/** A directory of its own. */
class DirectoryPlace implements ConformancePlace {
  readonly path: string;
  #store: Store | undefined;

  constructor(label: string) {
    this.path = mkdtempSync(join(tmpdir(), `millrace-conformance-${label}-`));
  }

  async open(): Promise<Store> {
    this.#store = new NodeStore(this.path);
    return this.#store;
  }

  async close(): Promise<void> {
    this.#store?.close();
  }

  /** Closing descriptors is what the operating system does for a process that was killed, and it flushes nothing. */
  async crash(): Promise<void> {
    this.#store?.close();
  }

  /** The built broker in a process of its own, so that a crash is one. */
  async openBroker({ config }: BrokerSettings): Promise<ConformanceBroker> {
    const settings = Object.entries(config).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
    const broker = await BrokerProcess.start({ dataDirectory: this.path, arguments: settings });
    return {
      client: () => connect(broker.url),
      socket: (subprotocol) => openWebSocket(broker.url, subprotocol, (url, protocol) => new WebSocket(url, protocol)),
      close: async () => void (await broker.stop('SIGTERM')),
      crash: async () => void (await broker.stop('SIGKILL')),
    };
  }

  async remove(): Promise<void> {
    this.#store?.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}

class MemoryPlace implements ConformancePlace {
  readonly #wasm: WebAssembly.Module;
  #store = new MemoryStore();

  constructor(wasm: WebAssembly.Module) {
    this.#wasm = wasm;
  }

  async open(): Promise<Store> {
    this.#store = this.#store.afterKill();
    return this.#store;
  }

  async close(): Promise<void> {
    this.#store.close();
  }

  async crash(): Promise<void> {
    this.#store.close();
  }

  async openBroker(settings: BrokerSettings): Promise<ConformanceBroker> {
    const { codecs, load } = createNodeCodecs();
    await load();
    const parts = { wasm: this.#wasm, codecs, clock: systemClock, random: systemRandom };
    return openEmbedded(this, parts, settings);
  }

  async remove(): Promise<void> {
    this.#store.close();
  }
}

export function nodeHost(): ConformanceHost {
  return {
    name: `node ${process.versions.node}`,
    wasm: loadWasmModule('plain'),
    codecs: createNodeCodecs().codecs,
    createPlace: async (label) => new DirectoryPlace(label),
    hasBroker: true,
  };
}

export function memoryHost(): ConformanceHost {
  const wasm = loadWasmModule('plain');
  return {
    name: `node ${process.versions.node} on memory`,
    wasm,
    codecs: createNodeCodecs().codecs,
    hasBroker: true,
    createPlace: async () => new MemoryPlace(wasm),
  };
}
