// How long to wait before trying again.

import type { Random } from '../core/platform.ts';

export interface BackoffOptions {
  /** Wait before the first retry, in milliseconds. */
  readonly initialMs: number;
  /** The wait doubles with each retry up to this, in milliseconds. */
  readonly maxMs: number;
}

const UINT32_VALUES = 4_294_967_296;
/** The wait varies by this share either way, so that clients that failed together do not come back together (KIP-580). */
const JITTER = 0.2;

/** The wait before retry number `attempt` (from 1), in milliseconds. */
export function backoffMs(options: BackoffOptions, attempt: number, random: Random): number {
  const doubled = Math.min(options.initialMs * 2 ** (attempt - 1), options.maxMs);
  return doubled * (1 - JITTER + 2 * JITTER * (random.uint32() / UINT32_VALUES));
}
