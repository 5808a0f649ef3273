// Compaction beside the groups of a slot: that it happens by itself, in small slices, as slowly as it is told.

import { afterEach, expect, test } from 'vitest';
import type { Clock } from '../../src/core/platform.ts';
import type { PartitionEvent, PartitionReply } from '../../src/partition/commands.ts';
import { PartitionOwner } from '../../src/partition/partition-owner.ts';
import { systemClock } from '../../src/platform/node/clock.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { TEST_LOG_CONFIG } from '../support/log-config.ts';
import { openCommand } from './fixture.ts';

const CLEANER = { ...TEST_LOG_CONFIG.cleaner, backoffMs: 1 };
const COMPACTED: Partial<LogConfig> = { compacts: true, deletes: false, segmentBytes: 200_000, cleaner: CLEANER };

/** An owner whose timers are timed. */
class TimedOwner {
  readonly #events: PartitionEvent[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly store = new MemoryStore();
  readonly owner: PartitionOwner;
  /** Processor time of every task that the owner had scheduled: what else the machine does is not its fault. */
  readonly sliceMs: number[] = [];

  constructor() {
    const clock: Clock = {
      now: () => systemClock.now(),
      monotonic: () => systemClock.monotonic(),
      schedule: (delayMs, task) =>
        systemClock.schedule(delayMs, () => {
          const began = process.cpuUsage();
          task();
          const { user, system } = process.cpuUsage(began);
          this.sliceMs.push((user + system) / 1000);
        }),
    };
    this.owner = new PartitionOwner({
      store: this.store,
      kernels: Kernels.create(loadWasmModule('plain')),
      clock,
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
    encoder.append({ key, value: Buffer.alloc(80, index), headers: [], timestamp: Date.now() });
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

test('no slice of a round holds the thread for long', async () => {
  const owner = started();
  fill(owner, 300_000);
  await owner.event('compacted');
  const slices = owner.sliceMs.toSorted((a, b) => a - b);
  const at = (part: number) => slices[Math.floor(part * (slices.length - 1))] ?? 0;
  const figures = [0.5, 0.9, 0.99, 1].map((part) => `${part * 100}%: ${at(part).toFixed(2)}`);
  console.log(`${slices.length} slices in ms: ${figures.join(', ')}`);
  expect(slices.length).toBeGreaterThan(20);
  // Garbage collection and the compiler have threads of their own, which count here.
  expect(at(0.9)).toBeLessThan(5);
});

test('compaction takes no more bytes a second than it is told', async () => {
  const owner = started({ cleaner: { ...CLEANER, ioBytesPerSecond: 4_000_000 } });
  fill(owner, 10_000);
  const before = owner.sizeBytes;
  const began = systemClock.monotonic();
  await owner.event('compacted');
  // Everything but the active segment is read twice.
  const bytes = 2 * (before - 200_000);
  expect(systemClock.monotonic() - began).toBeGreaterThan((bytes / 4_000_000) * 1000 * 0.8);
});

test('appends and reads go on between the slices, and a log that is closed in a round is closed', async () => {
  const owner = started();
  fill(owner, 100_000);
  let appended = 100_000;
  while (owner.sliceMs.length < 15) {
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
  expect(owner.sliceMs).toEqual([]);
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
