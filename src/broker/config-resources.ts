// What configurations hang on: topics, groups, this broker, and every broker together. Shared by the APIs that tell and change
// them.

import { ERROR_CODES } from '../protocol/errors.ts';
import type { RoutedTopic } from './router.ts';
import type { BrokerServices } from './services.ts';
import type { Refusal } from './topic-creation.ts';
import { topicNameObjection } from './topic-names.ts';

/** Kafka's numbers of resource types. */
const TOPIC = 2;
const BROKER = 4;
const GROUP = 32;

/** By the words that are used here. */
export const RESOURCE_TYPES = { topic: TOPIC, broker: BROKER, group: GROUP } as const;

export type ConfigResource =
  | { readonly kind: 'topic'; readonly topic: RoutedTopic }
  | { readonly kind: 'group'; readonly groupId: string }
  /** `nodeId` undefined: the values of every broker in the cluster. */
  | { readonly kind: 'broker'; readonly nodeId: number | undefined }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

function refuse(errorCode: number, message: string): ConfigResource {
  return { kind: 'refused', refusal: { errorCode, message } };
}

/** Finds a resource by Kafka's type and name. */
export function findResource(services: BrokerServices, resourceType: number, resourceName: string): ConfigResource {
  if (resourceType === TOPIC) return findTopic(services, resourceName);
  if (resourceType === BROKER) return findBroker(services, resourceName);
  if (resourceType === GROUP) return findGroup(resourceName);
  return refuse(ERROR_CODES.INVALID_REQUEST, `Resource type ${resourceType} has no configuration on this broker.`);
}

function findTopic({ router }: BrokerServices, name: string): ConfigResource {
  const objected = topicNameObjection(name);
  if (objected !== undefined) return refuse(ERROR_CODES.INVALID_TOPIC_EXCEPTION, objected);
  const topic = router.topic(name);
  if (topic === undefined) return refuse(ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION, `Topic '${name}' does not exist.`);
  return { kind: 'topic', topic };
}

/** A group may be configured before it exists, and stays so when it is gone. */
function findGroup(groupId: string): ConfigResource {
  if (groupId === '') return refuse(ERROR_CODES.INVALID_REQUEST, 'The name of a group resource is a group id.');
  return { kind: 'group', groupId };
}

function findBroker({ metadata }: BrokerServices, name: string): ConfigResource {
  if (name === '') return { kind: 'broker', nodeId: undefined };
  if (!/^\d{1,10}$/.test(name)) {
    return refuse(ERROR_CODES.INVALID_REQUEST, 'The name of a broker resource is a node id, or empty for all brokers.');
  }
  if (Number(name) !== metadata.nodeId) {
    return refuse(ERROR_CODES.INVALID_REQUEST, `This is broker ${metadata.nodeId}, not broker ${name}.`);
  }
  return { kind: 'broker', nodeId: metadata.nodeId };
}
