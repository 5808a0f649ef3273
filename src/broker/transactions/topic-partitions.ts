// Sets of partitions by topic, never changed once made: a transaction's partitions are part of its immutable state.

export type TopicPartitions = ReadonlyMap<string, ReadonlySet<number>>;

export const NO_PARTITIONS: TopicPartitions = new Map();

export function hasPartition(all: TopicPartitions, topic: string, index: number): boolean {
  return all.get(topic)?.has(index) === true;
}

export function includesAll(all: TopicPartitions, wanted: TopicPartitions): boolean {
  for (const [topic, indexes] of wanted) {
    for (const index of indexes) if (!hasPartition(all, topic, index)) return false;
  }
  return true;
}

export function union(one: TopicPartitions, other: TopicPartitions): TopicPartitions {
  const all = new Map(one);
  for (const [topic, indexes] of other) {
    const known = all.get(topic);
    all.set(topic, known === undefined ? new Set(indexes) : new Set([...known, ...indexes]));
  }
  return all;
}

/** From what a request names; a topic or an index named twice counts once. */
export function topicPartitions(
  named: Iterable<{ readonly name: string; readonly partitions: Iterable<number> }>,
): TopicPartitions {
  const all = new Map<string, Set<number>>();
  for (const { name, partitions } of named) {
    const known = all.get(name) ?? new Set();
    for (const index of partitions) known.add(index);
    all.set(name, known);
  }
  return all;
}

export function onePartition(topic: string, index: number): TopicPartitions {
  return new Map([[topic, new Set([index])]]);
}
