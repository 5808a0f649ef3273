import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { batch, memoryPartitions, openCommand } from './fixture.ts';
import { abortedOf, DIRECTORY, endOf, LogPartition } from './log-partition.ts';

const SMALL_SEGMENTS = { segmentBytes: 400 };

test('a batch that is sent again gets its first offsets, and is written once', () => {
  const partition = new LogPartition(new MemoryStore());
  expect(partition.append({ records: 3 })).toMatchObject({ outcome: 'ok', baseOffset: 0, lastOffset: 2 });
  expect(partition.append({ sequence: 3 })).toMatchObject({ outcome: 'ok', baseOffset: 3, lastOffset: 3 });
  expect(partition.append({ records: 3 })).toMatchObject({ outcome: 'ok', baseOffset: 0, lastOffset: 2 });
  expect(partition.end).toBe(4);
});

test('a batch that is sent again is known even where its time would not be taken any more', () => {
  const config = { timestampBeforeMaxMs: 1000 };
  const partition = new LogPartition(new MemoryStore(), { config });
  expect(partition.append().outcome).toBe('ok');
  partition.clock.nowMs += 5000;
  expect(partition.append()).toMatchObject({ outcome: 'ok', baseOffset: 0 });
  expect(partition.append({ sequence: 1 }).outcome).toBe('invalid-timestamp');
});

test('with log append time a repeated batch has the time of its first append', () => {
  const partition = new LogPartition(new MemoryStore(), { config: { stampsLogAppendTime: true } });
  const first = partition.append();
  partition.clock.nowMs += 5000;
  expect(partition.append()).toMatchObject({ logAppendTimeMs: first.logAppendTimeMs, baseOffset: 0 });
});

test('refusals say what was wrong and leave nothing behind', () => {
  const partition = new LogPartition(new MemoryStore());
  partition.append({ epoch: 1 });
  const refusals = [
    partition.append({ epoch: 1, sequence: 2 }),
    partition.append({ epoch: 0, sequence: 1 }),
    partition.append({ epoch: 1, sequence: 1, control: true }),
    partition.append({ epoch: 1, sequence: -1 }),
    partition.append({ id: -1, epoch: -1, sequence: -1, transactional: true }),
    partition.mark({ epoch: 0 }),
  ];
  expect(refusals.map((reply) => reply.outcome)).toEqual([
    'out-of-order-sequence',
    'invalid-producer-epoch',
    'invalid-record',
    'invalid-record',
    'invalid-record',
    'invalid-producer-epoch',
  ]);
  for (const reply of refusals) expect([reply.fault?.code, reply.baseOffset]).toEqual(['ERR_BROKER', -1]);
  expect(partition.end).toBe(1);
});

test('an open transaction holds back read_committed alone, and its end lets it go on', () => {
  const partition = new LogPartition(new MemoryStore());
  partition.append({ id: 1 });
  partition.append({ id: 2, transactional: true });
  partition.append({ id: 3 });
  expect([partition.stable, partition.end]).toEqual([1, 3]);
  expect(endOf(partition.read(0).records)).toBe(1);
  expect(partition.read(1).records.length).toBe(0);
  expect(partition.read(2)).toMatchObject({ outcome: 'ok', records: { length: 0 }, abortedTransactions: [] });
  expect(partition.read(4).outcome).toBe('offset-out-of-range');
  expect(endOf(partition.read(0, 1 << 20, 'high-watermark').records)).toBe(3);
  expect(partition.mark({ id: 2 })).toMatchObject({ outcome: 'ok', baseOffset: 3, lastOffset: 3 });
  expect(partition.stable).toBe(4);
  expect(endOf(partition.read(0).records)).toBe(4);
});

test('a marker is a control batch of its producer, with type and coordinator epoch', () => {
  const partition = new LogPartition(new MemoryStore());
  partition.append({ id: 5, epoch: 3, transactional: true });
  partition.mark({ id: 5, epoch: 4, coordinator: 9, commit: false, version: 2 });
  const { records } = partition.read(1);
  const view = new DataView(records.buffer, records.byteOffset, records.length);
  expect(view.getUint16(21)).toBe(0x30);
  expect([Number(view.getBigInt64(43)), view.getInt16(51), view.getInt32(53)]).toEqual([5, 4, -1]);
  // length, attributes, timestamp and offset delta; then key length, version and type; value length, version, epoch.
  expect([...records.subarray(61)]).toEqual([32, 0, 0, 0, 8, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 9, 0]);
});

test('read_committed names the aborted transactions of what it reads; read_uncommitted names none', () => {
  const partition = new LogPartition(new MemoryStore());
  partition.append({ id: 1, transactional: true, records: 5 });
  partition.append({ id: 2, transactional: true, records: 5 });
  partition.mark({ id: 2, commit: false });
  partition.append({ id: 3, transactional: true, records: 5 });
  partition.mark({ id: 1, commit: false });
  partition.mark({ id: 3 });
  expect(abortedOf(partition.read(0))).toEqual(['1 at 0', '2 at 5']);
  expect(abortedOf(partition.read(10))).toEqual(['1 at 0', '2 at 5']);
  expect(abortedOf(partition.read(11))).toEqual(['1 at 0']);
  expect(abortedOf(partition.read(16))).toEqual(['1 at 0']);
  expect(abortedOf(partition.read(17))).toEqual([]);
  // Only the first batch: the second transaction begins behind it.
  expect(abortedOf(partition.read(0, 1))).toEqual(['1 at 0']);
  expect(abortedOf(partition.read(partition.end))).toEqual([]);
  expect(abortedOf(partition.read(0, 1 << 20, 'high-watermark'))).toBe(undefined);
});

test('an abort that is marked segments later is found from the segments before', () => {
  const partition = new LogPartition(new MemoryStore(), { config: SMALL_SEGMENTS });
  partition.append({ id: 1, transactional: true });
  for (let sequence = 0; sequence < 20; sequence++) partition.append({ id: 2, sequence });
  partition.mark({ id: 1, commit: false });
  for (let sequence = 20; sequence < 40; sequence++) partition.append({ id: 2, sequence });
  expect(partition.partition.log.describe().length).toBeGreaterThan(5);
  for (const offset of [0, 7, 20, 21]) expect(abortedOf(partition.read(offset))).toEqual(['1 at 0']);
  expect(abortedOf(partition.read(22))).toEqual([]);
});

test("a restart in order knows the producers' last five batches without a look at the log", () => {
  const store = new MemoryStore();
  const before = new LogPartition(store);
  for (let sequence = 0; sequence < 7; sequence++) before.append({ sequence });
  before.append({ id: 8, transactional: true });
  const producers = before.producers();
  before.partition.close();
  const reads: string[] = [];
  store.onRead = (path) => reads.push(path);
  const after = new LogPartition(store, { recoveryPoint: 8, clean: true });
  expect(reads.filter((path) => path.endsWith('.log'))).toEqual([]);
  store.onRead = undefined;
  expect(after.producers()).toEqual(producers);
  expect(after.stable).toBe(7);
  const again = [1, 2, 3, 4, 5, 6].map((sequence) => after.append({ sequence }));
  expect(again.map((reply) => reply.baseOffset)).toEqual([-1, 2, 3, 4, 5, 6]);
  expect(after.append({ sequence: 7 }).baseOffset).toBe(8);
});

test('a log without producers closes and opens in order without a look at the log, and without a file when empty', () => {
  const store = new MemoryStore();
  new LogPartition(store).partition.close();
  expect(store.paths().filter((path) => path.endsWith('.snapshot'))).toEqual([]);
  const used = new LogPartition(store, { clean: true });
  for (let index = 0; index < 5; index++) used.append({ id: -1, epoch: -1, sequence: -1 });
  used.partition.close();
  const reads: string[] = [];
  store.onRead = (path) => reads.push(path);
  new LogPartition(store, { recoveryPoint: 5, clean: true });
  expect(reads.filter((path) => path.endsWith('.log'))).toEqual([]);
});

test.each(['snapshots are gone', 'snapshots are broken'])('the state is read from the log where %s', (how) => {
  const store = new MemoryStore();
  const before = new LogPartition(store, { config: SMALL_SEGMENTS });
  for (let sequence = 0; sequence < 12; sequence++) before.append({ sequence, transactional: true });
  before.mark({ commit: false });
  before.append({ sequence: 12, transactional: true });
  const producers = before.producers();
  before.partition.close();
  const snapshots = store.paths().filter((path) => path.endsWith('.snapshot'));
  expect(snapshots.length).toBeGreaterThan(2);
  for (const path of snapshots) {
    if (how.endsWith('gone')) store.remove(path);
    else store.flipBit(path, 12, 3);
  }
  const after = new LogPartition(store, { recoveryPoint: 14, clean: true, config: SMALL_SEGMENTS });
  expect(after.producers()).toEqual(producers);
  expect(abortedOf(after.read(0))).toEqual(['7 at 0']);
  expect(after.append({ sequence: 9, transactional: true }).baseOffset).toBe(9);
});

test('a transaction index that is damaged is written anew when it is read', () => {
  const store = new MemoryStore();
  const before = new LogPartition(store, { config: SMALL_SEGMENTS });
  for (let round = 0; round < 8; round++) {
    before.append({ sequence: round, transactional: true });
    before.mark({ commit: round % 2 === 0 });
  }
  before.partition.close();
  const indexes = store.paths().filter((path) => path.endsWith('.txnindex'));
  expect(indexes.length).toBeGreaterThan(1);
  for (const path of indexes) {
    const whole = store.readSmall(path) ?? new Uint8Array(0);
    for (const damaged of [whole.slice(0, -1), whole.map((byte) => byte ^ 0x40), new Uint8Array(34)]) {
      const copy = copyOf(store);
      copy.put(path, damaged);
      const after = new LogPartition(copy, { recoveryPoint: 16, clean: true, config: SMALL_SEGMENTS });
      const found = new Set<string>();
      for (let offset = 0; offset < 16; offset++)
        for (const each of abortedOf(after.read(offset)) ?? []) found.add(each);
      expect([...found].sort()).toEqual(['7 at 10', '7 at 14', '7 at 2', '7 at 6']);
      expect(copy.readSmall(path)).toEqual(whole);
    }
  }
});

test('snapshots stand at the segments that are left, and go with them', () => {
  const store = new MemoryStore();
  const partition = new LogPartition(store, {
    config: { ...SMALL_SEGMENTS, retentionBytes: 1500, fileDeleteDelayMs: 10 },
  });
  for (let sequence = 0; sequence < 60; sequence++) partition.append({ sequence });
  partition.append({ id: 9, transactional: true });
  partition.partition.maintain(partition.clock.nowMs);
  partition.partition.maintain(partition.clock.nowMs + 20);
  const bases = partition.partition.log.describe().map((segment) => segment.baseOffset);
  expect(bases[0]).toBeGreaterThan(20);
  const snapshots = () =>
    store
      .paths()
      .filter((path) => path.includes('.snapshot'))
      .map((path) => Number(/([0-9]{20})/.exec(path)?.[1]));
  expect(snapshots()).toEqual(bases);
  // Closed and opened twice: what an earlier close has left is not kept.
  const options = { clean: true, config: SMALL_SEGMENTS };
  partition.partition.close();
  const second = new LogPartition(store, { ...options, recoveryPoint: 61 });
  second.append({ sequence: 60 });
  second.partition.close();
  expect(snapshots()).toEqual([...bases, 62]);
  const third = new LogPartition(store, { ...options, recoveryPoint: 62 });
  expect(third.producers()).toEqual(['7/0 at 60, coordinator -1, open -1', '9/0 at 0, coordinator -1, open 60']);
});

test('a crash after retention still knows producers whose batches are gone', () => {
  const store = new MemoryStore({ simulatesCrashes: true });
  const config = { ...SMALL_SEGMENTS, retentionBytes: 800, fileDeleteDelayMs: 0 };
  const partition = new LogPartition(store, { config });
  partition.append({ id: 1 });
  for (let sequence = 0; sequence < 30; sequence++) partition.append({ id: 2, sequence });
  partition.partition.maintain(partition.clock.nowMs);
  const { logStartOffset } = partition.partition.state();
  expect(logStartOffset).toBeGreaterThan(10);
  const after = new LogPartition(store.afterKill(), { config, logStartOffset });
  expect(after.append({ id: 1, sequence: 5 }).outcome).toBe('out-of-order-sequence');
  expect(after.append({ id: 1, sequence: 0 }).baseOffset).toBe(0);
});

test('a transaction whose beginning is deleted stays open, and the stable offset stays within the log', () => {
  const partition = new LogPartition(new MemoryStore());
  partition.append({ transactional: true });
  for (let sequence = 1; sequence < 5; sequence++) partition.append({ sequence, transactional: true });
  expect(partition.partition.deleteRecords(3).outcome).toBe('ok');
  expect(partition.partition.state()).toMatchObject({ logStartOffset: 3, lastStableOffset: 3 });
  partition.mark({ commit: false });
  expect(partition.stable).toBe(6);
  expect(abortedOf(partition.read(3))).toEqual(['7 at 0']);
});

test('a cut takes back batches, markers, aborts and snapshots', () => {
  const store = new MemoryStore();
  const partition = new LogPartition(store, { config: SMALL_SEGMENTS });
  partition.append({ transactional: true });
  for (let sequence = 0; sequence < 10; sequence++) partition.append({ id: 2, sequence });
  const producers = partition.producers();
  partition.mark({ commit: false });
  for (let sequence = 10; sequence < 20; sequence++) partition.append({ id: 2, sequence });
  partition.partition.truncateTo(11);
  expect([partition.stable, partition.producers()]).toEqual([0, producers]);
  expect(partition.append({ id: 2, sequence: 8 }).baseOffset).toBe(9);
  partition.mark();
  expect(partition.stable).toBe(12);
  expect(abortedOf(partition.read(0))).toEqual([]);
  const offsets = store
    .paths()
    .flatMap((path) => (path.endsWith('.snapshot') ? [Number(/([0-9]{20})/.exec(path)?.[1])] : []));
  expect(Math.max(...offsets)).toBeLessThanOrEqual(12);
});

test('an abort that the index refuses is not shown as stable, and a restart mends it', () => {
  const store = new MemoryStore({ simulatesCrashes: true });
  const partition = new LogPartition(store);
  partition.append({ transactional: true });
  store.fail({ operation: 'open', nth: 1, code: 'ENOSPC' });
  expect(partition.mark({ commit: false }).outcome).toBe('storage-error');
  expect(partition.stable).toBe(0);
  expect(partition.append({ id: 8 }).fault?.code).toBe('ERR_PARTITION_READ_ONLY');
  const after = new LogPartition(store.afterKill());
  expect(after.stable).toBe(2);
  expect(abortedOf(after.read(0))).toEqual(['7 at 0']);
});

test('a snapshot that cannot be written costs nothing but time at the next start', () => {
  const store = new MemoryStore({ simulatesCrashes: true });
  const partition = new LogPartition(store, { config: SMALL_SEGMENTS });
  let sequence = 0;
  while (partition.partition.log.describe().length < 2) partition.append({ sequence: sequence++ });
  const end = partition.end;
  while (partition.partition.log.describe().length < 4) {
    const { length } = partition.partition.log.describe();
    expect(partition.append({ sequence: sequence++ }).outcome).toBe('ok');
    if (partition.partition.log.describe().length === length) continue;
    for (const path of store.paths()) if (path.endsWith('.snapshot')) store.put(path, new Uint8Array(3));
  }
  expect(partition.end).toBeGreaterThan(end);
  const after = new LogPartition(store.afterKill(), { config: SMALL_SEGMENTS });
  expect(after.append({ sequence: sequence - 5 })).toMatchObject({ outcome: 'ok', baseOffset: sequence - 5 });
});

test('idle producers are forgotten by maintenance, after producer.id.expiration.ms', () => {
  const partition = new LogPartition(new MemoryStore(), { config: { producerIdExpirationMs: 1000 } });
  partition.append({ id: 1 });
  partition.append({ id: 2, transactional: true });
  partition.partition.maintain(partition.clock.nowMs + 999);
  expect(partition.producers().length).toBe(2);
  partition.partition.maintain(partition.clock.nowMs + 1000);
  expect(partition.producers()).toEqual(['2/0 at 0, coordinator -1, open 1']);
  expect(partition.append({ id: 1, sequence: 40 }).outcome).toBe('ok');
});

test('producers that have been idle for too long are not taken up by a start', () => {
  const store = new MemoryStore();
  const before = new LogPartition(store, { config: { producerIdExpirationMs: 1000 } });
  before.append({ id: 1 });
  before.append({ id: 2, transactional: true });
  before.partition.close();
  before.clock.nowMs += 1000;
  const options = { clock: before.clock, recoveryPoint: 2, clean: true, config: { producerIdExpirationMs: 1000 } };
  const after = new LogPartition(store, options);
  expect(after.producers()).toEqual(['2/0 at 0, coordinator -1, open 1']);
});

test('the executor carries markers, descriptions, aborts and batches of coordinators', async () => {
  const { executor, append } = await memoryPartitions();
  const states: number[] = [];
  executor.onStateChange((_handle, state) => states.push(state.lastStableOffset));
  const own = { producerId: 4, producerEpoch: 1, isTransactional: true };
  expect(await append(0, batch(['a'], { ...own, baseSequence: -1 }))).toMatchObject({ outcome: 'invalid-record' });
  expect(await executor.appendFromCoordinator(0, batch(['a'], own), true)).toMatchObject({ baseOffset: 0 });
  expect(await append(0, batch(['b']))).toMatchObject({ baseOffset: 1 });
  expect(executor.state(0)).toMatchObject({ lastStableOffset: 0, highWatermark: 2 });
  const marker = {
    handle: 0,
    producerId: 4,
    producerEpoch: 1,
    coordinatorEpoch: 2,
    transactionVersion: 0,
    durable: true,
  };
  const fenced = await executor.writeMarker({ ...marker, producerEpoch: 0, commit: true });
  expect(fenced).toMatchObject({ outcome: 'invalid-producer-epoch', baseOffset: -1 });
  const written = await executor.writeMarker({ ...marker, commit: false });
  expect(written).toMatchObject({ outcome: 'ok', baseOffset: 2 });
  expect(written.state?.recoveryPoint).toBe(3);
  expect(states.slice(-2)).toEqual([3, 3]);
  expect(await executor.describeProducers(0)).toMatchObject({
    outcome: 'ok',
    producers: [
      { producerId: 4, producerEpoch: 1, lastSequence: -1, coordinatorEpoch: 2, currentTransactionStartOffset: -1 },
    ],
  });
  const { reads } = await executor.fetch({
    maxBytes: 1 << 20,
    minOneBatch: true,
    reads: [
      { handle: 0, offset: 0, maxBytes: 1 << 20, end: 'last-stable', currentLeaderEpoch: -1, lastFetchedEpoch: -1 },
    ],
  });
  expect(reads[0]?.abortedTransactions).toEqual([{ producerId: 4, firstOffset: 0 }]);
  expect((await executor.describeProducers(9)).outcome).toBe('unknown-partition');
  expect((await executor.writeMarker({ ...marker, handle: 9, commit: true })).outcome).toBe('unknown-partition');
});

test('a durable batch that is sent again waits for the flush of the first', async () => {
  const { append, store } = await memoryPartitions();
  const own = { producerId: 4, producerEpoch: 0, baseSequence: 0 };
  const bytes = batch(['a'], own);
  store.holdFlushes();
  const settled: string[] = [];
  const first = append(0, bytes.slice(), true).then(() => settled.push('first'));
  const again = append(0, bytes.slice(), true).then((reply) => settled.push(`again at ${reply.baseOffset}`));
  expect((await append(0, batch(['b']))).baseOffset).toBe(1);
  expect(settled).toEqual([]);
  store.releaseFlushes();
  await Promise.all([first, again]);
  expect(settled).toEqual(['first', 'again at 0']);
});

test('a partition that is closed and opened by the executor keeps its transactions', async () => {
  const { append, executor } = await memoryPartitions();
  const own = { producerId: 4, producerEpoch: 0, isTransactional: true };
  await append(0, batch(['a'], { ...own, baseSequence: 0 }));
  await executor.closePartition(0);
  const opened = await executor.open({ ...openCommand(0), recoveryPoint: 1 });
  expect(opened.state).toMatchObject({ lastStableOffset: 0, logEndOffset: 1 });
  expect(await append(0, batch(['a'], { ...own, baseSequence: 0 }))).toMatchObject({ baseOffset: 0 });
});

function copyOf(store: MemoryStore): MemoryStore {
  const copy = new MemoryStore();
  for (const path of store.paths()) copy.put(path, store.readSmall(path) ?? new Uint8Array(0));
  expect(copy.paths().some((path) => path.startsWith(DIRECTORY))).toBe(true);
  return copy;
}

test('a partition that nobody wrote to is closed without a write', () => {
  const store = new MemoryStore();
  const before = new LogPartition(store);
  before.append();
  before.partition.close();
  const untouched = new LogPartition(store, { recoveryPoint: 1, clean: true });
  const writes = store.operations.get('write');
  untouched.partition.close();
  expect(store.operations.get('write')).toBe(writes);
});

test('aborts of sealed segments are on stable storage with the flush that covers them', async () => {
  const store = new MemoryStore({ simulatesCrashes: true });
  const partition = new LogPartition(store, { config: SMALL_SEGMENTS });
  partition.append({ transactional: true });
  partition.mark({ commit: false });
  for (let sequence = 0; sequence < 20; sequence++) partition.append({ id: 2, sequence });
  expect(partition.partition.log.describe().length).toBeGreaterThan(3);
  await partition.partition.log.flush();
  const { recoveryPoint } = partition.partition.log;
  // Everything that was not flushed is lost.
  const after = new LogPartition(
    store.afterPowerLoss(() => 1),
    { config: SMALL_SEGMENTS, recoveryPoint },
  );
  expect(after.end).toBe(22);
  expect(abortedOf(after.read(0))).toEqual(['7 at 0']);
  expect(after.append({ id: 2, sequence: 18 }).baseOffset).toBe(20);
});

test('a log that is cut to nothing holds no transaction open whose end it has lost', () => {
  const store = new MemoryStore();
  const partition = new LogPartition(store, { config: SMALL_SEGMENTS });
  partition.append({ transactional: true });
  for (let sequence = 0; sequence < 10; sequence++) partition.append({ id: 2, sequence });
  partition.mark();
  expect(partition.partition.deleteRecords(12).outcome).toBe('ok');
  partition.append({ id: 2, sequence: 10 });
  partition.partition.truncateTo(12);
  expect([partition.end, partition.stable, partition.producers()]).toEqual([12, 12, []]);
  expect(partition.append({ id: 2, sequence: 10 }).baseOffset).toBe(12);
});

test('state is read around a damaged batch, every other one counting once', () => {
  const store = new MemoryStore();
  const before = new LogPartition(store, { config: { segmentBytes: 900 } });
  for (let sequence = 0; sequence < 30; sequence++)
    before.append({ id: sequence % 5, sequence: Math.floor(sequence / 5) });
  before.append({ id: 9, transactional: true });
  before.mark({ id: 9, commit: false });
  const producers = before.producers();
  before.partition.close();
  for (const path of store.paths()) if (path.endsWith('.snapshot')) store.remove(path);
  const [first] = store.paths().filter((path) => path.endsWith('.log'));
  // The length of the third batch, in a segment that recovery does not read.
  const batchBytes = 12 + new DataView((store.readSmall(first ?? '') ?? new Uint8Array(0)).buffer).getInt32(8);
  store.flipBit(first ?? '', 2 * batchBytes + 10, 0);
  const after = new LogPartition(store, { recoveryPoint: 32, clean: true, config: { segmentBytes: 900 } });
  expect(after.producers()).toEqual(producers);
  expect(after.append({ id: 1, sequence: 5 })).toMatchObject({ outcome: 'ok', baseOffset: 26 });
});
