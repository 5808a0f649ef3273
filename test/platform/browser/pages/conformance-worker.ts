// Runs the conformance suite in a worker of the browser, on private files or on memory, and posts the report.

import type { Client } from '../../../../src/client/client.ts';
import { createPortableCodecs } from '../../../../src/compression/portable-codecs.ts';
import type { Store } from '../../../../src/core/platform.ts';
import { type BrowserBroker, openBroker } from '../../../../src/platform/browser/browser-broker.ts';
import { consoleLogger } from '../../../../src/platform/browser/console-logger.ts';
import { MessageLink } from '../../../../src/platform/browser/message-link.ts';
import { OpfsStore } from '../../../../src/platform/browser/opfs-store.ts';
import { openOpfsDirectory } from '../../../../src/platform/browser/sync-handles.ts';
import { MemoryStore } from '../../../../src/storage/memory-store.ts';
import { Kernels } from '../../../../src/wasm/kernels.ts';
import type {
  BrokerSettings,
  ConformanceBroker,
  ConformanceHost,
  ConformancePlace,
  ConformanceSocket,
} from '../../../conformance/suite/host.ts';
import { runConformance } from '../../../conformance/suite/run.ts';

/** A directory of the origin private file system, where the host's own broker would have its log. */
class OpfsPlace implements ConformancePlace {
  readonly #name: string;
  readonly #kernels: Kernels;
  #store: Store | undefined;

  constructor(name: string, wasm: WebAssembly.Module) {
    this.#name = name;
    this.#kernels = Kernels.create(wasm);
  }

  async open(): Promise<Store> {
    const directory = await openOpfsDirectory(['millrace', this.#name]);
    const checksum = (bytes: Uint8Array): number => this.#kernels.crc32cOf(bytes);
    this.#store = await OpfsStore.open({ directory, checksum, logger: consoleLogger });
    return this.#store;
  }

  async close(): Promise<void> {
    this.#store?.close();
  }

  /** Closing the handles is what the browser does for a worker that has ended, and it flushes nothing. */
  async crash(): Promise<void> {
    this.#store?.close();
  }

  openBroker({ config }: BrokerSettings): Promise<ConformanceBroker> {
    return openWorkerBroker({ name: this.#name, storage: 'opfs', config });
  }

  async remove(): Promise<void> {
    this.#store?.close();
    const root = await navigator.storage.getDirectory();
    const millrace = await root.getDirectoryHandle('millrace');
    // The browser closes the files of a worker that has ended when it comes to it.
    for (let left = 100; ; left--) {
      try {
        return await millrace.removeEntry(this.#name, { recursive: true });
      } catch (error) {
        if (left === 0) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

class MemoryPlace implements ConformancePlace {
  #store = new MemoryStore();

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

  async remove(): Promise<void> {
    this.#store.close();
  }
}

async function openWorkerBroker(options: {
  readonly name: string;
  readonly storage: 'opfs' | 'memory';
  readonly config: Readonly<Record<string, string>>;
}): Promise<ConformanceBroker> {
  const workers: Worker[] = [];
  const broker = await openBroker({
    ...options,
    wasm: new URL('/millrace.wasm', location.href),
    worker: () => {
      const worker = new Worker('/millrace-worker.js', { type: 'module' });
      workers.push(worker);
      return worker;
    },
  });
  return {
    client: (): Promise<Client> => Promise.resolve(broker.client()),
    socket: (subprotocol) => openSocket(broker, subprotocol),
    close: () => broker.close(),
    crash: async () => {
      for (const worker of workers) worker.terminate();
      await broker.close();
    },
  };
}

async function openSocket(broker: BrowserBroker, subprotocol: 'kafka' | 'json'): Promise<ConformanceSocket> {
  const target = await broker.target(subprotocol);
  const waiting: (Uint8Array | string)[] = [];
  let end: string | undefined;
  let wake: () => void = () => undefined;
  const link = await new Promise<MessageLink>((resolve, reject) => {
    const opened: MessageLink = new MessageLink(target.connect(), {
      onOpen: () => resolve(opened),
      onFrame: (frame) => {
        waiting.push(frame);
        wake();
      },
      onTaken: () => undefined,
      onClose: (reason) => {
        end = reason;
        reject(new Error(reason));
        wake();
      },
    });
  });
  return {
    send: (message) => link.send(message),
    close: () => link.close('the test has closed it'),
    receive: async () => {
      for (;;) {
        const message = waiting.shift();
        if (message !== undefined) return message;
        if (end !== undefined) throw new Error(`the connection has ended: ${end}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

async function hostOf(kind: string): Promise<ConformanceHost> {
  const wasm = await WebAssembly.compileStreaming(fetch('/millrace.wasm'));
  const run = crypto.randomUUID();
  const codecs = createPortableCodecs(wasm, await WebAssembly.compileStreaming(fetch('/zstd.wasm')));
  if (kind === 'memory') {
    const createPlace = async (): Promise<ConformancePlace> => new MemoryPlace();
    return { name: 'chromium on memory', wasm, codecs, hasBroker: false, createPlace };
  }
  return {
    name: 'chromium on private files',
    wasm,
    codecs,
    hasBroker: true,
    createPlace: async (label) => new OpfsPlace(`${run}-${label}`.replaceAll(/[^\w.-]/g, '-'), wasm),
  };
}

addEventListener('message', ({ data }: MessageEvent<string>) => {
  hostOf(data)
    .then(runConformance)
    .then(
      (report) => postMessage({ report }),
      (error: unknown) => postMessage({ error: error instanceof Error ? error.stack : String(error) }),
    );
});
