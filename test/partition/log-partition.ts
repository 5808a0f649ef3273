// A partition over a log of its own on a memory store, driven without an executor, with a clock that is set by hand.

import type { AbortedTransaction, AppendOrigin, AppendReply, ReadReply } from '../../src/partition/commands.ts';
import { Partition } from '../../src/partition/partition.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { Log } from '../../src/storage/log.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import type { MemoryStore } from '../../src/storage/memory-store.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { HandClock } from '../storage/fixture.ts';
import { TEST_LOG_CONFIG } from '../support/log-config.ts';

export const DIRECTORY = 'payments-0';
const kernels = Kernels.create(loadWasmModule('plain'));

export interface ProducerFields {
  readonly id?: number;
  readonly epoch?: number;
  readonly sequence?: number;
  readonly transactional?: boolean;
  readonly records?: number;
  readonly valueBytes?: number;
  readonly timestamp?: number;
  readonly control?: boolean;
}

/** A batch as a producer with an id sends it. Producer 7, epoch 0, sequence 0, one record. */
export function producerBatch(fields: ProducerFields = {}): Uint8Array {
  const { id = 7, epoch = 0, sequence = 0, transactional = false, records = 1, valueBytes = 10 } = fields;
  const value = new Uint8Array(valueBytes);
  const record = { key: null, value, headers: [], timestamp: fields.timestamp ?? new HandClock().nowMs };
  return new RecordBatchEncoder(kernels).encode(Array<typeof record>(records).fill(record), {
    producerId: id,
    producerEpoch: epoch,
    baseSequence: sequence,
    isTransactional: transactional,
    isControl: fields.control ?? false,
  });
}

export interface OpenOptions {
  readonly recoveryPoint?: number;
  readonly logStartOffset?: number;
  readonly clean?: boolean;
  readonly config?: Partial<LogConfig>;
  readonly clock?: HandClock;
}

export class LogPartition {
  readonly partition: Partition;
  readonly clock: HandClock;

  constructor(store: MemoryStore, options: OpenOptions = {}) {
    this.clock = options.clock ?? new HandClock();
    const config = { ...TEST_LOG_CONFIG, ...options.config };
    const log = Log.open({
      store,
      kernels,
      clock: this.clock,
      directory: DIRECTORY,
      topicId: 'AAECAwQFBgcICQoLDA0ODw',
      config,
      recoveryPoint: options.recoveryPoint ?? 0,
      logStartOffset: options.logStartOffset ?? 0,
      cleanShutdown: options.clean ?? false,
    });
    this.partition = Partition.open(log, { kernels, clock: this.clock, config, leaderEpoch: 0 });
  }

  append(fields: ProducerFields = {}, origin: AppendOrigin = 'client'): AppendReply {
    const bytes = producerBatch(fields);
    const pointer = kernels.reserve(bytes.length);
    kernels.bytes().set(bytes, pointer);
    return this.partition.append(pointer, bytes.length, origin);
  }

  mark(
    marker: { id?: number; epoch?: number; coordinator?: number; commit?: boolean; version?: number } = {},
  ): AppendReply {
    return this.partition.writeMarker({
      kind: 'write-marker',
      handle: 0,
      producerId: marker.id ?? 7,
      producerEpoch: marker.epoch ?? 0,
      coordinatorEpoch: marker.coordinator ?? 0,
      commit: marker.commit ?? true,
      transactionVersion: marker.version ?? 1,
      durable: false,
    });
  }

  read(offset: number, maxBytes = 1 << 20, end: 'last-stable' | 'high-watermark' = 'last-stable'): ReadReply {
    const read = { handle: 0, offset, maxBytes, end, currentLeaderEpoch: -1, lastFetchedEpoch: -1 };
    return this.partition.read(read, { maxBytes, minOneBatch: true });
  }

  get stable(): number {
    return this.partition.state().lastStableOffset;
  }

  get end(): number {
    return this.partition.state().logEndOffset;
  }

  producers(): string[] {
    return this.partition
      .describeProducers()
      .producers.map(
        (each) =>
          `${each.producerId}/${each.producerEpoch} at ${each.lastSequence}, coordinator ${each.coordinatorEpoch}, open ${each.currentTransactionStartOffset}`,
      );
  }
}

export function abortedOf({ abortedTransactions }: ReadReply): string[] | undefined {
  return abortedTransactions?.map(
    ({ producerId, firstOffset }: AbortedTransaction) => `${producerId} at ${firstOffset}`,
  );
}

/** Offset behind the last of these batches. */
export function endOf(records: Uint8Array): number {
  const view = new DataView(records.buffer, records.byteOffset, records.length);
  let end = 0;
  for (let at = 0; at < records.length; at += 12 + view.getInt32(at + 8)) {
    end = Number(view.getBigInt64(at)) + view.getInt32(at + 23) + 1;
  }
  return end;
}
