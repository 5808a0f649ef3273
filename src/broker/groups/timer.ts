// One timer of a group or of a member. Thousands of them share one timer of the platform (see deadlines.ts).

import type { Clock } from '../../core/platform.ts';
import type { Deadline, Deadlines } from '../deadlines.ts';

export interface Timers {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
}

export class GroupTimer implements Deadline {
  readonly #timers: Timers;
  readonly #task: () => void;
  deadlineMs = 0;
  heapIndex = -1;

  constructor(timers: Timers, task: () => void) {
    this.#timers = timers;
    this.#task = task;
  }

  get isSet(): boolean {
    return this.heapIndex >= 0;
  }

  /** Calls the task once after `delayMs`, in place of what was set before. */
  set(delayMs: number): void {
    const { clock, deadlines } = this.#timers;
    deadlines.remove(this);
    this.deadlineMs = clock.monotonic() + delayMs;
    deadlines.add(this);
  }

  cancel(): void {
    this.#timers.deadlines.remove(this);
  }

  /** For {@link Deadlines} alone. */
  expire(): void {
    this.#task();
  }
}
