import { expect, test } from 'vitest';
import { LogFault } from '../../src/core/fault.ts';
import type { Log } from '../../src/storage/log.ts';
import { checkLog } from '../../src/storage/log-dump.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { append, DIRECTORY, kernels, openLog, readAll, START_MS } from './fixture.ts';

const CONFIG = { segmentBytes: 600, indexIntervalBytes: 150, retentionMs: 1 << 30 };

interface Progress {
  appended: number;
  flushed: number;
}

/** Appends, flushes, rolls and retention, until the first fault. */
function work(store: MemoryStore, progress: Progress): Log | undefined {
  let log: Log | undefined;
  try {
    log = openLog(store, { config: CONFIG });
    for (let index = 0; index < 24; index++) {
      append(log, { timestamps: [START_MS + index], leaderEpoch: Math.floor(index / 10) });
      progress.appended = index + 1;
      if (index % 5 === 4) {
        log.flushSync();
        progress.flushed = log.recoveryPoint;
      }
    }
    log.close();
    progress.flushed = log.recoveryPoint;
  } catch (error) {
    if (!(error instanceof LogFault)) throw error;
  }
  return log;
}

for (const code of ['ENOSPC', 'EIO'] as const) {
  for (const sticky of [false, true]) {
    test(`${code} at any operation${sticky ? ', and ever after,' : ''} loses nothing that was appended`, () => {
      let nth = 1;
      for (; ; nth++) {
        const store = new MemoryStore({ simulatesCrashes: true });
        store.fail({ nth, code, sticky, tornBytes: nth % 90 });
        const progress = { appended: 0, flushed: 0 };
        const log = work(store, progress);
        if (progress.flushed === 24) break;
        if (log?.fault !== undefined) {
          expect(log.fault).toMatchObject({ code: 'ERR_STORAGE', message: expect.stringContaining(code) });
          expect(log.logEndOffset).toBe(progress.appended);
        }
        const label = `operation ${nth}`;
        // An open that fails leaves what a later open takes up; nothing was acknowledged then.
        const again = openLog(store.afterKill(), { config: CONFIG, recoveryPoint: progress.flushed });
        expect(again.fault, label).toBe(undefined);
        // A batch that failed may have arrived whole, where the disk also refused to cut it off.
        expect(again.logEndOffset - progress.appended, label).toBeLessThanOrEqual(sticky ? 1 : 0);
        expect(again.logEndOffset, label).toBeGreaterThanOrEqual(progress.appended);
        expect(readAll(again).map((each) => each.value)).toEqual(
          Array.from({ length: again.logEndOffset }, (_, offset) => `${offset} value`),
        );
        append(again, { leaderEpoch: 9 });
        again.flushSync();
      }
      expect(nth).toBeGreaterThan(30);
    });
  }
}

test('after a failed write the log says why it is read-only, still reads, and still flushes what it has', async () => {
  const store = new MemoryStore({ simulatesCrashes: true });
  const log = openLog(store);
  append(log);
  store.fail({ operation: 'write', nth: 1, code: 'ENOSPC', tornBytes: 30 });
  expect(() => append(log)).toThrow('ENOSPC');
  expect(() => append(log)).toThrow(`${DIRECTORY} is read-only: write ${DIRECTORY}/00000000000000000000.log: ENOSPC`);
  expect(log.fault?.code).toBe('ERR_STORAGE');
  expect(readAll(log).length).toBe(1);
  await log.flush();
  expect(log.recoveryPoint).toBe(1);
  const again = openLog(store.afterKill(), { recoveryPoint: 1 });
  expect(again.logEndOffset).toBe(1);
});

test('a failed write whose bytes cannot be cut off does no harm, even to a start that is taken for clean', () => {
  const store = new MemoryStore();
  const log = openLog(store);
  append(log);
  log.flushSync();
  store.fail({ operation: 'write', nth: 1, code: 'EIO', tornBytes: 40 });
  store.fail({ operation: 'truncate', nth: 1, code: 'EIO' });
  expect(() => append(log)).toThrow('EIO');
  expect(readAll(log).length).toBe(1);
  log.close();
  const again = openLog(store, { recoveryPoint: 1, cleanShutdown: true });
  append(again);
  expect(readAll(again).length).toBe(2);
  again.close();
  expect(checkLog(store, DIRECTORY, kernels)).toEqual([]);
});

test('closing during a flush that then fails does not count the records as flushed twice', async () => {
  const store = new MemoryStore({ simulatesCrashes: true });
  const log = openLog(store);
  append(log);
  store.holdFlushes();
  const flush = log.flush();
  log.close();
  store.releaseFlushes();
  await flush;
  expect(log.recoveryPoint).toBe(1);
  const again = openLog(
    store.afterPowerLoss(() => 1),
    { recoveryPoint: 1, cleanShutdown: true },
  );
  expect(readAll(again).length).toBe(1);
});

test('what a leader epoch begins with is on stable storage before its first batch is written', () => {
  const store = new MemoryStore({ simulatesCrashes: true });
  const log = openLog(store);
  log.flushSync();
  append(log, { leaderEpoch: 3 });
  const again = openLog(store.afterPowerLoss(() => 1));
  expect(again.logEndOffset).toBe(0);
  expect(again.latestEpoch).toBe(-1);
});

test('a store that refuses to read while a segment is inspected leaves the log able to go on', () => {
  const store = new MemoryStore();
  const first = openLog(store);
  for (let index = 0; index < 6; index++) append(first);
  first.close();
  store.flipBit(`${DIRECTORY}/00000000000000000000.log`, 300, 0);
  const log = openLog(store, { recoveryPoint: 6, cleanShutdown: true });
  append(log);
  for (let nth = 1; nth < 5; nth++) {
    store.fail({ operation: 'read', nth, code: 'EIO' });
    expect(() => log.read({ offset: 4, maxBytes: 1, minOneBatch: true, offsetEnd: 7 })).toThrow(/EIO|out of range/);
    store.heal();
    append(log);
  }
  expect(() => log.read({ offset: 4, maxBytes: 1, minOneBatch: true, offsetEnd: 7 })).toThrow('out of range');
  expect(log.logEndOffset).toBe(11);
  expect(readAll(log, 5).map((each) => each.offset)).toEqual([5, 6, 7, 8, 9, 10]);
});
