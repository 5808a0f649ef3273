// What a data directory that another broker wrote says of its topics, for a start that finds no metadata of this
// project: Kafka's own metadata log where it lies in the directory, and the leader epochs of every log. Reads alone.

import { type KafkaMetadata, readKafkaMetadata } from '../broker/kafka-metadata.ts';
import { partitionDirectory } from '../broker/topic-names.ts';
import type { InitialMetadata } from '../cluster/initial-metadata.ts';
import { LogFault } from '../core/fault.ts';
import { KAFKA_METADATA_FILE_BYTES_MAX } from '../core/limits.ts';
import type { Logger } from '../core/logger.ts';
import type { Store } from '../core/platform.ts';
import type { RecordBatchCodec, StoredBatch } from '../core/record-batch-codec.ts';
import { EpochCheckpoint } from '../storage/epoch-checkpoint.ts';

const METADATA_DIRECTORY = '__cluster_metadata-0';
/** `<end offset>-<epoch>.checkpoint`: what the log said up to there (KIP-630). */
const SNAPSHOT = /^(\d{20})-\d{10}\.checkpoint$/;
const SEGMENT = /^\d{20}\.log$/;
const NOTHING: KafkaMetadata = {
  topics: [],
  deleted: [],
  leaderEpochMax: 0,
  groupConfigs: new Map(),
  nextProducerId: 0,
  objections: [],
};

export interface InitialMetadataOptions {
  /** Of the data directory. */
  readonly store: Store;
  /** Names of all partition directories. */
  readonly partitions: ReadonlySet<string>;
  readonly recordBatches: RecordBatchCodec;
  readonly logger: Logger;
}

/** Undefined for a directory without partitions. @throws LogFault ERR_DATA_DIRECTORY_UNREADABLE, ERR_STORAGE */
export function initialMetadata(options: InitialMetadataOptions): InitialMetadata | undefined {
  const { store, partitions, logger } = options;
  if (partitions.size === 0) return undefined;
  const kafka = partitions.has(METADATA_DIRECTORY) ? readLog(options) : NOTHING;
  for (const objected of kafka.objections) {
    logger.warn("a configuration of Kafka's is not taken over", { reason: objected });
  }
  const topics = kafka.topics.filter((topic) => {
    const count = directoriesOf(topic, partitions);
    if (count < topic.partitionCount) {
      const { name, partitionCount } = topic;
      logger.warn('partitions of a topic are not in the data directory', { topic: name, partitionCount, found: count });
    }
    return count > 0;
  });
  if (topics.length > 0) logger.info("took Kafka's metadata over", { topics: topics.length });
  const epochs = Array.from(partitions, (directory) => EpochCheckpoint.load(store, directory).latestEpoch);
  const leaderEpochMax = epochs.reduce((most, each) => Math.max(most, each), kafka.leaderEpochMax);
  const { deleted, groupConfigs, nextProducerId } = kafka;
  return { topics, deleted, leaderEpochMax, groupConfigs, nextProducerId };
}

function directoriesOf(
  { name, partitionCount }: { readonly name: string; readonly partitionCount: number },
  partitions: ReadonlySet<string>,
): number {
  let count = 0;
  for (let index = 0; index < partitionCount; index++) {
    if (partitions.has(partitionDirectory(name, index))) count++;
  }
  return count;
}

function readLog({ store, recordBatches }: InitialMetadataOptions): KafkaMetadata {
  try {
    return readKafkaMetadata(batchesOf(store, recordBatches));
  } catch (error) {
    if (!(error instanceof LogFault) || error.code === 'ERR_STORAGE') throw error;
    throw new LogFault('ERR_DATA_DIRECTORY_UNREADABLE', `${METADATA_DIRECTORY}: ${error.message}`, error);
  }
}

/** The newest snapshot, and what the log says behind it. */
function* batchesOf(store: Store, recordBatches: RecordBatchCodec): Generator<StoredBatch> {
  const names = store.list(METADATA_DIRECTORY).map(({ name }) => name);
  const snapshot = names.findLast((name) => SNAPSHOT.test(name));
  if (snapshot !== undefined) yield* recordBatches.decode(readWhole(store, snapshot));
  const from = Number(SNAPSHOT.exec(snapshot ?? '')?.[1] ?? 0);
  for (const name of names.filter((each) => SEGMENT.test(each))) {
    for (const batch of recordBatches.decode(readWhole(store, name))) if (batch.baseOffset >= from) yield batch;
  }
}

function readWhole(store: Store, name: string): Uint8Array {
  const file = store.open(`${METADATA_DIRECTORY}/${name}`, { create: false });
  try {
    const bytes = file.size();
    if (bytes > KAFKA_METADATA_FILE_BYTES_MAX) {
      throw new LogFault('ERR_DATA_DIRECTORY_UNREADABLE', `${name} has ${bytes} bytes, which is more than can be read`);
    }
    const content = new Uint8Array(bytes);
    return content.subarray(0, file.read(content, 0));
  } finally {
    file.close();
  }
}
