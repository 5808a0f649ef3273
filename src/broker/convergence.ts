// Brings metadata and data directory together before the broker serves: a crash may have come between the two, and a
// directory written by Kafka brings partitions along that no metadata knows. Data is removed only where it is recorded
// that its topic was deleted.

import type { DeletedTopic, MetadataStore } from '../cluster/metadata-store.ts';
import { LogFault } from '../core/fault.ts';
import type { Logger } from '../core/logger.ts';
import type { Clock } from '../core/platform.ts';
import { parseUuid } from '../protocol/uuid.ts';
import { COORDINATOR_TOPIC_CONFIGS } from './coordinator-log.ts';
import type { PartitionCheckpoints } from './partition-checkpoints.ts';
import { isInternalTopic, parsePartitionDirectory, partitionDirectory } from './topic-names.ts';

export interface ConvergenceOptions {
  readonly metadata: MetadataStore;
  readonly directory: PartitionCheckpoints;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Internal topics whose records are Kafka's: what a Kafka broker left there goes on here. */
const COORDINATOR_TOPICS: ReadonlySet<string> = new Set(['__consumer_offsets', '__transaction_state']);
/** Topics of Kafka's own that nothing here reads or writes once it runs, and what they hold. */
const KAFKAS_OWN: Readonly<Record<string, string>> = {
  __cluster_metadata: "Kafka's metadata log, which is read when the directory is taken over",
  __share_group_state: 'the state of share groups, which are not served',
};
/** Far more than a broker gives in that time. */
const PRODUCER_IDS_PER_MS = 1000;

/** Removes what deletions left behind, and adopts topics whose directories carry their id. */
export async function converge(options: ConvergenceOptions): Promise<void> {
  const removed = await finishDeletions(options);
  await adoptTopics(options, removed);
}

/** Returns the directories that are gone. */
async function finishDeletions({ metadata, directory, logger }: ConvergenceOptions): Promise<ReadonlySet<string>> {
  const removed = new Set<string>();
  for (const topic of [...metadata.deletedTopics()]) {
    for (const name of leftovers(topic, directory)) {
      directory.removePartition(name);
      removed.add(name);
      logger.info('removed what the deletion of a topic had left', { directory: name });
    }
    await metadata.commit([{ kind: 'forget-deleted', id: topic.id }]);
  }
  return removed;
}

/** Directories of the deleted topic; one that carries another id belongs to a later topic of the same name. */
function* leftovers(topic: DeletedTopic, directory: PartitionCheckpoints): Generator<string> {
  for (let index = 0; index < topic.partitionCount; index++) {
    const name = partitionDirectory(topic.name, index);
    if (directory.partitions.get(name)?.topicId === topic.id) yield name;
  }
}

interface Orphan {
  readonly name: string;
  readonly id: string;
  partitionCount: number;
}

async function adoptTopics(options: ConvergenceOptions, removed: ReadonlySet<string>): Promise<void> {
  let adopted = false;
  for (const orphan of orphans(options, removed)) {
    const { name, id, partitionCount } = orphan;
    const configs = isInternalTopic(name) ? COORDINATOR_TOPIC_CONFIGS : {};
    const result = await options.metadata.commit([{ kind: 'create-topic', name, id, partitionCount, configs }]);
    if (result.outcome === 'failed') throw LogFault.fromRecord(result.fault);
    if (result.outcome === 'committed') {
      adopted = true;
      options.logger.info('adopted a topic found in the data directory', { topic: name, partitions: partitionCount });
    }
  }
  if (adopted) await skipProducerIds(options);
}

/**
 * Logs that come without metadata know producers that nobody counted. A new one with such an id would have its records
 * taken for repeated ones, so ids go on from the time of day: beyond what any broker has given until now.
 */
async function skipProducerIds({ metadata, clock }: ConvergenceOptions): Promise<void> {
  const first = metadata.nextProducerId();
  const count = clock.now() * PRODUCER_IDS_PER_MS - first;
  if (count <= 0) return;
  const result = await metadata.commit([{ kind: 'take-producer-ids', first, count }]);
  if (result.outcome === 'failed') throw LogFault.fromRecord(result.fault);
}

/** Topics that have directories and no metadata. */
function orphans({ metadata, directory, logger }: ConvergenceOptions, removed: ReadonlySet<string>): Iterable<Orphan> {
  const found = new Map<string, Orphan>();
  const kept = new Set<string>();
  for (const [name, stored] of directory.partitions) {
    const parsed = parsePartitionDirectory(name);
    if (parsed === undefined || removed.has(name)) continue;
    if (Object.hasOwn(KAFKAS_OWN, parsed.topic)) {
      kept.add(parsed.topic);
      continue;
    }
    const known = metadata.topic(parsed.topic);
    if (known !== undefined && known.partitions.length > parsed.index) continue;
    const id = parseUuid(stored.topicId ?? '');
    const orphan = found.get(parsed.topic);
    if (
      id === undefined ||
      known !== undefined ||
      (orphan !== undefined && orphan.id !== id) ||
      (isInternalTopic(parsed.topic) && !COORDINATOR_TOPICS.has(parsed.topic))
    ) {
      logger.warn('a directory belongs to no topic and is left alone', { directory: name });
    } else if (orphan === undefined) {
      found.set(parsed.topic, { name: parsed.topic, id, partitionCount: parsed.index + 1 });
    } else {
      orphan.partitionCount = Math.max(orphan.partitionCount, parsed.index + 1);
    }
  }
  for (const topic of kept) {
    logger.info("the data directory keeps a topic of Kafka's own as it is", { topic, what: KAFKAS_OWN[topic] });
  }
  return found.values();
}
