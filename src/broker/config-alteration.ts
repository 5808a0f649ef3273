// Changes the configurations of resources on a client's behalf, for the APIs that do so key by key and as a whole. The
// changes of one resource are made together or not at all; what they make of its values is config-changes.ts's business.

import type { CommitResult, MetadataStore } from '../cluster/metadata-store.ts';
import { CONFIGURED_GROUPS_MAX } from '../core/limits.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { type BrokerConfig, type ConfigEntries, topicObjection } from './config/broker-config.ts';
import { BROKER_CONFIGS } from './config/broker-configs.ts';
import type { ConfigTable } from './config/definition.ts';
import { GROUP_CONFIGS, groupObjection } from './config/group-resource-configs.ts';
import { TOPIC_CONFIGS } from './config/topic-configs.ts';
import { applyChanges, type ConfigChange } from './config-changes.ts';
import { type ConfigResource, findResource } from './config-resources.ts';
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
    const target = targetOf(services, found);
    const before = startsFrom === 'present' ? target.before : {};
    const applied = applyChanges({ ...target, before, changes });
    if (isRefusal(applied)) return applied;
    const refusal = target.refusal(applied.entries);
    if (refusal !== undefined) return refusal;
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
  /** What speaks against the values together. */
  readonly refusal: (configs: ConfigEntries) => Refusal | undefined;
  readonly commit: (configs: ConfigEntries) => Promise<CommitResult>;
  /** Resolves when the open logs have the values. */
  readonly settled: () => Promise<void>;
}

function targetOf(services: BrokerServices, found: Exclude<ConfigResource, { readonly kind: 'refused' }>): Target {
  switch (found.kind) {
    case 'topic':
      return topicTarget(services, found.topic);
    case 'group':
      return groupTarget(services, found.groupId);
    case 'broker':
      return brokerTarget(services, found.nodeId);
  }
}

function topicTarget(services: BrokerServices, topic: RoutedTopic): Target {
  const { id, revision, configs: before } = topic.record;
  return {
    table: TOPIC_CONFIGS,
    before,
    fallback: (name) => services.config.resolveTopic(name, {}).value ?? '',
    refusal: (configs) => invalid(topicObjection(configs, services.config)),
    commit: (configs) => services.metadata.commit([{ kind: 'configure-topic', id, revision, configs }]),
    settled: () => services.topics.settled(topic.name),
  };
}

function groupTarget(services: BrokerServices, groupId: string): Target {
  const { config, metadata } = services;
  const { revision, configs: before } = metadata.groupConfigs(groupId);
  return {
    table: GROUP_CONFIGS,
    before,
    fallback: (name) => config.resolveGroup(name, {}).value ?? '',
    refusal: (configs) => tooManyGroups(metadata, groupId, configs) ?? invalid(groupObjection(configs, config)),
    commit: (configs) => metadata.commit([{ kind: 'configure-group', groupId, revision, configs }]),
    // Groups read their values when they need them.
    settled: () => Promise.resolve(),
  };
}

function tooManyGroups(metadata: MetadataStore, groupId: string, configs: ConfigEntries): Refusal | undefined {
  const ids = new Set(metadata.configuredGroups());
  if (Object.keys(configs).length === 0 || ids.has(groupId) || ids.size < CONFIGURED_GROUPS_MAX) return undefined;
  const message = `No more than ${CONFIGURED_GROUPS_MAX} groups may have a configuration of their own.`;
  return { errorCode: ERROR_CODES.POLICY_VIOLATION, message };
}

function invalid(message: string | undefined): Refusal | undefined {
  return message === undefined ? undefined : { errorCode: ERROR_CODES.INVALID_CONFIG, message };
}

function brokerTarget(services: BrokerServices, nodeId: number | undefined): Target {
  const { config, metadata } = services;
  const { revision, configs: before } = metadata.brokerConfigs(nodeId);
  const changed = (configs: ConfigEntries): BrokerConfig =>
    nodeId === undefined
      ? config.withDynamic(metadata.brokerConfigs(metadata.nodeId).configs, configs)
      : config.withDynamic(configs, metadata.brokerConfigs(undefined).configs);
  return {
    table: BROKER_CONFIGS,
    before,
    fallback: (name) => config.resolve(name).value ?? '',
    refusal: (configs) => invalid(changed(configs).objection),
    commit: (configs) => metadata.commit([{ kind: 'configure-broker', nodeId, revision, configs }]),
    settled: () => services.topics.idle(),
  };
}
