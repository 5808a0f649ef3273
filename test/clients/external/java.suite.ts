// The Java client against a broker process: the program of every tutorial, unmodified, and a suite of cases.

import { expect, it } from 'vitest';
import { runCommand } from '../../support/run-command.ts';
import { describeClient, produceCases, testCases, useExternalBroker } from './external-client.ts';
import { java, KAFKA, KAFKA_NEEDS, OLDER_CLIENTS, OLDER_CLIENTS_NEEDS } from './java-programs.ts';

/** Where the tutorial's program goes, whoever runs it. */
const TUTORIAL_ADDRESS = '127.0.0.1:9092';

describeClient('the Java tutorial', KAFKA_NEEDS, () => {
  const broker = useExternalBroker('java-tutorial', { kafka: TUTORIAL_ADDRESS });

  it('runs as it stands, and its record is there', async () => {
    const { code, stderr } = await java(['TutorialProducer.java']);
    expect(`${code} ${stderr}`).toBe('0 ');
    const consume = ['consume', 'my-topic', '--from', 'beginning', '--count', '1', '--key-separator', '='];
    const consumed = await runCommand(consume, { server: broker().url });
    expect(consumed.stdout.toString()).toBe('key=hello, world\n');
  });
});

const CASES = [
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

for (const [name, jars, needs] of [
  ['the Java client', KAFKA, KAFKA_NEEDS],
  ['the Java client of Kafka 3.9', OLDER_CLIENTS, OLDER_CLIENTS_NEEDS],
] as const) {
  describeClient(name, needs, () => {
    const broker = useExternalBroker('java');
    testCases(CASES, (bootstrap) => java(['Suite.java', bootstrap], { jars }), broker);
  });
}
