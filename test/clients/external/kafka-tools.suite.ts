// Kafka's own console and verifiable tools against a broker process.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { temporaryDirectory } from '../../support/broker-process.ts';
import { describeClient, useExternalBroker } from './external-client.ts';
import { JavaProcess, javaOutput, KAFKA_NEEDS } from './java-programs.ts';

const TOOLS = 'org.apache.kafka.tools';
/** So that a member that was killed is missed soon. */
const QUICK_SESSIONS = [
  'group.consumer.min.session.timeout.ms=6000',
  'group.consumer.session.timeout.ms=6000',
  'group.consumer.min.heartbeat.interval.ms=1000',
  'group.consumer.heartbeat.interval.ms=1000',
];
const TEST_MS_MAX = 300_000;

describeClient("Kafka's tools", KAFKA_NEEDS, () => {
  const broker = useExternalBroker('kafka-tools', { configuration: QUICK_SESSIONS });
  const files = temporaryDirectory('kafka-tools-files');
  afterAll(() => files.remove());

  const tool = (name: string, args: readonly string[], input = ''): Promise<string> =>
    javaOutput([name.includes('.') ? name : `${TOOLS}.${name}`, '--bootstrap-server', broker().kafka, ...args], {
      input,
    });
  const groups = (...args: readonly string[]): Promise<string> =>
    tool(`${TOOLS}.consumer.group.ConsumerGroupCommand`, args);
  const configs = (...args: readonly string[]): Promise<string> => tool('kafka.admin.ConfigCommand', args);
  const consume = (...args: readonly string[]): Promise<string> => tool(`${TOOLS}.consumer.ConsoleConsumer`, args);

  it(
    'kafka-topics creates, lists, extends, describes and deletes',
    async () => {
      await tool('TopicCommand', [
        '--create',
        '--topic',
        'made',
        '--partitions',
        '2',
        '--config',
        'retention.ms=7200000',
      ]);
      await tool('TopicCommand', ['--alter', '--topic', 'made', '--partitions', '3']);
      expect(await tool('TopicCommand', ['--list'])).toContain('made\n');
      const described = await tool('TopicCommand', ['--describe', '--topic', 'made']);
      expect(described).toMatch(/PartitionCount: 3\tReplicationFactor: 1\tConfigs: retention.ms=7200000\n/);
      expect(described).toMatch(/Partition: 2\tLeader: 1\tReplicas: 1\tIsr: 1/);
      await tool('TopicCommand', ['--delete', '--topic', 'made']);
      expect(await tool('TopicCommand', ['--list'])).not.toContain('made\n');
    },
    TEST_MS_MAX,
  );

  it(
    'kafka-configs changes and describes topics, and describes the broker',
    async () => {
      await tool('TopicCommand', ['--create', '--topic', 'configured', '--config', 'retention.ms=7200000']);
      const entity = ['--entity-type', 'topics', '--entity-name', 'configured'];
      await configs('--alter', ...entity, '--add-config', 'segment.bytes=2097152', '--delete-config', 'retention.ms');
      const described = await configs('--describe', ...entity);
      expect(described).toContain('segment.bytes=2097152 sensitive=false');
      expect(described).not.toContain('retention.ms');
      const all = await configs('--describe', '--entity-type', 'brokers', '--entity-name', '1', '--all');
      expect(all).toMatch(/\n {2}num\.partitions=1 sensitive=false synonyms=\{/);
    },
    TEST_MS_MAX,
  );

  it(
    'kafka-configs changes and describes groups, and finds those that are configured',
    async () => {
      const entity = ['--entity-type', 'groups', '--entity-name', 'timed'];
      await configs('--alter', ...entity, '--add-config', 'consumer.heartbeat.interval.ms=1500');
      expect(await configs('--describe', ...entity)).toContain('consumer.heartbeat.interval.ms=1500 sensitive=false');
      expect(await configs('--describe', '--entity-type', 'groups')).toContain('group timed are:\n');
      await expect(configs('--alter', ...entity, '--add-config', 'consumer.session.timeout.ms=1000')).rejects.toThrow(
        'group.consumer.min.session.timeout.ms',
      );
      await configs('--alter', ...entity, '--delete-config', 'consumer.heartbeat.interval.ms');
      expect(await configs('--describe', '--entity-type', 'groups')).not.toContain('timed');
    },
    TEST_MS_MAX,
  );

  it(
    'kafka-console-producer writes what kafka-console-consumer reads, with every codec',
    async () => {
      for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
        const topic = `console-${codec}`;
        const keyed = ['--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:'];
        await tool('ConsoleProducer', ['--topic', topic, '--compression-codec', codec, ...keyed], 'a:one\nb:two\n');
        const shown = ['--formatter-property', 'print.key=true', '--formatter-property', 'print.offset=true'];
        const read = await consume('--topic', topic, '--from-beginning', '--max-messages', '2', ...shown);
        expect(read).toBe('Offset:0\ta\tone\nOffset:1\tb\ttwo\n');
      }
    },
    TEST_MS_MAX,
  );

  it(
    'kafka-get-offsets and kafka-delete-records agree',
    async () => {
      await tool('ConsoleProducer', ['--topic', 'offsets'], '1\n2\n3\n4\n');
      const path = join(files.path, 'delete.json');
      writeFileSync(path, JSON.stringify({ partitions: [{ topic: 'offsets', partition: 0, offset: 3 }], version: 1 }));
      expect(await tool('DeleteRecordsCommand', ['--offset-json-file', path])).toContain('low_watermark: 3');
      expect(await tool('GetOffsetShell', ['--topic', 'offsets', '--time', '-2'])).toBe('offsets:0:3\n');
      expect(await tool('GetOffsetShell', ['--topic', 'offsets', '--time', '-1'])).toBe('offsets:0:4\n');
    },
    TEST_MS_MAX,
  );

  it(
    'kafka-consumer-groups lists, describes, resets and deletes',
    async () => {
      await tool('ConsoleProducer', ['--topic', 'grouped'], '1\n2\n3\n4\n');
      await consume('--topic', 'grouped', '--from-beginning', '--max-messages', '4', '--group', 'readers');
      expect(await groups('--describe', '--group', 'readers')).toMatch(/readers +grouped +0 +4 +4 +0 +-/);
      expect(await groups('--list', '--state')).toMatch(/readers +Empty/);
      const reset = ['--reset-offsets', '--group', 'readers', '--topic', 'grouped'];
      await groups(...reset, '--to-offset', '1', '--execute');
      expect(await groups('--describe', '--group', 'readers')).toMatch(/readers +grouped +0 +1 +4 +3 +-/);
      expect(await groups('--delete-offsets', '--group', 'readers', '--topic', 'grouped')).toMatch(/0 +Successful/);
      expect(await groups('--delete', '--group', 'readers')).toContain('was successful');
      expect(await groups('--list')).not.toContain('readers');
    },
    TEST_MS_MAX,
  );

  for (const protocol of ['classic', 'consumer']) {
    it(
      `kafka-verifiable-producer and -consumer see every record once (${protocol})`,
      async () => {
        const topic = `verifiable-${protocol}`;
        const produced = await tool('VerifiableProducer', ['--topic', topic, '--max-messages', '2000', '--acks', '-1']);
        expect(produced).toContain('"sent":2000,"acked":2000');
        const member = ['--topic', topic, '--group-id', topic, '--group-protocol', protocol];
        const consumed = await tool('VerifiableConsumer', [
          ...member,
          '--max-messages',
          '2000',
          '--reset-policy',
          'earliest',
        ]);
        expect(consumed).toMatch(/"name":"offsets_committed","offsets":\[\{[^}]*"offset":2000\}\],"success":true/);
      },
      TEST_MS_MAX,
    );

    it(
      `a member that is killed leaves its partitions to the other (${protocol})`,
      async () => {
        const topic = `killed-${protocol}`;
        await tool('TopicCommand', ['--create', '--topic', topic, '--partitions', '4']);
        const member = (): JavaProcess =>
          new JavaProcess([
            `${TOOLS}.VerifiableConsumer`,
            ...['--bootstrap-server', broker().kafka, '--topic', topic, '--group-id', topic],
            ...['--group-protocol', protocol, ...(protocol === 'classic' ? ['--session-timeout', '6000'] : [])],
          ]);
        const assigned = (count: number) => (line: string) =>
          line.includes('"partitions_assigned"') && line.split('"partition":').length - 1 === count;
        const first = member();
        await first.next(assigned(4));
        const second = member();
        await second.next(assigned(2));
        const takenOver = second.next((line) => line.includes('"partitions_assigned"'));
        await first.stop('SIGKILL');
        await takenOver;
        expect(await groups('--describe', '--group', topic, '--members')).toMatch(/ 4 *\n/);
        await second.stop('SIGTERM');
      },
      TEST_MS_MAX,
    );
  }

  it(
    'kafka-producer-perf-test and kafka-consumer-perf-test come to their ends',
    async () => {
      const load = ['--topic', 'perf', '--num-records', '50000', '--record-size', '100', '--throughput', '-1'];
      expect(await tool('ProducerPerformance', load)).toContain('50000 records sent');
      expect(await tool('ConsumerPerformance', ['--topic', 'perf', '--num-records', '50000'])).toMatch(/, 50\d\d\d, /);
    },
    TEST_MS_MAX,
  );

  it(
    'the tools that look at a broker find what they ask for',
    async () => {
      await tool('TopicCommand', ['--create', '--topic', 'looked-at']);
      expect(await tool('LogDirsCommand', ['--describe', '--topic-list', 'looked-at'])).toContain(
        '"partition":"looked-at-0"',
      );
      expect(await tool('BrokerApiVersionsCommand', [])).toMatch(/Produce\(0\): 0 to \d+ \[usable: \d+\]/);
      expect(await tool('TransactionsCommand', ['list'])).toContain('TransactionalId');
      expect(await tool('FeatureCommand', ['describe'])).toContain('Feature: transaction.version');
      const cluster = await javaOutput([`${TOOLS}.ClusterTool`, 'cluster-id', '--bootstrap-server', broker().kafka]);
      expect(cluster).toMatch(/Cluster ID: [\w-]{22}/);
    },
    TEST_MS_MAX,
  );
});
