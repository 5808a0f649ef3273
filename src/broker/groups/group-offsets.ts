// Committing, staging, fetching and deleting offsets: who may, and what is answered. The offsets themselves are in
// committed-offsets.ts.

import type { Clock } from '../../core/platform.ts';
import type { BatchProducer } from '../../core/record-batch-codec.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import type { CoordinatorLogPartition } from '../coordinator-log-partition.ts';
import { commitRefusal, type MemberClaim } from './classic-checks.ts';
import type { CommittedOffset } from './committed-offsets.ts';
import { consumerCommitRefusal, consumerFetchRefusal, consumerStageRefusal } from './consumer-checks.ts';
import type { GroupSettings } from './group-context.ts';
import type { GroupRecord, OffsetRecord } from './group-records.ts';
import type { GroupEntry, GroupShard } from './group-shard.ts';

type GroupPartition = CoordinatorLogPartition<GroupRecord, GroupShard>;

export interface GroupOffsetsOptions {
  /** See GroupCoordinator. */
  readonly reach: (groupId: string, creates: boolean) => Promise<GroupPartition | number | undefined>;
  readonly clock: Clock;
  readonly settings: () => GroupSettings;
}

export interface OffsetToCommit {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string | null;
  /** What already speaks against it: an unknown topic, say. NONE for nothing. */
  readonly errorCode: number;
}

export interface CommitRequest extends MemberClaim {
  readonly groupId: string;
  readonly offsets: readonly OffsetToCommit[];
}

export interface FetchedOffset {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly errorCode: number;
}

export type FetchedOffsets = ReadonlyMap<string, ReadonlyMap<number, FetchedOffset>>;

export interface OffsetQuery {
  readonly groupId: string;
  /** Who asks, where a member of a KIP-848 group proves that it is one (version 9). */
  readonly memberId: string | null;
  readonly memberEpoch: number;
  /** Partitions by topic; undefined for all that have a committed offset. */
  readonly topics: ReadonlyMap<string, readonly number[]> | undefined;
  readonly requireStable: boolean;
}

const NOT_COMMITTED: FetchedOffset = { offset: -1, leaderEpoch: -1, metadata: '', errorCode: ERROR_CODES.NONE };
const UNSTABLE: FetchedOffset = { ...NOT_COMMITTED, errorCode: ERROR_CODES.UNSTABLE_OFFSET_COMMIT };
/** From this version of OffsetCommit on an absent group has its own error. */
const ABSENT_GROUP_VERSION = 9;

export class GroupOffsets {
  readonly #options: GroupOffsetsOptions;

  constructor(options: GroupOffsetsOptions) {
    this.#options = options;
  }

  /** Commits for a member, or for somebody outside any generation. An error code for each offset, in order. */
  async commit(
    request: CommitRequest,
    { version, retentionMs }: { readonly version: number; readonly retentionMs: number },
  ): Promise<readonly number[]> {
    const partition = await this.#options.reach(request.groupId, true);
    const refusal =
      typeof partition === 'object' ? this.#commitRefusal(partition.machine, request, version) : unreached(partition);
    if (typeof partition !== 'object' || refusal !== ERROR_CODES.NONE) return request.offsets.map(() => refusal);
    // A retention beyond all time is for ever, and the sum must still be a number that a record can carry.
    const expireTimestamp =
      retentionMs === -1 ? -1 : Math.min(this.#options.clock.now() + retentionMs, Number.MAX_SAFE_INTEGER);
    return this.#write(partition, request, { expireTimestamp });
  }

  #commitRefusal(shard: GroupShard, request: CommitRequest, version: number): number {
    const entry = shard.find(request.groupId);
    if (entry === undefined) {
      if (request.generationId < 0) return ERROR_CODES.NONE;
      return version >= ABSENT_GROUP_VERSION ? ERROR_CODES.GROUP_ID_NOT_FOUND : ERROR_CODES.ILLEGAL_GENERATION;
    }
    if (entry.kind === 'consumer') {
      const claim = { ...request, memberEpoch: request.generationId };
      return this.#heardOf(shard, request, consumerCommitRefusal(entry.group, claim, version));
    }
    return this.#heardOf(shard, request, commitRefusal(entry.group, request, false));
  }

  /** In the classic protocol a commit is a sign of life. */
  #heardOf(shard: GroupShard, { groupId, memberId }: CommitRequest, refusal: number): number {
    const entry = shard.find(groupId);
    if (refusal === ERROR_CODES.NONE && entry !== undefined) shard.protocolOf(entry).touch(memberId);
    return refusal;
  }

  /**
   * Stages offsets in the transaction of a producer: nobody sees them until its marker is in this partition of the log.
   * An error code for each, in order. `standing` says, at the very moment of the write, whether the transaction may still
   * have them: what is staged behind its marker would hang.
   */
  async stage(
    request: CommitRequest,
    producer: BatchProducer,
    standing: () => number = () => ERROR_CODES.NONE,
  ): Promise<readonly number[]> {
    const partition = await this.#options.reach(request.groupId, true);
    const refusal =
      typeof partition === 'object' ? standing() || stageRefusal(partition.machine, request) : unreached(partition);
    if (typeof partition !== 'object' || refusal !== ERROR_CODES.NONE) return request.offsets.map(() => refusal);
    return this.#write(partition, request, { expireTimestamp: -1, producer });
  }

  async #write(
    partition: GroupPartition,
    { groupId: group, offsets }: CommitRequest,
    { expireTimestamp, producer }: { readonly expireTimestamp: number; readonly producer?: BatchProducer },
  ): Promise<readonly number[]> {
    const { offsetMetadataMaxBytes } = this.#options.settings();
    const commitTimestamp = this.#options.clock.now();
    const refusals = offsets.map(({ errorCode, metadata }) => {
      if (errorCode !== ERROR_CODES.NONE) return errorCode;
      const tooLong = (metadata?.length ?? 0) > offsetMetadataMaxBytes;
      return tooLong ? ERROR_CODES.OFFSET_METADATA_TOO_LARGE : ERROR_CODES.NONE;
    });
    const records = offsets
      .filter((_, index) => refusals[index] === ERROR_CODES.NONE)
      .map(({ topic, partition: index, offset, leaderEpoch, metadata }): OffsetRecord => {
        const value = { offset, leaderEpoch, metadata: metadata ?? '', commitTimestamp, expireTimestamp };
        return { kind: 'offset', group, topic, partition: index, value };
      });
    if (records.length === 0) return refusals;
    const written = await partition.write(records, producer);
    const code = written === ERROR_CODES.RECORD_LIST_TOO_LARGE ? ERROR_CODES.INVALID_COMMIT_OFFSET_SIZE : written;
    return refusals.map((refusal) => (refusal === ERROR_CODES.NONE ? code : refusal));
  }

  /** The committed offsets asked for, -1 where there is none; an error code where the group cannot be asked. */
  async fetch(query: OffsetQuery): Promise<FetchedOffsets | number> {
    const partition = await this.#options.reach(query.groupId, false);
    if (typeof partition === 'number') return partition;
    if (partition === undefined) return notCommitted(query);
    const { machine } = partition;
    const entry = machine.find(query.groupId);
    const refusal = entry?.kind === 'consumer' ? consumerFetchRefusal(entry.group, query) : absence(entry, query);
    if (refusal !== ERROR_CODES.NONE) return refusal;
    const fetched = read(machine, query);
    // What was read may not be on disk yet; nobody may see an offset that a crash takes back.
    const errorCode = (await partition.durable()) ?? ERROR_CODES.NONE;
    return errorCode === ERROR_CODES.NONE ? fetched : errorCode;
  }

  /** Deletes offsets of topics that the group does not consume. One error code, or one for each partition in order. */
  async delete(
    groupId: string,
    partitions: readonly { readonly topic: string; readonly partition: number }[],
  ): Promise<number | readonly number[]> {
    if (groupId === '') return ERROR_CODES.INVALID_GROUP_ID;
    const reached = await this.#options.reach(groupId, false);
    if (typeof reached === 'number') return reached;
    const entry = reached?.machine.find(groupId);
    if (reached === undefined || entry === undefined) return ERROR_CODES.GROUP_ID_NOT_FOUND;
    const { machine } = reached;
    if (entry.kind === 'classic' && !mayLoseOffsets(entry)) return ERROR_CODES.NON_EMPTY_GROUP;
    const results = partitions.map(({ topic }) =>
      machine.isSubscribed(entry, topic) ? ERROR_CODES.GROUP_SUBSCRIBED_TO_TOPIC : ERROR_CODES.NONE,
    );
    const records = partitions
      .filter((_, index) => results[index] === ERROR_CODES.NONE)
      .filter(({ topic, partition }) => hasOffset(machine, groupId, { topic, partition }))
      .map((each): OffsetRecord => ({ kind: 'offset', group: groupId, ...each, value: undefined }));
    const written = await reached.write(records);
    return written === ERROR_CODES.NONE ? results : written;
  }
}

function unreached(partition: number | undefined): number {
  return partition ?? ERROR_CODES.COORDINATOR_NOT_AVAILABLE;
}

function stageRefusal(shard: GroupShard, request: CommitRequest): number {
  const entry = shard.find(request.groupId);
  if (entry === undefined) return request.generationId < 0 ? ERROR_CODES.NONE : ERROR_CODES.ILLEGAL_GENERATION;
  if (entry.kind === 'consumer') {
    return consumerStageRefusal(entry.group, { ...request, memberEpoch: request.generationId });
  }
  return commitRefusal(entry.group, request, true);
}

/** A member of a KIP-848 group that is gone is told so; anybody else finds no offsets. */
function absence(entry: GroupEntry | undefined, { memberId, memberEpoch }: OffsetQuery): number {
  const claims = memberId !== null && memberEpoch >= 0;
  return entry === undefined && claims ? ERROR_CODES.UNKNOWN_MEMBER_ID : ERROR_CODES.NONE;
}

function notCommitted({ topics }: OffsetQuery): FetchedOffsets {
  const fetched = new Map<string, ReadonlyMap<number, FetchedOffset>>();
  for (const [topic, indexes] of topics ?? []) {
    fetched.set(topic, new Map(indexes.map((index) => [index, NOT_COMMITTED])));
  }
  return fetched;
}

function read({ offsets }: GroupShard, query: OffsetQuery): FetchedOffsets {
  const { groupId, requireStable } = query;
  const fetched = new Map<string, Map<number, FetchedOffset>>();
  for (const [topic, indexes] of query.topics ?? all(offsets.of(groupId))) {
    const partitions = new Map<number, FetchedOffset>();
    for (const index of indexes) {
      const unstable = requireStable && offsets.isUnstable(groupId, topic, index);
      partitions.set(index, unstable ? UNSTABLE : toFetched(offsets.get(groupId, topic, index)));
    }
    fetched.set(topic, partitions);
  }
  return fetched;
}

function all(
  topics: ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>,
): ReadonlyMap<string, readonly number[]> {
  return new Map(Array.from(topics, ([topic, partitions]) => [topic, [...partitions.keys()]]));
}

function toFetched(committed: CommittedOffset | undefined): FetchedOffset {
  if (committed === undefined) return NOT_COMMITTED;
  const { offset, leaderEpoch, metadata } = committed;
  return { offset, leaderEpoch, metadata, errorCode: ERROR_CODES.NONE };
}

/** A group with members keeps its offsets, unless it says which topics it consumes. */
function mayLoseOffsets({ group }: GroupEntry & { readonly kind: 'classic' }): boolean {
  return group.state === 'Empty' || group.protocolType === 'consumer';
}

function hasOffset(
  { offsets }: GroupShard,
  groupId: string,
  { topic, partition }: { readonly topic: string; readonly partition: number },
): boolean {
  return offsets.get(groupId, topic, partition) !== undefined || offsets.isUnstable(groupId, topic, partition);
}
