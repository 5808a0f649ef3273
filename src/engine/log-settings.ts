// The settings of a log as its users give them, with Kafka's defaults. Kafka's topic config of the same meaning is named.

import type { CodecName } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { MESSAGE_BYTES_MAX_DEFAULT } from '../core/limits.ts';
import type { LogConfig } from '../storage/log-config.ts';

export interface LogSettings {
  /** cleanup.policy. Default `delete`. */
  readonly cleanupPolicy?: 'delete' | 'compact' | 'compact,delete' | undefined;
  /** retention.ms: how long records are kept; -1 for ever. Default seven days. */
  readonly retentionMs?: number | undefined;
  /** retention.bytes: the size beyond which the oldest segments are dropped; -1 for no such size, the default. */
  readonly retentionBytes?: number | undefined;
  /** segment.bytes: a segment is rolled before it would grow beyond this. Default 1 GiB. */
  readonly segmentBytes?: number | undefined;
  /** segment.ms: a segment is rolled when its first batch is older than this. Default seven days. */
  readonly segmentMs?: number | undefined;
  /** index.interval.bytes. Default 4096. */
  readonly indexIntervalBytes?: number | undefined;
  /** max.message.bytes: the largest batch, after compression. Default 1048588. */
  readonly maxMessageBytes?: number | undefined;
  /** compression.type: `producer` keeps batches as they come, the default. */
  readonly compressionType?: CodecName | 'uncompressed' | 'producer' | undefined;
  /** message.timestamp.type. Default `CreateTime`. */
  readonly timestampType?: 'CreateTime' | 'LogAppendTime' | undefined;
  /** min.compaction.lag.ms: how long a record stays uncompacted at least. Default 0. */
  readonly minCompactionLagMs?: number | undefined;
  /** delete.retention.ms: how long tombstones stay once the log is compacted up to them. Default a day. */
  readonly deleteRetentionMs?: number | undefined;
  /** file.delete.delay.ms: how long the files of a dropped segment stay. Default 60000. */
  readonly fileDeleteDelayMs?: number | undefined;
}

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
const GIGABYTE = 1_073_741_824;
const INDEX_BYTES = 10_485_760;
const HOUR_MS = 3_600_000;
const POLICIES = new Set(['delete', 'compact', 'compact,delete']);

/** Throws ERR_CONFIG for what cannot be. */
export function toLogConfig(settings: LogSettings): LogConfig {
  const { cleanupPolicy = 'delete', compressionType = 'producer' } = settings;
  if (!POLICIES.has(cleanupPolicy)) throw new LogFault('ERR_CONFIG', `cleanupPolicy cannot be "${cleanupPolicy}"`);
  return {
    segmentBytes: number(settings, 'segmentBytes', { fallback: GIGABYTE, min: 14 }),
    segmentMs: number(settings, 'segmentMs', { fallback: WEEK_MS, min: 1 }),
    segmentIndexBytes: INDEX_BYTES,
    indexIntervalBytes: number(settings, 'indexIntervalBytes', { fallback: 4096, min: 0 }),
    retentionMs: number(settings, 'retentionMs', { fallback: WEEK_MS, min: -1 }),
    retentionBytes: number(settings, 'retentionBytes', { fallback: -1, min: -1 }),
    deletes: cleanupPolicy.includes('delete'),
    compacts: cleanupPolicy.includes('compact'),
    minCleanableDirtyRatio: 0,
    minCompactionLagMs: number(settings, 'minCompactionLagMs', { fallback: 0, min: 0 }),
    maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
    deleteRetentionMs: number(settings, 'deleteRetentionMs', { fallback: DAY_MS, min: 0 }),
    cleaner: {
      enabled: true,
      backoffMs: 0,
      ioBytesPerSecond: Number.POSITIVE_INFINITY,
      dedupeBufferBytes: 128 * 1024 * 1024,
      loadFactor: 0.9,
    },
    maxMessageBytes: number(settings, 'maxMessageBytes', { fallback: MESSAGE_BYTES_MAX_DEFAULT, min: 0 }),
    compression: { type: compressionType, level: undefined },
    stampsLogAppendTime: settings.timestampType === 'LogAppendTime',
    timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
    timestampAfterMaxMs: HOUR_MS,
    flushMessages: Number.MAX_SAFE_INTEGER,
    flushMs: Number.MAX_SAFE_INTEGER,
    producerIdExpirationMs: DAY_MS,
    fileDeleteDelayMs: number(settings, 'fileDeleteDelayMs', { fallback: 60_000, min: 0 }),
  };
}

type NumberName = {
  [Name in keyof LogSettings]-?: LogSettings[Name] extends number | undefined ? Name : never;
}[keyof LogSettings];

function number(
  settings: LogSettings,
  name: NumberName,
  { fallback, min }: { readonly fallback: number; readonly min: number },
): number {
  const value = settings[name] ?? fallback;
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new LogFault('ERR_CONFIG', `${name} takes a whole number from ${min} on, not ${value}`);
}
