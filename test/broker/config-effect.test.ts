// No key is parsed and ignored: every one that is honoured changes what the broker or its logs are told.

import { expect, test } from 'vitest';
import { type BrokerConfig, parseBrokerConfig, topicSettings } from '../../src/broker/config/broker-config.ts';
import { BROKER_CONFIGS } from '../../src/broker/config/broker-configs.ts';
import { type ConfigDefinition, objection } from '../../src/broker/config/definition.ts';
import { GROUP_CONFIGS } from '../../src/broker/config/group-resource-configs.ts';
import { TOPIC_CONFIGS } from '../../src/broker/config/topic-configs.ts';

/** Read before there is a broker, or checked against what it is. */
const AT_THE_START = new Set([
  'process.roles',
  'controller.quorum.voters',
  'controller.quorum.bootstrap.servers',
  'controller.listener.names',
  'log.dirs',
  'log.dir',
  // Caps: a broker alone has a replica of everything, whatever they say.
  'transaction.state.log.replication.factor',
  'transaction.state.log.min.isr',
]);

/** Bounds of other values, and one that stands against the default of what it bounds. */
const BOUNDS: Readonly<Record<string, string>> = {
  'group.consumer.min.session.timeout.ms': '45001',
  'group.consumer.max.session.timeout.ms': '44999',
  'group.consumer.min.heartbeat.interval.ms': '5001',
  'group.consumer.max.heartbeat.interval.ms': '4999',
};

/** Values that cannot be guessed. */
const VALUES: Readonly<Record<string, string>> = {
  'broker.id': '7',
  'log.cleaner.io.max.bytes.per.second': '1000000',
  listeners: 'PLAINTEXT://:19092',
  'advertised.listeners': 'PLAINTEXT://broker.example:9092',
  'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,OTHER:PLAINTEXT',
  'group.consumer.assignors': 'range',
  'group.coordinator.rebalance.protocols': 'classic',
};
/** Keys without which a key is not looked at. */
const BESIDE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'compression.gzip.level': { 'compression.type': 'gzip' },
  'compression.lz4.level': { 'compression.type': 'lz4' },
  'compression.zstd.level': { 'compression.type': 'zstd' },
};

function everything(config: BrokerConfig, overrides: Readonly<Record<string, string>> = {}): string {
  const group = GROUP_CONFIGS.definitions.map(({ name }) => config.resolveGroup(name, {}).value);
  return JSON.stringify([config.settings, topicSettings(overrides, config), group]);
}

/** A value that is allowed and is not the default. */
function another(definition: ConfigDefinition): string {
  const { name, type, defaultValue, choices, min, max } = definition;
  const given = VALUES[name];
  if (given !== undefined) return given;
  if (type === 'boolean') return defaultValue === 'true' ? 'false' : 'true';
  const candidates =
    choices ?? [Number(defaultValue ?? min) + 1, Number(defaultValue ?? max) - 1, min, max].map(String);
  const found = candidates.find((each) => each !== defaultValue && objection(definition, each) === undefined);
  if (found === undefined) throw new Error(`no other value of ${name} is known: name one in VALUES`);
  return found;
}

const honoured = ({ fixedBecause }: ConfigDefinition): boolean => fixedBecause === undefined;
const atAnyTime = ({ name }: ConfigDefinition): boolean => !AT_THE_START.has(name) && !Object.hasOwn(BOUNDS, name);

test.each(TOPIC_CONFIGS.definitions.filter(honoured))('$name of a topic takes effect', (definition) => {
  const beside = BESIDE[definition.name] ?? {};
  const config = parseBrokerConfig({});
  const overrides = { ...beside, [definition.name]: another(definition) };
  expect(everything(config, overrides)).not.toBe(everything(config, beside));
});

test.each(BROKER_CONFIGS.definitions.filter((each) => honoured(each) && atAnyTime(each)))(
  '$name of a broker takes effect',
  (definition) => {
    const beside = BESIDE[definition.name] ?? {};
    const config = parseBrokerConfig({ ...beside, [definition.name]: another(definition) });
    expect(everything(config)).not.toBe(everything(parseBrokerConfig(beside)));
  },
);

test.each(Object.entries(BOUNDS))('%s of a broker takes effect: %s is refused', (name, value) => {
  expect(() => parseBrokerConfig({ [name]: value })).toThrow(name);
});
