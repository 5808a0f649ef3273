import { expect, test } from 'vitest';
import { type CodecName, codecNumber } from '../../src/core/compression.ts';
import { createNodeCodecs } from '../../src/platform/node/codecs.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import {
  CompactedPartition,
  DELETE_RETENTION_MS,
  drive,
  expectFilesSound,
  firstDirtyOffset,
  type Pair,
  tableOf,
} from './cleaner-fixture.ts';
import { DIRECTORY, kernels } from './fixture.ts';

const pairs = (entries: readonly { key: string | null; value: string | null }[]) =>
  entries.map(({ key, value }) => `${key}=${value}`);

function opened(options: ConstructorParameters<typeof CompactedPartition>[1] = {}) {
  return new CompactedPartition(new MemoryStore({ simulatesCrashes: true }), options);
}

function batchesOf(partition: CompactedPartition) {
  const { logStartOffset: offset, logEndOffset: offsetEnd } = partition.log;
  const regions = partition.log.describe().flatMap(({ baseOffset, sizeBytes }) => {
    if (sizeBytes === 0) return [];
    return [
      partition.log.read({ offset: Math.max(baseOffset, offset), offsetEnd, maxBytes: 1 << 20, minOneBatch: true }),
    ];
  });
  return regions.flatMap((region) => [...new RecordBatchDecoder(kernels).batches(region)]);
}

function fill(partition: CompactedPartition, rounds: number, keys = 5): void {
  for (let round = 0; round < rounds; round++) {
    const batch: Pair[] = Array.from({ length: 3 }, (_, index) => [`k${(round * 3 + index) % keys}`, `v${round}`]);
    expect(partition.append(batch).outcome).toBe('ok');
    partition.clock.nowMs += 10;
  }
}

test('of every key the last record stays, at its offset, in order', async () => {
  const partition = opened();
  fill(partition, 40);
  const before = partition.read();
  const { interrupted, bytesBefore, bytesAfter } = await partition.rollAndClean();
  expect(interrupted).toBe(false);
  expect(bytesAfter).toBeLessThan(bytesBefore / 5);
  const after = partition.read();
  expect(after.length).toBe(5);
  expect(tableOf(after)).toEqual(tableOf(before));
  for (const entry of after) expect(before).toContainEqual(entry);
  expect(partition.log.logEndOffset).toBe(120);
  // What has become small is made one by the next round.
  fill(partition, 1);
  await partition.rollAndClean();
  expect(partition.read().length).toBe(5);
  expect(partition.log.describe().length).toBe(2);
  expectFilesSound(partition);
});

test('a reader gets from any offset to the end, whatever part was asked for', async () => {
  const partition = opened();
  fill(partition, 40);
  await partition.rollAndClean();
  fill(partition, 3);
  const all = partition.read();
  for (let offset = 0; offset <= 129; offset++) {
    for (const maxBytes of [1, 200, 1 << 20]) {
      expect(partition.read('read_uncommitted', offset, maxBytes)).toEqual(all.filter((each) => each.offset >= offset));
    }
  }
});

test('a log that ends in nothing but old records is still read to its end', async () => {
  const partition = opened();
  fill(partition, 30);
  partition.append([['x', '1']]);
  partition.append([['x', '2']]);
  partition.roll();
  partition.append([
    ['x', '3'],
    ['k0', 'new'],
  ]);
  partition.roll();
  await partition.clean();
  expect(partition.read().filter(({ key }) => key === 'x')).toEqual([expect.objectContaining({ value: '3' })]);
  expect(partition.log.logEndOffset).toBe(94);
  expectFilesSound(partition);
});

test('nothing behind the last stable offset or in the active segment is touched', async () => {
  const partition = opened();
  fill(partition, 10);
  const producer = { producerId: 7, producerEpoch: 0, isTransactional: true };
  const open = partition.append([['k0', 'open']], { ...producer, baseSequence: 0 }).baseOffset;
  fill(partition, 20);
  partition.roll();
  fill(partition, 1);
  const before = partition.read();
  await partition.clean();
  expect(firstDirtyOffset(partition)).toBeLessThanOrEqual(open);
  const after = partition.read();
  expect(after.filter(({ offset }) => offset >= open)).toEqual(before.filter(({ offset }) => offset >= open));
  partition.mark(7, 0, true);
  await partition.rollAndClean();
  expect(partition.read().length).toBe(5);
});

test('tombstones stay for delete.retention.ms after they were compacted, and then go', async () => {
  const partition = opened();
  fill(partition, 10);
  partition.append([
    ['k1', null],
    ['k2', null],
  ]);
  await partition.rollAndClean();
  const tombstones = () =>
    partition
      .read()
      .filter(({ value }) => value === null)
      .map(({ key }) => key);
  expect(tombstones()).toEqual(['k1', 'k2']);
  expect(partition.read().filter(({ key }) => key === 'k1').length).toBe(1);
  partition.clock.nowMs += DELETE_RETENTION_MS - 100;
  partition.append([['other', 'x']]);
  partition.append([['k2', 'back']]);
  await partition.rollAndClean();
  expect(tombstones()).toEqual(['k1']);
  partition.clock.nowMs += 1000;
  partition.append([['other', 'x']]);
  await partition.rollAndClean();
  expect(tombstones()).toEqual([]);
  expect(tableOf(partition.read()).get('k1')).toBeUndefined();
  expect(tableOf(partition.read()).get('k2')).toBe('back');
  expectFilesSound(partition);
});

test('records keep their times when a delete horizon takes the place of the base timestamp', async () => {
  const partition = opened();
  const first = partition.clock.nowMs;
  partition.append([
    ['a', null],
    ['b', 'x'],
    ['c', null],
  ]);
  await partition.rollAndClean();
  expect(partition.read().map(({ timestamp }) => timestamp)).toEqual([first, first, first]);
  expect(partition.log.offsetForTimestamp(first, 3)?.offset).toBe(0);
});

test('aborted records go, and their markers and index entries after them', async () => {
  const partition = opened();
  const producer = (id: number) => ({ producerId: id, producerEpoch: 0, isTransactional: true });
  fill(partition, 5);
  partition.append(
    [
      ['k0', 'aborted'],
      ['gone', 'aborted'],
    ],
    { ...producer(1), baseSequence: 0 },
  );
  partition.append([['k1', 'committed']], { ...producer(2), baseSequence: 0 });
  partition.mark(1, 0, false);
  partition.mark(2, 0, true);
  partition.append([['again', '1']], { ...producer(1), baseSequence: 2 });
  partition.mark(1, 0, true);
  fill(partition, 2);
  const table = tableOf(partition.read('read_committed'));
  await partition.rollAndClean();
  expect(tableOf(partition.read('read_committed'))).toEqual(table);
  expect(pairs(partition.read('read_uncommitted'))).not.toContain('gone=aborted');
  for (let round = 0; round < 3; round++) {
    partition.clock.nowMs += DELETE_RETENTION_MS + 1;
    fill(partition, 1);
    await partition.rollAndClean();
    expect(tableOf(partition.read('read_committed')).get('again')).toBe('1');
  }
  const entries = partition.store.paths().filter((path) => path.endsWith('.txnindex'));
  expect(entries.map((path) => partition.store.readSmall(path)?.length ?? 0).filter((bytes) => bytes > 0)).toEqual([]);
  expectFilesSound(partition);
});

test('the marker of a transaction of which nothing is left stays for delete.retention.ms', async () => {
  const partition = opened();
  const producer = { producerId: 1, producerEpoch: 0, isTransactional: true };
  partition.append([['k0', 'x']], { ...producer, baseSequence: 0 });
  const first = partition.mark(1, 0, true).baseOffset;
  partition.append([['k0', 'y']], { ...producer, baseSequence: 1 });
  partition.mark(1, 0, true);
  const markers = () =>
    batchesOf(partition).flatMap((each) => (each.isControl && each.recordCount > 0 ? each.baseOffset : []));
  await partition.rollAndClean();
  // The batch of the first transaction went in this round; that nothing is left of it is seen by the next.
  partition.append([['other', '1']]);
  await partition.rollAndClean();
  expect(markers()).toContain(first);
  partition.clock.nowMs += DELETE_RETENTION_MS - 1;
  partition.append([['other', '2']]);
  await partition.rollAndClean();
  expect(markers()).toContain(first);
  partition.clock.nowMs += 1;
  partition.append([['other', '3']]);
  await partition.rollAndClean();
  expect(markers()).not.toContain(first);
});

test('a snapshot that tells of an open transaction goes before the marker that ended it can', async () => {
  const partition = opened({ config: { deleteRetentionMs: 0, segmentBytes: 400 } });
  const producer = { producerId: 1, producerEpoch: 0 };
  const large = 'x'.repeat(200);
  partition.append([['gone', 'x']], { ...producer, baseSequence: 0, isTransactional: true });
  partition.append([['a', large]]);
  partition.roll();
  const recoveryPoint = partition.log.logEndOffset + 1;
  partition.append([['gone', 'y']]);
  partition.mark(1, 0, true);
  partition.append([['b', '1']], { ...producer, baseSequence: 1 });
  partition.append([['d', large]]);
  for (let round = 0; round < 4; round++) {
    partition.append([['c', `${round}${large}`]]);
    await partition.rollAndClean();
  }
  expect(partition.log.describe().map(({ baseOffset }) => baseOffset)).toContain(2);
  expect(batchesOf(partition).filter((each) => each.isControl || each.isTransactional)).toEqual([]);
  const after = new CompactedPartition(partition.store.afterKill(), { recoveryPoint });
  expect(after.producers()).toEqual(['1/0 at 1, idle']);
  expect(after.partition.state().lastStableOffset).toBe(after.log.logEndOffset);
});

test('what is known of producers survives the compaction of all their records and the loss of every snapshot', async () => {
  const partition = opened();
  for (let round = 0; round < 8; round++) {
    for (const id of [1, 2, 3]) {
      const isTransactional = id === 3;
      const producer = { producerId: id, producerEpoch: id, baseSequence: round, isTransactional };
      expect(partition.append([['same', `${round} of ${id}`]], producer).outcome).toBe('ok');
      if (isTransactional) partition.mark(id, id, round % 2 === 0);
    }
  }
  for (let round = 0; round < 3; round++) {
    partition.clock.nowMs += DELETE_RETENTION_MS + 1;
    partition.append([['same', 'last']]);
    await partition.rollAndClean();
  }
  const live = partition.producers();
  expect(live).toEqual(['1/1 at 7, idle', '2/2 at 7, idle', '3/3 at 7, idle']);
  expect(pairs(partition.read())).toEqual(['same=last']);
  partition.partition.close();
  const { store } = partition;
  for (const path of store.paths()) if (path.endsWith('.snapshot')) store.remove(path);
  const again = new CompactedPartition(store, { recoveryPoint: partition.log.logEndOffset });
  expect(again.log.fault).toBeUndefined();
  expect(again.producers()).toEqual(live);
  expect(again.partition.state().lastStableOffset).toBe(again.log.logEndOffset);
  // A retry of the last batch is still known for what it is.
  const retry = again.append([['same', '7 of 1']], { producerId: 1, producerEpoch: 1, baseSequence: 7 });
  expect(retry.baseOffset).toBeLessThan(again.log.logEndOffset - 1);
});

test('keys that find no room in the map are compacted by further rounds', async () => {
  const config = {
    cleaner: { enabled: true, backoffMs: 1, ioBytesPerSecond: 1e9, dedupeBufferBytes: 24 * 16, loadFactor: 0.5 },
  };
  const partition = opened({ config });
  for (let round = 0; round < 60; round++) partition.append([[`k${round % 30}`, `v${round}`]]);
  partition.roll();
  let rounds = 0;
  for (; firstDirtyOffset(partition) < 60; rounds++) {
    const before = firstDirtyOffset(partition);
    await partition.clean();
    expect(firstDirtyOffset(partition)).toBeGreaterThan(before);
  }
  expect(rounds).toBeGreaterThan(4);
  expect(partition.read().length).toBe(30);
  expectFilesSound(partition);
});

test('records without a key are refused, and go where they are left from another time', async () => {
  const partition = opened({ config: { compacts: false } });
  partition.append([
    [null, 'old'],
    ['a', '1'],
  ]);
  partition.partition.configure({ ...partition.partition.config, compacts: true });
  const refused = partition.append([
    ['a', '2'],
    [null, 'x'],
  ]);
  expect(refused).toMatchObject({ outcome: 'invalid-record', baseOffset: -1 });
  expect(refused.fault?.message).toContain('without a key');
  await partition.rollAndClean();
  expect(pairs(partition.read())).toEqual(['a=1']);
});

test('a log is due by its dirty ratio, or when a record has waited for too long', async () => {
  const partition = opened({
    config: { minCleanableDirtyRatio: 0.5, maxCompactionLagMs: 60_000, minCompactionLagMs: 1000 },
  });
  fill(partition, 30, 40);
  const assess = () => partition.partition.assessCompaction(partition.clock.nowMs);
  expect(assess().isDue).toBe(false);
  partition.roll();
  expect(assess().isDue).toBe(false);
  partition.clock.nowMs += 1001;
  expect(assess()).toMatchObject({ isDue: true, needsFlush: true, dirtyRatio: 1 });
  await partition.clean();
  expect(assess()).toMatchObject({ isDue: false, dirtyRatio: 0 });
  fill(partition, 2);
  partition.roll();
  partition.clock.nowMs += 1001;
  expect(assess().dirtyRatio).toBeGreaterThan(0);
  expect(assess().isDue).toBe(false);
  partition.clock.nowMs += 60_000;
  expect(assess().isDue).toBe(true);
});

test('a log that is compacted and deleted loses its oldest segments too', async () => {
  const partition = opened({ config: { deletes: true, retentionMs: 10_000 } });
  fill(partition, 30);
  await partition.rollAndClean();
  partition.clock.nowMs += 10_001;
  fill(partition, 1);
  partition.partition.maintain(partition.clock.nowMs);
  expect(partition.log.logStartOffset).toBe(90);
  expect(partition.read().length).toBe(3);
  fill(partition, 30);
  await partition.rollAndClean();
  expect(partition.read().length).toBe(5);
  expectFilesSound(partition);
});

test('a segment without any record does not keep those behind it from going', async () => {
  const partition = opened({ config: { deletes: true, retentionMs: 10_000, segmentBytes: 100 } });
  for (let round = 0; round < 4; round++) partition.append([['same', 'x'.repeat(40)]]);
  await partition.rollAndClean();
  expect(batchesOf(partition).map(({ recordCount }) => recordCount)).toEqual([0, 0, 0, 1]);
  partition.clock.nowMs += 10_001;
  partition.partition.maintain(partition.clock.nowMs);
  expect(partition.log.logStartOffset).toBe(4);
});

test('damage ends a round and changes nothing', async () => {
  const partition = opened();
  fill(partition, 40);
  partition.roll();
  partition.log.flushSync();
  const paths = partition.store.paths();
  partition.store.flipBit(`${DIRECTORY}/00000000000000000000.log`, 300, 3);
  await expect(partition.clean()).rejects.toThrow('the log is not compacted');
  expect(partition.store.paths()).toEqual(paths);
  expect(partition.append([['a', 'b']]).outcome).toBe('ok');
});

test('a round that retention, a cut or a close interrupts leaves nothing behind', async () => {
  for (const what of ['cut', 'configure', 'close'] as const) {
    const partition = opened();
    fill(partition, 40);
    partition.roll();
    fill(partition, 1);
    partition.log.flushSync();
    const steps = partition.partition.compact(partition.clock.nowMs);
    for (let step = 0; step < 60; step++) steps.next();
    expect(partition.store.paths().some((path) => path.endsWith('.cleaned'))).toBe(true);
    if (what === 'cut') partition.partition.truncateTo(100);
    else if (what === 'close') partition.partition.close();
    else partition.partition.configure({ ...partition.partition.config, compacts: false });
    expect(partition.store.paths().filter((path) => /cleaned|swap/.test(path))).toEqual([]);
    expect(steps.next()).toMatchObject({ done: true, value: { interrupted: true } });
  }
});

test('between any two steps of a round a log may be cut, closed, set otherwise or killed, and is what it was', async () => {
  const acts: Readonly<Record<string, (partition: CompactedPartition) => MemoryStore>> = {
    cut: ({ partition, store }) => {
      partition.truncateTo(21);
      expect(partition.log.logEndOffset).toBe(21);
      partition.close();
      return store;
    },
    configure: ({ partition, store }) => {
      partition.configure({ ...partition.config, compacts: false });
      partition.close();
      return store;
    },
    close: ({ partition, store }) => {
      partition.close();
      return store;
    },
    kill: ({ store }) => store.afterKill(),
  };
  for (const [what, act] of Object.entries(acts)) {
    let interrupted = 0;
    for (let stepsMax = 1; interrupted === stepsMax - 1; stepsMax++) {
      const partition = opened();
      fill(partition, 7);
      partition.roll();
      const before = tableOf(partition.read());
      fill(partition, 1);
      partition.log.flushSync();
      const steps = partition.partition.compact(partition.clock.nowMs);
      let step = steps.next();
      for (let taken = 1; taken < stepsMax && step.done !== true; taken++) {
        if ('wait' in step.value) await step.value.wait;
        step = steps.next();
      }
      if (step.done === true) continue;
      interrupted += 1;
      const store = act(partition);
      if (what !== 'kill') {
        expect(steps.next()).toMatchObject({ done: true, value: { interrupted: true } });
        expect(store.paths().filter((path) => /cleaned|swap/.test(path))).toEqual([]);
      }
      const again = new CompactedPartition(store, { cleanShutdown: what !== 'kill' });
      expect(again.log.fault).toBeUndefined();
      expect(tableOf(again.read().filter(({ offset }) => offset < 21))).toEqual(before);
      expectFilesSound(again);
    }
    expect(interrupted, what).toBeGreaterThan(15);
  }
});

test('a swap that cannot be finished when it is interrupted makes the log read-only, and the next open finishes it', async () => {
  const partition = opened();
  fill(partition, 7);
  partition.roll();
  const before = tableOf(partition.read());
  const steps = partition.partition.compact(partition.clock.nowMs);
  for (let step = steps.next(); !partition.store.paths().some((path) => path.endsWith('.log.swap')); ) {
    if (step.done !== true && 'wait' in step.value) await step.value.wait;
    step = steps.next();
  }
  partition.store.fail({ operation: 'rename', nth: 1, code: 'EIO', sticky: true });
  expect(() => partition.partition.truncateTo(10)).toThrow(/read-only/);
  expect(tableOf(partition.read())).toEqual(before);
  partition.store.heal();
  const again = new CompactedPartition(partition.store.afterKill());
  expect(tableOf(again.read())).toEqual(before);
  expectFilesSound(again);
  expect(again.store.paths().filter((path) => /cleaned|swap/.test(path))).toEqual([]);
});

test('a large batch is compacted in many steps', async () => {
  const partition = opened({ config: { segmentBytes: 1_000_000 } });
  const written = (round: number): Pair[] =>
    Array.from({ length: 3000 }, (_, index) => [`k${index % 2000}`, `${round} ${index} ${'v'.repeat(200)}`]);
  for (const round of [0, 1, 2]) expect(partition.append(written(round)).outcome).toBe('ok');
  partition.roll();
  const before = tableOf(partition.read());
  let steps = 0;
  partition.log.flushSync();
  await drive(partition.partition.compact(partition.clock.nowMs), () => {
    steps += 1;
  });
  // Each of three batches is read twice in parts, and looked through; the last is copied and written in parts.
  expect(steps).toBeGreaterThan(3 * (2 * 5 + 2) + 2 * 5);
  const after = partition.read();
  expect(after.length).toBe(2000);
  expect(tableOf(after)).toEqual(before);
  expectFilesSound(partition);
});

test('the largest timestamp is that of a record, not of a batch whose records are gone', async () => {
  const partition = opened();
  const first = partition.clock.nowMs;
  partition.append([['a', '1']]);
  partition.clock.nowMs += 100;
  partition.append([['b', 'late']], { producerId: 1, producerEpoch: 0, baseSequence: 0 });
  partition.clock.nowMs -= 50;
  partition.append([['b', 'earlier']]);
  await partition.rollAndClean();
  expect(partition.log.offsetOfMaxTimestamp(3)).toMatchObject({ offset: 2, timestamp: first + 50 });
  expect(partition.log.offsetForTimestamp(first + 60, 3)).toBeUndefined();
  expect(partition.log.offsetForTimestamp(first + 1, 3)?.offset).toBe(2);
});

const nodeCodecs = createNodeCodecs();

function compressed(codec: CodecName, entries: readonly Pair[], timestamp: number): Uint8Array {
  const encoder = new RecordBatchEncoder(kernels);
  const utf8 = new TextEncoder();
  for (const [key, value] of entries) {
    const bytes = value === null ? null : utf8.encode(value);
    encoder.append({ key: key === null ? null : utf8.encode(key), value: bytes, headers: [], timestamp });
  }
  const records = encoder.finishRecords();
  const bytes = nodeCodecs.codecs[codec].compress(records.bytes);
  return encoder.assemble({ ...records, bytes, compression: codecNumber(codec) });
}

test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('batches of %s are compacted record by record', async (codec) => {
  await nodeCodecs.load();
  const { codecs } = nodeCodecs;
  const partition = opened({ codecs });
  const batch = (...entries: Pair[]) => partition.appendBytes(compressed(codec, entries, partition.clock.nowMs));
  expect(batch(['a', '1'], ['b', '1'], ['c', '1']).outcome).toBe('ok');
  batch(['b', '2'], ['d', null]);
  batch(['a', '3'], ['x', 'y']);
  expect(batch([null, 'no key']).outcome).toBe('invalid-record');
  await partition.rollAndClean();
  const utf8 = new TextDecoder();
  const found = batchesOf(partition).flatMap((each) => {
    const records = each.records(codecs[codec].decompress(each.recordsBytes, 1 << 20));
    return records.map(
      ({ offset, key, value }) => `${offset} ${utf8.decode(key ?? undefined)}=${utf8.decode(value ?? undefined)}`,
    );
  });
  expect(found).toEqual(['2 c=1', '3 b=2', '4 d=', '5 a=3', '6 x=y']);
  expect(new Set(batchesOf(partition).map(({ compression }) => compression))).toEqual(new Set([codecNumber(codec)]));
  expectFilesSound(partition);
});

test('what nobody can decompress stays whole, and so does every tombstone behind it', async () => {
  const partition = opened();
  const entries: Pair[] = [
    ['a', '1'],
    ['b', '1'],
  ];
  await nodeCodecs.load();
  partition.append([['z', '0']]);
  partition.append([['z', null]]);
  partition.appendBytes(compressed('gzip', entries, partition.clock.nowMs));
  partition.append([['a', null]]);
  for (let round = 0; round < 3; round++) {
    partition.append([['other', `${round}`]]);
    await partition.rollAndClean();
    partition.clock.nowMs += DELETE_RETENTION_MS + 1;
  }
  // The tombstone of z stands before what cannot be read, and what it deletes cannot be in there.
  expect(batchesOf(partition).map(({ baseOffset, recordCount }) => [baseOffset, recordCount])).toEqual([
    [2, 2],
    [4, 1],
    [7, 1],
  ]);
});
