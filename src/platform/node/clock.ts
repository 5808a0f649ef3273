// Time and randomness of a Node process.

import { randomBytes, randomUUID } from 'node:crypto';
import type { Clock, Random } from '../../core/platform.ts';

/** Longest delay that a Node timer takes; a longer one would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, task) => {
    const timer = setTimeout(task, Math.min(Math.max(delayMs, 0), TIMER_MS_MAX));
    timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
};

export const systemRandom: Random = {
  uint32: () => randomBytes(4).readUInt32LE(0),
  uuid: () => Uint8Array.from(Buffer.from(randomUUID().replaceAll('-', ''), 'hex')),
};
