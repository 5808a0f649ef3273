// Changes the configurations of resources on a client's behalf, for the APIs that do so key by key and as a whole. The
// changes of one resource are made together or not at all; what they make of its values is config-changes.ts's business.

import type { CommitResult } from '../cluster/metadata-store.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import type { ConfigEntries } from './config/broker-config.ts';
import { BROKER_CONFIGS } from './config/broker-configs.ts';
import type { ConfigTable } from './config/definition.ts';
import { TOPIC_CONFIGS } from './config/topic-configs.ts';
import { applyChanges, type ConfigChange } from './config-changes.ts';
import { findResource } from './config-resources.ts';
import { repeatedKeys } from './duplicates.ts';
import type { RoutedTopic } from './router.ts';
import type { BrokerServices } from './services.ts';
import { isRefusal, type Refusal } from './topic-creation.ts';

/** What one resource is to have. */
export interface ResourceAlteration {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly changes: readonly ConfigChange[];
}

export interface AlterationRequest {
  readonly resources: readonly ResourceAlteration[];
  /** Whether the changes begin with what is set now, or with nothing: all that they do not name is then deleted. */
  readonly startsFrom: 'present' | 'nothing';
  /** Only tells what would come of it. */
  readonly validateOnly: boolean;
}

export interface AlterationResult {
  readonly errorCode: number;
  readonly errorMessage: string | null;
  readonly resourceType: number;
  readonly resourceName: string;
}

const DONE: Refusal = { errorCode: ERROR_CODES.NONE, message: '' };
const DUPLICATE: Refusal = { errorCode: ERROR_CODES.INVALID_REQUEST, message: 'The resource is given more than once.' };
const CHANGED_MEANWHILE: Refusal = {
  errorCode: ERROR_CODES.UNKNOWN_SERVER_ERROR,
  message: 'The configuration was changed by somebody else at the same time; send the request again.',
};
/** How often a change is tried again that another one overtook. */
const ATTEMPTS = 5;

/** Resolves when the changes are durable and have reached the open logs; a resource given twice is refused once. */
export function alterConfigurations(services: BrokerServices, request: AlterationRequest): Promise<AlterationResult[]> {
  const repeated = repeatedKeys(request.resources, keyOf);
  const distinct = new Map(request.resources.map((resource) => [keyOf(resource), resource]));
  return Promise.all(
    Array.from(distinct, async ([key, resource]) => {
      const { resourceType, resourceName } = resource;
      const { errorCode, message } = repeated.has(key) ? DUPLICATE : await alter(services, resource, request);
      return { errorCode, errorMessage: message || null, resourceType, resourceName };
    }),
  );
}

function keyOf({ resourceType, resourceName }: ResourceAlteration): string {
  return `${resourceType}/${resourceName}`;
}

async function alter(
  services: BrokerServices,
  { resourceType, resourceName, changes }: ResourceAlteration,
  { startsFrom, validateOnly }: AlterationRequest,
): Promise<Refusal> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = findResource(services, resourceType, resourceName);
    if (found.kind === 'refused') return found.refusal;
    const target = found.kind === 'topic' ? topicTarget(services, found.topic) : brokerTarget(services, found.nodeId);
    const before = startsFrom === 'present' ? target.before : {};
    const applied = applyChanges({ ...target, before, changes });
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
  readonly table: ConfigTable;
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
