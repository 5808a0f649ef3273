// Files from which the dispatching thread sends what is read, where that is cheaper than to read it into memory. The owner
// makes sure that the page cache holds it, because it may wait for the disk.
// A file that is lent may leave the log, but is used for nothing else until it comes back.

import { assert } from '../core/assert.ts';
import { FILE_RANGE_BYTES_MIN, FILE_RANGES_LENT_MAX } from '../core/limits.ts';
import type { Log } from '../storage/log.ts';
import type { ReadRequest } from '../storage/log-options.ts';
import type { Segment } from '../storage/segment.ts';
import type { LentRange } from './commands.ts';
import type { PageCache } from './page-cache.ts';

export interface GrantedRange {
  readonly range: LentRange;
  readonly nextOffset: number;
}

export class FileLending {
  readonly #pageCache: PageCache;
  readonly #lent = new Map<number, Segment>();
  #lastId = 0;

  constructor(pageCache: PageCache) {
    this.#pageCache = pageCache;
  }

  /** Lends what the request would read. Undefined where it is to be read; throws as {@link Log.range} does. */
  lend(log: Log, request: Omit<ReadRequest, 'memory' | 'minOneBatch'>): GrantedRange | undefined {
    if (request.maxBytes < FILE_RANGE_BYTES_MIN || this.#lent.size >= FILE_RANGES_LENT_MAX) return undefined;
    const found = log.range(request);
    if (found === undefined || found.length < FILE_RANGE_BYTES_MIN) return undefined;
    const { segment, position, length, nextOffset } = found;
    const identity = segment.file.identity?.();
    if (identity === undefined) return undefined;
    // Whoever sends it must not wait for the disk, for many others wait for whoever sends.
    this.#pageCache.provide(found);
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
}
