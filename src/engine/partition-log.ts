// The bare log of one partition over a store: records in and out, by offset and by time. It is Kafka's log in every byte;
// it has no topics, no network, no threads, and does nothing by itself.

import { type BatchCodecs, type CodecName, codecName, codecNumber } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { DECOMPRESSED_BATCH_BYTES_MAX } from '../core/limits.ts';
import type { Clock } from '../core/platform.ts';
import type { AppendReply, PartitionRead } from '../partition/commands.ts';
import { Partition } from '../partition/partition.ts';
import type { DataDirectory } from '../storage/data-directory.ts';
import { Log } from '../storage/log.ts';
import type { LogConfig } from '../storage/log-config.ts';
import type { LogOptions, SegmentDescription } from '../storage/log-options.ts';
import { BatchMemory } from '../wasm/batch-memory.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { type DecodedBatch, RecordBatchDecoder } from '../wasm/record-batch-decoder.ts';
import { RecordBatchEncoder } from '../wasm/record-batch-encoder.ts';
import { encodable, LogRecord, type LogRecordInput } from './log-record.ts';
import { type LogSettings, toLogConfig } from './log-settings.ts';

/** Where appended records lie. */
export interface Appended {
  readonly baseOffset: number;
  readonly lastOffset: number;
}

export interface AppendOptions {
  /** Compresses the batch, with a codec that the log was given; all but zstd are always there. */
  readonly compression?: CodecName | undefined;
}

export interface ReadOptions {
  /** The first offset. Default: the log's start. */
  readonly from?: number | undefined;
  /** The offset to end before. Default: the log's end when reading begins. */
  readonly to?: number | undefined;
}

export interface ReadBatchesOptions {
  readonly from: number;
  /** Bytes to return at most; the first batch comes whole even where it is larger. Default 1 MiB. */
  readonly maxBytes?: number | undefined;
}

export interface TimestampedOffset {
  readonly offset: number;
  readonly timestamp: number;
}

/** What a round of compaction did. */
export interface CompactionResult {
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/** What {@link PartitionLog.open} is given. */
export interface PartitionLogParts {
  readonly directory: DataDirectory;
  readonly kernels: Kernels;
  readonly clock: Clock;
  readonly codecs: BatchCodecs;
  readonly store: LogOptions['store'];
  readonly settings: LogSettings;
  /** The store was opened for this log. */
  readonly closesStore: boolean;
}

const NAME = 'log-0';
const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';
const LEADER_EPOCH = 0;
const READ_BYTES = 1024 * 1024;
/** Memory of encoded batches that is kept for those to come. */
const MEMORY_BYTES_MAX = 1024 * 1024;
/** Bytes that compaction moves before it lets others run. */
const COMPACTION_BURST_BYTES = 4 * 1024 * 1024;
const EVERYTHING: Pick<PartitionRead, 'handle' | 'end' | 'currentLeaderEpoch' | 'lastFetchedEpoch'> = {
  handle: 0,
  end: 'log-end',
  currentLeaderEpoch: -1,
  lastFetchedEpoch: -1,
};

/** The log of one partition. Made by `openLog`. */
export class PartitionLog {
  readonly #parts: PartitionLogParts;
  readonly #partition: Partition;
  readonly #memory = new BatchMemory(MEMORY_BYTES_MAX);
  readonly #encoder: RecordBatchEncoder;
  readonly #decoder: RecordBatchDecoder;
  #settings: LogSettings;
  #isClosed = false;

  /** Opens or creates the log, and recovers it where it was not closed in order. Throws ERR_CORRUPT_LOG, ERR_STORAGE. */
  static open(parts: PartitionLogParts): PartitionLog {
    return new PartitionLog(parts);
  }

  private constructor(parts: PartitionLogParts) {
    const { directory, kernels, settings } = parts;
    const config: LogConfig = toLogConfig(settings);
    this.#parts = parts;
    this.#settings = settings;
    this.#encoder = new RecordBatchEncoder(kernels, this.#memory);
    this.#decoder = new RecordBatchDecoder(kernels);
    const log = Log.open({
      ...parts,
      directory: NAME,
      topicId: TOPIC_ID,
      config,
      recoveryPoint: directory.recoveryPoints.get(NAME) ?? 0,
      logStartOffset: directory.logStartOffsets.get(NAME) ?? 0,
      cleanShutdown: directory.cleanShutdown,
    });
    this.#partition = Partition.open(log, { ...parts, config, leaderEpoch: LEADER_EPOCH });
  }

  /** Offset of the first record that can be read. */
  get startOffset(): number {
    return this.#log.logStartOffset;
  }

  /** Offset that the next record gets. */
  get endOffset(): number {
    return this.#log.logEndOffset;
  }

  /** Every record below is on stable storage. */
  get flushedOffset(): number {
    return this.#log.recoveryPoint;
  }

  get sizeBytes(): number {
    return this.#log.sizeBytes;
  }

  /** The first fault that made the log read-only; undefined while it takes records. */
  get fault(): LogFault | undefined {
    return this.#log.fault;
  }

  /** The segments, oldest first. */
  segments(): readonly SegmentDescription[] {
    return this.#log.describe();
  }

  /**
   * Appends records as one batch. When it returns, the store has them; {@link flush} makes them durable. Throws ERR_USAGE
   * for records that the log does not take (too large, no key in a compacted log), ERR_UNSUPPORTED for a codec that is not
   * there, ERR_PARTITION_READ_ONLY after a fault, ERR_STORAGE.
   */
  append(records: readonly LogRecordInput[], { compression }: AppendOptions = {}): Appended {
    if (records.length === 0) throw new LogFault('ERR_USAGE', 'append takes at least one record');
    const nowMs = this.#parts.clock.now();
    const encoder = this.#encoder;
    const encoded = records.map((record) => encodable(record, nowMs));
    if (compression === undefined) return this.#appendPlain(encoder.encode(encoded));
    for (const record of encoded) encoder.append(record);
    const plain = encoder.finishRecords();
    const bytes = this.#parts.codecs[compression].compress(plain.bytes);
    return this.appendBatch(encoder.assemble({ ...plain, bytes, compression: codecNumber(compression) }));
  }

  /** Appends a batch of the own encoder, which may have its memory again then: nothing keeps the bytes. */
  #appendPlain(batch: Uint8Array): Appended {
    try {
      return this.appendBatch(batch);
    } finally {
      this.#memory.give(batch);
    }
  }

  /**
   * Appends one record batch (magic 2) as a Kafka client makes it; its checksum and records are checked, and its offsets
   * are given here. A batch of an idempotent producer that comes again is answered with the offsets it got. Throws as
   * {@link append}.
   */
  appendBatch(batch: Uint8Array): Appended {
    this.#assertOpen();
    const { kernels } = this.#parts;
    const pointer = kernels.reserve(batch.length);
    kernels.bytes().set(batch, pointer);
    const reply = this.#partition.append(pointer, batch.length, 'client');
    if (reply.outcome !== 'ok') throw faultOf(reply);
    return { baseOffset: reply.baseOffset, lastOffset: reply.lastOffset };
  }

  /**
   * Records by rising offset, up to where the log ended when reading began. Control records of transactions are left
   * out. Throws ERR_OFFSET_OUT_OF_RANGE, ERR_CORRUPT_LOG, ERR_UNSUPPORTED for a codec that is not there.
   */
  *read({ from = this.startOffset, to = this.endOffset }: ReadOptions = {}): Generator<LogRecord, void, undefined> {
    let next = from;
    while (next < to) {
      const region = this.readBatches({ from: next });
      if (region.length === 0) return;
      for (const batch of this.#decoder.batches(region, { checkCrc: false })) {
        next = batch.lastOffset + 1;
        if (batch.isControl) continue;
        for (const record of this.#recordsOf(batch)) {
          if (record.offset >= to) return;
          if (record.offset >= from) yield new LogRecord(record);
        }
      }
    }
  }

  /**
   * Whole record batches as they are stored, beginning with the one that holds `from`; empty at the log's end. Throws
   * ERR_OFFSET_OUT_OF_RANGE, ERR_CORRUPT_LOG, ERR_STORAGE.
   */
  readBatches({ from, maxBytes = READ_BYTES }: ReadBatchesOptions): Uint8Array {
    this.#assertOpen();
    const reply = this.#partition.read({ ...EVERYTHING, offset: from, maxBytes }, { maxBytes, minOneBatch: true });
    if (reply.outcome === 'ok') return reply.records;
    if (reply.fault !== undefined) throw new LogFault(reply.fault.code, reply.fault.message);
    const range = `${this.startOffset} to ${this.endOffset}`;
    throw new LogFault('ERR_OFFSET_OUT_OF_RANGE', `offset ${from} is not in the log, which has ${range}`);
  }

  /** The first record at or after a time (milliseconds since 1970); undefined where there is none. */
  offsetAt(timestamp: number): TimestampedOffset | undefined {
    this.#assertOpen();
    if (timestamp < 0) throw new LogFault('ERR_USAGE', `${timestamp} is no time`);
    const reply = this.#partition.listOffset({ ...EVERYTHING, kind: 'list-offset', timestamp, end: 'high-watermark' });
    if (reply.fault !== undefined) throw new LogFault(reply.fault.code, reply.fault.message);
    return reply.offset < 0 ? undefined : { offset: reply.offset, timestamp: reply.timestamp };
  }

  /** Moves the log's start up to `offset`; lower ones change nothing. Throws ERR_OFFSET_OUT_OF_RANGE above the end. */
  deleteBefore(offset: number): void {
    this.#assertOpen();
    if (offset > this.startOffset) this.#log.deleteRecordsBefore(offset);
    this.#checkpoint();
  }

  /** Cuts the log so that it ends at `offset` or, where that lies inside a batch, at the batch's beginning. */
  truncate(offset: number): void {
    this.#assertOpen();
    this.#partition.truncateTo(offset);
    this.#checkpoint();
  }

  /**
   * Does what time makes due: rolls an old segment, drops segments by age and size, removes files that were dropped
   * before, forgets producers. Nothing of it happens by itself: call it now and then.
   */
  maintain(): void {
    this.#assertOpen();
    this.#partition.maintain(this.#parts.clock.now());
    this.#checkpoint();
  }

  /**
   * Compacts everything but the active segment, where cleanupPolicy says so: the last record of each key stays. Lets
   * others run now and then; records may be appended and read meanwhile. Throws ERR_USAGE under another policy.
   */
  async compact(): Promise<CompactionResult> {
    this.#assertOpen();
    if (!this.#partition.config.compacts) throw new LogFault('ERR_USAGE', 'cleanupPolicy does not say `compact`');
    await this.flush();
    const steps = this.#partition.compact(this.#parts.clock.now());
    let bytes = 0;
    for (;;) {
      const step = steps.next();
      if (step.done === true) {
        this.#checkpoint();
        return { bytesBefore: step.value.bytesBefore, bytesAfter: step.value.bytesAfter };
      }
      if ('wait' in step.value) await step.value.wait;
      else bytes += step.value.bytes;
      if (bytes < COMPACTION_BURST_BYTES) continue;
      bytes = 0;
      await new Promise<void>((resolve) => this.#parts.clock.schedule(0, resolve));
      this.#assertOpen();
    }
  }

  /** Changes settings; those that are not named stay. Throws ERR_CONFIG. */
  configure(settings: LogSettings): void {
    this.#assertOpen();
    this.#settings = { ...this.#settings, ...settings };
    this.#partition.configure(toLogConfig(this.#settings));
  }

  /** Resolves when everything appended before the call is on stable storage. Throws ERR_STORAGE: the log is then read-only. */
  async flush(): Promise<void> {
    this.#assertOpen();
    await this.#log.flush();
    if (!this.#isClosed) this.#checkpoint();
  }

  /** Flushes and closes in order, so that the next open reads nothing. The store stays open. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { directory, store, closesStore } = this.#parts;
    const isSound = this.fault === undefined;
    try {
      this.#partition.close();
      this.#checkpoint();
    } finally {
      directory.close(isSound && this.fault === undefined);
      if (closesStore) store.close();
    }
  }

  get #log(): Log {
    return this.#partition.log;
  }

  #recordsOf(batch: DecodedBatch): ReturnType<DecodedBatch['records']> {
    const name = codecName(batch.compression);
    if (name === undefined) return batch.records();
    return batch.records(this.#parts.codecs[name].decompress(batch.recordsBytes, DECOMPRESSED_BATCH_BYTES_MAX));
  }

  #checkpoint(): void {
    const { directory } = this.#parts;
    // The log start first: a recovery point below it would be read as a hole.
    if (directory.logStartOffsets.get(NAME) !== this.startOffset) {
      directory.writeLogStartOffsets(new Map([[NAME, this.startOffset]]));
    }
    if (directory.recoveryPoints.get(NAME) !== this.flushedOffset) {
      directory.writeRecoveryPoints(new Map([[NAME, this.flushedOffset]]));
    }
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new LogFault('ERR_CLOSED', 'the log is closed');
  }
}

/** What the partition refuses is the caller's; what its store refuses is not. */
function faultOf({ outcome, fault }: AppendReply): LogFault {
  if (fault === undefined) return new LogFault('ERR_USAGE', `the batch is refused: ${outcome}`);
  if (fault.code !== 'ERR_BROKER') return new LogFault(fault.code, fault.message);
  const code = outcome === 'unsupported-compression' ? 'ERR_UNSUPPORTED' : 'ERR_USAGE';
  return new LogFault(code, `the batch is refused (${outcome}): ${fault.message}`);
}
