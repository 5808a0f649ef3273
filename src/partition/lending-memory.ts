// Memory in which a partition's owner lends what it read to the dispatching thread, until that was sent. It is used again
// and again, so that large reads cost neither fresh pages nor a mark of V8's heap for every 64 MiB of buffers handed over.
// What finds no room is read into a buffer of its own, which is given away.

import { assert } from '../core/assert.ts';
import { LENDING_BYTES } from '../core/limits.ts';
import type { ReadMemory } from '../storage/read-memory.ts';
import type { LentBytes } from './commands.ts';

const PAGE_BYTES = 16 * 1024;

/** Memory that both threads see. */
export function createLendingMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(LENDING_BYTES);
}

/** The owner's side. One read is under way at a time: {@link take} as often as it needs, then {@link settle}. */
export class LendingMemory implements ReadMemory {
  readonly #bytes: Uint8Array;
  /** By page: the pages of the run that begins there, or 0. */
  readonly #runs: Uint16Array;
  /** Gives up memory that is kept for later; false where there is none. */
  #reclaim = (): boolean => false;
  /** First page of the read under way. */
  #current = -1;

  constructor(memory: SharedArrayBuffer) {
    this.#bytes = new Uint8Array(memory);
    this.#runs = new Uint16Array(Math.floor(memory.byteLength / PAGE_BYTES));
  }

  /** `reclaim` is called where a read finds no room, until it does or nothing is given up any more. */
  onFull(reclaim: () => boolean): void {
    this.#reclaim = reclaim;
  }

  /** Whether so many bytes find room as it is. */
  hasRoom(bytes: number): boolean {
    return this.#find(Math.ceil(bytes / PAGE_BYTES)) >= 0;
  }

  /** What lies where it was lent. */
  view({ position, length }: LentBytes): Uint8Array {
    return this.#bytes.subarray(position, position + length);
  }

  /** Room for so many bytes of the read under way, in place of what it had before. */
  take(bytes: number): Uint8Array {
    this.#forgetCurrent();
    const first = bytes < PAGE_BYTES ? -1 : this.#reserve(Math.ceil(bytes / PAGE_BYTES));
    if (first < 0) return new Uint8Array(bytes);
    this.#current = first;
    return this.#bytes.subarray(first * PAGE_BYTES, first * PAGE_BYTES + bytes);
  }

  /** Ends the read under way. What it gave is lent, where it lies here and is worth it, else it is a buffer of its own. */
  settle(records: Uint8Array): { readonly records: Uint8Array; readonly lent: LentBytes | undefined } {
    const first = this.#current;
    if (first < 0) return { records, lent: undefined };
    if (records.buffer !== this.#bytes.buffer || records.byteLength < PAGE_BYTES) {
      const own = new Uint8Array(records);
      this.#forgetCurrent();
      return { records: own, lent: undefined };
    }
    assert(records.byteOffset === first * PAGE_BYTES, 'a read gives its memory from the beginning');
    this.#shrink(first, Math.ceil(records.byteLength / PAGE_BYTES));
    this.#current = -1;
    return { records: NOTHING, lent: { position: records.byteOffset, length: records.byteLength } };
  }

  /** Takes back what was lent at a position. */
  takeBack(position: number): void {
    const first = position / PAGE_BYTES;
    assert((this.#runs[first] ?? 0) > 0, 'what comes back was lent');
    this.#free(first);
  }

  #forgetCurrent(): void {
    if (this.#current >= 0) this.#free(this.#current);
    this.#current = -1;
  }

  #reserve(pages: number): number {
    let found = this.#find(pages);
    while (found < 0 && this.#reclaim()) found = this.#find(pages);
    if (found >= 0) this.#runs[found] = pages;
    return found;
  }

  /** The first room from the beginning on: the less memory goes round, the more of it the processor's caches hold. */
  #find(pages: number): number {
    let first = 0;
    let page = 0;
    while (page < this.#runs.length) {
      const run = this.#runs[page] ?? 0;
      page += Math.max(1, run);
      if (run > 0) first = page;
      else if (page - first === pages) return first;
    }
    return -1;
  }

  /** Small rests stay with the run: behind it they would be room for nothing. */
  #shrink(first: number, pages: number): void {
    if (pages * 4 <= (this.#runs[first] ?? 0) * 3) this.#runs[first] = pages;
  }

  #free(first: number): void {
    this.#runs[first] = 0;
  }
}

const NOTHING = new Uint8Array(0);
