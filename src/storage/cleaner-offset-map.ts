// The last offset of every key, by the key's 128-bit hash: what compaction decides by. Open addressing over flat arrays
// within a fixed budget; a map that is full takes no new key, and whoever fills it comes again.

import { assert } from '../core/assert.ts';

/** A hash of 16 bytes and an offset of 8. */
const SLOT_BYTES = 24;
const SLOTS_MIN = 16;
/** The words of a slot: four of the hash, two of the offset. Side by side, because each slot is another page of memory. */
const SLOT_WORDS = SLOT_BYTES / 4;
const SLOT_DOUBLES = SLOT_BYTES / 8;
const HASH_WORDS = 4;

export interface KeyOffsetMapOptions {
  readonly budgetBytes: number;
  /** Part of the slots that is filled, above 0 and below 1. */
  readonly loadFactor: number;
  /** No more keys than these will come. */
  readonly keysMax: number;
}

export class KeyOffsetMap {
  readonly #words: Int32Array;
  /** The same memory. An offset and one stands last in its slot; 0 in an empty one, so that untouched memory costs nothing. */
  readonly #doubles: Float64Array;
  readonly #mask: number;
  readonly #sizeMax: number;
  #size = 0;

  constructor({ budgetBytes, loadFactor, keysMax }: KeyOffsetMapOptions) {
    assert(loadFactor > 0 && loadFactor < 1, 'a map that is never full has an empty slot to end a search');
    let slots = SLOTS_MIN;
    while (slots * loadFactor < keysMax && 2 * slots * SLOT_BYTES <= budgetBytes) slots *= 2;
    this.#words = new Int32Array(slots * SLOT_WORDS);
    this.#doubles = new Float64Array(this.#words.buffer);
    this.#mask = slots - 1;
    this.#sizeMax = Math.max(1, Math.floor(slots * loadFactor));
  }

  get size(): number {
    return this.#size;
  }

  /** Offset of the hash at `words[at..at + 3]`, or -1. */
  get(words: Int32Array, at: number): number {
    return this.#offset(this.#slotOf(words, at)) - 1;
  }

  /** Notes the offset, which must not go back. False where the key is new and there is no room. */
  put(words: Int32Array, at: number, offset: number): boolean {
    const slot = this.#slotOf(words, at);
    if (this.#offset(slot) === 0) {
      if (this.#size === this.#sizeMax) return false;
      this.#size += 1;
      const place = slot * SLOT_WORDS;
      for (let word = 0; word < HASH_WORDS; word++) this.#words[place + word] = words[at + word] ?? 0;
    }
    this.#doubles[slot * SLOT_DOUBLES + SLOT_DOUBLES - 1] = offset + 1;
    return true;
  }

  #offset(slot: number): number {
    return this.#doubles[slot * SLOT_DOUBLES + SLOT_DOUBLES - 1] ?? 0;
  }

  /** The slot that has the hash, or the empty one where it belongs. An odd step comes by every slot. */
  #slotOf(words: Int32Array, at: number): number {
    const step = (words[at + 1] ?? 0) | 1;
    let slot = (words[at] ?? 0) & this.#mask;
    while (this.#offset(slot) !== 0 && !this.#holds(slot * SLOT_WORDS, words, at)) slot = (slot + step) & this.#mask;
    return slot;
  }

  #holds(place: number, words: Int32Array, at: number): boolean {
    const hashes = this.#words;
    return (
      hashes[place] === words[at] &&
      hashes[place + 1] === words[at + 1] &&
      hashes[place + 2] === words[at + 2] &&
      hashes[place + 3] === words[at + 3]
    );
  }
}
