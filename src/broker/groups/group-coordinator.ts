// The group coordinator as handlers see it: finds the state behind a group, asks it, and answers with Kafka's error
// codes. Which API version says what is the handlers' business.

import type { TopicRecord } from '../../cluster/metadata-store.ts';
import { present } from '../../core/assert.ts';
import type { TimerHandle } from '../../core/platform.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { consumerTimes } from '../config/group-resource-configs.ts';
import { COORDINATOR_TOPIC_CONFIGS, CoordinatorLog, type CoordinatorServices } from '../coordinator-log.ts';
import type { CoordinatorLogPartition } from '../coordinator-log-partition.ts';
import { Deadlines } from '../deadlines.ts';
import type { RoutedTopic } from '../router.ts';
import { OFFSETS_TOPIC, type TransactionalOffsets } from '../transactions/transactional-offsets.ts';
import type { MemberClaim, SyncRequest } from './classic-checks.ts';
import { type JoinOutcome, joinError, type SyncOutcome, syncError } from './classic-group.ts';
import type { ClassicProtocol, JoinRequest, LeavingMember } from './classic-protocol.ts';
import { LEAVE_EPOCH, type MemberRefusal, refuseMember, requestRefusal } from './consumer-checks.ts';
import { LEFT_STATIC_EPOCH } from './consumer-group.ts';
import { refused } from './consumer-groups.ts';
import type { ConsumerHeartbeat, ConsumerHeartbeatOutcome } from './consumer-heartbeat.ts';
import type { GroupContext, TopicDirectory, TopicShape } from './group-context.ts';
import { GroupOffsets } from './group-offsets.ts';
import { GROUP_RECORD_FORMAT, type GroupRecord } from './group-records.ts';
import { type GroupEntry, GroupShard } from './group-shard.ts';
import type { Groups } from './groups.ts';

type GroupLog = CoordinatorLog<GroupRecord, GroupShard>;
export type GroupPartition = CoordinatorLogPartition<GroupRecord, GroupShard>;

export class GroupCoordinator implements Groups, TransactionalOffsets {
  readonly #services: CoordinatorServices;
  readonly #log: GroupLog;
  readonly #topics: RoutedTopics;
  readonly #deadlines: Deadlines;
  readonly offsets: GroupOffsets;
  #expiry: TimerHandle | undefined;

  constructor(services: CoordinatorServices) {
    this.#services = services;
    this.#deadlines = new Deadlines(services.clock);
    this.#topics = new RoutedTopics(services);
    this.#log = new CoordinatorLog({
      services,
      topic: OFFSETS_TOPIC,
      creation: () => this.#creation(),
      format: GROUP_RECORD_FORMAT,
      machine: (index) => new GroupShard(this.#contextOf(index)),
    });
    this.offsets = new GroupOffsets({
      reach: (groupId, creates) => this.#reach(groupId, creates),
      clock: services.clock,
      settings: () => services.config.settings.groups,
    });
  }

  #creation(): { readonly partitionCount: number; readonly configs: Readonly<Record<string, string>> } {
    const { topicPartitions, topicSegmentBytes } = this.#services.config.settings.groups;
    const configs = { ...COORDINATOR_TOPIC_CONFIGS, 'segment.bytes': String(topicSegmentBytes) };
    return { partitionCount: topicPartitions, configs };
  }

  #contextOf(index: number): GroupContext {
    const { clock, random } = this.#services;
    return {
      clock,
      random,
      deadlines: this.#deadlines,
      settings: () => this.#services.config.settings.groups,
      consumerTimes: (groupId) =>
        consumerTimes(this.#services.metadata.groupConfigs(groupId).configs, this.#services.config),
      topics: this.#topics,
      write: (records, producer) =>
        present(this.#log.partitions?.[index], 'partition of the groups').write(records, producer),
    };
  }

  /** Begins to read the log where there is one, and to look for what has expired. Called once, when the topics are open. */
  start(): void {
    this.#log.start();
    this.#services.metadata.observe((event) => {
      if (event.kind === 'broker-configured' || event.kind === 'group-configured') return;
      this.#topics.version++;
      if (event.kind === 'topic-deleted') this.#topicDeleted(event.topic);
    });
    this.#scheduleExpiry();
  }

  #topicDeleted({ name }: TopicRecord): void {
    for (const { errorCode, machine } of this.#log.partitions ?? []) {
      if (errorCode === ERROR_CODES.NONE) machine.topicDeleted(name);
    }
  }

  #scheduleExpiry(): void {
    const { clock, config } = this.#services;
    const delayMs = Math.min(config.settings.groups.retentionCheckIntervalMs, 0x7fffffff);
    this.#expiry = clock.schedule(delayMs, () => {
      this.expire();
      this.#scheduleExpiry();
    });
  }

  /** Drops what has been kept long enough. */
  expire(): void {
    for (const { errorCode, machine } of this.#log.partitions ?? []) {
      if (errorCode === ERROR_CODES.NONE) machine.expire();
    }
  }

  /** Resolves when all groups have been read. */
  whenLoaded(): Promise<void> {
    return this.#log.whenLoaded();
  }

  /** Answers whoever waits and takes nothing more; resolves when what was taken is durable. */
  close(): Promise<void> {
    this.#expiry?.cancel();
    this.#deadlines.close();
    return this.#log.close();
  }

  /** Makes the topic of offsets where there is none: resolves with a Kafka error code; undefined where it is there. */
  ensure(): Promise<number> | undefined {
    return this.#log.ensure();
  }

  /** The partition of the topic of offsets that keeps the group. */
  partitionOf(groupId: string): number {
    return this.#log.indexOf(groupId);
  }

  /** Resolves when everything written to the partition so far is durable; undefined where it is. */
  durable(index: number): Promise<number> | undefined {
    return this.#log.partitions?.[index]?.durable();
  }

  /** A transaction marker is in the log of the partition: what the producer staged there takes effect, or is dropped. */
  endTransaction(index: number, producerId: number, committed: boolean): void {
    this.#log.partitions?.[index]?.endTransaction(producerId, committed);
  }

  /**
   * The partition with the group's state, ready to be asked; an error code where it is not; undefined where there is no
   * topic yet, and so no group. With `creates` the topic is made.
   */
  async #reach(groupId: string, creates: boolean): Promise<GroupPartition | number | undefined> {
    if (creates) {
      const errorCode = await this.#log.ensure();
      if (errorCode !== undefined && errorCode !== ERROR_CODES.NONE) return errorCode;
    }
    const partition = this.#log.partitionOf(groupId);
    if (partition === undefined) return undefined;
    return partition.errorCode === ERROR_CODES.NONE ? partition : partition.errorCode;
  }

  async join(groupId: string, request: JoinRequest): Promise<JoinOutcome> {
    const { memberId, sessionTimeoutMs } = request;
    if (groupId === '') return joinError(ERROR_CODES.INVALID_GROUP_ID, memberId);
    const { minSessionTimeoutMs, maxSessionTimeoutMs } = this.#services.config.settings.groups;
    if (sessionTimeoutMs < minSessionTimeoutMs || sessionTimeoutMs > maxSessionTimeoutMs) {
      return joinError(ERROR_CODES.INVALID_SESSION_TIMEOUT, memberId);
    }
    const partition = await this.#reach(groupId, true);
    if (typeof partition === 'number') return joinError(partition, memberId);
    const shard = partition?.machine;
    // A member that says to have an id must be of a group that is there.
    if (memberId !== '' && shard?.find(groupId) === undefined)
      return joinError(ERROR_CODES.UNKNOWN_MEMBER_ID, memberId);
    return present(shard, 'groups').joinable(groupId).join(request);
  }

  async sync(groupId: string, request: SyncRequest): Promise<SyncOutcome> {
    const protocol = await this.#protocol(groupId);
    return typeof protocol === 'number' ? syncError(protocol) : protocol.sync(request);
  }

  async heartbeat(groupId: string, claim: MemberClaim): Promise<number> {
    const protocol = await this.#protocol(groupId);
    // Kafka answers a heartbeat during a load with NONE, so that nobody leaves a group for that.
    if (protocol === ERROR_CODES.COORDINATOR_LOAD_IN_PROGRESS) return ERROR_CODES.NONE;
    return typeof protocol === 'number' ? protocol : protocol.heartbeat(claim);
  }

  async leave(groupId: string, members: readonly LeavingMember[]): Promise<number | readonly number[]> {
    const protocol = await this.#protocol(groupId);
    return typeof protocol === 'number' ? protocol : protocol.leave(members);
  }

  /** The classic protocol of the group that is there, or why none can be asked. */
  async #protocol(groupId: string): Promise<ClassicProtocol | number> {
    if (groupId === '') return ERROR_CODES.INVALID_GROUP_ID;
    const partition = await this.#reach(groupId, false);
    if (typeof partition === 'number') return partition;
    const entry = partition?.machine.find(groupId);
    if (partition === undefined || entry === undefined) return ERROR_CODES.UNKNOWN_MEMBER_ID;
    return partition.machine.protocolOf(entry);
  }

  async consumerHeartbeat(request: ConsumerHeartbeat, version: number): Promise<ConsumerHeartbeatOutcome> {
    const { groups } = this.#services.config.settings;
    const { groupId, memberEpoch } = request;
    if (!groups.consumerProtocol) {
      return refused(refuseMember('UNSUPPORTED_VERSION', 'The consumer group protocol is not enabled.'));
    }
    const refusal = requestRefusal(request, groups, version);
    if (refusal !== undefined) return refused(refusal);
    const partition = await this.#reach(groupId, memberEpoch === 0);
    if (typeof partition === 'number') return refused({ errorCode: partition, message: null });
    const shard = partition?.machine;
    if (shard === undefined) return refused(NOT_FOUND);
    const entry = shard.find(groupId);
    if (memberEpoch === LEAVE_EPOCH || memberEpoch === LEFT_STATIC_EPOCH) {
      return entry?.kind === 'consumer' ? shard.consumers.leave(entry.group, request) : refused(NOT_FOUND);
    }
    if (memberEpoch !== 0 && entry?.kind !== 'consumer') return refused(NOT_FOUND);
    const handle = shard.consumer(groupId);
    if (handle === undefined) return refused(NOT_FOUND);
    return 'errorCode' in handle ? refused(handle) : shard.consumers.heartbeat(handle, request);
  }

  /** The group as it is once everything written is durable; an error code where it cannot be asked. */
  async describe(groupId: string): Promise<{ readonly shard: GroupShard; readonly entry: GroupEntry } | number> {
    const partition = await this.#reach(groupId, false);
    if (typeof partition === 'number') return partition;
    const entry = partition?.machine.find(groupId);
    if (partition === undefined || entry === undefined) return ERROR_CODES.GROUP_ID_NOT_FOUND;
    return { shard: partition.machine, entry };
  }

  list(): { readonly entries: readonly GroupEntry[]; readonly errorCode: number } {
    let errorCode: number = ERROR_CODES.NONE;
    const entries: GroupEntry[] = [];
    for (const partition of this.#log.partitions ?? []) {
      if (partition.errorCode === ERROR_CODES.NONE) entries.push(...partition.machine.entries());
      else if (errorCode === ERROR_CODES.NONE) errorCode = partition.errorCode;
    }
    return { entries, errorCode };
  }

  async delete(groupId: string): Promise<number> {
    if (groupId === '') return ERROR_CODES.INVALID_GROUP_ID;
    const found = await this.describe(groupId);
    if (typeof found === 'number') return found;
    const refusal = found.shard.deletionRefusal(found.entry);
    return refusal === ERROR_CODES.NONE ? found.shard.remove(found.entry) : refusal;
  }

  /** What the log determines of every group, for comparing. */
  snapshot(): unknown {
    return this.#log.partitions?.map(({ machine }) => machine.snapshot());
  }
}

const NOT_FOUND: MemberRefusal = refuseMember('GROUP_ID_NOT_FOUND', 'There is no KIP-848 group of this id.');

/** The router's topics as groups see them. */
class RoutedTopics implements TopicDirectory {
  readonly #services: CoordinatorServices;
  version = 0;

  constructor(services: CoordinatorServices) {
    this.#services = services;
  }

  byName(name: string): TopicShape | undefined {
    return shapeOf(this.#services.router.topic(name));
  }

  byId(id: TopicShape['id']): TopicShape | undefined {
    return shapeOf(this.#services.router.topicById(id));
  }

  *all(): Generator<TopicShape> {
    for (const topic of this.#services.router.topics()) {
      yield { name: topic.name, id: topic.id, partitionCount: topic.partitions.length };
    }
  }
}

function shapeOf(topic: RoutedTopic | undefined): TopicShape | undefined {
  if (topic === undefined) return undefined;
  return { name: topic.name, id: topic.id, partitionCount: topic.partitions.length };
}
