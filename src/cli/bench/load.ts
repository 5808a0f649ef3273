// What a load is to whoever runs it, in this thread or in others.

import type { LoadCount, LoadResult } from './plan.ts';

/** One thread's share of a load. */
export interface Load {
  /** Connects its clients. */
  open(): Promise<void>;
  /** Begins at a time of the {@link MonotonicClock}; resolves when everything has been done and acknowledged. */
  run(startMs: number): Promise<LoadResult>;
  /** Begins nothing further, so that `run` ends. */
  stop(): void;
  /** What has been done by now. */
  readonly count: LoadCount;
  close(): void;
}

export const NOTHING: LoadCount = { records: 0, bytes: 0 };
