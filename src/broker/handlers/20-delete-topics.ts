// DeleteTopics (API key 20), versions 1 to 6.
//
// Behaviour: the topic is gone from the metadata first, then its partitions; the answer comes when both are. Each
// topic is judged alone.
// Versions: 3 TOPIC_DELETION_DISABLED; 4 flexible; 5 error message; 6 topic ids (KIP-516).

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { deleteTopics } from '../../protocol/messages/20-delete-topics.ts';
import { type Uuid, ZERO_UUID } from '../../protocol/uuid.ts';
import { repeatedKeys } from '../duplicates.ts';
import type { Call, Handler } from '../handler.ts';
import type { RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { isInternalTopic } from '../topic-names.ts';

type TopicResponse = ResponseInput<typeof deleteTopics>['responses'][number];

/** A topic by name, by id, or (refused) by both or neither. */
interface Named {
  readonly name: string | null;
  readonly topicId: Uuid;
}

const DELETION_DISABLED_VERSION = 3;

export const deleteTopicsHandler: Handler<typeof deleteTopics.request, typeof deleteTopics.response> = {
  api: deleteTopics,
  versions: deleteTopics.versions,
  async handle(services, request, call) {
    const named = namedTopics(request);
    const repeated = repeatedKeys(named, (each) => keyOf(services, each));
    const distinct = new Map(named.map((each): [string, Named] => [keyOf(services, each), each]));
    const responses = await Promise.all(
      Array.from(distinct, ([key, each]) => remove(services, call, { ...each, repeated: repeated.has(key) })),
    );
    for (const { errorCode } of responses) call.note(errorCode);
    return { responses };
  },
};

function namedTopics({ topics, topicNames }: RequestOf<typeof deleteTopics>): readonly Named[] {
  return topics.length > 0 ? topics : topicNames.map((name) => ({ name, topicId: ZERO_UUID }));
}

/** One topic has one key, whether it is named or given by its id. */
function keyOf({ router }: BrokerServices, { name, topicId }: Named): string {
  return name ?? router.topicById(topicId)?.name ?? `/${topicId}`;
}

async function remove(
  services: BrokerServices,
  { version }: Call,
  named: Named & { readonly repeated: boolean },
): Promise<TopicResponse> {
  const { name, topicId } = named;
  const refuse = (errorCode: number, errorMessage: string): TopicResponse => ({
    name,
    topicId,
    errorCode,
    errorMessage,
  });
  if ((name === null) === (topicId === ZERO_UUID)) {
    return refuse(ERROR_CODES.INVALID_REQUEST, 'A topic is given by its name or by its id.');
  }
  if (named.repeated) return refuse(ERROR_CODES.INVALID_REQUEST, 'The topic is given more than once.');
  if (!services.config.settings.deleteTopics) {
    const disabled = version >= DELETION_DISABLED_VERSION;
    const code = disabled ? ERROR_CODES.TOPIC_DELETION_DISABLED : ERROR_CODES.INVALID_REQUEST;
    return refuse(code, 'Topic deletion is disabled (delete.topic.enable).');
  }
  const topic = name === null ? services.router.topicById(topicId) : services.router.topic(name);
  if (topic !== undefined && isInternalTopic(topic.name)) {
    return refuse(ERROR_CODES.INVALID_TOPIC_EXCEPTION, `Topic '${topic.name}' is internal: the broker works with it.`);
  }
  if (topic !== undefined) return removeTopic(services, topic);
  return name === null
    ? refuse(ERROR_CODES.UNKNOWN_TOPIC_ID, 'This server does not host this topic ID.')
    : refuse(ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION, 'This server does not host this topic-partition.');
}

async function removeTopic(services: BrokerServices, { name, id }: RoutedTopic): Promise<TopicResponse> {
  const result = await services.metadata.commit([{ kind: 'delete-topic', id }]);
  const answer = { name, topicId: id };
  if (result.outcome === 'failed') {
    return { ...answer, errorCode: ERROR_CODES.KAFKA_STORAGE_ERROR, errorMessage: result.fault.message };
  }
  if (result.outcome === 'conflict') return { ...answer, errorCode: ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION };
  await services.topics.settled(name);
  return { ...answer, errorCode: ERROR_CODES.NONE };
}
