// Sets of partitions by topic id, as KIP-848 groups reckon with them.

import type { Uuid } from '../../protocol/uuid.ts';

/** `<topic id>/<partition>`. */
export type PartitionKey = `${Uuid}/${number}`;
export type PartitionSet = ReadonlySet<PartitionKey>;

export interface TopicPartitions {
  readonly topicId: Uuid;
  readonly partitions: readonly number[];
}

export const NO_PARTITIONS: PartitionSet = new Set();

export function partitionKey(topicId: Uuid, partition: number): PartitionKey {
  return `${topicId}/${partition}`;
}

export function toPartitionSet(topics: readonly TopicPartitions[]): PartitionSet {
  const keys = new Set<PartitionKey>();
  for (const { topicId, partitions } of topics) for (const index of partitions) keys.add(partitionKey(topicId, index));
  return keys;
}

/** By topic, partitions in order: equal sets come out equal. */
export function toTopicPartitions(keys: PartitionSet): TopicPartitions[] {
  const byTopic = new Map<Uuid, number[]>();
  for (const key of keys) {
    const slash = key.indexOf('/');
    // A key begins with the id that it was made of.
    const topicId = key.slice(0, slash) as Uuid;
    const partition = Number(key.slice(slash + 1));
    const known = byTopic.get(topicId);
    if (known === undefined) byTopic.set(topicId, [partition]);
    else known.push(partition);
  }
  return Array.from(byTopic, ([topicId, partitions]) => ({
    topicId,
    partitions: partitions.sort((one, other) => one - other),
  })).sort((one, other) => (one.topicId < other.topicId ? -1 : 1));
}

export function intersection(one: PartitionSet, other: PartitionSet): PartitionSet {
  return filtered(one, (key) => other.has(key));
}

export function difference(one: PartitionSet, other: PartitionSet): PartitionSet {
  return filtered(one, (key) => !other.has(key));
}

export function union(one: PartitionSet, other: PartitionSet): PartitionSet {
  return new Set([...one, ...other]);
}

export function filtered(keys: PartitionSet, keep: (key: PartitionKey) => boolean): PartitionSet {
  const kept = new Set<PartitionKey>();
  for (const key of keys) if (keep(key)) kept.add(key);
  return kept;
}

export function intersects(one: PartitionSet, other: PartitionSet): boolean {
  for (const key of one) if (other.has(key)) return true;
  return false;
}

export function isSubset(part: PartitionSet, whole: PartitionSet): boolean {
  for (const key of part) if (!whole.has(key)) return false;
  return true;
}

export function sameSet(one: PartitionSet, other: PartitionSet): boolean {
  return one.size === other.size && isSubset(one, other);
}
