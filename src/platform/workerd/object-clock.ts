// The time of one Durable Object: its timers, which are few and all gone while the object sleeps. It knows nothing of
// alarms; object-broker.ts decides when the object sleeps and wakes.

import type { Clock, TimerHandle } from '../../core/platform.ts';

/** Longest delay of a timer. */
const TIMER_MS_MAX = 2 ** 31 - 1;

interface Timer {
  readonly dueMs: number;
  readonly task: () => void;
  readonly handle: ReturnType<typeof setTimeout>;
}

export class ObjectClock implements Clock {
  readonly #timers = new Set<Timer>();

  now(): number {
    return Date.now();
  }

  monotonic(): number {
    return performance.now();
  }

  schedule(delayMs: number, task: () => void): TimerHandle {
    const delay = Math.min(Math.max(delayMs, 0), TIMER_MS_MAX);
    const handle = setTimeout(() => this.#fire(timer), delay);
    const timer: Timer = { dueMs: this.monotonic() + delay, task, handle };
    this.#timers.add(timer);
    return { cancel: () => this.#forget(timer) };
  }

  /** Runs at once what would be due after `ms`: for time that passed while there were no timers. */
  advance(ms: number): void {
    const untilMs = this.monotonic() + ms;
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= untilMs);
    for (const timer of due.sort((a, b) => a.dueMs - b.dueMs)) this.#fire(timer);
  }

  /** A pending timer keeps the object from sleeping. */
  cancelAll(): void {
    for (const timer of [...this.#timers]) this.#forget(timer);
  }

  #fire(timer: Timer): void {
    if (!this.#timers.has(timer)) return;
    this.#forget(timer);
    timer.task();
  }

  #forget(timer: Timer): void {
    clearTimeout(timer.handle);
    this.#timers.delete(timer);
  }
}
