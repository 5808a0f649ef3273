// The keys that KIP-848 groups are timed by: those of the broker with their bounds, and those of one group.

import { expect, test } from 'vitest';
import { parseBrokerConfig } from '../../src/broker/config/broker-config.ts';
import { readKafkaMetadata } from '../../src/broker/kafka-metadata.ts';
import { LocalMetadataStore } from '../../src/cluster/local-metadata-store.ts';
import { CONFIGURED_GROUPS_MAX } from '../../src/core/limits.ts';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { describeConfigs } from '../../src/protocol/messages/32-describe-configs.ts';
import { alterConfigs } from '../../src/protocol/messages/33-alter-configs.ts';
import { incrementalAlterConfigs } from '../../src/protocol/messages/44-incremental-alter-configs.ts';
import { consumerGroupHeartbeat } from '../../src/protocol/messages/68-consumer-group-heartbeat.ts';
import { listConfigResources } from '../../src/protocol/messages/74-list-config-resources.ts';
import { Writer } from '../../src/protocol/writer.ts';
import { createRecordBatchCodec } from '../../src/wasm/record-batch-codec.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { BrokerFixture, CLUSTER_ID, kernels, NODE_ID } from './fixture.ts';
import { pass, startGroups } from './groups/group-fixture.ts';

const TOPIC = 2;
const BROKER = 4;
const GROUP = 32;
const SET = 0;
const DELETE = 1;
const SESSION = 'consumer.session.timeout.ms';
const HEARTBEAT = 'consumer.heartbeat.interval.ms';

interface Alteration {
  readonly type?: number;
  readonly name?: string;
  readonly operation?: number;
}

async function alter(
  fixture: BrokerFixture,
  values: Readonly<Record<string, string | null>>,
  { type = GROUP, name = 'group', operation = SET }: Alteration = {},
): Promise<readonly [number, string | null]> {
  const configs = Object.entries(values).map(([key, value]) => ({ name: key, configOperation: operation, value }));
  const { responses } = await fixture.request(incrementalAlterConfigs, 1, {
    resources: [{ resourceType: type, resourceName: name, configs }],
    validateOnly: false,
  });
  const [only] = responses;
  if (only === undefined) throw new Error('no response');
  return [only.errorCode, only.errorMessage];
}

async function describe(fixture: BrokerFixture, name = 'group') {
  const { results } = await fixture.request(describeConfigs, 4, {
    resources: [{ resourceType: GROUP, resourceName: name, configurationKeys: null }],
    includeSynonyms: true,
    includeDocumentation: true,
  });
  const [only] = results;
  if (only === undefined) throw new Error('no result');
  return only;
}

async function valuesOf(fixture: BrokerFixture, name = 'group') {
  const { configs } = await describe(fixture, name);
  return configs.map((config) => [config.name, config.value, config.configSource]);
}

async function beat(fixture: BrokerFixture, memberEpoch: number, groupId = 'group') {
  return fixture.request(consumerGroupHeartbeat, 1, {
    groupId,
    memberId: 'member',
    memberEpoch,
    rebalanceTimeoutMs: 30_000,
    subscribedTopicNames: ['orders'],
    topicPartitions: [],
  });
}

async function listed(fixture: BrokerFixture, resourceTypes: readonly number[]) {
  const { errorCode, configResources } = await fixture.request(listConfigResources, 1, { resourceTypes });
  return { errorCode, names: configResources.map(({ resourceType, resourceName }) => [resourceType, resourceName]) };
}

test.each([
  [{ 'group.consumer.session.timeout.ms': '6000' }, ['session.timeout.ms', 'min.session.timeout.ms']],
  [{ 'group.consumer.session.timeout.ms': '60001' }, ['session.timeout.ms', 'max.session.timeout.ms']],
  [{ 'group.consumer.heartbeat.interval.ms': '4999' }, ['heartbeat.interval.ms', 'min.heartbeat.interval.ms']],
  [{ 'group.consumer.heartbeat.interval.ms': '15001' }, ['heartbeat.interval.ms', 'max.heartbeat.interval.ms']],
  [{ 'group.consumer.min.session.timeout.ms': '60001' }, ['max.session.timeout.ms', 'min.session.timeout.ms']],
  [
    { 'group.consumer.max.heartbeat.interval.ms': '50000', 'group.consumer.heartbeat.interval.ms': '45000' },
    ['heartbeat.interval.ms', 'session.timeout.ms'],
  ],
])('a broker with %j does not start, and says which two keys disagree', (entries, keys) => {
  const parse = () => parseBrokerConfig(entries as Readonly<Record<string, string>>);
  for (const key of keys) expect(parse).toThrow(`group.consumer.${key}`);
});

test('classic groups have bounds that must agree too', () => {
  expect(() => parseBrokerConfig({ 'group.max.session.timeout.ms': '5000' })).toThrow('group.min.session.timeout.ms');
});

test('every key of the times may change while the broker runs, as far as all agree', async () => {
  const fixture = await startGroups();
  const broker = { type: BROKER, name: '' };
  const refused = await alter(fixture, { 'group.consumer.heartbeat.interval.ms': '1000' }, broker);
  expect(refused).toEqual([
    ERROR_CODES.INVALID_CONFIG,
    'group.consumer.heartbeat.interval.ms is 1000 and must not be less than ' +
      'group.consumer.min.heartbeat.interval.ms, which is 5000',
  ]);
  expect((await beat(fixture, 0)).heartbeatIntervalMs).toBe(5000);
  const changed = { 'group.consumer.min.heartbeat.interval.ms': '500', 'group.consumer.heartbeat.interval.ms': '1000' };
  expect(await alter(fixture, changed, broker)).toEqual([0, null]);
  expect((await beat(fixture, 1)).heartbeatIntervalMs).toBe(1000);
  // What holds for every broker and what this one has for itself count together.
  const own = await alter(fixture, { 'group.consumer.min.heartbeat.interval.ms': '2000' }, { type: BROKER, name: '1' });
  expect(own[0]).toBe(ERROR_CODES.INVALID_CONFIG);
  expect((await beat(fixture, 1)).heartbeatIntervalMs).toBe(1000);
});

test('a start whose keys do not go with what was changed before is refused', async () => {
  const fixture = await startGroups();
  await alter(fixture, { 'group.consumer.session.timeout.ms': '50000' }, { type: BROKER, name: '' });
  const { checkpoints, store } = fixture;
  await fixture.broker.close();
  const config = { 'group.consumer.max.session.timeout.ms': '49000' };
  await expect(BrokerFixture.start({ store, checkpoints, config })).rejects.toThrow(
    'group.consumer.max.session.timeout.ms is 49000 and must not be less than group.consumer.session.timeout.ms, ' +
      'which is 50000',
  );
});

test('a group that nobody configured is told the values of the broker', async () => {
  const fixture = await startGroups({ 'group.consumer.session.timeout.ms': '50000' });
  const { configs } = await describe(fixture, 'nobody');
  expect(configs.map(({ name, value, configSource, readOnly }) => [name, value, configSource, readOnly])).toEqual([
    [HEARTBEAT, '5000', 5, false],
    [SESSION, '50000', 4, false],
  ]);
  expect(configs[1]?.synonyms.map(({ name, value }) => [name, value])).toEqual([
    ['group.consumer.session.timeout.ms', '50000'],
    ['group.consumer.session.timeout.ms', '45000'],
  ]);
  expect(configs.every(({ documentation }) => documentation)).toBe(true);
});

test('a group’s own heartbeat interval is in its next answer, and lasts over a restart', async () => {
  const fixture = await startGroups();
  const { memberEpoch } = await beat(fixture, 0);
  expect(await alter(fixture, { [HEARTBEAT]: '7000' })).toEqual([0, null]);
  expect((await beat(fixture, memberEpoch)).heartbeatIntervalMs).toBe(7000);
  expect((await beat(fixture, 0, 'other')).heartbeatIntervalMs).toBe(5000);
  const again = await fixture.restart();
  expect(await valuesOf(again)).toEqual([
    [HEARTBEAT, '7000', 8],
    [SESSION, '45000', 5],
  ]);
  expect((await beat(again, memberEpoch)).heartbeatIntervalMs).toBe(7000);
  expect(await alter(again, { [HEARTBEAT]: null }, { operation: DELETE })).toEqual([0, null]);
  expect((await beat(again, memberEpoch)).heartbeatIntervalMs).toBe(5000);
});

test('a group’s own session timeout holds from the next heartbeat on', async () => {
  const fixture = await startGroups();
  const { memberEpoch } = await beat(fixture, 0);
  await alter(fixture, { [SESSION]: '60000' });
  await beat(fixture, memberEpoch);
  await pass(fixture, 59_000);
  expect((await beat(fixture, memberEpoch)).errorCode).toBe(0);
  await pass(fixture, 60_001);
  expect((await beat(fixture, memberEpoch)).errorCode).toBe(ERROR_CODES.UNKNOWN_MEMBER_ID);
});

test('values of a group that lie outside the bounds are refused, naming both keys', async () => {
  const fixture = await startGroups();
  for (const [key, value, bound] of [
    [SESSION, '44999', 'group.consumer.min.session.timeout.ms'],
    [SESSION, '60001', 'group.consumer.max.session.timeout.ms'],
    [HEARTBEAT, '4999', 'group.consumer.min.heartbeat.interval.ms'],
    [HEARTBEAT, '15001', 'group.consumer.max.heartbeat.interval.ms'],
  ] as const) {
    const [code, message] = await alter(fixture, { [key]: value });
    expect(code).toBe(ERROR_CODES.INVALID_CONFIG);
    expect(message).toContain(key);
    expect(message).toContain(bound);
  }
  expect((await alter(fixture, { 'retention.ms': '1' }))[0]).toBe(ERROR_CODES.INVALID_CONFIG);
  expect((await alter(fixture, { [SESSION]: '50000' }, { name: '' }))[0]).toBe(ERROR_CODES.INVALID_REQUEST);
  expect((await describe(fixture, '')).errorCode).toBe(ERROR_CODES.INVALID_REQUEST);
  expect((await listed(fixture, [GROUP])).names).toEqual([]);
});

test('bounds that are narrowed afterwards hold over what a group has', async () => {
  const fixture = await startGroups();
  const { memberEpoch } = await beat(fixture, 0);
  await alter(fixture, { [HEARTBEAT]: '15000' });
  const narrower = { 'group.consumer.max.heartbeat.interval.ms': '9000' };
  expect(await alter(fixture, narrower, { type: BROKER, name: '' })).toEqual([0, null]);
  expect((await beat(fixture, memberEpoch)).heartbeatIntervalMs).toBe(9000);
});

test('AlterConfigs takes from a group what it does not name', async () => {
  const fixture = await startGroups();
  await alter(fixture, { [HEARTBEAT]: '7000', [SESSION]: '50000' });
  const { responses } = await fixture.request(alterConfigs, 2, {
    resources: [{ resourceType: GROUP, resourceName: 'group', configs: [{ name: SESSION, value: '51000' }] }],
    validateOnly: false,
  });
  expect(responses[0]?.errorCode).toBe(0);
  expect(await valuesOf(fixture)).toEqual([
    [HEARTBEAT, '5000', 5],
    [SESSION, '51000', 8],
  ]);
});

test('resources with configurations are listed by type', async () => {
  const fixture = await startGroups();
  await alter(fixture, { [HEARTBEAT]: '7000' });
  expect(await listed(fixture, [GROUP])).toEqual({ errorCode: 0, names: [[GROUP, 'group']] });
  expect(await listed(fixture, [])).toEqual({
    errorCode: 0,
    names: [
      [TOPIC, 'orders'],
      [BROKER, '1'],
      [GROUP, 'group'],
    ],
  });
  expect((await listed(fixture, [16])).names).toEqual([]);
  expect((await listed(fixture, [1])).errorCode).toBe(ERROR_CODES.UNSUPPORTED_VERSION);
  const { errorCode, configResources } = await fixture.request(listConfigResources, 0, {});
  expect([errorCode, configResources]).toEqual([0, []]);
  await alter(fixture, { [HEARTBEAT]: null }, { operation: DELETE });
  expect((await listed(fixture, [GROUP])).names).toEqual([]);
});

test('no more groups are configured than metadata can bear, and those that are can still change', async () => {
  const fixture = await startGroups();
  const configs = { [HEARTBEAT]: '6000' };
  const changes = Array.from({ length: CONFIGURED_GROUPS_MAX }, (_, index) => {
    return { kind: 'configure-group', groupId: `group-${index}`, revision: 0, configs } as const;
  });
  await fixture.metadata.commit(changes);
  expect((await alter(fixture, configs))[0]).toBe(ERROR_CODES.POLICY_VIOLATION);
  expect(await alter(fixture, { [HEARTBEAT]: '6001' }, { name: 'group-7' })).toEqual([0, null]);
});

test('of two changes of a group that read the same values one is a conflict', async () => {
  const fixture = await startGroups();
  const { metadata, store } = fixture;
  const change = (value: string) =>
    metadata.commit([{ kind: 'configure-group', groupId: 'group', revision: 0, configs: { [HEARTBEAT]: value } }]);
  const outcomes = await Promise.all([change('6000'), change('7000')]);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual(['committed', 'conflict']);
  const reread = LocalMetadataStore.open({ store, clusterId: CLUSTER_ID, nodeId: NODE_ID, logger: silentLogger });
  expect(reread.groupConfigs('group').configs).toEqual({ [HEARTBEAT]: '6000' });
});

const codec = createRecordBatchCodec(kernels);

test('configurations of groups that Kafka kept are taken over, those that this broker has', () => {
  const values = [
    configRecord('group', SESSION, '50000'),
    configRecord('group', 'share.session.timeout.ms', '50000'),
    configRecord('gone', HEARTBEAT, '6000'),
    configRecord('gone', HEARTBEAT, null),
  ];
  const { groupConfigs, objections } = readKafkaMetadata(
    codec.decode(codec.encode(values.map((value) => ({ key: null, value, timestamp: 0 })))),
  );
  expect([...groupConfigs]).toEqual([['group', { [SESSION]: '50000' }]]);
  expect(objections).toEqual(['group group: there is no share.session.timeout.ms']);
});

/** A ConfigRecord of Kafka's metadata log, version 0, of a group. */
function configRecord(groupId: string, name: string, value: string | null): Uint8Array {
  const writer = new Writer();
  for (const head of [1, 4, 0]) writer.uvarint(head);
  writer.int8(GROUP);
  writer.text(groupId, true);
  writer.text(name, true);
  if (value === null) writer.uvarint(0);
  else writer.text(value, true);
  writer.uvarint(0);
  return writer.finishFlat();
}
