// Apache Kafka: one node in KRaft mode, with the configuration and the JVM options that its distribution starts with.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kafkaTool, load, output } from './load-programs.ts';
import { kafkaJars } from './paths.ts';
import type { Peer, ServerProcess, StartOptions } from './peer.ts';
import { spawnServer } from './server-process.ts';

const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qg';
/** As kafka-server-start.sh sets KAFKA_HEAP_OPTS, and kafka-run-class.sh KAFKA_JVM_PERFORMANCE_OPTS. */
const JVM_OPTIONS = [
  '-Xmx1G',
  '-Xms1G',
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
];
/** Less than the log4j of the distribution writes. */
const LOGGING = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn';

export const kafkaPeer: Peer = {
  name: 'kafka',
  version: kafkaJars()?.version ?? '',
  speaksKafka: true,
  configuration: (guarantee) => (guarantee === 'durable' ? 'log.flush.interval.messages=1' : 'default'),
  async prepare(options) {
    const file = configurationFile(options);
    writeFileSync(file, properties(options).join('\n'));
    await kafkaTool('kafka.tools.StorageTool', ['format', '-t', CLUSTER_ID, '-c', file]);
  },
  start(options) {
    const installed = kafkaJars();
    if (installed === undefined) throw new Error('Kafka is not installed');
    const args = [...JVM_OPTIONS, LOGGING, '-cp', installed.jars, 'kafka.Kafka', configurationFile(options)];
    return spawnServer({ command: 'java', args, address: `127.0.0.1:${options.ports[0]}` });
  },
  whenReady: kafkaIsReady,
};

/** Resolves when Metadata is answered. */
export async function kafkaIsReady(server: ServerProcess): Promise<void> {
  await load('kafka-wire', 'ready', { broker: server.address });
}

export async function isJavaThere(): Promise<boolean> {
  return output('java', ['-version']).then(
    () => true,
    () => false,
  );
}

function configurationFile({ directory }: StartOptions): string {
  return join(directory, 'server.properties');
}

/** Those of config/server.properties, but for names, ports, and the times after which files go. */
function properties({ directory, ports, guarantee }: StartOptions): string[] {
  const [port, controllerPort] = ports;
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${port}`,
    'inter.broker.listener.name=PLAINTEXT',
    'controller.listener.names=CONTROLLER',
    'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
    'num.network.threads=3',
    'num.io.threads=8',
    'socket.send.buffer.bytes=102400',
    'socket.receive.buffer.bytes=102400',
    'socket.request.max.bytes=104857600',
    `log.dirs=${join(directory, 'data')}`,
    'num.partitions=1',
    'num.recovery.threads.per.data.dir=2',
    'offsets.topic.replication.factor=1',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
    'log.retention.hours=168',
    'log.segment.bytes=1073741824',
    ...SHORT_RETENTION,
    'log.initial.task.delay.ms=1000',
    ...(guarantee === 'durable' ? ['log.flush.interval.messages=1'] : []),
  ];
}

/** So that retention is reached while a row is measured, and its files go. The same for Kafka and Millrace. */
export const SHORT_RETENTION = ['log.retention.check.interval.ms=1000', 'log.segment.delete.delay.ms=1000'] as const;
