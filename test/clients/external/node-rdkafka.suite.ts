// node-rdkafka (librdkafka, built from the package's source) against a broker process.

import { join } from 'node:path';
import {
  describeClient,
  EXTERNAL,
  INSTALLED,
  produceCases,
  runProgram,
  testCases,
  useExternalBroker,
} from './external-client.ts';

/** What install.sh builds. */
const PACKAGE = join(INSTALLED, 'node-rdkafka-3.6.1');

describeClient('node-rdkafka', [join(PACKAGE, 'complete')], () => {
  const cases = [
    'admin: topics are created, extended, listed and deleted',
    ...produceCases(['all', '1', '0'], ['none', 'gzip', 'snappy', 'lz4', 'zstd']),
    'produce: idempotent, many batches in flight, in order',
    'produce: a record that is too large is refused',
    'produce: a topic is created by producing to it',
    'consume: beginning, end, offset and timestamp',
    'consume: headers, null keys and tombstones come back',
    'transactions: committed is read, aborted and open are not',
    'transactions: an older producer is fenced',
    'groups: commit and resume',
    'groups: members join and leave',
    'groups: members join and leave, cooperatively',
    'groups: members join and leave, of KIP-848',
    'groups: a member is killed',
    'groups: static members come back',
    'groups: offsets within a transaction',
  ];
  const suite = join(EXTERNAL, 'node/suite-rdkafka.js');
  // Every poll of a client holds a thread of Node's pool, which has four by default.
  const node = ['UV_THREADPOOL_SIZE=16', process.execPath, suite, join(PACKAGE, 'package.json')];
  testCases(
    cases,
    (bootstrap) => runProgram('/usr/bin/env', [...node, bootstrap], { timeoutMs: 580_000 }),
    useExternalBroker('node-rdkafka'),
  );
});
