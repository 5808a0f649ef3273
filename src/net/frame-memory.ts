// Memory for frames that come in parts, or out of memory that is read into again. V8 takes large fresh buffers for growth
// of the heap and marks all of it again and again, so what a request has used is used again by the next one. It knows
// sizes, and of frames only whether anybody keeps them.

import { assert } from '../core/assert.ts';
import { FRAME_MEMORY_IDLE_BYTES_MAX } from '../core/limits.ts';
import { isProduce } from './frame-kinds.ts';

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
/** Memory that small frames share. */
const SHARED_BYTES = 64 * 1024;

interface Piece {
  readonly whole: Uint8Array;
  /** Frames in it that are in use, and one more for the pool while it puts further ones there. */
  users: number;
}

/**
 * Keeps what is given back for the next frame, in sizes that are powers of two. Measured with requests of 1 MiB over TCP:
 * without it 37 % of the broker's CPU was spent on marking the heap.
 */
export class FramePool implements FrameMemory {
  readonly #allocate: (bytes: number) => Uint8Array;
  /** Pieces that nobody uses, by the logarithm of their size. */
  readonly #idle: Piece[][] = [];
  /** By the buffer: a view tells which piece it belongs to. */
  readonly #pieces = new WeakMap<ArrayBufferLike, Piece>();
  #idleBytes = 0;
  /** Where small frames are copied one behind the other. */
  #shared: Piece | undefined;
  #sharedUsed = 0;

  /** `allocate` gives a view of a buffer of its own. */
  constructor(allocate: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes)) {
    this.#allocate = allocate;
  }

  take(bytes: number): Uint8Array {
    if (bytes < POOLED_BYTES_MIN || bytes > POOLED_BYTES_MAX) return this.#allocate(bytes);
    return this.#takePiece(bytes).whole;
  }

  /** A copy of the frame that lies there. What somebody may keep gets memory of its own, so that it keeps nothing else. */
  copy(source: Uint8Array, start: number, end: number): Uint8Array {
    const bytes = end - start;
    if (bytes < POOLED_BYTES_MIN && isProduce(source, start)) return this.#copyBehind(source, start, end);
    const memory = this.take(bytes);
    memory.set(source.subarray(start, end));
    return memory.byteLength === bytes ? memory : memory.subarray(0, bytes);
  }

  give(bytes: Uint8Array): void {
    const piece = this.#pieces.get(bytes.buffer);
    if (piece !== undefined) this.#release(piece);
  }

  #copyBehind(source: Uint8Array, start: number, end: number): Uint8Array {
    let piece = this.#shared;
    if (piece === undefined || this.#sharedUsed + end - start > SHARED_BYTES) {
      if (piece !== undefined) this.#release(piece);
      piece = this.#takePiece(SHARED_BYTES);
      this.#shared = piece;
      this.#sharedUsed = 0;
    } else if (piece.users === 1) {
      this.#sharedUsed = 0;
    }
    piece.users += 1;
    const position = this.#sharedUsed;
    this.#sharedUsed += end - start;
    const frame = piece.whole.subarray(position, this.#sharedUsed);
    frame.set(source.subarray(start, end));
    return frame;
  }

  #takePiece(bytes: number): Piece {
    const size = sizeClass(bytes);
    const idle = this.#idle[size]?.pop();
    if (idle === undefined) return this.#make(2 ** size);
    this.#idleBytes -= idle.whole.byteLength;
    idle.users = 1;
    return idle;
  }

  #make(bytes: number): Piece {
    const whole = this.#allocate(bytes);
    assert(whole.byteLength === whole.buffer.byteLength, 'pooled memory is a buffer of its own');
    const piece = { whole, users: 1 };
    this.#pieces.set(whole.buffer, piece);
    return piece;
  }

  #release(piece: Piece): void {
    assert(piece.users > 0, 'memory is taken once and given back once');
    piece.users -= 1;
    if (piece.users > 0) return;
    const { whole } = piece;
    if (this.#idleBytes + whole.byteLength > FRAME_MEMORY_IDLE_BYTES_MAX) {
      this.#pieces.delete(whole.buffer);
      return;
    }
    const size = sizeClass(whole.byteLength);
    this.#idle[size] ??= [];
    this.#idle[size].push(piece);
    this.#idleBytes += whole.byteLength;
  }
}

function sizeClass(bytes: number): number {
  return 32 - Math.clz32(bytes - 1);
}
