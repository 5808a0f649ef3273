// Milliseconds that all threads of the process share, and that no change of the system's time moves.

import { setTimeout as sleep } from 'node:timers/promises';

export class MonotonicClock {
  /** `performance.now` begins anew in every thread, and is cheaper to read than `hrtime`. */
  readonly #offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

  now(): number {
    return performance.now() + this.#offsetMs;
  }

  /** Resolves when it is this late. */
  async at(ms: number): Promise<void> {
    for (let left = ms - this.now(); left > 0; left = ms - this.now()) await sleep(left);
  }
}
