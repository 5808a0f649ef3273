// The data directory as a whole: whose it is, that one process alone has it, whether it was closed in order, and the
// checkpoints of its partitions. It knows directories by name and opens no log.
//
//   meta.properties                       cluster, node and directory id, as Kafka 4 writes them
//   .lock, .lock-<pid>-<start>            directory-lock.ts
//   .kafka_cleanshutdown                  there between an orderly close and the next open
//   recovery-point-offset-checkpoint      checkpoints.ts
//   log-start-offset-checkpoint           checkpoints.ts
//   <topic>-<partition>/                  FORMAT.md
//   <topic>-<partition>.<id>-delete/      removed at open
//
// Crash policy: small files are replaced as a whole. The marker of an orderly close is gone, on stable storage, before
// the first log is opened, so no crash afterwards can be taken for an orderly close.

import { assert } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import type { Random, Store } from '../core/platform.ts';
import {
  LOG_START_FILE,
  type OffsetCheckpoint,
  parsePartitionDirectory,
  RECOVERY_POINT_FILE,
  readCheckpoint,
  writeCheckpoint,
} from './checkpoints.ts';
import { DirectoryLock, type DirectoryLockOptions } from './directory-lock.ts';
import { DELETED_DIRECTORY_SUFFIX } from './file-names.ts';

const META_FILE = 'meta.properties';
const CLEAN_SHUTDOWN_FILE = '.kafka_cleanshutdown';
/** What Kafka's CleanShutdownFileHandler writes for a broker without an epoch. */
const CLEAN_SHUTDOWN_CONTENT = '{"version":0,"brokerEpoch":-1}';

export interface DataDirectoryOptions extends DirectoryLockOptions {
  readonly nodeId: number;
  /** Cluster that the directory must belong to; undefined takes the one it has, or makes one. */
  readonly clusterId?: string;
  readonly random: Random;
}

export interface DirectoryIdentity {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly directoryId: string;
}

export class DataDirectory {
  readonly identity: DirectoryIdentity;
  /** The process before closed every log in order. */
  readonly cleanShutdown: boolean;
  readonly #store: Store;
  readonly #lock: DirectoryLock;
  readonly #recoveryPoints: Map<string, number>;
  readonly #logStartOffsets: Map<string, number>;
  #closed = false;

  /**
   * Takes the directory for this process. Throws ERR_DATA_DIRECTORY_LOCKED while another one has it,
   * ERR_DATA_DIRECTORY_UNREADABLE where a file does not parse or belongs to another broker, and ERR_STORAGE.
   */
  static open(options: DataDirectoryOptions): DataDirectory {
    const lock = DirectoryLock.take(options);
    try {
      return new DataDirectory(options, lock);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(options: DataDirectoryOptions, lock: DirectoryLock) {
    const { store } = options;
    this.#lock = lock;
    this.#store = store;
    this.identity = identify(options);
    this.#recoveryPoints = readCheckpoint(store, RECOVERY_POINT_FILE);
    this.#logStartOffsets = readCheckpoint(store, LOG_START_FILE);
    this.#removeLeftovers();
    this.cleanShutdown = store.exists(CLEAN_SHUTDOWN_FILE);
    if (!this.cleanShutdown) return;
    store.remove(CLEAN_SHUTDOWN_FILE);
    store.flushDirectory('');
  }

  /** Offsets below which each log was known to be on stable storage, by partition directory. */
  get recoveryPoints(): OffsetCheckpoint {
    return this.#recoveryPoints;
  }

  /** Log start offsets by partition directory. */
  get logStartOffsets(): OffsetCheckpoint {
    return this.#logStartOffsets;
  }

  /** Names of all partition directories, sorted. */
  partitions(): string[] {
    const directories = this.#store.list('').filter((entry) => entry.isDirectory);
    return directories.map(({ name }) => name).filter((name) => parsePartitionDirectory(name) !== undefined);
  }

  /** Replaces the recovery points of all partitions; on stable storage when it returns. */
  writeRecoveryPoints(offsets: OffsetCheckpoint): void {
    this.#assertOpen();
    writeCheckpoint(this.#store, RECOVERY_POINT_FILE, offsets);
    replace(this.#recoveryPoints, offsets);
  }

  /** Replaces the log start offsets of all partitions; on stable storage when it returns. */
  writeLogStartOffsets(offsets: OffsetCheckpoint): void {
    this.#assertOpen();
    writeCheckpoint(this.#store, LOG_START_FILE, offsets);
    replace(this.#logStartOffsets, offsets);
  }

  /**
   * Takes a partition out of both checkpoints. To be called before its directory is removed: a later partition of the
   * same name would otherwise be taken for one that lost what was flushed.
   */
  forget(directory: string): void {
    this.#assertOpen();
    if (this.#recoveryPoints.delete(directory)) {
      writeCheckpoint(this.#store, RECOVERY_POINT_FILE, this.#recoveryPoints);
    }
    if (this.#logStartOffsets.delete(directory)) {
      writeCheckpoint(this.#store, LOG_START_FILE, this.#logStartOffsets);
    }
  }

  /**
   * Gives the directory up. `inOrder` says that every log was closed without a fault and the recovery points written
   * are the logs' ends: the next start then trusts them.
   */
  close(inOrder: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    if (inOrder) {
      this.#store.replaceSmall(CLEAN_SHUTDOWN_FILE, new TextEncoder().encode(CLEAN_SHUTDOWN_CONTENT));
      this.#store.flushDirectory('');
    }
    this.#lock.release();
  }

  #removeLeftovers(): void {
    for (const { name, isDirectory } of this.#store.list('')) {
      if (isDirectory && name.endsWith(DELETED_DIRECTORY_SUFFIX)) this.#store.removeDirectory(name);
    }
  }

  #assertOpen(): void {
    assert(!this.#closed, 'the data directory is open');
  }
}

function identify(options: DataDirectoryOptions): DirectoryIdentity {
  const { store, nodeId, clusterId } = options;
  const content = store.readSmall(META_FILE);
  if (content === undefined) return createIdentity(options);
  const properties = parseProperties(new TextDecoder().decode(content));
  const found = {
    clusterId: required(properties, 'cluster.id'),
    nodeId: Number(required(properties, 'node.id')),
    directoryId: required(properties, 'directory.id'),
  };
  if (required(properties, 'version') !== '1') throw unreadable('its version is not 1');
  if (found.nodeId !== nodeId) throw unreadable(`it belongs to node ${found.nodeId}, and this is node ${nodeId}`);
  if (clusterId !== undefined && found.clusterId !== clusterId) {
    throw unreadable(`it belongs to cluster ${found.clusterId}, and this is cluster ${clusterId}`);
  }
  return found;
}

function createIdentity({ store, nodeId, clusterId, random }: DataDirectoryOptions): DirectoryIdentity {
  const identity = {
    clusterId: clusterId ?? base64Url(random.uuid()),
    nodeId,
    directoryId: base64Url(random.uuid()),
  };
  const lines = [
    `cluster.id=${identity.clusterId}`,
    `directory.id=${identity.directoryId}`,
    `node.id=${nodeId}`,
    'version=1',
  ];
  store.replaceSmall(META_FILE, new TextEncoder().encode(`${lines.join('\n')}\n`));
  store.flushDirectory('');
  return identity;
}

/** Java's properties, as far as meta.properties uses them: lines `key=value`, comments with `#`. */
function parseProperties(text: string): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    const equals = line.indexOf('=');
    if (equals < 0) throw unreadable(`line "${line}" is no property`);
    properties.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim());
  }
  return properties;
}

function required(properties: ReadonlyMap<string, string>, key: string): string {
  const value = properties.get(key);
  if (value === undefined || value === '') throw unreadable(`${key} is missing`);
  return value;
}

function unreadable(reason: string): LogFault {
  return new LogFault('ERR_DATA_DIRECTORY_UNREADABLE', `${META_FILE}: ${reason}`);
}

function replace(target: Map<string, number>, source: OffsetCheckpoint): void {
  const entries = [...source];
  target.clear();
  for (const [directory, offset] of entries) target.set(directory, offset);
}

/** As Kafka prints ids: base64url without padding. */
function base64Url(bytes: Uint8Array): string {
  const binary = String.fromCharCode(...bytes);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
