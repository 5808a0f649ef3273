// Metadata (API key 3), versions 0 to 13.
//
// Behaviour: the brokers, and the topics asked for: all of them, none, or those named (by id from 12). A topic that
// does not exist is created where request and broker allow it, and the answer waits until it can be used; internal
// topics are never made so. On one node this broker leads everything, and leader epochs are its starts.
// Versions: 0 no topics means all; 1 null means all; 2 cluster id; 4 allow auto-creation; 5 offline replicas;
// 7 leader epoch; 8 authorized operations (KIP-430); 9 flexible; 10 topic ids in the answer; 12 and in the request
// (KIP-516); 13 error code (KIP-1102).

import { PARTITIONS_PER_REQUEST_MAX } from '../../core/limits.ts';
import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { metadata } from '../../protocol/messages/03-metadata.ts';
import { type Uuid, ZERO_UUID } from '../../protocol/uuid.ts';
import { CLUSTER_OPERATIONS, NOT_ASKED, TOPIC_OPERATIONS } from '../authorized-operations.ts';
import { distinctBy } from '../duplicates.ts';
import type { Call, Handler } from '../handler.ts';
import type { RoutedPartition, RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { createTopic, isRefusal, planTopic } from '../topic-creation.ts';
import { isInternalTopic, topicNameObjection } from '../topic-names.ts';

type Request = RequestOf<typeof metadata>;
type Response = ResponseInput<typeof metadata>;
type TopicResponse = Response['topics'][number];

export const metadataHandler: Handler<typeof metadata.request, typeof metadata.response> = {
  api: metadata,
  versions: metadata.versions,
  async handle(services, request, call) {
    const { host, port } = services.advertised(call.connection);
    const topics = asksForAll(request, call) ? allTopics(services, request) : await namedTopics(services, request);
    for (const { errorCode } of topics) call.note(errorCode);
    return {
      brokers: [{ nodeId: services.metadata.nodeId, host, port }],
      clusterId: services.metadata.clusterId,
      controllerId: services.metadata.controllerId(),
      topics,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? CLUSTER_OPERATIONS : NOT_ASKED,
    };
  },
};

function asksForAll({ topics }: Request, { version }: Call): boolean {
  return topics === null || (version === 0 && topics.length === 0);
}

function allTopics(services: BrokerServices, request: Request): TopicResponse[] {
  return Array.from(services.router.topics(), (topic) => topicResponse(topic, request));
}

async function namedTopics(services: BrokerServices, request: Request): Promise<TopicResponse[]> {
  const topics = distinctBy(request.topics ?? [], ({ topicId, name }) =>
    topicId === ZERO_UUID ? `/${name}` : topicId,
  );
  const creating = new Map<string, Promise<number>>();
  for (const { topicId, name } of topics) {
    if (topicId === ZERO_UUID && name !== null && !creating.has(name)) {
      const created = create(services, request, { name, position: creating.size });
      if (created !== undefined) creating.set(name, created);
    }
  }
  const responses: TopicResponse[] = [];
  for (const { topicId, name } of topics) {
    if (topicId !== ZERO_UUID) responses.push(byId(services, request, topicId));
    else responses.push(byName(services, request, { name, created: await creating.get(name ?? '') }));
  }
  return responses;
}

/** Creates a topic on first use where that is allowed; resolves with Kafka's error code, or 0. */
function create(
  services: BrokerServices,
  request: Request,
  { name, position }: { readonly name: string; readonly position: number },
): Promise<number> | undefined {
  const topic = services.router.topic(name);
  if (topic !== undefined) return services.topics.settled(name).then(() => ERROR_CODES.NONE);
  const { autoCreateTopics, numPartitions } = services.config.settings;
  if (!request.allowAutoTopicCreation || !autoCreateTopics || isInternalTopic(name)) return undefined;
  if ((position + 1) * numPartitions > PARTITIONS_PER_REQUEST_MAX) return undefined;
  const plan = planTopic(services, { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [] });
  if (isRefusal(plan)) return Promise.resolve(plan.errorCode);
  return createTopic(services, plan).then((made) => (isRefusal(made) ? made.errorCode : ERROR_CODES.NONE));
}

function byId(services: BrokerServices, request: Request, topicId: Uuid): TopicResponse {
  const topic = services.router.topicById(topicId);
  if (topic !== undefined) return topicResponse(topic, request);
  return { errorCode: ERROR_CODES.UNKNOWN_TOPIC_ID, name: null, topicId, partitions: [] };
}

function byName(
  services: BrokerServices,
  request: Request,
  { name, created }: { readonly name: string | null; readonly created: number | undefined },
): TopicResponse {
  const topic = name === null ? undefined : services.router.topic(name);
  if (topic !== undefined) return topicResponse(topic, request);
  const invalid = name === null || topicNameObjection(name) !== undefined;
  const errorCode = invalid ? ERROR_CODES.INVALID_TOPIC_EXCEPTION : absence(created);
  return { errorCode, name: name ?? '', isInternal: isInternalTopic(name ?? ''), partitions: [] };
}

/** A topic that another request made and yet another deleted meanwhile is simply not there. */
function absence(created: number | undefined): number {
  if (created === undefined || created === ERROR_CODES.NONE || created === ERROR_CODES.TOPIC_ALREADY_EXISTS) {
    return ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
  }
  return created;
}

function topicResponse(topic: RoutedTopic, request: Request): TopicResponse {
  return {
    errorCode: ERROR_CODES.NONE,
    name: topic.name,
    topicId: topic.id,
    isInternal: isInternalTopic(topic.name),
    partitions: topic.partitions.map(partitionResponse),
    topicAuthorizedOperations: request.includeTopicAuthorizedOperations ? TOPIC_OPERATIONS : NOT_ASKED,
  };
}

function partitionResponse(partition: RoutedPartition): TopicResponse['partitions'][number] {
  const record = partition.topic.record.partitions[partition.index];
  const replicas = record?.replicas ?? [];
  const offline = partition.fault !== undefined;
  const serves = partition.state !== undefined;
  return {
    // An offline partition keeps its leader in no client's eyes: they wait and look again.
    errorCode: serves ? ERROR_CODES.NONE : ERROR_CODES.LEADER_NOT_AVAILABLE,
    partitionIndex: partition.index,
    leaderId: serves ? (record?.leader ?? -1) : -1,
    leaderEpoch: partition.leaderEpoch,
    replicaNodes: replicas,
    isrNodes: record?.inSyncReplicas ?? [],
    offlineReplicas: offline ? replicas : [],
  };
}
