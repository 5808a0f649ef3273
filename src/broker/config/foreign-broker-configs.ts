// Kafka's broker keys that have nothing to stand for here: those of machinery that this broker does not have, which are
// told and passed over, and those that promise what it cannot keep, which are refused with what to do. Names alone: no
// value is read, and DescribeConfigs does not list them.

/** What becomes of such a key when a broker is started with it. */
export interface ForeignKey {
  readonly refused: boolean;
  /** Of a key that is passed over: why it has no effect. Of one that is refused: why, and what to do. */
  readonly reason: string;
}

const OWN_CONTROLLER = 'this node is its own controller, and keeps its metadata in the data directory';
const ONE_NODE = 'this broker does not replicate yet';
const NO_QUOTAS = 'this broker has no quotas';
const NO_REMOTE = 'remote log storage is not available';
const NO_SHARE = 'share groups and streams groups are not served';
const COORDINATED_HERE = 'the coordinators run on the main thread, and write by group commit';
const NO_PURGATORY = 'requests that wait are woken by what they wait for';
const METRICS = 'metrics are told in one way: `GET /metrics` of the HTTP listener';
const UNTUNED = 'this broker has no such setting';

const PASSED_OVER: Readonly<Record<string, readonly string[]>> = {
  [OWN_CONTROLLER]: [
    'broker.heartbeat.interval.ms',
    'broker.session.timeout.ms',
    'controller.performance.always.log.threshold.ms',
    'controller.performance.sample.period.ms',
    'controller.quorum.append.linger.ms',
    'controller.quorum.auto.join.enable',
    'controller.quorum.election.backoff.max.ms',
    'controller.quorum.election.timeout.ms',
    'controller.quorum.fetch.max.bytes',
    'controller.quorum.fetch.snapshot.max.bytes',
    'controller.quorum.fetch.timeout.ms',
    'controller.quorum.request.timeout.ms',
    'controller.quorum.retry.backoff.ms',
    'controller.socket.timeout.ms',
    'initial.broker.registration.timeout.ms',
    'internal.metadata.delete.delay.millis',
    'internal.metadata.log.segment.bytes',
    'internal.metadata.max.batch.size.in.bytes',
    'metadata.log.dir',
    'metadata.log.max.record.bytes.between.snapshots',
    'metadata.log.max.snapshot.interval.ms',
    'metadata.log.segment.bytes',
    'metadata.log.segment.ms',
    'metadata.max.idle.interval.ms',
    'metadata.max.retention.bytes',
    'metadata.max.retention.ms',
    'server.max.startup.time.ms',
  ],
  [ONE_NODE]: [
    'controlled.shutdown.enable',
    'inter.broker.listener.name',
    'leader.imbalance.check.interval.seconds',
    'replica.fetch.backoff.ms',
    'replica.fetch.max.bytes',
    'replica.fetch.min.bytes',
    'replica.fetch.response.max.bytes',
    'replica.fetch.wait.max.ms',
    'replica.high.watermark.checkpoint.interval.ms',
    'replica.socket.receive.buffer.bytes',
    'replica.socket.timeout.ms',
    'request.timeout.ms',
    'socket.connection.setup.timeout.max.ms',
    'socket.connection.setup.timeout.ms',
    'unclean.leader.election.interval.ms',
  ],
  [NO_QUOTAS]: [
    'alter.log.dirs.replication.quota.window.num',
    'alter.log.dirs.replication.quota.window.size.seconds',
    'controller.quota.window.num',
    'controller.quota.window.size.seconds',
    'quota.window.num',
    'quota.window.size.seconds',
    'replication.quota.window.num',
    'replication.quota.window.size.seconds',
  ],
  [NO_REMOTE]: [
    'follower.fetch.last.tiered.offset.enable',
    'remote.fetch.max.wait.ms',
    'remote.list.offsets.request.timeout.ms',
  ],
  [COORDINATED_HERE]: [
    'group.consumer.assignment.interval.ms',
    'group.consumer.max.assignment.interval.ms',
    'group.consumer.min.assignment.interval.ms',
    'group.consumer.regex.refresh.interval.ms',
    'group.coordinator.append.linger.ms',
    'group.coordinator.background.threads',
    'group.coordinator.cached.buffer.max.bytes',
    'group.coordinator.threads',
  ],
  [NO_PURGATORY]: [
    'delete.records.purgatory.purge.interval.requests',
    'fetch.purgatory.purge.interval.requests',
    'producer.purgatory.purge.interval.requests',
  ],
  [METRICS]: [
    'kafka.metrics.polling.interval.secs',
    'kafka.metrics.reporters',
    'metric.reporters',
    'metrics.num.samples',
    'metrics.recording.level',
    'metrics.sample.window.ms',
    'telemetry.max.bytes',
  ],
  [UNTUNED]: [
    'connection.failed.authentication.delay.ms',
    'early.start.listeners',
    'log.dir.failure.timeout.ms',
    'log.flush.start.offset.checkpoint.interval.ms',
    'log.initial.task.delay.ms',
    'num.replica.alter.log.dirs.threads',
    'producer.id.expiration.check.interval.ms',
    'socket.listen.backlog.size',
  ],
};
const PASSED_OVER_PREFIXES: Readonly<Record<string, string>> = {
  'group.share.': NO_SHARE,
  'group.streams.': NO_SHARE,
  'share.': NO_SHARE,
  'remote.log.': NO_REMOTE,
};

const PLAINTEXT_ALONE =
  'PLAINTEXT alone is served; take the key out, and keep the listeners on loopback or behind a proxy that ends TLS';
const NO_ACLS =
  'this broker has no ACLs, and whoever can connect may do everything; take the key out, and keep others from the listeners';
const NO_CLASSES = 'this broker runs no Java classes; take the key out';
const NO_CONNECTION_LIMIT =
  'connections are bounded together alone, by max.connections; take the key out, or bound them in front of the broker';
const NO_ZOOKEEPER = 'this broker keeps its own metadata and knows no ZooKeeper, like Kafka 4; take the key out';

const REFUSED: Readonly<Record<string, readonly string[]>> = {
  [PLAINTEXT_ALONE]: ['connections.max.reauth.ms', 'principal.builder.class', 'security.providers'],
  [NO_ACLS]: ['allow.everyone.if.no.acl.found', 'authorizer.class.name', 'super.users'],
  [NO_CLASSES]: [
    'alter.config.policy.class.name',
    'client.quota.callback.class',
    'config.providers',
    'create.topic.policy.class.name',
    'replica.selector.class',
  ],
  [NO_CONNECTION_LIMIT]: ['max.connection.creation.rate', 'max.connections.per.ip.overrides'],
};
const REFUSED_PREFIXES: Readonly<Record<string, string>> = {
  'config.providers.': NO_CLASSES,
  'delegation.token.': PLAINTEXT_ALONE,
  'listener.name.': PLAINTEXT_ALONE,
  'sasl.': PLAINTEXT_ALONE,
  'ssl.': PLAINTEXT_ALONE,
  'zookeeper.': NO_ZOOKEEPER,
};

const BY_NAME: ReadonlyMap<string, ForeignKey> = new Map([...byName(PASSED_OVER, false), ...byName(REFUSED, true)]);
const BY_PREFIX: readonly (readonly [string, ForeignKey])[] = [
  ...byPrefix(PASSED_OVER_PREFIXES, false),
  ...byPrefix(REFUSED_PREFIXES, true),
];

function byName(names: Readonly<Record<string, readonly string[]>>, refused: boolean): [string, ForeignKey][] {
  return Object.entries(names).flatMap(([reason, each]) =>
    each.map((name): [string, ForeignKey] => [name, { refused, reason }]),
  );
}

function byPrefix(prefixes: Readonly<Record<string, string>>, refused: boolean): [string, ForeignKey][] {
  return Object.entries(prefixes).map(([prefix, reason]) => [prefix, { refused, reason }]);
}

/** Undefined for a key that this broker has itself, or that Kafka does not have either. */
export function foreignKey(name: string): ForeignKey | undefined {
  return BY_NAME.get(name) ?? BY_PREFIX.find(([prefix]) => name.startsWith(prefix))?.[1];
}
