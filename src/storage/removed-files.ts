// What becomes of the files of a log that it needs no more: renamed out of its sight, segment by segment and oldest first,
// and removed after a delay or kept as spares. What is left of them after a crash goes at the next open. Where the store can,
// the log waits for none of it.

import { present } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import { REMOVALS_ASIDE_MAX } from '../core/limits.ts';
import type { Store, StoreAside } from '../core/platform.ts';
import { DELETED_SUFFIX } from './file-names.ts';
import type { SpareFiles } from './spare-files.ts';

export interface RemovedFilesHome {
  readonly store: Store;
  readonly directory: string;
  readonly spares: SpareFiles;
}

/** Files that leave the log together. */
export interface LeavingFiles {
  readonly paths: readonly string[];
  /** Whether what is in them is still sent to somebody: they may go, but become no others. */
  readonly isLent: () => boolean;
}

interface Removal extends LeavingFiles {
  readonly atMs: number;
}

export class RemovedFiles {
  readonly #home: RemovedFilesHome;
  readonly #fail: (error: unknown) => void;
  /** Segments that have left the log under their old names still. */
  readonly #leaving: Removal[] = [];
  /** The directory is being flushed, for what was renamed last. */
  #flushing = false;
  /** Under their new names. */
  readonly #waiting: Removal[] = [];
  /** Removals beside this thread. */
  #going = 0;
  /** What failed beside this thread and was not told yet. */
  #failure: LogFault | undefined;
  #ended = false;

  /** `fail` is told why segments that have left the log keep their names. */
  constructor(home: RemovedFilesHome, fail: (error: unknown) => void) {
    this.#home = home;
    this.#fail = fail;
  }

  /**
   * Takes the files of the oldest segment, which has left the log. One segment at a time reaches the disk, so that a crash
   * never leaves a hole between segments: they may have their old names for a while. Throws ERR_STORAGE.
   */
  leave(files: LeavingFiles, atMs: number): void {
    this.#leaving.push({ ...files, atMs });
    const { aside } = this.#home.store;
    if (aside === undefined) this.finish();
    else if (!this.#flushing) void this.#leaveAside(aside);
  }

  async #leaveAside(aside: StoreAside): Promise<void> {
    this.#flushing = true;
    try {
      for (let next = this.#leaving.shift(); next !== undefined; next = this.#leaving.shift()) {
        this.retire(next, next.atMs);
        await aside.flushDirectory(this.#home.directory);
      }
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      if (!this.#ended) {
        this.#leaving.length = 0;
        this.#failure ??= error;
        this.#fail(error);
      }
    } finally {
      this.#flushing = false;
    }
  }

  /** Renames what has left the log and was not renamed yet. */
  finish(): void {
    const { store, directory } = this.#home;
    if (this.#leaving.length > 0 && this.#flushing) store.flushDirectory(directory);
    for (let next = this.#leaving.shift(); next !== undefined; next = this.#leaving.shift()) {
      this.retire(next, next.atMs);
      store.flushDirectory(directory);
    }
  }

  /** Renames these files, as far as they are there. Flushes nothing. */
  retire({ paths, isLent }: LeavingFiles, atMs: number): void {
    const { store } = this.#home;
    const renamed: string[] = [];
    for (const path of paths) {
      if (!store.exists(path)) continue;
      store.rename(path, path + DELETED_SUFFIX);
      renamed.push(path + DELETED_SUFFIX);
    }
    this.#waiting.push({ paths: renamed, isLent, atMs });
  }

  /** Removes what was renamed at least `delayMs` before `nowMs`. Throws ERR_STORAGE, also for what failed beside this thread. */
  removeDue(nowMs: number, delayMs: number): void {
    this.#tell();
    while (this.#waiting.length > 0 && this.#going < REMOVALS_ASIDE_MAX) {
      const { paths, isLent, atMs } = present(this.#waiting[0], 'oldest removal');
      if (nowMs - atMs < delayMs) return;
      const mayStay = !isLent();
      for (const path of paths) this.#remove(path, mayStay);
      this.#waiting.shift();
    }
  }

  #tell(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }

  #remove(path: string, mayStay: boolean): void {
    const { store, spares } = this.#home;
    if (store.aside === undefined) store.remove(path);
    else if (!mayStay || !spares.keep(path)) void this.#removeAside(store.aside, path);
  }

  async #removeAside(aside: StoreAside, path: string): Promise<void> {
    this.#going += 1;
    try {
      await aside.remove(path);
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      this.#failure ??= error;
    } finally {
      this.#going -= 1;
    }
  }

  /** The log is closed: nothing is renamed any more. */
  abandon(): void {
    this.#ended = true;
    this.#leaving.length = 0;
  }
}
