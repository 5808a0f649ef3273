// Reading ahead of readers that go on: what they are given is what they would have read themselves.

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LENDING_BYTES,
  READ_AHEAD_BYTES_MAX,
  READ_AHEAD_BYTES_PER_MS_MAX,
  READ_AHEAD_MS_MAX,
} from '../../src/core/limits.ts';
import type { Clock } from '../../src/core/platform.ts';
import type { PartitionRead, PartitionReply, ReadReply } from '../../src/partition/commands.ts';
import { createLendingMemory, LendingMemory } from '../../src/partition/lending-memory.ts';
import { PartitionOwner } from '../../src/partition/partition-owner.ts';
import { systemClock } from '../../src/platform/node/clock.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { TEST_LOG_CONFIG } from '../support/log-config.ts';
import { batch, openCommand } from './fixture.ts';

const module = loadWasmModule('plain');
const MAX_BYTES = 256 * 1024;

/** An owner whose idle moments the test gives it, beside the count of the bytes that it read from files. */
class Rig {
  nowMs = 1_000_000;
  monotonicMs = 1000;
  #bytesRead = 0;
  /** Reads of a random sequence that were answered without one of a file. */
  servedAhead = 0;
  readonly shared = createLendingMemory();
  readonly memory = new LendingMemory(this.shared);
  readonly store = new MemoryStore();
  readonly owner: PartitionOwner;
  #due: (() => void)[] = [];
  #released: number[] = [];

  constructor(options: { readonly readsAhead: boolean; readonly bytesPerMs?: number }) {
    this.store.onRead = (path, _position, length) => {
      this.monotonicMs += length / (options.bytesPerMs ?? READ_AHEAD_BYTES_PER_MS_MAX / 2);
      if (path.endsWith('.log')) this.#bytesRead += length;
    };
    const clock: Clock = { ...systemClock, now: () => this.nowMs, monotonic: () => this.monotonicMs };
    this.owner = new PartitionOwner({
      store: this.store,
      kernels: Kernels.create(module),
      clock,
      slabPointers: [0, 0],
      lending: this.memory,
      later: options.readsAhead ? (action) => this.#due.push(action) : undefined,
      onEvent: () => undefined,
    });
  }

  run(command: Parameters<PartitionOwner['execute']>[0]['commands'][number]): PartitionReply {
    const released = this.#released;
    this.#released = [];
    const [reply] = this.owner.execute({ slab: 0, commands: [command], released }).replies;
    if (reply === undefined) throw new Error('one command has one reply');
    return reply;
  }

  open(handle: number, config: Partial<LogConfig> = {}): void {
    this.run({ kind: 'open', ...openCommand(handle, config) });
  }

  append(handle: number, values: readonly string[], durable = false): void {
    const bytes = batch(values, { timestamp: this.nowMs });
    const command = { handle, position: -1, length: bytes.length, bytes, durable, origin: 'client' } as const;
    this.run({ kind: 'append', ...command });
  }

  /** Nobody waits for the owner. */
  idle(): void {
    for (let due = this.#due.shift(); due !== undefined; due = this.#due.shift()) due();
  }

  fetch(read: Pick<PartitionRead, 'handle' | 'offset'> & Partial<PartitionRead>): ReadReply[] {
    const defaults = {
      maxBytes: MAX_BYTES,
      end: 'high-watermark',
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    } as const;
    const reads = [{ ...defaults, ...read }];
    const reply = this.run({ kind: 'fetch', maxBytes: 4 * MAX_BYTES, minOneBatch: true, lends: true, reads });
    if (!('reads' in reply)) throw new Error('a fetch has reads');
    return [...reply.reads];
  }

  /** The records as the dispatching side sees them, copied and given back. */
  records(reply: ReadReply): Buffer {
    if (reply.lent === undefined) return Buffer.from(reply.records);
    const { position, length } = reply.lent;
    const copy = Buffer.from(Buffer.from(this.shared, position, length));
    this.#released.push(position);
    return copy;
  }

  read(handle: number, offset: number, more: Partial<PartitionRead> = {}): Buffer {
    const [reply] = this.fetch({ handle, offset, ...more });
    if (reply?.outcome !== 'ok') throw new Error(`read at ${offset}: ${reply?.outcome}`);
    return this.records(reply);
  }

  bounds(): { readonly start: number; readonly end: number } {
    const [reply] = this.fetch({ handle: 0, offset: 0, maxBytes: 0 });
    if (reply?.state === undefined) throw new Error('the partition is open');
    this.records(reply);
    return { start: reply.state.logStartOffset, end: reply.state.logEndOffset };
  }

  /** What an action made the owner read of log files, in bytes. */
  bytesRead(action: () => void): number {
    const before = this.#bytesRead;
    action();
    return this.#bytesRead - before;
  }
}

const VALUE = 'x'.repeat(30_000);

/** Partition 0 with so many batches of 30 kB, of one record each. */
function filled(
  batches: number,
  options: { readonly readsAhead: boolean; readonly bytesPerMs?: number; readonly config?: Partial<LogConfig> },
): Rig {
  const rig = new Rig(options);
  rig.open(0, options.config);
  for (let count = 0; count < batches; count++) rig.append(0, [VALUE]);
  return rig;
}

/** Batches of one record: how many stand in what was read. */
function count(records: Buffer): number {
  let batches = 0;
  for (let at = 0; at < records.length; at += 12 + records.readInt32BE(at + 8)) batches++;
  return batches;
}

const SMALL_SEGMENTS = { segmentBytes: 700_000, retentionBytes: -1, fileDeleteDelayMs: 1000 };

type Step =
  | { readonly kind: 'read'; readonly reader: number; readonly isIdle: boolean }
  | { readonly kind: 'append'; readonly records: number }
  | { readonly kind: 'delete-records'; readonly part: number }
  | { readonly kind: 'maintain'; readonly ms: number }
  | { readonly kind: 'configure'; readonly retentionBytes: number }
  | { readonly kind: 'reopen' }
  | { readonly kind: 'seek'; readonly reader: number; readonly part: number };

const PART = fc.double({ min: 0, max: 1, noNaN: true });
const READER = fc.nat(2);
const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('read' as const), reader: READER, isIdle: fc.boolean() }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('append' as const), records: fc.integer({ min: 1, max: 4 }) }),
  },
  fc.record({ kind: fc.constant('delete-records' as const), part: PART }),
  fc.record({ kind: fc.constant('maintain' as const), ms: fc.nat(3000) }),
  fc.record({ kind: fc.constant('configure' as const), retentionBytes: fc.constantFrom(-1, 500_000, 2_000_000) }),
  fc.record({ kind: fc.constant('reopen' as const) }),
  fc.record({ kind: fc.constant('seek' as const), reader: READER, part: PART }),
);

/** Where the readers stand, and how many bytes each asks for. */
interface Readers {
  readonly offsets: number[];
  readonly limits: readonly number[];
}

/** What of the step's outcome both owners must agree on; for a read, its bytes. */
function execute(rig: Rig, step: Step, { offsets, limits }: Readers): Buffer | string {
  switch (step.kind) {
    case 'read': {
      const offset = offsets[step.reader] ?? 0;
      const end = step.reader === 1 ? 'last-stable' : 'high-watermark';
      const read = { handle: 0, offset, maxBytes: limits[step.reader] ?? 0, end } as const;
      let reply: ReadReply | undefined;
      const bytes = rig.bytesRead(() => {
        [reply] = rig.fetch(read);
      });
      if (bytes === 0 && reply?.lent !== undefined) rig.servedAhead++;
      if (step.isIdle) rig.idle();
      return reply?.outcome === 'ok' ? rig.records(reply) : String(reply?.outcome);
    }
    case 'append':
      for (let each = 0; each < step.records; each++) rig.append(0, [VALUE.slice(each)]);
      return '';
    case 'delete-records': {
      const { start, end } = rig.bounds();
      rig.run({ kind: 'delete-records', handle: 0, beforeOffset: start + Math.floor((end - start) * step.part * 0.3) });
      return '';
    }
    case 'maintain':
      rig.nowMs += step.ms;
      rig.run({ kind: 'maintain' });
      return '';
    case 'configure':
      rig.run({
        kind: 'configure',
        handle: 0,
        config: { ...TEST_LOG_CONFIG, ...SMALL_SEGMENTS, retentionBytes: step.retentionBytes },
      });
      return '';
    case 'reopen':
      rig.run({ kind: 'close', handle: 0 });
      rig.open(0, SMALL_SEGMENTS);
      return '';
    case 'seek':
      return '';
  }
}

function digest(answer: Buffer | string): string {
  return typeof answer === 'string' ? answer : `${answer.length} ${createHash('sha1').update(answer).digest('hex')}`;
}

/** Moves the reader that was answered or seeks. */
function follow(
  step: Step,
  answer: Buffer | string | undefined,
  rig: { readonly offsets: number[]; readonly rig: Rig },
): void {
  const { start, end } = rig.rig.bounds();
  if (step.kind === 'seek') rig.offsets[step.reader] = start + Math.floor((end - start) * step.part);
  if (step.kind !== 'read') return;
  if (typeof answer === 'string') rig.offsets[step.reader] = start;
  else rig.offsets[step.reader] = (rig.offsets[step.reader] ?? 0) + count(answer ?? Buffer.alloc(0));
}

describe('reading ahead', () => {
  it('a reader that goes on is given what was read before it asked', () => {
    const rig = filled(60, { readsAhead: true });
    const [step, second] = [count(rig.read(0, 0)), 2];
    rig.read(0, step);
    rig.idle();
    let records: Buffer = Buffer.alloc(0);
    expect(rig.bytesRead(() => (records = rig.read(0, second * step)))).toBe(0);
    expect(records.equals(filled(60, { readsAhead: false }).read(0, second * step))).toBe(true);
    expect(rig.bytesRead(() => rig.idle())).toBeGreaterThan(0);
    expect(rig.bytesRead(() => rig.read(0, 3 * step))).toBe(0);
  });

  it('nothing is read ahead of a first fetch, nor at the end of the log', () => {
    const rig = filled(20, { readsAhead: true });
    const step = count(rig.read(0, 0));
    expect(rig.bytesRead(() => rig.idle())).toBe(0);
    for (let offset = step; offset < 20; offset += step) rig.read(0, offset);
    rig.idle();
    expect(rig.bytesRead(() => rig.idle())).toBe(0);
  });

  it('what comes as fast as from the page cache is not read ahead', () => {
    const rig = filled(60, { readsAhead: true, bytesPerMs: 2 * READ_AHEAD_BYTES_PER_MS_MAX });
    const step = count(rig.read(0, 0));
    rig.read(0, step);
    expect(rig.bytesRead(() => rig.idle())).toBe(0);
  });

  it('a range is not read for a reader that has come for it already', () => {
    const rig = filled(60, { readsAhead: true });
    const step = count(rig.read(0, 0));
    rig.read(0, step);
    rig.read(0, 2 * step);
    const bytes = rig.bytesRead(() => rig.idle());
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it('what was cut off or deleted is not served', () => {
    const rig = filled(60, { readsAhead: true, config: { segmentBytes: 1_000_000 } });
    const step = count(rig.read(0, 0));
    rig.read(0, step);
    rig.idle();
    rig.run({ kind: 'delete-records', handle: 0, beforeOffset: 50 });
    expect(rig.fetch({ handle: 0, offset: 2 * step })[0]?.outcome).toBe('offset-out-of-range');
    rig.run({ kind: 'maintain' });
    expect(count(rig.read(0, 50))).toBeGreaterThan(0);
  });

  it('a closed partition keeps no memory', () => {
    const rig = filled(60, { readsAhead: true });
    const step = count(rig.read(0, 0));
    rig.read(0, step);
    rig.idle();
    rig.run({ kind: 'close', handle: 0 });
    rig.idle();
    // What was lent last has come back with the close.
    expect(rig.memory.settle(rig.memory.take(LENDING_BYTES)).lent).toBeDefined();
  });

  it('gives its memory up where reads need it', () => {
    const rig = filled(60, { readsAhead: true });
    const step = count(rig.read(0, 0));
    rig.read(0, step);
    rig.idle();
    rig.run({ kind: 'maintain' });
    expect(rig.memory.settle(rig.memory.take(LENDING_BYTES)).lent).toBeDefined();
  });

  it('takes its part of the memory alone, and room for new readers from those that went away', () => {
    const rig = new Rig({ readsAhead: true });
    const handles = Array.from({ length: 2 * Math.ceil(READ_AHEAD_BYTES_MAX / MAX_BYTES) }, (_, handle) => handle);
    const aheadOf = (handle: number): number => {
      const step = count(rig.read(handle, 0));
      rig.read(handle, step);
      return rig.bytesRead(() => rig.idle());
    };
    for (const handle of handles) {
      rig.open(handle);
      for (let batches = 0; batches < 30; batches++) rig.append(handle, [VALUE]);
    }
    const bytes = handles.reduce((sum, handle) => sum + aheadOf(handle), 0);
    expect(bytes).toBeGreaterThan(READ_AHEAD_BYTES_MAX / 2);
    // Somewhat more is read than kept: up to the limit, of which whole batches stay.
    expect(bytes).toBeLessThanOrEqual(READ_AHEAD_BYTES_MAX * 1.1);
    const last = handles.length - 1;
    expect(aheadOf(last)).toBe(0);
    rig.monotonicMs += READ_AHEAD_MS_MAX + 1;
    expect(aheadOf(last)).toBeGreaterThan(0);
  });

  it('gives what a reader would have read itself, whatever happens to the log', () => {
    let servedAhead = 0;
    fc.assert(
      fc.property(fc.array(STEP, { minLength: 20, maxLength: 120 }), (steps) => {
        const rigs = [true, false].map((readsAhead) => filled(40, { readsAhead, config: SMALL_SEGMENTS }));
        const offsets = [0, 0, 0];
        const limits = [MAX_BYTES, MAX_BYTES, 100_000];
        for (const one of steps) {
          const answers = rigs.map((rig) => execute(rig, one, { offsets, limits }));
          // Looking at every byte by itself would take minutes.
          expect(answers.map(digest)[0]).toBe(answers.map(digest)[1]);
          const [rig] = rigs;
          if (rig !== undefined) follow(one, answers[0], { offsets, rig });
        }
        const [ahead] = rigs;
        ahead?.run({ kind: 'close', handle: 0 });
        servedAhead += ahead?.servedAhead ?? 0;
        expect(ahead?.memory.settle(ahead.memory.take(LENDING_BYTES)).lent).toBeDefined();
      }),
      { numRuns: 60 },
    );
    expect(servedAhead).toBeGreaterThan(60);
  });
});
