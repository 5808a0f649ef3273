// Configurations: parsing, layers, synonyms, and what is refused.

import { expect, test } from 'vitest';
import { BrokerConfig, parseBrokerConfig, toLogConfig } from '../../src/broker/config/broker-config.ts';
import { BROKER_CONFIGS } from '../../src/broker/config/broker-configs.ts';
import { objection } from '../../src/broker/config/definition.ts';
import { parseProperties } from '../../src/broker/config/properties-file.ts';
import { TOPIC_CONFIGS } from '../../src/broker/config/topic-configs.ts';
import { LogFault } from '../../src/core/fault.ts';
import { TEST_LOG_CONFIG } from '../support/log-config.ts';

function faultOf(entries: Record<string, string>): LogFault {
  try {
    parseBrokerConfig(entries);
  } catch (error) {
    if (error instanceof LogFault) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

test('nothing set gives Kafka’s defaults', () => {
  const config = parseBrokerConfig({});
  expect(toLogConfig({}, config)).toEqual(TEST_LOG_CONFIG);
  expect(config.settings).toEqual({
    nodeId: 1,
    numPartitions: 1,
    defaultReplicationFactor: 1,
    autoCreateTopics: true,
    deleteTopics: true,
    flushesForAcksAll: true,
    fetchMaxBytes: 57_671_680,
    fetchSessionsMax: 1000,
    listeners: undefined,
    advertisedListeners: [],
    listenerProtocolMap: 'PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
    socketRequestMaxBytes: 104_857_600,
    requestPartitionsMax: 2000,
    queuedRequestMaxBytes: 268_435_456,
    maxConnections: 20_000,
    connectionsMaxIdleMs: 600_000,
    flushCheckpointIntervalMs: 60_000,
    retentionCheckIntervalMs: 300_000,
    groups: {
      initialRebalanceDelayMs: 3000,
      minSessionTimeoutMs: 6000,
      maxSessionTimeoutMs: 1_800_000,
      maxSize: 2_147_483_647,
      offsetMetadataMaxBytes: 4096,
      offsetsRetentionMs: 604_800_000,
      consumerUpgrade: true,
      consumerDowngrade: true,
      consumerMaxSize: 2_147_483_647,
      consumerAssignors: ['uniform', 'range'],
      consumerProtocol: true,
      retentionCheckIntervalMs: 600_000,
      topicPartitions: 8,
      topicSegmentBytes: 104_857_600,
    },
    transactions: {
      timeoutMsMax: 900_000,
      expirationMs: 604_800_000,
      abortTimedOutIntervalMs: 10_000,
      removeExpiredIntervalMs: 3_600_000,
      verifiesPartitions: true,
      addPartitionsWaitMsMax: 100,
      logPartitionCount: 8,
      logSegmentBytes: 104_857_600,
    },
  });
});

test('every default is allowed, and is accepted when it is set', () => {
  for (const table of [BROKER_CONFIGS, TOPIC_CONFIGS]) {
    for (const definition of table.definitions) {
      const { name, defaultValue } = definition;
      if (defaultValue !== null) expect(objection(definition, defaultValue), name).toBeUndefined();
      expect(definition.documentation, name).not.toBe('');
    }
  }
  const set = BROKER_CONFIGS.definitions.flatMap(({ name, defaultValue }) =>
    defaultValue === null ? [] : [[name, defaultValue]],
  );
  expect(() => parseBrokerConfig(Object.fromEntries(set))).not.toThrow();
});

test('the topic keys are Kafka 4’s', () => {
  expect(TOPIC_CONFIGS.definitions.map(({ name }) => name)).toEqual([
    'cleanup.policy',
    'compression.gzip.level',
    'compression.lz4.level',
    'compression.type',
    'compression.zstd.level',
    'delete.retention.ms',
    'file.delete.delay.ms',
    'flush.messages',
    'flush.ms',
    'follower.replication.throttled.replicas',
    'index.interval.bytes',
    'leader.replication.throttled.replicas',
    'local.retention.bytes',
    'local.retention.ms',
    'max.compaction.lag.ms',
    'max.message.bytes',
    'message.timestamp.after.max.ms',
    'message.timestamp.before.max.ms',
    'message.timestamp.type',
    'min.cleanable.dirty.ratio',
    'min.compaction.lag.ms',
    'min.insync.replicas',
    'preallocate',
    'remote.log.copy.disable',
    'remote.log.delete.on.disable',
    'remote.storage.enable',
    'retention.bytes',
    'retention.ms',
    'segment.bytes',
    'segment.index.bytes',
    'segment.jitter.ms',
    'segment.ms',
    'unclean.leader.election.enable',
  ]);
});

test.each([
  ['no.such.key', '1', 'Unknown'],
  ['__proto__', '1', 'Unknown'],
  ['num.partitions', '0', 'from 1'],
  ['num.partitions', '1.5', 'whole number'],
  ['num.partitions', '', 'whole number'],
  ['log.segment.bytes', '2147483648', 'to 2147483647'],
  ['auto.create.topics.enable', 'yes', 'true or false'],
  ['log.message.timestamp.type', 'createtime', 'one of CreateTime'],
  ['log.cleanup.policy', 'burn', 'a list of delete, compact'],
  ['log.cleaner.min.cleanable.ratio', '1.5', 'from 0 to 1'],
  ['log.cleaner.min.cleanable.ratio', 'half', 'a number'],
  ['log.cleaner.io.buffer.load.factor', '1', 'to 0.95'],
  ['log.cleaner.dedupe.buffer.size', '1000', 'from 1048576'],
  ['compression.type', 'brotli', 'one of uncompressed'],
  ['compression.gzip.level', '10', 'to 9'],
  ['compression.zstd.level', '23', 'to 22'],
  ['socket.request.max.bytes', '268435457', 'to 268435456'],
  ['remote.log.storage.system.enable', 'true', 'remote log storage'],
  ['default.replication.factor', '3', 'replicate'],
  ['offsets.topic.replication.factor', '3', 'replicate'],
])('%s=%s is refused with a reason', (name, value, reason) => {
  const fault = faultOf(Object.fromEntries([[name, value]]));
  expect(fault.code).toBe('ERR_CONFIG');
  expect(fault.message).toContain(name);
  expect(fault.message).toContain(reason);
});

test('a value that is no text is refused with the text that it should be', () => {
  const given: Record<string, string> = JSON.parse('{"num.partitions":3}');
  expect(faultOf(given).message).toBe("Configuration num.partitions takes text: '3'");
});

test('the finest unit that is set gives retention and roll times', () => {
  const retention = (entries: Record<string, string>) => toLogConfig({}, parseBrokerConfig(entries)).retentionMs;
  expect(retention({ 'log.retention.hours': '2' })).toBe(7_200_000);
  expect(retention({ 'log.retention.hours': '2', 'log.retention.minutes': '3' })).toBe(180_000);
  expect(retention({ 'log.retention.hours': '2', 'log.retention.minutes': '3', 'log.retention.ms': '5' })).toBe(5);
  expect(retention({ 'log.retention.hours': '-1' })).toBe(-1);
  expect(retention({ 'log.retention.minutes': '-1' })).toBe(-1);
  expect(toLogConfig({}, parseBrokerConfig({ 'log.roll.hours': '1' })).segmentMs).toBe(3_600_000);
  expect(toLogConfig({}, parseBrokerConfig({ 'log.flush.scheduler.interval.ms': '9' })).flushMs).toBe(9);
});

test('a topic’s own value goes before every value of the broker', () => {
  const config = parseBrokerConfig({ 'log.retention.ms': '5', 'log.segment.bytes': '1000' });
  const log = toLogConfig({ 'retention.ms': '7', 'message.timestamp.type': 'LogAppendTime' }, config);
  expect(log).toMatchObject({ retentionMs: 7, segmentBytes: 1000, stampsLogAppendTime: true });
});

test('layers stand in Kafka’s order, and the synonyms show it', () => {
  const given = new BrokerConfig({ 'log.retention.ms': '3', 'log.retention.hours': '1' });
  const config = given.withDynamic({ 'log.retention.ms': '1' }, { 'log.retention.ms': '2' });
  const resolved = config.resolveTopic('retention.ms', { 'retention.ms': '0' });
  expect(resolved).toMatchObject({ value: '0', source: 'dynamic-topic' });
  expect(resolved.synonyms.map(({ name, value, source }) => `${name}=${value} ${source}`)).toEqual([
    'retention.ms=0 dynamic-topic',
    'log.retention.ms=1 dynamic-broker',
    'log.retention.ms=2 dynamic-default-broker',
    'log.retention.ms=3 static-broker',
    'log.retention.hours=1 static-broker',
    'log.retention.hours=168 default',
  ]);
  expect(config.resolveTopic('retention.ms', {})).toMatchObject({ value: '1', source: 'dynamic-broker' });
  expect(given.resolveTopic('retention.ms', {})).toMatchObject({ value: '3', source: 'static-broker' });
  expect(config.resolve('log.retention.minutes').value).toBeNull();
});

test('broker.id is the older name of node.id', () => {
  expect(parseBrokerConfig({ 'broker.id': '7' }).settings.nodeId).toBe(7);
  expect(parseBrokerConfig({ 'broker.id': '7', 'node.id': '8' }).settings.nodeId).toBe(8);
});

test('values are kept in one form', () => {
  const config = parseBrokerConfig({ 'auto.create.topics.enable': ' FALSE ', 'num.partitions': ' 4 ' });
  expect(config.settings).toMatchObject({ autoCreateTopics: false, numPartitions: 4 });
});

test('a properties file is read as Java reads it', () => {
  const text = [
    '# comment',
    '! comment too',
    '',
    'plain=value',
    '  spaced  =  value with spaces  ',
    'colon: value',
    'blank value',
    'long=one,\\',
    '     two',
    'equals=a=b',
    'escaped\\ key=\\u0041\\tB',
    'path=C:\\\\data',
    'empty=',
    'twice=1\r\ntwice=2',
  ].join('\n');
  expect(parseProperties(text)).toEqual({
    plain: 'value',
    spaced: 'value with spaces',
    colon: 'value',
    blank: 'value',
    long: 'one,two',
    equals: 'a=b',
    'escaped key': 'A\tB',
    path: 'C:\\data',
    empty: '',
    twice: '2',
  });
  expect(() => parseProperties('a=1\n=2')).toThrow('line 2');
  expect(() => parseProperties('a=\\u12')).toThrow('line 1');
});

test('what compaction is told of a topic and of the broker reaches its logs', () => {
  const config = parseBrokerConfig({
    'log.cleanup.policy': 'compact',
    'log.cleaner.enable': 'false',
    'log.cleaner.backoff.ms': '7',
    'log.cleaner.io.max.bytes.per.second': '1e6',
    'log.cleaner.dedupe.buffer.size': '2000000',
    'log.cleaner.io.buffer.load.factor': '0.5',
  });
  const cleaner = {
    enabled: false,
    backoffMs: 7,
    ioBytesPerSecond: 1e6,
    dedupeBufferBytes: 2_000_000,
    loadFactor: 0.5,
  };
  expect(toLogConfig({}, config)).toMatchObject({ compacts: true, deletes: false, cleaner });
  const overrides = {
    'cleanup.policy': 'compact,delete',
    'min.cleanable.dirty.ratio': '0.25',
    'min.compaction.lag.ms': '1',
    'max.compaction.lag.ms': '2',
    'delete.retention.ms': '3',
  };
  const values = { minCleanableDirtyRatio: 0.25, minCompactionLagMs: 1, maxCompactionLagMs: 2, deleteRetentionMs: 3 };
  // What must be compacted in time may not wait in the active segment.
  expect(toLogConfig(overrides, config)).toMatchObject({ compacts: true, deletes: true, segmentMs: 2, ...values });
});
