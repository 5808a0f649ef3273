// The Python clients of Debian against a broker process: confluent-kafka (librdkafka) and kafka-python.

import { join } from 'node:path';
import {
  describeClient,
  EXTERNAL,
  type ProgramResult,
  produceCases,
  runProgram,
  testCases,
  useExternalBroker,
} from './external-client.ts';

/** Debian's, which has Debian's packages; there may be others before it on the path. */
const PYTHON = '/usr/bin/python3';
const PACKAGES = '/usr/lib/python3/dist-packages';

function python(suite: string, bootstrap: string): Promise<ProgramResult> {
  return runProgram(PYTHON, [join(EXTERNAL, 'python', suite), bootstrap], { timeoutMs: 580_000 });
}

describeClient('confluent-kafka for Python', [PYTHON, join(PACKAGES, 'confluent_kafka')], () => {
  const cases = [
    'admin: topics are created, extended, listed and deleted',
    'admin: configurations are changed and described',
    ...produceCases(['all', '1', '0'], ['none', 'gzip', 'snappy', 'lz4', 'zstd']),
    'produce: idempotent, many batches in flight, in order',
    'produce: a record that is too large is refused',
    'produce: a topic is created by producing to it',
    'consume: beginning, end, offset and timestamp',
    'consume: headers, null keys and tombstones come back',
    'transactions: committed is read, aborted is not',
    'transactions: an older producer is fenced',
    'groups: commit and resume',
    'groups: members join and leave',
    'groups: members join and leave, cooperatively',
    'groups: a member that is killed leaves its partitions',
    'groups: static members come back',
    'groups: offsets within a transaction',
  ];
  testCases(cases, (bootstrap) => python('suite_confluent.py', bootstrap), useExternalBroker('confluent'));
});

describeClient('kafka-python', [PYTHON, join(PACKAGES, 'kafka')], () => {
  const cases = [
    'admin: topics are created, described, extended, listed and deleted',
    'admin: configurations are changed and described',
    'admin: the cluster is described',
    ...produceCases(['all', '1', '0'], ['none', 'gzip']),
    'produce: a record that is too large is refused',
    'consume: beginning, end, offset and timestamp',
    'consume: headers, null keys and tombstones come back',
    'groups: commit and resume',
    'groups: members join and leave',
    'groups: a member that is killed leaves its partitions',
    'groups: admin lists, describes and deletes',
  ];
  testCases(cases, (bootstrap) => python('suite_kafka_python.py', bootstrap), useExternalBroker('kafka-python'));
});
