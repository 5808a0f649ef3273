// The settings of one partition's log, already parsed and checked. Kafka's topic config of the same meaning is named.

import type { CodecName } from '../core/compression.ts';

/** compression.type with the level that belongs to it. */
export interface LogCompression {
  /** `producer` keeps batches as they come. */
  readonly type: CodecName | 'uncompressed' | 'producer';
  /** compression.gzip.level or compression.zstd.level; undefined for the codec's own default. */
  readonly level: number | undefined;
}

/** How compaction runs in this broker: log.cleaner.*. */
export interface CleanerConfig {
  /** log.cleaner.enable */
  readonly enabled: boolean;
  /** log.cleaner.backoff.ms: pause when no log is due. */
  readonly backoffMs: number;
  /** log.cleaner.io.max.bytes.per.second: read and written together, by each slot. */
  readonly ioBytesPerSecond: number;
  /** log.cleaner.dedupe.buffer.size: memory of the offset map, of each slot. */
  readonly dedupeBufferBytes: number;
  /** log.cleaner.io.buffer.load.factor: how full that map may become. */
  readonly loadFactor: number;
}

export interface LogConfig {
  /** segment.bytes: a segment is rolled before it would grow beyond this. */
  readonly segmentBytes: number;
  /** segment.ms: a segment is rolled when its first batch is older than this. */
  readonly segmentMs: number;
  /** segment.index.bytes: largest offset or time index of one segment; a full index rolls the segment. */
  readonly segmentIndexBytes: number;
  /** index.interval.bytes: log bytes between two index entries. */
  readonly indexIntervalBytes: number;
  /** retention.ms; -1 keeps for ever. */
  readonly retentionMs: number;
  /** retention.bytes, of the whole partition; -1 is without bound. */
  readonly retentionBytes: number;
  /** cleanup.policy contains `delete`. */
  readonly deletes: boolean;
  /** cleanup.policy contains `compact`. */
  readonly compacts: boolean;
  /** min.cleanable.dirty.ratio: part of the log that must be new before it is compacted, 0 to 1. */
  readonly minCleanableDirtyRatio: number;
  /** min.compaction.lag.ms: how long a record stays uncompacted at least. */
  readonly minCompactionLagMs: number;
  /** max.compaction.lag.ms: how long a record stays uncompacted at most, as far as time allows. */
  readonly maxCompactionLagMs: number;
  /** delete.retention.ms: how long tombstones and markers stay once a log is compacted up to them. */
  readonly deleteRetentionMs: number;
  readonly cleaner: CleanerConfig;
  /** max.message.bytes: largest record batch, its 12 bytes of offset and length included. */
  readonly maxMessageBytes: number;
  readonly compression: LogCompression;
  /** message.timestamp.type is LogAppendTime. */
  readonly stampsLogAppendTime: boolean;
  /** message.timestamp.before.max.ms: how far a create time may lie in the past. */
  readonly timestampBeforeMaxMs: number;
  /** message.timestamp.after.max.ms: how far a create time may lie in the future. */
  readonly timestampAfterMaxMs: number;
  /** flush.messages: records after which the log is flushed without being asked. */
  readonly flushMessages: number;
  /** flush.ms: the longest time that a record stays unflushed. */
  readonly flushMs: number;
  /** producer.id.expiration.ms (of the broker): how long an idle producer is remembered. */
  readonly producerIdExpirationMs: number;
  /** file.delete.delay.ms: how long a deleted segment's files stay before they are removed. */
  readonly fileDeleteDelayMs: number;
}
