// A slot's web Worker seen from the dispatching side: groups, events, loss and end, with a worker that does as it is told.

import { expect, test } from 'vitest';
import { present } from '../../src/core/assert.ts';
import type { PartitionEvent } from '../../src/partition/commands.ts';
import { type FromSlot, startWorkerThread, type ToSlot } from '../../src/platform/web/worker-thread.ts';

/** Stands for a Worker; what it is sent is kept, what it says the test says. */
class ToldWorker {
  readonly sent: ToSlot[] = [];
  readonly transferred: ArrayBuffer[] = [];
  isTerminated = false;
  onmessage: ((event: { readonly data: FromSlot }) => void) | null = null;
  onerror: ((event: { readonly message: string; preventDefault(): void }) => void) | null = null;

  postMessage(message: ToSlot, transfer: ArrayBuffer[]): void {
    this.sent.push(message);
    this.transferred.push(...transfer);
  }

  terminate(): void {
    this.isTerminated = true;
  }

  say(data: FromSlot): void {
    this.onmessage?.({ data });
  }

  fail(message: string): void {
    this.onerror?.({ message, preventDefault: () => undefined });
  }
}

function start() {
  const worker = new ToldWorker();
  const events: PartitionEvent[] = [];
  const losses: string[] = [];
  const thread = startWorkerThread({
    worker: worker as unknown as Worker,
    // An empty module: eight bytes of magic and version.
    module: new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)),
    storeRoot: '/data',
    listener: {
      onEvent: (event) => events.push(event),
      onLost: (cause) => losses.push(String(cause)),
    },
  });
  return { worker, thread, events, losses };
}

const GROUP = { slab: 0, commands: [{ kind: 'maintain' }], released: [] } as const;

test('a group is answered by its reply, and events are passed on', async () => {
  const { worker, thread, events } = start();
  expect(worker.sent[0]).toMatchObject({ kind: 'start', start: { storeRoot: '/data' } });
  const reply = thread.run(GROUP);
  worker.say({ kind: 'event', event: { kind: 'flushed', handle: 3, recoveryPoint: 9 } });
  worker.say({ kind: 'done', reply: [] });
  expect(await reply).toEqual({ replies: [] });
  expect(events).toEqual([{ kind: 'flushed', handle: 3, recoveryPoint: 9 }]);
});

test('records that no slab could hold are given away as copies of their own', async () => {
  const { worker, thread } = start();
  const bytes = new Uint8Array(100).subarray(10, 20).fill(7);
  void thread.run({
    slab: 0,
    released: [],
    commands: [{ kind: 'append', handle: 0, position: -1, length: 10, bytes, durable: false, origin: 'client' }],
  });
  expect(worker.transferred.map(({ byteLength }) => byteLength)).toEqual([10]);
  expect(bytes.length).toBe(10);
});

test('a worker that breaks under a group rejects it, and is not told as lost besides', async () => {
  const { worker, thread, losses } = start();
  const reply = thread.run(GROUP);
  worker.fail('out of memory');
  await expect(reply).rejects.toMatchObject({ code: 'ERR_WORKER_LOST', message: 'out of memory' });
  expect(losses).toEqual([]);
  await expect(thread.run(GROUP)).rejects.toMatchObject({ code: 'ERR_WORKER_LOST' });
});

test('a worker that meets a bug, or breaks while it is idle, is told as lost once', () => {
  for (const breakdown of ['failed', 'error']) {
    const { worker, losses } = start();
    if (breakdown === 'failed') worker.say({ kind: 'failed', reason: 'a bug' });
    else worker.fail('a bug');
    worker.fail('again');
    expect(losses.length).toBe(1);
    expect(losses[0]).toContain('a bug');
  }
});

test('it ends when the worker says that its files are closed, and what was under way is lost', async () => {
  const { worker, thread } = start();
  const reply = thread.run(GROUP);
  const ending = thread.end();
  expect(present(worker.sent.at(-1), 'last message').kind).toBe('end');
  expect(worker.isTerminated).toBe(false);
  worker.say({ kind: 'ended' });
  await ending;
  expect(worker.isTerminated).toBe(true);
  await expect(reply).rejects.toMatchObject({ code: 'ERR_WORKER_LOST' });
});
