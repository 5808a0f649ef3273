// Files both ways: Kafka's DumpLogSegments reads what this broker wrote, and this broker goes on where Kafka left off.

import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { BrokerProcess, temporaryDirectory } from '../../support/broker-process.ts';
import { freePort } from '../../support/free-port.ts';
import { QUICK_GROUPS } from '../client-broker.ts';
import { describeClient } from './external-client.ts';
import { JavaProcess, javaOutput, KAFKA_NEEDS } from './java-programs.ts';

const TEST_MS_MAX = 600_000;
const SETTINGS = QUICK_GROUPS.flatMap((entry) => ['--set', entry]);
/** How DumpLogSegments prints batches and records that are in order. */
const SOUND = /^baseOffset: .*isvalid: true$|^\| offset: /;
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qg';

const fill = (servers: string): Promise<string> => javaOutput(['Records.java', 'fill', servers]);
const print = (servers: string): Promise<string> => javaOutput(['Records.java', 'print', servers]);

function start(dataDirectory: string, cleaner: string): Promise<BrokerProcess> {
  return BrokerProcess.start({ dataDirectory, arguments: [...SETTINGS, '--set', `log.cleaner.${cleaner}`] });
}

/** Resolves when the directory's compacted topic has been cleaned up to its newest segments. */
function cleaned(dataDirectory: string): Promise<void> {
  const segments = (): number =>
    readdirSync(join(dataDirectory, 'compacted-0')).filter((name) => name.endsWith('.log')).length;
  return vi.waitFor(() => expect(segments()).toBeLessThanOrEqual(2), { timeout: 240_000, interval: 500 });
}

describeClient('DumpLogSegments', KAFKA_NEEDS, () => {
  const directory = temporaryDirectory('dump');
  let servedLines: readonly string[] = [];

  beforeAll(async () => {
    const first = await start(directory.path, 'backoff.ms=200');
    await fill(first.kafka);
    await cleaned(directory.path);
    servedLines = (await print(first.kafka)).split('\n');
    // What recovery writes is to be read, too.
    await first.stop('SIGKILL');
    const second = await start(directory.path, 'backoff.ms=200');
    await second.stop('SIGTERM');
  }, TEST_MS_MAX);
  afterAll(() => directory.remove());

  /** What it prints of the files whose paths, `<topic>-<partition>/<file>`, match. */
  function dump(pattern: RegExp, ...options: readonly string[]): Promise<string> {
    const names = readdirSync(directory.path, { recursive: true, encoding: 'utf8' }).filter((name) =>
      pattern.test(name),
    );
    const files = names.map((name) => join(directory.path, name));
    expect(files).not.toEqual([]);
    return javaOutput(['org.apache.kafka.tools.DumpLogSegments', ...options, '--files', files.sort().join(',')]);
  }

  /** Lines that are no content: complaints are printed among it. */
  function complaints(output: string, content: RegExp): string[] {
    return output
      .split('\n')
      .filter((line) => line !== '' && !/^(Dumping |Log starting offset: )/.test(line) && !content.test(line));
  }

  it(
    'reads every batch and record of every log',
    async () => {
      const output = await dump(/^[^_].*\.log$/, '--deep-iteration', '--print-data-log');
      expect(complaints(output, SOUND)).toEqual([]);
      for (const codec of ['NONE', 'GZIP', 'SNAPPY', 'LZ4', 'ZSTD']) {
        expect(output).toMatch(new RegExp(`compresscodec: ${codec} .*isvalid: true`, 'i'));
      }
      expect(output).toContain('endTxnMarker: ABORT');
    },
    TEST_MS_MAX,
  );

  it(
    'reads as many records as were served',
    async () => {
      const served = servedLines.filter((line) => /^codec-zstd-0 \d/.test(line)).length;
      const output = await dump(/^codec-zstd-0.*\.log$/, '--deep-iteration', '--print-data-log');
      // Served with either isolation level.
      expect(output.split('\n').filter((line) => line.startsWith('| offset: ')).length).toBe(served / 2);
    },
    TEST_MS_MAX,
  );

  for (const [kind, content] of [
    ['index', /^offset: /],
    ['timeindex', /^timestamp: /],
  ] as const) {
    for (const option of [undefined, '--verify-index-only', '--index-sanity-check']) {
      it(
        `agrees with every .${kind} (${option ?? 'printed'})`,
        async () => {
          const output = await dump(new RegExp(`\\.${kind}$`), ...(option === undefined ? [] : [option]));
          const fine = new RegExp(`${content.source}|passed sanity check\\.$|\\.index is empty\\.$`);
          expect(complaints(output, fine)).toEqual([]);
        },
        TEST_MS_MAX,
      );
    }
  }

  it(
    'reads producers and aborted transactions',
    async () => {
      expect(complaints(await dump(/\.snapshot$/), /^producerId: /)).toEqual([]);
      const aborted = await dump(/\.txnindex$/);
      expect(complaints(aborted, /^version: 0 producerId: /)).toEqual([]);
      expect(aborted).toMatch(/producerId: \d+ firstOffset: 202 lastOffset: 302 lastStableOffset: 303/);
    },
    TEST_MS_MAX,
  );

  it(
    'decodes the logs of the coordinators',
    async () => {
      const offsets = await dump(/^__consumer_offsets-.*\.log$/, '--offsets-decoder');
      expect(offsets).toContain('{"group":"subscribed","topic":"codec-none","partition":0}} payload: {"version":"3"');
      expect(offsets).toContain('"metadata":"by hand"');
      expect(complaints(offsets, SOUND)).toEqual([]);
      const transactions = await dump(/^__transaction_state-.*\.log$/, '--transaction-log-decoder');
      expect(transactions).toContain('{"type":"0","data":{"transactionalId":"records"}}');
      expect(complaints(transactions, SOUND)).toEqual([]);
    },
    TEST_MS_MAX,
  );
});

/** Two ports that were free a moment ago. */
/** Kafka of one node in KRaft mode. */
class Kafka {
  readonly servers: string;
  readonly #configuration: string;

  private constructor(servers: string, configuration: string) {
    this.servers = servers;
    this.#configuration = configuration;
  }

  static async format(directory: string): Promise<Kafka> {
    const [client, controller] = [await freePort(), await freePort()];
    const servers = `127.0.0.1:${client}`;
    const configuration = join(directory, 'server.properties');
    mkdirSync(directory, { recursive: true });
    writeFileSync(configuration, properties(directory, servers, `127.0.0.1:${controller}`).join('\n'));
    await javaOutput(['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', configuration]);
    return new Kafka(servers, configuration);
  }

  async start(): Promise<JavaProcess> {
    const process = new JavaProcess(['kafka.Kafka', this.#configuration], 'info');
    await process.next((line) => line.includes('Kafka Server started'));
    return process;
  }
}

function properties(directory: string, servers: string, controller: string): string[] {
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@${controller}`,
    `listeners=PLAINTEXT://${servers},CONTROLLER://${controller}`,
    `advertised.listeners=PLAINTEXT://${servers}`,
    'controller.listener.names=CONTROLLER',
    `log.dirs=${join(directory, 'data')}`,
    'offsets.topic.num.partitions=4',
    'offsets.topic.replication.factor=1',
    'transaction.state.log.num.partitions=4',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'group.initial.rebalance.delay.ms=0',
    'log.cleaner.backoff.ms=500',
  ];
}

describeClient('a data directory of Kafka', KAFKA_NEEDS, () => {
  const directory = temporaryDirectory('kafka-directory');
  const data = join(directory.path, 'data');
  const killed = join(directory.path, 'killed');
  let served = '';

  beforeAll(async () => {
    const kafka = await Kafka.format(directory.path);
    const first = await kafka.start();
    await fill(kafka.servers);
    await cleaned(data);
    await first.stop('SIGTERM');
    // A second start gives every partition a later leader epoch.
    const second = await kafka.start();
    await javaOutput(['Records.java', 'more', kafka.servers]);
    served = await print(kafka.servers);
    // The files of a broker that does nothing, taken while it runs, are those that a kill would leave.
    cpSync(data, killed, { recursive: true });
    await second.stop('SIGTERM');
  }, TEST_MS_MAX);
  afterAll(() => directory.remove());

  for (const [ending, path] of [
    ['was stopped', data],
    ['was killed', killed],
  ] as const) {
    it(
      `is served as Kafka served it, and goes on, when Kafka ${ending}`,
      async () => {
        const broker = await start(path, 'enable=false');
        onTestFinished(async () => void (await broker.stop('SIGKILL')));
        expect(await print(broker.kafka)).toBe(served);
        await javaOutput(['Records.java', 'more', broker.kafka]);
        const more = await print(broker.kafka);
        expect(more.split('\n').length).toBeGreaterThan(served.split('\n').length);
        await broker.stop('SIGKILL');
        const again = await start(path, 'enable=false');
        onTestFinished(async () => void (await again.stop('SIGKILL')));
        expect(await print(again.kafka)).toBe(more);
        await again.stop('SIGTERM');
        expect(again.output).not.toContain('"level":50');
      },
      TEST_MS_MAX,
    );
  }
});
