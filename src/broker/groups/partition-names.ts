// Partitions by the names of their topics, as the classic protocol tells them, to and from those by id.

import type { NamedPartitions } from './consumer-protocol.ts';
import type { TopicDirectory } from './group-context.ts';
import { type PartitionSet, toPartitionSet, toTopicPartitions } from './partition-set.ts';

/** Topics that are gone are left out. */
export function namedPartitions(keys: PartitionSet, topics: TopicDirectory): NamedPartitions[] {
  return toTopicPartitions(keys).flatMap(({ topicId, partitions }) => {
    const topic = topics.byId(topicId);
    return topic === undefined ? [] : [{ topic: topic.name, partitions }];
  });
}

/** Topics and partitions that do not exist are left out. */
export function partitionsNamed(named: readonly NamedPartitions[], topics: TopicDirectory): PartitionSet {
  return toPartitionSet(
    named.flatMap(({ topic: name, partitions }) => {
      const topic = topics.byName(name);
      if (topic === undefined) return [];
      const { id: topicId, partitionCount } = topic;
      return [{ topicId, partitions: partitions.filter((index) => index >= 0 && index < partitionCount) }];
    }),
  );
}
