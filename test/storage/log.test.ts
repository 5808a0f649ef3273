import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { append, DIRECTORY, FIRST_LOG, HandClock, openLog, readAll, START_MS, TOPIC_ID } from './fixture.ts';

const SMALL_SEGMENTS = { segmentBytes: 1000, indexIntervalBytes: 200 };

function filled(count: number, store = new MemoryStore(), config = {}) {
  const log = openLog(store, { config });
  for (let index = 0; index < count; index++) append(log, { timestamps: [START_MS + index, START_MS + index] });
  return { log, store };
}

test('what was appended is read back from every offset, in order', () => {
  const { log } = filled(60, new MemoryStore(), SMALL_SEGMENTS);
  expect(log.describe().length).toBeGreaterThan(3);
  expect(log.logEndOffset).toBe(120);
  for (let offset = 0; offset < 120; offset++) {
    const values = readAll(log, offset, 500);
    expect(values.map((each) => each.offset)).toEqual(
      Array.from({ length: 120 - offset }, (_, index) => offset + index),
    );
    expect(values[0]?.value).toBe(`${offset} value`);
  }
});

test('a fetch inside a batch gives that whole batch', () => {
  const { log } = filled(3);
  const bytes = log.read({ offset: 3, maxBytes: 1 << 20, minOneBatch: true, offsetEnd: 4 });
  expect(new DataView(bytes.buffer).getBigInt64(0)).toBe(2n);
  expect(bytes.byteOffset).toBe(0);
});

test('a read stays within maxBytes unless one batch is asked for, and never reaches offsetEnd', () => {
  const { log } = filled(10);
  const one = log.read({ offset: 0, maxBytes: 1, minOneBatch: true, offsetEnd: 20 });
  expect(log.read({ offset: 0, maxBytes: one.length - 1, minOneBatch: false, offsetEnd: 20 }).length).toBe(0);
  expect(log.read({ offset: 0, maxBytes: one.length * 2.5, minOneBatch: false, offsetEnd: 20 }).length).toBe(
    one.length * 2,
  );
  expect(log.read({ offset: 0, maxBytes: 1 << 20, minOneBatch: true, offsetEnd: 6 }).length).toBe(one.length * 3);
  expect(log.read({ offset: 20, maxBytes: 1 << 20, minOneBatch: true, offsetEnd: 20 }).length).toBe(0);
  expect(() => log.read({ offset: 21, maxBytes: 1, minOneBatch: true, offsetEnd: 20 })).toThrow('outside of 0 to 20');
});

test('a log that was flushed before it is closed opens without a read of segment data, too', () => {
  const { log, store } = filled(1);
  log.close();
  const second = openLog(store, { cleanShutdown: true, recoveryPoint: 2 });
  append(second);
  second.flushSync();
  second.close();
  const reads: string[] = [];
  store.onRead = (path) => reads.push(path);
  expect(openLog(store, { cleanShutdown: true, recoveryPoint: 3 }).logEndOffset).toBe(3);
  expect(reads.filter((path) => path.endsWith('.log'))).toEqual([]);
});

test('a cleanly closed log opens without a read of segment data and goes on', () => {
  const { log, store } = filled(60, new MemoryStore(), SMALL_SEGMENTS);
  log.close();
  expect(log.recoveryPoint).toBe(120);
  const reads: string[] = [];
  store.onRead = (path) => reads.push(path);
  const again = openLog(store, { cleanShutdown: true, recoveryPoint: 120, config: SMALL_SEGMENTS });
  expect(reads.filter((path) => path.endsWith('.log'))).toEqual([]);
  expect(reads.length).toBeLessThan(4);
  expect(again.logEndOffset).toBe(120);
  append(again);
  expect(readAll(again).length).toBe(121);
  expect(again.fault).toBe(undefined);
});

test('a log that was not closed is recovered from the segment of the recovery point on', () => {
  const { log, store } = filled(60, new MemoryStore(), SMALL_SEGMENTS);
  const segments = log.describe();
  const from = segments.at(-2);
  const reads = new Set<string>();
  store.onRead = (path) => reads.add(path);
  const again = openLog(store, { recoveryPoint: (from?.baseOffset ?? 0) + 1, config: SMALL_SEGMENTS });
  expect([...reads].filter((path) => path.endsWith('.log'))).toEqual(segments.slice(-2).map((each) => each.path));
  expect(again.logEndOffset).toBe(120);
  expect(readAll(again).length).toBe(120);
});

test('offsets are found by timestamp, down to the record', () => {
  const log = openLog(new MemoryStore(), { config: SMALL_SEGMENTS });
  for (let index = 0; index < 50; index++) append(log, { timestamps: [index * 10, index * 10 + 5] });
  for (let time = -1; time <= 495; time++) {
    const offset = Math.max(0, Math.ceil(time / 5));
    expect(log.offsetForTimestamp(time, 100)).toEqual({ offset, timestamp: offset * 5, leaderEpoch: 0 });
  }
  expect(log.offsetForTimestamp(496, 100)).toBe(undefined);
  expect(log.offsetForTimestamp(200, 40)).toBe(undefined);
  expect(log.offsetOfMaxTimestamp(100)).toEqual({ offset: 99, timestamp: 495, leaderEpoch: 0 });
  expect(log.offsetOfMaxTimestamp(10)).toEqual({ offset: 9, timestamp: 45, leaderEpoch: 0 });
  log.deleteRecordsBefore(31);
  expect(log.offsetForTimestamp(0, 100)).toEqual({ offset: 31, timestamp: 155, leaderEpoch: 0 });
});

test('a batch with log append time answers with its first offset', () => {
  const log = openLog(new MemoryStore());
  append(log, { timestamps: [1, 2, 3], logAppendTimeMs: 500 });
  expect(log.offsetForTimestamp(400, 3)).toEqual({ offset: 0, timestamp: 500, leaderEpoch: 0 });
  expect(log.offsetOfMaxTimestamp(3)).toEqual({ offset: 0, timestamp: 500, leaderEpoch: 0 });
});

test('leader epochs answer by the rules of OffsetForLeaderEpoch', () => {
  const log = openLog(new MemoryStore());
  append(log, { leaderEpoch: 2 });
  append(log, { leaderEpoch: 2 });
  append(log, { leaderEpoch: 5 });
  expect(log.epochEnd(5)).toEqual({ leaderEpoch: 5, endOffset: 3 });
  expect(log.epochEnd(4)).toEqual({ leaderEpoch: 2, endOffset: 2 });
  expect(log.epochEnd(2)).toEqual({ leaderEpoch: 2, endOffset: 2 });
  expect(log.epochEnd(1)).toEqual({ leaderEpoch: 1, endOffset: 0 });
  expect(log.epochEnd(6)).toEqual({ leaderEpoch: -1, endOffset: -1 });
  expect(log.epochEnd(-1)).toEqual({ leaderEpoch: -1, endOffset: -1 });
  expect([0, 1, 2].map((offset) => log.epochAt(offset))).toEqual([2, 2, 5]);
  expect(log.latestEpoch).toBe(5);
});

test('an epoch begins at the log start once that has passed its beginning, after a start too', () => {
  const store = new MemoryStore();
  const log = openLog(store);
  append(log, { leaderEpoch: 2 });
  append(log, { leaderEpoch: 5 });
  append(log, { leaderEpoch: 5 });
  log.deleteRecordsBefore(2);
  const known = (each: typeof log) => [
    each.epochEnd(2),
    each.epochEnd(4),
    each.epochEnd(5),
    each.epochAt(1),
    each.epochAt(2),
  ];
  const expected = [
    { leaderEpoch: 2, endOffset: 2 },
    { leaderEpoch: 4, endOffset: 2 },
    { leaderEpoch: 5, endOffset: 3 },
    -1,
    5,
  ];
  expect(known(log)).toEqual(expected);
  const again = openLog(store.afterKill(), { logStartOffset: 2 });
  expect(known(again)).toEqual(expected);
});

test('segments roll by size, by timestamp, by a full index and by time', () => {
  const clock = new HandClock();
  const log = openLog(new MemoryStore(), { clock, config: { segmentMs: 1000 } });
  append(log, { timestamps: [5000] });
  append(log, { timestamps: [6000] });
  expect(log.describe().length).toBe(1);
  append(log, { timestamps: [6001] });
  expect(log.describe().length).toBe(2);
  clock.nowMs += 1000;
  log.rollIfDue(clock.nowMs);
  expect(log.describe().length).toBe(2);
  clock.nowMs += 1;
  log.rollIfDue(clock.nowMs);
  expect(log.describe().map((each) => each.baseOffset)).toEqual([0, 2, 3]);
  log.rollIfDue(clock.nowMs + 5000);
  expect(log.describe().length).toBe(3);

  const indexed = openLog(new MemoryStore(), { config: { segmentIndexBytes: 48, indexIntervalBytes: 1 } });
  for (let index = 0; index < 40; index++) append(indexed, { timestamps: [index] });
  expect(indexed.describe().length).toBeGreaterThan(5);
  for (const segment of indexed.describe()) {
    expect(segment.offsetIndexEntries * 8).toBeLessThanOrEqual(48);
    expect(segment.timeIndexEntries * 12).toBeLessThanOrEqual(48);
  }
});

test('retention by size, by time and by log start takes whole segments from the front', () => {
  const clock = new HandClock();
  const { log, store } = (() => {
    const store = new MemoryStore();
    const config = { ...SMALL_SEGMENTS, retentionMs: 1000, fileDeleteDelayMs: 100 };
    const log = openLog(store, { clock, config });
    for (let index = 0; index < 60; index++) append(log, { timestamps: [START_MS + index] });
    return { log, store };
  })();
  const bases = log.describe().map((each) => each.baseOffset);
  expect(log.applyRetention(START_MS)).toBe(0);
  log.deleteRecordsBefore((bases[1] ?? 0) + 1);
  expect(log.applyRetention(START_MS)).toBe(1);
  expect(log.logStartOffset).toBe((bases[1] ?? 0) + 1);
  expect(store.paths().some((path) => path.endsWith('.log.deleted'))).toBe(true);
  log.removeDeletedFiles(START_MS + 99);
  expect(store.paths().some((path) => path.endsWith('.log.deleted'))).toBe(true);
  log.removeDeletedFiles(START_MS + 100);
  expect(store.paths().some((path) => path.endsWith('.log.deleted'))).toBe(false);

  expect(log.applyRetention(START_MS + (bases[2] ?? 0) + 1000)).toBe(1);
  expect(log.logStartOffset).toBe(bases[2]);
  expect(readAll(log).length).toBe(60 - (bases[2] ?? 0));

  expect(log.applyRetention(START_MS + 5000)).toBe(bases.length - 2);
  expect(log.logStartOffset).toBe(60);
  expect(log.logEndOffset).toBe(60);
  expect(log.sizeBytes).toBe(0);
  append(log);
  expect(readAll(log).length).toBe(1);
});

test('retention by size keeps at least the configured bytes and the active segment', () => {
  const { log } = filled(60, new MemoryStore(), { ...SMALL_SEGMENTS, retentionMs: -1, retentionBytes: 4000 });
  log.applyRetention(START_MS);
  expect(log.sizeBytes).toBeGreaterThanOrEqual(4000);
  expect(log.sizeBytes).toBeLessThan(5200);
});

test('a log is cut at any offset, with its indexes and epochs', () => {
  for (let offset = 0; offset <= 40; offset++) {
    const store = new MemoryStore();
    const log = openLog(store, { config: SMALL_SEGMENTS });
    for (let index = 0; index < 20; index++)
      append(log, { timestamps: [index, index], leaderEpoch: Math.floor(index / 5) });
    log.truncateTo(offset);
    const end = offset - (offset % 2);
    expect(log.logEndOffset).toBe(end);
    expect(log.latestEpoch).toBe(end === 0 ? -1 : Math.floor((end / 2 - 1) / 5));
    append(log, { leaderEpoch: 9, timestamps: [7] });
    expect(readAll(log).length).toBe(end + 1);
    log.close();
    const again = openLog(store, { cleanShutdown: true, recoveryPoint: end + 1, config: SMALL_SEGMENTS });
    expect(readAll(again).length).toBe(end + 1);
    expect(again.fault).toBe(undefined);
  }
});

test('flush moves the recovery point to the end as of the call, and what failed is never tried again', async () => {
  const store = new MemoryStore({ simulatesCrashes: true });
  const log = openLog(store);
  append(log);
  store.holdFlushes();
  const flush = log.flush();
  append(log);
  expect(log.recoveryPoint).toBe(0);
  await expect(log.flush()).rejects.toThrow('one flush at a time');
  store.releaseFlushes();
  await flush;
  expect(log.recoveryPoint).toBe(1);
  expect(log.unflushedRecords).toBe(1);
  store.fail({ operation: 'flush', nth: 1, code: 'EIO' });
  await expect(log.flush()).rejects.toMatchObject({ code: 'ERR_STORAGE' });
  expect(log.recoveryPoint).toBe(1);
  await expect(log.flush()).rejects.toMatchObject({ code: 'ERR_PARTITION_READ_ONLY' });
  expect(() => append(log)).toThrow('EIO');
  expect(readAll(log).length).toBe(2);
  log.close();
  const again = openLog(store, { recoveryPoint: 1 });
  expect(readAll(again).length).toBe(2);
  append(again);
  await again.flush();
  expect(again.recoveryPoint).toBe(3);
});

test('a directory of another topic is refused', () => {
  const store = new MemoryStore();
  openLog(store).close();
  expect(() => openLog(store, { topicId: 'BBECAwQFBgcICQoLDA0ODw' })).toThrow(`belongs to topic id ${TOPIC_ID}`);
});

test('removing a log leaves nothing behind', () => {
  const { log, store } = filled(3);
  log.remove();
  expect(store.paths()).toEqual([]);
  expect(store.exists(DIRECTORY)).toBe(false);
});

test('an open log with nothing in it keeps its start', () => {
  const store = new MemoryStore();
  const log = openLog(store, { logStartOffset: 77 });
  expect([log.logStartOffset, log.logEndOffset]).toEqual([77, 77]);
  append(log);
  expect(readAll(log)[0]?.offset).toBe(77);
  expect(store.paths()).not.toContain(FIRST_LOG);
});
