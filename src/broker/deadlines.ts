// Deadlines of many waits with one timer: a binary heap whose items know their place, so that a wait which ends early
// leaves at once. The timer is set for the earliest deadline seen; idle waits cost nothing until then.

import { assert, present } from '../core/assert.ts';
import type { Clock, TimerHandle } from '../core/platform.ts';

/** Something that ends at a time of the monotonic clock, in milliseconds. */
export interface Deadline {
  readonly deadlineMs: number;
  /** Place in the heap; -1 while it is in none. Owned by {@link Deadlines}. */
  heapIndex: number;
  expire(): void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #heap: Deadline[] = [];
  #timer: TimerHandle | undefined;
  #timerMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(item: Deadline): void {
    assert(item.heapIndex === -1, 'a deadline is in one heap once');
    item.heapIndex = this.#heap.length;
    this.#heap.push(item);
    this.#rise(item.heapIndex);
    if (item.deadlineMs < this.#timerMs) this.#arm(item.deadlineMs);
  }

  /** Takes the item out; no error where it is not in. */
  remove(item: Deadline): void {
    const index = item.heapIndex;
    if (index < 0) return;
    item.heapIndex = -1;
    const last = present(this.#heap.pop(), 'last deadline');
    if (last === item) return;
    this.#heap[index] = last;
    last.heapIndex = index;
    this.#rise(index);
    this.#sink(last.heapIndex);
  }

  /** Nothing ends by time any more. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(deadlineMs: number): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timerMs = deadlineMs;
    // Timers of the platform may fire up to a millisecond early against the monotonic clock.
    const delayMs = Math.max(0, Math.ceil(deadlineMs - this.#clock.monotonic()));
    this.#timer = this.#clock.schedule(delayMs, () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerMs = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    for (let first = this.#heap[0]; first !== undefined && first.deadlineMs <= now; first = this.#heap[0]) {
      this.remove(first);
      first.expire();
    }
    const next = this.#heap[0];
    if (next !== undefined) this.#arm(next.deadlineMs);
  }

  #rise(from: number): void {
    let index = from;
    const item = present(this.#heap[index], 'deadline');
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = present(this.#heap[parentIndex], 'parent deadline');
      if (parent.deadlineMs <= item.deadlineMs) break;
      this.#put(parent, index);
      index = parentIndex;
    }
    this.#put(item, index);
  }

  #sink(from: number): void {
    let index = from;
    const item = present(this.#heap[index], 'deadline');
    for (;;) {
      const child = this.#earlierChild(index);
      if (child === undefined || child.deadlineMs >= item.deadlineMs) break;
      const childIndex = child.heapIndex;
      this.#put(child, index);
      index = childIndex;
    }
    this.#put(item, index);
  }

  #earlierChild(index: number): Deadline | undefined {
    const left = this.#heap[2 * index + 1];
    const right = this.#heap[2 * index + 2];
    if (left === undefined || right === undefined) return left;
    return left.deadlineMs <= right.deadlineMs ? left : right;
  }

  #put(item: Deadline, index: number): void {
    this.#heap[index] = item;
    item.heapIndex = index;
  }
}
