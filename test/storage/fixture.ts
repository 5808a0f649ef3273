// Logs over a memory store for the storage tests: batches made by the encoder, a clock that is set by hand, and readers
// that check what they get.

import { LogFault } from '../../src/core/fault.ts';
import type { Clock, Store, TimerHandle } from '../../src/core/platform.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { Log } from '../../src/storage/log.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import type { LogOptions } from '../../src/storage/log-options.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { TEST_LOG_CONFIG } from '../support/log-config.ts';
import { stampedBatch, type TestBatch } from './batches.ts';

export const TOPIC_ID = 'AAECAwQFBgcICQoLDA0ODw';
export const DIRECTORY = 'orders-0';
export const FIRST_LOG = `${DIRECTORY}/00000000000000000000.log`;
export const START_MS = 1_700_000_000_000;

/** Time that passes when a test says so. */
export class HandClock implements Clock {
  nowMs = START_MS;

  now(): number {
    return this.nowMs;
  }

  monotonic(): number {
    return this.nowMs - START_MS;
  }

  schedule(): TimerHandle {
    throw new Error('a log sets no timers');
  }
}

export const kernels: Kernels = Kernels.create(loadWasmModule('plain'));

export type LogOverrides = Partial<Omit<LogOptions, 'config' | 'store'>> & { readonly config?: Partial<LogConfig> };

export function openLog(store: Store, overrides: LogOverrides = {}): Log {
  const { config, ...rest } = overrides;
  return Log.open({
    store,
    kernels,
    clock: new HandClock(),
    directory: DIRECTORY,
    topicId: TOPIC_ID,
    recoveryPoint: 0,
    logStartOffset: 0,
    cleanShutdown: false,
    ...rest,
    config: { ...TEST_LOG_CONFIG, ...config },
  });
}

/** Appends a batch at the log's end and returns its bytes. */
export function append(log: Log, batch: TestBatch = {}): Uint8Array {
  const stamped = stampedBatch(kernels, { ...batch, baseOffset: log.logEndOffset });
  log.append(stamped.bytes, stamped.info);
  return stamped.bytes;
}

export interface ReadValue {
  readonly offset: number;
  readonly value: string;
}

/** Every record of the log from `offset` on, read in parts of `maxBytes`, as a consumer would. */
export function readAll(log: Log, offset: number = log.logStartOffset, maxBytes = 1 << 20): ReadValue[] {
  const decoder = new RecordBatchDecoder(kernels);
  const found: ReadValue[] = [];
  let next = offset;
  while (next < log.logEndOffset) {
    const bytes = log.read({ offset: next, maxBytes, minOneBatch: true, offsetEnd: log.logEndOffset });
    if (bytes.length === 0) throw new Error(`an empty read at offset ${next} of ${log.logEndOffset}`);
    for (const batch of decoder.batches(bytes)) {
      for (const record of batch.records()) {
        if (record.offset >= offset) found.push({ offset: record.offset, value: text(record.value) });
      }
      next = batch.lastOffset + 1;
    }
  }
  return found;
}

export function text(value: Uint8Array | null): string {
  return new TextDecoder().decode(value ?? new Uint8Array(0));
}

/** Reads as {@link readAll}, but goes on behind every offset that gives a fault. */
export function readAround(log: Log): { values: ReadValue[]; faults: string[] } {
  const values: ReadValue[] = [];
  const faults: string[] = [];
  const decoder = new RecordBatchDecoder(kernels);
  let next = log.logStartOffset;
  while (next < log.logEndOffset) {
    try {
      const bytes = log.read({ offset: next, maxBytes: 1 << 20, minOneBatch: true, offsetEnd: log.logEndOffset });
      if (bytes.length === 0) throw new RangeError(`an empty read at offset ${next} of ${log.logEndOffset}`);
      for (const batch of decoder.batches(bytes)) {
        for (const record of batch.records()) values.push({ offset: record.offset, value: text(record.value) });
        next = batch.lastOffset + 1;
      }
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      faults.push(String(error));
      next += 1;
    }
  }
  return { values, faults };
}
