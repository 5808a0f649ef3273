// Latencies by hdr-histogram: from one microsecond to an hour, three digits.

import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64, type Histogram } from 'hdr-histogram-js';

const MICROSECONDS_MAX = 3_600_000_000;
const DIGITS = 3;
const MICROSECONDS_PER_MS = 1000;

/** Percentiles in milliseconds. */
export interface LatencySummary {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly mean: number;
}

export class LatencyHistogram {
  readonly #histogram: Histogram;

  constructor(histogram?: Histogram) {
    this.#histogram =
      histogram ??
      build({
        bitBucketSize: 64,
        lowestDiscernibleValue: 1,
        highestTrackableValue: MICROSECONDS_MAX,
        numberOfSignificantValueDigits: DIGITS,
        autoResize: false,
        useWebAssembly: false,
      });
  }

  static decode(encoded: string): LatencyHistogram {
    return new LatencyHistogram(decodeFromCompressedBase64(encoded, 64, false));
  }

  encode(): string {
    return encodeIntoCompressedBase64(this.#histogram);
  }

  get count(): number {
    return this.#histogram.totalCount;
  }

  record(ms: number, count: number): void {
    const microseconds = Math.min(Math.max(Math.round(ms * MICROSECONDS_PER_MS), 1), MICROSECONDS_MAX);
    this.#histogram.recordValueWithCount(microseconds, count);
  }

  add(other: LatencyHistogram): void {
    this.#histogram.add(other.#histogram);
  }

  reset(): void {
    this.#histogram.reset();
  }

  summary(): LatencySummary {
    const at = (percentile: number): number => this.#histogram.getValueAtPercentile(percentile) / MICROSECONDS_PER_MS;
    const mean = Math.round(this.#histogram.mean) / MICROSECONDS_PER_MS;
    return { p50: at(50), p95: at(95), p99: at(99), p999: at(99.9), max: at(100), mean };
  }
}
