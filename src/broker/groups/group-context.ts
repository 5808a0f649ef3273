// What groups work with: time, chance, settings, the topics there are, and the log that their records go to. All of it
// is given, so that a test can drive a group without a broker.

import type { Random } from '../../core/platform.ts';
import type { BatchProducer } from '../../core/record-batch-codec.ts';
import { type Uuid, uuidFromBytes } from '../../protocol/uuid.ts';
import type { GroupRecord } from './group-records.ts';
import type { Timers } from './timer.ts';

/** The group configurations, under Kafka's names in camel case. */
export interface GroupSettings {
  readonly initialRebalanceDelayMs: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  readonly maxSize: number;
  readonly offsetMetadataMaxBytes: number;
  readonly offsetsRetentionMs: number;
  readonly consumerMaxSize: number;
  /** Whether a group moves to KIP-848 when a member of that protocol comes (group.consumer.migration.policy). */
  readonly consumerUpgrade: boolean;
  /** Whether it moves back when the last such member goes. */
  readonly consumerDowngrade: boolean;
  /** Names of the server-side assignors, the default first. */
  readonly consumerAssignors: readonly string[];
}

/** What a KIP-848 group is timed by. */
export interface ConsumerTimes {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
}

export interface TopicShape {
  readonly name: string;
  readonly id: Uuid;
  readonly partitionCount: number;
}

/** The topics as they are now. */
export interface TopicDirectory {
  /** Grows whenever a topic comes, goes or gets partitions. */
  readonly version: number;
  byName(name: string): TopicShape | undefined;
  byId(id: Uuid): TopicShape | undefined;
  all(): Iterable<TopicShape>;
}

export interface GroupContext extends Timers {
  readonly random: Random;
  readonly settings: () => GroupSettings;
  /** As they are now for this group. */
  readonly consumerTimes: (groupId: string) => ConsumerTimes;
  readonly topics: TopicDirectory;
  /** Applies the records at once; resolves with NONE when they are durable, else with Kafka's error code. */
  readonly write: (records: readonly GroupRecord[], producer?: BatchProducer) => Promise<number>;
}

/** Who sends a request, as Kafka describes clients. */
export interface GroupClient {
  readonly clientId: string;
  /** As Java prints an address: with a slash before it. */
  readonly clientHost: string;
}

/** A random id in the usual form of 8-4-4-4-12 hexadecimal digits. */
export function randomId({ random }: Pick<GroupContext, 'random'>): string {
  const hex = Array.from(random.uuid(), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** A random id in Kafka's own form. */
export function randomUuid({ random }: Pick<GroupContext, 'random'>): Uuid {
  return uuidFromBytes(random.uuid());
}
