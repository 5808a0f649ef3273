// The data directory of a Node broker: made where it is missing, taken for this process, and shown to the broker as the
// checkpoints it asks for.

import { existsSync, mkdirSync, readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { PartitionCheckpoint, PartitionCheckpoints, StoredPartition } from '../../broker/partition-checkpoints.ts';
import { LogFault } from '../../core/fault.ts';
import type { Store } from '../../core/platform.ts';
import { DataDirectory, type ProcessIdentity } from '../../storage/data-directory.ts';
import { readTopicId } from '../../storage/partition-metadata.ts';
import { systemRandom } from './clock.ts';
import { NodeStore } from './node-store.ts';

/** A data directory that belongs to this process until it is closed. */
export interface OpenDataDirectory {
  /** For the files of the directory itself; partitions are reached through stores of their owners. */
  readonly store: Store;
  readonly clusterId: string;
  readonly checkpoints: PartitionCheckpoints;
  /** Gives the directory up: as closed in order, if the broker said so by `finish`. */
  close(): void;
}

/** Throws LogFault ERR_STORAGE, ERR_DATA_DIRECTORY_LOCKED, ERR_DATA_DIRECTORY_UNREADABLE. */
export function openDataDirectory(options: { readonly path: string; readonly nodeId: number }): OpenDataDirectory {
  const { path, nodeId } = options;
  createRoot(path);
  const store = new NodeStore(path);
  try {
    const directory = DataDirectory.open({
      store,
      nodeId,
      random: systemRandom,
      process: identityOf(process.pid) ?? { pid: process.pid, startedAt: '0' },
      isRunning,
    });
    const checkpoints = new NodeCheckpoints({ path, store, directory });
    return {
      store,
      clusterId: directory.identity.clusterId,
      checkpoints,
      close: () => {
        directory.close(checkpoints.finished);
        store.close();
      },
    };
  } catch (error) {
    store.close();
    throw error instanceof LogFault
      ? new LogFault(error.code, `data directory ${path}: ${error.message}`, error)
      : error;
  }
}

function createRoot(path: string): void {
  try {
    createTree(path);
  } catch (error) {
    throw new LogFault('ERR_STORAGE', `data directory ${path} cannot be made: ${String(error)}`, error);
  }
}

/** One level at a time: `mkdirSync` with `recursive` tries for ever where the file system takes no directories (/proc). */
function createTree(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) createTree(parent);
  mkdirSync(path);
}

/** Field 22 of /proc/PID/stat: the process's start in clock ticks since boot. Undefined where it cannot be read. */
function identityOf(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in field 2 may hold anything; fields are counted behind its closing bracket.
    const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return startedAt === undefined ? undefined : { pid, startedAt };
  } catch {
    return undefined;
  }
}

/** Where /proc is missing, a process of that pid other than this one is taken for the owner. */
function isRunning(owner: ProcessIdentity): boolean {
  const now = identityOf(owner.pid);
  if (now !== undefined) return now.startedAt === owner.startedAt;
  if (owner.pid === process.pid) return false;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and another user's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

interface CheckpointParts {
  readonly path: string;
  readonly store: Store;
  readonly directory: DataDirectory;
}

class NodeCheckpoints implements PartitionCheckpoints {
  readonly path: string;
  readonly partitions: ReadonlyMap<string, StoredPartition>;
  readonly #directory: DataDirectory;
  readonly #store: Store;
  #finished = false;

  constructor({ path, store, directory }: CheckpointParts) {
    this.path = path;
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

  space(): { readonly totalBytes: number; readonly usableBytes: number } {
    const { blocks, bavail, bsize } = statfsSync(this.path);
    return { totalBytes: blocks * bsize, usableBytes: bavail * bsize };
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
