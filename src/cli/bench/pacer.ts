// Ticks at a fixed rate, on time to about a tenth of a millisecond. Timers of the event loop are late by up to a
// millisecond, which is more than a record takes through the log, and spinning would take a core from what is measured.

import { once } from 'node:events';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import { ENDED, type PacerData, UNSEEN } from './pacer-flags.ts';

/** Ticks are no closer than this, in milliseconds: what is due within is done at once. */
const INTERVAL_MS_MIN = 0.2;

export interface PacerOptions {
  /** Time of the first tick, of the {@link MonotonicClock}. */
  readonly startMs: number;
  /** Things to do a second. */
  readonly rate: number;
}

export class Pacer {
  readonly #flags = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  readonly #worker: Worker;
  #waiting: (() => void)[] = [];

  constructor({ startMs, rate }: PacerOptions) {
    const intervalMs = Math.max(1000 / rate, INTERVAL_MS_MIN);
    const workerData: PacerData = { flags: this.#flags, startMs, intervalMs };
    this.#worker = new Worker(createRequire(import.meta.url).resolve('#bench/pacer-thread.js'), { workerData });
    this.#worker.on('message', () => {
      Atomics.store(this.#flags, UNSEEN, 0);
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
  }

  /** Resolves at the next tick. */
  tick(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    const exited = once(this.#worker, 'exit');
    Atomics.store(this.#flags, ENDED, 1);
    Atomics.notify(this.#flags, ENDED);
    await exited;
  }
}
