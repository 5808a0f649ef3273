// Files from which the dispatching thread sends what is read, where that is cheaper than to read it into memory: large
// reads of what the page cache holds. What comes from the disk is read by the owner, which may wait for it.
// A file that is lent may leave the log, but is used for nothing else until it comes back.

import { assert } from '../core/assert.ts';
import { FILE_RANGE_BYTES_MIN, FILE_RANGES_LENT_MAX } from '../core/limits.ts';
import type { Clock } from '../core/platform.ts';
import type { Log } from '../storage/log.ts';
import type { ReadRequest } from '../storage/log-options.ts';
import type { Segment } from '../storage/segment.ts';
import type { SegmentRange } from '../storage/segment-range.ts';
import type { LentRange } from './commands.ts';

/** Every so many bytes one is read, to see how long that takes. */
const PROBE_BYTES = 128 * 1024;
/** A probe of the page cache takes one microsecond or two; a disk that answers within this time is nothing to wait for. */
const PROBE_MS_MAX = 0.05;
/** One may be slow because the thread was interrupted. */
const SLOW_PROBES_MAX = 1;

export interface GrantedRange {
  readonly range: LentRange;
  readonly nextOffset: number;
}

export class FileLending {
  readonly #clock: Clock;
  readonly #lent = new Map<number, Segment>();
  #lastId = 0;
  readonly #probe = new Uint8Array(1);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Lends what the request would read. Undefined where it is to be read; throws as {@link Log.range} does. */
  lend(log: Log, request: Omit<ReadRequest, 'memory' | 'minOneBatch'>): GrantedRange | undefined {
    if (request.maxBytes < FILE_RANGE_BYTES_MIN || this.#lent.size >= FILE_RANGES_LENT_MAX) return undefined;
    const found = log.range(request);
    if (found === undefined || found.length < FILE_RANGE_BYTES_MIN) return undefined;
    const { segment, position, length, nextOffset } = found;
    const identity = segment.file.identity?.();
    if (identity === undefined || !this.#isCached(found)) return undefined;
    log.reader.noteServed(request.offset, found);
    this.#lastId += 1;
    this.#lent.set(this.#lastId, segment);
    segment.lentRanges += 1;
    return { range: { id: this.#lastId, path: segment.path, identity, position, length }, nextOffset };
  }

  takeBack(id: number): void {
    const segment = this.#lent.get(id);
    assert(segment !== undefined, 'what comes back was lent');
    this.#lent.delete(id);
    segment.lentRanges -= 1;
  }

  /** Whoever sends it must not wait for the disk, for many others wait for whoever sends. */
  #isCached({ segment, position, length }: SegmentRange): boolean {
    const clock = this.#clock;
    let slow = 0;
    let sinceMs = clock.monotonic();
    for (let at = 0; at < length; at += PROBE_BYTES) {
      segment.file.read(this.#probe, position + at);
      const nowMs = clock.monotonic();
      if (nowMs - sinceMs > PROBE_MS_MAX) slow += 1;
      if (slow > SLOW_PROBES_MAX) return false;
      sinceMs = nowMs;
    }
    return true;
  }
}
