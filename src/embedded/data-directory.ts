// The data directory of a broker, over any store: taken for this process, and shown to the broker as the checkpoints it
// asks for.

import type { PartitionCheckpoint, PartitionCheckpoints, StoredPartition } from '../broker/partition-checkpoints.ts';
import { LogFault } from '../core/fault.ts';
import type { Random, Store } from '../core/platform.ts';
import { DataDirectory } from '../storage/data-directory.ts';
import type { DirectoryLockOptions } from '../storage/directory-lock.ts';
import { readTopicId } from '../storage/partition-metadata.ts';

/** A data directory that belongs to this process until it is closed. The store stays the caller's. */
export interface OpenDataDirectory {
  readonly clusterId: string;
  readonly checkpoints: PartitionCheckpoints;
  /** Gives the directory up: as closed in order, if the broker said so by `finish`. */
  close(): void;
}

/** Who may have the directory, where several processes could open it. */
export type DirectoryOwnership = Omit<DirectoryLockOptions, 'store'>;

export interface DirectoryOptions {
  /** A store whose root is the data directory. */
  readonly store: Store;
  /** Where it is, for people. */
  readonly path: string;
  readonly nodeId: number;
  readonly random: Random;
  readonly ownership: DirectoryOwnership;
  readonly space: PartitionCheckpoints['space'];
}

/** For a store that nobody else can open while this one has it: a lock that is found is that of a process that ended. */
export const SOLE_OWNER: DirectoryOwnership = {
  process: { pid: 1, startedAt: '0' },
  isRunning: () => false,
  pause: () => undefined,
};

/** Throws LogFault ERR_STORAGE, ERR_DATA_DIRECTORY_LOCKED, ERR_DATA_DIRECTORY_UNREADABLE. */
export function openDataDirectory(options: DirectoryOptions): OpenDataDirectory {
  const { path } = options;
  try {
    const directory = DataDirectory.open({ ...options, ...options.ownership });
    const checkpoints = new StoreCheckpoints({ ...options, directory });
    return {
      clusterId: directory.identity.clusterId,
      checkpoints,
      close: () => directory.close(checkpoints.finished),
    };
  } catch (error) {
    throw error instanceof LogFault
      ? new LogFault(error.code, `data directory ${path}: ${error.message}`, error)
      : error;
  }
}

interface CheckpointParts {
  readonly path: string;
  readonly store: Store;
  readonly directory: DataDirectory;
  readonly space: PartitionCheckpoints['space'];
}

class StoreCheckpoints implements PartitionCheckpoints {
  readonly path: string;
  readonly partitions: ReadonlyMap<string, StoredPartition>;
  readonly #directory: DataDirectory;
  readonly #store: Store;
  readonly #space: PartitionCheckpoints['space'];
  #finished = false;

  constructor({ path, store, directory, space }: CheckpointParts) {
    this.path = path;
    this.#space = space;
    this.#store = store;
    this.#directory = directory;
    this.partitions = new Map(
      directory.partitions().map((name) => [name, new LazyStoredPartition(name, store, directory)]),
    );
  }

  get cleanShutdown(): boolean {
    return this.#directory.cleanShutdown;
  }

  get finished(): boolean {
    return this.#finished;
  }

  write(points: ReadonlyMap<string, PartitionCheckpoint>): void {
    // The log start offsets first: a recovery point below the log start would be read as a hole.
    this.#directory.writeLogStartOffsets(mapped(points, (point) => point.logStartOffset));
    this.#directory.writeRecoveryPoints(mapped(points, (point) => point.recoveryPoint));
  }

  finish(points: ReadonlyMap<string, PartitionCheckpoint>): void {
    this.write(points);
    this.#finished = true;
  }

  removePartition(directory: string): void {
    this.#directory.forget(directory);
    this.#store.removeDirectory(directory);
  }

  space(): ReturnType<PartitionCheckpoints['space']> {
    return this.#space();
  }
}

function mapped(
  points: ReadonlyMap<string, PartitionCheckpoint>,
  pick: (point: PartitionCheckpoint) => number,
): Map<string, number> {
  const result = new Map<string, number>();
  for (const [directory, point] of points) result.set(directory, pick(point));
  return result;
}

/** Reads `partition.metadata` only when somebody asks: a start over known topics reads none of them. */
class LazyStoredPartition implements StoredPartition {
  readonly recoveryPoint: number;
  readonly logStartOffset: number;
  readonly #name: string;
  readonly #store: Store;

  constructor(name: string, store: Store, directory: DataDirectory) {
    this.#name = name;
    this.#store = store;
    this.recoveryPoint = directory.recoveryPoints.get(name) ?? 0;
    this.logStartOffset = directory.logStartOffsets.get(name) ?? 0;
  }

  get topicId(): string | undefined {
    try {
      return readTopicId(this.#store, this.#name);
    } catch (error) {
      if (error instanceof LogFault) return undefined;
      throw error;
    }
  }
}
