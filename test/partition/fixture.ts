// Partitions on a memory store, reached through the executor that a broker uses.

import type { BatchCodecs } from '../../src/core/compression.ts';
import type { AppendReply, OpenCommand, PartitionExecutor, ReadReply } from '../../src/partition/commands.ts';
import { createInlineExecutor } from '../../src/partition/inline-executor.ts';
import { systemClock } from '../../src/platform/node/clock.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { type BatchOptions, RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { TEST_LOG_CONFIG } from '../support/log-config.ts';
import { silentLogger } from '../support/silent-logger.ts';

const module = loadWasmModule('plain');
const encoder = new RecordBatchEncoder(Kernels.create(module));

/** A batch of one record for each value. */
export function batch(
  values: readonly string[],
  options: BatchOptions & { readonly timestamp?: number } = {},
): Uint8Array {
  const timestamp = options.timestamp ?? Date.now();
  for (const value of values) encoder.append({ key: null, value: Buffer.from(value), headers: [], timestamp });
  return encoder.finish(options);
}

export function openCommand(handle: number, config: Partial<LogConfig> = {}): Omit<OpenCommand, 'kind'> {
  return {
    handle,
    directory: `topic-${handle}`,
    topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
    config: { ...TEST_LOG_CONFIG, ...config },
    leaderEpoch: 3,
    recoveryPoint: 0,
    logStartOffset: 0,
    cleanShutdown: true,
  };
}

export interface MemoryPartitions {
  readonly store: MemoryStore;
  readonly executor: PartitionExecutor;
  append(handle: number, records: Uint8Array, durable?: boolean): Promise<AppendReply>;
  read(handle: number, offset: number): Promise<ReadReply>;
}

/** Opens partitions 0 to `count - 1`. */
export async function memoryPartitions(
  options: {
    readonly count?: number;
    readonly config?: Partial<LogConfig>;
    readonly store?: MemoryStore;
    readonly codecs?: BatchCodecs;
  } = {},
): Promise<MemoryPartitions> {
  const store = options.store ?? new MemoryStore();
  const kernels = Kernels.create(module);
  const executor = createInlineExecutor({
    kernels,
    store,
    clock: systemClock,
    logger: silentLogger,
    codecs: options.codecs,
  });
  for (let handle = 0; handle < (options.count ?? 1); handle++)
    await executor.open(openCommand(handle, options.config));
  return {
    store,
    executor,
    append: (handle, records, durable = false) => executor.append(handle, records, durable),
    read: async (handle, offset) => readOne(executor, handle, offset),
  };
}

export async function readOne(executor: PartitionExecutor, handle: number, offset: number): Promise<ReadReply> {
  const { reads } = await executor.fetch({
    maxBytes: 1_048_576,
    minOneBatch: true,
    reads: [
      { handle, offset, maxBytes: 1_048_576, end: 'high-watermark', currentLeaderEpoch: -1, lastFetchedEpoch: -1 },
    ],
  });
  const [read] = reads;
  if (read === undefined) throw new Error('a fetch of one partition has one reply');
  return read;
}
