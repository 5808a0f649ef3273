import { expect, test } from 'vitest';
import type { Clock } from '../../src/core/platform.ts';
import { PageCache } from '../../src/partition/page-cache.ts';
import { systemClock } from '../../src/platform/node/clock.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import type { Segment } from '../../src/storage/segment.ts';
import { append, FIRST_LOG, openLog } from '../storage/fixture.ts';

const PAGE_BYTES = 4096;
const RANGE_BYTES = 512 * 1024;
const DISK_MS = 0.2;

/** A segment on a disk whose pages are slow until they were read once. */
class SlowDisk {
  readonly cached = new Set<number>();
  nowMs = 0;
  /** What waits until nobody else does. */
  readonly later: (() => void)[] = [];
  readonly pageCache: PageCache;
  readonly segment: Segment;

  constructor() {
    const store = new MemoryStore();
    const log = openLog(store, { config: { segmentBytes: 1 << 26, indexIntervalBytes: 4096 } });
    for (let index = 0; index < 40; index++) append(log, { value: 'x'.repeat(100_000) });
    const range = log.range({ offset: 0, maxBytes: RANGE_BYTES, offsetEnd: log.logEndOffset });
    if (range === undefined) throw new Error('a log of 40 batches has a range');
    this.segment = range.segment;
    store.onRead = (path, position, length) => {
      if (path === FIRST_LOG) this.#readPages(position, length);
    };
    const clock: Clock = { ...systemClock, monotonic: () => this.nowMs };
    this.pageCache = new PageCache({ clock, later: (action) => this.later.push(action) });
  }

  #readPages(position: number, length: number): void {
    for (let page = Math.floor(position / PAGE_BYTES); page * PAGE_BYTES < position + length; page++) {
      if (!this.cached.has(page)) this.nowMs += DISK_MS;
      this.cached.add(page);
    }
  }

  provide(position: number): void {
    this.pageCache.provide({ segment: this.segment, position, length: RANGE_BYTES });
  }

  holds(position: number): boolean {
    for (let at = position; at < position + RANGE_BYTES; at += PAGE_BYTES)
      if (!this.cached.has(Math.floor(at / PAGE_BYTES))) return false;
    return true;
  }

  /** Everything is in the cache from now on. */
  warm(): void {
    this.#readPages(0, this.segment.sizeBytes);
  }

  runLater(): void {
    for (const action of this.later.splice(0)) action();
  }
}

test('what comes from the disk is there when it was provided, and so is the next range before its reader comes', () => {
  const disk = new SlowDisk();
  disk.provide(0);
  expect(disk.holds(0)).toBe(true);
  expect(disk.holds(RANGE_BYTES)).toBe(false);
  for (let position = RANGE_BYTES; position < 5 * RANGE_BYTES; position += RANGE_BYTES) {
    disk.runLater();
    expect(disk.holds(position)).toBe(true);
    const before = disk.nowMs;
    disk.provide(position);
    expect(disk.nowMs).toBe(before);
  }
});

test('of what is cached nothing but a byte here and there is read, and nothing ahead of it', () => {
  const disk = new SlowDisk();
  disk.warm();
  let bytes = 0;
  const { read } = disk.segment.file;
  disk.segment.file.read = (target, position) => {
    bytes += target.length;
    return read.call(disk.segment.file, target, position);
  };
  disk.provide(0);
  expect(bytes).toBe(4);
  expect(disk.later).toEqual([]);
});

test('a reader that does not wait any more is not read ahead of', () => {
  const disk = new SlowDisk();
  disk.provide(0);
  disk.warm();
  disk.runLater();
  disk.provide(RANGE_BYTES);
  disk.runLater();
  expect(disk.later).toEqual([]);
});

test('a segment that has left its log is not read, nor is anything behind its end', () => {
  const disk = new SlowDisk();
  disk.provide(0);
  disk.segment.leave();
  const before = disk.nowMs;
  disk.runLater();
  expect(disk.nowMs).toBe(before);
  const other = new SlowDisk();
  other.provide(other.segment.sizeBytes - RANGE_BYTES);
  expect(other.later).toEqual([]);
});
