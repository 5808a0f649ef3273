// When the records of one client are due: at a fixed rate from a fixed time, whatever became of those before. So a stall
// of the broker counts against every record that it held up, also those that were not even written (coordinated omission).

export interface ScheduleOptions {
  /** When the first record is due, in milliseconds. */
  readonly startMs: number;
  readonly intervalMs: number;
}

export class Schedule {
  readonly #options: ScheduleOptions;

  constructor(options: ScheduleOptions) {
    this.#options = options;
  }

  /** When the record of this number, from 0, is due. */
  dueMs(index: number): number {
    return this.#options.startMs + index * this.#options.intervalMs;
  }

  /** How many records are due before a time: the number of the first one that is not. */
  dueBefore(ms: number): number {
    const { startMs, intervalMs } = this.#options;
    return Math.max(0, Math.ceil((ms - startMs) / intervalMs));
  }
}
