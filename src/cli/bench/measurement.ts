// What a load has brought about since its measurement began: counts, times, latencies.

import { LatencyHistogram } from './latency-histogram.ts';
import type { LoadCount, LoadLimits, LoadResult } from './plan.ts';

export class Measurement {
  /** What happens before is warm-up. */
  readonly fromMs: number;
  /** Nothing is begun from here on. */
  readonly untilMs: number;
  #records = 0;
  #bytes = 0;
  #endedAtMs: number;
  #isStopped = false;
  readonly #latencies = new LatencyHistogram();
  readonly #uncorrected = new LatencyHistogram();

  constructor(startMs: number, { warmUpSeconds, seconds }: LoadLimits) {
    this.fromMs = startMs + warmUpSeconds * 1000;
    this.untilMs = seconds === undefined ? Number.POSITIVE_INFINITY : this.fromMs + seconds * 1000;
    this.#endedAtMs = this.fromMs;
  }

  get count(): LoadCount {
    return { records: this.#records, bytes: this.#bytes };
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Nothing more is to be begun. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Records have arrived at `nowMs`. */
  add(records: number, bytes: number, nowMs: number): void {
    this.#records += records;
    this.#bytes += bytes;
    this.#endedAtMs = Math.max(this.#endedAtMs, nowMs);
  }

  /** So many records took this long, from when they were due, and from when they were given to the client. */
  time(sinceDueMs: number, sinceGivenMs: number, records: number): void {
    this.#latencies.record(sinceDueMs, records);
    this.#uncorrected.record(sinceGivenMs, records);
  }

  result(): LoadResult {
    const isTimed = this.#latencies.count > 0;
    return {
      ...this.count,
      beganAtMs: this.fromMs,
      endedAtMs: this.#endedAtMs,
      latencies: isTimed ? this.#latencies.encode() : undefined,
      uncorrected: isTimed ? this.#uncorrected.encode() : undefined,
    };
  }
}
