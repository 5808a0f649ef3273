// One partition on a host's store, driven as its owner drives it: records in, records out, a clock set by hand.

import { BATCH_HEADER_BYTES } from '../../../assembly/shared/batch-layout.ts';
import type { Clock, Store, StoreFile, TimerHandle } from '../../../src/core/platform.ts';
import type { AppendReply, PartitionState, ReadReply } from '../../../src/partition/commands.ts';
import { Partition } from '../../../src/partition/partition.ts';
import { Log } from '../../../src/storage/log.ts';
import type { LogConfig } from '../../../src/storage/log-config.ts';
import { Kernels } from '../../../src/wasm/kernels.ts';
import { RecordBatchDecoder } from '../../../src/wasm/record-batch-decoder.ts';
import { type BatchOptions, RecordBatchEncoder } from '../../../src/wasm/record-batch-encoder.ts';
import { check, same } from './check.ts';
import type { ConformanceHost, ConformancePlace } from './host.ts';

export const DIRECTORY = 'orders-0';
export const TOPIC_ID = 'AAECAwQFBgcICQoLDA0ODw';
export const START_MS = 1_700_000_000_000;
export const FIRST_LOG = `${DIRECTORY}/00000000000000000000.log`;

const CONFIG: LogConfig = {
  segmentBytes: 2000,
  segmentMs: 604_800_000,
  segmentIndexBytes: 10_485_760,
  indexIntervalBytes: 200,
  retentionMs: -1,
  retentionBytes: -1,
  deletes: true,
  compacts: false,
  minCleanableDirtyRatio: 0,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  deleteRetentionMs: 5000,
  cleaner: {
    enabled: true,
    backoffMs: 15_000,
    ioBytesPerSecond: Number.MAX_SAFE_INTEGER,
    dedupeBufferBytes: 1 << 20,
    loadFactor: 0.9,
  },
  maxMessageBytes: 1_048_588,
  compression: { type: 'producer', level: undefined },
  stampsLogAppendTime: false,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: Number.MAX_SAFE_INTEGER,
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  producerIdExpirationMs: 86_400_000,
  fileDeleteDelayMs: 100,
};

/** Time that passes when a case says so. */
export class HandClock implements Clock {
  nowMs = START_MS;

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.nowMs - START_MS;
  }

  schedule(): TimerHandle {
    throw new Error('a partition sets no timers');
  }
}

/** A record to write; a text alone is its value. */
export interface Written {
  readonly key?: string | null;
  readonly value: string | null;
  readonly timestamp?: number;
}

/** A record as it was read. */
export interface Read {
  readonly offset: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly timestamp: number;
}

export interface OpenOptions {
  readonly config?: Partial<LogConfig>;
  readonly clock?: HandClock;
  readonly recoveryPoint?: number;
  readonly logStartOffset?: number;
  readonly cleanShutdown?: boolean;
}

const UTF8 = new TextEncoder();

export class PartitionUnderTest {
  readonly store: Store;
  readonly clock: HandClock;
  readonly partition: Partition;
  readonly #kernels: Kernels;

  constructor(host: ConformanceHost, store: Store, options: OpenOptions = {}) {
    this.store = store;
    this.clock = options.clock ?? new HandClock();
    this.#kernels = Kernels.create(host.wasm);
    const parts = {
      kernels: this.#kernels,
      clock: this.clock,
      config: { ...CONFIG, ...options.config },
      codecs: host.codecs,
    };
    const log = Log.open({
      ...parts,
      store,
      directory: DIRECTORY,
      topicId: TOPIC_ID,
      recoveryPoint: options.recoveryPoint ?? 0,
      logStartOffset: options.logStartOffset ?? 0,
      cleanShutdown: options.cleanShutdown ?? false,
    });
    this.partition = Partition.open(log, { ...parts, leaderEpoch: 3 });
  }

  get log(): Log {
    return this.partition.log;
  }

  get state(): PartitionState {
    return this.partition.state();
  }

  /** Appends a batch, which must be taken; returns the offset of its first record. */
  append(records: readonly (string | Written)[], options: BatchOptions = {}): number {
    const reply = this.offer(records, options);
    same(reply.outcome, 'ok', `append at ${this.state.logEndOffset} (${reply.fault?.message ?? ''})`);
    return reply.baseOffset;
  }

  /** Appends a batch that may be refused. */
  offer(records: readonly (string | Written)[], options: BatchOptions = {}): AppendReply {
    const encoded = records.map((record) => {
      const {
        key = null,
        value,
        timestamp = this.clock.nowMs,
      } = typeof record === 'string' ? { value: record } : record;
      return { key: bytesOf(key), value: bytesOf(value), headers: [], timestamp };
    });
    return this.offerBytes(new RecordBatchEncoder(this.#kernels).encode(encoded, options));
  }

  offerBytes(batch: Uint8Array): AppendReply {
    const pointer = this.#kernels.reserve(batch.length);
    this.#kernels.bytes().set(batch, pointer);
    return this.partition.append(pointer, batch.length, 'client');
  }

  /** One read, as a fetch does it. */
  read(offset: number, maxBytes = 1 << 20): ReadReply {
    const request = { handle: 0, offset, maxBytes, end: 'high-watermark', currentLeaderEpoch: -1 } as const;
    return this.partition.read({ ...request, lastFetchedEpoch: -1 }, { maxBytes, minOneBatch: true });
  }

  /** Every record from `offset` on, read in parts of `maxBytes` as a consumer would. */
  readAll(offset: number = this.state.logStartOffset, maxBytes = 1 << 20): Read[] {
    const found: Read[] = [];
    let next = offset;
    while (next < this.state.highWatermark) {
      const { outcome, records, fault } = this.read(next, maxBytes);
      same(outcome, 'ok', `read at ${next} (${fault?.message ?? ''})`);
      check(records.length > 0, `the read at ${next} of ${this.state.highWatermark} is not empty`);
      next = this.#decode(records, offset, found);
    }
    return found;
  }

  /** As {@link readAll}, going on behind every offset that cannot be read; those are counted. */
  readAround(): { readonly records: readonly Read[]; readonly refused: number } {
    const found: Read[] = [];
    let refused = 0;
    let next = this.state.logStartOffset;
    while (next < this.state.highWatermark) {
      const { outcome, records } = this.read(next);
      if (outcome === 'ok' && records.length > 0) {
        next = this.#decode(records, next, found);
      } else {
        refused += 1;
        next += 1;
      }
    }
    return { records: found, refused };
  }

  /** The records of whole batches, which all must pass their check. */
  decode(records: Uint8Array): Read[] {
    const found: Read[] = [];
    this.#decode(records, 0, found);
    return found;
  }

  #decode(records: Uint8Array, from: number, found: Read[]): number {
    let end = from;
    for (const batch of new RecordBatchDecoder(this.#kernels).batches(records)) {
      check(batch.lastOffset >= from, `a batch that ends at ${batch.lastOffset} is not read from ${from} on`);
      for (const { offset, key, value, timestamp } of batch.records()) {
        if (offset >= from) found.push({ offset, key: textOf(key), value: textOf(value), timestamp });
      }
      end = batch.lastOffset + 1;
    }
    return end;
  }

  /** First offset of a time, or -1. */
  offsetAt(timestamp: number): number {
    const request = { kind: 'list-offset', handle: 0, end: 'high-watermark', currentLeaderEpoch: -1 } as const;
    const { outcome, offset } = this.partition.listOffset({ ...request, timestamp });
    same(outcome, 'ok', `offset of time ${timestamp}`);
    return offset;
  }

  /** One round of compaction, to its end. */
  async compact(onStep: () => void = () => {}): Promise<void> {
    this.log.flushSync();
    const round = this.partition.compact(this.clock.nowMs);
    for (let step = round.next(); step.done !== true; step = round.next()) {
      if ('wait' in step.value) await step.value.wait;
      onStep();
    }
  }
}

/** Runs an action with an empty place, which is removed afterwards whatever happens. */
export async function withPlace(
  host: ConformanceHost,
  label: string,
  action: (place: ConformancePlace) => Promise<void>,
): Promise<void> {
  const place = await host.createPlace(label);
  try {
    await action(place);
  } finally {
    await place.remove();
  }
}

/** Inverts bits of one byte of a file. */
export function flip(store: Store, path: string, position: number, mask: number): void {
  withFile(store, path, (file) => {
    const byte = new Uint8Array(1);
    same(file.read(byte, position), 1, `bytes of ${path} at ${position}`);
    file.write(Uint8Array.of((byte[0] ?? 0) ^ mask), position);
    file.flushSync();
  });
}

/** The whole content of a file. */
export function contentOf(store: Store, path: string): Uint8Array {
  return withFile(store, path, (file) => {
    const content = new Uint8Array(file.size());
    same(file.read(content, 0), content.length, `bytes of ${path}`);
    return content;
  });
}

export function withFile<T>(store: Store, path: string, action: (file: StoreFile) => T): T {
  const file = store.open(path, { create: false });
  try {
    return action(file);
  } finally {
    file.close();
  }
}

/** Every file of the partition's directory. */
export function snapshotOf(store: Store): ReadonlyMap<string, Uint8Array> {
  return new Map(store.list(DIRECTORY).map(({ name }) => [name, contentOf(store, `${DIRECTORY}/${name}`)]));
}

/** Makes the partition's directory what it was. */
export function restore(store: Store, snapshot: ReadonlyMap<string, Uint8Array>): void {
  for (const { name } of store.list(DIRECTORY)) if (!snapshot.has(name)) store.remove(`${DIRECTORY}/${name}`);
  for (const [name, content] of snapshot) {
    const file = store.open(`${DIRECTORY}/${name}`, { create: true });
    file.truncate(0);
    file.write(content, 0);
    file.close();
  }
}

/** Where each batch of a log file ends. */
export function batchEnds(log: Uint8Array): number[] {
  const view = new DataView(log.buffer, log.byteOffset, log.byteLength);
  const ends: number[] = [];
  let position = 0;
  while (position + BATCH_HEADER_BYTES <= log.length) {
    position += 12 + view.getInt32(position + 8);
    ends.push(position);
  }
  same(ends.at(-1), log.length, 'end of the last batch');
  return ends;
}

function bytesOf(text: string | null): Uint8Array | null {
  return text === null ? null : UTF8.encode(text);
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : new TextDecoder().decode(bytes);
}
