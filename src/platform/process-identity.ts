// Tells processes apart, so that a data directory has one owner: by pid and start where /proc says it. The few calls that
// differ between runtimes come in as arguments.

import type { DirectoryOwnership } from '../embedded/data-directory.ts';
import type { ProcessIdentity } from '../storage/directory-lock.ts';

/** Between two looks at other processes that want the same directory. */
const PAUSE_MS = 10;

export interface ProcessView {
  readonly pid: number;
  /** The content of a small file of /proc; throws where it is not there. */
  readText(path: string): string;
  /** Sends signal 0: throws ESRCH where there is no such process. */
  probe(pid: number): void;
}

/** Who may have a directory that this process opens. */
export function ownershipOf(view: ProcessView): DirectoryOwnership {
  return {
    process: identityOf(view, view.pid) ?? { pid: view.pid, startedAt: '0' },
    isRunning: (owner) => isRunning(view, owner),
    pause: () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS),
  };
}

/** Field 22 of /proc/PID/stat: the process's start in clock ticks since boot. Undefined where it cannot be read. */
function identityOf(view: ProcessView, pid: number): ProcessIdentity | undefined {
  try {
    const stat = view.readText(`/proc/${pid}/stat`);
    // The name in field 2 may hold anything; fields are counted behind its closing bracket.
    const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return startedAt === undefined ? undefined : { pid, startedAt };
  } catch {
    return undefined;
  }
}

/** Where /proc is missing, a process of that pid other than this one is taken for the owner. */
function isRunning(view: ProcessView, owner: ProcessIdentity): boolean {
  const now = identityOf(view, owner.pid);
  if (now !== undefined) return now.startedAt === owner.startedAt;
  if (owner.pid === view.pid) return false;
  try {
    view.probe(owner.pid);
    return true;
  } catch (error) {
    // EPERM: it is there, and another user's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
