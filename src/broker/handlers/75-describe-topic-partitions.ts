// DescribeTopicPartitions (API key 75), version 0, flexible from the first (KIP-966).
//
// Behaviour: the partitions of the topics named, or of all, in the order of the names, up to the number that the request
// and max.request.partition.size.limit allow; where there are more, the cursor says with which the next request begins.
// A topic that comes before the cursor's is passed over, and the cursor's own has to be among those named. A topic that
// does not exist takes nothing of the number; it is told where it was named, and left out where all were asked for.
// Not implemented: eligible leader replicas, of which a partition with one replica never has any.

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { describeTopicPartitions } from '../../protocol/messages/75-describe-topic-partitions.ts';
import { ZERO_UUID } from '../../protocol/uuid.ts';
import { TOPIC_OPERATIONS } from '../authorized-operations.ts';
import type { Handler } from '../handler.ts';
import type { RoutedPartition, RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { isInternalTopic, topicNameObjection } from '../topic-names.ts';

type Request = RequestOf<typeof describeTopicPartitions>;
type Response = ResponseInput<typeof describeTopicPartitions>;
type TopicResponse = Response['topics'][number];

export const describeTopicPartitionsHandler: Handler<
  typeof describeTopicPartitions.request,
  typeof describeTopicPartitions.response
> = {
  api: describeTopicPartitions,
  versions: describeTopicPartitions.versions,
  handle(services, request, call) {
    const names = namesFrom(services, request);
    const response = names === undefined ? refused(request) : page(services, request, names);
    for (const { errorCode } of response.topics) call.note(errorCode);
    return response;
  },
};

/** The topics from the cursor on, sorted; undefined for a cursor that does not fit. */
function namesFrom({ router }: BrokerServices, { topics, cursor }: Request): readonly string[] | undefined {
  const all = topics.length === 0;
  const asked = new Set(Array.from(all ? router.topics() : topics, ({ name }) => name));
  if (cursor !== null) {
    // The topic may have been deleted since the last page: that is an error only where the client still names topics.
    if (cursor.partitionIndex < 0 || (!all && !asked.has(cursor.topicName))) return undefined;
  }
  const first = cursor?.topicName ?? '';
  // Kafka's order is that of UTF-16 code units, as is that of JavaScript.
  return [...asked].filter((name) => name >= first).sort();
}

function refused({ topics }: Request): Response {
  const names = new Set(topics.map(({ name }) => name));
  return {
    topics: Array.from(names, (name) => ({
      errorCode: ERROR_CODES.INVALID_REQUEST,
      name,
      topicId: ZERO_UUID,
      partitions: [],
    })),
  };
}

function page(services: BrokerServices, { topics, cursor, responsePartitionLimit }: Request, names: readonly string[]) {
  const { requestPartitionsMax } = services.config.settings;
  let left = Math.max(Math.min(requestPartitionsMax, responsePartitionLimit), 1);
  const told: TopicResponse[] = [];
  for (const name of names) {
    if (left === 0) return { topics: told, nextCursor: { topicName: name, partitionIndex: 0 } };
    const topic = services.router.topic(name);
    if (topic === undefined) {
      if (topics.length > 0) told.push(absent(name));
      continue;
    }
    const first = name === cursor?.topicName ? cursor.partitionIndex : 0;
    const end = Math.min(first + left, topic.partitions.length);
    const partitions = topic.partitions.slice(first, end);
    told.push(topicResponse(topic, partitions));
    if (end < topic.partitions.length) return { topics: told, nextCursor: { topicName: name, partitionIndex: end } };
    left -= partitions.length;
  }
  return { topics: told, nextCursor: null };
}

function absent(name: string): TopicResponse {
  const isInvalid = topicNameObjection(name) !== undefined;
  return {
    errorCode: isInvalid ? ERROR_CODES.INVALID_TOPIC_EXCEPTION : ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION,
    name,
    topicId: ZERO_UUID,
    isInternal: isInternalTopic(name),
    partitions: [],
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

function topicResponse(topic: RoutedTopic, partitions: readonly RoutedPartition[]): TopicResponse {
  return {
    errorCode: ERROR_CODES.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: partitions.map(partitionResponse),
    topicAuthorizedOperations: TOPIC_OPERATIONS,
  };
}

/** A partition that cannot serve has no leader; unlike Metadata, this API has no error for it. */
function partitionResponse(partition: RoutedPartition): TopicResponse['partitions'][number] {
  const record = partition.topic.record.partitions[partition.index];
  const replicas = record?.replicas ?? [];
  return {
    errorCode: ERROR_CODES.NONE,
    partitionIndex: partition.index,
    leaderId: partition.state === undefined ? -1 : (record?.leader ?? -1),
    leaderEpoch: partition.leaderEpoch,
    replicaNodes: replicas,
    isrNodes: record?.inSyncReplicas ?? [],
    eligibleLeaderReplicas: [],
    lastKnownElr: [],
    offlineReplicas: partition.fault === undefined ? [] : replicas,
  };
}
