// The public entry of the engine, and nothing else.

/**
 * The log of one partition without anything around it: Kafka's segments and indexes over a store, in any JavaScript
 * runtime. In Node, Deno and Bun the entry finds the WebAssembly by itself, and takes a directory.
 *
 *     import { openLog } from 'millrace/engine';
 *
 *     const log = await openLog({ wasm });
 *     const { baseOffset } = log.append([{ key: 'anna', value: 'one coffee' }]);
 *     for (const record of log.read({ from: baseOffset })) console.log(record.offset, record.text());
 *     log.close();
 *
 * @module
 */

export type { BatchCodec, BatchCodecs, CodecName } from '../core/compression.ts';
export { type FaultCode, LogFault } from '../core/fault.ts';
export type { Clock, Random, Store, StoreEntry, StoreFile, TimerHandle } from '../core/platform.ts';
export type { SegmentDescription } from '../storage/log-options.ts';
export { MemoryStore } from '../storage/memory-store.ts';
export { type Content, LogRecord, type LogRecordInput } from './log-record.ts';
export type { LogSettings } from './log-settings.ts';
export { type LogWasm, type OpenLogOptions, openLog } from './open-log.ts';
export {
  type Appended,
  type AppendOptions,
  type CompactionResult,
  PartitionLog,
  type ReadBatchesOptions,
  type ReadOptions,
  type TimestampedOffset,
} from './partition-log.ts';
