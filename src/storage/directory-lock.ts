// The lock of a data directory: at most one process has it, however many start at once, and one that was killed leaves
// nothing that anybody has to remove. Made of what every file system does atomically, because not every runtime has locks.
//
//   .lock-<pid>-<start>   a claim, empty: that process wants the directory, or has it
//   .lock                 who has it: `<pid> <start>`
//
// A process makes its claim and then looks for others: whoever sees none has the directory. Of two processes each makes
// its claim before it looks, so at least one sees the other. The one with the larger identity then gives way; the other
// waits until it has. Claims of processes that ended are removed by anybody: no later process has their identity.

import { assert } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import type { Store } from '../core/platform.ts';

const LOCK_FILE = '.lock';
const CLAIM = /^\.lock-(\d+)-(\S+)$/;
/** How often the others are looked at until they have given way. */
const LOOKS_MAX = 500;

/** A process, told apart from a later one of the same pid by its start. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Anything that stands in a file name without white space and that no later process of the same pid shares. */
  readonly startedAt: string;
}

export interface DirectoryLockOptions {
  /** A store whose root is the data directory. */
  readonly store: Store;
  readonly process: ProcessIdentity;
  /** Whether this very process is still running. */
  readonly isRunning: (process: ProcessIdentity) => boolean;
  /** Blocks for a few milliseconds, in which other processes go on. */
  readonly pause: () => void;
}

export class DirectoryLock {
  readonly #options: DirectoryLockOptions;
  readonly #claim: string;

  private constructor(options: DirectoryLockOptions) {
    this.#options = options;
    this.#claim = claimOf(options.process);
  }

  /** Throws ERR_DATA_DIRECTORY_LOCKED while another process has the directory, or is about to, and ERR_STORAGE. */
  static take(options: DirectoryLockOptions): DirectoryLock {
    assert(CLAIM.test(claimOf(options.process)), 'an identity stands in a file name');
    const lock = new DirectoryLock(options);
    lock.#refuseOwned();
    options.store.open(lock.#claim, { create: true }).close();
    try {
      lock.#outlastRivals();
      const { pid, startedAt } = options.process;
      options.store.replaceSmall(LOCK_FILE, new TextEncoder().encode(`${pid} ${startedAt}\n`));
    } catch (error) {
      options.store.remove(lock.#claim);
      throw error;
    }
    return lock;
  }

  release(): void {
    const { store } = this.#options;
    store.remove(LOCK_FILE);
    store.remove(this.#claim);
  }

  #refuseOwned(): void {
    const { store, isRunning } = this.#options;
    const owner = readOwner(store);
    if (owner !== undefined && isRunning(owner)) throw locked(owner);
  }

  /** Returns when nobody else wants the directory. */
  #outlastRivals(): void {
    const { process, pause } = this.#options;
    for (let looks = 1; ; looks++) {
      const rivals = this.#rivals();
      const [rival] = rivals;
      if (rival === undefined) return;
      const stronger = rivals.find((each) => isBefore(each, process));
      if (stronger !== undefined || looks === LOOKS_MAX) throw locked(stronger ?? rival);
      this.#refuseOwned();
      pause();
    }
  }

  /** Other processes that run and have a claim; the claims of those that ended go. */
  #rivals(): ProcessIdentity[] {
    const { store, isRunning } = this.#options;
    return store.list('').flatMap(({ name }) => {
      const match = CLAIM.exec(name);
      if (match?.[2] === undefined || name === this.#claim) return [];
      const rival = { pid: Number(match[1]), startedAt: match[2] };
      if (isRunning(rival)) return [rival];
      store.remove(name);
      return [];
    });
  }
}

function claimOf({ pid, startedAt }: ProcessIdentity): string {
  return `${LOCK_FILE}-${pid}-${startedAt}`;
}

/** Any order will do that all processes agree on. */
function isBefore(one: ProcessIdentity, other: ProcessIdentity): boolean {
  return one.pid === other.pid ? one.startedAt < other.startedAt : one.pid < other.pid;
}

function locked(owner: ProcessIdentity): LogFault {
  return new LogFault(
    'ERR_DATA_DIRECTORY_LOCKED',
    `process ${owner.pid} has it; stop that, or choose another directory`,
  );
}

/** Kafka's own lock file is empty and has no owner to be asked for. */
function readOwner(store: Store): ProcessIdentity | undefined {
  const content = store.readSmall(LOCK_FILE);
  const match = /^([0-9]+) (\S+)\n$/.exec(new TextDecoder().decode(content));
  return match?.[2] === undefined ? undefined : { pid: Number(match[1]), startedAt: match[2] };
}
