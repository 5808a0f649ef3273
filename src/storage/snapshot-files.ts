// The producer snapshots of one log's directory, by offset. It knows names and bytes; content: producer-snapshot.ts.

import type { Store } from '../core/platform.ts';
import { joinPath, SNAPSHOT_SUFFIX, segmentFileName, snapshotFileOffset } from './file-names.ts';
import type { SpareFiles } from './spare-files.ts';

/** With spares a file is made from one of them. */
export interface SnapshotPlace {
  readonly store: Store;
  readonly spares?: SpareFiles | undefined;
}

export class SnapshotFiles {
  readonly #store: Store;
  readonly #spares: SpareFiles | undefined;
  readonly #directory: string;
  /** Ascending. */
  #offsets: number[];

  constructor({ store, spares }: SnapshotPlace, directory: string, names: readonly string[]) {
    this.#store = store;
    this.#spares = spares;
    this.#directory = directory;
    this.#offsets = names.map(snapshotFileOffset).filter((offset) => offset !== undefined);
    this.#offsets.sort((a, b) => a - b);
  }

  /** Offsets that have a snapshot, ascending. */
  get offsets(): readonly number[] {
    return this.#offsets;
  }

  read(offset: number): Uint8Array | undefined {
    return this.#store.readSmall(this.#path(offset));
  }

  /**
   * Writes the snapshot of `offset`. Its checksum is what protects a reader from a torn one, so only a `durable` one is
   * flushed: for a start that shall not read the log.
   */
  write(offset: number, content: Uint8Array, durable: boolean): void {
    const path = this.#path(offset);
    if (durable) {
      this.#store.replaceSmall(path, content);
    } else {
      this.#store.remove(path);
      const file = this.#spares?.create(path) ?? this.#store.open(path, { create: true });
      try {
        file.write(content, 0);
      } finally {
        file.close();
      }
    }
    if (!this.#offsets.includes(offset)) this.#offsets = [...this.#offsets, offset].sort((a, b) => a - b);
  }

  /** Removes those that `isStale` names. They are gone for good when it returns: a power loss brings none back. */
  remove(isStale: (offset: number) => boolean): void {
    const stale = this.#offsets.filter(isStale);
    if (stale.length === 0) return;
    this.#offsets = this.#offsets.filter((offset) => !isStale(offset));
    for (const offset of stale) this.#store.remove(this.#path(offset));
    this.#store.flushDirectory(this.#directory);
  }

  /** Forgets those below `offset`; returns their paths. */
  leave(offset: number): string[] {
    const gone = this.#offsets.filter((each) => each < offset);
    this.#offsets = this.#offsets.filter((each) => each >= offset);
    return gone.map((each) => this.#path(each));
  }

  #path(offset: number): string {
    return joinPath(this.#directory, segmentFileName(offset, SNAPSHOT_SUFFIX));
  }
}
