import { expect, test } from 'vitest';
import type { AppendReply, OpenCommand } from '../../src/partition/commands.ts';
import { SlotExecutor } from '../../src/partition/slot-executor.ts';
import { TEST_LOG_CONFIG } from '../support/log-config.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { FakeThread, stateAt } from './fake-thread.ts';

interface Rig {
  readonly executor: SlotExecutor;
  /** The thread that serves the slot now. */
  thread(slot?: number): FakeThread;
  readonly started: FakeThread[];
}

function rig(
  options: {
    slots?: number;
    slotPartitionsMin?: number;
    slabBytes?: number;
    poison?: (start: number) => ReadonlySet<number>;
  } = {},
): Rig {
  const current: FakeThread[] = [];
  const started: FakeThread[] = [];
  const executor = new SlotExecutor({
    slots: options.slots ?? 1,
    slotPartitionsMin: options.slotPartitionsMin ?? 1,
    logger: silentLogger,
    startThread: (slot, listener) => {
      const poison = options.poison?.(started.length) ?? new Set<number>();
      const thread = new FakeThread(listener, { slabBytes: options.slabBytes ?? 1024, poison });
      current[slot] = thread;
      started.push(thread);
      return thread;
    },
  });
  const thread = (slot = 0): FakeThread => {
    const found = current[slot];
    if (found === undefined) throw new Error(`no thread in slot ${slot}`);
    return found;
  };
  return { executor, thread, started };
}

function openCommand(handle: number): Omit<OpenCommand, 'kind'> {
  return {
    handle,
    directory: `topic-${handle}`,
    topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    config: TEST_LOG_CONFIG,
    leaderEpoch: 3,
    recoveryPoint: 0,
    logStartOffset: 0,
    cleanShutdown: true,
  };
}

function bytes(length: number, fill = 7): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

/** Answers whatever group comes, on whichever thread, until all of `work` is settled. */
async function serve(thread: () => FakeThread, work: readonly Promise<unknown>[]): Promise<void> {
  let done = false;
  const all = Promise.allSettled(work).then(() => {
    done = true;
  });
  while (!done) {
    thread().answerIfAny();
    await Promise.race([all, new Promise((resolve) => setImmediate(resolve))]);
  }
}

test('what arrives while a group is in flight travels as the next group, in order', async () => {
  const { executor, thread } = rig();
  await executor.open(openCommand(0));
  const first = executor.append(0, bytes(10), false);
  await thread().arrived();
  const later = [1, 2, 3].map((fill) => executor.append(0, bytes(10, fill), false));
  thread().answer();
  await first;
  const group = await thread().arrived();
  expect(group.commands).toHaveLength(3);
  const positions = group.commands.map((command) => (command.kind === 'append' ? command.position : -1));
  expect(positions).toEqual([0, 16, 32]);
  expect(positions.map((position) => thread().slabs[group.slab][position])).toEqual([1, 2, 3]);
  thread().answer();
  expect((await Promise.all(later)).map((reply) => reply.baseOffset)).toEqual([1, 2, 3]);
});

test('the group in flight and the group being filled never share a slab', async () => {
  const { executor, thread } = rig();
  await executor.open(openCommand(0));
  const slabs: number[] = [];
  let pending: Promise<AppendReply> = executor.append(0, bytes(8), false);
  for (let round = 0; round < 4; round++) {
    slabs.push((await thread().arrived()).slab);
    const next = executor.append(0, bytes(8), false);
    thread().answer();
    await pending;
    pending = next;
  }
  for (let index = 1; index < slabs.length; index++) expect(slabs[index]).not.toBe(slabs[index - 1]);
});

test('records lie in the slab at the same address within a word as in their frame, where they are copied fastest', async () => {
  const { executor, thread } = rig();
  await executor.open(openCommand(0));
  const frame = bytes(64);
  for (const start of [1, 5, 8, 15]) void executor.append(0, frame.subarray(start, start + 20), false);
  const group = await thread().arrived();
  const positions = group.commands.map((command) => (command.kind === 'append' ? command.position % 8 : -1));
  expect(positions).toEqual([1, 5, 0, 7]);
});

test('a full slab holds writers back until there is room again, and keeps their order', async () => {
  const { executor, thread } = rig({ slabBytes: 64 });
  await executor.open(openCommand(0));
  const replies = [0, 1, 2, 3, 4, 5].map((fill) => executor.append(0, bytes(32, fill), false));
  const waiting = executor.whenWritable();
  expect(waiting).toBeInstanceOf(Promise);
  for (let group = 0; group < 3; group++) {
    await thread().arrived();
    thread().answer();
  }
  await waiting;
  expect(executor.whenWritable()).toBeUndefined();
  expect((await Promise.all(replies)).map((reply) => reply.baseOffset)).toEqual([0, 1, 2, 3, 4, 5]);
});

test('a batch larger than a slab travels by itself, one in a group, between its neighbours', async () => {
  const { executor, thread } = rig({ slabBytes: 64 });
  await executor.open(openCommand(0));
  const replies = [bytes(8), bytes(500), bytes(700), bytes(8)].map((records) => executor.append(0, records, false));
  const lengths: number[][] = [];
  for (let answered = 0; answered < 4; answered += lengths.at(-1)?.length ?? 0) {
    const group = await thread().arrived();
    lengths.push(group.commands.map((command) => (command.kind === 'append' ? command.length : -1)));
    thread().answer();
  }
  expect(lengths).toEqual([
    [8, 500],
    [700, 8],
  ]);
  expect((await Promise.all(replies)).map((reply) => reply.baseOffset)).toEqual([0, 1, 2, 3]);
});

test('a durable append is answered by the flush that covers it and by no earlier one', async () => {
  const { executor, thread } = rig();
  await executor.open(openCommand(0));
  const settled: string[] = [];
  const first = executor.append(0, bytes(8), true).then((reply) => settled.push(`first ${reply.outcome}`));
  const second = executor.append(0, bytes(8), true).then((reply) => settled.push(`second ${reply.outcome}`));
  const relaxed = executor.append(0, bytes(8), false).then(() => settled.push('relaxed'));
  await thread().arrived();
  thread().answer();
  await relaxed;
  expect(settled).toEqual(['relaxed']);
  thread().say({ kind: 'flushed', handle: 0, recoveryPoint: 1 });
  await first;
  expect(settled).toEqual(['relaxed', 'first ok']);
  thread().say({ kind: 'flushed', handle: 0, recoveryPoint: 3 });
  await second;
  expect(executor.state(0)?.recoveryPoint).toBe(3);
});

test('a flush that overtakes the reply of its append still answers it', async () => {
  const { executor, thread } = rig();
  await executor.open(openCommand(0));
  const append = executor.append(0, bytes(8), true);
  await thread().arrived();
  thread().say({ kind: 'flushed', handle: 0, recoveryPoint: 1 });
  thread().answer();
  expect((await append).outcome).toBe('ok');
});

test('a reply that tells of a flush before its event does answers what waited for it', async () => {
  const { executor, thread } = rig();
  await executor.open(openCommand(0));
  const first = executor.append(0, bytes(8), true);
  await thread().arrived();
  thread().answer();
  const second = executor.append(0, bytes(8), false);
  await thread().arrived();
  thread().answer({ recoveryPoint: 1 });
  await second;
  thread().say({ kind: 'flushed', handle: 0, recoveryPoint: 1 });
  expect((await first).outcome).toBe('ok');
});

test('a flush that failed refuses what waits and what comes later, and is never taken for success', async () => {
  const { executor, thread } = rig();
  await executor.open(openCommand(0));
  const waiting = executor.append(0, bytes(8), true);
  await thread().arrived();
  thread().answer();
  await Promise.resolve();
  const fault = { code: 'ERR_STORAGE', message: 'fdatasync: EIO' } as const;
  thread().say({ kind: 'flush-failed', handle: 0, fault });
  expect(await waiting).toMatchObject({ outcome: 'storage-error', fault, baseOffset: -1 });
  const later = executor.append(0, bytes(8), true);
  await thread().arrived();
  thread().answer();
  expect((await later).outcome).toBe('storage-error');
});

test('when the thread dies, what was in flight is answered as lost and the partitions are opened again', async () => {
  const { executor, thread, started } = rig();
  await executor.open(openCommand(0));
  await executor.open(openCommand(1));
  const durable = executor.append(0, bytes(8), true);
  await thread().arrived();
  thread().answer();
  const lost = executor.append(1, bytes(8), false);
  await thread().arrived();
  const filled = executor.append(0, bytes(8), false);
  const question = executor.epochEnd({ handle: 0, leaderEpoch: 3, currentLeaderEpoch: -1 });
  thread().die();
  expect((await lost).outcome).toBe('worker-lost');
  expect((await durable).outcome).toBe('worker-lost');
  expect(started[0]?.ended).toBe(true);
  await serve(thread, [question, filled]);
  expect((await question).outcome).toBe('ok');
  expect(await filled).toMatchObject({ outcome: 'ok', baseOffset: 0 });
  const reopened = started[1]?.groups[0]?.commands ?? [];
  expect(reopened.map((command) => command.kind)).toEqual(['open', 'open']);
  expect(reopened.every((command) => command.kind === 'open' && !command.cleanShutdown)).toBe(true);
});

test('a thread that dies while nothing is in flight is replaced too', async () => {
  const { executor, thread, started } = rig();
  await executor.open(openCommand(0));
  thread().dieIdle();
  const append = executor.append(0, bytes(8), false);
  await serve(thread, [append]);
  expect((await append).outcome).toBe('ok');
  expect(started).toHaveLength(2);
});

test('one partition that kills its owner when opened stays closed; all the others come back', async () => {
  const { executor, thread, started } = rig({ poison: (start) => new Set(start === 0 ? [] : [5]) });
  for (let handle = 0; handle < 20; handle++) await executor.open(openCommand(handle));
  const lost = executor.append(0, bytes(8), false);
  await thread().arrived();
  thread().die();
  expect((await lost).outcome).toBe('worker-lost');
  const question = executor.append(19, bytes(8), false);
  await serve(thread, [question]);
  expect((await question).outcome).toBe('ok');
  expect(executor.state(5)).toBeUndefined();
  expect(executor.state(4)).toBeDefined();
  const opened = new Set(
    thread().groups.flatMap((group) => group.commands.map((command) => 'handle' in command && command.handle)),
  );
  expect(opened.has(5)).toBe(false);
  expect(started.length).toBeLessThan(15);
});

function fetchOf(...handles: readonly number[]): Parameters<SlotExecutor['fetch']>[0] {
  const read = {
    offset: 0,
    maxBytes: 100,
    end: 'high-watermark',
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
  } as const;
  return { maxBytes: 1000, minOneBatch: true, lends: true, reads: handles.map((handle) => ({ handle, ...read })) };
}

test('what an owner has lent is shown where it lies, and comes back with the next group', async () => {
  const { executor, thread } = rig();
  const fetching = executor.fetch(fetchOf(1, 2));
  await thread().arrived();
  thread().answer();
  const { reads, release } = await fetching;
  expect(reads.map(({ records }) => [...records])).toEqual([
    [16, 17, 18, 19, 20, 21, 22, 23, 24, 25],
    [32, 33, 34, 35, 36, 37, 38, 39, 40, 41],
  ]);
  expect(reads[0]?.records.buffer).toBe(thread().lending.buffer);
  const before = executor.fetch(fetchOf(3));
  expect((await thread().arrived()).released).toEqual([]);
  release();
  thread().answer();
  (await before).release();
  const after = executor.fetch(fetchOf(4));
  expect((await thread().arrived()).released).toEqual([16, 32, 48]);
  thread().answer();
  await after;
  await executor.close();
});

test('what a lost thread had lent does not come back to the next one', async () => {
  const { executor, thread, started } = rig();
  const fetching = executor.fetch(fetchOf(1));
  await thread().arrived();
  thread().answer();
  const { release } = await fetching;
  thread().dieIdle();
  const again = executor.fetch(fetchOf(2));
  while (started.length < 2) await new Promise((resolve) => setImmediate(resolve));
  release();
  expect((await thread().arrived()).released).toEqual([]);
  thread().answer();
  await again;
  await executor.close();
});

test('a fetch over several slots gives back what each has lent', async () => {
  const { executor, thread } = rig({ slots: 2 });
  for (const handle of [2, 3, 4, 5]) await executor.open(openCommand(handle));
  const fetching = executor.fetch(fetchOf(2, 3));
  for (const slot of [0, 1]) {
    await thread(slot).arrived();
    thread(slot).answer();
  }
  (await fetching).release();
  const after = executor.fetch(fetchOf(4, 5));
  expect((await thread(0).arrived()).released).toEqual([32]);
  expect((await thread(1).arrived()).released).toEqual([48]);
  for (const slot of [0, 1]) thread(slot).answer();
  await after;
  await executor.close();
});

test('a read that is answered in one group with a later append does not hide what was appended', async () => {
  const { executor, thread } = rig();
  await executor.open(openCommand(0));
  const first = executor.append(0, bytes(8), false);
  await thread().arrived();
  const fetching = executor.fetch(fetchOf(0));
  const second = executor.append(0, bytes(8), false);
  thread().answer();
  expect((await thread().arrived()).commands.map(({ kind }) => kind)).toEqual(['fetch', 'append']);
  thread().answer();
  await Promise.all([first, second, fetching]);
  expect(executor.state(0)?.highWatermark).toBe(2);
});

test('a fetch that waits for a slow slot does not hide what was appended in another one meanwhile', async () => {
  const { executor, thread } = rig({ slots: 2 });
  await executor.open(openCommand(0));
  await executor.open(openCommand(1));
  const fetching = executor.fetch(fetchOf(0, 1));
  await thread(0).arrived();
  thread(0).answer();
  const append = executor.append(0, bytes(8), true);
  await thread(0).arrived();
  thread(0).answer();
  thread(0).say({ kind: 'flushed', handle: 0, recoveryPoint: 1 });
  expect((await append).outcome).toBe('ok');
  await thread(1).arrived();
  thread(1).answer();
  await fetching;
  expect(executor.state(0)).toMatchObject({ highWatermark: 1, recoveryPoint: 1 });
});

test('a compaction that is told of before the appends it followed does not hide them', async () => {
  const { executor, thread } = rig();
  await executor.open(openCommand(0));
  const append = executor.append(0, bytes(8), false);
  await thread().arrived();
  thread().answer();
  await append;
  thread().say({ kind: 'compacted', handle: 0, state: stateAt(0) });
  expect(executor.state(0)?.highWatermark).toBe(1);
});

test('a lost thread is not listened to any more once another one has its place', async () => {
  const { executor, thread, started } = rig();
  await executor.open(openCommand(0));
  thread().dieIdle();
  const append = executor.append(0, bytes(8), false);
  await serve(thread, [append]);
  started[0]?.say({ kind: 'compacted', handle: 0, state: stateAt(9) });
  expect(executor.state(0)?.highWatermark).toBe(1);
});

test('one thread runs until it has its partitions; the next one is started for the partition that finds it so', async () => {
  const { executor, started } = rig({ slots: 3, slotPartitionsMin: 2 });
  expect(started).toHaveLength(1);
  const seen: number[] = [];
  for (let handle = 0; handle < 7; handle++) {
    await executor.open(openCommand(handle));
    seen.push(started.length);
  }
  expect(seen).toEqual([1, 1, 2, 2, 3, 3, 3]);
  expect(executor.queueLengths()).toEqual([0, 0, 0]);
  await executor.close();
  expect(started.map(({ ended }) => ended)).toEqual([true, true, true]);
});

test('partitions that are opened at the same time are spread as those that come one by one', async () => {
  const { executor, started } = rig({ slots: 2, slotPartitionsMin: 2 });
  await Promise.all([0, 1, 2, 3, 4, 5].map((handle) => executor.open(openCommand(handle))));
  const opened = started.map(({ groups }) =>
    groups.flatMap(({ commands }) => commands.map((command) => ('handle' in command ? command.handle : -1))),
  );
  expect(opened).toEqual([
    [0, 1, 4, 5],
    [2, 3],
  ]);
});

test("a broker's own partitions start no thread", async () => {
  const { executor, started } = rig({ slots: 2, slotPartitionsMin: 2 });
  for (let handle = 0; handle < 9; handle++) await executor.open({ ...openCommand(handle), internal: true });
  expect(started).toHaveLength(1);
});

test('a thread that was started late is replaced as the first one is, with its partitions and no others', async () => {
  const { executor, thread, started } = rig({ slots: 2, slotPartitionsMin: 2 });
  for (let handle = 0; handle < 5; handle++) await executor.open(openCommand(handle));
  const lost = executor.append(2, bytes(8), true);
  await thread(1).arrived();
  thread(1).die();
  expect((await lost).outcome).toBe('worker-lost');
  const others = executor.append(4, bytes(8), false);
  await thread(0).arrived();
  thread(0).answer();
  expect((await others).outcome).toBe('ok');
  const again = executor.append(3, bytes(8), false);
  await serve(() => thread(1), [again]);
  expect((await again).outcome).toBe('ok');
  expect(started).toHaveLength(3);
  const reopened = started[2]?.groups[0]?.commands ?? [];
  expect(reopened.map((command) => ('handle' in command ? command.handle : -1))).toEqual([2, 3]);
});

test('whether a partition is gone is said by the thread that takes the place of the lost one', async () => {
  const { executor, thread, started } = rig({ slots: 2 });
  await executor.open(openCommand(0));
  await executor.open(openCommand(1));
  const closing = executor.closePartition(1);
  await thread(1).arrived();
  thread(1).die();
  expect((await closing).outcome).toBe('worker-lost');
  const removing = executor.remove(1);
  await serve(() => thread(1), [removing]);
  expect((await removing).outcome).toBe('ok');
  expect(started).toHaveLength(3);
  expect(started[2]?.groups.map(({ commands }) => commands.map(({ kind }) => kind))).toEqual([['remove']]);
});

test('a thread that cannot be started leaves its partitions to those that run', async () => {
  const started: FakeThread[] = [];
  const executor = new SlotExecutor({
    slots: 3,
    slotPartitionsMin: 1,
    logger: silentLogger,
    startThread: (slot, listener) => {
      if (slot === 1) throw new RangeError('could not allocate memory');
      const thread = new FakeThread(listener);
      started.push(thread);
      return thread;
    },
  });
  for (let handle = 0; handle < 4; handle++) {
    expect((await executor.open(openCommand(handle))).outcome).toBe('ok');
  }
  expect(started).toHaveLength(1);
  expect(executor.queueLengths()).toHaveLength(1);
});

test('nothing is started any more once the executor is closed', async () => {
  const { executor, started } = rig({ slots: 2 });
  await executor.open(openCommand(0));
  await executor.close();
  expect((await executor.open(openCommand(1))).outcome).toBe('worker-lost');
  expect(started).toHaveLength(1);
});

test('a request over several slots travels as a group to each, and keeps the order within every partition', async () => {
  const { executor, thread } = rig({ slots: 2 });
  for (let handle = 0; handle < 4; handle++) await executor.open(openCommand(handle));
  const appends = [0, 1, 2, 3, 0, 1].map((handle) => executor.append(handle, bytes(8), false));
  expect((await thread(0).arrived()).commands.map((one) => 'handle' in one && one.handle)).toEqual([0, 2, 0]);
  expect((await thread(1).arrived()).commands.map((one) => 'handle' in one && one.handle)).toEqual([1, 3, 1]);
  thread(1).answer();
  thread(0).answer();
  expect((await Promise.all(appends)).map(({ baseOffset }) => baseOffset)).toEqual([0, 0, 0, 0, 1, 1]);
});
