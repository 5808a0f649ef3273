// The time of a broker under test: it passes by itself, and a test may let more of it pass at once. Frozen, only the test
// moves it.

import { LogFault } from '../core/fault.ts';
import type { Clock, TimerHandle } from '../core/platform.ts';

export interface TestClockOptions {
  /** The time that passes by itself. */
  readonly source: Clock;
  /** Nothing passes but what the test says. */
  readonly isFrozen: boolean;
  /** Resolves when everything that waits for no time has happened. */
  readonly turn: () => Promise<void>;
}

interface Timer {
  readonly dueMs: number;
  readonly task: () => void;
  /** Its timer in the time that passes by itself. */
  running: TimerHandle | undefined;
}

export class TestClock implements Clock {
  readonly #options: TestClockOptions;
  readonly #startedMs: number;
  readonly #startedMonotonicMs: number;
  readonly #timers = new Set<Timer>();
  #advancedMs = 0;

  constructor(options: TestClockOptions) {
    this.#options = options;
    this.#startedMs = options.source.now();
    this.#startedMonotonicMs = options.source.monotonic();
  }

  /** Milliseconds since 1970, as the broker sees them. */
  now(): number {
    return (this.#options.isFrozen ? this.#startedMs : this.#options.source.now()) + this.#advancedMs;
  }

  monotonic(): number {
    const { isFrozen, source } = this.#options;
    return (isFrozen ? this.#startedMonotonicMs : source.monotonic()) + this.#advancedMs;
  }

  schedule(delayMs: number, task: () => void): TimerHandle {
    const timer: Timer = { dueMs: this.monotonic() + delayMs, task, running: undefined };
    this.#timers.add(timer);
    this.#run(timer);
    return { cancel: () => this.#forget(timer) };
  }

  /**
   * Lets time pass at once, as for a machine that slept: what became due happens, each once, in the order of its time.
   * Resolves when it has, and what followed from it in memory. Throws ERR_USAGE for a time that goes back.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new LogFault('ERR_USAGE', `clock.advance takes milliseconds that pass, not ${ms}`);
    this.#advancedMs += ms;
    for (const timer of this.#timers) this.#run(timer);
    for (let due = this.#due(); due.length > 0; due = this.#due()) {
      for (const timer of due) if (this.#timers.has(timer)) this.#fire(timer);
      await this.#options.turn();
    }
    await this.#options.turn();
  }

  /** Timers of the broker that wait now. */
  get timerCount(): number {
    return this.#timers.size;
  }

  #due(): Timer[] {
    const nowMs = this.monotonic();
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= nowMs);
    return due.sort((one, other) => one.dueMs - other.dueMs);
  }

  /** (Re)starts the timer for what is left of it. */
  #run(timer: Timer): void {
    // What waits for no time happens in time that does not pass, too.
    if (this.#options.isFrozen && timer.dueMs > this.monotonic()) return;
    timer.running?.cancel();
    timer.running = this.#options.source.schedule(Math.max(0, timer.dueMs - this.monotonic()), () => this.#fire(timer));
  }

  #fire(timer: Timer): void {
    this.#forget(timer);
    timer.task();
  }

  #forget(timer: Timer): void {
    timer.running?.cancel();
    this.#timers.delete(timer);
  }
}
