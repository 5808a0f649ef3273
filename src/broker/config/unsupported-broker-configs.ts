// Broker keys that Kafka has and this broker cannot honour yet, each with the reason that whoever sets one is told. A key
// that promises something is accepted with its default alone; one that tunes machinery which is not here is passed over
// when a broker is started with it, so that Kafka's own files can be read. It reads no value.

import { type ConfigDefinition, type ConfigType, define } from './definition.ts';

const BY_SLOT = 'each slot compacts the logs that it owns';
const NO_REMOTE = 'remote log storage is not available';
const ONE_NODE = 'this broker does not replicate yet';
const BY_FLAGS = 'its threads are set by `millrace start --workers`';
const UNTUNED = 'this broker has no such setting';
const RELEASED = 'it serves released versions';
const CONNECTIONS = 'connections are bounded together alone, by max.connections';

interface Options {
  readonly min?: number;
  readonly choices?: readonly string[];
  readonly dynamic?: boolean;
}

/** Reason, name, type, default, documentation, and what else the key demands. */
type Row = readonly [string, string, ConfigType, string | null, string, Options?];

const REFUSED: readonly Row[] = [
  [
    ONE_NODE,
    'default.replication.factor',
    'int',
    '1',
    'Replicas of a topic whose creator does not say how many.',
    { min: 1 },
  ],
  [
    ONE_NODE,
    'unclean.leader.election.enable',
    'boolean',
    'false',
    'Whether a replica that is not in sync may become the leader.',
    { dynamic: true },
  ],
  [NO_REMOTE, 'remote.log.storage.system.enable', 'boolean', 'false', 'Whether segments may move to remote storage.'],
  ['it has one', 'cordoned.log.dirs', 'string', '', 'Data directories that take no new partitions.'],
  [
    'transactions in two phases are not served',
    'transaction.two.phase.commit.enable',
    'boolean',
    'false',
    'Whether transactions may be prepared, and stay open without a timeout (KIP-939).',
  ],
  [RELEASED, 'unstable.api.versions.enable', 'boolean', 'false', 'Whether versions that Kafka tries out are served.'],
  [RELEASED, 'unstable.feature.versions.enable', 'boolean', 'false', 'Whether features that Kafka tries out are.'],
  [CONNECTIONS, 'max.connections.per.ip', 'int', '2147483647', 'Connections from one address.', { min: 0 }],
];

const WITHOUT_EFFECT: readonly Row[] = [
  [
    UNTUNED,
    'log.roll.jitter.ms',
    'long',
    null,
    'Random part of the age at which a partition starts a new segment.',
    { min: 0, dynamic: true },
  ],
  [
    UNTUNED,
    'log.roll.jitter.hours',
    'int',
    '0',
    'Random part of the age at which a partition starts a new segment.',
    { min: 0 },
  ],
  [
    UNTUNED,
    'log.preallocate',
    'boolean',
    'false',
    'Whether a new segment takes its whole size at once.',
    { dynamic: true },
  ],
  [
    BY_SLOT,
    'log.cleaner.threads',
    'int',
    '1',
    'Threads that compact logs: here the thread that owns a partition does.',
    { min: 0, dynamic: true },
  ],
  [
    UNTUNED,
    'log.cleaner.io.buffer.size',
    'int',
    '524288',
    'Bytes that compaction reads and writes at a time.',
    { min: 0, dynamic: true },
  ],
  [NO_REMOTE, 'log.local.retention.ms', 'long', '-2', 'How long records stay on the local disk.', { dynamic: true }],
  [
    NO_REMOTE,
    'log.local.retention.bytes',
    'long',
    '-2',
    'Bytes of a partition that stay on the local disk.',
    { dynamic: true },
  ],
  [BY_FLAGS, 'num.network.threads', 'int', '3', 'Threads that read requests.', { min: 1 }],
  [BY_FLAGS, 'num.io.threads', 'int', '8', 'Threads that serve requests.', { min: 1 }],
  [UNTUNED, 'background.threads', 'int', '10', 'Threads for periodic work.', { min: 1 }],
  [UNTUNED, 'queued.max.requests', 'int', '500', 'Requests that wait for a thread.', { min: 1 }],
  [BY_FLAGS, 'num.recovery.threads.per.data.dir', 'int', '2', 'Threads that recover a data directory.', { min: 1 }],
  [UNTUNED, 'socket.send.buffer.bytes', 'int', '102400', 'Send buffer of a socket.'],
  [UNTUNED, 'socket.receive.buffer.bytes', 'int', '102400', 'Receive buffer of a socket.'],
  [ONE_NODE, 'broker.rack', 'string', null, 'The rack of this broker.'],
  [ONE_NODE, 'num.replica.fetchers', 'int', '1', 'Fetchers per leader.', { min: 1 }],
  [ONE_NODE, 'replica.lag.time.max.ms', 'long', '30000', 'The lag at which a replica is out of sync.'],
  [ONE_NODE, 'auto.leader.rebalance.enable', 'boolean', 'true', 'Whether leadership is balanced.'],
  [
    UNTUNED,
    'add.partitions.to.txn.retry.backoff.ms',
    'int',
    '20',
    'Pause between two attempts to add a partition to a transaction: this broker does not poll.',
    { min: 1 },
  ],
  [
    UNTUNED,
    'transaction.state.log.load.buffer.size',
    'int',
    '5242880',
    'Bytes of the transaction topic that are read at once.',
    { min: 1 },
  ],
];

function declare(row: Row, withoutEffect: boolean): ConfigDefinition {
  const [fixedBecause, name, type, defaultValue, documentation, options = {}] = row;
  return define({ name, type, defaultValue, documentation }, { ...options, fixedBecause, withoutEffect });
}

export const UNSUPPORTED_BROKER_CONFIGS: readonly ConfigDefinition[] = [
  ...REFUSED.map((row) => declare(row, false)),
  ...WITHOUT_EFFECT.map((row) => declare(row, true)),
];
