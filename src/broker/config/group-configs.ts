// The keys of consumer groups and committed offsets, under Kafka's names, and what the group coordinator reads of them.

import type { GroupSettings } from '../groups/group-context.ts';
import { type ConfigDefinition, define, listOf, orderObjection } from './definition.ts';

const ONE_NODE = 'this broker does not replicate yet';
const UNTUNED = 'this broker has no such setting';
const UNCOMPRESSED = 'committed offsets are kept uncompressed';
const INT_MAX_TEXT = '2147483647';
const MINUTE_MS = 60_000;

function bound(name: string, defaultValue: string, documentation: string): ConfigDefinition {
  return define({ name, type: 'int', defaultValue, documentation }, { min: 1, dynamic: true });
}

export const GROUP_BROKER_CONFIGS: readonly ConfigDefinition[] = [
  define(
    {
      name: 'group.initial.rebalance.delay.ms',
      type: 'int',
      defaultValue: '3000',
      documentation: 'How long a group that was empty waits for more members before its first generation.',
    },
    { min: 0 },
  ),
  define(
    {
      name: 'group.min.session.timeout.ms',
      type: 'int',
      defaultValue: '6000',
      documentation: 'The shortest session timeout that a member of a classic group may ask for.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'group.max.session.timeout.ms',
      type: 'int',
      defaultValue: '1800000',
      documentation: 'The longest session timeout that a member of a classic group may ask for.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'group.max.size',
      type: 'int',
      defaultValue: INT_MAX_TEXT,
      documentation: 'Members of one classic group.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'group.coordinator.rebalance.protocols',
      type: 'list',
      defaultValue: 'classic,consumer',
      documentation: 'The group protocols served: `classic`, and `consumer` of KIP-848.',
    },
    { choices: ['classic', 'consumer'] },
  ),
  define(
    {
      name: 'group.consumer.session.timeout.ms',
      type: 'int',
      defaultValue: '45000',
      documentation: 'How long a member of a KIP-848 group may be silent.',
    },
    { min: 1, dynamic: true },
  ),
  define(
    {
      name: 'group.consumer.heartbeat.interval.ms',
      type: 'int',
      defaultValue: '5000',
      documentation: 'How often members of KIP-848 groups are told to send heartbeats.',
    },
    { min: 1, dynamic: true },
  ),
  define(
    {
      name: 'group.consumer.max.size',
      type: 'int',
      defaultValue: INT_MAX_TEXT,
      documentation: 'Members of one KIP-848 group.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'group.consumer.assignors',
      type: 'list',
      defaultValue: 'uniform,range',
      documentation: 'The assignors of KIP-848 groups; the first is used where members ask for none.',
    },
    { choices: ['uniform', 'range'] },
  ),
  bound(
    'group.consumer.min.session.timeout.ms',
    '45000',
    'The shortest session timeout of KIP-848 groups: of all together, and of one that has its own.',
  ),
  bound(
    'group.consumer.max.session.timeout.ms',
    '60000',
    'The longest session timeout of KIP-848 groups: of all together, and of one that has its own.',
  ),
  bound(
    'group.consumer.min.heartbeat.interval.ms',
    '5000',
    'The shortest heartbeat interval of KIP-848 groups: of all together, and of one that has its own.',
  ),
  bound(
    'group.consumer.max.heartbeat.interval.ms',
    '15000',
    'The longest heartbeat interval of KIP-848 groups: of all together, and of one that has its own.',
  ),
  define(
    {
      name: 'group.consumer.migration.policy',
      type: 'string',
      defaultValue: 'bidirectional',
      documentation:
        'Whether a classic group of consumers with members becomes a KIP-848 group when a member of that protocol ' +
        'joins (`upgrade`), and a classic one again when the last such member is gone (`downgrade`), or both.',
    },
    { choices: ['disabled', 'upgrade', 'downgrade', 'bidirectional'] },
  ),
  define(
    {
      name: 'offset.metadata.max.bytes',
      type: 'int',
      defaultValue: '4096',
      documentation: 'The longest metadata of a committed offset.',
    },
    { min: 0 },
  ),
  define(
    {
      name: 'offsets.retention.minutes',
      type: 'int',
      defaultValue: '10080',
      documentation: 'How long offsets are kept that no member of their group consumes.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'offsets.retention.check.interval.ms',
      type: 'long',
      defaultValue: '600000',
      documentation: 'How often the broker looks for offsets and empty groups to drop.',
    },
    { min: 1 },
  ),
  define(
    {
      name: 'offsets.topic.num.partitions',
      type: 'int',
      // Kafka's 50 spread coordinators over brokers; each costs files, memory and a replay. Eight still spread over a
      // small cluster and over this broker's workers, and the fewer there are the more commits share one flush.
      defaultValue: '8',
      documentation: 'Partitions of the topic of committed offsets, when it is made. Not to be changed afterwards.',
    },
    { min: 1, max: 1000 },
  ),
  define(
    {
      name: 'offsets.topic.segment.bytes',
      type: 'int',
      defaultValue: '104857600',
      documentation: 'Segment size of the topic of committed offsets, when it is made.',
    },
    { min: 14 },
  ),
  define(
    {
      name: 'offsets.topic.replication.factor',
      type: 'short',
      defaultValue: '1',
      documentation: 'Replicas of the topic of committed offsets.',
    },
    { min: 1, fixedBecause: ONE_NODE },
  ),
  define(
    {
      name: 'offsets.topic.compression.codec',
      type: 'int',
      defaultValue: '0',
      documentation: 'Compression of the topic of committed offsets.',
    },
    { fixedBecause: UNCOMPRESSED, withoutEffect: true },
  ),
  define(
    {
      name: 'offsets.load.buffer.size',
      type: 'int',
      defaultValue: '5242880',
      documentation: 'Bytes read at a time when committed offsets are loaded.',
    },
    { min: 1, fixedBecause: UNTUNED, withoutEffect: true },
  ),
  define(
    {
      name: 'offsets.commit.timeout.ms',
      type: 'int',
      defaultValue: '5000',
      documentation: 'How long a commit waits for replicas.',
    },
    { min: 1, fixedBecause: ONE_NODE, withoutEffect: true },
  ),
];

/** What the group coordinator reads beside the settings of each group. */
export interface GroupBrokerSettings extends GroupSettings {
  readonly consumerProtocol: boolean;
  readonly retentionCheckIntervalMs: number;
  readonly topicPartitions: number;
  readonly topicSegmentBytes: number;
}

export interface ConfigValues {
  number(name: string): number;
  text(name: string): string;
}

/** A key whose value must lie between those of two others. */
export interface BoundedKey {
  readonly name: string;
  readonly min: string;
  readonly max: string;
}

export const CONSUMER_SESSION: BoundedKey = {
  name: 'group.consumer.session.timeout.ms',
  min: 'group.consumer.min.session.timeout.ms',
  max: 'group.consumer.max.session.timeout.ms',
};
export const CONSUMER_HEARTBEAT: BoundedKey = {
  name: 'group.consumer.heartbeat.interval.ms',
  min: 'group.consumer.min.heartbeat.interval.ms',
  max: 'group.consumer.max.heartbeat.interval.ms',
};

/** The keys that a group may have for itself (resource type GROUP). */
export const SESSION_KEY = 'consumer.session.timeout.ms';
export const HEARTBEAT_KEY = 'consumer.heartbeat.interval.ms';

/** The broker key that gives the default and the bounds of each key of a group. */
export const GROUP_KEYS: Readonly<Record<string, BoundedKey>> = {
  [HEARTBEAT_KEY]: CONSUMER_HEARTBEAT,
  [SESSION_KEY]: CONSUMER_SESSION,
};

/** What speaks against the values of the keys of groups together; undefined where nothing does. */
export function groupsObjection(number: ConfigValues['number']): string | undefined {
  return (
    orderObjection(number, ['group.min.session.timeout.ms', 'group.max.session.timeout.ms']) ??
    boundsObjection(number, CONSUMER_SESSION) ??
    boundsObjection(number, CONSUMER_HEARTBEAT) ??
    intervalObjection(number, { interval: CONSUMER_HEARTBEAT.name, timeout: CONSUMER_SESSION.name })
  );
}

/** Checks the bounds by themselves, and that the value lies between them. */
export function boundsObjection(number: ConfigValues['number'], { name, min, max }: BoundedKey): string | undefined {
  return (
    orderObjection(number, [min, max]) ?? orderObjection(number, [min, name]) ?? orderObjection(number, [name, max])
  );
}

/** A member whose heartbeats are no more frequent than its session lasts would be thrown out between two of them. */
export function intervalObjection(
  number: ConfigValues['number'],
  { interval, timeout }: { readonly interval: string; readonly timeout: string },
): string | undefined {
  if (number(interval) < number(timeout)) return undefined;
  return `${interval} is ${number(interval)} and must be less than ${timeout}, which is ${number(timeout)}`;
}

export function groupSettings({ number, text }: ConfigValues): GroupBrokerSettings {
  return {
    initialRebalanceDelayMs: number('group.initial.rebalance.delay.ms'),
    minSessionTimeoutMs: number('group.min.session.timeout.ms'),
    maxSessionTimeoutMs: number('group.max.session.timeout.ms'),
    maxSize: number('group.max.size'),
    offsetMetadataMaxBytes: number('offset.metadata.max.bytes'),
    offsetsRetentionMs: number('offsets.retention.minutes') * MINUTE_MS,
    consumerMaxSize: number('group.consumer.max.size'),
    consumerUpgrade: ['upgrade', 'bidirectional'].includes(text('group.consumer.migration.policy')),
    consumerDowngrade: ['downgrade', 'bidirectional'].includes(text('group.consumer.migration.policy')),
    consumerAssignors: listOf(text('group.consumer.assignors')),
    consumerProtocol: listOf(text('group.coordinator.rebalance.protocols')).includes('consumer'),
    retentionCheckIntervalMs: number('offsets.retention.check.interval.ms'),
    topicPartitions: number('offsets.topic.num.partitions'),
    topicSegmentBytes: number('offsets.topic.segment.bytes'),
  };
}
