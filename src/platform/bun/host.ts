// What a Bun process brings to a broker: its files, time, threads and sockets. Files are those of node:fs, which in Bun is
// Bun's own: Bun.file has no positional writes, no truncation and no fsync, so there is nothing else to build a log on.

import { mkdirSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { LogFault } from '../../core/fault.ts';
import { systemClock, systemRandom } from '../node/clock.ts';
import { createClientCodecs, createNodeCodecs } from '../node/codecs.ts';
import { openNodeDirectory } from '../node/data-directory.ts';
import { createProcessMetrics } from '../process-metrics.ts';
import type { HostDirectory, RuntimeHost } from '../web/served-broker.ts';
import { startWorkerThread } from '../web/worker-thread.ts';
import { bunApi } from './bun-api.ts';
import { listenHttp, listenKafka } from './bun-sockets.ts';

export function bunHost(): RuntimeHost {
  const bun = bunApi();
  return {
    clock: systemClock,
    random: systemRandom,
    version: packageVersion(),
    hostname: hostname(),
    loadWasm: (build) => new WebAssembly.Module(readFileSync(wasmFile(build))),
    createCodecs: createNodeCodecs,
    createClientCodecs,
    openDirectory,
    startThread: (options) => startWorkerThread({ ...options, worker: startWorker() }),
    listenHttp: (options) => listenHttp(bun, options),
    listenKafka: (options) => listenKafka(bun, options),
    createMetrics: createProcessMetrics,
  };
}

/** The files of the built package stand around this one. */
function wasmFile(build: 'plain' | 'shared'): URL {
  const name = build === 'plain' ? 'millrace.wasm' : 'millrace-shared.wasm';
  return new URL(`../../../assembly/${name}`, import.meta.url);
}

function startWorker(): Worker {
  return new Worker(new URL('../../../workers/bun-partition-worker.js', import.meta.url), {
    type: 'module',
    name: 'millrace-partitions',
  });
}

function packageVersion(): string {
  const file = new URL('../../../../package.json', import.meta.url);
  const { version }: { version: string } = JSON.parse(readFileSync(file, 'utf8'));
  return version;
}

function openDirectory(path: string): HostDirectory {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new LogFault(
      'ERR_STORAGE',
      `data directory ${path} cannot be made: ${error instanceof Error ? error.message : error}`,
      error,
    );
  }
  return openNodeDirectory(path);
}
