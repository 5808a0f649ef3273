import type { LogConfig } from '../../src/storage/log-config.ts';

/** Kafka's defaults, as a partition's log gets them. */
export const TEST_LOG_CONFIG: LogConfig = {
  segmentBytes: 1_073_741_824,
  segmentMs: 604_800_000,
  segmentIndexBytes: 10_485_760,
  indexIntervalBytes: 4096,
  retentionMs: 604_800_000,
  retentionBytes: -1,
  deletes: true,
  compacts: false,
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
  deleteRetentionMs: 86_400_000,
  cleaner: {
    enabled: true,
    backoffMs: 15_000,
    ioBytesPerSecond: Number.MAX_SAFE_INTEGER,
    dedupeBufferBytes: 134_217_728,
    loadFactor: 0.9,
  },
  maxMessageBytes: 1_048_588,
  compression: { type: 'producer', level: undefined },
  stampsLogAppendTime: false,
  timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
  timestampAfterMaxMs: 3_600_000,
  flushMessages: Number.MAX_SAFE_INTEGER,
  flushMs: Number.MAX_SAFE_INTEGER,
  producerIdExpirationMs: 86_400_000,
  fileDeleteDelayMs: 60_000,
};
