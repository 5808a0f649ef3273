// Fetch (API key 1), versions 4 to 18.
//
// Behaviour: what the broker knows of every partition decides first, so that an idle long poll costs no trip to an
// owner; owners are asked only where there is something to read. Waits for minBytes or maxWaitMs, answers at once on
// any error; one batch comes whatever its size (KIP-74). No records are empty, never null (librdkafka takes length -1
// for malformed).
// Versions: 5 log start offset (KIP-207); 7 sessions (KIP-227); 9 leader epoch (KIP-320); 10 zstd (KIP-110); 11 preferred replica
// (KIP-392); 12 flexible, diverging epoch (KIP-595); 13 topic ids (KIP-516); 15 replica state (KIP-903); 16 endpoints
// (KIP-951); 17 directory id (KIP-853); 18 high watermark (KIP-1166).
// Read_committed readers stop at the last stable offset and are told which transactions were aborted; read_uncommitted
// ones get everything and are told nothing.
// Not here yet: followers, which are told that this is not their leader.

import { present } from '../../core/assert.ts';
import { type FetchedReads, type PartitionRead, type ReadReply, recordsOf } from '../../partition/commands.ts';
import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { fastFetch } from '../../protocol/fast/01-fetch.ts';
import { fetch } from '../../protocol/messages/01-fetch.ts';
import type { FetchScope, FetchTarget } from '../fetch-sessions.ts';
import { arrivedBytes } from '../fetch-waits.ts';
import type { Call, Handler } from '../handler.ts';
import { errorOfReply } from '../outcome-errors.ts';
import { fenceLeaderEpoch, type RoutedPartition } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { holdsZstd, ZSTD_FETCH_VERSION } from '../zstd-versions.ts';

type Request = RequestOf<typeof fetch>;
type Response = ResponseInput<typeof fetch>;
type TopicResponse = Response['responses'][number];
type PartitionResponse = TopicResponse['partitions'][number];

/** From this version on a topic is named by its id alone. */
const TOPIC_ID_VERSION = 13;
const READ_COMMITTED = 1;
const NO_RECORDS = new Uint8Array(0);
const NONE_ABORTED: readonly never[] = [];

export const fetchHandler: Handler<typeof fetch.request, typeof fetch.response> = {
  api: fetch,
  versions: fetch.versions,
  fast: fastFetch,
  handle(services, request, call) {
    const usesTopicIds = call.version >= TOPIC_ID_VERSION;
    const scope = services.fetchSessions.open(request, usesTopicIds);
    if (scope.errorCode !== ERROR_CODES.NONE) {
      return { errorCode: call.note(scope.errorCode), sessionId: scope.sessionId, responses: [] };
    }
    return new FetchRun(services, { request, call, scope }).complete();
  },
};

interface FetchSubject {
  readonly request: Request;
  readonly call: Call;
  readonly scope: FetchScope;
}

/** What has been found out about one target in this run. */
interface Finding {
  partition: RoutedPartition | undefined;
  errorCode: number;
  reply: ReadReply | undefined;
}

/** One fetch request under way. */
class FetchRun {
  readonly #services: BrokerServices;
  readonly #request: Request;
  readonly #call: Call;
  readonly #scope: FetchScope;
  readonly #findings: Finding[];
  readonly #end: PartitionRead['end'];
  readonly #maxBytes: number;
  readonly #minBytes: number;
  /** An error, or a log that departs from the reader's: the answer does not wait. */
  #urgent = false;
  #bytes = 0;
  /** The findings that the owners were asked about, in the order of the reads. */
  #asked: Finding[] = [];

  constructor(services: BrokerServices, { request, call, scope }: FetchSubject) {
    this.#services = services;
    this.#request = request;
    this.#call = call;
    this.#scope = scope;
    this.#findings = scope.targets.map(() => ({ partition: undefined, errorCode: 0, reply: undefined }));
    this.#end = request.isolationLevel === READ_COMMITTED ? 'last-stable' : 'high-watermark';
    this.#maxBytes = Math.max(0, Math.min(request.maxBytes, services.config.settings.fetchMaxBytes));
    this.#minBytes = Math.min(request.minBytes, this.#maxBytes);
  }

  /** Resolves with the answer when it is there, with undefined when nobody waits for it any more. */
  async complete(): Promise<Response | undefined> {
    const { maxWaitMs } = this.#request;
    const deadlineMs = this.#services.clock.monotonic() + maxWaitMs;
    for (let last = maxWaitMs <= 0; ; ) {
      const reading = this.#look();
      if (reading !== undefined) this.#take(await reading);
      if (last || this.#urgent || this.#findings.length === 0) return this.#response();
      const missing = this.#minBytes - this.#bytes;
      if (missing <= 0) return this.#response();
      const arrived = reading === undefined ? 0 : this.#arrivedSince();
      if (arrived >= missing) continue;
      const reason = await this.#services.fetchWaits.wait({
        connection: this.#call.connection,
        partitions: this.#findings.map(({ partition }) => present(partition, 'partition without an error')),
        bytes: missing - arrived,
        stable: this.#end === 'last-stable',
        deadlineMs,
      });
      if (reason === 'closed') return undefined;
      last = reason === 'deadline';
    }
  }

  /** Settles what needs no owner, and asks the owners for the rest; undefined where there is no rest. */
  #look(): Promise<FetchedReads> | undefined {
    const { targets } = this.#scope;
    let reads: PartitionRead[] | undefined;
    this.#bytes = 0;
    this.#asked = [];
    this.#call.release?.();
    this.#call.release = undefined;
    for (let index = 0; index < targets.length; index++) {
      const target = present(targets[index], 'target');
      const finding = present(this.#findings[index], 'finding');
      finding.reply = undefined;
      finding.partition = this.#route(target);
      finding.errorCode = this.#check(target, finding.partition);
      if (finding.errorCode !== ERROR_CODES.NONE) this.#urgent = true;
      else if (finding.partition !== undefined && this.#hasSomething(target, finding.partition)) {
        reads ??= [];
        reads.push(this.#readOf(target, finding.partition));
        this.#asked.push(finding);
      }
    }
    if (reads === undefined) return undefined;
    // Older requests may not get every codec: their records have to be looked at.
    const files = this.#call.connection.sendsFiles === true && this.#call.version >= ZSTD_FETCH_VERSION;
    return this.#services.executor.fetch({ maxBytes: this.#maxBytes, minOneBatch: true, reads, lends: true, files });
  }

  #route(target: FetchTarget): RoutedPartition | undefined {
    const known = target.routed;
    if (known !== undefined && !known.gone) return known;
    const { router } = this.#services;
    const byId = this.#call.version >= TOPIC_ID_VERSION;
    const topic = byId ? router.topicById(target.topicId) : router.topic(target.topicName);
    target.routed = topic?.partitions[target.index];
    return target.routed;
  }

  /** Kafka's error code where the mirrored state alone refuses the read, or 0. */
  #check(target: FetchTarget, partition: RoutedPartition | undefined): number {
    if (partition === undefined) return this.#unknown(target);
    const { state } = partition;
    if (state === undefined) return partition.unavailable;
    if (this.#isFollower()) return ERROR_CODES.NOT_LEADER_OR_FOLLOWER;
    const fenced = fenceLeaderEpoch(partition, target.currentLeaderEpoch);
    if (fenced !== ERROR_CODES.NONE) return fenced;
    // A reader with another history is told where it departs, not that its offset is out of range (KIP-595).
    if (mayDiverge(target, partition)) return ERROR_CODES.NONE;
    return target.fetchOffset < state.logStartOffset || target.fetchOffset > state.logEndOffset
      ? ERROR_CODES.OFFSET_OUT_OF_RANGE
      : ERROR_CODES.NONE;
  }

  #unknown(target: FetchTarget): number {
    const byId = this.#call.version >= TOPIC_ID_VERSION;
    const missingId = byId && this.#services.router.topicById(target.topicId) === undefined;
    return missingId ? ERROR_CODES.UNKNOWN_TOPIC_ID : ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
  }

  #isFollower(): boolean {
    return this.#request.replicaId >= 0 || this.#request.replicaState.replicaId >= 0;
  }

  #hasSomething(target: FetchTarget, partition: RoutedPartition): boolean {
    const state = present(partition.state, 'state of an open partition');
    const end = this.#end === 'last-stable' ? state.lastStableOffset : state.highWatermark;
    return target.fetchOffset < end || mayDiverge(target, partition);
  }

  #readOf(target: FetchTarget, partition: RoutedPartition): PartitionRead {
    return {
      handle: partition.handle,
      offset: target.fetchOffset,
      maxBytes: target.maxBytes,
      end: this.#end,
      currentLeaderEpoch: target.currentLeaderEpoch,
      lastFetchedEpoch: target.lastFetchedEpoch,
    };
  }

  /** Takes the owners' replies over; they stand in the order in which {@link #look} asked. */
  #take({ reads, release }: FetchedReads): void {
    this.#call.release = release;
    for (let index = 0; index < this.#asked.length; index++) {
      const finding = present(this.#asked[index], 'finding');
      const reply = present(reads[index], 'read reply');
      finding.reply = reply;
      finding.errorCode = errorOfReply(
        this.#services,
        present(finding.partition, 'partition that was read'),
        reply.outcome,
      );
      if (this.#call.version < ZSTD_FETCH_VERSION && holdsZstd(reply.records)) {
        finding.errorCode = ERROR_CODES.UNSUPPORTED_COMPRESSION_TYPE;
      }
      this.#bytes += recordsOf(reply).length;
      if (finding.errorCode !== ERROR_CODES.NONE || reply.divergingEpoch !== undefined) this.#urgent = true;
    }
  }

  /** Bytes that became visible between the owners' reading and now: no wait was there yet to count them. */
  #arrivedSince(): number {
    let bytes = 0;
    for (const { partition, reply } of this.#asked) {
      const before = reply?.state;
      const now = partition?.state;
      if (now === undefined || before === undefined) return this.#minBytes;
      bytes += arrivedBytes(before, now, this.#end === 'last-stable');
    }
    return bytes;
  }

  #response(): Response {
    const { targets, sessionId, incremental } = this.#scope;
    const responses: { topic: string; topicId: FetchTarget['topicId']; partitions: PartitionResponse[] }[] = [];
    const served: FetchTarget[] = [];
    let topic: (typeof responses)[number] | undefined;
    for (let index = 0; index < targets.length; index++) {
      const target = present(targets[index], 'target');
      const finding = present(this.#findings[index], 'finding');
      if (finding.reply !== undefined && recordsOf(finding.reply).length > 0) served.push(target);
      if (!tellsNews(target, finding) && incremental) continue;
      if (topic === undefined || topic.topic !== target.topicName || topic.topicId !== target.topicId) {
        topic = { topic: target.topicName, topicId: target.topicId, partitions: [] };
        responses.push(topic);
      }
      topic.partitions.push(this.#partitionResponse(target, finding));
    }
    if (incremental) this.#scope.rotate(served);
    return { sessionId, responses };
  }

  #partitionResponse(target: FetchTarget, { errorCode, reply, partition }: Finding): PartitionResponse {
    const state = reply?.state ?? partition?.state;
    const committed = this.#request.isolationLevel === READ_COMMITTED;
    const abortedTransactions = committed ? (reply?.abortedTransactions ?? NONE_ABORTED) : null;
    if (errorCode !== ERROR_CODES.NONE || state === undefined) {
      this.#call.note(errorCode);
      return { partitionIndex: target.index, errorCode, highWatermark: -1, abortedTransactions, records: NO_RECORDS };
    }
    const response = {
      partitionIndex: target.index,
      errorCode,
      highWatermark: state.highWatermark,
      lastStableOffset: state.lastStableOffset,
      logStartOffset: state.logStartOffset,
      abortedTransactions,
      records: reply === undefined ? NO_RECORDS : recordsOf(reply),
    };
    return reply?.divergingEpoch === undefined ? response : { ...response, divergingEpoch: reply.divergingEpoch };
  }
}

/** The reader has batches of another epoch than ours: only the log itself can say whether its history is ours. */
function mayDiverge(target: FetchTarget, partition: RoutedPartition): boolean {
  return target.lastFetchedEpoch >= 0 && target.lastFetchedEpoch !== partition.leaderEpoch;
}

/** Whether the session's client does not know this yet; remembers what it is told now. An error is told every time. */
function tellsNews(target: FetchTarget, { errorCode, reply, partition }: Finding): boolean {
  const state = reply?.state ?? partition?.state;
  if (errorCode !== ERROR_CODES.NONE || state === undefined) {
    target.toldHighWatermark = -1;
    return true;
  }
  const news =
    (reply !== undefined && (recordsOf(reply).length > 0 || reply.divergingEpoch !== undefined)) ||
    state.highWatermark !== target.toldHighWatermark ||
    state.logStartOffset !== target.toldLogStartOffset;
  target.toldHighWatermark = state.highWatermark;
  target.toldLogStartOffset = state.logStartOffset;
  return news;
}
