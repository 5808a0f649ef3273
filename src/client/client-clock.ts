// The clock that a client uses when none is given: the standard timers, which every host of the client has.

import type { Clock } from '../core/platform.ts';

/** A clock over `Date`, `performance` and `setTimeout`. Its timers keep a Node process alive: somebody waits for them. */
export const STANDARD_CLOCK: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after `delayMs`, or at once when `signal` is aborted. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.schedule(delayMs, done);
    signal?.addEventListener('abort', done);
  });
}
