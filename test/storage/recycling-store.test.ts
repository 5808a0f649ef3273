import { expect, test } from 'vitest';
import { SPARE_FILES_MAX } from '../../src/core/limits.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { RecyclingStore } from '../../src/storage/recycling-store.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { append, DIRECTORY, HandClock, openLog, readAll, START_MS } from './fixture.ts';

function written(store: RecyclingStore, name: string, fill: number, bytes = 100): void {
  const file = store.open(`${DIRECTORY}/${name}`, { create: true });
  file.write(new Uint8Array(bytes).fill(fill), 0);
  file.close();
}

function rig(): { inner: MemoryStore; store: RecyclingStore; names(): string[] } {
  const inner = new MemoryStore({ simulatesCrashes: true });
  inner.createDirectory(DIRECTORY);
  const names = (): string[] => inner.paths().map((path) => path.slice(DIRECTORY.length + 1));
  return { inner, store: new RecyclingStore(inner), names };
}

const SIZES = (inner: MemoryStore): Record<string, number> =>
  Object.fromEntries(
    inner.paths().map((path) => [path.slice(DIRECTORY.length + 1), inner.readSmall(path)?.length ?? -1]),
  );

test('a file that retention took out is kept empty, and becomes the next file of another kind', () => {
  const { inner, store } = rig();
  written(store, '0.index.deleted', 1);
  store.remove(`${DIRECTORY}/0.index.deleted`);
  expect(SIZES(inner)).toEqual({ 'spare-0.deleted': 0 });
  written(store, '7.index', 2);
  expect(SIZES(inner)).toEqual({ '7.index': 100, 'spare-0.deleted': 0 });
  written(store, '7.log', 3, 60);
  expect(SIZES(inner)).toEqual({ '7.index': 100, '7.log': 60 });
});

test('what is there is opened as it is, and what is to be there is not made', () => {
  const { inner, store } = rig();
  written(store, '5.log', 5);
  written(store, '0.index.deleted', 1);
  store.remove(`${DIRECTORY}/0.index.deleted`);
  expect(store.open(`${DIRECTORY}/5.log`, { create: true }).size()).toBe(100);
  expect(() => store.open(`${DIRECTORY}/6.log`, { create: false })).toThrow('ENOENT');
  expect(SIZES(inner)).toEqual({ '5.log': 100, 'spare-0.deleted': 0 });
});

test('other files are removed, and so is what would be more than enough', () => {
  const { store, names } = rig();
  for (const name of ['1.log', '1.swap', 'other.deleted', '1.snapshot.cleaned']) {
    written(store, name, 1);
    store.remove(`${DIRECTORY}/${name}`);
  }
  store.remove(`${DIRECTORY}/absent.log.deleted`);
  expect(names()).toEqual([]);
  for (let index = 0; index < SPARE_FILES_MAX + 5; index++) {
    written(store, `${index}.log.deleted`, 1);
    store.remove(`${DIRECTORY}/${index}.log.deleted`);
  }
  expect(names()).toHaveLength(SPARE_FILES_MAX);
});

test('a spare file that somebody removed is no fault', () => {
  const { inner, store } = rig();
  written(store, '0.index.deleted', 1);
  store.remove(`${DIRECTORY}/0.index.deleted`);
  inner.remove(`${DIRECTORY}/spare-0.deleted`);
  written(store, '7.log', 3);
  expect(SIZES(inner)).toEqual({ '7.log': 100 });
});

/** Some three batches of it are a segment. */
const PADDING = 'x'.repeat(400);
const CONFIG = {
  segmentBytes: 1500,
  indexIntervalBytes: 300,
  retentionMs: -1,
  retentionBytes: 3000,
  fileDeleteDelayMs: 0,
};

test('a log whose segments go and come makes no files in the end, and reads as one that does', () => {
  const store = new MemoryStore();
  const log = openLog(store, { config: CONFIG });
  for (let index = 0; index < 400; index++) {
    append(log);
    log.applyRetention(START_MS);
    log.removeDeletedFiles(START_MS);
  }
  expect(log.describe().length).toBeGreaterThan(2);
  expect(readAll(log).length).toBe(log.logEndOffset - log.logStartOffset);
  expect(store.paths().filter((path) => path.includes('spare')).length).toBeLessThanOrEqual(SPARE_FILES_MAX);
  log.close();
  const again = openLog(store, { config: CONFIG, cleanShutdown: true, recoveryPoint: log.logEndOffset });
  expect(again.fault).toBeUndefined();
  expect(readAll(again).length).toBe(log.logEndOffset - log.logStartOffset);
  expect(store.paths().filter((path) => path.endsWith('.deleted'))).toEqual([]);
});

test('what a power loss brings back of a spare file is never taken for the log', () => {
  const seed = Date.now() % 1_000_000;
  console.log(`seeds ${seed} to ${seed + 199}`);
  for (let run = 0; run < 200; run++) {
    const random = new SeededRandom(seed + run);
    const store = new MemoryStore({ simulatesCrashes: true });
    const log = openLog(store, { clock: new HandClock(), config: CONFIG });
    const count = 30 + random.below(60);
    // All but the last batch is flushed: what is new to the disk is that, and a segment where it begins one.
    for (let index = 0; index < count; index++) {
      log.flushSync();
      append(log, { value: PADDING });
      log.applyRetention(START_MS);
      log.removeDeletedFiles(START_MS);
    }
    const flushed = log.recoveryPoint;
    const left = store.afterPowerLoss(() => random.uint32());
    const again = openLog(left, { config: CONFIG, recoveryPoint: flushed });
    expect({ run, fault: again.fault }).toEqual({ run, fault: undefined });
    expect(again.logEndOffset - flushed).toBeOneOf([0, 1]);
    for (const { offset, value } of readAll(again)) expect(value).toBe(`${offset} ${PADDING}`);
  }
});
