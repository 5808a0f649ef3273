// Compacted partitions on a memory store, with a model that remembers everything that was ever written, and what must
// hold of a log beside it at any time.

import { expect } from 'vitest';
import type { AppendReply } from '../../src/partition/commands.ts';
import { Partition } from '../../src/partition/partition.ts';
import type { CleanStep, RoundResult } from '../../src/storage/cleaner.ts';
import { Log } from '../../src/storage/log.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import { checkLog } from '../../src/storage/log-dump.ts';
import type { LogOptions } from '../../src/storage/log-options.ts';
import type { MemoryStore } from '../../src/storage/memory-store.ts';
import { RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { type BatchOptions, RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { TEST_LOG_CONFIG } from '../support/log-config.ts';
import { DIRECTORY, HandClock, kernels, TOPIC_ID } from './fixture.ts';

export const DELETE_RETENTION_MS = 5000;

export const COMPACTED: LogConfig = {
  ...TEST_LOG_CONFIG,
  segmentBytes: 700,
  indexIntervalBytes: 200,
  retentionMs: -1,
  deletes: false,
  compacts: true,
  minCleanableDirtyRatio: 0,
  deleteRetentionMs: DELETE_RETENTION_MS,
  fileDeleteDelayMs: 100,
  cleaner: { ...TEST_LOG_CONFIG.cleaner, dedupeBufferBytes: 1 << 20 },
};

/** A record by its key and value; null is a tombstone. */
export type Pair = readonly [key: string | null, value: string | null];

export interface Entry {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
}

/** What was written, and what became of it. */
export interface ModelBatch {
  readonly producerId: number;
  readonly entries: readonly Entry[];
  /** Of a transaction: undefined while it is open. */
  outcome: 'plain' | 'commit' | 'abort' | undefined;
}

export interface OpenOptions {
  readonly clock?: HandClock;
  readonly config?: Partial<LogConfig>;
  readonly recoveryPoint?: number;
  readonly logStartOffset?: number;
  readonly cleanShutdown?: boolean;
  readonly codecs?: LogOptions['codecs'];
}

export class CompactedPartition {
  readonly store: MemoryStore;
  readonly clock: HandClock;
  readonly partition: Partition;

  constructor(store: MemoryStore, options: OpenOptions = {}) {
    this.store = store;
    this.clock = options.clock ?? new HandClock();
    const config = { ...COMPACTED, ...options.config };
    const { clock } = this;
    const log = Log.open({
      store,
      kernels,
      clock,
      directory: DIRECTORY,
      topicId: TOPIC_ID,
      config,
      recoveryPoint: options.recoveryPoint ?? 0,
      logStartOffset: options.logStartOffset ?? 0,
      cleanShutdown: options.cleanShutdown ?? false,
      codecs: options.codecs,
    });
    this.partition = Partition.open(log, { kernels, clock, config, leaderEpoch: 0, codecs: options.codecs });
  }

  get log(): Log {
    return this.partition.log;
  }

  append(pairs: readonly Pair[], options: BatchOptions = {}): AppendReply {
    const utf8 = new TextEncoder();
    const bytes = (text: string | null) => (text === null ? null : utf8.encode(text));
    const timestamp = this.clock.nowMs;
    const records = pairs.map(([key, value]) => ({ key: bytes(key), value: bytes(value), headers: [], timestamp }));
    return this.appendBytes(new RecordBatchEncoder(kernels).encode(records, options));
  }

  appendBytes(batch: Uint8Array): AppendReply {
    const pointer = kernels.reserve(batch.length);
    kernels.bytes().set(batch, pointer);
    return this.partition.append(pointer, batch.length, 'client');
  }

  mark(producerId: number, producerEpoch: number, commit: boolean): AppendReply {
    return this.partition.writeMarker({
      kind: 'write-marker',
      handle: 0,
      producerId,
      producerEpoch,
      coordinatorEpoch: 0,
      commit,
      transactionVersion: 1,
      durable: false,
    });
  }

  /** One round, to its end. */
  async clean(onStep: () => void = () => {}): Promise<RoundResult> {
    this.log.flushSync();
    return drive(this.partition.compact(this.clock.nowMs), onStep);
  }

  /** Rolls, so that everything written so far may be compacted, and compacts. */
  async rollAndClean(): Promise<RoundResult> {
    this.roll();
    return this.clean();
  }

  roll(): void {
    const { config } = this.partition;
    this.partition.configure({ ...config, segmentMs: -1 });
    this.partition.maintain(this.clock.nowMs);
    this.partition.configure(config);
  }

  /** Every record as a consumer reads it, from `offset` on, in parts of `maxBytes`. */
  read(isolation: 'read_committed' | 'read_uncommitted' = 'read_uncommitted', offset?: number, maxBytes = 1 << 20) {
    const reader = new Reader(this, isolation, offset ?? this.log.logStartOffset);
    while (!reader.isAtEnd) reader.poll(maxBytes);
    return reader.entries;
  }

  producers(): string[] {
    const { producers } = this.partition.describeProducers();
    return producers.map(
      ({ producerId, producerEpoch, lastSequence, currentTransactionStartOffset }) =>
        `${producerId}/${producerEpoch} at ${lastSequence}, ${currentTransactionStartOffset < 0 ? 'idle' : 'open'}`,
    );
  }
}

export async function drive(
  steps: Generator<CleanStep, RoundResult, void>,
  onStep: () => void = () => {},
): Promise<RoundResult> {
  let step = steps.next();
  while (step.done !== true) {
    onStep();
    if ('wait' in step.value) {
      try {
        await step.value.wait;
      } catch (error) {
        step = steps.throw(error);
        continue;
      }
    }
    step = steps.next();
  }
  return step.value;
}

/** A consumer that keeps its place. */
export class Reader {
  readonly #partition: CompactedPartition;
  readonly #isolation: 'read_committed' | 'read_uncommitted';
  readonly entries: Entry[] = [];
  #offset: number;

  constructor(partition: CompactedPartition, isolation: 'read_committed' | 'read_uncommitted', offset: number) {
    this.#partition = partition;
    this.#isolation = isolation;
    this.#offset = offset;
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#end;
  }

  get #end(): number {
    const { lastStableOffset, highWatermark } = this.#partition.partition.state();
    return this.#isolation === 'read_committed' ? lastStableOffset : highWatermark;
  }

  /** As a client does: whole batches, aborted transactions left out by the list that comes along. */
  poll(maxBytes: number): void {
    const end = this.#isolation === 'read_committed' ? ('last-stable' as const) : ('high-watermark' as const);
    const request = {
      handle: 0,
      offset: this.#offset,
      maxBytes,
      end,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    } as const;
    const reply = this.#partition.partition.read(request, { maxBytes, minOneBatch: true });
    expect(reply.outcome).toBe('ok');
    expect(reply.records.length, `records at offset ${this.#offset} before ${this.#end}`).toBeGreaterThan(0);
    const starts = [...(reply.abortedTransactions ?? [])];
    const ongoing = new Set<number>();
    for (const batch of new RecordBatchDecoder(kernels).batches(reply.records)) {
      expect(batch.lastOffset).toBeGreaterThanOrEqual(this.#offset);
      while (starts[0] !== undefined && starts[0].firstOffset <= batch.lastOffset) {
        ongoing.add(starts.shift()?.producerId ?? -1);
      }
      if (batch.isControl) {
        for (const { key } of batch.records()) if (key?.[3] === 0) ongoing.delete(batch.producerId);
      } else if (!(batch.isTransactional && ongoing.has(batch.producerId))) {
        for (const { offset, key, value, timestamp } of batch.records()) {
          if (offset >= this.#offset) this.entries.push({ offset, key: text(key), value: text(value), timestamp });
        }
      }
      this.#offset = batch.lastOffset + 1;
    }
  }
}

function text(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** The table that a log of changes stands for. */
export function tableOf(entries: readonly Entry[]): ReadonlyMap<string, string> {
  const table = new Map<string, string>();
  for (const { key, value } of entries) {
    if (key === null) continue;
    if (value === null) table.delete(key);
    else table.set(key, value);
  }
  return new Map([...table].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Everything that was written, as it must still show in the log. */
export class Model {
  readonly batches: ModelBatch[] = [];

  add(batch: ModelBatch): void {
    this.batches.push(batch);
  }

  /** What a reader of committed records would have read if nothing had been compacted, below `end`. */
  committed(end = Number.POSITIVE_INFINITY): Entry[] {
    const counted = this.batches.filter(({ outcome }) => outcome === 'plain' || outcome === 'commit');
    return counted.flatMap(({ entries }) => entries.filter(({ offset }) => offset < end));
  }

  all(): Map<number, Entry> {
    return new Map(this.batches.flatMap(({ entries }) => entries.map((entry) => [entry.offset, entry])));
  }

  /** What was written at `offset` and behind it is lost. */
  cut(offset: number): void {
    while ((this.batches.at(-1)?.entries[0]?.offset ?? -1) >= offset) this.batches.pop();
  }
}

/** What holds of a compacted log at any time, whatever was done to it. */
export function expectSound(partition: CompactedPartition, model: Model, maxBytes = 1 << 20): void {
  const everything = model.all();
  const stable = partition.partition.state().lastStableOffset;
  const committed = partition.read('read_committed', undefined, maxBytes);
  for (const entry of partition.read('read_uncommitted', undefined, maxBytes)) {
    expect(entry).toEqual(everything.get(entry.offset));
  }
  // The table of a reader that starts now is that of one that has read everything.
  const start = partition.log.logStartOffset;
  const written = model.committed(stable).filter(({ offset }) => offset >= start);
  expect(tableOf(committed)).toEqual(tableOf(written));
  expectOrder(committed, written);
  // What no round has come to is there to the last record.
  const end = checkpointOf(partition)[1];
  const after = (entries: readonly Entry[]) => entries.filter(({ offset }) => offset >= end);
  expect(after(committed)).toEqual(after(written));
}

function expectOrder(found: readonly Entry[], written: readonly Entry[]): void {
  const offsets = new Set(written.map(({ offset }) => offset));
  for (const [index, { offset }] of found.entries()) {
    expect(offset).toBeGreaterThan(found[index - 1]?.offset ?? -1);
    expect(offsets.has(offset), `offset ${offset} is one of a committed record`).toBe(true);
  }
}

/** First dirty offset, and end of the gaps. */
function checkpointOf({ store }: CompactedPartition): [number, number] {
  const content = store.readSmall(`${DIRECTORY}/compaction-checkpoint`);
  const match = /^0\n1\n([0-9]+) ([0-9]+)\n$/.exec(new TextDecoder().decode(content));
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

export function firstDirtyOffset(partition: CompactedPartition): number {
  return checkpointOf(partition)[0];
}

/** Every index entry, CRC and epoch is right. Closes the log. */
export function expectFilesSound(partition: CompactedPartition): void {
  partition.partition.close();
  expect(checkLog(partition.store, DIRECTORY, kernels)).toEqual([]);
  const leftovers = partition.store.paths().filter((path) => /\.(cleaned|swap|tmp)$/.test(path));
  expect(leftovers).toEqual([]);
}

/** No key twice, and nothing that was aborted, in what a whole round has been over. */
export function expectMinimal(partition: CompactedPartition, model: Model): void {
  const dirty = firstDirtyOffset(partition);
  const committed = new Set(model.committed().map(({ offset }) => offset));
  const seen = new Set<string | null>();
  for (const { offset, key } of partition.read('read_uncommitted')) {
    if (offset >= dirty) break;
    expect(seen.has(key), `key ${key} stands twice below ${dirty}, again at ${offset}`).toBe(false);
    expect(committed.has(offset), `offset ${offset} was aborted`).toBe(true);
    seen.add(key);
  }
}
