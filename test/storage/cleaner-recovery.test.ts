// Directories as other brokers, or an end in the middle, leave them.

import { expect, test } from 'vitest';
import { checkLog } from '../../src/storage/log-dump.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { stampedBatch } from './batches.ts';
import { CompactedPartition, type Entry } from './cleaner-fixture.ts';
import { append, DIRECTORY, kernels, openLog, readAll } from './fixture.ts';

const FIRST = `${DIRECTORY}/00000000000000000000`;
const KINDS = ['.log', '.index', '.timeindex'] as const;

/** A log before and after a round, and the bytes of its files at both times. */
async function beforeAndAfter() {
  const partition = new CompactedPartition(new MemoryStore());
  for (let round = 0; round < 40; round++) partition.append([[`k${round % 6}`, `v${round}`]]);
  partition.roll();
  partition.log.flushSync();
  const old = filesOf(partition.store);
  const entries = partition.read();
  await partition.clean();
  return { old, entries, cleaned: filesOf(partition.store), left: partition.read(), end: partition.log.logEndOffset };
}

function filesOf(store: MemoryStore): Map<string, Uint8Array> {
  return new Map(store.paths().map((path) => [path, store.readSmall(path) ?? new Uint8Array(0)]));
}

function storeOf(files: ReadonlyMap<string, Uint8Array>): MemoryStore {
  const store = new MemoryStore();
  for (const [path, bytes] of files) store.put(path, bytes);
  return store;
}

function opened(store: MemoryStore, end: number): { entries: Entry[]; names: string[] } {
  const partition = new CompactedPartition(store, { recoveryPoint: end });
  expect(partition.log.fault).toBeUndefined();
  const entries = partition.read();
  expect(partition.log.logEndOffset).toBe(end);
  partition.partition.close();
  expect(checkLog(store, DIRECTORY, kernels)).toEqual([]);
  return { entries, names: store.paths().filter((path) => /cleaned|swap|deleted/.test(path)) };
}

test('files that were half written, or not all renamed, are removed: Kafka renames the log first', async () => {
  const { old, entries, cleaned, end } = await beforeAndAfter();
  for (let renamed = 0; renamed < KINDS.length; renamed++) {
    const store = storeOf(old);
    for (const [index, kind] of KINDS.entries()) {
      const bytes = cleaned.get(FIRST + kind) ?? new Uint8Array(0);
      store.put(`${FIRST}${kind}${index < renamed ? '.swap' : '.cleaned'}`, bytes);
    }
    expect(opened(store, end)).toEqual({ entries, names: [] });
  }
});

test('a segment that was whole takes the place of the others, however far that had come', async () => {
  const { old, cleaned, left, end } = await beforeAndAfter();
  const gone = [...old.keys()].filter((path) => /[0-9]\.(log|index|timeindex)$/.test(path) && !cleaned.has(path));
  const replaced = KINDS.map((kind) => FIRST + kind);
  for (let retired = 0; retired <= replaced.length; retired++) {
    const store = storeOf(new Map([...old].filter(([path]) => !replaced.slice(0, retired).includes(path))));
    for (const [path, bytes] of cleaned) {
      if (/\.(log|index|timeindex)$/.test(path) && path.startsWith(FIRST)) store.put(`${path}.swap`, bytes);
      else if (/\.(log|index|timeindex)$/.test(path)) store.put(path, bytes);
    }
    for (const path of gone) store.remove(path);
    store.put(
      `${DIRECTORY}/compaction-checkpoint`,
      cleaned.get(`${DIRECTORY}/compaction-checkpoint`) ?? new Uint8Array(0),
    );
    expect(opened(store, end)).toEqual({ entries: left, names: [] });
  }
});

test('an index that was not renamed after its log is', async () => {
  const { cleaned, left, end } = await beforeAndAfter();
  const store = storeOf(cleaned);
  store.rename(`${FIRST}.index`, `${FIRST}.index.swap`);
  expect(opened(store, end)).toEqual({ entries: left, names: [] });
});

test('a new segment that is not sound counts for nothing while the old ones are there', async () => {
  const { old, entries, cleaned, end } = await beforeAndAfter();
  const store = storeOf(old);
  for (const kind of KINDS) store.put(`${FIRST}${kind}.swap`, cleaned.get(FIRST + kind) ?? new Uint8Array(0));
  store.flipBit(`${FIRST}.log.swap`, 40, 0);
  expect(opened(store, end)).toEqual({ entries, names: [] });
});

/** Batches at these offsets, in segments of these base offsets. */
function gapped(segments: Record<number, readonly number[]>): MemoryStore {
  const store = new MemoryStore();
  const empty = openLog(store, { recoveryPoint: 0 });
  empty.close();
  for (const path of store.paths()) if (path.startsWith(FIRST)) store.remove(path);
  for (const [base, offsets] of Object.entries(segments)) {
    const batches = offsets.map((baseOffset) => stampedBatch(kernels, { baseOffset }).bytes);
    store.put(`${DIRECTORY}/${base.padStart(20, '0')}.log`, new Uint8Array(Buffer.concat(batches)));
  }
  return store;
}

const KAFKAS = { 0: [2, 5, 6], 10: [11], 20: [24], 30: [30, 31] };

test('what Kafka compacted is read, between batches and between segments', () => {
  const store = gapped(KAFKAS);
  store.put('cleaner-offset-checkpoint', new TextEncoder().encode('0\n2\nother 3 7\norders 0 20\n'));
  const log = openLog(store, { recoveryPoint: 32 });
  expect(log.fault).toBeUndefined();
  const offsets = [2, 5, 6, 11, 24, 30, 31];
  for (let offset = 0; offset <= 32; offset++) {
    for (const maxBytes of [1, 1 << 20]) {
      expect(readAll(log, offset, maxBytes).map((each) => each.offset)).toEqual(
        offsets.filter((each) => each >= offset),
      );
    }
  }
  log.close();
  expect(checkLog(store, DIRECTORY, kernels)).toEqual([]);
  const again = openLog(store, { recoveryPoint: 32, cleanShutdown: true });
  expect(readAll(again, 7).map((each) => each.offset)).toEqual([11, 24, 30, 31]);
});

test('a log that Kafka compacted to its end goes on where it ended', () => {
  const store = gapped({ 0: [2, 5, 6], 10: [] });
  store.put('cleaner-offset-checkpoint', new TextEncoder().encode('0\n1\norders 0 10\n'));
  const log = openLog(store, { recoveryPoint: 10 });
  expect([log.fault, log.logEndOffset]).toEqual([undefined, 10]);
  const read = (offset: number) => log.read({ offset, maxBytes: 1, minOneBatch: true, offsetEnd: 10 }).length;
  expect([read(0) > 0, read(6) > 0, read(7), read(9), read(10)]).toEqual([true, true, 0, 0, 0]);
  append(log);
  expect(readAll(log, 7).map((each) => each.offset)).toEqual([10]);
});

test('without any word of compaction what is missing is damage', () => {
  const log = openLog(gapped(KAFKAS), { recoveryPoint: 32 });
  expect(log.fault?.message).toContain('the base offset is 2 where 0 follows');
});

test('a base offset that contradicts what follows is damage, gaps or not', async () => {
  const { cleaned, end } = await beforeAndAfter();
  const log = cleaned.get(`${FIRST}.log`) ?? new Uint8Array(0);
  let found = 0;
  for (let bit = 0; bit < 16; bit++) {
    const store = storeOf(cleaned);
    store.flipBit(`${FIRST}.log`, 7 - (bit >> 3), bit & 7);
    const partition = new CompactedPartition(store, { recoveryPoint: 0 });
    if (partition.log.fault !== undefined) found += 1;
    expect(partition.log.logEndOffset).toBe(end);
  }
  expect(log.length).toBeGreaterThan(0);
  expect(found).toBeGreaterThanOrEqual(10);
});
