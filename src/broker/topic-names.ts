// Which names a topic may have, and what its partitions' directories are called.

import { TOPIC_NAME_LENGTH_MAX } from '../core/limits.ts';

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
  '__cluster_metadata',
]);

/** Topics that the broker itself keeps; clients neither create nor delete them. */
export function isInternalTopic(name: string): boolean {
  return INTERNAL_TOPICS.has(name);
}

/** What speaks against a topic's name, as a sentence; undefined where nothing does. */
export function topicNameObjection(name: string): string | undefined {
  if (name === '') return 'A topic name cannot be empty';
  if (name === '.' || name === '..') return "A topic cannot be called '.' or '..'";
  if (name.length > TOPIC_NAME_LENGTH_MAX) {
    return `A topic name has at most ${TOPIC_NAME_LENGTH_MAX} characters, not ${name.length}`;
  }
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) {
    return 'A topic name consists of ASCII letters, digits, dots, underscores and hyphens';
  }
  return undefined;
}

/** Topics whose names become one name where dots turn into underscores (in metric names) collide in Kafka. */
export function collisionKey(name: string): string {
  return name.replaceAll('.', '_');
}

export function partitionDirectory(topic: string, index: number): string {
  return `${topic}-${index}`;
}

/** Topic and partition of a directory name, or undefined where it is not that of a partition. */
export function parsePartitionDirectory(
  directory: string,
): { readonly topic: string; readonly index: number } | undefined {
  const match = /^(.+)-(0|[1-9]\d{0,8})$/.exec(directory);
  const [, topic, index] = match ?? [];
  if (topic === undefined || index === undefined || topicNameObjection(topic) !== undefined) return undefined;
  return { topic, index: Number(index) };
}
