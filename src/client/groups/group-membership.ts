// A member of a KIP-848 group: joins, sends heartbeats, takes and gives up partitions as the coordinator says, commits,
// leaves. Which records are read is the owner's business; it is told of partitions by `assign`.

import { LogFault } from '../../core/fault.ts';
import type { TimerHandle } from '../../core/platform.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { consumerGroupHeartbeat } from '../../protocol/messages/68-consumer-group-heartbeat.ts';
import type { Decoded } from '../../protocol/schema.ts';
import { type Uuid, uuidFromBytes } from '../../protocol/uuid.ts';
import type { Cluster } from '../cluster.ts';
import type { TopicPartition } from '../record.ts';
import { commitOffsets, isRefusal, type OffsetToCommit } from './committed-offsets.ts';
import { CoordinatorLink } from './coordinator-link.ts';

const LEAVE_EPOCH = -1;
const FIRST_INTERVAL_MS = 1000;
const ID_WORDS = 4;
/** How often a commit is tried again under the epoch that has come. */
const STALE_RETRIES = 5;

export interface Subscription {
  /** Names of topics. */
  readonly topics?: readonly string[];
  /** An expression for names of topics, in the syntax of RE2; it must match the whole name. */
  readonly pattern?: string;
}

export interface MembershipOptions {
  readonly cluster: Cluster;
  readonly groupId: string;
  readonly use: string;
  /** How long the member may take to give partitions up, in milliseconds. */
  readonly rebalanceTimeoutMs: number;
  /** How often processed offsets are committed; 0 for never. */
  readonly autoCommitIntervalMs: number;
  /** These partitions are the member's from now on; it resolves when they are. */
  readonly assign: (partitions: readonly TopicPartition[]) => Promise<void>;
  /** What has been processed and may be committed. */
  readonly processed: () => readonly OffsetToCommit[];
  /** The member cannot go on: iteration is to throw this. */
  readonly failed: (error: unknown) => void;
}

type Answer = Decoded<typeof consumerGroupHeartbeat.response>;

export class GroupMembership {
  readonly #options: MembershipOptions;
  readonly #link: CoordinatorLink;
  readonly #memberId: string;
  #subscription: Subscription = {};
  #epoch = 0;
  /** What was told last, by topic id; what is owned follows it. */
  #owned: readonly { readonly topicId: Uuid; readonly partitions: readonly number[] }[] = [];
  #partitions: readonly TopicPartition[] = [];
  #intervalMs = FIRST_INTERVAL_MS;
  #timer: TimerHandle | undefined;
  #beating: Promise<void> | undefined;
  #committed = new Map<string, number>();
  #commitDueMs = 0;
  #closed = false;

  readonly #end = (): void => {
    this.#closed = true;
    this.#timer?.cancel();
    this.#options.cluster.closing.removeEventListener('abort', this.#end);
  };

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { cluster, groupId, use } = options;
    this.#link = new CoordinatorLink(cluster, groupId, { use: `${use}-group` });
    const { random } = cluster.options;
    const id = new Uint8Array(ID_WORDS * 4);
    const view = new DataView(id.buffer);
    for (let word = 0; word < ID_WORDS; word++) view.setUint32(word * 4, random.uint32());
    this.#memberId = uuidFromBytes(id);
    // A client that is closed under its member has no heartbeats: the group learns it by its silence.
    cluster.closing.addEventListener('abort', this.#end);
  }

  get link(): CoordinatorLink {
    return this.#link;
  }

  /** Joins, or tells the group of another subscription. Resolves when the coordinator has answered. */
  async subscribe(subscription: Subscription): Promise<void> {
    this.#subscription = subscription;
    this.#timer?.cancel();
    await this.#beating;
    await this.#beat();
  }

  /** Commits as the member that it is. */
  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    for (let left = STALE_RETRIES; ; left--) {
      try {
        return await this.#commit(offsets);
      } catch (error) {
        if (left === 0 || !isRefusal(error, 'STALE_MEMBER_EPOCH')) throw error;
      }
      // The epoch has moved on meanwhile; the next heartbeat tells where to.
      await (this.#beating ?? this.#beat());
    }
  }

  async #commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const changed = offsets.filter(
      ({ topic, partition, offset }) => this.#committed.get(`${topic}/${partition}`) !== offset,
    );
    await commitOffsets(this.#link, changed, { memberId: this.#memberId, memberEpoch: this.#epoch });
    for (const { topic, partition, offset } of changed) this.#committed.set(`${topic}/${partition}`, offset);
  }

  /** Leaves; its partitions go to others at once. */
  async leave(): Promise<void> {
    if (this.#closed) return;
    this.#end();
    await this.#beating;
    if (this.#epoch <= 0) return;
    const body = { ...this.#head(), memberEpoch: LEAVE_EPOCH };
    // A coordinator that does not know it any more has nothing to be told.
    await this.#link.request(consumerGroupHeartbeat, body, () => ERROR_CODES.NONE).catch(() => undefined);
  }

  #head(): { groupId: string; memberId: string; memberEpoch: number } {
    return { groupId: this.#options.groupId, memberId: this.#memberId, memberEpoch: this.#epoch };
  }

  #beat(): Promise<void> {
    this.#beating = this.#beatOnce()
      .catch((error: unknown) => this.#options.failed(error))
      .finally(() => {
        this.#beating = undefined;
        if (!this.#closed) this.#schedule();
      });
    return this.#beating;
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = this.#options.cluster.options.clock.schedule(this.#intervalMs, () => {
      if (this.#beating === undefined) void this.#beat();
    });
  }

  async #beatOnce(): Promise<void> {
    await this.#autoCommit();
    // What was taken away is told at once, so that whoever waits for it can have it.
    for (let again = true; again && !this.#closed; ) again = await this.#exchange();
  }

  /** One heartbeat; true where what is owned has changed and the coordinator should know. */
  async #exchange(): Promise<boolean> {
    const { topics = [], pattern } = this.#subscription;
    const body = {
      ...this.#head(),
      rebalanceTimeoutMs: this.#options.rebalanceTimeoutMs,
      subscribedTopicNames: topics,
      ...(pattern === undefined ? {} : { subscribedTopicRegex: pattern }),
      topicPartitions: this.#owned,
    };
    let answer: Answer;
    try {
      answer = await this.#link.request(consumerGroupHeartbeat, body, ({ errorCode }) => errorCode);
    } catch (error) {
      if (!isRefusal(error, 'FENCED_MEMBER_EPOCH', 'UNKNOWN_MEMBER_ID', 'GROUP_ID_NOT_FOUND')) throw error;
      if (this.#epoch === 0) throw error;
      await this.#rejoin();
      return true;
    }
    this.#epoch = answer.memberEpoch;
    this.#intervalMs = answer.heartbeatIntervalMs;
    return answer.assignment === null ? false : this.#own(answer.assignment.topicPartitions);
  }

  /** The group has gone on without it: it has nothing, and joins anew. */
  async #rejoin(): Promise<void> {
    this.#epoch = 0;
    this.#owned = [];
    this.#partitions = [];
    this.#committed.clear();
    await this.#options.assign([]);
  }

  async #own(told: NonNullable<Answer['assignment']>['topicPartitions']): Promise<boolean> {
    if (JSON.stringify(told) === JSON.stringify(this.#owned)) return false;
    const names = new Map((await this.#options.cluster.describe()).topics.map((topic) => [topic.topicId, topic.name]));
    const partitions = told.flatMap(({ topicId, partitions: indexes }) => {
      const topic = names.get(topicId);
      return topic === undefined ? [] : indexes.map((partition) => ({ topic, partition }));
    });
    const key = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;
    const kept = new Set(partitions.map(key));
    const isRevoking = this.#partitions.some((place) => !kept.has(key(place)));
    // What was processed of partitions that go away is on record before anybody else reads them.
    if (isRevoking) await this.#commitProcessed();
    await this.#options.assign(partitions);
    for (const name of [...this.#committed.keys()]) if (!kept.has(name)) this.#committed.delete(name);
    this.#owned = told;
    this.#partitions = partitions;
    return isRevoking;
  }

  async #autoCommit(): Promise<void> {
    const { clock } = this.#options.cluster.options;
    const now = clock.monotonic();
    if (this.#epoch === 0 || now < this.#commitDueMs) return;
    this.#commitDueMs = now + this.#options.autoCommitIntervalMs;
    await this.#commitProcessed();
  }

  async #commitProcessed(): Promise<void> {
    if (this.#options.autoCommitIntervalMs === 0) return;
    try {
      await this.#commit(this.#options.processed());
    } catch (error) {
      // A member that is behind or out learns it from its next heartbeat; its records will be read again.
      if (!isRefusal(error, 'STALE_MEMBER_EPOCH', 'UNKNOWN_MEMBER_ID', 'GROUP_ID_NOT_FOUND')) throw error;
    }
  }
}

/** What a consumer without a group is told. */
export function noGroup(): LogFault {
  return new LogFault('ERR_USAGE', 'the consumer has no group: make it with `groupId`');
}
