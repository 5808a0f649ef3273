// The thread behind pacer.ts: sleeps until each tick is due, and wakes its parent unless it has not seen the last one.

import { parentPort, workerData } from 'node:worker_threads';
import { assert } from '../../core/assert.ts';
import { MonotonicClock } from './monotonic-clock.ts';
import { ENDED, type PacerData, UNSEEN } from './pacer-flags.ts';

function isPacerData(value: unknown): value is PacerData {
  return typeof value === 'object' && value !== null && 'flags' in value && value.flags instanceof Int32Array;
}

function run(): void {
  assert(isPacerData(workerData) && parentPort !== null, 'the thread is started by its pacer');
  const { flags, startMs, intervalMs } = workerData;
  const clock = new MonotonicClock();
  while (Atomics.load(flags, ENDED) === 0) {
    const now = clock.now();
    const nextMs = now < startMs ? startMs : startMs + (Math.floor((now - startMs) / intervalMs) + 1) * intervalMs;
    if (Atomics.wait(flags, ENDED, 0, nextMs - now) !== 'timed-out') return;
    if (Atomics.compareExchange(flags, UNSEEN, 0, 1) === 0) parentPort.postMessage(undefined);
  }
}

run();
