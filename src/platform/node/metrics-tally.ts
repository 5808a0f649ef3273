// Counting finished requests at the price of a few additions: prom-client's own counters hash their labels at every
// call, which at 100,000 requests a second is a good part of the thread. What is counted here is handed to prom-client
// when it is scraped.

import type { RequestObservation, RequestObserver } from '../../broker/request-handler.ts';

/** Upper bounds of the latency buckets, in milliseconds. */
export const LATENCY_BOUNDS_MS = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
] as const;

/** What was counted of one API. */
export class ApiTally {
  readonly api: string;
  /** Requests that succeeded, which nearly all do. */
  succeeded = 0;
  /** Requests that failed, by Kafka error code. */
  readonly failed = new Map<number, number>();
  requestBytes = 0;
  responseBytes = 0;
  elapsedMs = 0;
  /** Requests by bucket, not cumulated; the last is without bound. */
  readonly buckets = new Float64Array(LATENCY_BOUNDS_MS.length + 1);

  constructor(api: string) {
    this.api = api;
  }

  add(request: RequestObservation): void {
    if (request.errorCode === 0) this.succeeded += 1;
    else this.failed.set(request.errorCode, (this.failed.get(request.errorCode) ?? 0) + 1);
    this.requestBytes += request.requestBytes;
    this.responseBytes += request.responseBytes;
    this.elapsedMs += request.elapsedMs;
    const bucket = bucketOf(request.elapsedMs);
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
  }
}

function bucketOf(elapsedMs: number): number {
  let bucket = 0;
  for (const bound of LATENCY_BOUNDS_MS) {
    if (elapsedMs <= bound) return bucket;
    bucket += 1;
  }
  return bucket;
}

/** Tallies by API. Their number is bounded by the APIs that the broker serves, which is who names them. */
export class RequestTally implements RequestObserver {
  readonly #apis = new Map<string, ApiTally>();

  observe(request: RequestObservation): void {
    let tally = this.#apis.get(request.api);
    if (tally === undefined) {
      tally = new ApiTally(request.api);
      this.#apis.set(request.api, tally);
    }
    tally.add(request);
  }

  apis(): Iterable<ApiTally> {
    return this.#apis.values();
  }
}
