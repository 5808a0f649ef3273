// Kafka's framing on a byte stream: each frame after its length, four bytes big-endian (Kafka protocol guide, "Network").
// It makes frames from chunks of any sizes and knows no socket. A frame that lies whole in one chunk is a view of it; one
// that does not is copied once, into memory that never exceeds a few times what its sender has sent of it.

import { assert } from '../core/assert.ts';
import { FRESH_MEMORY, type FrameMemory } from './frame-memory.ts';

/** Bytes of the length before each frame. */
export const LENGTH_BYTES = 4;
/** First memory of a frame that comes in parts: most frames of small requests fit. */
const PARTIAL_BYTES_MIN = 4096;
/** Memory for a frame grows by this factor, so that a length alone costs nobody anything. */
const PARTIAL_GROWTH = 4;
/** A view keeps its whole chunk alive: below this part of the chunk a frame is copied out. */
const VIEW_PART_MIN = 1 / 32;

/** What a length that cannot be one of a request most likely is, for whoever reads the log. */
const FOREIGN_OPENINGS: ReadonlyMap<number, string> = new Map([
  [0x47455420, 'HTTP'],
  [0x504f5354, 'HTTP'],
  [0x48454144, 'HTTP'],
  [0x4f505449, 'HTTP'],
]);
/** A TLS record of a handshake (RFC 8446 section 5.1): type 22, then version 3.x. */
const TLS_OPENING = 0x1603;

/** Why a length was refused, in words. */
export function lengthObjection(length: number, bytesMax: number): string {
  const foreign = length >>> 16 === TLS_OPENING ? 'TLS' : FOREIGN_OPENINGS.get(length);
  if (foreign !== undefined) return `this is ${foreign}, and the listener speaks the Kafka protocol in plain text`;
  if (length < 0) return `a frame cannot have ${length} bytes`;
  return `a frame of ${length} bytes is larger than the ${bytesMax} allowed (socket.request.max.bytes)`;
}

export interface FrameSplitterOptions {
  /** Largest frame, in bytes. */
  readonly bytesMax: number;
  readonly onFrame: (frame: Uint8Array) => void;
  /** A length that is negative or too large: nothing that follows can be understood. */
  readonly onObjection: (reason: string) => void;
  /** For frames that come in parts, by default fresh memory; it is filled before anybody sees it. */
  readonly memory?: FrameMemory | undefined;
}

export class FrameSplitter {
  readonly #options: FrameSplitterOptions;
  readonly #memory: FrameMemory;
  /** The length under way, as far as it has been read. */
  #length = 0;
  #lengthBytes = 0;
  /** Memory of the frame under way; undefined between frames. */
  #partial: Uint8Array | undefined;
  #received = 0;
  #hasEnded = false;

  constructor(options: FrameSplitterOptions) {
    this.#options = options;
    this.#memory = options.memory ?? FRESH_MEMORY;
  }

  /** Bytes held of a frame that is not whole, its length among them. */
  get partialBytes(): number {
    return this.#lengthBytes + this.#received;
  }

  /** Gives every frame that this chunk completes. The chunk must stay unchanged while its frames are in use. */
  push(chunk: Uint8Array): void {
    let position = 0;
    while (position < chunk.byteLength && !this.#hasEnded) {
      position = this.#lengthBytes < LENGTH_BYTES ? this.#readLength(chunk, position) : this.#readBody(chunk, position);
    }
  }

  /** Takes nothing further. */
  end(): void {
    this.#hasEnded = true;
    if (this.#partial !== undefined) this.#memory.give(this.#partial);
    this.#forget();
  }

  #readLength(chunk: Uint8Array, start: number): number {
    let position = start;
    while (this.#lengthBytes < LENGTH_BYTES && position < chunk.byteLength) {
      this.#length = (this.#length << 8) | (chunk[position] ?? 0);
      this.#lengthBytes += 1;
      position += 1;
    }
    if (this.#lengthBytes < LENGTH_BYTES) return position;
    const { bytesMax, onObjection } = this.#options;
    const length = this.#length;
    if (length < 0 || length > bytesMax) {
      this.end();
      onObjection(lengthObjection(length, bytesMax));
    } else if (length === 0) {
      this.#give(new Uint8Array(0));
    }
    return position;
  }

  #readBody(chunk: Uint8Array, start: number): number {
    const end = Math.min(chunk.byteLength, start + this.#length - this.#received);
    if (this.#partial === undefined && end - start === this.#length) {
      const frame = chunk.subarray(start, end);
      const keepsTooMuch = frame.byteLength < chunk.buffer.byteLength * VIEW_PART_MIN;
      this.#give(keepsTooMuch ? this.#copyOf(frame) : frame);
      return end;
    }
    const partial = this.#room(end - start);
    partial.set(start === 0 && end === chunk.byteLength ? chunk : chunk.subarray(start, end), this.#received);
    this.#received += end - start;
    if (this.#received === this.#length) this.#give(firstBytes(partial, this.#length));
    return end;
  }

  /** The memory of the frame under way, with room for so many bytes more. */
  #room(bytes: number): Uint8Array {
    const needed = this.#received + bytes;
    assert(needed <= this.#length, 'a frame takes no more than its length');
    if (this.#partial !== undefined && needed <= this.#partial.byteLength) return this.#partial;
    const grown = this.#memory.take(Math.min(this.#length, Math.max(PARTIAL_BYTES_MIN, needed * PARTIAL_GROWTH)));
    if (this.#partial !== undefined) {
      grown.set(this.#partial.subarray(0, this.#received));
      this.#memory.give(this.#partial);
    }
    this.#partial = grown;
    return grown;
  }

  #copyOf(bytes: Uint8Array): Uint8Array {
    const copy = this.#memory.take(bytes.byteLength);
    copy.set(bytes);
    return firstBytes(copy, bytes.byteLength);
  }

  #give(frame: Uint8Array): void {
    this.#forget();
    this.#options.onFrame(frame);
  }

  #forget(): void {
    this.#length = 0;
    this.#lengthBytes = 0;
    this.#partial = undefined;
    this.#received = 0;
  }
}

function firstBytes(memory: Uint8Array, length: number): Uint8Array {
  return memory.byteLength === length ? memory : memory.subarray(0, length);
}

/** The length that goes before a frame of so many bytes. */
export function writeLength(target: Uint8Array, position: number, frameBytes: number): void {
  target[position] = frameBytes >>> 24;
  target[position + 1] = frameBytes >>> 16;
  target[position + 2] = frameBytes >>> 8;
  target[position + 3] = frameBytes;
}
