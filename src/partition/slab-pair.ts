// Inbound record bytes of one slot: the dispatcher fills one slab while the owner works on the other.
// A slab is bump-allocated and emptied whole when its group has been executed.

import { assert } from '../core/assert.ts';

/** Keeps batches apart on whole SIMD vectors. */
const ALIGNMENT = 16;
/**
 * V8 copies into shared memory word by word where source and target lie alike, else byte by byte: 26 against 3.5 GB/s
 * (Node 20, 16 KiB). So a batch is placed at the same address within a word as it has now.
 */
const WORD_MASK = 7;

export class SlabPair {
  readonly #slabs: readonly [Uint8Array, Uint8Array];
  #filling: 0 | 1 = 0;
  #used = 0;

  constructor(slabs: readonly [Uint8Array, Uint8Array]) {
    assert(slabs[0].length === slabs[1].length, 'both slabs of a slot have one size');
    this.#slabs = slabs;
  }

  /** Largest single batch that a slab takes. */
  get capacity(): number {
    return this.#slabs[0].length;
  }

  /** Copies `bytes` into the slab being filled and returns its position, or -1 when there is no room now. */
  copyIn(bytes: Uint8Array): number {
    const slab = this.#slabs[this.#filling];
    const position = this.#used + ((bytes.byteOffset - slab.byteOffset) & WORD_MASK);
    if (position + bytes.length > slab.length) return -1;
    slab.set(bytes, position);
    this.#used = Math.ceil((position + bytes.length) / ALIGNMENT) * ALIGNMENT;
    return position;
  }

  /** Hands the filled slab over and begins the other one, which must no longer be in use. */
  swap(): 0 | 1 {
    const filled = this.#filling;
    this.#filling = filled === 0 ? 1 : 0;
    this.#used = 0;
    return filled;
  }
}
