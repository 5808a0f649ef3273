// How late the event loop runs its timers: the time during which nobody was served.

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 20;
const NS_PER_S = 1e9;

/** Seconds of delay since the reading before. */
export interface EventLoopDelayReading {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export class EventLoopDelay {
  readonly #histogram: IntervalHistogram;

  constructor() {
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.#histogram.enable();
  }

  /** The delays since the last reading. */
  read(): EventLoopDelayReading {
    const histogram = this.#histogram;
    const isEmpty = histogram.count === 0;
    const reading = {
      p50: isEmpty ? 0 : delaySeconds(histogram.percentile(50)),
      p99: isEmpty ? 0 : delaySeconds(histogram.percentile(99)),
      max: isEmpty ? 0 : delaySeconds(histogram.max),
    };
    histogram.reset();
    return reading;
  }

  close(): void {
    this.#histogram.disable();
  }
}

/** Node records the time between two turns of its timer, which is the interval itself where nothing is late. */
function delaySeconds(nanoseconds: number): number {
  return Math.max(0, nanoseconds / NS_PER_S - RESOLUTION_MS / 1000);
}
