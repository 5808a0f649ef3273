// DescribeConfigs and IncrementalAlterConfigs, and that changes take effect and last.

import { expect, test } from 'vitest';
import { parseBrokerConfig } from '../../src/broker/config/broker-config.ts';
import { BROKER_CONFIGS } from '../../src/broker/config/broker-configs.ts';
import { TOPIC_CONFIGS } from '../../src/broker/config/topic-configs.ts';
import type { PartitionExecutor } from '../../src/partition/commands.ts';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { describeConfigs } from '../../src/protocol/messages/32-describe-configs.ts';
import { incrementalAlterConfigs } from '../../src/protocol/messages/44-incremental-alter-configs.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import { BrokerFixture } from './fixture.ts';

const TOPIC = 2;
const BROKER = 4;
const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

type Change = readonly [name: string, operation: number, value: string | null];

interface Alteration {
  readonly type?: number;
  readonly name?: string;
  readonly validateOnly?: boolean;
}

async function alter(fixture: BrokerFixture, changes: readonly Change[], options: Alteration = {}): Promise<number> {
  const { type = TOPIC, name = 'a', validateOnly = false } = options;
  const configs = changes.map(([key, configOperation, value]) => ({ name: key, configOperation, value }));
  const { responses } = await fixture.request(incrementalAlterConfigs, 1, {
    resources: [{ resourceType: type, resourceName: name, configs }],
    validateOnly,
  });
  const [only] = responses;
  if (only === undefined) throw new Error('no response');
  if (only.errorCode !== 0) expect(only.errorMessage).toBeTruthy();
  return only.errorCode;
}

async function describe(fixture: BrokerFixture, type: number, name: string, keys: readonly string[] | null = null) {
  const { results } = await fixture.request(describeConfigs, 4, {
    resources: [{ resourceType: type, resourceName: name, configurationKeys: keys }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  const [only] = results;
  if (only === undefined) throw new Error('no result');
  return only;
}

async function configOf(fixture: BrokerFixture, type: number, name: string, key: string) {
  const [only] = (await describe(fixture, type, name, [key])).configs;
  return [only?.value, only?.configSource];
}

/** A fixture that shows the configuration that each partition last got. */
async function watched(): Promise<{ fixture: BrokerFixture; given: Map<number, LogConfig> }> {
  const given = new Map<number, LogConfig>();
  const wrap = (executor: PartitionExecutor): PartitionExecutor => {
    const original = executor.configure.bind(executor);
    executor.configure = (command) => {
      given.set(command.handle, command.config);
      return original(command);
    };
    return executor;
  };
  const fixture = await BrokerFixture.start({ wrap });
  await fixture.createTopic('a', 2);
  return { fixture, given };
}

test('every key of a topic and of the broker is told, with type, source and documentation', async () => {
  const fixture = await BrokerFixture.start({ config: { 'log.retention.hours': '1' } });
  await fixture.createTopic('a', 1, { 'segment.bytes': '2000000' });
  const topic = await describe(fixture, TOPIC, 'a');
  expect(topic.configs.map(({ name }) => name)).toEqual(TOPIC_CONFIGS.definitions.map(({ name }) => name));
  const byName = new Map(topic.configs.map((config) => [config.name, config]));
  expect(byName.get('segment.bytes')).toMatchObject({ value: '2000000', configSource: 1, configType: 3 });
  expect(byName.get('retention.ms')).toMatchObject({
    value: '3600000',
    configSource: 4,
    configType: 5,
    readOnly: false,
  });
  expect(byName.get('retention.ms')?.synonyms.map(({ name, value, source }) => [name, value, source])).toEqual([
    ['log.retention.hours', '1', 4],
    ['log.retention.hours', '168', 5],
  ]);
  expect(topic.configs.every(({ documentation }) => documentation)).toBe(true);
  const broker = await describe(fixture, BROKER, '1');
  expect(broker.configs).toHaveLength(BROKER_CONFIGS.definitions.length);
  const shown = new Map(broker.configs.map((config) => [config.name, config]));
  expect(shown.get('num.partitions')).toMatchObject({ value: '1', configSource: 5, readOnly: true });
  expect(shown.get('message.max.bytes')).toMatchObject({ readOnly: false });
});

test('the keys asked for are told alone, in the oldest version too', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a');
  const { results } = await fixture.request(describeConfigs, 1, {
    resources: [{ resourceType: TOPIC, resourceName: 'a', configurationKeys: ['retention.ms', 'no.such.key'] }],
  });
  expect(results[0]?.configs.map(({ name, value, synonyms }) => [name, value, synonyms])).toEqual([
    ['retention.ms', '604800000', []],
  ]);
});

test('resources that are not there are refused', async () => {
  const fixture = await BrokerFixture.start();
  const code = async (type: number, name: string) => (await describe(fixture, type, name)).errorCode;
  expect(await code(TOPIC, 'none')).toBe(ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION);
  expect(await code(TOPIC, 'no/slash')).toBe(ERROR_CODES.INVALID_TOPIC_EXCEPTION);
  expect(await code(BROKER, '2')).toBe(ERROR_CODES.INVALID_REQUEST);
  expect(await code(BROKER, 'x')).toBe(ERROR_CODES.INVALID_REQUEST);
  expect(await code(8, '1')).toBe(ERROR_CODES.INVALID_REQUEST);
  expect(await alter(fixture, [], { name: 'none' })).toBe(ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION);
});

test('set and delete change a topic’s open logs and last over a restart', async () => {
  const { fixture, given } = await watched();
  expect(
    await alter(fixture, [
      ['retention.ms', SET, '1000'],
      ['max.message.bytes', SET, '150'],
    ]),
  ).toBe(0);
  expect([...given.values()]).toEqual(
    Array(2).fill(expect.objectContaining({ retentionMs: 1000, maxMessageBytes: 150 })),
  );
  expect((await fixture.produce('a', fixture.batch('x'.repeat(200)))).errorCode).toBe(ERROR_CODES.MESSAGE_TOO_LARGE);
  const again = await fixture.restart();
  expect(await configOf(again, TOPIC, 'a', 'retention.ms')).toEqual(['1000', 1]);
  expect((await again.produce('a', again.batch('x'.repeat(200)))).errorCode).toBe(ERROR_CODES.MESSAGE_TOO_LARGE);
  expect(await alter(again, [['max.message.bytes', DELETE, null]])).toBe(0);
  expect((await again.produce('a', again.batch('x'.repeat(200)))).errorCode).toBe(0);
});

test('dynamic values of the broker reach every topic that does not set its own, and last', async () => {
  const { fixture, given } = await watched();
  await fixture.createTopic('own', 1, { 'retention.ms': '5' });
  expect(await alter(fixture, [['log.retention.ms', SET, '77']], { type: BROKER, name: '' })).toBe(0);
  expect([...given].map(([handle, { retentionMs }]) => [handle, retentionMs])).toEqual([
    [0, 77],
    [1, 77],
  ]);
  expect(await configOf(fixture, TOPIC, 'a', 'retention.ms')).toEqual(['77', 3]);
  expect(await alter(fixture, [['log.retention.ms', SET, '88']], { type: BROKER, name: '1' })).toBe(0);
  expect(await configOf(fixture, TOPIC, 'a', 'retention.ms')).toEqual(['88', 2]);
  const common = await describe(fixture, BROKER, '');
  expect(common.configs.map(({ name, value, configSource }) => [name, value, configSource])).toEqual([
    ['log.retention.ms', '77', 3],
  ]);
  const again = await fixture.restart();
  expect(await configOf(again, TOPIC, 'a', 'retention.ms')).toEqual(['88', 2]);
  expect(await alter(again, [['log.retention.ms', DELETE, null]], { type: BROKER, name: '1' })).toBe(0);
  expect(await configOf(again, TOPIC, 'a', 'retention.ms')).toEqual(['77', 3]);
});

test('millrace.acks.all.flush changes while the broker runs', async () => {
  const { fixture } = await watched();
  expect(await alter(fixture, [['millrace.acks.all.flush', SET, 'false']], { type: BROKER, name: '1' })).toBe(0);
  fixture.store.holdFlushes();
  expect((await fixture.produce('a', fixture.batch('x'), { acks: -1 })).errorCode).toBe(0);
});

test('lists are appended to and subtracted from; what comes out is checked like a value that is set', async () => {
  const { fixture } = await watched();
  expect(await alter(fixture, [['cleanup.policy', APPEND, 'delete']])).toBe(0);
  expect(await configOf(fixture, TOPIC, 'a', 'cleanup.policy')).toEqual(['delete', 1]);
  expect(await alter(fixture, [['cleanup.policy', APPEND, 'burn']])).toBe(ERROR_CODES.INVALID_CONFIG);
  expect(await alter(fixture, [['cleanup.policy', APPEND, 'compact']])).toBe(0);
  expect(await configOf(fixture, TOPIC, 'a', 'cleanup.policy')).toEqual(['delete,compact', 1]);
  expect(await alter(fixture, [['cleanup.policy', SUBTRACT, 'compact']])).toBe(0);
  expect(await alter(fixture, [['retention.ms', APPEND, '1']])).toBe(ERROR_CODES.INVALID_CONFIG);
  expect(await configOf(fixture, TOPIC, 'a', 'cleanup.policy')).toEqual(['delete', 1]);
});

test('what cannot be is refused, and then nothing of its resource changes', async () => {
  const { fixture, given } = await watched();
  const good: Change = ['retention.ms', SET, '1'];
  const invalid = ERROR_CODES.INVALID_CONFIG;
  expect(await alter(fixture, [good, ['no.such.key', SET, '1']])).toBe(invalid);
  expect(await alter(fixture, [good, ['no.such.key', DELETE, null]])).toBe(invalid);
  expect(await alter(fixture, [good, ['segment.bytes', SET, 'x']])).toBe(invalid);
  expect(await alter(fixture, [good, ['preallocate', SET, 'true']])).toBe(invalid);
  expect(await alter(fixture, [good, ['segment.bytes', SET, null]])).toBe(ERROR_CODES.INVALID_REQUEST);
  expect(await alter(fixture, [good, ['segment.bytes', 9, '1']])).toBe(ERROR_CODES.INVALID_REQUEST);
  expect(await alter(fixture, [good, good])).toBe(ERROR_CODES.INVALID_REQUEST);
  expect(await alter(fixture, [['num.partitions', SET, '3']], { type: BROKER, name: '1' })).toBe(invalid);
  expect(await configOf(fixture, TOPIC, 'a', 'retention.ms')).toEqual(['604800000', 5]);
  expect(given.size).toBe(0);
});

test('validateOnly changes nothing, and a resource given twice is refused', async () => {
  const { fixture } = await watched();
  expect(await alter(fixture, [['retention.ms', SET, '1']], { validateOnly: true })).toBe(0);
  expect(await configOf(fixture, TOPIC, 'a', 'retention.ms')).toEqual(['604800000', 5]);
  const resource = {
    resourceType: TOPIC,
    resourceName: 'a',
    configs: [{ name: 'retention.ms', configOperation: SET, value: '1' }],
  };
  const { responses } = await fixture.request(incrementalAlterConfigs, 0, {
    resources: [resource, resource],
    validateOnly: false,
  });
  expect(responses.map(({ errorCode }) => errorCode)).toEqual([ERROR_CODES.INVALID_REQUEST]);
});

test('changes of one topic at the same time are all made', async () => {
  const { fixture } = await watched();
  const keys = ['retention.ms', 'segment.bytes', 'flush.messages', 'retention.bytes'];
  const codes = await Promise.all(keys.map((key) => alter(fixture, [[key, SET, '4000000']])));
  expect(codes).toEqual([0, 0, 0, 0]);
  for (const key of keys) expect(await configOf(fixture, TOPIC, 'a', key)).toEqual(['4000000', 1]);
});

test('records may not have to stay uncompacted for longer than they may, wherever the two are given', async () => {
  const invalid = ERROR_CODES.INVALID_CONFIG;
  const [least, most] = ['min.compaction.lag.ms', 'max.compaction.lag.ms'];
  const fixture = await BrokerFixture.start();
  const created = (configs: Readonly<Record<string, string>>, name = 'b') => fixture.createTopic(name, 1, configs);
  await expect(created({ [least]: '11', [most]: '10' })).rejects.toThrow(
    /is 10 and must not be less than \S+, which is 11/,
  );
  await created({ [least]: '10', [most]: '10' }, 'a');
  expect(await alter(fixture, [[least, SET, '11']])).toBe(invalid);
  expect(await alter(fixture, [[most, SET, '9']], { validateOnly: true })).toBe(invalid);
  expect(await alter(fixture, [[least, SET, '9007199254740991']])).toBe(invalid);
  const both: readonly Change[] = [
    [least, SET, '9007199254740990'],
    [most, SET, '9007199254740991'],
  ];
  expect(await alter(fixture, both)).toBe(0);
  expect(await alter(fixture, [[most, DELETE, null]])).toBe(0);

  // The broker's value holds for topics that set none, and its own two are held together in either layer.
  const [brokerLeast, brokerMost] = ['log.cleaner.min.compaction.lag.ms', 'log.cleaner.max.compaction.lag.ms'];
  expect(await alter(fixture, [[brokerMost, SET, '50']], { type: BROKER, name: '' })).toBe(0);
  await expect(created({ [least]: '51' })).rejects.toThrow(/is 50 .* is 51/);
  for (const name of ['', '1']) {
    expect(await alter(fixture, [[brokerLeast, SET, '51']], { type: BROKER, name })).toBe(invalid);
    expect(await alter(fixture, [[brokerLeast, SET, '50']], { type: BROKER, name })).toBe(0);
    expect(await alter(fixture, [[brokerMost, SET, '49']], { type: BROKER, name })).toBe(invalid);
  }
  expect(() => parseBrokerConfig({ [brokerLeast]: '3', [brokerMost]: '2' })).toThrow(/is 2 .* is 3/);
});
