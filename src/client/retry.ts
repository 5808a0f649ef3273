// Trying again: for requests that may be sent twice without harm.

import type { Clock, Random } from '../core/platform.ts';
import { type BackoffOptions, backoffMs } from './backoff.ts';
import { isRetriable } from './broker-fault.ts';
import { delay } from './client-clock.ts';

export interface RetryOptions extends BackoffOptions {
  /** How often a retriable failure is tried again. */
  readonly retries: number;
}

export interface RetryContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly signal?: AbortSignal;
}

/** Runs `attempt` until it succeeds, fails for good, or has been retried often enough: then its last error is thrown. */
export async function retrying<T>(options: RetryOptions, context: RetryContext, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      failures++;
      if (!isRetriable(error) || failures > options.retries || context.signal?.aborted) throw error;
    }
    await delay(context.clock, backoffMs(options, failures, context.random), context.signal);
  }
}
