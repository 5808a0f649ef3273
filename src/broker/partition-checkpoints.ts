// What the broker needs to know of the data directory: which partitions lie in it, what is recorded about each, and
// whether it was closed in order. A composition root adapts the real one; in a simulation it is a few maps.

/** What stands recorded about one partition directory when the data directory is opened. */
export interface StoredPartition {
  /** From `partition.metadata`; undefined where that file is absent or cannot be read. */
  readonly topicId: string | undefined;
  readonly recoveryPoint: number;
  readonly logStartOffset: number;
}

export interface PartitionCheckpoint {
  readonly recoveryPoint: number;
  readonly logStartOffset: number;
}

/** Methods throw LogFault ERR_STORAGE where the store refuses. */
export interface PartitionCheckpoints {
  /** Where the directory is, for people: DescribeLogDirs tells it. */
  readonly path: string;
  /** The last shutdown was in order, so that no log needs recovery. */
  readonly cleanShutdown: boolean;
  /** Every partition directory found when the data directory was opened, by its name `<topic>-<partition>`. */
  readonly partitions: ReadonlyMap<string, StoredPartition>;
  /** Replaces the recorded points of all partitions; durable when it returns. */
  write(points: ReadonlyMap<string, PartitionCheckpoint>): void;
  /** As `write`, and records that the shutdown was in order. Nothing may change after it. */
  finish(points: ReadonlyMap<string, PartitionCheckpoint>): void;
  /** Removes the directory of a partition that no owner has open; an absent one is no error. */
  removePartition(directory: string): void;
  /** Bytes of the disk, in all and still free; undefined where the place has no such notion. */
  space(): { readonly totalBytes: number; readonly usableBytes: number } | undefined;
}
