// ListConfigResources (API key 74), versions 0 and 1.
//
// Behaviour: the names of the resources that have configurations: every topic, this broker, and the groups that were
// given one. There are no client metrics subscriptions and no levels of loggers, so none of them are named.
// Versions: 0 asks for client metrics alone (KIP-714); 1 for the types named, or for all where none is (KIP-1142).

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { listConfigResources } from '../../protocol/messages/74-list-config-resources.ts';
import { RESOURCE_TYPES } from '../config-resources.ts';
import type { Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';

type Resource = ResponseInput<typeof listConfigResources>['configResources'][number];

/** Kafka's types of which this broker has no resource. */
const BROKER_LOGGER = 8;
const CLIENT_METRICS = 16;
const ALL_TYPES: readonly number[] = [...Object.values(RESOURCE_TYPES), BROKER_LOGGER, CLIENT_METRICS];

export const listConfigResourcesHandler: Handler<
  typeof listConfigResources.request,
  typeof listConfigResources.response
> = {
  api: listConfigResources,
  versions: listConfigResources.versions,
  handle(services, request, call) {
    const types = typesOf(request, call.version);
    if (types.some((type) => !ALL_TYPES.includes(type))) {
      return { errorCode: call.note(ERROR_CODES.UNSUPPORTED_VERSION), configResources: [] };
    }
    const configResources = [...new Set(types)].flatMap((type) =>
      namesOf(services, type).map((resourceName): Resource => ({ resourceName, resourceType: type })),
    );
    return { errorCode: ERROR_CODES.NONE, configResources };
  },
};

function typesOf({ resourceTypes }: RequestOf<typeof listConfigResources>, version: number): readonly number[] {
  if (version === 0) return [CLIENT_METRICS];
  return resourceTypes.length === 0 ? ALL_TYPES : resourceTypes;
}

function namesOf({ router, metadata }: BrokerServices, type: number): string[] {
  switch (type) {
    case RESOURCE_TYPES.topic:
      return Array.from(router.topics(), ({ name }) => name);
    case RESOURCE_TYPES.broker:
      return [String(metadata.nodeId)];
    case RESOURCE_TYPES.group:
      return [...metadata.configuredGroups()];
    default:
      return [];
  }
}
