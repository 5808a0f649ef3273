// What of a log is on stable storage: carries out flushes of segments, sealed indexes and directories, and moves the
// recovery point. It decides nothing about faults; log.ts makes the log read-only after one.

import { assert } from '../core/assert.ts';
import type { Clock } from '../core/platform.ts';
import { parentPath } from './file-names.ts';
import type { Segment, SegmentHome } from './segment.ts';
import { removeTruncation, type Truncation, writeTruncation } from './truncation-marker.ts';

export interface FlusherState {
  readonly recoveryPoint: number;
  /** The log holds records beyond the recovery point. */
  readonly isBehind: boolean;
  readonly directoryUnflushed: boolean;
  readonly parentUnflushed: boolean;
  /** A cut whose old recovery point may still be on record. */
  readonly truncation: Truncation | undefined;
}

/** The part of a log that a flush covers. */
export interface FlushScope {
  readonly segments: readonly Segment[];
  readonly logEndOffset: number;
}

export class LogFlusher {
  readonly #home: SegmentHome;
  readonly #clock: Clock;
  #recoveryPoint: number;
  #unflushedSinceMs: number | undefined;
  /** The first append since the running flush began. */
  #sinceFlushBeganMs: number | undefined;
  #running = false;
  #closed = false;
  /** What the running flush may raise the recovery point to: lowered when the log is cut meanwhile. */
  #endMax = Number.POSITIVE_INFINITY;
  #directoryUnflushed: boolean;
  #parentUnflushed: boolean;
  #truncation: Truncation | undefined;

  constructor(home: SegmentHome, clock: Clock, state: FlusherState) {
    this.#home = home;
    this.#clock = clock;
    this.#recoveryPoint = state.recoveryPoint;
    this.#directoryUnflushed = state.directoryUnflushed;
    this.#parentUnflushed = state.parentUnflushed;
    this.#truncation = state.truncation;
    if (state.isBehind) this.#unflushedSinceMs = clock.monotonic();
  }

  get recoveryPoint(): number {
    return this.#recoveryPoint;
  }

  get unflushedSinceMs(): number | undefined {
    return this.#unflushedSinceMs;
  }

  noteAppend(): void {
    if (this.#unflushedSinceMs !== undefined && !this.#running) return;
    const nowMs = this.#clock.monotonic();
    this.#unflushedSinceMs ??= nowMs;
    if (this.#running) this.#sinceFlushBeganMs ??= nowMs;
  }

  /** Files were created, renamed or removed in the log's directory. */
  noteDirectoryChange(): void {
    this.#directoryUnflushed = true;
  }

  /** The log is about to end at `logEndOffset`, below where it ends now. */
  prepareCut(logEndOffset: number): void {
    const known = this.#truncation?.recoveryPointBefore ?? 0;
    const recoveryPointBefore = Math.max(known, this.#recoveryPoint);
    if (logEndOffset >= recoveryPointBefore) return;
    this.#truncation = { logEndOffset, recoveryPointBefore };
    writeTruncation(this.#home.store, this.#home.directory, this.#truncation);
  }

  /** The log now ends at `logEndOffset`. */
  noteCut(logEndOffset: number): void {
    this.#recoveryPoint = Math.min(this.#recoveryPoint, logEndOffset);
    this.#endMax = Math.min(this.#endMax, logEndOffset);
  }

  async flush(scope: FlushScope): Promise<void> {
    assert(!this.#running, 'one flush at a time');
    const due = unflushed(scope);
    this.#running = true;
    this.#endMax = Number.POSITIVE_INFINITY;
    this.#sinceFlushBeganMs = undefined;
    try {
      const active = scope.segments.at(-1);
      const results = await Promise.allSettled(due.map((segment) => this.#flushSegment(segment, segment !== active)));
      // Closing has flushed everything itself, and has spoken of what failed.
      if (this.#closed) return;
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      this.#flushDirectory();
    } finally {
      this.#running = false;
    }
    this.#advance(Math.min(scope.logEndOffset, this.#endMax), scope);
  }

  flushSync(scope: FlushScope): void {
    for (const segment of unflushed(scope)) {
      segment.unflushed = false;
      segment.file.flushSync();
      if (segment !== scope.segments.at(-1)) segment.flushIndexesSync();
    }
    this.#flushDirectory();
    this.#sinceFlushBeganMs = undefined;
    this.#advance(scope.logEndOffset, scope);
  }

  /** The log is being closed: a flush that is under way changes nothing any more. */
  close(): void {
    this.#closed = true;
  }

  async #flushSegment(segment: Segment, sealed: boolean): Promise<void> {
    const { unflushed } = segment;
    segment.unflushed = false;
    segment.flushing = true;
    try {
      await Promise.all([unflushed ? segment.file.flush() : undefined, sealed ? segment.flushIndexes() : undefined]);
    } finally {
      segment.flushing = false;
    }
    if (sealed && !this.#closed) segment.releaseIndexFiles();
  }

  #flushDirectory(): void {
    const { store, directory } = this.#home;
    if (this.#parentUnflushed) store.flushDirectory(parentPath(directory));
    this.#parentUnflushed = false;
    if (this.#directoryUnflushed) store.flushDirectory(directory);
    this.#directoryUnflushed = false;
  }

  /** Appends during the flush are the ones left; `scope` is as old as the call. */
  #advance(end: number, scope: FlushScope): void {
    assert(end <= scope.logEndOffset, 'a flush covers what was there when it began');
    this.#recoveryPoint = Math.max(this.#recoveryPoint, end);
    if (this.#truncation !== undefined && this.#recoveryPoint >= this.#truncation.recoveryPointBefore) {
      removeTruncation(this.#home.store, this.#home.directory);
      this.#truncation = undefined;
    }
    this.#unflushedSinceMs = this.#sinceFlushBeganMs;
  }
}

/** Indexes of the active segment are left out: after a crash they are rebuilt in any case. */
function unflushed({ segments }: FlushScope): Segment[] {
  const active = segments.at(-1);
  return segments.filter((each) => each.unflushed || each.flushing || (each !== active && each.indexesUnflushed));
}
