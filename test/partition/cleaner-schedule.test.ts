// Compaction beside the groups of a slot: that it happens by itself, in small slices, as slowly as it is told.

import { afterEach, expect, test } from 'vitest';
import type { Clock, StoreFile } from '../../src/core/platform.ts';
import type { PartitionEvent, PartitionReply } from '../../src/partition/commands.ts';
import { PartitionOwner } from '../../src/partition/partition-owner.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { TEST_LOG_CONFIG } from '../support/log-config.ts';
import { openCommand } from './fixture.ts';

const CLEANER = { ...TEST_LOG_CONFIG.cleaner, backoffMs: 1 };
const COMPACTED: Partial<LogConfig> = { compacts: true, deletes: false, segmentBytes: 200_000, cleaner: CLEANER };

/** What the work clock takes for the work of a millisecond, and for a look at the clock. */
const BYTES_PER_MS = 128 * 1024;
const LOOK_MS = 0.02;
const START_MS = 1_700_000_000_000;

/**
 * Time that goes on with the work that is done, and from one timer to the next: how fast the machine is and what else it
 * does changes nothing.
 */
class WorkClock implements Clock {
  readonly #timers = new Set<{ readonly dueMs: number; readonly task: () => void }>();
  #isGoing = false;
  #ms = 0;
  /** Bytes that were moved from one return to the event loop to the next. */
  readonly turns: number[] = [];
  /** Tasks that were begun. */
  tasks = 0;
  #bytes = 0;

  now(): number {
    return START_MS + Math.floor(this.#ms);
  }

  monotonic(): number {
    this.#ms += LOOK_MS;
    return this.#ms;
  }

  move(bytes: number): void {
    this.#bytes += bytes;
    this.#ms += bytes / BYTES_PER_MS;
  }

  endTurn(): void {
    this.turns.push(this.#bytes);
    this.#bytes = 0;
  }

  schedule(delayMs: number, task: () => void): { cancel(): void } {
    const timer = { dueMs: this.#ms + delayMs, task };
    this.#timers.add(timer);
    this.#go();
    return { cancel: () => this.#timers.delete(timer) };
  }

  #go(): void {
    if (this.#isGoing) return;
    this.#isGoing = true;
    setImmediate(() => {
      this.#isGoing = false;
      const [next] = [...this.#timers].sort((one, other) => one.dueMs - other.dueMs);
      if (next === undefined) return;
      this.#timers.delete(next);
      this.endTurn();
      this.#ms = Math.max(this.#ms, next.dueMs);
      this.tasks += 1;
      next.task();
      if (this.#timers.size > 0) this.#go();
    });
  }
}

/** A store whose bytes take the time of a work clock, and whose flushes give the thread away. */
class WorkStore extends MemoryStore {
  readonly #clock: WorkClock;

  constructor(clock: WorkClock) {
    super();
    this.#clock = clock;
  }

  override open(path: string, options: { readonly create: boolean }): StoreFile {
    const clock = this.#clock;
    const file = super.open(path, options);
    return {
      path,
      size: () => file.size(),
      read(target, position) {
        clock.move(target.length);
        return file.read(target, position);
      },
      write(source, position) {
        clock.move(source.length);
        file.write(source, position);
      },
      writeAll(sources, position) {
        for (const source of sources) clock.move(source.length);
        file.writeAll(sources, position);
      },
      truncate: (size) => file.truncate(size),
      async flush() {
        await file.flush();
        await new Promise((resolve) => setImmediate(resolve));
        clock.endTurn();
      },
      flushSync: () => file.flushSync(),
      close: () => file.close(),
    };
  }
}

/** An owner in the time of its own work. */
class TimedOwner {
  readonly #events: PartitionEvent[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly clock = new WorkClock();
  readonly store = new WorkStore(this.clock);
  readonly owner: PartitionOwner;

  constructor() {
    this.owner = new PartitionOwner({
      store: this.store,
      kernels: Kernels.create(loadWasmModule('plain')),
      clock: this.clock,
      slabPointers: [0, 0],
      onEvent: (event) => {
        this.#events.push(event);
        for (const wake of this.#waiting.splice(0)) wake();
      },
    });
  }

  async event(kind: PartitionEvent['kind']): Promise<PartitionEvent> {
    for (;;) {
      const index = this.#events.findIndex((event) => event.kind === kind);
      const [found] = index < 0 ? [] : this.#events.splice(index, 1);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  open(config: Partial<LogConfig>): void {
    this.execute({ kind: 'open', ...openCommand(0, { ...COMPACTED, ...config }) });
  }

  append(batch: Uint8Array): void {
    const command = { handle: 0, position: -1, length: batch.length, bytes: batch, durable: false } as const;
    expect(this.execute({ kind: 'append', origin: 'client', ...command })).toMatchObject({ outcome: 'ok' });
  }

  execute(command: Parameters<PartitionOwner['execute']>[0]['commands'][number]): PartitionReply {
    const [reply] = this.owner.execute({ slab: 0, commands: [command], released: [] }).replies;
    if (reply === undefined) throw new Error('a command has a reply');
    return reply;
  }

  get sizeBytes(): number {
    const state = this.execute({ kind: 'delete-records', handle: 0, beforeOffset: 0 });
    return 'state' in state ? (state.state?.sizeBytes ?? 0) : 0;
  }
}

const owners: TimedOwner[] = [];

function started(config: Partial<LogConfig> = {}): TimedOwner {
  const owner = new TimedOwner();
  owners.push(owner);
  owner.open(config);
  return owner;
}

afterEach(() => {
  for (const { owner } of owners.splice(0)) owner.end();
});

const encoder = new RecordBatchEncoder(Kernels.create(loadWasmModule('plain')));

function keyed(first: number, count: number, keys: number): Uint8Array {
  for (let index = first; index < first + count; index++) {
    const key = Buffer.from(`key ${index % keys}`);
    encoder.append({ key, value: Buffer.alloc(80, index), headers: [], timestamp: START_MS });
  }
  return encoder.finish({});
}

function fill(owner: TimedOwner, records: number): void {
  for (let first = 0; first < records; first += 500) owner.append(keyed(first, 500, 1000));
}

test('a log that is due is flushed and compacted by itself, and the dispatcher is told its size', async () => {
  const owner = started();
  fill(owner, 40_000);
  const before = owner.sizeBytes;
  const compacted = await owner.event('compacted');
  if (compacted.kind !== 'compacted') throw new Error('wrong event');
  expect(compacted.state.sizeBytes).toBeLessThan(before / 5);
  expect(owner.sizeBytes).toBe(compacted.state.sizeBytes);
  expect(compacted.state.logEndOffset).toBe(40_000);
  expect(owner.execute({ kind: 'close', handle: 0 })).toMatchObject({ outcome: 'ok' });
});

test('no slice of a round moves more bytes than a few milliseconds are enough for', async () => {
  const segmentBytes = 2_000_000;
  const owner = started({ segmentBytes });
  fill(owner, 100_000);
  const before = owner.sizeBytes;
  owner.clock.endTurn();
  owner.clock.turns.length = 0;
  await owner.event('compacted');
  const { turns } = owner.clock;
  // Whatever else there is, all but the active segment is read twice.
  expect(turns.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(2 * (before - segmentBytes));
  // Two milliseconds of bytes, then a last step, which fills a window of 128 KiB and writes another one.
  expect(Math.max(...turns)).toBeLessThanOrEqual(2 * BYTES_PER_MS + 2 * 128 * 1024);
});

test('compaction takes no more bytes a second than it is told', async () => {
  const owner = started({ cleaner: { ...CLEANER, ioBytesPerSecond: 4_000_000 } });
  fill(owner, 10_000);
  const before = owner.sizeBytes;
  const began = owner.clock.monotonic();
  await owner.event('compacted');
  // Everything but the active segment is read twice.
  const bytes = 2 * (before - 200_000);
  expect(owner.clock.monotonic() - began).toBeGreaterThan((bytes / 4_000_000) * 1000 * 0.95);
});

test('appends and reads go on between the slices, and a log that is closed in a round is closed', async () => {
  const owner = started();
  fill(owner, 100_000);
  let appended = 100_000;
  while (owner.clock.tasks < 15) {
    owner.append(keyed(appended, 500, 1000));
    appended += 500;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(owner.execute({ kind: 'close', handle: 0 })).toMatchObject({
    outcome: 'ok',
    state: { logEndOffset: appended },
  });
  expect(owner.store.paths().filter((path) => /cleaned|swap/.test(path))).toEqual([]);
  owner.execute({ kind: 'open', ...openCommand(0, COMPACTED), recoveryPoint: appended });
  await owner.event('compacted');
});

test('a log that is not to be compacted, or while log.cleaner.enable is false, is left alone', async () => {
  const owner = started({ cleaner: { ...CLEANER, enabled: false } });
  fill(owner, 20_000);
  const before = owner.sizeBytes;
  await new Promise((resolve) => setImmediate(resolve));
  expect(owner.clock.tasks).toBe(0);
  expect(owner.sizeBytes).toBe(before);
  owner.execute({ kind: 'configure', handle: 0, config: { ...TEST_LOG_CONFIG, ...COMPACTED } });
  await owner.event('compacted');
});

test('a log that cannot be compacted is reported, and goes on', async () => {
  const owner = started();
  fill(owner, 20_000);
  owner.store.fail({ operation: 'write', nth: 3, code: 'ENOSPC' });
  const failed = await owner.event('compaction-failed');
  expect(failed).toMatchObject({ handle: 0, fault: { code: 'ERR_STORAGE' } });
  owner.append(keyed(0, 500, 1000));
  expect(owner.store.paths().filter((path) => /cleaned|swap/.test(path))).toEqual([]);
});
