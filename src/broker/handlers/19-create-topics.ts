// CreateTopics (API key 19), versions 2 to 7.
//
// Behaviour: each topic is judged alone, so valid ones come into being beside invalid ones; the answer comes when the
// partitions are open. One broker holds one replica. timeoutMs does not matter: nothing here waits for other brokers.
// Versions: 4 defaults for partitions and replicas (KIP-464); 5 flexible, and the configuration made (KIP-525);
// 7 topic ids (KIP-516).

import { PARTITIONS_PER_REQUEST_MAX } from '../../core/limits.ts';
import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { createTopics } from '../../protocol/messages/19-create-topics.ts';
import { ZERO_UUID } from '../../protocol/uuid.ts';
import { CONFIG_SOURCES } from '../config/broker-config.ts';
import { TOPIC_CONFIGS } from '../config/topic-configs.ts';
import { repeatedKeys } from '../duplicates.ts';
import type { Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';
import { createTopic, isRefusal, planTopic, type Refusal, type TopicPlan, tooMany } from '../topic-creation.ts';

type Response = ResponseInput<typeof createTopics>;
type TopicResponse = Response['topics'][number];
type Topic = RequestOf<typeof createTopics>['topics'][number];

export const createTopicsHandler: Handler<typeof createTopics.request, typeof createTopics.response> = {
  api: createTopics,
  versions: createTopics.versions,
  async handle(services, request, call) {
    const repeated = repeatedKeys(request.topics, ({ name }) => name);
    const distinct = new Map(request.topics.map((topic): [string, Topic] => [topic.name, topic]));
    let partitions = 0;
    const making: Promise<TopicResponse>[] = [];
    for (const topic of distinct.values()) {
      const plan = repeated.has(topic.name) ? DUPLICATE : planTopic(services, topic);
      if (!isRefusal(plan)) partitions += plan.partitionCount;
      const bounded = partitions > PARTITIONS_PER_REQUEST_MAX && !isRefusal(plan) ? tooMany(partitions) : plan;
      making.push(make(services, { topic, plan: bounded, validateOnly: request.validateOnly }));
    }
    const topics = await Promise.all(making);
    for (const { errorCode } of topics) call.note(errorCode);
    return { topics };
  },
};

const DUPLICATE: Refusal = { errorCode: ERROR_CODES.INVALID_REQUEST, message: 'Duplicate topic name.' };

interface Making {
  readonly topic: Topic;
  readonly plan: TopicPlan | Refusal;
  readonly validateOnly: boolean;
}

async function make(services: BrokerServices, { topic, plan, validateOnly }: Making): Promise<TopicResponse> {
  if (isRefusal(plan)) return refused(topic.name, plan);
  if (validateOnly) return made(services, plan, ZERO_UUID);
  const result = await createTopic(services, plan);
  return isRefusal(result) ? refused(topic.name, result) : made(services, plan, result.id);
}

function refused(name: string, { errorCode, message }: Refusal): TopicResponse {
  return { name, errorCode, errorMessage: message, configs: null };
}

function made(services: BrokerServices, plan: TopicPlan, topicId: typeof ZERO_UUID): TopicResponse {
  return {
    name: plan.name,
    topicId,
    errorCode: ERROR_CODES.NONE,
    errorMessage: null,
    numPartitions: plan.partitionCount,
    replicationFactor: plan.replicationFactor,
    configs: TOPIC_CONFIGS.definitions.map(({ name }) => {
      const { value, source } = services.config.resolveTopic(name, plan.configs);
      return { name, value, readOnly: false, configSource: CONFIG_SOURCES[source], isSensitive: false };
    }),
  };
}
