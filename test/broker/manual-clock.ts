// Time that passes when a test says so, with its timers.

import type { Clock, TimerHandle } from '../../src/core/platform.ts';

interface Timer {
  readonly atMs: number;
  readonly task: () => void;
}

export class ManualClock implements Clock {
  #elapsedMs = 0;
  readonly #timers = new Set<Timer>();
  readonly #startMs: number;

  constructor(startMs = 1_700_000_000_000) {
    this.#startMs = startMs;
  }

  now(): number {
    return this.#startMs + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  get timerCount(): number {
    return this.#timers.size;
  }

  schedule(delayMs: number, task: () => void): TimerHandle {
    const timer = { atMs: this.#elapsedMs + delayMs, task };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Lets time pass; due timers fire in the order of their times. */
  advance(ms: number): void {
    const endMs = this.#elapsedMs + ms;
    for (;;) {
      const due = [...this.#timers].filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#elapsedMs = Math.max(this.#elapsedMs, due.atMs);
      due.task();
    }
    this.#elapsedMs = endMs;
  }
}
