import { expect, test } from 'vitest';
import { SPARE_FILES_MAX } from '../../src/core/limits.ts';
import type { Log } from '../../src/storage/log.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { append, DIRECTORY, openLog, readAll, START_MS } from './fixture.ts';

const CONFIG = { segmentBytes: 600, indexIntervalBytes: 150, retentionMs: 1000, fileDeleteDelayMs: 100 };

/** A log of many segments whose removals go on beside it. */
function filled(count = 60): { store: MemoryStore; log: Log } {
  const store = new MemoryStore({ simulatesCrashes: true, hasAside: true });
  const log = openLog(store, { config: CONFIG });
  for (let index = 0; index < count; index++) append(log, { timestamps: [START_MS + index] });
  return { store, log };
}

/** Until everything that goes on beside the log is done. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function named(store: MemoryStore, end: string): string[] {
  return store.paths().filter((path) => path.endsWith(end));
}

function flushes(store: MemoryStore): number {
  return store.operations.get('flush-directory') ?? 0;
}

test('segments leave their directory one by one, each on stable storage before the next', async () => {
  const { store, log } = filled();
  const segments = log.describe().length;
  const before = flushes(store);
  expect(log.applyRetention(START_MS + 5000)).toBe(segments);
  expect(log.logStartOffset).toBe(60);
  expect(named(store, '.log.deleted').length).toBe(1);
  expect(flushes(store)).toBe(before);
  const seen: number[] = [];
  while (named(store, '.log').length > 1) {
    await Promise.resolve();
    expect(named(store, '.log.deleted').length - (flushes(store) - before)).toBeLessThanOrEqual(1);
    seen.push(named(store, '.log.deleted').length);
  }
  expect(seen.at(-1)).toBe(segments);
  await settled();
  expect(flushes(store)).toBe(before + segments);
});

for (const [how, end] of [
  ['closed', (log: Log) => log.close()],
  ['cut', (log: Log) => log.truncateTo(log.logStartOffset)],
] as const) {
  test(`what has left a log has left its directory when the log is ${how}`, () => {
    const { store, log } = filled();
    log.applyRetention(START_MS + 1030);
    const bases = log.describe().length;
    expect(named(store, '.log').length).toBeGreaterThan(bases);
    end(log);
    expect(named(store, '.log').length).toBe(how === 'cut' ? 1 : bases);
  });
}

test('a kill before they have left the directory brings them back, and nothing else', async () => {
  const { store, log } = filled();
  log.applyRetention(START_MS + 1030);
  expect(log.logStartOffset).toBeGreaterThan(0);
  const again = openLog(store.afterKill(), { config: CONFIG });
  expect(again.fault).toBe(undefined);
  expect(again.logStartOffset).toBeGreaterThan(0);
  expect(again.logStartOffset).toBeLessThan(log.logStartOffset);
  expect(readAll(again).length).toBe(60 - again.logStartOffset);
  await settled();
});

test('removed files become those of new segments, and power that is lost brings no old batch back', async () => {
  const { store, log } = filled();
  log.flushSync();
  log.applyRetention(START_MS + 5000);
  await settled();
  log.removeDeletedFiles(START_MS + 5100);
  await settled();
  expect(named(store, '.spare.deleted').length).toBe(SPARE_FILES_MAX);
  expect(named(store, '.log.deleted')).toEqual([]);
  for (let index = 0; index < 60; index++) append(log, { timestamps: [START_MS + 5000 + index] });
  expect(named(store, '.spare.deleted').length).toBeLessThan(SPARE_FILES_MAX);
  expect(readAll(log).map((each) => each.offset)).toEqual(Array.from({ length: 60 }, (_, index) => 60 + index));
  // The new names reach the disk up to some point, and nothing of what was done to the files.
  for (let names = 0; names < 48; names++) {
    let asked = 0;
    const lost = store.afterPowerLoss(() => (asked++ < names ? 0 : 1));
    const again = openLog(lost, { config: CONFIG, logStartOffset: 60, recoveryPoint: 60 });
    expect([names, again.fault, again.logEndOffset, again.sizeBytes]).toEqual([names, undefined, 60, 0]);
  }
});

test('a directory that cannot be flushed makes the log read-only, and says so once', async () => {
  const { store, log } = filled();
  store.fail({ operation: 'flush-directory', nth: 1, code: 'EIO' });
  log.applyRetention(START_MS + 5000);
  await settled();
  expect(log.fault?.message).toContain(`flush-directory ${DIRECTORY}: EIO`);
  expect(named(store, '.log.deleted').length).toBe(1);
  expect(() => log.removeDeletedFiles(START_MS)).toThrow('EIO');
  expect(() => log.removeDeletedFiles(START_MS)).not.toThrow();
  log.close();
  const again = openLog(store, { config: CONFIG });
  expect(again.fault).toBe(undefined);
  expect(readAll(again).at(-1)?.offset).toBe(59);
});

test('a file that cannot be removed is told of, and the log goes on', async () => {
  const { store, log } = filled();
  log.applyRetention(START_MS + 5000);
  await settled();
  store.fail({ operation: 'remove', nth: 1, code: 'EIO' });
  log.removeDeletedFiles(START_MS + 5100);
  await settled();
  expect(() => log.removeDeletedFiles(START_MS + 5100)).toThrow('EIO');
  append(log);
  expect(log.logEndOffset).toBe(61);
});
