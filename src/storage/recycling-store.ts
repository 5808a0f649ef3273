// The store of one log, which keeps files that retention took out, empty, for the segments that come: a file system
// makes and ends files much more slowly than it renames them. It knows files by the ends of their names.

import { SPARE_FILES_MAX } from '../core/limits.ts';
import type { Store, StoreEntry, StoreFile } from '../core/platform.ts';
import { DELETED_SUFFIX, parentPath, SEGMENT_SUFFIXES, SNAPSHOT_SUFFIX } from './file-names.ts';

interface Spare {
  readonly path: string;
  /** What it was: the end of the name that it had. */
  readonly kind: string;
}

const KINDS = [...SEGMENT_SUFFIXES, SNAPSHOT_SUFFIX];

/**
 * Crash policy: a spare file is one of the `.deleted` files that go at the next open. It never becomes of the kind that it
 * was: a power loss that brings back what was cut off brings back what fails the checks of the file that it is by then.
 */
export class RecyclingStore implements Store {
  readonly #store: Store;
  readonly #spares: Spare[] = [];
  #retired = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  open(path: string, options: { readonly create: boolean }): StoreFile {
    if (options.create && this.#spares.length > 0 && !this.#store.exists(path)) this.#takeSpare(path);
    return this.#store.open(path, options);
  }

  remove(path: string): void {
    const kind = path.endsWith(DELETED_SUFFIX) ? kindOf(path) : undefined;
    if (kind === undefined || this.#spares.length >= SPARE_FILES_MAX || !this.#store.exists(path)) {
      this.#store.remove(path);
    } else {
      this.#keep(path, kind);
    }
  }

  #keep(path: string, kind: string): void {
    const file = this.#store.open(path, { create: false });
    try {
      file.truncate(0);
    } finally {
      file.close();
    }
    // A name of its own: a later file may be taken out under the one that this had.
    const spare = `${parentPath(path)}/spare-${this.#retired}${DELETED_SUFFIX}`;
    this.#retired += 1;
    this.#store.rename(path, spare);
    this.#spares.push({ path: spare, kind });
  }

  #takeSpare(path: string): void {
    const kind = kindOf(path);
    const index = kind === undefined ? -1 : this.#spares.findIndex((spare) => spare.kind !== kind);
    const [spare] = index < 0 ? [] : this.#spares.splice(index, 1);
    // One that somebody has removed is made anew by whoever opens it.
    if (spare !== undefined && this.#store.exists(spare.path)) this.#store.rename(spare.path, path);
  }

  list(directory: string): StoreEntry[] {
    return this.#store.list(directory);
  }

  exists(path: string): boolean {
    return this.#store.exists(path);
  }

  createDirectory(path: string): void {
    this.#store.createDirectory(path);
  }

  removeDirectory(path: string): void {
    this.#store.removeDirectory(path);
  }

  rename(from: string, to: string): void {
    this.#store.rename(from, to);
  }

  readSmall(path: string): Uint8Array | undefined {
    return this.#store.readSmall(path);
  }

  replaceSmall(path: string, content: Uint8Array): void {
    this.#store.replaceSmall(path, content);
  }

  flushDirectory(path: string): void {
    this.#store.flushDirectory(path);
  }

  close(): void {
    this.#store.close();
  }
}

function kindOf(path: string): string | undefined {
  const [, kind] = /(\.[a-z]+)(?:\.[a-z]+)?$/.exec(path) ?? [];
  return KINDS.find((each) => each === kind);
}
