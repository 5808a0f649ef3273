// CreatePartitions (API key 37), versions 0 to 3.
//
// Behaviour: grows topics; each is judged alone and echoed. The answer comes when the new partitions are open.
// Versions: 2 flexible; 3 throttling as its own error (KIP-599), which never happens here.

import { PARTITIONS_PER_REQUEST_MAX } from '../../core/limits.ts';
import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { createPartitions } from '../../protocol/messages/37-create-partitions.ts';
import { repeatedKeys } from '../duplicates.ts';
import type { Handler } from '../handler.ts';
import type { RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { type Refusal, replicaRefusal, tooMany } from '../topic-creation.ts';
import { isInternalTopic } from '../topic-names.ts';

type Wish = RequestOf<typeof createPartitions>['topics'][number];
type Result = ResponseInput<typeof createPartitions>['results'][number];

const DUPLICATE: Refusal = { errorCode: ERROR_CODES.INVALID_REQUEST, message: 'Duplicate topic name.' };
const UNKNOWN: Refusal = {
  errorCode: ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION,
  message: 'This server does not host this topic-partition.',
};

export const createPartitionsHandler: Handler<typeof createPartitions.request, typeof createPartitions.response> = {
  api: createPartitions,
  versions: createPartitions.versions,
  async handle(services, request, call) {
    const repeated = repeatedKeys(request.topics, ({ name }) => name);
    const distinct = new Map(request.topics.map((wish): [string, Wish] => [wish.name, wish]));
    const results = await Promise.all(
      Array.from(distinct.values(), async (wish): Promise<Result> => {
        const refused = repeated.has(wish.name) ? DUPLICATE : await grow(services, wish, request.validateOnly);
        if (refused === undefined) return { name: wish.name, errorCode: ERROR_CODES.NONE };
        return { name: wish.name, errorCode: call.note(refused.errorCode), errorMessage: refused.message };
      }),
    );
    return { results };
  },
};

/** What is kept there is found by the number of partitions. */
const INTERNAL: Refusal = {
  errorCode: ERROR_CODES.INVALID_TOPIC_EXCEPTION,
  message: 'The partitions of an internal topic are fixed when it is made.',
};

async function grow(services: BrokerServices, wish: Wish, validateOnly: boolean): Promise<Refusal | undefined> {
  const topic = services.router.topic(wish.name);
  if (topic === undefined) return UNKNOWN;
  if (isInternalTopic(wish.name)) return INTERNAL;
  const refused = countRefusal(topic, wish) ?? assignmentRefusal(services, topic, wish);
  if (refused !== undefined || validateOnly) return refused;
  const { id, revision } = topic.record;
  const result = await services.metadata.commit([{ kind: 'add-partitions', id, revision, partitionCount: wish.count }]);
  if (result.outcome === 'failed') return { errorCode: ERROR_CODES.KAFKA_STORAGE_ERROR, message: result.fault.message };
  // The topic changed under the request: judge it again as it is now.
  if (result.outcome === 'conflict') return grow(services, wish, validateOnly);
  await services.topics.settled(wish.name);
  return undefined;
}

function countRefusal({ record }: RoutedTopic, { count }: Wish): Refusal | undefined {
  const current = record.partitions.length;
  const errorCode = ERROR_CODES.INVALID_PARTITIONS;
  if (count === current) return { errorCode, message: `Topic already has ${current} partition(s).` };
  if (count < current) {
    return {
      errorCode,
      message: `The topic currently has ${current} partition(s); ${count} would not be an increase.`,
    };
  }
  return count - current > PARTITIONS_PER_REQUEST_MAX ? tooMany(count - current) : undefined;
}

function assignmentRefusal(services: BrokerServices, { record }: RoutedTopic, wish: Wish): Refusal | undefined {
  const { assignments, count } = wish;
  if (assignments === null) return undefined;
  const added = count - record.partitions.length;
  if (assignments.length !== added) {
    return {
      errorCode: ERROR_CODES.INVALID_REPLICA_ASSIGNMENT,
      message: `${added} partition(s) would be added, but ${assignments.length} assignment(s) were given.`,
    };
  }
  for (const { brokerIds } of assignments) {
    const refused = replicaRefusal(brokerIds, services.metadata.nodeId);
    if (refused !== undefined) return refused;
  }
  return undefined;
}
