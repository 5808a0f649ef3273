// The groups of one partition of `__consumer_offsets`: the state that its records make, and the classic groups that
// live on top of it. What the log has said is in `stored` and `offsets`; members that come and go, and timers, are not.

import { present, unreachable } from '../../core/assert.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import type { RecordPlace, StateMachine } from '../coordinator-log-partition.ts';
import { ClassicGroup } from './classic-group.ts';
import { ClassicMembers } from './classic-members.ts';
import type { ClassicProtocol } from './classic-protocol.ts';
import { ClassicRebalance } from './classic-rebalance.ts';
import { CommittedOffsets, isExpired } from './committed-offsets.ts';
import type { MemberRefusal } from './consumer-checks.ts';
import { ConsumerGroup } from './consumer-group.ts';
import { type ConsumerGroupHandle, ConsumerGroups } from './consumer-groups.ts';
import { CONSUMER_PROTOCOL_TYPE } from './consumer-protocol.ts';
import type { GroupContext } from './group-context.ts';
import { downgradedGroup, upgradeRecords } from './group-migration.ts';
import type { ClassicGroupValue, GroupRecord } from './group-records.ts';

export interface ClassicEntry {
  readonly kind: 'classic';
  readonly group: ClassicGroup;
  readonly rebalance: ClassicRebalance;
}

export interface ConsumerEntry {
  readonly kind: 'consumer';
  readonly group: ConsumerGroup;
}

export type GroupEntry = ClassicEntry | ConsumerEntry;

export class GroupShard implements StateMachine<GroupRecord> {
  readonly context: GroupContext;
  readonly offsets = new CommittedOffsets();
  readonly consumers: ConsumerGroups;
  readonly #stored = new Map<string, ClassicGroupValue>();
  readonly #classic = new Map<string, ClassicEntry>();
  readonly #consumer = new Map<string, ConsumerEntry>();

  #unloaded = false;

  constructor(context: GroupContext) {
    this.context = {
      ...context,
      // What an earlier state still had in mind must not reach the log under the next one.
      write: (records, producer) =>
        this.#unloaded ? Promise.resolve(ERROR_CODES.NOT_COORDINATOR) : context.write(records, producer),
    };
    this.consumers = new ConsumerGroups(this.context, {
      find: (groupId) => this.#consumer.get(groupId)?.group,
      downgrade: (group, leaving) => this.#downgrade(group, leaving),
    });
  }

  apply(record: GroupRecord, place: RecordPlace): void {
    switch (record.kind) {
      case 'offset':
        this.offsets.apply(record, place);
        break;
      case 'classic-group':
        if (record.value === undefined) this.#stored.delete(record.group);
        else this.#stored.set(record.group, record.value);
        break;
      case 'group-epoch':
        if (record.value === undefined) this.#consumer.delete(record.group);
        else this.#consumerGroup(record.group).apply(record);
        break;
      case 'topics':
      case 'member':
      case 'target-epoch':
      case 'target':
      case 'current':
        // Where compaction has left the removal of a part behind that of the group, there is nothing to remove.
        if (record.value === undefined && !this.#consumer.has(record.group)) return;
        this.#consumerGroup(record.group).apply(record);
        break;
      default:
        unreachable(record);
    }
  }

  #consumerGroup(groupId: string): ConsumerGroup {
    let entry = this.#consumer.get(groupId);
    if (entry === undefined) {
      entry = { kind: 'consumer', group: new ConsumerGroup(groupId) };
      this.#consumer.set(groupId, entry);
    }
    return entry.group;
  }

  endTransaction(producerId: number, committed: boolean): void {
    this.offsets.endTransaction(producerId, committed);
  }

  loaded(): void {
    for (const [groupId, value] of this.#stored) this.#makeClassic(groupId).rebalance.restore(value);
    for (const { group } of this.#consumer.values()) this.consumers.restore(group);
  }

  unloaded(errorCode: number): void {
    this.#unloaded = true;
    for (const { rebalance } of this.#classic.values()) rebalance.dissolve(errorCode);
    this.#classic.clear();
    this.consumers.timers.forgetAll();
  }

  #makeClassic(groupId: string): ClassicEntry {
    const group = new ClassicGroup(groupId);
    const entry: ClassicEntry = { kind: 'classic', group, rebalance: new ClassicRebalance(group, this.context) };
    this.#classic.set(groupId, entry);
    return entry;
  }

  /** A group that has members, a record or offsets; undefined where there is none of them. */
  find(groupId: string): GroupEntry | undefined {
    const entry = this.#consumer.get(groupId) ?? this.#classic.get(groupId);
    if (entry !== undefined) return entry;
    return this.offsets.has(groupId) ? this.#makeClassic(groupId) : undefined;
  }

  /** The classic group, made where there is no group; undefined where a KIP-848 group with members has the id. */
  classic(groupId: string): ClassicEntry | undefined {
    const entry = this.find(groupId);
    if (entry?.kind === 'classic') return entry;
    if (entry !== undefined) {
      if (entry.group.members.size > 0) return undefined;
      // An empty group takes the type of whoever comes next; its offsets stay.
      void this.context.write(entry.group.removal());
    }
    return this.#makeClassic(groupId);
  }

  /** The classic protocol as the group serves it. */
  protocolOf(entry: GroupEntry): ClassicProtocol {
    return entry.kind === 'classic' ? entry.rebalance : new ClassicMembers(entry.group, this.consumers, this.context);
  }

  /** What a JoinGroup goes to: the group that is there, or a classic one made for it. */
  joinable(groupId: string): ClassicProtocol {
    const entry = this.classic(groupId) ?? this.find(groupId);
    return this.protocolOf(present(entry, 'group'));
  }

  /**
   * The KIP-848 group, to be made where there is none. A classic group with members becomes one, where the policy of the
   * migration and its members allow it; undefined where not, or what its members say speaks against it.
   */
  consumer(groupId: string): ConsumerGroupHandle | MemberRefusal | undefined {
    const entry = this.find(groupId);
    if (entry?.kind === 'consumer') return { group: entry.group, begin: () => undefined };
    if (entry === undefined || entry.group.members.size === 0) {
      // An empty group takes the type of whoever comes next; its offsets stay.
      const begin = (): undefined => {
        const records = entry === undefined ? [] : this.#removalOf(entry);
        if (records.length > 0) void this.context.write(records);
      };
      return { group: new ConsumerGroup(groupId), begin };
    }
    const { consumerUpgrade, consumerMaxSize } = this.context.settings();
    const { protocolType, members } = entry.group;
    if (!consumerUpgrade || protocolType !== CONSUMER_PROTOCOL_TYPE || members.size > consumerMaxSize) return undefined;
    const records = upgradeRecords(entry.group, this.context.topics);
    if (!Array.isArray(records)) return records;
    const group = new ConsumerGroup(groupId);
    for (const record of records) group.apply(record);
    return { group, begin: () => this.#upgrade(entry, records) };
  }

  /** The classic group goes on as what the records make; whoever waits in it is told to join again. */
  #upgrade(
    { group: { groupId }, rebalance }: ClassicEntry,
    records: readonly GroupRecord[],
  ): Promise<number> | undefined {
    const before: readonly GroupRecord[] = this.#stored.has(groupId)
      ? [{ kind: 'classic-group', group: groupId, value: undefined }]
      : [];
    const written = this.context.write([...before, ...records]);
    const upgraded = this.#consumer.get(groupId);
    if (upgraded === undefined) return written;
    rebalance.dissolve(ERROR_CODES.REBALANCE_IN_PROGRESS);
    this.#classic.delete(groupId);
    this.consumers.restore(upgraded.group);
    return undefined;
  }

  #downgrade(group: ConsumerGroup, leaving: ReadonlySet<string>): Promise<number> | undefined {
    const { groupId } = group;
    const { consumerDowngrade, maxSize } = this.context.settings();
    if (!consumerDowngrade || group.members.size - leaving.size > maxSize) return undefined;
    const downgraded = downgradedGroup(group, leaving, this.context);
    if (downgraded === undefined) return undefined;
    const { value, protocols } = downgraded;
    // Without anybody leaving, and with everybody where they are to be, there is nothing to assign anew.
    const rebalances = leaving.size > 0 || group.state !== 'Stable';
    const written = this.context.write([...group.removal(), { kind: 'classic-group', group: groupId, value }]);
    // What the log does not take has not happened.
    if (this.#consumer.has(groupId)) return undefined;
    this.consumers.timers.forgetGroup(groupId);
    const { rebalance } = this.#makeClassic(groupId);
    rebalance.restore(value, protocols);
    if (rebalances) rebalance.begin();
    return written;
  }

  *entries(): Generator<GroupEntry> {
    for (const groupId of this.offsets.groups()) this.find(groupId);
    yield* this.#classic.values();
    yield* this.#consumer.values();
  }

  /** Whether the group consumes the topic; where that cannot be told it is taken to. */
  isSubscribed(entry: GroupEntry, topic: string): boolean {
    if (entry.kind === 'consumer') return entry.group.topics.has(topic);
    if (entry.group.state === 'Empty') return false;
    return entry.group.subscribedTopics()?.has(topic) ?? true;
  }

  /** Kafka's error code where the group cannot be deleted, else NONE. */
  deletionRefusal(entry: GroupEntry | undefined): number {
    // Another request may have deleted it since it was looked up.
    if (entry === undefined || this.find(entry.group.groupId) !== entry) return ERROR_CODES.GROUP_ID_NOT_FOUND;
    const empty = entry.kind === 'consumer' ? entry.group.members.size === 0 : entry.group.isIdle;
    return empty ? ERROR_CODES.NONE : ERROR_CODES.NON_EMPTY_GROUP;
  }

  /** Removes an empty group with its offsets; resolves when that is durable. */
  remove(entry: GroupEntry): Promise<number> {
    const { groupId } = entry.group;
    const records: GroupRecord[] = this.offsets.removals(groupId);
    records.push(...this.#removalOf(entry));
    return this.context.write(records);
  }

  #removalOf(entry: GroupEntry): readonly GroupRecord[] {
    const { groupId } = entry.group;
    if (entry.kind === 'consumer') {
      this.consumers.timers.forgetGroup(groupId);
      return entry.group.removal();
    }
    entry.rebalance.dissolve(ERROR_CODES.GROUP_ID_NOT_FOUND);
    this.#classic.delete(groupId);
    return this.#stored.has(groupId) ? [{ kind: 'classic-group', group: groupId, value: undefined }] : [];
  }

  /** Drops offsets that have been kept long enough, and empty groups without offsets. */
  expire(): void {
    for (const entry of [...this.entries()]) {
      const records: GroupRecord[] = this.#expired(entry);
      const { groupId } = entry.group;
      const left = [...this.offsets.of(groupId).values()].reduce((sum, { size }) => sum + size, 0) - records.length;
      const done = left === 0 && !this.offsets.hasStaged(groupId);
      if (done && this.deletionRefusal(entry) === ERROR_CODES.NONE) records.push(...this.#removalOf(entry));
      if (records.length > 0) void this.context.write(records);
    }
  }

  #expired(entry: GroupEntry): GroupRecord[] {
    const { groupId } = entry.group;
    const condition = this.#expiry(entry);
    if (condition === undefined) return [];
    const { sinceMs } = condition;
    const { offsetsRetentionMs: retentionMs } = this.context.settings();
    const nowMs = this.context.clock.now();
    const records: GroupRecord[] = [];
    for (const [topic, partitions] of this.offsets.of(groupId)) {
      if (condition.consumed(topic)) continue;
      for (const [partition, offset] of partitions) {
        if (!isExpired(offset, { nowMs, sinceMs, retentionMs })) continue;
        // What a transaction has staged would go with the offset.
        if (this.offsets.isUnstable(groupId, topic, partition)) continue;
        records.push({ kind: 'offset', group: groupId, topic, partition, value: undefined });
      }
    }
    return records;
  }

  /** From when on the group's offsets age, and which topics keep theirs; undefined where none expire. */
  #expiry(
    entry: GroupEntry,
  ): { readonly sinceMs: number | undefined; readonly consumed: (topic: string) => boolean } | undefined {
    const consumed = (topic: string): boolean => this.isSubscribed(entry, topic);
    if (entry.kind === 'consumer') return { sinceMs: undefined, consumed };
    const { group } = entry;
    // Offsets of consumers without group management age from their commits.
    if (group.protocolType === null) return { sinceMs: undefined, consumed: () => false };
    if (group.state === 'Empty') {
      return { sinceMs: group.stateSinceMs < 0 ? undefined : group.stateSinceMs, consumed: () => false };
    }
    if (group.state === 'Stable' && group.protocolType === CONSUMER_PROTOCOL_TYPE) {
      return { sinceMs: undefined, consumed };
    }
    return undefined;
  }

  /** The topic is gone, and its offsets with it. */
  topicDeleted(topic: string): void {
    const records = [...this.offsets.groups()].flatMap((group) => this.offsets.removals(group, topic));
    if (records.length > 0) void this.context.write(records);
  }

  /** Everything that the log determines, for comparing. */
  snapshot(): unknown {
    const classic = [...this.#stored].sort(([one], [other]) => (one < other ? -1 : 1));
    const consumer = Array.from(this.#consumer.values(), ({ group }) => group.snapshot()).sort((one, other) =>
      JSON.stringify(one) < JSON.stringify(other) ? -1 : 1,
    );
    return { classic, consumer, offsets: this.offsets.snapshot() };
  }
}
