// What a session needs to go on over another transport, after its host has slept: plain data that survives as JSON.

import type { Encoding } from './json-protocol.ts';

export interface SavedSubscription {
  readonly name: string;
  readonly topic: string;
  readonly credit: number;
  readonly keyEncoding: Encoding;
  readonly valueEncoding: Encoding;
  /** Partitions and the offsets of the next records to send. */
  readonly positions: readonly (readonly [partition: number, offset: number])[];
}

/** Of a session that speaks Kafka frames nothing is left between two requests: it has no subscriptions. */
export interface SavedSession {
  readonly subscriptions: readonly SavedSubscription[];
  /** Subscriptions made so far: those without a name of their own are numbered. */
  readonly subscriptionCount: number;
}

export const NOTHING_SAVED: SavedSession = { subscriptions: [], subscriptionCount: 0 };
