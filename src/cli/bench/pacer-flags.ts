// What a pacer and its thread share.

/** What the thread is given. */
export interface PacerData {
  /** The two words below. */
  readonly flags: Int32Array<SharedArrayBuffer>;
  /** Time of the first tick. */
  readonly startMs: number;
  readonly intervalMs: number;
}

/** 1 once the pacer has ended. */
export const ENDED = 0;
/** 1 while a tick has not been seen. */
export const UNSEEN = 1;
