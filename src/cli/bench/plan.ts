// What a load is to do, as plain data that can be handed to a thread, and what it tells while it runs and in the end.

import type { CodecName, StartPosition } from '../../client/index.ts';

/** What all loads have in common. */
export interface LoadTarget {
  /** `ws://HOST:PORT` or `kafka://HOST:PORT`. */
  readonly server: string;
  readonly topic: string;
  /** Connections, each with a client of its own. */
  readonly clients: number;
}

/** How long a load goes on: until one of these is reached. */
export interface LoadLimits {
  readonly records: number | undefined;
  /** Of the measurement, without the warm-up. */
  readonly seconds: number | undefined;
  readonly warmUpSeconds: number;
}

export interface ProducerSettings {
  readonly acks: 0 | 1 | 'all';
  readonly compression: CodecName | undefined;
  readonly batchBytes: number | undefined;
  readonly bufferBytes: number | undefined;
  readonly lingerMs: number | undefined;
  readonly maxInFlight: number | undefined;
  readonly isIdempotent: boolean | undefined;
}

export interface RecordSettings {
  /** Bytes of a value. */
  readonly recordBytes: number;
  /** A file whose lines are the values, in turn. */
  readonly payloadFile: string | undefined;
  /** How many keys the records have in turn; undefined for none. */
  readonly keys: number | undefined;
}

export interface ProducePlan extends LoadTarget, LoadLimits {
  readonly kind: 'produce';
  readonly producer: ProducerSettings;
  readonly records: number | undefined;
  readonly content: RecordSettings;
  /** Records a second of all clients together; undefined for as many as can be. */
  readonly rate: number | undefined;
}

export interface LatencyPlan extends LoadTarget, LoadLimits {
  readonly kind: 'latency';
  readonly producer: ProducerSettings;
  readonly content: RecordSettings;
  readonly rate: number;
}

export interface ConsumePlan extends LoadTarget, LoadLimits {
  readonly kind: 'consume';
  readonly from: StartPosition;
  /** Goes on behind the end that the topic had at the beginning. */
  readonly follows: boolean;
  readonly fetchBytes: number | undefined;
  readonly partitionBytes: number | undefined;
}

export type LoadPlan = ProducePlan | LatencyPlan | ConsumePlan;

/** The clients of one thread among all clients. */
export interface LoadShare {
  readonly firstClient: number;
  readonly clients: number;
}

/** What has been acknowledged or received since the measurement began. */
export interface LoadCount {
  readonly records: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
}

/** What one thread's share of a load came to. Times are of the {@link MonotonicClock}, in milliseconds. */
export interface LoadResult extends LoadCount {
  readonly beganAtMs: number;
  readonly endedAtMs: number;
  /** Encoded by `LatencyHistogram`: from the time at which a record was due; undefined where nothing is timed. */
  readonly latencies: string | undefined;
  /** From the time at which a record was given to the client. */
  readonly uncorrected: string | undefined;
}

/** Part of a whole that falls to one client, the remainder to the first ones. */
export function shareOf(whole: number, client: number, clients: number): number {
  return Math.floor(whole / clients) + (client < whole % clients ? 1 : 0);
}
