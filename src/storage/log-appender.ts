// The way of batches into a log's active segment: they are staged with what must not fail later, then written in one go,
// and count only when they all stand in the file. It decides nothing about faults; log.ts makes the log read-only after one.

import { BATCH_HEADER_BYTES } from '../../assembly/shared/batch-layout.ts';
import { assert } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import type { Clock } from '../core/platform.ts';
import { baseOffsetOf } from '../wasm/batch-header.ts';
import { AppendRun, type StagingMemory } from './append-run.ts';
import type { AppendInfo } from './log-options.ts';
import type { Segment, SegmentHome } from './segment.ts';
import { largestTimestampOf } from './timestamps.ts';

/** The log, as far as appends go. */
export interface AppendTarget {
  active(): Segment;
  logEndOffset(): number;
  /** Seals the active segment and begins one at the log end. */
  roll(): void;
  /** Batches stand in the file up to `logEndOffset`, which is the log end from now on. */
  appended(logEndOffset: number): void;
}

export interface LogAppenderOptions {
  readonly clock: Clock;
  readonly staging: StagingMemory | undefined;
  /** The active segment's end was compared with its last batch, or written by this process. */
  readonly tailChecked: boolean;
}

export class LogAppender {
  readonly #home: SegmentHome;
  readonly #log: AppendTarget;
  readonly #clock: Clock;
  readonly #run: AppendRun;
  #tailChecked: boolean;

  constructor(home: SegmentHome, log: AppendTarget, options: LogAppenderOptions) {
    this.#home = home;
    this.#log = log;
    this.#clock = options.clock;
    this.#run = new AppendRun(options.staging);
    this.#tailChecked = options.tailChecked;
  }

  /** Offset behind everything that was staged. */
  get nextOffset(): number {
    return (this.#run.lastOffset ?? this.#log.logEndOffset() - 1) + 1;
  }

  get hasStaged(): boolean {
    return this.#run.count > 0;
  }

  /** The active segment ends where this process made it end. */
  trustTail(): void {
    this.#tailChecked = true;
  }

  /**
   * Takes a batch; what was staged before is written first where the batch needs a new segment. Returns whether
   * {@link commit} must follow at once. After a throw nothing is staged any more.
   */
  stage(batch: Uint8Array, info: AppendInfo, stays: boolean): boolean {
    assert(batch.length >= BATCH_HEADER_BYTES, 'a batch has a header');
    assert(info.baseOffset === this.nextOffset, 'a batch begins where the log ends');
    assert(baseOffsetOf(batch) === info.baseOffset, 'the batch carries its base offset');
    try {
      if (this.#tailChecked) return this.#stage(batch, info, stays);
      const safe = batch.slice();
      this.#checkTail();
      return this.#stage(safe, info, true);
    } catch (error) {
      this.#run.clear();
      throw error;
    }
  }

  /** Writes what is staged. After a throw the log is as it was before all of it. */
  commit(): void {
    const run = this.#run;
    const { lastOffset } = run;
    if (lastOffset === undefined) return;
    try {
      const active = this.#log.active();
      active.write(run.pieces());
      for (const batch of run.batches) active.note(batch);
    } finally {
      run.clear();
    }
    this.#log.appended(lastOffset + 1);
  }

  /** Forgets what is staged. */
  abandon(): void {
    this.#run.clear();
  }

  #stage(batch: Uint8Array, info: AppendInfo, stays: boolean): boolean {
    const run = this.#run;
    const { lastOffset, maxTimestamp } = info;
    if (this.#log.active().isFullFor({ bytes: batch.length, lastOffset, maxTimestamp }, run)) {
      this.commit();
      this.#log.roll();
    }
    const { epochs } = this.#home;
    assert(info.leaderEpoch >= epochs.latestEpoch, 'leader epochs do not go back');
    if (info.leaderEpoch > epochs.latestEpoch) epochs.assign(info.leaderEpoch, info.baseOffset);
    const active = this.#log.active();
    if (active.sizeBytes === 0 && run.count === 0) active.sinceMs = this.#clock.now();
    active.prepareAppend(run);
    return run.add(batch, info, stays);
  }

  /** After a clean start, before the first append: the file ends where its last batch does, or it was changed since. */
  #checkTail(): void {
    const active = this.#log.active();
    const logEndOffset = this.#log.logEndOffset();
    if (active.sizeBytes > 0 && !active.endsWithBatchBefore(logEndOffset)) {
      const where = `${active.path}: at offset ${logEndOffset}, position ${active.lastBatchPosition}`;
      throw new LogFault('ERR_CORRUPT_LOG', `${where}: the file was changed after it had been closed`);
    }
    largestTimestampOf(active, this.#home);
    this.#tailChecked = true;
  }
}
