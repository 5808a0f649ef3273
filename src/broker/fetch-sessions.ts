// Incremental fetch sessions (KIP-227): which partitions a client is fetching and what it was last told of each, so
// that requests and responses carry only differences. The cache is bounded; it reads no records.

import { FETCH_SESSION_BYTES_MAX } from '../core/limits.ts';
import type { Clock, Random } from '../core/platform.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { type Uuid, ZERO_UUID } from '../protocol/uuid.ts';
import type { RoutedPartition } from './router.ts';

/** The epoch that begins a session, or a full fetch without one. */
const EPOCH_INITIAL = 0;
/** The epoch that ends a session. */
const EPOCH_FINAL = -1;
const EPOCH_MAX = 0x7fffffff;
/** A partition in a session, without the name of its topic. */
const TARGET_BYTES = 300;
/** A session not used for this long gives way to any new one (Kafka's min.incremental.fetch.session.eviction.ms). */
const EVICTION_MS = 120_000;

/** One partition of a fetch: where the reader is, and what it was last told. */
export interface FetchTarget {
  /** Empty where the request names topics by id. */
  readonly topicName: string;
  /** Zero where the request names topics by name. */
  readonly topicId: Uuid;
  readonly index: number;
  fetchOffset: number;
  maxBytes: number;
  currentLeaderEpoch: number;
  lastFetchedEpoch: number;
  /** What the session's last response said; -1 so that the next one says it again. */
  toldHighWatermark: number;
  toldLogStartOffset: number;
  /** The partition found last time; checked before it is used again. */
  routed: RoutedPartition | undefined;
}

interface RequestPartition {
  readonly partition: number;
  readonly currentLeaderEpoch: number;
  readonly fetchOffset: number;
  readonly lastFetchedEpoch: number;
  readonly partitionMaxBytes: number;
}

interface RequestTopic {
  readonly topic: string;
  readonly topicId: Uuid;
}

/** The part of a fetch request that sessions are about. */
export interface FetchSessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly topics: readonly (RequestTopic & { readonly partitions: readonly RequestPartition[] })[];
  readonly forgottenTopicsData: readonly (RequestTopic & { readonly partitions: readonly number[] })[];
}

class FetchSession {
  readonly id: number;
  readonly usesTopicIds: boolean;
  readonly createdMs: number;
  readonly targets: Map<string, FetchTarget>;
  lastUsedMs: number;
  weight = 0;
  /** The epoch that the next request must carry. */
  epoch = 1;

  constructor(id: number, usesTopicIds: boolean, nowMs: number) {
    this.id = id;
    this.usesTopicIds = usesTopicIds;
    this.createdMs = nowMs;
    this.lastUsedMs = nowMs;
    this.targets = new Map();
  }
}

/** What one fetch request is about. */
export interface FetchScope {
  /** Kafka's error code of the whole request, or 0. */
  readonly errorCode: number;
  /** 0 where there is no session. */
  readonly sessionId: number;
  readonly targets: readonly FetchTarget[];
  /** Whether unchanged partitions are left out of the response. */
  readonly incremental: boolean;
  /** Puts partitions that gave records behind the others, so that a small budget reaches all of them in turn. */
  rotate(served: readonly FetchTarget[]): void;
}

const NO_TARGETS: readonly FetchTarget[] = [];

function scope(targets: readonly FetchTarget[], sessionId: number, errorCode = 0): FetchScope {
  return { errorCode, sessionId, targets, incremental: false, rotate: () => {} };
}

/** Bytes that a target takes, roughly: the name is there twice, once in the key. */
function weightOf(topicName: string): number {
  return TARGET_BYTES + 2 * topicName.length;
}

function keyOf({ topic, topicId }: RequestTopic, index: number): string {
  return topicId === ZERO_UUID ? `${index}/${topic}` : `${index}:${topicId}`;
}

function keyOfTarget({ topicName, topicId, index }: FetchTarget): string {
  return keyOf({ topic: topicName, topicId }, index);
}

function targetOf(topic: RequestTopic, partition: RequestPartition): FetchTarget {
  return {
    topicName: topic.topic,
    topicId: topic.topicId,
    index: partition.partition,
    fetchOffset: partition.fetchOffset,
    maxBytes: Math.max(0, partition.partitionMaxBytes),
    currentLeaderEpoch: partition.currentLeaderEpoch,
    lastFetchedEpoch: partition.lastFetchedEpoch,
    toldHighWatermark: -1,
    toldLogStartOffset: -1,
    routed: undefined,
  };
}

function targetsOf({ topics }: FetchSessionRequest): FetchTarget[] {
  const targets: FetchTarget[] = [];
  for (const topic of topics) for (const partition of topic.partitions) targets.push(targetOf(topic, partition));
  return targets;
}

export interface FetchSessionsOptions {
  readonly slots: () => number;
  readonly clock: Clock;
  readonly random: Random;
}

export class FetchSessions {
  readonly #options: FetchSessionsOptions;
  /** In the order of their last use. */
  readonly #sessions = new Map<number, FetchSession>();
  #weight = 0;

  constructor(options: FetchSessionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Finds out what a request fetches: everything it names, or what its session has with the differences applied. */
  open(request: FetchSessionRequest, usesTopicIds: boolean): FetchScope {
    const { sessionEpoch, sessionId } = request;
    if (sessionEpoch === EPOCH_FINAL || sessionEpoch === EPOCH_INITIAL) {
      if (sessionId !== 0) this.#end(sessionId);
      const targets = targetsOf(request);
      if (sessionEpoch === EPOCH_FINAL || targets.length === 0) return scope(targets, 0);
      return scope(targets, this.#begin(targets, usesTopicIds));
    }
    return this.#continue(request, usesTopicIds);
  }

  /** Begins a session and returns its id, or 0 where the cache has no place for it. */
  #begin(targets: readonly FetchTarget[], usesTopicIds: boolean): number {
    if (!this.#makeRoom(targets.length)) return 0;
    const weight = targets.reduce((sum, target) => sum + weightOf(target.topicName), 0);
    if (this.#weight + weight > FETCH_SESSION_BYTES_MAX) return 0;
    const session = new FetchSession(this.#newId(), usesTopicIds, this.#options.clock.monotonic());
    for (const target of targets) session.targets.set(keyOfTarget(target), target);
    this.#sessions.set(session.id, session);
    this.#weigh(session, weight);
    return session.id;
  }

  /** Forgets a session; true, for those who ask for room. */
  #end(id: number): true {
    const session = this.#sessions.get(id);
    if (session !== undefined) this.#weigh(session, -session.weight);
    this.#sessions.delete(id);
    return true;
  }

  #weigh(session: FetchSession, change: number): void {
    session.weight += change;
    this.#weight += change;
  }

  #newId(): number {
    for (;;) {
      const id = this.#options.random.uint32() >>> 1;
      if (id !== 0 && !this.#sessions.has(id)) return id;
    }
  }

  /** A stale session gives way to any new one; an old smaller one gives way to a larger one, which saves more. */
  #makeRoom(targets: number): boolean {
    const slots = this.#options.slots();
    if (slots <= 0) return false;
    if (this.#sessions.size < slots) return true;
    const now = this.#options.clock.monotonic();
    const [oldest] = this.#sessions.values();
    if (oldest !== undefined && now - oldest.lastUsedMs > EVICTION_MS) return this.#end(oldest.id);
    let smallest: FetchSession | undefined;
    for (const session of this.#sessions.values()) {
      if (now - session.createdMs <= EVICTION_MS) continue;
      if (smallest === undefined || session.targets.size < smallest.targets.size) smallest = session;
    }
    if (smallest === undefined || smallest.targets.size >= targets) return false;
    return this.#end(smallest.id);
  }

  #continue(request: FetchSessionRequest, usesTopicIds: boolean): FetchScope {
    const session = this.#sessions.get(request.sessionId);
    if (session === undefined) return scope(NO_TARGETS, 0, ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND);
    if (session.epoch !== request.sessionEpoch) {
      return scope(NO_TARGETS, session.id, ERROR_CODES.INVALID_FETCH_SESSION_EPOCH);
    }
    if (session.usesTopicIds !== usesTopicIds) {
      return scope(NO_TARGETS, session.id, ERROR_CODES.FETCH_SESSION_TOPIC_ID_ERROR);
    }
    this.#update(session, request);
    if (session.targets.size === 0) {
      this.#end(session.id);
      return scope(NO_TARGETS, 0);
    }
    this.#touch(session);
    // One that grows beyond what the cache holds is served once more; its client then begins anew.
    if (this.#weight > FETCH_SESSION_BYTES_MAX) this.#end(session.id);
    return {
      errorCode: ERROR_CODES.NONE,
      sessionId: session.id,
      targets: [...session.targets.values()],
      incremental: true,
      rotate: (served) => rotate(session, served),
    };
  }

  #touch(session: FetchSession): void {
    session.epoch = session.epoch === EPOCH_MAX ? 1 : session.epoch + 1;
    session.lastUsedMs = this.#options.clock.monotonic();
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
  }

  #update(session: FetchSession, request: FetchSessionRequest): void {
    const { targets } = session;
    for (const topic of request.topics) {
      for (const partition of topic.partitions) {
        const key = keyOf(topic, partition.partition);
        const known = targets.get(key);
        if (known === undefined) {
          targets.set(key, targetOf(topic, partition));
          this.#weigh(session, weightOf(topic.topic));
          continue;
        }
        known.fetchOffset = partition.fetchOffset;
        known.maxBytes = Math.max(0, partition.partitionMaxBytes);
        known.currentLeaderEpoch = partition.currentLeaderEpoch;
        known.lastFetchedEpoch = partition.lastFetchedEpoch;
      }
    }
    for (const topic of request.forgottenTopicsData) {
      for (const index of topic.partitions) {
        if (targets.delete(keyOf(topic, index))) this.#weigh(session, -weightOf(topic.topic));
      }
    }
  }
}

function rotate({ targets }: FetchSession, served: readonly FetchTarget[]): void {
  if (served.length === targets.size) return;
  for (const target of served) {
    const key = keyOfTarget(target);
    if (targets.delete(key)) targets.set(key, target);
  }
}
