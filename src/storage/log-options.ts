// What a log is opened with, and what goes in and out of it.

import type { BatchCodecs } from '../core/compression.ts';
import type { Clock, Store } from '../core/platform.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { StagingMemory } from './append-run.ts';
import type { LogConfig } from './log-config.ts';
import type { ReadLimits } from './segment-read.ts';
import type { Damage } from './segment-scan.ts';

export interface LogOptions {
  readonly store: Store;
  readonly kernels: Kernels;
  readonly clock: Clock;
  /** For looking into compressed batches; without them each answers as a whole. */
  readonly codecs?: BatchCodecs | undefined;
  /** Where small batches wait for their common write; without it each is a buffer of its own. */
  readonly staging?: StagingMemory | undefined;
  /** `<topic>-<partition>`, in the store. */
  readonly directory: string;
  /** As Kafka prints it: base64url of 16 bytes. */
  readonly topicId: string;
  readonly config: LogConfig;
  /** Offset up to which the log was known to be on stable storage. */
  readonly recoveryPoint: number;
  /** Log start offset as checkpointed last. */
  readonly logStartOffset: number;
  /** The log was closed in order by the process before, and `recoveryPoint` is its end. */
  readonly cleanShutdown: boolean;
}

export interface AppendInfo {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Largest timestamp in the batch, as its header says; -1 for none. */
  readonly maxTimestamp: number;
  /** The time index names the batch's last offset, as Kafka's does; lookups find the record in the batch. */
  readonly offsetOfMaxTimestamp: number;
  readonly leaderEpoch: number;
}

export interface ReadRequest extends ReadLimits {
  readonly offset: number;
}

/** A segment as tools show it. */
export interface SegmentDescription {
  readonly path: string;
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly sizeBytes: number;
  readonly offsetIndexEntries: number;
  readonly timeIndexEntries: number;
  readonly damages: readonly Damage[];
}
