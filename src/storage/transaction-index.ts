// `<base offset>.txnindex`: the transactions whose abort marker stands in a segment, in the order of the markers, in
// Kafka's format. Absent where there are none. Entries of 34 bytes, big-endian:
//
//   0         2             10             18            26                   34
//   +---------+-------------+--------------+-------------+--------------------+
//   | version | producer id | first offset | last offset | last stable offset |
//   | 0       |             | of the       | the marker  | once it was ended  |
//   +---------+-------------+--------------+-------------+--------------------+
//
// Crash policy: on stable storage before the recovery point passes the segment; recovery writes the entries of the
// segments behind it again, from the batches. One that cannot be right is rebuilt when it is read.

import type { Store, StoreFile } from '../core/platform.ts';
import { readInt64, viewOf, writeInt64 } from '../wasm/batch-header.ts';

export interface AbortedEntry {
  readonly producerId: number;
  readonly firstOffset: number;
  /** Offset of the marker. */
  readonly lastOffset: number;
  /** Below it no transaction was open when this one ended. */
  readonly lastStableOffset: number;
}

const VERSION = 0;
const ENTRY_BYTES = 34;
const WINDOW_ENTRIES = 240;

export class TransactionIndex {
  readonly #store: Store;
  readonly path: string;
  #file: StoreFile | undefined;
  /** Entries in the file; undefined before it was looked at. */
  #count: number | undefined;
  #checked = false;
  unflushed = false;

  constructor(store: Store, path: string) {
    this.#store = store;
    this.path = path;
  }

  get count(): number {
    this.#count ??= this.#store.exists(this.path) ? Math.floor(this.#open().size() / ENTRY_BYTES) : 0;
    return this.#count;
  }

  /** `lastOffset` must be above that of the last entry. The file is there afterwards. */
  append(entry: AbortedEntry): void {
    const count = this.count;
    const bytes = new Uint8Array(ENTRY_BYTES);
    const view = viewOf(bytes);
    view.setInt16(0, VERSION);
    writeInt64(view, 2, entry.producerId);
    writeInt64(view, 10, entry.firstOffset);
    writeInt64(view, 18, entry.lastOffset);
    writeInt64(view, 26, entry.lastStableOffset);
    this.#open().write(bytes, count * ENTRY_BYTES);
    if (count === 0) this.#checked = true;
    this.#count = count + 1;
    this.unflushed = true;
  }

  /** Drops every entry. */
  reset(): void {
    if (this.#store.exists(this.path)) this.#truncateEntries(0);
    this.#checked = true;
  }

  /** Drops the entries whose marker stands at `offset` or beyond, and what is not a whole entry. */
  truncateTo(offset: number): void {
    if (!this.#store.exists(this.path)) return;
    this.#truncateEntries(this.#firstWithMarkerFrom(offset));
  }

  #truncateEntries(count: number): void {
    this.#count = count;
    if (count * ENTRY_BYTES === this.#open().size()) return;
    this.#open().truncate(count * ENTRY_BYTES);
    this.unflushed = true;
  }

  /**
   * Adds the entries that overlap with [from, end) to `found`. True when no transaction of a later segment can: all that
   * begin before `end` had ended.
   */
  collect(range: { readonly from: number; readonly end: number }, found: AbortedEntry[]): boolean {
    let index = this.#firstWithMarkerFrom(range.from);
    while (index < this.count) {
      for (const entry of this.#entries(index)) {
        if (entry.firstOffset < range.end) found.push(entry);
        if (entry.lastStableOffset >= range.end) return true;
        index += 1;
      }
    }
    return false;
  }

  /** Whether the entries can be those of a segment with these offsets. Looked at once. */
  isSound(baseOffset: number, endOffset: number): boolean {
    if (this.#checked || !this.#store.exists(this.path)) return true;
    if (this.#open().size() % ENTRY_BYTES !== 0) return false;
    let previous = baseOffset - 1;
    for (let index = 0; index < this.count; ) {
      for (const { firstOffset, lastOffset, lastStableOffset } of this.#entries(index)) {
        const inOrder = lastOffset > previous && lastOffset < endOffset;
        const inside = firstOffset >= 0 && firstOffset < lastOffset && lastStableOffset <= lastOffset + 1;
        if (!inOrder || !inside) return false;
        previous = lastOffset;
        index += 1;
      }
    }
    this.#checked = true;
    return true;
  }

  /** Every entry, for tools. */
  all(): AbortedEntry[] {
    const entries: AbortedEntry[] = [];
    while (entries.length < this.count) entries.push(...this.#entries(entries.length));
    return entries;
  }

  async flush(): Promise<void> {
    if (!this.unflushed) return;
    this.unflushed = false;
    await this.#open().flush();
  }

  flushSync(always: boolean): void {
    if (!this.unflushed && !(always && this.count > 0)) return;
    this.unflushed = false;
    this.#open().flushSync();
  }

  /** Gives up the handle. */
  release(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  /** Index of the first entry whose marker stands at `offset` or beyond: markers rise. */
  #firstWithMarkerFrom(offset: number): number {
    let low = 0;
    let high = this.count;
    const bytes = new Uint8Array(ENTRY_BYTES);
    while (low < high) {
      const middle = (low + high) >>> 1;
      this.#open().read(bytes, middle * ENTRY_BYTES);
      if (readInt64(viewOf(bytes), 18) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The entries from `index` on, as many as one read takes; at least one where there is one. */
  #entries(index: number): AbortedEntry[] {
    const wanted = Math.min(WINDOW_ENTRIES, this.count - index);
    const bytes = new Uint8Array(wanted * ENTRY_BYTES);
    this.#open().read(bytes, index * ENTRY_BYTES);
    const view = viewOf(bytes);
    return Array.from({ length: wanted }, (_, each) => {
      const at = each * ENTRY_BYTES;
      return {
        producerId: readInt64(view, at + 2),
        firstOffset: readInt64(view, at + 10),
        lastOffset: readInt64(view, at + 18),
        lastStableOffset: readInt64(view, at + 26),
      };
    });
  }

  #open(): StoreFile {
    this.#file ??= this.#store.open(this.path, { create: true });
    return this.#file;
  }
}
