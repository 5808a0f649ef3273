// AlterConfigs: all of a resource's values at once, as clients before KIP-339 change them.

import { expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { describeConfigs } from '../../src/protocol/messages/32-describe-configs.ts';
import { alterConfigs } from '../../src/protocol/messages/33-alter-configs.ts';
import { BrokerFixture } from './fixture.ts';

const TOPIC = 2;
const BROKER = 4;
const DYNAMIC_TOPIC = 1;
const DYNAMIC_BROKER = 2;
const DYNAMIC_DEFAULT_BROKER = 3;

type Values = readonly (readonly [name: string, value: string | null])[];

interface Resource {
  readonly type?: number;
  readonly name?: string;
  readonly values: Values;
}

async function alter(fixture: BrokerFixture, resources: readonly Resource[], validateOnly = false): Promise<number[]> {
  const { responses } = await fixture.request(alterConfigs, 2, {
    resources: resources.map(({ type = TOPIC, name = 'a', values }) => ({
      resourceType: type,
      resourceName: name,
      configs: values.map(([key, value]) => ({ name: key, value })),
    })),
    validateOnly,
  });
  for (const { errorCode, errorMessage } of responses) expect(errorMessage === null).toBe(errorCode === 0);
  return responses.map(({ errorCode }) => errorCode);
}

/** The values of the resource that have this source. */
async function overrides(fixture: BrokerFixture, name = 'a', type = TOPIC, source = DYNAMIC_TOPIC) {
  const { results } = await fixture.request(describeConfigs, 4, {
    resources: [{ resourceType: type, resourceName: name, configurationKeys: null }],
  });
  const set = (results[0]?.configs ?? []).filter(({ configSource }) => configSource === source);
  return Object.fromEntries(set.map((config) => [config.name, config.value]));
}

test('what a topic had and the request does not name is deleted', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a', 1, { 'retention.ms': '1000', 'segment.bytes': '2000000' });
  expect(await alter(fixture, [{ values: [['max.message.bytes', '150']] }])).toEqual([0]);
  expect(await overrides(fixture)).toEqual({ 'max.message.bytes': '150' });
  expect((await fixture.produce('a', fixture.batch('x'.repeat(200)))).errorCode).toBe(ERROR_CODES.MESSAGE_TOO_LARGE);
  const again = await fixture.restart();
  expect(await overrides(again)).toEqual({ 'max.message.bytes': '150' });
  expect(await alter(again, [{ values: [] }])).toEqual([0]);
  expect(await overrides(again)).toEqual({});
  expect((await again.produce('a', again.batch('x'.repeat(200)))).errorCode).toBe(0);
});

test('validate only changes nothing, and tells what would be refused', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a', 1, { 'retention.ms': '1000' });
  expect(await alter(fixture, [{ values: [['retention.ms', '5']] }], true)).toEqual([0]);
  expect(await alter(fixture, [{ values: [['retention.ms', 'soon']] }], true)).toEqual([ERROR_CODES.INVALID_CONFIG]);
  expect(await overrides(fixture)).toEqual({ 'retention.ms': '1000' });
});

test('one value that is refused leaves all of the resource as it was, and the other resources alone', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a', 1, { 'retention.ms': '1000' });
  await fixture.createTopic('b', 1);
  const refusals: readonly [Values, number][] = [
    [[['no.such.key', '1']], ERROR_CODES.INVALID_CONFIG],
    [[['cleanup.policy', 'shred']], ERROR_CODES.INVALID_CONFIG],
    [[['segment.bytes', null]], ERROR_CODES.INVALID_REQUEST],
    [
      [
        ['retention.bytes', '1'],
        ['retention.bytes', '2'],
      ],
      ERROR_CODES.INVALID_REQUEST,
    ],
  ];
  for (const [values, code] of refusals) {
    const good: Values = [['retention.ms', '7']];
    expect(await alter(fixture, [{ values: [...good, ...values] }, { name: 'b', values: good }])).toEqual([code, 0]);
  }
  expect(await overrides(fixture)).toEqual({ 'retention.ms': '1000' });
  expect(await overrides(fixture, 'b')).toEqual({ 'retention.ms': '7' });
});

test('resources that are not there, or given twice, are refused', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a', 1);
  expect(
    await alter(fixture, [
      { name: 'none', values: [] },
      { name: 'no/slash', values: [] },
      { type: BROKER, name: '2', values: [] },
      { type: 8, name: '1', values: [] },
    ]),
  ).toEqual([
    ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION,
    ERROR_CODES.INVALID_TOPIC_EXCEPTION,
    ERROR_CODES.INVALID_REQUEST,
    ERROR_CODES.INVALID_REQUEST,
  ]);
  const twice = { values: [['retention.ms', '1']] } as const;
  expect(await alter(fixture, [twice, twice])).toEqual([ERROR_CODES.INVALID_REQUEST]);
  expect(await overrides(fixture)).toEqual({});
});

test('the broker and all brokers have sets of their own; what needs a restart is refused', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a', 1);
  const own = { type: BROKER, name: '1' };
  const everyone = { type: BROKER, name: '' };
  expect(
    await alter(fixture, [
      { ...own, values: [['message.max.bytes', '150']] },
      { ...everyone, values: [['log.retention.ms', '1000']] },
    ]),
  ).toEqual([0, 0]);
  expect(await overrides(fixture, '1', BROKER, DYNAMIC_BROKER)).toEqual({ 'message.max.bytes': '150' });
  expect(await overrides(fixture, '1', BROKER, DYNAMIC_DEFAULT_BROKER)).toEqual({ 'log.retention.ms': '1000' });
  expect((await fixture.produce('a', fixture.batch('x'.repeat(200)))).errorCode).toBe(ERROR_CODES.MESSAGE_TOO_LARGE);
  expect(await alter(fixture, [{ ...own, values: [['num.partitions', '3']] }])).toEqual([ERROR_CODES.INVALID_CONFIG]);
  expect(await alter(fixture, [{ ...own, values: [] }])).toEqual([0]);
  expect(await overrides(fixture, '1', BROKER, DYNAMIC_BROKER)).toEqual({});
  expect(await overrides(fixture, '1', BROKER, DYNAMIC_DEFAULT_BROKER)).toEqual({ 'log.retention.ms': '1000' });
});
