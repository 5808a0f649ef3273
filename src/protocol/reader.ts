// Reads Kafka's primitive types from one frame. Every length is checked against the bytes left before anything is
// allocated. A read that fails throws a FrameFault (ERR_MALFORMED_FRAME); the reader is not to be used after that.

import { FRAME_ELEMENTS_MAX } from '../core/limits.ts';
import { FrameFault } from './frame-fault.ts';
import type { TextCache } from './text-cache.ts';
import { UUID_BYTES, type Uuid, uuidFromBytes } from './uuid.ts';

/** Strings up to this many bytes are decoded by hand, which beats TextDecoder's call overhead. */
const SHORT_STRING_BYTES = 48;
/** Kafka's limit of a string, of compact ones too: what was read can always be written back. */
const STRING_BYTES_MAX = 0x7fff;
const TWO_POW_32 = 4_294_967_296;
/** The high words between which a 64-bit integer is a safe JavaScript one. */
const HIGH_WORD_END = 0x20_0000;

// A byte order mark is content in Kafka, and malformed UTF-8 becomes U+FFFD as in Kafka's own decoder.
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** A cursor over the bytes of one frame. */
export class Reader {
  readonly bytes: Uint8Array;
  position: number;
  /** Exclusive end of what may be read; tagged fields narrow it to their own size while they are read. */
  end: number;
  /** Where texts are looked up first, by those who read many frames of the same senders. */
  texts: TextCache | undefined = undefined;
  #elementsLeft = FRAME_ELEMENTS_MAX;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  /** Moves over `length` bytes and returns where they begin. */
  #take(length: number): number {
    const at = this.position;
    if (length > this.end - at) throw new FrameFault(`${length} bytes needed, ${this.end - at} left`);
    this.position = at + length;
    return at;
  }

  skip(length: number): void {
    this.#take(this.#length(length));
  }

  boolean(): boolean {
    return this.bytes[this.#take(1)] !== 0;
  }

  int8(): number {
    return ((this.bytes[this.#take(1)] ?? 0) << 24) >> 24;
  }

  int16(): number {
    const at = this.#take(2);
    const bytes = this.bytes;
    return (((bytes[at] ?? 0) << 24) >> 16) | (bytes[at + 1] ?? 0);
  }

  uint16(): number {
    return this.int16() & 0xffff;
  }

  int32(): number {
    const at = this.#take(4);
    return word(this.bytes, at);
  }

  /** A 64-bit integer; one beyond 2^53 - 1 either way is malformed, because no offset, time or id gets there. */
  int64(): number {
    const at = this.#take(8);
    const high = word(this.bytes, at);
    const value = high * TWO_POW_32 + (word(this.bytes, at + 4) >>> 0);
    if (high >= HIGH_WORD_END || high < -HIGH_WORD_END || value < Number.MIN_SAFE_INTEGER) {
      throw new FrameFault('a 64-bit integer is beyond 2^53');
    }
    return value;
  }

  /** A 64-bit integer, brought to the nearest safe one: for fields in which a huge value means "without limit". */
  int64Clamped(): number {
    const at = this.#take(8);
    const value = word(this.bytes, at) * TWO_POW_32 + (word(this.bytes, at + 4) >>> 0);
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value));
  }

  float64(): number {
    const at = this.#take(8);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + at, 8).getFloat64(0);
  }

  uuid(): Uuid {
    return uuidFromBytes(this.bytes, this.#take(UUID_BYTES));
  }

  /** An unsigned varint of at most 32 bits. */
  uvarint(): number {
    const first = this.bytes[this.#take(1)] ?? 0;
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let shift = 7; shift <= 28; shift += 7) {
      const byte = this.bytes[this.#take(1)] ?? 0;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new FrameFault('a varint is longer than 5 bytes');
  }

  /** A zigzag varint of at most 32 bits. */
  varint(): number {
    const value = this.uvarint();
    return (value >>> 1) ^ -(value & 1);
  }

  /** The length of a nullable string, byte array or array that follows: -1 for null. */
  int16Length(): number {
    return this.#lengthOrNull(this.int16());
  }

  /** Like {@link int16Length}, of 32 bits. */
  int32Length(): number {
    return this.#lengthOrNull(this.int32());
  }

  /** Like {@link int16Length}, as the varint of length + 1 of flexible versions. */
  compactLength(): number {
    return this.uvarint() - 1;
  }

  #lengthOrNull(length: number): number {
    if (length < -1) throw new FrameFault(`length ${length} is negative`);
    return length;
  }

  #length(length: number): number {
    if (length < 0) throw new FrameFault('null where null is not allowed');
    if (length > this.remaining) throw new FrameFault(`length ${length} exceeds the ${this.remaining} bytes left`);
    return length;
  }

  /** UTF-8 text of `length` bytes. */
  text(length: number): string {
    const at = this.#take(this.#length(length));
    const { texts } = this;
    if (texts === undefined) return this.#decoded(at, length);
    const known = texts.find(this.bytes, at, length);
    if (known !== undefined) return known;
    const text = this.#decoded(at, length);
    texts.keep(this.bytes.subarray(at, at + length), text);
    return text;
  }

  #decoded(at: number, length: number): string {
    if (length <= SHORT_STRING_BYTES) {
      const short = ascii(this.bytes, at, at + length);
      if (short !== undefined) return short;
    }
    if (length > STRING_BYTES_MAX) throw new FrameFault(`a string of ${length} bytes: ${STRING_BYTES_MAX} at most`);
    const text = UTF8.decode(this.bytes.subarray(at, at + length));
    if (outgrows(text, length)) throw new FrameFault('a string is not UTF-8 and outgrows its length when it is');
    return text;
  }

  /** A view of `length` bytes of the frame, not a copy; its byteOffset tells where it lies. */
  view(length: number): Uint8Array {
    const at = this.#take(this.#length(length));
    return this.bytes.subarray(at, at + length);
  }

  /** Checks the length of an array whose elements take at least `elementBytesMin` bytes each. */
  elements(length: number, elementBytesMin: number): number {
    if (length < 0) throw new FrameFault('null where null is not allowed');
    if (length * elementBytesMin > this.remaining) {
      throw new FrameFault(`length ${length} exceeds the ${this.remaining} bytes left`);
    }
    this.#elementsLeft -= length;
    if (this.#elementsLeft < 0) throw new FrameFault(`a frame holds at most ${FRAME_ELEMENTS_MAX} array elements`);
    return length;
  }

  /** Moves over a section of tagged fields, all of them unknown. */
  skipTaggedFields(): void {
    for (let count = this.uvarint(); count > 0; count--) {
      this.uvarint();
      this.skip(this.uvarint());
    }
  }
}

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
}

/** The text of bytes that are all ASCII, or undefined. */
function ascii(bytes: Uint8Array, start: number, end: number): string | undefined {
  let text = '';
  let at = start;
  for (; at + 4 <= end; at += 4) {
    const first = bytes[at] ?? 0;
    const second = bytes[at + 1] ?? 0;
    const third = bytes[at + 2] ?? 0;
    const fourth = bytes[at + 3] ?? 0;
    if ((first | second | third | fourth) >= 0x80) return undefined;
    text += String.fromCharCode(first, second, third, fourth);
  }
  for (; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x80) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Whether the text takes more bytes than a string may have: a malformed byte becomes the three of U+FFFD. */
function outgrows(text: string, length: number): boolean {
  if (length * 3 <= STRING_BYTES_MAX || !text.includes('\ufffd')) return false;
  return new TextEncoder().encode(text).length > STRING_BYTES_MAX;
}
