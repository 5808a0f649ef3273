import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Log } from '../../src/storage/log.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import type { SegmentRange } from '../../src/storage/segment-range.ts';
import { append, openLog, readAll, START_MS } from './fixture.ts';

function bytesOf({ segment, position, length }: SegmentRange): Uint8Array {
  const bytes = new Uint8Array(length);
  expect(segment.file.read(bytes, position)).toBe(length);
  return bytes;
}

function filled(store: MemoryStore, sizes: readonly number[], indexIntervalBytes: number): Log {
  const log = openLog(store, { config: { segmentBytes: 2000, indexIntervalBytes } });
  for (const [index, records] of sizes.entries())
    append(log, { timestamps: Array.from({ length: records }, () => START_MS + index) });
  return log;
}

test('a range is the batches that a read gives, or the first of them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 60 }),
      fc.constantFrom(0, 100, 400),
      fc.array(fc.tuple(fc.nat(400), fc.nat(3000), fc.nat(400)), { minLength: 1, maxLength: 12 }),
      (sizes, interval, requests) => {
        const log = filled(new MemoryStore(), sizes, interval);
        for (const [offset, maxBytes, offsetEnd] of requests) {
          const request = { offset, maxBytes, offsetEnd };
          const range = log.range(request);
          if (range === undefined) continue;
          const read = log.read({ ...request, minOneBatch: true });
          const bytes = bytesOf(range);
          expect(bytes.length).toBeLessThanOrEqual(Math.min(maxBytes, read.length));
          expect(bytes).toEqual(read.subarray(0, bytes.length));
          // It ends where a batch does: the next one is read from there.
          expect(readAll(log, range.nextOffset)[0]?.offset ?? log.logEndOffset).toBe(range.nextOffset);
          expect(range.nextOffset).toBeLessThanOrEqual(offsetEnd);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('readers that go on from range to range get everything, and read only what is near an end', () => {
  const log = filled(
    new MemoryStore(),
    Array.from({ length: 200 }, () => 2),
    100,
  );
  let next = 0;
  let ranged = 0;
  const ends: number[] = [];
  while (next < log.logEndOffset) {
    const request = { offset: next, maxBytes: 1000, offsetEnd: log.logEndOffset };
    const range = log.range(request);
    if (range === undefined) {
      log.read({ ...request, minOneBatch: true });
      next = log.reader.lastEnd;
      continue;
    }
    log.reader.noteServed(next, range);
    ranged += range.nextOffset - next;
    next = range.nextOffset;
    ends.push(next);
  }
  expect(ranged).toBeGreaterThan(0.9 * log.logEndOffset);
  expect(ends).toEqual(ends.toSorted((a, b) => a - b));
});

test('bytes of an earlier process are read, and so checked, before they are a range', () => {
  const store = new MemoryStore();
  filled(
    store,
    Array.from({ length: 60 }, () => 2),
    100,
  ).close();
  const log = openLog(store, { cleanShutdown: true, recoveryPoint: 120, config: { segmentBytes: 2000 } });
  const request = { offset: 0, maxBytes: 1000, offsetEnd: 120 };
  expect(log.range(request)).toBe(undefined);
  const read = log.read({ ...request, minOneBatch: true });
  const range = log.range(request);
  expect(range === undefined ? undefined : bytesOf(range)).toEqual(read.subarray(0, range?.length));
});

test('there is no range over a damaged place, nor where an index leads to what is no batch', () => {
  const store = new MemoryStore();
  const log = filled(
    store,
    Array.from({ length: 30 }, () => 2),
    100,
  );
  const request = { offset: 0, maxBytes: 1000, offsetEnd: log.logEndOffset };
  const range = log.range(request);
  if (range === undefined) throw new Error('there is a range before');
  range.segment.file.write(new Uint8Array(8).fill(0xff), range.position + range.length + 8);
  expect(log.range(request)).toBe(undefined);
});
