// The Java client against a broker process: the program of every tutorial, unmodified, and a suite of cases.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runCommand } from '../../support/run-command.ts';
import {
  describeClient,
  EXTERNAL,
  INSTALLED,
  type ProgramResult,
  produceCases,
  runProgram,
  testCases,
  useExternalBroker,
} from './external-client.ts';

const SOURCES = join(EXTERNAL, 'java');
const FETCHED = existsSync(INSTALLED) ? readdirSync(INSTALLED).find((name) => name.startsWith('java-')) : undefined;
const CLIENT = join(INSTALLED, FETCHED ?? 'java');
const JAVA = '/usr/bin/java';
/** Where the tutorial's program goes, whoever runs it. */
const TUTORIAL_ADDRESS = '127.0.0.1:9092';

function java(program: string, ...args: readonly string[]): Promise<ProgramResult> {
  const options = ['-Dorg.slf4j.simpleLogger.defaultLogLevel=error', '-cp', join(CLIENT, 'jars', '*')];
  return runProgram(JAVA, [...options, program, ...args], { cwd: SOURCES, timeoutMs: 280_000 });
}

describeClient('the Java tutorial', [JAVA, join(CLIENT, 'complete')], () => {
  const broker = useExternalBroker('java-tutorial', { kafka: TUTORIAL_ADDRESS });

  it('runs as it stands, and its record is there', async () => {
    const { code, stderr } = await java('TutorialProducer.java');
    expect(`${code} ${stderr}`).toBe('0 ');
    const consume = ['consume', 'my-topic', '--from', 'beginning', '--count', '1', '--key-separator', '='];
    const consumed = await runCommand(consume, { server: broker().url });
    expect(consumed.stdout.toString()).toBe('key=hello, world\n');
  });
});

describeClient('the Java client', [JAVA, join(CLIENT, 'complete')], () => {
  const broker = useExternalBroker('java');
  const cases = [
    'admin: topics are created, described, extended, listed and deleted',
    "admin: refusals are Kafka's",
    'admin: configurations are changed and described',
    'admin: offsets are listed by every specification',
    'admin: records are deleted',
    'admin: cluster, features, log directories and producers are described',
    ...produceCases(['all', '1', '0'], ['none', 'gzip', 'snappy', 'lz4', 'zstd']),
    'produce: idempotent, many batches in flight, in order',
    'produce: a record that is too large is refused',
    'consume: beginning, end, offset and timestamp',
    'consume: headers, null keys and tombstones come back',
    'transactions: committed is read, aborted is not',
    'transactions: an older producer is fenced',
    ...['classic', 'consumer'].flatMap((protocol) =>
      ['commit and resume', 'members join and leave', 'static members come back'].map(
        (what) => `groups: ${protocol}, ${what}`,
      ),
    ),
    'groups: cooperative rebalancing',
    'groups: admin lists, describes, changes offsets and deletes',
    'groups: offsets within a transaction',
  ];
  testCases(cases, (bootstrap) => java('Suite.java', bootstrap), broker);
});
