import { expect, test } from 'vitest';
import { GroupPace } from '../../src/partition/group-pace.ts';
import { SlotExecutor } from '../../src/partition/slot-executor.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { FakeThread } from './fake-thread.ts';

test('where few commands come they wait for nothing', () => {
  const pace = new GroupPace();
  expect(pace.holdsBack(1)).toBe(false);
  for (const commands of [1, 2, 1, 6]) {
    pace.sent(commands);
    expect(pace.holdsBack(1)).toBe(false);
  }
});

test('where many come, about half of what two groups had is waited for', () => {
  const pace = new GroupPace();
  pace.sent(1);
  pace.sent(63);
  expect([1, 31, 32, 40].map((commands) => pace.holdsBack(commands))).toEqual([true, true, false, false]);
  pace.sent(32);
  pace.sent(2);
  expect([1, 16, 17].map((commands) => pace.holdsBack(commands))).toEqual([true, true, false]);
  pace.sent(1);
  expect(pace.holdsBack(1)).toBe(false);
});

/** An executor over a thread whose turns end when the test says so. */
function rig() {
  const turns: (() => void)[] = [];
  const threads: FakeThread[] = [];
  const executor = new SlotExecutor({
    slots: 1,
    logger: silentLogger,
    startThread: (_slot, listener) => {
      const thread = new FakeThread(listener, { afterTurn: (action) => turns.push(action) });
      threads.push(thread);
      return thread;
    },
  });
  const thread = (): FakeThread => {
    const latest = threads.at(-1);
    if (latest === undefined) throw new Error('an executor has a thread');
    return latest;
  };
  const append = (count: number) =>
    Array.from({ length: count }, () => executor.append(0, new Uint8Array(8).fill(7), false));
  const sizes = () => thread().groups.map((group) => group.commands.length);
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  /** A group of one, and one of all the others: what a first burst makes. */
  const burst = async (count: number): Promise<void> => {
    const replies = append(1);
    await settle();
    replies.push(...append(count - 1));
    thread().answer();
    await settle();
    thread().answer();
    await Promise.all(replies);
  };
  return { thread, turns, append, sizes, settle, burst };
}

test('after a burst a group is sent when it is half as large, and what comes meanwhile follows', async () => {
  const { thread, append, sizes, settle, burst } = rig();
  await burst(16);
  const replies = append(7);
  await settle();
  expect(sizes()).toEqual([1, 15]);
  replies.push(...append(1));
  await settle();
  expect(sizes()).toEqual([1, 15, 8]);
  replies.push(...append(8));
  thread().answer();
  await settle();
  expect(sizes()).toEqual([1, 15, 8, 8]);
  thread().answer();
  expect((await Promise.all(replies)).map((reply) => reply.baseOffset)).toEqual(replies.map((_, index) => 16 + index));
});

test('a group that stays smaller is sent at the end of the turn, once', async () => {
  const { thread, turns, append, sizes, settle, burst } = rig();
  await burst(16);
  const replies = append(3);
  await settle();
  expect(sizes()).toEqual([1, 15]);
  expect(turns).toHaveLength(1);
  turns.shift()?.();
  expect(sizes()).toEqual([1, 15, 3]);
  thread().answer();
  expect((await Promise.all(replies)).map((reply) => reply.baseOffset)).toEqual([16, 17, 18]);
});

test('the end of a turn finds nothing to send where a group was sent meanwhile, or the thread was lost', async () => {
  const { thread, turns, append, sizes, settle, burst } = rig();
  await burst(16);
  const replies = append(8);
  await settle();
  expect(sizes()).toEqual([1, 15, 8]);
  for (const end of turns.splice(0)) end();
  expect(sizes()).toEqual([1, 15, 8]);
  thread().answer();
  await Promise.all(replies);
  const late = append(2);
  thread().dieIdle();
  for (const end of turns.splice(0)) end();
  await settle();
  await settle();
  for (const end of turns.splice(0)) end();
  await settle();
  expect(sizes()).toEqual([2]);
  thread().answer();
  await Promise.all(late);
});
