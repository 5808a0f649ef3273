// What a Deno process brings to a broker: its files, time, threads and sockets.

import { statfsSync } from 'node:fs';
import { kill } from 'node:process';
import { STANDARD_RANDOM } from '../../client/client-random.ts';
import { LogFault } from '../../core/fault.ts';
import type { Clock } from '../../core/platform.ts';
import { createClientCodecs, createNodeCodecs } from '../node/codecs.ts';
import { ownershipOf } from '../process-identity.ts';
import { createProcessMetrics } from '../process-metrics.ts';
import type { HostDirectory, RuntimeHost } from '../web/served-broker.ts';
import { startWorkerThread } from '../web/worker-thread.ts';
import { type DenoApi, denoApi } from './deno-api.ts';
import { listenHttp, listenKafka } from './deno-sockets.ts';
import { DenoStore } from './deno-store.ts';

/** Longest delay that a timer takes; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** Timers that do not keep the process alive. */
export function denoClock(deno: DenoApi): Clock {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    schedule: (delayMs, task) => {
      const timer = setTimeout(task, Math.min(Math.max(delayMs, 0), TIMER_MS_MAX));
      deno.unrefTimer(timer);
      return { cancel: () => clearTimeout(timer) };
    },
  };
}

export function denoHost(): RuntimeHost {
  const deno = denoApi();
  return {
    clock: denoClock(deno),
    random: STANDARD_RANDOM,
    version: packageVersion(deno),
    hostname: hostnameOf(deno),
    loadWasm: (build) => new WebAssembly.Module(deno.readFileSync(wasmFile(build))),
    createCodecs: createNodeCodecs,
    createClientCodecs,
    openDirectory: (path) => openDirectory(deno, path),
    startThread: (options) => startWorkerThread({ ...options, worker: startWorker() }),
    listenHttp: (options) => listenHttp(deno, options),
    listenKafka: (options) => listenKafka(deno, options),
    createMetrics: createProcessMetrics,
  };
}

/** The files of the built package stand around this one. */
function wasmFile(build: 'plain' | 'shared'): URL {
  const name = build === 'plain' ? 'millrace.wasm' : 'millrace-shared.wasm';
  return new URL(`../../../assembly/${name}`, import.meta.url);
}

function startWorker(): Worker {
  return new Worker(new URL('../../../workers/deno-partition-worker.js', import.meta.url), {
    type: 'module',
    name: 'millrace-partitions',
  });
}

function packageVersion(deno: DenoApi): string {
  const { version }: { version: string } = JSON.parse(
    deno.readTextFileSync(new URL('../../../../package.json', import.meta.url)),
  );
  return version;
}

/** The name needs a permission that nothing else does. */
function hostnameOf(deno: DenoApi): string {
  try {
    return deno.hostname();
  } catch {
    return 'localhost';
  }
}

function openDirectory(deno: DenoApi, path: string): HostDirectory {
  try {
    deno.mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new LogFault(
      'ERR_STORAGE',
      `data directory ${path} cannot be made: ${error instanceof Error ? error.message : error}`,
      error,
    );
  }
  return {
    store: new DenoStore(deno, path),
    ownership: ownershipOf({
      pid: deno.pid,
      readText: (file) => deno.readTextFileSync(file),
      probe: (pid) => kill(pid, 0),
    }),
    space: () => {
      const { blocks, bavail, bsize } = statfsSync(path);
      return { totalBytes: blocks * bsize, usableBytes: bavail * bsize };
    },
  };
}
