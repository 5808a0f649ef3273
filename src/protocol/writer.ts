// Writes Kafka's primitive types. The writer grows by itself, and embeds large byte arrays (the records of a fetch)
// without copying them: a message comes out as a list of chunks that follow each other on the wire.

import { assert } from '../core/assert.ts';
import { bytesOnly, type FileRange, type FramePart } from '../core/file-range.ts';
import { UUID_BYTES, type Uuid, writeUuid } from './uuid.ts';

const FIRST_BUFFER_BYTES = 1024;
const BUFFER_BYTES_MAX = 64 * 1024;
/** Byte arrays from this size on are embedded: below it a copy is cheaper than one more chunk to send. */
const EMBED_BYTES_MIN = 2048;
const UVARINT_BYTES_MAX = 5;
const TWO_POW_32 = 4_294_967_296;

const UTF8 = new TextEncoder();

/**
 * Writes one message after another; {@link finish} ends each. A writer that is kept between messages carves them from
 * shared buffers, so that a small response costs no buffer of its own.
 */
export class Writer {
  #buffer: Uint8Array;
  #start = 0;
  #position = 0;
  #chunks: FramePart[] = [];
  #chunkBytes = 0;

  constructor(bytes = FIRST_BUFFER_BYTES) {
    this.#buffer = new Uint8Array(bytes);
  }

  /** Bytes written to the message so far. */
  get length(): number {
    return this.#chunkBytes + this.#position - this.#start;
  }

  /** Ends the message: its chunks, in order. Embedded byte arrays are among them, and are not copies. */
  finish(): Uint8Array[] {
    return bytesOnly(this.finishParts());
  }

  /** As {@link finish}, for messages that may hold ranges of files. */
  finishParts(): FramePart[] {
    this.#cut();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#chunkBytes = 0;
    return chunks;
  }

  /** Ends the message as one byte array, copied together where it has several chunks. */
  finishFlat(): Uint8Array {
    return joined(this.finish());
  }

  /** Drops what has been written of the message. */
  discard(): void {
    this.#position = this.#start;
    this.#chunks = [];
    this.#chunkBytes = 0;
  }

  #cut(): void {
    if (this.#position === this.#start) return;
    this.#chunks.push(this.#buffer.subarray(this.#start, this.#position));
    this.#chunkBytes += this.#position - this.#start;
    this.#start = this.#position;
  }

  /** Makes room for `length` bytes and returns where they begin. */
  #reserve(length: number): number {
    if (this.#position + length > this.#buffer.length) this.#grow(length);
    const at = this.#position;
    this.#position = at + length;
    return at;
  }

  /** What is written of the message moves to the next buffer; earlier messages keep the old one. */
  #grow(length: number): void {
    const pending = this.#buffer.subarray(this.#start, this.#position);
    const doubled = Math.max(this.#buffer.length, pending.length) * 2;
    const size = Math.max(Math.min(doubled, BUFFER_BYTES_MAX), (pending.length + length) * 2);
    const buffer = new Uint8Array(size);
    buffer.set(pending);
    this.#buffer = buffer;
    this.#start = 0;
    this.#position = pending.length;
  }

  boolean(value: boolean): void {
    const at = this.#reserve(1);
    this.#buffer[at] = value ? 1 : 0;
  }

  int8(value: number): void {
    assert((value << 24) >> 24 === value, 'an int8 fits 8 bits');
    const at = this.#reserve(1);
    this.#buffer[at] = value;
  }

  int16(value: number): void {
    assert((value << 16) >> 16 === value, 'an int16 fits 16 bits');
    this.#short(value);
  }

  uint16(value: number): void {
    assert((value & 0xffff) === value, 'a uint16 fits 16 bits');
    this.#short(value);
  }

  #short(value: number): void {
    const at = this.#reserve(2);
    const buffer = this.#buffer;
    buffer[at] = value >> 8;
    buffer[at + 1] = value;
  }

  int32(value: number): void {
    assert((value | 0) === value, 'an int32 fits 32 bits');
    const at = this.#reserve(4);
    this.#word(at, value);
  }

  int64(value: number): void {
    assert(Number.isSafeInteger(value), 'an int64 is a safe integer');
    const at = this.#reserve(8);
    const high = Math.floor(value / TWO_POW_32);
    this.#word(at, high);
    this.#word(at + 4, value - high * TWO_POW_32);
  }

  #word(at: number, value: number): void {
    const buffer = this.#buffer;
    buffer[at] = value >> 24;
    buffer[at + 1] = value >> 16;
    buffer[at + 2] = value >> 8;
    buffer[at + 3] = value;
  }

  float64(value: number): void {
    const at = this.#reserve(8);
    new DataView(this.#buffer.buffer, this.#buffer.byteOffset + at, 8).setFloat64(0, value);
  }

  uuid(value: Uuid): void {
    const at = this.#reserve(UUID_BYTES);
    writeUuid(value, this.#buffer, at);
  }

  /** An unsigned varint of at most 32 bits. */
  uvarint(value: number): void {
    assert(value >>> 0 === value, 'a uvarint fits 32 bits');
    const start = this.#reserve(UVARINT_BYTES_MAX);
    const buffer = this.#buffer;
    let at = start;
    let rest = value;
    while (rest > 0x7f) {
      buffer[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    buffer[at++] = rest;
    this.#position = at;
  }

  /** A zigzag varint of at most 32 bits. */
  varint(value: number): void {
    assert((value | 0) === value, 'a varint fits 32 bits');
    this.uvarint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** UTF-8 text with its length before it: a varint of length + 1 where `compact`, otherwise 16 bits. */
  text(value: string, compact: boolean): void {
    const length = value.length;
    if (length <= 64 && this.#ascii(value, compact)) return;
    const encoded = UTF8.encode(value);
    this.#textLength(encoded.length, compact);
    this.raw(encoded);
  }

  #textLength(length: number, compact: boolean): void {
    if (compact) {
      this.uvarint(length + 1);
      return;
    }
    assert(length <= 0x7fff, 'a string is at most 32767 bytes long');
    this.#short(length);
  }

  /** Writes text that turns out to be ASCII; otherwise takes it back and answers false. */
  #ascii(value: string, compact: boolean): boolean {
    const before = this.#position;
    const length = value.length;
    this.#textLength(length, compact);
    const lengthBytes = this.#position - before;
    const at = this.#reserve(length);
    const buffer = this.#buffer;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code >= 0x80) {
        this.#position = at - lengthBytes;
        return false;
      }
      buffer[at + index] = code;
    }
    return true;
  }

  /** Bytes without a length before them; large ones are embedded, not copied. */
  raw(bytes: Uint8Array): void {
    if (bytes.length >= EMBED_BYTES_MIN) {
      this.#cut();
      this.#chunks.push(bytes);
      this.#chunkBytes += bytes.length;
      return;
    }
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
  }

  /** Bytes that lie in a file, without a length before them. */
  file(range: FileRange): void {
    this.#cut();
    this.#chunks.push(range);
    this.#chunkBytes += range.length;
  }

  /** Appends what another writer holds, and ends its message. */
  append(other: Writer): void {
    for (const chunk of other.finish()) this.raw(chunk);
  }
}

/** The chunks as one: a single one as it is, several copied together. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [only] = chunks;
  return only !== undefined && chunks.length === 1 ? only : flatten(chunks);
}

/** The chunks copied together. */
export function flatten(chunks: readonly Uint8Array[]): Uint8Array {
  const flat = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    flat.set(chunk, at);
    at += chunk.length;
  }
  return flat;
}
