// The data directory of a Node broker on disk: made where it is missing, with the processes that may have it and the room
// that is left.

import { existsSync, mkdirSync, readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { LogFault } from '../../core/fault.ts';
import type { DirectoryOwnership } from '../../embedded/data-directory.ts';
import { ownershipOf } from '../process-identity.ts';
import { NodeStore } from './node-store.ts';

/** A data directory on disk, for a broker in this process. Partitions are reached through stores of their owners. */
export interface NodeDirectory {
  readonly store: NodeStore;
  readonly ownership: DirectoryOwnership;
  space(): { readonly totalBytes: number; readonly usableBytes: number };
}

/** Makes the directory where it is missing. Throws LogFault ERR_STORAGE. */
export function openNodeDirectory(path: string): NodeDirectory {
  createRoot(path);
  return {
    store: new NodeStore(path),
    ownership: ownershipOf({
      pid: process.pid,
      readText: (file) => readFileSync(file, 'latin1'),
      probe: (pid) => process.kill(pid, 0),
    }),
    space: () => {
      const { blocks, bavail, bsize } = statfsSync(path);
      return { totalBytes: blocks * bsize, usableBytes: bavail * bsize };
    },
  };
}

function createRoot(path: string): void {
  try {
    createTree(path);
  } catch (error) {
    throw new LogFault(
      'ERR_STORAGE',
      `data directory ${path} cannot be made: ${error instanceof Error ? error.message : error}`,
      error,
    );
  }
}

/** One level at a time: `mkdirSync` with `recursive` tries for ever where the file system takes no directories (/proc). */
function createTree(path: string): void {
  if (existsSync(path)) return;
  const parent = dirname(path);
  if (parent !== path) createTree(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process that starts may have made it meanwhile.
    if (!existsSync(path)) throw error;
  }
}
