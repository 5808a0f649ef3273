// DescribeConfigs (API key 32), versions 1 to 4.
//
// Behaviour: every key of a topic, of a group, of this broker, or (with an empty broker name) what was set for every broker; with
// its source, and where asked its synonyms and documentation.
// Versions: 3 type and documentation (KIP-569); 4 flexible.

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { describeConfigs } from '../../protocol/messages/32-describe-configs.ts';
import { CONFIG_SOURCES, type ResolvedConfig } from '../config/broker-config.ts';
import { BROKER_CONFIGS } from '../config/broker-configs.ts';
import { CONFIG_TYPES, type ConfigDefinition } from '../config/definition.ts';
import { GROUP_CONFIGS } from '../config/group-resource-configs.ts';
import { TOPIC_CONFIGS } from '../config/topic-configs.ts';
import { type ConfigResource, findResource } from '../config-resources.ts';
import { distinctBy } from '../duplicates.ts';
import type { Handler } from '../handler.ts';
import type { RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';

type Request = RequestOf<typeof describeConfigs>;
type Resource = Request['resources'][number];
type Result = ResponseInput<typeof describeConfigs>['results'][number];
type Config = Result['configs'][number];

export const describeConfigsHandler: Handler<typeof describeConfigs.request, typeof describeConfigs.response> = {
  api: describeConfigs,
  versions: describeConfigs.versions,
  handle(services, request, call) {
    const resources = distinctBy(
      request.resources,
      ({ resourceType, resourceName }) => `${resourceType}/${resourceName}`,
    );
    const results = resources.map((resource) => describe(services, request, resource));
    for (const { errorCode } of results) call.note(errorCode);
    return { results };
  },
};

function describe(services: BrokerServices, request: Request, resource: Resource): Result {
  const { resourceType, resourceName } = resource;
  const found = findResource(services, resourceType, resourceName);
  if (found.kind === 'refused') {
    const { errorCode, message } = found.refusal;
    return { errorCode, errorMessage: message, resourceType, resourceName, configs: [] };
  }
  const all = describedOf(services, found);
  const keys = new Set(resource.configurationKeys ?? []);
  const configs = all
    .filter(({ definition }) => keys.size === 0 || keys.has(definition.name))
    .map((each) => tell(each, request));
  return { errorCode: ERROR_CODES.NONE, errorMessage: null, resourceType, resourceName, configs };
}

interface Described {
  readonly definition: ConfigDefinition;
  readonly resolved: ResolvedConfig;
  readonly readOnly: boolean;
}

function describedOf(services: BrokerServices, found: Exclude<ConfigResource, { kind: 'refused' }>): Described[] {
  switch (found.kind) {
    case 'topic':
      return ofTopic(services, found.topic);
    case 'group':
      return ofGroup(services, found.groupId);
    case 'broker':
      return ofBroker(services, found.nodeId);
  }
}

function ofGroup({ config, metadata }: BrokerServices, groupId: string): Described[] {
  const { configs } = metadata.groupConfigs(groupId);
  return GROUP_CONFIGS.definitions.map((definition) => ({
    definition,
    resolved: config.resolveGroup(definition.name, configs),
    readOnly: false,
  }));
}

function ofTopic({ config }: BrokerServices, { record }: RoutedTopic): Described[] {
  return TOPIC_CONFIGS.definitions.map((definition) => ({
    definition,
    resolved: config.resolveTopic(definition.name, record.configs),
    readOnly: false,
  }));
}

function ofBroker({ config, metadata }: BrokerServices, nodeId: number | undefined): Described[] {
  const all = BROKER_CONFIGS.definitions.map((definition) => ({
    definition,
    resolved: config.resolve(definition.name),
    readOnly: !definition.dynamic,
  }));
  if (nodeId !== undefined) return all;
  const { configs } = metadata.brokerConfigs(undefined);
  return all
    .filter(({ definition }) => configs[definition.name] !== undefined)
    .map((each) => ({ ...each, resolved: common(each.definition.name, configs[each.definition.name] ?? null) }));
}

function common(name: string, value: string | null): ResolvedConfig {
  const source = 'dynamic-default-broker';
  return { value, source, synonyms: [{ name, value, source }] };
}

function tell({ definition, resolved, readOnly }: Described, request: Request): Config {
  return {
    name: definition.name,
    value: resolved.value,
    readOnly,
    configSource: CONFIG_SOURCES[resolved.source],
    isSensitive: false,
    synonyms: request.includeSynonyms
      ? resolved.synonyms.map(({ name, value, source }) => ({ name, value, source: CONFIG_SOURCES[source] }))
      : [],
    configType: CONFIG_TYPES[definition.type],
    documentation: request.includeDocumentation ? definition.documentation : null,
  };
}
