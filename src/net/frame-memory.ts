// Memory for frames that come in parts. V8 takes large fresh buffers for growth of the heap and marks all of it again and
// again, so what a request has used is used again by the next one. It knows sizes, nothing of frames.

import { assert } from '../core/assert.ts';
import { FRAME_MEMORY_IDLE_BYTES_MAX } from '../core/limits.ts';

/** Where frames that come in parts are put together. */
export interface FrameMemory {
  /** At least so many bytes, whatever is in them. */
  take(bytes: number): Uint8Array;
  /** What was taken, or a view of it, is not used any more. Whoever keeps it just does not say so. */
  give(bytes: Uint8Array): void;
}

/** Fresh memory each time. */
export const FRESH_MEMORY: FrameMemory = { take: (bytes) => new Uint8Array(bytes), give: () => undefined };

/** Smaller pieces are not worth the keeping. */
const POOLED_BYTES_MIN = 16 * 1024;
const POOLED_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Keeps what is given back for the next frame, in sizes that are powers of two. Measured with requests of 1 MiB over TCP:
 * without it 37 % of the broker's CPU was spent on marking the heap.
 */
export class FramePool implements FrameMemory {
  readonly #allocate: (bytes: number) => Uint8Array;
  /** Pieces that nobody uses, by the logarithm of their size. */
  readonly #idle: Uint8Array[][] = [];
  /** By the buffer: a view tells which piece it belongs to. The value says whether it is in use. */
  readonly #pieces = new WeakMap<ArrayBufferLike, { readonly whole: Uint8Array; isUsed: boolean }>();
  #idleBytes = 0;

  /** `allocate` gives a view of a buffer of its own. */
  constructor(allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes)) {
    this.#allocate = allocate;
  }

  take(bytes: number): Uint8Array {
    if (bytes < POOLED_BYTES_MIN || bytes > POOLED_BYTES_MAX) return this.#allocate(bytes);
    const size = sizeClass(bytes);
    const idle = this.#idle[size]?.pop();
    if (idle === undefined) return this.#make(2 ** size);
    this.#idleBytes -= idle.byteLength;
    this.#markUsed(idle, true);
    return idle;
  }

  give(bytes: Uint8Array): void {
    const piece = this.#pieces.get(bytes.buffer);
    if (piece === undefined) return;
    const { whole } = piece;
    this.#markUsed(whole, false);
    if (this.#idleBytes + whole.byteLength > FRAME_MEMORY_IDLE_BYTES_MAX) {
      this.#pieces.delete(whole.buffer);
      return;
    }
    const size = sizeClass(whole.byteLength);
    this.#idle[size] ??= [];
    this.#idle[size].push(whole);
    this.#idleBytes += whole.byteLength;
  }

  #make(bytes: number): Uint8Array {
    const whole = this.#allocate(bytes);
    assert(whole.byteLength === whole.buffer.byteLength, 'pooled memory is a buffer of its own');
    this.#pieces.set(whole.buffer, { whole, isUsed: true });
    return whole;
  }

  #markUsed(whole: Uint8Array, isUsed: boolean): void {
    const piece = this.#pieces.get(whole.buffer);
    assert(piece !== undefined && piece.isUsed !== isUsed, 'memory is taken once and given back once');
    piece.isUsed = isUsed;
  }
}

function sizeClass(bytes: number): number {
  return 32 - Math.clz32(bytes - 1);
}
