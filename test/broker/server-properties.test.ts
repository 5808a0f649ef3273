// Kafka's own server.properties: what takes effect, what is said to have none, and what is refused.

import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type ParsedBrokerConfig, parseStartConfig } from '../../src/broker/config/broker-config.ts';
import { BROKER_CONFIGS } from '../../src/broker/config/broker-configs.ts';
import { foreignKey } from '../../src/broker/config/foreign-broker-configs.ts';
import { dataDirectoryOf } from '../../src/broker/config/node-configs.ts';
import { QUICKSTART_PROPERTIES } from '../support/server-properties.ts';

/** Names of all keys that the broker of Kafka 4.3.1 defines (AbstractKafkaConfig.CONFIG_DEF). */
const KAFKA_KEYS = readFileSync(new URL('./kafka-broker-keys.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');

function parse(entries: Record<string, string>): ParsedBrokerConfig {
  return parseStartConfig({ ...QUICKSTART_PROPERTIES, ...entries });
}

describe('a configuration of Kafka’s', () => {
  it('is that of the quickstart, and takes effect where it means something here', () => {
    const { config } = parse({ 'num.partitions': '3', 'log.retention.hours': '1' });
    expect(config.settings).toMatchObject({
      nodeId: 1,
      numPartitions: 3,
      listeners: [{ name: 'PLAINTEXT', host: '', port: 9092 }],
      advertisedListeners: [{ name: 'PLAINTEXT', host: 'localhost', port: 9092 }],
    });
    expect(config.resolveTopic('retention.ms', {}).value).toBe('3600000');
    expect(dataDirectoryOf(QUICKSTART_PROPERTIES)).toBe('/tmp/kraft-combined-logs');
  });

  it('says of each key without effect why it has none, once', () => {
    const { config, withoutEffect } = parse({ 'log.cleaner.threads': '4', 'replica.fetch.max.bytes': '7' });
    expect(Object.fromEntries(withoutEffect.flatMap(({ keys, reason }) => keys.map((key) => [key, reason])))).toEqual({
      'controller.quorum.bootstrap.servers': expect.stringContaining('its own controller'),
      'controller.listener.names': expect.stringContaining('its own controller'),
      'inter.broker.listener.name': expect.stringContaining('replicate'),
      'replica.fetch.max.bytes': expect.stringContaining('replicate'),
      'num.network.threads': expect.stringContaining('--workers'),
      'num.io.threads': expect.stringContaining('--workers'),
      'num.recovery.threads.per.data.dir': expect.stringContaining('--workers'),
      'socket.send.buffer.bytes': expect.stringContaining('no such setting'),
      'socket.receive.buffer.bytes': expect.stringContaining('no such setting'),
      'share.coordinator.state.topic.replication.factor': expect.stringContaining('share groups'),
      'share.coordinator.state.topic.min.isr': expect.stringContaining('share groups'),
      'log.cleaner.threads': expect.stringContaining('each slot'),
    });
    expect(new Set(withoutEffect.map(({ reason }) => reason)).size).toBe(withoutEffect.length);
    expect(config.resolve('log.cleaner.threads')).toMatchObject({ value: '1', source: 'default' });
  });

  it('has no key that this broker knows nothing of', () => {
    expect(KAFKA_KEYS.length).toBeGreaterThan(300);
    const unknown = KAFKA_KEYS.filter((key) => BROKER_CONFIGS.find(key) === undefined && foreignKey(key) === undefined);
    expect(unknown).toEqual([]);
    expect(() => parse({ 'no.such.key': '1' })).toThrow(/Unknown configuration 'no\.such\.key'/);
  });

  it('has wrong values found in keys without effect too', () => {
    expect(() => parse({ 'num.io.threads': 'many' })).toThrow(/num\.io\.threads: it takes a whole number/);
  });

  it('tells nothing of itself where it gives nothing', () => {
    expect(parseStartConfig({}).withoutEffect).toEqual([]);
  });

  it.each([
    ['process.roles', 'broker', /set process\.roles=broker,controller/],
    ['process.roles', 'controller', /set process\.roles=broker,controller/],
    ['controller.quorum.voters', '1@a:9093,2@b:9093', /several nodes.*name this node alone/],
    ['controller.quorum.voters', '2@a:9093', /name this node, as 1@HOST:PORT/],
    ['controller.quorum.bootstrap.servers', 'a:9093,b:9093', /several nodes.*name this node alone/],
    ['controller.listener.names', 'CONTROLLER,PLAINTEXT', /leaves none for clients/],
    ['log.dirs', '/a,/b', /log\.dirs names 2 directories/],
    ['log.dirs', '', /log\.dirs names 0 directories/],
    ['ssl.keystore.location', '/key', /'ssl\.keystore\.location' is refused: PLAINTEXT alone.*proxy/],
    ['sasl.enabled.mechanisms', 'PLAIN', /refused: PLAINTEXT alone/],
    ['listener.name.external.ssl.key.password', 'x', /refused: PLAINTEXT alone/],
    ['security.inter.broker.protocol', 'SSL', /PLAINTEXT alone/],
    ['authorizer.class.name', 'org.example.Acls', /refused: this broker has no ACLs/],
    ['zookeeper.connect', 'localhost:2181', /refused: .*no ZooKeeper/],
    ['create.topic.policy.class.name', 'org.example.Policy', /no Java classes/],
    ['offsets.topic.replication.factor', '3', /replicate yet; leave it at '1'/],
    ['default.replication.factor', '2', /replicate yet; leave it at '1'/],
    ['remote.log.storage.system.enable', 'true', /leave it at 'false'/],
    ['max.connections.per.ip', '10', /max\.connections; leave it at/],
  ])('is refused with what to do: %s=%s', (name, value, message) => {
    expect(() => parse({ [name]: value })).toThrow(message);
  });

  it('is refused for all its keys of TLS together', () => {
    const keys = { 'ssl.keystore.location': '/a', 'ssl.keystore.password': 'secret', 'sasl.jaas.config': 'secret' };
    expect(() => parse(keys)).toThrow(/'ssl\.keystore\.location', 'ssl\.keystore\.password', 'sasl\.jaas\.config'/);
    expect(() => parse(keys)).not.toThrow(/secret/);
  });

  it('may name its node as the one voter, by either key', () => {
    expect(() => parse({ 'controller.quorum.voters': '1@localhost:9093' })).not.toThrow();
    expect(() => parse({ 'node.id': '7', 'controller.quorum.voters': '7@localhost:9093' })).not.toThrow();
    expect(() => parse({ 'node.id': '7', 'controller.quorum.voters': '1@localhost:9093' })).toThrow(/7@HOST/);
  });

  it('may give the directory by its older name, which log.dirs goes over', () => {
    expect(dataDirectoryOf({ 'log.dir': '/a' })).toBe('/a');
    expect(dataDirectoryOf({ 'log.dir': '/a', 'log.dirs': ' /b ' })).toBe('/b');
    expect(dataDirectoryOf({})).toBeUndefined();
  });
});
