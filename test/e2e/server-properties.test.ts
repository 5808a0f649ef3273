// A broker that is started with the server.properties of Kafka's quickstart, and a Kafka client that knows no other.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, expect, test } from 'vitest';
import { BrokerProcess, temporaryDirectory } from '../support/broker-process.ts';
import { freePort } from '../support/free-port.ts';
import { runCommand } from '../support/run-command.ts';
import { QUICKSTART_PROPERTIES } from '../support/server-properties.ts';

const directory = temporaryDirectory('server-properties');
const file = join(directory.path, 'server.properties');
let broker: BrokerProcess | undefined;

afterAll(async () => {
  await broker?.stop('SIGTERM');
  directory.remove();
});

function write(properties: Readonly<Record<string, string>>): void {
  const lines = Object.entries({ ...QUICKSTART_PROPERTIES, ...properties }).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(file, `# Licensed to nobody\n${lines.join('')}`);
}

test('Kafka’s server.properties starts a broker, in the directory and on the listener that it names', async () => {
  const port = await freePort();
  const data = join(directory.path, 'combined');
  write({
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:9093`,
    'advertised.listeners': `PLAINTEXT://localhost:${port},CONTROLLER://localhost:9093`,
    'log.dirs': data,
    'num.partitions': '3',
  });
  broker = await BrokerProcess.start({ arguments: ['--config', file] });
  expect(broker.ready).toMatchObject({ kafka: `127.0.0.1:${port}`, dataDirectory: data });
  expect(existsSync(join(data, 'meta.properties'))).toBe(true);
  const warned = broker.output.split('\n').filter((line) => line.includes('no effect'));
  for (const key of ['num.io.threads', 'controller.listener.names', 'share.coordinator.state.topic.min.isr']) {
    expect(
      warned.filter((line) => line.includes(key)),
      key,
    ).toHaveLength(1);
  }
  const kafka = new Kafka({ brokers: [`localhost:${port}`], connectionTimeout: 30_000, logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'placed', numPartitions: -1 }] });
  const { topics } = await admin.fetchTopicMetadata({ topics: ['placed'] });
  expect(topics[0]?.partitions).toHaveLength(3);
  expect(await admin.describeCluster()).toMatchObject({ brokers: [{ nodeId: 1, host: 'localhost', port }] });
  await admin.disconnect();
});

test('several directories, and TLS, are told before anything is made', async () => {
  const [first, second] = [join(directory.path, 'a'), join(directory.path, 'b')];
  for (const [properties, message] of [
    [{ 'log.dirs': `${first},${second}` }, /log\.dirs names 2 directories, and this broker has one.*ERR_CONFIG/],
    [{ 'log.dirs': first, 'ssl.keystore.location': '/key' }, /'ssl\.keystore\.location' is refused.*ERR_CONFIG/],
  ] as const) {
    write(properties);
    const { code, stdout, stderr } = await runCommand(['start', '--config', file, '--http', '127.0.0.1:0']);
    expect(code).toBe(2);
    expect(stdout + stderr).toMatch(message);
    expect(existsSync(first)).toBe(false);
  }
});
