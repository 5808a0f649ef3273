// A segment's sparse index on disk: fixed-size entries in ascending order, big-endian, appended through a small buffer.
// Rebuildable from the log, so nothing here is flushed on its own and every answer is checked against the log by the
// caller. Entry layouts: assembly/shared/index-layout.ts; the two kinds are offset-index.ts and time-index.ts.

import { assert } from '../core/assert.ts';
import { INDEX_TAIL_BYTES_MAX, INDEX_WINDOW_BYTES } from '../core/limits.ts';
import type { Store, StoreFile } from '../core/platform.ts';
import { viewOf } from '../wasm/batch-header.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { SpareFiles } from './spare-files.ts';

const TAIL_BYTES_FIRST = 96;

/** Where an index file lies; with spares it is made from one of them. */
export interface IndexPlace {
  readonly store: Store;
  readonly spares?: SpareFiles | undefined;
}

export abstract class SparseIndex {
  readonly path: string;
  readonly #store: Store;
  readonly #spares: SpareFiles | undefined;
  readonly #entryBytes: number;
  #file: StoreFile | undefined;
  /** Entries in the file; undefined before the file was looked at. */
  #stored: number | undefined;
  /** Entries not in the file yet; allocated by the first append. */
  #tail: Uint8Array | undefined;
  #tailBytes = 0;
  /** The file was written since it was last flushed. */
  #unflushed = false;

  constructor({ store, spares }: IndexPlace, path: string, entryBytes: number) {
    this.#store = store;
    this.#spares = spares;
    this.path = path;
    this.#entryBytes = entryBytes;
  }

  protected abstract keyAt(view: DataView, at: number): number;
  /** The wasm kernel over `count` entries at `pointer`; index of the last entry at or below `key`, or -1. */
  protected abstract kernelFloor(kernels: Kernels, window: { pointer: number; count: number }, key: number): number;

  get unflushed(): boolean {
    return this.#unflushed || this.#tailBytes > 0;
  }

  get count(): number {
    return this.#storedCount() + this.#tailBytes / this.#entryBytes;
  }

  get sizeBytes(): number {
    return this.count * this.#entryBytes;
  }

  /** Whether the file is there and holds whole entries. */
  isWhole(): boolean {
    if (!this.#store.exists(this.path)) return false;
    return this.#open(false).size() % this.#entryBytes === 0;
  }

  /** Forgets every entry, in the file too. */
  reset(): void {
    this.#tail = undefined;
    this.#tailBytes = 0;
    this.truncateEntries(0);
  }

  /** Keeps the first `count` entries. */
  truncateEntries(count: number): void {
    const stored = this.#storedCount();
    if (count >= stored) {
      this.#tailBytes = Math.min(this.#tailBytes, (count - stored) * this.#entryBytes);
      return;
    }
    this.#tailBytes = 0;
    this.#open(true).truncate(count * this.#entryBytes);
    this.#stored = count;
    this.#unflushed = true;
  }

  /** Room for entries in the tail, which goes to the file first when they do not fit. Fails before anything changed. */
  makeRoom(entries: number): void {
    const bytes = entries * this.#entryBytes;
    assert(bytes <= INDEX_TAIL_BYTES_MAX, 'a tail holds the entries of a run');
    if (this.#tailBytes + bytes > INDEX_TAIL_BYTES_MAX) this.spill();
  }

  /** Writes the tail to the file, which exists afterwards. */
  spill(): void {
    const file = this.#open(true);
    const stored = this.#storedCount();
    if (this.#tail === undefined || this.#tailBytes === 0) return;
    file.write(this.#tail.subarray(0, this.#tailBytes), stored * this.#entryBytes);
    this.#stored = stored + this.#tailBytes / this.#entryBytes;
    this.#tailBytes = 0;
    this.#unflushed = true;
  }

  /** Index of the last entry whose key is at or below `key`, or -1. */
  floor(kernels: Kernels, key: number): number {
    const stored = this.#storedCount();
    const inTail = this.#tailFloor(kernels, key);
    if (inTail >= 0) return stored + inTail;
    return this.#storedFloor(kernels, key, stored);
  }

  async flush(): Promise<void> {
    if (!this.#unflushed) return;
    this.#unflushed = false;
    await this.#open(true).flush();
  }

  /** `always` also where another flush is under way, whose outcome is not known yet. */
  flushSync(always: boolean): void {
    if (!this.#unflushed && !always) return;
    this.#unflushed = false;
    this.#open(true).flushSync();
  }

  /** Gives up buffer and handle; what was not spilled is lost. */
  release(): void {
    this.#file?.close();
    this.#file = undefined;
    this.#tail = undefined;
    this.#tailBytes = 0;
  }

  /** Gives up the handle alone. */
  releaseFile(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Where the next entry is to be written, in the tail. */
  protected appendEntry(): { view: DataView; at: number } {
    this.makeRoom(1);
    const tail = this.#grownTail();
    const at = this.#tailBytes;
    this.#tailBytes += this.#entryBytes;
    return { view: viewOf(tail), at };
  }

  /** A view that holds entry `index` at position 0. */
  protected entryView(index: number): DataView {
    const stored = this.#storedCount();
    assert(index >= 0 && index < this.count, `index entry ${index} of ${this.count}`);
    if (index >= stored && this.#tail !== undefined) {
      const at = (index - stored) * this.#entryBytes;
      return viewOf(this.#tail.subarray(at, at + this.#entryBytes));
    }
    const entry = new Uint8Array(this.#entryBytes);
    this.#open(false).read(entry, index * this.#entryBytes);
    return viewOf(entry);
  }

  /** A view of entries from `first` on: `count` of them, or as many as there are. */
  protected entriesView(first: number, count: number): DataView {
    const stored = this.#storedCount();
    const end = Math.min(first + count, this.count);
    const entries = new Uint8Array(Math.max(0, end - first) * this.#entryBytes);
    const fromFile = Math.max(0, Math.min(end, stored) - first) * this.#entryBytes;
    if (fromFile > 0) this.#open(false).read(entries.subarray(0, fromFile), first * this.#entryBytes);
    const tailStart = Math.max(0, first - stored) * this.#entryBytes;
    if (fromFile < entries.length && this.#tail !== undefined)
      entries.set(this.#tail.subarray(tailStart, tailStart + entries.length - fromFile), fromFile);
    return viewOf(entries);
  }

  #grownTail(): Uint8Array {
    const needed = this.#tailBytes + this.#entryBytes;
    if (this.#tail !== undefined && this.#tail.length >= needed) return this.#tail;
    const grown = new Uint8Array(this.#tail === undefined ? TAIL_BYTES_FIRST : this.#tail.length * 2);
    if (this.#tail !== undefined) grown.set(this.#tail);
    this.#tail = grown;
    return grown;
  }

  #tailFloor(kernels: Kernels, key: number): number {
    const tail = this.#tail;
    if (tail === undefined || this.#tailBytes === 0 || this.keyAt(viewOf(tail), 0) > key) return -1;
    const pointer = kernels.reserve(this.#tailBytes);
    kernels.bytes().set(tail.subarray(0, this.#tailBytes), pointer);
    return this.kernelFloor(kernels, { pointer, count: this.#tailBytes / this.#entryBytes }, key);
  }

  /** Narrows to a window by reading single entries, then searches the window in one kernel call. */
  #storedFloor(kernels: Kernels, key: number, stored: number): number {
    const windowCount = Math.floor(INDEX_WINDOW_BYTES / this.#entryBytes);
    let low = 0;
    let high = stored;
    while (high - low > windowCount) {
      const middle = (low + high) >>> 1;
      if (this.keyAt(this.entryView(middle), 0) <= key) low = middle;
      else high = middle;
    }
    if (high === low) return -1;
    const bytes = (high - low) * this.#entryBytes;
    const pointer = kernels.reserve(bytes);
    const read = this.#open(false).read(kernels.bytes().subarray(pointer, pointer + bytes), low * this.#entryBytes);
    const count = Math.floor(read / this.#entryBytes);
    const found = this.kernelFloor(kernels, { pointer, count }, key);
    return found < 0 && low > 0 ? low - 1 : low + found;
  }

  #storedCount(): number {
    if (this.#stored === undefined) {
      this.#stored = this.#store.exists(this.path) ? Math.floor(this.#open(false).size() / this.#entryBytes) : 0;
    }
    return this.#stored;
  }

  #open(create: boolean): StoreFile {
    const spares = create ? this.#spares : undefined;
    this.#file ??= spares?.create(this.path) ?? this.#store.open(this.path, { create });
    return this.#file;
  }
}
