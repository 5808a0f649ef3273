// IncrementalAlterConfigs (API key 44), versions 0 and 1.
//
// Behaviour: sets, deletes, appends to and subtracts from keys of topics, of this broker, or (with an empty broker name)
// of every broker. The changes of one resource are made together or not at all; they are durable and have reached the
// open logs when the answer comes. A key that is unknown or cannot be honoured is refused.
// Versions: 1 flexible.

import type { CommitResult } from '../../cluster/metadata-store.ts';
import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { incrementalAlterConfigs } from '../../protocol/messages/44-incremental-alter-configs.ts';
import type { ConfigEntries } from '../config/broker-config.ts';
import { BROKER_CONFIGS } from '../config/broker-configs.ts';
import { TOPIC_CONFIGS } from '../config/topic-configs.ts';
import { applyChanges } from '../config-changes.ts';
import { findResource } from '../config-resources.ts';
import { repeatedKeys } from '../duplicates.ts';
import type { Handler } from '../handler.ts';
import type { RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { isRefusal, type Refusal } from '../topic-creation.ts';

type Request = RequestOf<typeof incrementalAlterConfigs>;
type Resource = Request['resources'][number];
type Result = ResponseInput<typeof incrementalAlterConfigs>['responses'][number];

const DONE: Refusal = { errorCode: ERROR_CODES.NONE, message: '' };
const DUPLICATE: Refusal = { errorCode: ERROR_CODES.INVALID_REQUEST, message: 'The resource is given more than once.' };
const CHANGED_MEANWHILE: Refusal = {
  errorCode: ERROR_CODES.UNKNOWN_SERVER_ERROR,
  message: 'The configuration was changed by somebody else at the same time; send the request again.',
};
/** How often a change is tried again that another one overtook. */
const ATTEMPTS = 5;

export const incrementalAlterConfigsHandler: Handler<
  typeof incrementalAlterConfigs.request,
  typeof incrementalAlterConfigs.response
> = {
  api: incrementalAlterConfigs,
  versions: incrementalAlterConfigs.versions,
  async handle(services, request, call) {
    const repeated = repeatedKeys(request.resources, keyOf);
    const distinct = new Map(request.resources.map((resource): [string, Resource] => [keyOf(resource), resource]));
    const responses = await Promise.all(
      Array.from(distinct, async ([key, resource]): Promise<Result> => {
        const { resourceType, resourceName } = resource;
        const { errorCode, message } = repeated.has(key)
          ? DUPLICATE
          : await alter(services, resource, request.validateOnly);
        return { errorCode: call.note(errorCode), errorMessage: message || null, resourceType, resourceName };
      }),
    );
    return { responses };
  },
};

function keyOf({ resourceType, resourceName }: Resource): string {
  return `${resourceType}/${resourceName}`;
}

async function alter(services: BrokerServices, resource: Resource, validateOnly: boolean): Promise<Refusal> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const { resourceType, resourceName, configs: changes } = resource;
    const found = findResource(services, resourceType, resourceName);
    if (found.kind === 'refused') return found.refusal;
    const target = found.kind === 'topic' ? topicTarget(services, found.topic) : brokerTarget(services, found.nodeId);
    const applied = applyChanges({ ...target, changes });
    if (isRefusal(applied)) return applied;
    if (validateOnly) return DONE;
    const result = await target.commit(applied.entries);
    if (result.outcome === 'failed') {
      return { errorCode: ERROR_CODES.KAFKA_STORAGE_ERROR, message: result.fault.message };
    }
    if (result.outcome === 'committed') {
      await target.settled();
      return DONE;
    }
  }
  return CHANGED_MEANWHILE;
}

/** What the changes are applied to, and how the result is kept. */
interface Target {
  readonly table: typeof TOPIC_CONFIGS;
  readonly before: ConfigEntries;
  readonly fallback: (name: string) => string;
  readonly commit: (configs: ConfigEntries) => Promise<CommitResult>;
  /** Resolves when the open logs have the values. */
  readonly settled: () => Promise<void>;
}

function topicTarget(services: BrokerServices, topic: RoutedTopic): Target {
  const { id, revision, configs: before } = topic.record;
  return {
    table: TOPIC_CONFIGS,
    before,
    fallback: (name) => services.config.resolveTopic(name, {}).value ?? '',
    commit: (configs) => services.metadata.commit([{ kind: 'configure-topic', id, revision, configs }]),
    settled: () => services.topics.settled(topic.name),
  };
}

function brokerTarget(services: BrokerServices, nodeId: number | undefined): Target {
  const { revision, configs: before } = services.metadata.brokerConfigs(nodeId);
  return {
    table: BROKER_CONFIGS,
    before,
    fallback: (name) => services.config.resolve(name).value ?? '',
    commit: (configs) => services.metadata.commit([{ kind: 'configure-broker', nodeId, revision, configs }]),
    settled: () => services.topics.idle(),
  };
}
