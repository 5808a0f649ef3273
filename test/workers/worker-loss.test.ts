// Real worker threads on a real directory, broken in every way a thread can break.

import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { SlotExecutor } from '../../src/partition/slot-executor.ts';
import { startPiscinaThread } from '../../src/platform/node/piscina-thread.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { batch, openCommand, readOne } from '../partition/fixture.ts';
import { temporaryDirectory } from '../support/broker-process.ts';
import { silentLogger } from '../support/silent-logger.ts';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

/** Two slots: even handles live in the one that will be broken, odd ones in the other. */
async function twoSlots(): Promise<SlotExecutor> {
  const directory = temporaryDirectory('workers');
  cleanUps.push(() => directory.remove());
  const module = loadWasmModule('shared');
  const executor = new SlotExecutor({
    slots: 2,
    slotPartitionsMin: 1,
    logger: silentLogger,
    startThread: (_slot, listener) =>
      startPiscinaThread({
        module,
        listener,
        storeRoot: directory.path,
        heapMegabytesMax: 48,
        workerFile: fileURLToPath(new URL('./breaking-worker.mjs', import.meta.url)),
      }),
  });
  cleanUps.push(() => executor.close());
  for (let handle = 0; handle < 4; handle++) expect((await executor.open(openCommand(handle))).outcome).toBe('ok');
  return executor;
}

test.each([
  ['throws', 1001],
  ['traps in WebAssembly', 1002],
  ['runs out of memory', 1003],
] as const)('a worker that %s ends alone: its partitions come back, the others do not notice', async (_how, cause) => {
  const executor = await twoSlots();
  for (const handle of [0, 1, 2, 3]) {
    for (const durable of [false, true])
      expect((await executor.append(handle, batch(['kept']), durable)).outcome).toBe('ok');
  }
  const breaking = executor.epochEnd({ handle: 0, leaderEpoch: cause, currentLeaderEpoch: -1 });
  const inFlight = executor.append(2, batch(['in flight']), false);
  const others = Array.from({ length: 50 }, (_, index) => executor.append(1, batch([`${index}`]), index % 2 === 0));
  expect((await breaking).outcome).toBe('worker-lost');
  expect((await inFlight).outcome).toBe('worker-lost');
  expect((await Promise.all(others)).every((reply) => reply.outcome === 'ok')).toBe(true);
  for (const handle of [0, 2]) {
    expect(await executor.append(handle, batch(['after']), true)).toMatchObject({ outcome: 'ok', baseOffset: 2 });
    const read = await readOne(executor, handle, 0);
    expect(read).toMatchObject({ outcome: 'ok', state: { logEndOffset: 3 } });
    expect(read.records.length).toBeGreaterThan(0);
  }
  expect((await readOne(executor, 1, 0)).state?.logEndOffset).toBe(52);
});

test('an error that no task waits for ends the worker too, and what comes next is served by a new one', async () => {
  const executor = await twoSlots();
  await executor.append(0, batch(['kept']), true);
  const reopened = new Promise<void>((resolve) => {
    executor.onStateChange((handle) => {
      if (handle === 0) resolve();
    });
  });
  await executor.epochEnd({ handle: 0, leaderEpoch: 1004, currentLeaderEpoch: -1 });
  await reopened;
  expect(await executor.append(0, batch(['after']), true)).toMatchObject({ outcome: 'ok', baseOffset: 1 });
});

test('a batch larger than a slab goes through a worker thread whole', async () => {
  const executor = await twoSlots();
  await executor.configure({ handle: 0, config: { ...openCommand(0).config, maxMessageBytes: 64_000_000 } });
  const large = batch(['x'.repeat(20_000_000)]);
  expect(await executor.append(0, large, true)).toMatchObject({ outcome: 'ok', baseOffset: 0 });
  const { records } = await readOne(executor, 0, 0);
  expect(records.length).toBe(large.length);
  expect(Buffer.compare(records.subarray(21), large.subarray(21))).toBe(0);
});

test('hundreds of appends in flight from a full slab are all answered, in order', async () => {
  const executor = await twoSlots();
  const records = batch(['x'.repeat(500_000)]);
  const appends: Promise<{ baseOffset: number }>[] = [];
  for (let index = 0; index < 200; index++) {
    await executor.whenWritable();
    appends.push(executor.append(0, records, false));
  }
  expect((await Promise.all(appends)).map((reply) => reply.baseOffset)).toEqual(appends.map((_, index) => index));
});
