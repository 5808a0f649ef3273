// Files of one log that are out of use, emptied and given to new files of the log: where many come and go, another name is
// much cheaper than a file. Only for stores that can empty a file beside the calling thread.
//
// Crash policy: spares go at open. They are empty on stable storage before they get another name, so that a loss of power
// brings back nothing of what was in them.

import { LogFault } from '../core/fault.ts';
import { SPARE_FILES_MAX } from '../core/limits.ts';
import type { Store, StoreAside, StoreFile } from '../core/platform.ts';
import { joinPath, SPARE_SUFFIX } from './file-names.ts';

export class SpareFiles {
  readonly #store: Store;
  readonly #directory: string;
  readonly #paths: string[] = [];
  /** Being emptied. */
  #coming = 0;
  /** No name is given twice. */
  #named = 0;

  constructor(store: Store, directory: string) {
    this.#store = store;
    this.#directory = directory;
  }

  /** Takes a file in that is out of use. False where it is not wanted: it is then as it was. */
  keep(path: string): boolean {
    const { aside } = this.#store;
    if (aside === undefined || this.#coming + this.#paths.length >= SPARE_FILES_MAX) return false;
    this.#named += 1;
    const spare = joinPath(this.#directory, `${this.#named}${SPARE_SUFFIX}`);
    if (!this.#rename(path, spare)) return false;
    void this.#empty(aside, spare);
    return true;
  }

  async #empty(aside: StoreAside, spare: string): Promise<void> {
    this.#coming += 1;
    try {
      await aside.empty(spare);
      this.#paths.push(spare);
    } catch (error) {
      // It stays where it is, and goes at the next open.
      if (!(error instanceof LogFault)) throw error;
    } finally {
      this.#coming -= 1;
    }
  }

  /** Opens a file, which is created where it is absent. */
  create(path: string): StoreFile {
    const spare = this.#paths.length > 0 && !this.#store.exists(path) ? this.#paths.pop() : undefined;
    if (spare !== undefined) this.#rename(spare, path);
    return this.#store.open(path, { create: true });
  }

  /** False where it does not go: somebody else may have removed the file. */
  #rename(from: string, to: string): boolean {
    try {
      this.#store.rename(from, to);
      return true;
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      return false;
    }
  }
}
