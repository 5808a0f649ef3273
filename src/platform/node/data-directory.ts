// The data directory of a Node broker on disk: made where it is missing, with the processes that may have it and the room
// that is left.

import { existsSync, mkdirSync, readFileSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { LogFault } from '../../core/fault.ts';
import type { DirectoryOwnership } from '../../embedded/data-directory.ts';
import type { ProcessIdentity } from '../../storage/data-directory.ts';
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
    ownership: { process: identityOf(process.pid) ?? { pid: process.pid, startedAt: '0' }, isRunning },
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
