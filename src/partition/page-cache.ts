// The operating system's cache of a partition's files, seen from the owner: whether it holds a range, and how to make it.
// Readers that wait for the disk and go on have their next range brought in before they come, while nobody waits for the
// owner. Nothing is kept here of what is read.

import { LogFault } from '../core/fault.ts';
import { READ_AHEAD_WISHES_MAX } from '../core/limits.ts';
import type { Clock } from '../core/platform.ts';
import type { Segment } from '../storage/segment.ts';
import type { SegmentRange } from '../storage/segment-range.ts';

/** Every so many bytes one is read, to see how long that takes. */
const PROBE_BYTES = 128 * 1024;
/** A probe of the cache takes one microsecond or two; a disk that answers within this time is nothing to wait for. */
const PROBE_MS_MAX = 0.05;
/** One may be slow because the thread was interrupted. */
const SLOW_PROBES_MAX = 1;
/** Small enough for the processor's caches. */
const READ_BYTES = 128 * 1024;

type FilePart = Pick<SegmentRange, 'segment' | 'position' | 'length'>;

export interface PageCacheOptions {
  readonly clock: Clock;
  /** Calls back once what has arrived was served; without it nothing is brought in ahead. */
  readonly later?: ((action: () => void) => void) | undefined;
}

export class PageCache {
  readonly #options: PageCacheOptions;
  readonly #probe = new Uint8Array(1);
  /** What is read into it is not looked at; made when something is read. */
  #sink: Uint8Array | undefined;
  /** Ranges to be brought in, the oldest first. */
  #wishes: FilePart[] = [];
  /** What was brought in last of a segment, until somebody comes for it; the longest known first. */
  readonly #broughtIn = new Map<Segment, FilePart>();
  #isDue = false;
  readonly #step = (): void => {
    this.#isDue = false;
    const wish = this.#wishes.shift();
    if (wish !== undefined) this.#fulfil(wish);
    this.#stepLater();
  };

  constructor(options: PageCacheOptions) {
    this.#options = options;
  }

  /** Makes sure that the range is there for a reader, waiting for the disk where need be. Throws LogFault ERR_STORAGE. */
  provide(part: FilePart): void {
    const { segment, position, length } = part;
    const wasBroughtIn = this.#wasBroughtIn(part);
    const isThere = this.#holds(part);
    if (!isThere) this.#read(part);
    // The next one is about as long, and may end a batch later.
    if (!isThere || wasBroughtIn) this.#expect({ segment, position: position + length, length: length + PROBE_BYTES });
  }

  #wasBroughtIn({ segment, position }: FilePart): boolean {
    const part = this.#broughtIn.get(segment);
    const wasThis = part !== undefined && part.position <= position && position < part.position + part.length;
    if (wasThis) this.#broughtIn.delete(segment);
    return wasThis;
  }

  #holds({ segment, position, length }: FilePart): boolean {
    const { clock } = this.#options;
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

  #read({ segment, position, length }: FilePart): void {
    this.#sink ??= new Uint8Array(READ_BYTES);
    for (let at = 0; at < length; at += READ_BYTES)
      segment.file.read(this.#sink.subarray(0, Math.min(READ_BYTES, length - at)), position + at);
  }

  #expect({ segment, position, length }: FilePart): void {
    const left = segment.sizeBytes - position;
    if (left <= 0 || this.#wishes.length >= READ_AHEAD_WISHES_MAX) return;
    this.#wishes.push({ segment, position, length: Math.min(length, left) });
    this.#stepLater();
  }

  #stepLater(): void {
    const { later } = this.#options;
    if (this.#isDue || this.#wishes.length === 0 || later === undefined) return;
    this.#isDue = true;
    later(this.#step);
  }

  #fulfil(wish: FilePart): void {
    const { segment } = wish;
    if (segment.hasLeft) return;
    try {
      // Where it is there by itself the reader does not wait any more.
      if (this.#holds(wish)) return;
      this.#read(wish);
      this.#broughtIn.delete(segment);
      this.#broughtIn.set(segment, wish);
      for (const oldest of this.#broughtIn.keys()) {
        if (this.#broughtIn.size <= READ_AHEAD_WISHES_MAX) break;
        this.#broughtIn.delete(oldest);
      }
    } catch (error) {
      // The reader will meet the fault itself.
      if (!(error instanceof LogFault)) throw error;
    }
  }
}
