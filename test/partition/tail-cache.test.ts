// The last batches of partitions that are read at their end: what is answered from them is what the log holds.

import { describe, expect, it } from 'vitest';
import { present } from '../../src/core/assert.ts';
import { SLAB_BYTES, TAIL_BYTES_MAX, TAIL_PARTITIONS_MAX } from '../../src/core/limits.ts';
import {
  type FetchCommand,
  type PartitionRead,
  type PartitionState,
  type ReadReply,
  readEnd,
} from '../../src/partition/commands.ts';
import type { GroupReply, PartitionGroup, SlotThread, SlotThreadListener } from '../../src/partition/group.ts';
import { PartitionOwner } from '../../src/partition/partition-owner.ts';
import { SlotExecutor } from '../../src/partition/slot-executor.ts';
import { createSlotMemory, slabViews } from '../../src/partition/slot-memory.ts';
import { TailCache } from '../../src/partition/tail-cache.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { HandClock } from '../storage/fixture.ts';
import { TEST_LOG_CONFIG } from '../support/log-config.ts';
import { SEED } from '../support/seed.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { stateAt } from './fake-thread.ts';
import { openCommand } from './fixture.ts';

const SEEDS = 40;
const STEPS = 150;
const PARTITIONS = 3;
const CONFIG = { segmentBytes: 30_000, indexIntervalBytes: 300, retentionMs: -1, maxMessageBytes: 90_000 };
const LEADER_EPOCH = 3;

const memory = createSlotMemory();
const kernels = Kernels.create(loadWasmModule('shared'), { memory, reservedBytes: 2 * SLAB_BYTES });
const encoder = new RecordBatchEncoder(Kernels.create(loadWasmModule('plain')));

type Fetch = Omit<FetchCommand, 'kind'>;

function readOf(handle: number, offset: number, more: Partial<PartitionRead> = {}): PartitionRead {
  const defaults = { maxBytes: 1 << 20, end: 'high-watermark', currentLeaderEpoch: -1, lastFetchedEpoch: -1 } as const;
  return { handle, offset, ...defaults, ...more };
}

function fetchOf(...reads: PartitionRead[]): Fetch {
  return { maxBytes: 1 << 20, minOneBatch: true, reads };
}

function reply(records: number, state: PartitionState): ReadReply {
  return {
    outcome: 'ok',
    records: new Uint8Array(records),
    state,
    divergingEpoch: undefined,
    abortedTransactions: undefined,
  };
}

describe('the batches at the end', () => {
  /** One partition, whose batches of one record hold their offset in every byte. */
  function rig(handle = 0) {
    const tails = new TailCache();
    let end = 10;
    tails.noteRead(readOf(handle, 9), reply(100, stateAt(end)), 1 << 20);
    return {
      tails,
      append(length: number): void {
        tails.noteAppend(handle, new Uint8Array(length).fill(end), { baseOffset: end, lastOffset: end });
        end++;
      },
      read(offset: number, more: Partial<Fetch> = {}): number[] | undefined {
        const request = { ...fetchOf(readOf(handle, offset)), ...more };
        const replies = tails.answer(request, () => ({ state: stateAt(end), leaderEpoch: LEADER_EPOCH }));
        return replies === undefined ? undefined : [...(replies[0]?.records ?? [])];
      },
    };
  }

  it('are kept from when a reader has come there, and answer those that follow', () => {
    const { tails, append, read } = rig();
    expect(read(10)).toBeUndefined();
    append(2);
    append(3);
    expect(read(10)).toEqual([10, 10, 11, 11, 11]);
    expect(read(11)).toEqual([11, 11, 11]);
    expect(read(9)).toBeUndefined();
    expect(read(12)).toBeUndefined();
    tails.clear();
    append(1);
    expect(read(12)).toBeUndefined();
  });

  it('are not kept for a reader that has much to catch up with, nor where it met an error', () => {
    const tails = new TailCache();
    tails.noteRead(readOf(0, 9), reply(TAIL_BYTES_MAX, stateAt(10)), 1 << 20);
    tails.noteRead(readOf(0, 9, { maxBytes: 100 }), reply(100, stateAt(10)), 1 << 20);
    tails.noteRead(readOf(0, 9), reply(100, stateAt(10)), 100);
    tails.noteRead(readOf(0, 9), reply(0, stateAt(10)), 1 << 20);
    tails.noteRead(readOf(0, 9), { ...reply(100, stateAt(10)), outcome: 'storage-error' }, 1 << 20);
    expect(tails.isWatching).toBe(false);
  });

  it('are kept no longer where nobody reads', () => {
    const { tails, append } = rig();
    for (let kept = 0; kept <= TAIL_BYTES_MAX; kept += 1000) append(1000);
    expect(tails.isWatching).toBe(false);
  });

  it('are kept as long as somebody reads, however many there are', () => {
    const { append, read } = rig();
    for (let offset = 10; offset < 250; offset++) {
      append(3000);
      expect(new Set(read(offset))).toEqual(new Set([offset]));
    }
  });

  it('make room, but those that nobody has had yet', () => {
    const { append, read } = rig();
    append(TAIL_BYTES_MAX - 10);
    append(10);
    expect(read(10, { maxBytes: 1 })).toHaveLength(TAIL_BYTES_MAX - 10);
    append(TAIL_BYTES_MAX - 20);
    expect(read(10)).toBeUndefined();
    expect(read(11)).toHaveLength(TAIL_BYTES_MAX - 10);
  });

  it('begin anew behind a batch that is not known', () => {
    const { tails, append, read } = rig();
    append(2);
    tails.noteAppend(0, undefined, { baseOffset: 11, lastOffset: 11 });
    expect(read(10)).toBeUndefined();
    const missing = rig();
    missing.append(2);
    missing.tails.noteAppend(0, new Uint8Array(1), { baseOffset: 12, lastOffset: 12 });
    expect(missing.read(10)).toBeUndefined();
  });

  it('keep to the limits, and the first one comes whole', () => {
    const { append, read } = rig();
    for (const length of [4, 4, 4]) append(length);
    expect(read(10, { maxBytes: 11 })).toHaveLength(8);
    expect(read(10, { maxBytes: 3 })).toHaveLength(4);
    expect(read(10, { maxBytes: 3, minOneBatch: false })).toHaveLength(0);
  });

  it('are those of few partitions', () => {
    const tails = new TailCache();
    for (let handle = 0; handle <= TAIL_PARTITIONS_MAX; handle++) {
      tails.noteRead(readOf(handle, 9), reply(100, stateAt(10)), 1 << 20);
    }
    const kept = Array.from({ length: TAIL_PARTITIONS_MAX + 1 }, (_, handle) => {
      tails.noteAppend(handle, new Uint8Array(1), { baseOffset: 10, lastOffset: 10 });
      return tails.answer(fetchOf(readOf(handle, 10)), () => ({ state: stateAt(11), leaderEpoch: 0 })) !== undefined;
    });
    expect(kept.filter(Boolean)).toHaveLength(TAIL_PARTITIONS_MAX);
  });

  it('are for readers of our epoch, and of partitions without an open transaction', () => {
    const { tails, append } = rig();
    append(5);
    const open = { ...stateAt(11), lastStableOffset: 10 };
    const answers = (state: PartitionState, more: Partial<PartitionRead>): boolean =>
      tails.answer(fetchOf(readOf(0, 10, more)), () => ({ state, leaderEpoch: LEADER_EPOCH })) !== undefined;
    expect(answers(stateAt(11), { currentLeaderEpoch: LEADER_EPOCH, lastFetchedEpoch: LEADER_EPOCH })).toBe(true);
    expect(answers(stateAt(11), { currentLeaderEpoch: LEADER_EPOCH - 1 })).toBe(false);
    expect(answers(stateAt(11), { lastFetchedEpoch: LEADER_EPOCH - 1 })).toBe(false);
    expect(answers(stateAt(11), { end: 'last-stable' })).toBe(true);
    expect(answers(open, { end: 'last-stable' })).toBe(false);
    expect(answers(open, {})).toBe(true);
    expect(answers({ ...stateAt(11), logStartOffset: 11 }, {})).toBe(false);
    expect(answers(stateAt(12), {})).toBe(false);
  });
});

class QuietClock extends HandClock {
  override schedule() {
    return { cancel: () => undefined };
  }
}

/** One stored batch. */
interface Stored {
  readonly base: number;
  readonly last: number;
  readonly bytes: Buffer;
}

/** A slot whose owner is no thread, but reached as one is, and dies when it is told to. */
class Rig {
  readonly executor: SlotExecutor;
  /** What the log has held of each partition since it was opened. */
  readonly truth: Stored[][] = Array.from({ length: PARTITIONS }, () => []);
  readonly #random: SeededRandom;
  readonly #clock = new QuietClock();
  #store = new MemoryStore({ simulatesCrashes: true });
  #owner: PartitionOwner | undefined;
  #die: (() => void) | undefined;
  fetches = 0;
  bytesCopied = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.executor = new SlotExecutor({
      slots: 1,
      logger: silentLogger,
      onBytesCopied: (bytes) => {
        this.bytesCopied += bytes;
      },
      startThread: (_slot, listener) => this.#start(listener),
    });
  }

  #start(listener: SlotThreadListener): SlotThread {
    const owner = new PartitionOwner({
      store: this.#store,
      kernels,
      clock: this.#clock,
      slabPointers: [kernels.reservedPointer, kernels.reservedPointer + SLAB_BYTES],
      onEvent: (event) => listener.onEvent(event),
    });
    this.#owner = owner;
    let isAlive = true;
    const death = new Promise<never>((_resolve, reject) => {
      this.#die = () => {
        reject(new Error('the thread died'));
        listener.onLost(new Error('the thread died'));
      };
    });
    death.catch(() => {
      isAlive = false;
    });
    return {
      slabs: slabViews(memory),
      run: async (group) => {
        const answer = await Promise.race([death, this.#run(owner, group)]);
        return isAlive ? answer : new Promise(() => undefined);
      },
      end: () => {
        isAlive = false;
        return Promise.resolve();
      },
    };
  }

  async #run(owner: PartitionOwner, group: PartitionGroup): Promise<GroupReply> {
    await this.pause();
    if (owner !== this.#owner) return { replies: [] };
    this.fetches += group.commands.filter((command) => command.kind === 'fetch').length;
    const answer = owner.execute(group);
    for (let handle = 0; handle < PARTITIONS; handle++) this.#note(handle);
    await this.pause();
    return answer;
  }

  /** Some turns of the event loop, or none. */
  async pause(): Promise<void> {
    for (let turns = this.#random.below(3); turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  }

  /** The power is lost, and what was not flushed may be, too. */
  lose(): void {
    this.#owner = undefined;
    this.#store = this.#store.afterPowerLoss(() => this.#random.uint32());
    for (const batches of this.truth) batches.length = 0;
    this.#die?.();
  }

  pass(milliseconds: number): void {
    this.#clock.nowMs += milliseconds;
  }

  get nowMs(): number {
    return this.#clock.nowMs;
  }

  /** What the owner itself answers, now; nothing where there is none. */
  ask(fetch: Fetch): readonly ReadReply[] {
    if (this.#owner === undefined) return [];
    const [answer] = this.#owner.execute({ slab: 0, commands: [{ kind: 'fetch', ...fetch }], released: [] }).replies;
    if (answer === undefined || !('reads' in answer)) throw new Error('a fetch is answered with reads');
    return answer.reads;
  }

  #note(handle: number): void {
    const batches = present(this.truth[handle], 'partition');
    for (;;) {
      const next = (batches.at(-1)?.last ?? -1) + 1;
      const [read] = this.ask(fetchOf(readOf(handle, next, { end: 'log-end' })));
      const start = read?.state?.logStartOffset ?? 0;
      // What came and went within one group was there for nobody.
      if (read?.outcome === 'offset-out-of-range' && start > next) {
        const [later] = this.ask(fetchOf(readOf(handle, start, { end: 'log-end' })));
        if (!this.#take(batches, later)) return;
      } else if (!this.#take(batches, read)) return;
    }
  }

  #take(batches: Stored[], read: ReadReply | undefined): boolean {
    const bytes = Buffer.from(read?.records ?? []);
    for (let at = 0; at < bytes.length; ) {
      const length = bytes.readInt32BE(at + 8) + 12;
      const base = Number(bytes.readBigInt64BE(at));
      batches.push({ base, last: base + bytes.readInt32BE(at + 23), bytes: bytes.subarray(at, at + length) });
      at += length;
    }
    return bytes.length > 0;
  }
}

/** What a reader may have of the batches that a log has held. */
function expectedOf(
  batches: readonly Stored[],
  read: PartitionRead,
  limits: { readonly state: PartitionState; readonly maxBytes: number; readonly minOneBatch: boolean },
): Buffer {
  const end = readEnd(limits.state, read.end);
  const found: Buffer[] = [];
  let bytes = 0;
  for (const each of batches) {
    if (each.last < read.offset || each.last >= end) continue;
    bytes += each.bytes.length;
    if (bytes > limits.maxBytes && !(found.length === 0 && limits.minOneBatch)) break;
    found.push(each.bytes);
  }
  return Buffer.concat(found);
}

/** A fetch, and how things stood when it came. */
interface Moment {
  readonly fetch: Fetch;
  readonly states: readonly (PartitionState | undefined)[];
  readonly truth: readonly (readonly Stored[])[];
  readonly own: readonly ReadReply[];
}

/** What writers, readers and administrators do, from one seed. */
class Story {
  readonly #rig: Rig;
  readonly #random: SeededRandom;
  readonly #sequences = new Map<string, number>();
  #pending: Promise<unknown>[] = [];
  #sent: { handle: number; records: Uint8Array }[] = [];
  answered = 0;
  multiple = 0;

  constructor(rig: Rig, random: SeededRandom) {
    this.#rig = rig;
    this.#random = random;
  }

  async tell(): Promise<void> {
    const { executor } = this.#rig;
    for (let handle = 0; handle < PARTITIONS; handle++) await executor.open(openCommand(handle, CONFIG));
    for (let step = 0; step < STEPS; step++) {
      this.#step();
      await this.#rig.pause();
      if (this.#random.below(4) === 0) await Promise.all(this.#pending.splice(0));
    }
    await Promise.all(this.#pending);
    await executor.close();
  }

  #step(): void {
    const { executor } = this.#rig;
    const handle = this.#random.below(PARTITIONS);
    const choice = this.#random.below(200);
    if (choice < 80) this.#append(handle);
    else if (choice < 172) this.#pending.push(this.#fetch());
    else if (choice < 178) this.#mark(handle);
    else if (choice < 182) this.#again();
    else if (choice < 187) this.#deleteRecords(handle);
    else if (choice < 191) this.#pending.push(executor.configure({ handle, config: this.#config() }));
    else if (choice < 193) this.#pending.push(executor.maintain());
    else if (choice < 194) this.#rig.pass(1000);
    else if (choice < 198) this.#rig.lose();
    else this.#reopen(handle);
  }

  #append(handle: number): void {
    const random = this.#random;
    const producer = random.below(5) - 3;
    const size = [0, 100, 2000, 20_000, 70_000][Math.floor(random.below(100) / 24)] ?? 0;
    const count = 1 + random.below(3);
    const key = `${handle}/${producer}`;
    const sequence = this.#sequences.get(key) ?? 0;
    for (let index = 0; index < count; index++) {
      const value = Buffer.alloc(random.below(size + 20), `${random.uint32()} `);
      encoder.append({ key: null, value, headers: [], timestamp: this.#rig.nowMs });
    }
    const identity = {
      producerId: producer,
      producerEpoch: 0,
      baseSequence: sequence,
      isTransactional: producer === 1,
    };
    const records = encoder.finish(producer < 0 ? {} : identity).slice();
    if (producer >= 0) this.#sequences.set(key, sequence + count);
    this.#sent = [...this.#sent.slice(-6), { handle, records }];
    this.#send(handle, records);
  }

  #send(handle: number, records: Uint8Array): void {
    // Nobody waits for what is durable: a loss may come first.
    void this.#rig.executor.append(handle, records, this.#random.below(3) === 0);
  }

  #again(): void {
    const sent = this.#sent[this.#random.below(this.#sent.length)];
    if (sent !== undefined) this.#send(sent.handle, sent.records);
  }

  #mark(handle: number): void {
    const commit = this.#random.below(2) === 0;
    const marker = { producerId: 1, producerEpoch: 0, coordinatorEpoch: 0, commit, transactionVersion: 1 };
    this.#pending.push(this.#rig.executor.writeMarker({ handle, ...marker, durable: false }));
  }

  #deleteRecords(handle: number): void {
    const end = this.#rig.executor.state(handle)?.highWatermark ?? 0;
    this.#pending.push(
      this.#rig.executor.deleteRecords({ handle, beforeOffset: Math.max(0, end - this.#random.below(9)) }),
    );
  }

  #config(): LogConfig {
    const stampsLogAppendTime = this.#random.below(2) === 0;
    const retentionMs = this.#random.below(3) === 0 ? 2000 : -1;
    return { ...TEST_LOG_CONFIG, ...CONFIG, stampsLogAppendTime, retentionMs };
  }

  #reopen(handle: number): void {
    const { executor } = this.#rig;
    const state = executor.state(handle);
    if (state === undefined) return;
    const { recoveryPoint, logStartOffset } = state;
    void executor.closePartition(handle);
    const points = { recoveryPoint, logStartOffset, cleanShutdown: false };
    this.#pending.push(executor.open({ ...openCommand(handle, CONFIG), ...points }));
  }

  #readAt(handle: number): PartitionRead {
    const random = this.#random;
    const state = this.#rig.executor.state(handle);
    const offset = Math.max(state?.logStartOffset ?? 0, (state?.logEndOffset ?? 0) - random.below(5));
    const epochs = [-1, -1, -1, LEADER_EPOCH, LEADER_EPOCH - 1];
    return readOf(handle, offset, {
      maxBytes: random.below(3) === 0 ? random.below(30_000) : 1 << 20,
      end: random.below(2) === 0 ? 'last-stable' : 'high-watermark',
      currentLeaderEpoch: present(epochs[random.below(4)], 'epoch'),
      lastFetchedEpoch: present(epochs[random.below(5)], 'epoch'),
    });
  }

  async #fetch(): Promise<void> {
    const { executor, fetches, bytesCopied } = this.#rig;
    const random = this.#random;
    const reads = Array.from({ length: 1 + Math.floor(random.below(5) / 3) }, (_, index) =>
      this.#readAt((random.below(PARTITIONS) + index) % PARTITIONS),
    );
    const maxBytes = random.below(4) === 0 ? random.below(40_000) : 1 << 20;
    const fetch = { maxBytes, minOneBatch: random.below(4) !== 0, reads };
    const states = reads.map(({ handle }) => executor.state(handle));
    const truth = this.#rig.truth.map((batches) => [...batches]);
    const own = this.#rig.ask(fetch);
    let isAnswered = false;
    const answer = executor.fetch(fetch).then((got) => {
      isAnswered = true;
      return got;
    });
    // What needs no owner is there before anything else can happen.
    for (let turn = 0; turn < 8; turn++) await Promise.resolve();
    if (!isAnswered || this.#rig.fetches !== fetches) {
      this.#pending.push(answer);
      return;
    }
    const replies = (await answer).reads;
    if (replies.some(({ outcome }) => outcome === 'worker-lost')) return;
    const bytes = replies.reduce((sum, { records }) => sum + records.length, 0);
    expect(this.#rig.bytesCopied).toBeGreaterThanOrEqual(bytesCopied + bytes);
    this.#check({ fetch, states, truth, own }, replies);
  }

  #check({ fetch, states, truth, own }: Moment, replies: readonly ReadReply[]): void {
    let left = fetch.maxBytes;
    let { minOneBatch } = fetch;
    replies.forEach((got, index) => {
      const read = present(fetch.reads[index], 'read');
      const state = present(states[index], 'state');
      const maxBytes = Math.min(left, read.maxBytes);
      const expected = expectedOf(present(truth[read.handle], 'partition'), read, { state, maxBytes, minOneBatch });
      expect(Buffer.from(got.records).equals(expected)).toBe(true);
      const asked = own[index];
      expect(got).toMatchObject({ outcome: 'ok', divergingEpoch: undefined, state });
      // Where the owner is further by now, it may have more to say.
      if (asked?.state?.revision === state.revision) {
        expect(asked).toMatchObject({ outcome: 'ok', divergingEpoch: undefined });
        expect(got.abortedTransactions).toEqual(asked.abortedTransactions);
        if (index === 0) expect(expected.subarray(0, asked.records.length).equals(asked.records)).toBe(true);
      }
      left -= got.records.length;
      if (got.records.length > 0) minOneBatch = false;
      if (got.records.length > 0) this.answered++;
    });
    if (replies.length > 1) this.multiple++;
  }
}

// MILLRACE_SEED replays a run from the seed that it printed.
it('answers what the owner would, whatever comes between', async () => {
  const first = SEED;
  console.log(`seeds ${first} to ${first + SEEDS - 1}`);
  let answered = 0;
  let multiple = 0;
  for (let seed = first; seed < first + SEEDS; seed++) {
    const random = new SeededRandom(seed);
    const story = new Story(new Rig(random), random);
    try {
      await story.tell();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    answered += story.answered;
    multiple += story.multiple;
  }
  expect(answered).toBeGreaterThan(5 * SEEDS);
  expect(multiple).toBeGreaterThan(0);
});
