// Kafka's framing on a byte stream: each frame after its length, four bytes big-endian (Kafka protocol guide, "Network").
// It makes frames from chunks of any sizes and knows no socket. A frame that lies whole in one chunk is a view of it; one
// that does not is copied once, into memory that never exceeds a few times what its sender has sent of it. Out of a chunk
// that is only lent every frame is copied, and what is missing of a large one can be read straight to its place.

import { assert } from '../core/assert.ts';
import { FRESH_MEMORY, type FrameMemory } from './frame-memory.ts';

/** Bytes of the length before each frame. */
export const LENGTH_BYTES = 4;
/** First memory of a frame that comes in parts: most frames of small requests fit. */
const PARTIAL_BYTES_MIN = 4096;
/** Memory for a frame grows by this factor, so that a length alone costs nobody anything. */
const PARTIAL_GROWTH = 4;
/** Where so much is missing of a frame, a read for it alone is worth more than its copy costs. */
const ROOM_BYTES_MIN = 64 * 1024;
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

const NO_CHUNK = new Uint8Array(0);

/** Memory that can copy a frame out of a chunk that is only lent. */
export interface CopyingMemory extends FrameMemory {
  copy(source: Uint8Array, start: number, end: number): Uint8Array;
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
  /** The chunk under way, and where its bytes end. */
  #chunk: Uint8Array = NO_CHUNK;
  #chunkEnd = 0;
  /** Copies frames out of the chunk under way, where that is only lent. */
  #lender: CopyingMemory | undefined;
  /** The length under way, as far as it has been read. */
  #length = 0;
  #lengthBytes = 0;
  /** Memory of the frame under way; undefined between frames. */
  #partial: Uint8Array | undefined;
  #received = 0;
  /** A part of that memory was given out to be filled. */
  #isRoomGiven = false;
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
    this.#split(chunk, chunk.byteLength);
  }

  /** Like {@link push} with the first `bytes` of a chunk that may change afterwards. */
  pushLent(chunk: Uint8Array, bytes: number, memory: CopyingMemory): void {
    this.#lender = memory;
    this.#split(chunk, bytes);
    this.#lender = undefined;
  }

  /**
   * Where bytes that come next can be read to without a copy; undefined where that is not worth it. Whatever is read there
   * is to be followed by {@link filled}; until then nothing else may be pushed.
   */
  room(): Uint8Array | undefined {
    this.#isRoomGiven = false;
    const missing = this.#length - this.#received;
    if (this.#partial === undefined || missing < ROOM_BYTES_MIN) return undefined;
    const isFull = this.#received === this.#partial.byteLength;
    const partial = isFull ? this.#grown(1) : this.#partial;
    const end = Math.min(partial.byteLength, this.#length);
    if (end - this.#received < ROOM_BYTES_MIN) return undefined;
    this.#isRoomGiven = true;
    return partial.subarray(this.#received, end);
  }

  /** So many bytes were read into the {@link room} given last. */
  filled(bytes: number): void {
    if (this.#hasEnded || this.#partial === undefined) return;
    this.#received += bytes;
    if (this.#received === this.#length) this.#give(firstBytes(this.#partial, this.#length));
  }

  /** Takes nothing further. */
  end(): void {
    this.#hasEnded = true;
    // Somebody may be reading into memory of which room was given: it is not for the next frame.
    if (this.#partial !== undefined && !this.#isRoomGiven) this.#memory.give(this.#partial);
    this.#forget();
  }

  #split(chunk: Uint8Array, end: number): void {
    this.#chunk = chunk;
    this.#chunkEnd = end;
    let position = 0;
    while (position < end && !this.#hasEnded) {
      position = this.#lengthBytes < LENGTH_BYTES ? this.#readLength(position) : this.#readBody(position);
    }
    this.#chunk = NO_CHUNK;
  }

  #readLength(start: number): number {
    let position = start;
    while (this.#lengthBytes < LENGTH_BYTES && position < this.#chunkEnd) {
      this.#length = (this.#length << 8) | (this.#chunk[position] ?? 0);
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

  #readBody(start: number): number {
    const end = Math.min(this.#chunkEnd, start + this.#length - this.#received);
    if (this.#partial === undefined && end - start === this.#length) {
      this.#give(this.#wholeFrame(start, end));
      return end;
    }
    const partial = this.#grown(end - start);
    partial.set(this.#chunk.subarray(start, end), this.#received);
    this.#received += end - start;
    if (this.#received === this.#length) this.#give(firstBytes(partial, this.#length));
    return end;
  }

  /** A frame that lies whole in the chunk. */
  #wholeFrame(start: number, end: number): Uint8Array {
    const chunk = this.#chunk;
    if (this.#lender !== undefined) return this.#lender.copy(chunk, start, end);
    const frame = chunk.subarray(start, end);
    const keepsTooMuch = frame.byteLength < chunk.buffer.byteLength * VIEW_PART_MIN;
    return keepsTooMuch ? this.#copyOf(frame) : frame;
  }

  /** The memory of the frame under way, with room for so many bytes more. */
  #grown(bytes: number): Uint8Array {
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
    this.#isRoomGiven = false;
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
