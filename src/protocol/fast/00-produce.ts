// Produce by hand: any request, and responses in which every partition tells no more than where its records went or
// which error stopped them. The table is messages/00-produce.ts.

import type { RequestOf, ResponseInput } from '../api.ts';
import type { FastCodec } from '../fast-codec.ts';
import { produce } from '../messages/00-produce.ts';
import { readLength, writeLength } from '../primitive-types.ts';
import type { Reader } from '../reader.ts';
import { ZERO_UUID } from '../uuid.ts';
import type { Writer } from '../writer.ts';
import { readNullableText, writeNullableText } from './nullable-text.ts';

type Request = RequestOf<typeof produce>;
type TopicData = Request['topicData'][number];
type PartitionData = TopicData['partitionData'][number];
type Response = ResponseInput<typeof produce>;
type TopicResponse = Response['responses'][number];
type PartitionResponse = TopicResponse['partitionResponses'][number];

const START_OFFSET_VERSION = 5;
const RECORD_ERRORS_VERSION = 8;
const TOPIC_ID_VERSION = 13;
/** The least that a topic takes: a name or an id, the length of an array. */
const TOPIC_BYTES_MIN = 2;
/** The least that a partition takes: an index, the length of its records. */
const PARTITION_BYTES_MIN = 5;

export const fastProduce: FastCodec<typeof produce.request, typeof produce.response> = {
  readRequest(reader, version) {
    const flexible = version >= produce.flexibleFrom;
    const transactionalId = readNullableText(reader, flexible);
    const acks = reader.int16();
    const timeoutMs = reader.int32();
    const topicData: TopicData[] = [];
    for (let left = reader.elements(readLength(reader, flexible), TOPIC_BYTES_MIN); left > 0; left--) {
      topicData.push(readTopic(reader, version, flexible));
    }
    if (flexible) reader.skipTaggedFields();
    return { transactionalId, acks, timeoutMs, topicData };
  },

  writeResponse(writer, response, version) {
    if (!isPlain(response)) return false;
    const flexible = version >= produce.flexibleFrom;
    writeLength(writer, response.responses.length, flexible);
    for (const topic of response.responses) writeTopic(writer, topic, version);
    writer.int32(response.throttleTimeMs ?? 0);
    if (flexible) writer.uvarint(0);
    return true;
  },
};

function readTopic(reader: Reader, version: number, flexible: boolean): TopicData {
  const byId = version >= TOPIC_ID_VERSION;
  const name = byId ? '' : reader.text(flexible ? reader.compactLength() : reader.int16Length());
  const topicId = byId ? reader.uuid() : ZERO_UUID;
  const partitionData: PartitionData[] = [];
  for (let left = reader.elements(readLength(reader, flexible), PARTITION_BYTES_MIN); left > 0; left--) {
    const index = reader.int32();
    const length = readLength(reader, flexible);
    const records = length < 0 ? null : reader.view(length);
    if (flexible) reader.skipTaggedFields();
    partitionData.push({ index, records });
  }
  if (flexible) reader.skipTaggedFields();
  return { name, topicId, partitionData };
}

function isPlain({ responses, nodeEndpoints }: Response): boolean {
  if (nodeEndpoints !== undefined) return false;
  for (const { partitionResponses } of responses) {
    for (const { recordErrors, currentLeader } of partitionResponses) {
      if (recordErrors !== undefined || currentLeader !== undefined) return false;
    }
  }
  return true;
}

function writeTopic(writer: Writer, topic: TopicResponse, version: number): void {
  const flexible = version >= produce.flexibleFrom;
  if (version >= TOPIC_ID_VERSION) writer.uuid(topic.topicId ?? ZERO_UUID);
  else writer.text(topic.name ?? '', flexible);
  writeLength(writer, topic.partitionResponses.length, flexible);
  for (const partition of topic.partitionResponses) writePartition(writer, partition, version);
  if (flexible) writer.uvarint(0);
}

function writePartition(writer: Writer, partition: PartitionResponse, version: number): void {
  const flexible = version >= produce.flexibleFrom;
  writer.int32(partition.index);
  writer.int16(partition.errorCode);
  writer.int64(partition.baseOffset);
  writer.int64(partition.logAppendTimeMs ?? -1);
  if (version >= START_OFFSET_VERSION) writer.int64(partition.logStartOffset ?? -1);
  if (version >= RECORD_ERRORS_VERSION) {
    writeLength(writer, 0, flexible);
    writeNullableText(writer, partition.errorMessage ?? null, flexible);
  }
  if (flexible) writer.uvarint(0);
}
