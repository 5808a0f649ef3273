import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { batch, memoryPartitions, openCommand } from './fixture.ts';

test('a batch gets the next offsets and comes back with them and the leader epoch', async () => {
  const { append, read } = await memoryPartitions();
  expect(await append(0, batch(['a', 'b']))).toMatchObject({ outcome: 'ok', baseOffset: 0, lastOffset: 1 });
  expect(await append(0, batch(['c']))).toMatchObject({ outcome: 'ok', baseOffset: 2, lastOffset: 2 });
  const { records, state } = await read(0, 2);
  const view = new DataView(records.buffer, records.byteOffset);
  expect([Number(view.getBigInt64(0)), view.getInt32(12)]).toEqual([2, 3]);
  expect(state).toMatchObject({ logStartOffset: 0, highWatermark: 3, logEndOffset: 3 });
});

test('a corrupt batch is refused and leaves nothing behind', async () => {
  const { append, executor } = await memoryPartitions();
  const bytes = batch(['one', 'two']);
  for (let position = 16; position < bytes.length; position++) {
    const broken = bytes.slice();
    broken[position] = (broken[position] ?? 0) ^ 0x10;
    expect((await append(0, broken)).outcome).not.toBe('ok');
  }
  expect(executor.state(0)?.logEndOffset).toBe(0);
  expect((await append(0, bytes)).baseOffset).toBe(0);
});

test('what a producer may not send is refused with its reason', async () => {
  const { append } = await memoryPartitions({ config: { maxMessageBytes: 400 } });
  const twoBatches = Buffer.concat([batch(['a']), batch(['b'])]);
  const cases: [Uint8Array, string, RegExp][] = [
    [batch(['x'], { isControl: true }), 'invalid-record', /control/],
    [batch(['x'], { isTransactional: true }), 'invalid-record', /needs a producer id/],
    [batch(['x'], { producerId: 7, baseSequence: 0 }), 'invalid-record', /needs a producer epoch/],
    [batch(['x'], { producerId: 7, producerEpoch: 0 }), 'invalid-record', /needs a sequence/],
    [batch(['x'.repeat(500)]), 'message-too-large', /max\.message\.bytes allows 400/],
    [batch(['x'], { timestamp: Date.now() + 7_200_000 }), 'invalid-timestamp', /after\.max\.ms/],
    [twoBatches, 'invalid-record', /exactly one record batch/],
    [batch(['x']).subarray(0, 40), 'corrupt-message', /shorter/],
  ];
  for (const [records, outcome, reason] of cases) {
    const reply = await append(0, records);
    expect(reply.outcome).toBe(outcome);
    expect(reply.fault?.message).toMatch(reason);
    expect(reply.baseOffset).toBe(-1);
  }
});

test("LogAppendTime stamps the broker's time, and the batch still passes its check", async () => {
  const { append, read } = await memoryPartitions({ config: { stampsLogAppendTime: true } });
  const before = Date.now();
  const reply = await append(0, batch(['a', 'b'], { timestamp: 1 }));
  expect(reply.logAppendTimeMs).toBeGreaterThanOrEqual(before);
  const { records } = await read(0, 0);
  const view = new DataView(records.buffer, records.byteOffset);
  expect(Number(view.getBigInt64(35))).toBe(reply.logAppendTimeMs);
  expect(view.getUint16(21) & 8).toBe(8);
});

test('readers are fenced by leader epoch and bounded by the log', async () => {
  const { append, executor } = await memoryPartitions();
  await append(0, batch(['a']));
  const outcomes: string[] = [];
  for (const [offset, currentLeaderEpoch] of [
    [0, 2],
    [0, 4],
    [0, 3],
    [1, -1],
    [2, -1],
    [-1, -1],
  ] as const) {
    const { reads } = await executor.fetch({
      maxBytes: 1000,
      minOneBatch: true,
      reads: [{ handle: 0, offset, maxBytes: 1000, end: 'high-watermark', currentLeaderEpoch, lastFetchedEpoch: -1 }],
    });
    outcomes.push(`${reads[0]?.outcome} ${reads[0]?.records.length === 0 ? 'empty' : 'records'}`);
  }
  expect(outcomes).toEqual([
    'fenced-leader-epoch empty',
    'unknown-leader-epoch empty',
    'ok records',
    'ok empty',
    'offset-out-of-range empty',
    'offset-out-of-range empty',
  ]);
});

test('a reader whose epoch ended before its offset is told where its log departs, not that it is out of range', async () => {
  const { append, executor } = await memoryPartitions();
  await append(0, batch(['a']));
  await executor.closePartition(0);
  await executor.open({ ...openCommand(0), leaderEpoch: 4, recoveryPoint: 1 });
  await append(0, batch(['b']));
  const { reads } = await executor.fetch({
    maxBytes: 1000,
    minOneBatch: true,
    reads: [{ handle: 0, offset: 9, maxBytes: 1000, end: 'log-end', currentLeaderEpoch: 4, lastFetchedEpoch: 3 }],
  });
  expect(reads[0]).toMatchObject({ outcome: 'ok', divergingEpoch: { epoch: 3, endOffset: 1 } });
});

test('a reader of committed records ahead of the last stable offset waits there and is not out of range', async () => {
  const { append, executor } = await memoryPartitions();
  await append(0, batch(['open'], { isTransactional: true, producerId: 7, producerEpoch: 0, baseSequence: 0 }));
  expect(executor.state(0)).toMatchObject({ lastStableOffset: 0, highWatermark: 1 });
  const { reads } = await executor.fetch({
    maxBytes: 1000,
    minOneBatch: true,
    reads: [{ handle: 0, offset: 1, maxBytes: 1000, end: 'last-stable', currentLeaderEpoch: -1, lastFetchedEpoch: -1 }],
  });
  expect(reads[0]).toMatchObject({ outcome: 'ok', records: { length: 0 } });
});

test('one budget is shared by the reads of a fetch, and only the first gets a batch beyond it', async () => {
  const { append, executor } = await memoryPartitions({ count: 3 });
  for (const handle of [0, 1, 2]) await append(handle, batch(['x'.repeat(300)]));
  const read = (handle: number) =>
    ({
      handle,
      offset: 0,
      maxBytes: 1000,
      end: 'high-watermark',
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }) as const;
  const tiny = await executor.fetch({ maxBytes: 10, minOneBatch: true, reads: [read(2), read(0), read(1)] });
  expect(tiny.reads.map((reply) => reply.records.length > 0)).toEqual([true, false, false]);
  const two = await executor.fetch({ maxBytes: 800, minOneBatch: true, reads: [read(0), read(1), read(2)] });
  expect(two.reads.map((reply) => reply.records.length > 0)).toEqual([true, true, false]);
});

test('a slow flush of one partition holds up neither appends nor fetches of the others', async () => {
  const { append, read, store, executor } = await memoryPartitions({ count: 2 });
  store.holdFlushes();
  const settled: string[] = [];
  const slow = append(0, batch(['slow']), true).then((reply) => settled.push(`slow ${reply.outcome}`));
  for (let index = 0; index < 20; index++) expect((await append(1, batch([`${index}`]))).outcome).toBe('ok');
  expect((await append(0, batch(['same partition, not durable']))).baseOffset).toBe(1);
  expect((await read(1, 0)).records.length).toBeGreaterThan(0);
  expect((await read(0, 0)).records.length).toBeGreaterThan(0);
  expect(settled).toEqual([]);
  store.releaseFlushes();
  await slow;
  expect(settled).toEqual(['slow ok']);
  expect(executor.state(0)?.recoveryPoint).toBeGreaterThanOrEqual(1);
});

test('durable appends that arrive during a flush share the next one', async () => {
  const { append, store } = await memoryPartitions();
  store.holdFlushes();
  const appends = Array.from({ length: 50 }, (_, index) => append(0, batch([`${index}`]), true));
  const before = store.operations.get('flush') ?? 0;
  store.releaseFlushes();
  const replies = await Promise.all(appends);
  expect(replies.every((reply) => reply.outcome === 'ok')).toBe(true);
  expect((store.operations.get('flush') ?? 0) - before).toBeLessThan(20);
});

test.each(['ENOSPC', 'EIO'] as const)(
  '%s on write refuses the append, keeps what was acknowledged, and ends with a reopen',
  async (code) => {
    const store = new MemoryStore({ simulatesCrashes: true });
    const first = await memoryPartitions({ store });
    await first.append(0, batch(['kept']));
    store.fail({ operation: 'write', nth: 1, code, tornBytes: 10 });
    const refused = await first.append(0, batch(['refused']));
    expect(refused.outcome).toBe('storage-error');
    expect(refused.fault?.message).toContain(code);
    const later = await first.append(0, batch(['later']));
    expect(later).toMatchObject({ outcome: 'storage-error', fault: { code: 'ERR_PARTITION_READ_ONLY' } });
    expect((await first.read(0, 0)).records.length).toBeGreaterThan(0);
    const again = await memoryPartitions({ store: store.afterKill() });
    expect((await again.append(0, batch(['after']))).baseOffset).toBe(1);
  },
);

test('a flush that failed refuses its append and everything after it until the partition is opened again', async () => {
  const store = new MemoryStore({ simulatesCrashes: true });
  const first = await memoryPartitions({ store });
  expect((await first.append(0, batch(['durable']), true)).outcome).toBe('ok');
  store.fail({ operation: 'flush', nth: 1, code: 'EIO' });
  expect((await first.append(0, batch(['lost']), true)).outcome).toBe('storage-error');
  expect((await first.append(0, batch(['after']), true)).outcome).toBe('storage-error');
  expect((await first.append(0, batch(['after']), false)).outcome).toBe('storage-error');
});

test('delete-records moves the log start, and offsets outside of the log are refused', async () => {
  const { append, executor, read } = await memoryPartitions();
  for (const value of ['a', 'b', 'c']) await append(0, batch([value]));
  expect((await executor.deleteRecords({ handle: 0, beforeOffset: 4 })).outcome).toBe('offset-out-of-range');
  expect((await executor.deleteRecords({ handle: 0, beforeOffset: 2 })).state?.logStartOffset).toBe(2);
  expect((await read(0, 1)).outcome).toBe('offset-out-of-range');
  expect((await executor.deleteRecords({ handle: 0, beforeOffset: -1 })).state?.logStartOffset).toBe(3);
});

test('a partition that is not open is said to be unknown, whatever is asked of it', async () => {
  const { append, executor, read } = await memoryPartitions();
  expect((await append(9, batch(['x']))).outcome).toBe('unknown-partition');
  expect((await read(9, 0)).outcome).toBe('unknown-partition');
  expect((await executor.closePartition(9)).outcome).toBe('unknown-partition');
  const end = await executor.epochEnd({ handle: 9, leaderEpoch: 0, currentLeaderEpoch: -1 });
  expect(end).toMatchObject({ outcome: 'unknown-partition', endOffset: -1 });
});

test('a closed partition gives its records back when it is opened again', async () => {
  const { append, executor, read } = await memoryPartitions();
  await append(0, batch(['a', 'b']));
  const closed = await executor.closePartition(0);
  expect(closed.state?.recoveryPoint).toBe(2);
  await executor.open({ ...openCommand(0), recoveryPoint: 2 });
  expect((await read(0, 0)).state?.logEndOffset).toBe(2);
});

test('a later state has a larger revision, whatever has changed', async () => {
  const { append, read, executor } = await memoryPartitions();
  const states = [
    (await append(0, batch(['a', 'b']))).state,
    (await read(0, 0)).state,
    (await append(0, batch(['c']), true)).state,
    (await read(0, 0)).state,
    (await executor.deleteRecords({ handle: 0, beforeOffset: 1 })).state,
  ];
  const revisions = states.map((state) => state?.revision ?? -1);
  expect(revisions[1]).toBe(revisions[0]);
  expect(new Set(revisions).size).toBe(4);
  expect(revisions).toEqual([...revisions].sort((one, other) => one - other));
});
