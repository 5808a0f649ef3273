// How far a group is behind: in records, and in time, which is the age of the oldest record that it has still to read.

import type { Client, TopicPartition } from '../client/index.ts';

/** How long reading one record of each partition may take; without it the age is not told. */
const LOOK_MS = 5000;
/** Enough for one record; a larger batch comes whole. */
const LOOK_BYTES = 1;

export interface GroupLag extends TopicPartition {
  readonly committed: number;
  /** Offset of the next record to be written. */
  readonly end: number;
  /** Offsets between the two: records, or fewer where compaction or transactions left gaps. */
  readonly lag: number;
  /** Undefined where there is nothing to read. */
  readonly behindMs: number | undefined;
}

/** Every partition with a committed offset, in order. */
export async function lagOf(client: Client, groupId: string): Promise<GroupLag[]> {
  const committed = await client.groups().fetchOffsets(groupId);
  committed.sort((one, other) =>
    one.topic === other.topic ? one.partition - other.partition : one.topic < other.topic ? -1 : 1,
  );
  const ends = await client.admin().listOffsets(committed, 'latest');
  const lags = committed.map(({ topic, partition, offset }, index) => {
    const end = ends[index]?.offset ?? offset;
    return { topic, partition, committed: offset, end, lag: Math.max(0, end - offset) };
  });
  const times = await timesOf(
    client,
    lags.filter(({ lag }) => lag > 0),
  );
  const nowMs = Date.now();
  return lags.map((each) => {
    const time = times.get(`${each.topic}/${each.partition}`);
    return { ...each, behindMs: time === undefined ? undefined : Math.max(0, nowMs - time) };
  });
}

/** The time of the first record at or after each committed offset. */
async function timesOf(
  client: Client,
  places: readonly (TopicPartition & { readonly committed: number })[],
): Promise<ReadonlyMap<string, number>> {
  const times = new Map<string, number>();
  if (places.length === 0) return times;
  const consumer = client.consumer({ partitionBytes: LOOK_BYTES, outOfRange: 'earliest' });
  const timer = setTimeout(() => void consumer.close(), LOOK_MS);
  await consumer.assign(places.map(({ topic, partition, committed }) => ({ topic, partition, from: committed })));
  for await (const { topic, partition, records } of consumer.batches({ untilEnd: true })) {
    const name = `${topic}/${partition}`;
    const [first] = records;
    if (first !== undefined && !times.has(name)) times.set(name, Number(first.timestamp));
    consumer.pause([{ topic, partition }]);
    if (times.size === places.length) break;
  }
  clearTimeout(timer);
  await consumer.close();
  return times;
}
