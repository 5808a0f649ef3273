// Fetch by hand: requests of consumers, which say nothing in tagged fields, and responses without news of leaders and of
// diverging logs. The table is messages/01-fetch.ts.

import { FileRange } from '../../core/file-range.ts';
import type { RequestOf, ResponseInput } from '../api.ts';
import type { FastCodec } from '../fast-codec.ts';
import { fetch } from '../messages/01-fetch.ts';
import { readLength, writeLength } from '../primitive-types.ts';
import type { Reader } from '../reader.ts';
import { ZERO_UUID } from '../uuid.ts';
import type { Writer } from '../writer.ts';

type Request = RequestOf<typeof fetch>;
type Topic = Request['topics'][number];
type Partition = Topic['partitions'][number];
type Forgotten = Request['forgottenTopicsData'][number];
type Response = ResponseInput<typeof fetch>;
type TopicResponse = Response['responses'][number];
type PartitionResponse = TopicResponse['partitions'][number];

const START_OFFSET_VERSION = 5;
const SESSION_VERSION = 7;
const LEADER_EPOCH_VERSION = 9;
const RACK_VERSION = 11;
const FETCHED_EPOCH_VERSION = 12;
const TOPIC_ID_VERSION = 13;
const REPLICA_STATE_VERSION = 15;
/** The least that a topic takes: a name or an id, the length of an array. */
const TOPIC_BYTES_MIN = 2;
/** The least that a partition takes: an index, an offset, a size. */
const PARTITION_BYTES_MIN = 16;
const INDEX_BYTES = 4;
const NO_REPLICA: Request['replicaState'] = Object.freeze({ replicaId: -1, replicaEpoch: -1 });
const NOTHING_FORGOTTEN: readonly Forgotten[] = Object.freeze([]);

export const fastFetch: FastCodec<typeof fetch.request, typeof fetch.response> = {
  readRequest(reader, version) {
    const flexible = version >= fetch.flexibleFrom;
    const replicaId = version < REPLICA_STATE_VERSION ? reader.int32() : -1;
    const maxWaitMs = reader.int32();
    const minBytes = reader.int32();
    const maxBytes = reader.int32();
    const isolationLevel = reader.int8();
    const sessionId = version >= SESSION_VERSION ? reader.int32() : 0;
    const sessionEpoch = version >= SESSION_VERSION ? reader.int32() : -1;
    const topics = readTopics(reader, version);
    const forgottenTopicsData = version >= SESSION_VERSION ? readForgotten(reader, version) : NOTHING_FORGOTTEN;
    if (topics === undefined || forgottenTopicsData === undefined) return undefined;
    const rackId = version >= RACK_VERSION ? reader.text(flexible ? reader.compactLength() : reader.int16Length()) : '';
    if (flexible && reader.uvarint() !== 0) return undefined;
    return {
      clusterId: null,
      replicaId,
      replicaState: NO_REPLICA,
      maxWaitMs,
      minBytes,
      maxBytes,
      isolationLevel,
      sessionId,
      sessionEpoch,
      topics,
      forgottenTopicsData,
      rackId,
    };
  },

  writeResponse(writer, response, version) {
    if (!isPlain(response, version)) return false;
    const flexible = version >= fetch.flexibleFrom;
    writer.int32(response.throttleTimeMs ?? 0);
    if (version >= SESSION_VERSION) {
      writer.int16(response.errorCode ?? 0);
      writer.int32(response.sessionId ?? 0);
    }
    writeLength(writer, response.responses.length, flexible);
    for (const topic of response.responses) writeTopic(writer, topic, version);
    if (flexible) writer.uvarint(0);
    return true;
  },
};

function readTopics(reader: Reader, version: number): Topic[] | undefined {
  const flexible = version >= fetch.flexibleFrom;
  const byId = version >= TOPIC_ID_VERSION;
  const topics: Topic[] = [];
  for (let left = reader.elements(readLength(reader, flexible), TOPIC_BYTES_MIN); left > 0; left--) {
    const topic = byId ? '' : reader.text(flexible ? reader.compactLength() : reader.int16Length());
    const topicId = byId ? reader.uuid() : ZERO_UUID;
    const partitions: Partition[] = [];
    for (let more = reader.elements(readLength(reader, flexible), PARTITION_BYTES_MIN); more > 0; more--) {
      const partition = readPartition(reader, version);
      if (partition === undefined) return undefined;
      partitions.push(partition);
    }
    if (flexible) reader.skipTaggedFields();
    topics.push({ topic, topicId, partitions });
  }
  return topics;
}

function readPartition(reader: Reader, version: number): Partition | undefined {
  const partition = reader.int32();
  const currentLeaderEpoch = version >= LEADER_EPOCH_VERSION ? reader.int32() : -1;
  const fetchOffset = reader.int64();
  const lastFetchedEpoch = version >= FETCHED_EPOCH_VERSION ? reader.int32() : -1;
  const logStartOffset = version >= START_OFFSET_VERSION ? reader.int64() : -1;
  const partitionMaxBytes = reader.int32();
  if (version >= fetch.flexibleFrom && reader.uvarint() !== 0) return undefined;
  return {
    partition,
    currentLeaderEpoch,
    fetchOffset,
    lastFetchedEpoch,
    logStartOffset,
    partitionMaxBytes,
    replicaDirectoryId: ZERO_UUID,
    highWatermark: Number.MAX_SAFE_INTEGER,
  };
}

function readForgotten(reader: Reader, version: number): Forgotten[] {
  const flexible = version >= fetch.flexibleFrom;
  const byId = version >= TOPIC_ID_VERSION;
  const forgotten: Forgotten[] = [];
  for (let left = reader.elements(readLength(reader, flexible), TOPIC_BYTES_MIN); left > 0; left--) {
    const topic = byId ? '' : reader.text(flexible ? reader.compactLength() : reader.int16Length());
    const topicId = byId ? reader.uuid() : ZERO_UUID;
    const partitions: number[] = [];
    for (let more = reader.elements(readLength(reader, flexible), INDEX_BYTES); more > 0; more--) {
      partitions.push(reader.int32());
    }
    if (flexible) reader.skipTaggedFields();
    forgotten.push({ topic, topicId, partitions });
  }
  return forgotten;
}

function isPlain({ responses, nodeEndpoints, sessionId }: Response, version: number): boolean {
  if (nodeEndpoints !== undefined) return false;
  // The versions before sessions cannot say one, and whether that matters is for the table to say.
  if (version < SESSION_VERSION && sessionId !== undefined && sessionId !== 0) return false;
  for (const { partitions } of responses) for (const each of partitions) if (!isPlainPartition(each)) return false;
  return true;
}

function isPlainPartition(partition: PartitionResponse): boolean {
  const { divergingEpoch, currentLeader, snapshotId, preferredReadReplica, records } = partition;
  return (
    divergingEpoch === undefined &&
    currentLeader === undefined &&
    snapshotId === undefined &&
    preferredReadReplica === undefined &&
    (records === null || records instanceof Uint8Array || records instanceof FileRange)
  );
}

function writeTopic(writer: Writer, topic: TopicResponse, version: number): void {
  const flexible = version >= fetch.flexibleFrom;
  if (version >= TOPIC_ID_VERSION) writer.uuid(topic.topicId ?? ZERO_UUID);
  else writer.text(topic.topic ?? '', flexible);
  writeLength(writer, topic.partitions.length, flexible);
  for (const partition of topic.partitions) writePartition(writer, partition, version);
  if (flexible) writer.uvarint(0);
}

function writePartition(writer: Writer, partition: PartitionResponse, version: number): void {
  const flexible = version >= fetch.flexibleFrom;
  writer.int32(partition.partitionIndex);
  writer.int16(partition.errorCode);
  writer.int64(partition.highWatermark);
  writer.int64(partition.lastStableOffset ?? -1);
  if (version >= START_OFFSET_VERSION) writer.int64(partition.logStartOffset ?? -1);
  writeAborted(writer, partition.abortedTransactions, flexible);
  if (version >= RACK_VERSION) writer.int32(-1);
  writeRecords(writer, partition.records, flexible);
  if (flexible) writer.uvarint(0);
}

function writeAborted(writer: Writer, aborted: PartitionResponse['abortedTransactions'], flexible: boolean): void {
  if (aborted === null) {
    writeLength(writer, -1, flexible);
    return;
  }
  writeLength(writer, aborted.length, flexible);
  for (const { producerId, firstOffset } of aborted) {
    writer.int64(producerId);
    writer.int64(firstOffset);
    if (flexible) writer.uvarint(0);
  }
}

function writeRecords(writer: Writer, records: PartitionResponse['records'], flexible: boolean): void {
  if (records instanceof FileRange) {
    writeLength(writer, records.length, flexible);
    writer.file(records);
  } else if (records instanceof Uint8Array) {
    writeLength(writer, records.length, flexible);
    writer.raw(records);
  } else {
    writeLength(writer, -1, flexible);
  }
}
