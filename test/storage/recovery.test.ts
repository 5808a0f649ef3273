import { expect, test } from 'vitest';
import { segmentFileName } from '../../src/storage/file-names.ts';
import { checkLog } from '../../src/storage/log-dump.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { stampedBatch } from './batches.ts';
import { append, DIRECTORY, FIRST_LOG, kernels, type LogOverrides, openLog, readAll, readAround } from './fixture.ts';

const CONFIG = { segmentBytes: 1000, indexIntervalBytes: 150 };

/** A log of two-record batches whose files are then tampered with. */
function written(batches: number, options: { close: boolean; config?: LogOverrides['config'] }) {
  const store = new MemoryStore();
  const log = openLog(store, { config: options.config ?? CONFIG });
  for (let index = 0; index < batches; index++) append(log, { timestamps: [index * 10, index * 10 + 5] });
  const segments = log.describe();
  if (options.close) log.close();
  const files = new Map(store.paths().map((path) => [path, store.readSmall(path) ?? new Uint8Array(0)]));
  return { files, segments, endOffset: log.logEndOffset };
}

function storeOf(files: ReadonlyMap<string, Uint8Array>): MemoryStore {
  const store = new MemoryStore();
  for (const [path, bytes] of files) store.put(path, bytes);
  return store;
}

function fileOf(files: ReadonlyMap<string, Uint8Array>, path: string): Uint8Array {
  const bytes = files.get(path);
  if (bytes === undefined) throw new Error(`no file ${path}`);
  return bytes;
}

/** Ends of the batches in a log file. */
function batchEnds(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const ends = [0];
  for (let at = 0; at < bytes.length; at = ends.at(-1) ?? 0) ends.push(at + 12 + view.getInt32(at + 8));
  return ends;
}

test('the last segment cut at every byte is recovered up to its last whole batch', () => {
  const { files, segments } = written(25, { close: false });
  const last = segments.at(-1);
  if (last === undefined) throw new Error('no segment');
  const bytes = fileOf(files, last.path);
  const ends = batchEnds(bytes);
  expect(ends.length).toBeGreaterThan(4);
  for (let size = 0; size <= bytes.length; size++) {
    const store = storeOf(files);
    store.put(last.path, bytes.slice(0, size));
    const log = openLog(store, { config: CONFIG, recoveryPoint: last.baseOffset });
    const whole = ends.filter((end) => end <= size).length - 1;
    const endOffset = last.baseOffset + whole * 2;
    expect(log.fault).toBe(undefined);
    expect(log.logEndOffset).toBe(endOffset);
    expect(readAll(log).map((each) => each.offset)).toEqual(Array.from({ length: endOffset }, (_, offset) => offset));
    append(log);
    expect(readAll(log).length).toBe(endOffset + 1);
    log.close();
    expect(checkLog(store, DIRECTORY, kernels)).toEqual([]);
  }
});

test('zeros, garbage and a torn write behind the last batch are cut', () => {
  const { files, endOffset } = written(5, { close: false });
  const bytes = fileOf(files, FIRST_LOG);
  const torn = stampedBatch(kernels, { baseOffset: endOffset, value: 'x'.repeat(300) }).bytes.subarray(0, 200);
  const garbage = Uint8Array.from({ length: 5000 }, (_, index) => (index * 7919) & 255);
  for (const tail of [new Uint8Array(10_000), garbage, torn, new Uint8Array(1)]) {
    const store = storeOf(files);
    store.put(FIRST_LOG, new Uint8Array([...bytes, ...tail]));
    const log = openLog(store, { config: CONFIG, recoveryPoint: endOffset });
    expect(log.fault).toBe(undefined);
    expect(log.logEndOffset).toBe(endOffset);
    expect(store.readSmall(FIRST_LOG)).toEqual(bytes);
  }
});

test('flushed records that are gone are a fault, and what is left is readable', () => {
  const { files } = written(5, { close: false });
  const bytes = fileOf(files, FIRST_LOG);
  const ends = batchEnds(bytes);
  for (let size = 0; size < bytes.length; size++) {
    const store = storeOf(files);
    store.put(FIRST_LOG, bytes.slice(0, size));
    const log = openLog(store, { config: CONFIG, recoveryPoint: 10 });
    const left = (ends.filter((end) => end <= size).length - 1) * 2;
    expect(log.fault?.code).toBe('ERR_CORRUPT_LOG');
    expect(log.fault?.message).toContain(`${FIRST_LOG}: at offset ${left}, position ${ends[left / 2]}`);
    expect(readAll(log).length).toBe(left);
    expect(() => append(log)).toThrow('is read-only');
    expect(store.readSmall(FIRST_LOG)?.length).toBe(size);
  }
});

interface FlipCase {
  readonly name: string;
  readonly close: boolean;
  readonly recoveryPoint: number;
}

const FLIP_CASES: readonly FlipCase[] = [
  { name: 'after a crash, nothing flushed', close: false, recoveryPoint: 0 },
  { name: 'after a crash, all flushed', close: false, recoveryPoint: 16 },
  { name: 'after a clean shutdown', close: true, recoveryPoint: 16 },
];

for (const { name, close, recoveryPoint } of FLIP_CASES) {
  test(`a flipped bit is never served and costs its own batch alone: ${name}`, () => {
    const config = { segmentBytes: 1 << 20, indexIntervalBytes: 150 };
    const { files, endOffset } = written(8, { close, config });
    const bytes = fileOf(files, FIRST_LOG);
    const ends = batchEnds(bytes);
    const original = readAll(openLog(storeOf(files), { config }));
    for (let position = 0; position < bytes.length; position++) {
      const hurt = ends.findLastIndex((end) => end <= position);
      for (let bit = 0; bit < 8; bit++) {
        const store = storeOf(files);
        store.flipBit(FIRST_LOG, position, bit);
        const log = openLog(store, { config, recoveryPoint, cleanShutdown: close });
        const { values, faults } = readAround(log);
        const expected = original.filter(({ offset }) => Math.floor(offset / 2) !== hurt);
        expect(values, `byte ${position}, bit ${bit}`).toEqual(expected);
        const isTorn = hurt === 7 && !close && recoveryPoint === 0;
        if (!isTorn) expect(log.logEndOffset >= endOffset - 2).toBe(true);
        if (!close && !isTorn) expect(log.fault?.message).toContain(`${FIRST_LOG}: at offset ${hurt * 2}, position`);
        if (close) expect(faults.length).toBe(2);
      }
    }
  });
}

test('a hole in the middle keeps everything and makes the log read-only', () => {
  const { files, endOffset } = written(8, { close: false, config: { segmentBytes: 1 << 20 } });
  const bytes = fileOf(files, FIRST_LOG).slice();
  const ends = batchEnds(bytes);
  bytes.fill(0, (ends[3] ?? 0) + 10, (ends[5] ?? 0) - 10);
  const store = storeOf(files);
  store.put(FIRST_LOG, bytes);
  const log = openLog(store);
  expect(log.fault?.message).toContain('at offset 6, position');
  expect(log.logEndOffset).toBe(endOffset);
  expect(log.recoveryPoint).toBe(0);
  const { values, faults } = readAround(log);
  expect(values.map((each) => each.offset)).toEqual([0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]);
  expect(faults.length).toBe(4);
  expect(log.applyRetention(Number.MAX_SAFE_INTEGER)).toBe(0);
  log.close();
  expect(store.readSmall(FIRST_LOG)).toEqual(bytes);
  expect(openLog(store, { cleanShutdown: true, recoveryPoint: 16 }).fault?.code).toBe('ERR_CORRUPT_LOG');
});

test('a segment that lost its end before others begin is a hole, not an end', () => {
  const { files, segments, endOffset } = written(25, { close: false });
  const second = segments[1];
  if (second === undefined) throw new Error('no second segment');
  const bytes = fileOf(files, second.path);
  for (const size of [0, 50, ...batchEnds(bytes).slice(1, -1)]) {
    const store = storeOf(files);
    store.put(second.path, bytes.slice(0, size));
    const log = openLog(store, { config: CONFIG });
    expect(log.fault?.message).toContain(second.path);
    expect(log.logEndOffset).toBe(endOffset);
    const lost = second.endOffset - second.baseOffset - (batchEnds(bytes).filter((end) => end <= size).length - 1) * 2;
    expect(readAround(log).values.length).toBe(endOffset - lost);
  }
});

const INDEX_FAULTS: Record<string, (bytes: Uint8Array, entryBytes: number) => Uint8Array | undefined> = {
  missing: () => undefined,
  empty: () => new Uint8Array(0),
  'cut inside an entry': (bytes) => bytes.slice(0, -5),
  'short by an entry': (bytes, entryBytes) => bytes.slice(0, -entryBytes),
  'all zeros': (bytes) => new Uint8Array(bytes.length),
  'all ones': (bytes) => new Uint8Array(bytes.length).fill(255),
  garbage: (bytes) => bytes.map((_, index) => (index * 89) & 255),
  'ahead of the log': (bytes) => bytes.map((byte, index) => (index % 4 < 2 ? 3 : byte)),
  'in reverse': (bytes, entryBytes) => reversedEntries(bytes, entryBytes),
  preallocated: (bytes) => new Uint8Array([...bytes, ...new Uint8Array(1200)]),
};

function reversedEntries(bytes: Uint8Array, entryBytes: number): Uint8Array {
  const entries: number[][] = [];
  for (let at = 0; at < bytes.length; at += entryBytes) entries.unshift([...bytes.subarray(at, at + entryBytes)]);
  return new Uint8Array(entries.flat());
}

for (const [name, damage] of Object.entries(INDEX_FAULTS)) {
  test(`an index that is ${name} changes no answer`, () => {
    for (const close of [true, false]) {
      const { files, segments, endOffset } = written(25, { close });
      for (const segment of segments) {
        for (const [suffix, entryBytes] of [
          ['.index', 8],
          ['.timeindex', 12],
        ] as const) {
          const path = `${DIRECTORY}/${segmentFileName(segment.baseOffset, suffix)}`;
          const store = storeOf(files);
          const bytes = damage(store.readSmall(path) ?? new Uint8Array(0), entryBytes);
          if (bytes === undefined) store.remove(path);
          else store.put(path, bytes);
          const log = openLog(store, { config: CONFIG, recoveryPoint: endOffset, cleanShutdown: close });
          const label = `${path}, ${close ? 'clean' : 'crash'}`;
          expect(log.fault, label).toBe(undefined);
          expect(log.logEndOffset, label).toBe(endOffset);
          for (let offset = 0; offset < endOffset; offset += 3) {
            expect(readAll(log, offset, 100)[0]?.value, label).toBe(`${offset} value`);
            expect(log.offsetForTimestamp(offset * 5, endOffset)?.offset, label).toBe(offset);
          }
          expect(log.offsetOfMaxTimestamp(endOffset)?.offset, label).toBe(endOffset - 1);
          expect(readAll(log).length, label).toBe(endOffset);
        }
      }
    }
  });
}

test('a missing or broken leader epoch checkpoint is rebuilt from the batches', () => {
  for (const content of [undefined, 'nonsense', '0\n2\n1 5\n', '0\n1\n3 0\n2 9\n']) {
    for (const cleanShutdown of [true, false]) {
      const store = new MemoryStore();
      const log = openLog(store, { config: CONFIG });
      for (let index = 0; index < 25; index++) append(log, { leaderEpoch: Math.floor(index / 4) });
      log.close();
      const path = `${DIRECTORY}/leader-epoch-checkpoint`;
      const before = store.readSmall(path);
      if (content === undefined) store.remove(path);
      else store.put(path, new TextEncoder().encode(content));
      const again = openLog(store, { config: CONFIG, recoveryPoint: 25, cleanShutdown });
      expect(again.fault).toBe(undefined);
      expect(store.readSmall(path)).toEqual(before);
      expect(again.epochEnd(3)).toEqual({ leaderEpoch: 3, endOffset: 16 });
    }
  }
});

test('a log whose records were all deleted and whose tail is gone begins anew at its log start', () => {
  const { files } = written(3, { close: false });
  const store = storeOf(files);
  const log = openLog(store, { config: CONFIG, recoveryPoint: 0, logStartOffset: 50 });
  expect([log.logStartOffset, log.logEndOffset]).toEqual([50, 50]);
  append(log);
  expect(readAll(log).map((each) => each.offset)).toEqual([50]);
});

test('a flushed log without any segment cannot be opened', () => {
  const { files } = written(3, { close: true });
  const store = storeOf(files);
  store.remove(FIRST_LOG);
  expect(() => openLog(store, { recoveryPoint: 6 })).toThrow('no segment is left');
});

test('a file changed after a clean shutdown takes no append', () => {
  const { files, endOffset } = written(5, { close: true });
  const bytes = fileOf(files, FIRST_LOG);
  for (const changed of [bytes.slice(0, -3), new Uint8Array([...bytes, 1, 2, 3])]) {
    const store = storeOf(files);
    store.put(FIRST_LOG, changed);
    const log = openLog(store, { recoveryPoint: endOffset, cleanShutdown: true });
    expect(() => append(log)).toThrow('changed after it had been closed');
    expect(() => append(log)).toThrow('read-only');
    expect(readAround(log).values.length).toBeGreaterThanOrEqual(endOffset - 2);
  }
});
