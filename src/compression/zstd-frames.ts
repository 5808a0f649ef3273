// Zstandard frames (RFC 8878) before they are decompressed: where each begins and ends, and how large it can become,
// from the headers of the frames and of their blocks. Needs no decompressor.

import type { BatchCodec } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { malformed, oversized } from './malformed.ts';

/** Single frames. */
export interface ZstdFrames {
  compress(bytes: Uint8Array, level: number | undefined): Uint8Array;
  /** `outputBytesMax` is the room to give. Throws where the frame is malformed, or becomes more than that; a LogFault for other reasons. */
  decompress(frame: Uint8Array, outputBytesMax: number): Uint8Array;
}

const FORMAT = 'Zstandard frame';
const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xfffffff0;
const SKIPPABLE_HEADER_BYTES = 8;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
const CHECKSUM_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const BLOCK_BYTES_MAX = 131_072;
const BLOCK_RAW = 0;
const BLOCK_RLE = 1;
const BLOCK_COMPRESSED = 2;

/** A codec of Zstandard frames, of which there may be several. */
export function createZstdCodec(frames: ZstdFrames): BatchCodec {
  return {
    compress: (bytes, level) => frames.compress(bytes, level),
    decompress: (bytes, bytesMax) => decompressFrames(frames, bytes, bytesMax),
  };
}

function decompressFrames(frames: ZstdFrames, bytes: Uint8Array, bytesMax: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let outputBytes = 0;
  for (let at = 0; at < bytes.length || parts.length === 0; ) {
    const frame = new FrameReader(bytes, at).read();
    at = frame.end;
    if (frame.isSkippable) continue;
    const left = bytesMax - outputBytes;
    if (frame.outputBytesMin > left) throw oversized(FORMAT, bytesMax);
    const part = unpacked(frames, bytes.subarray(frame.start, frame.end), Math.min(frame.outputBytesMax, left));
    outputBytes += part.length;
    parts.push(part);
  }
  const [only] = parts;
  return only !== undefined && parts.length === 1 ? only : joined(parts, outputBytes);
}

function joined(parts: readonly Uint8Array[], byteCount: number): Uint8Array {
  const output = new Uint8Array(byteCount);
  let at = 0;
  for (const part of parts) {
    output.set(part, at);
    at += part.length;
  }
  return output;
}

function unpacked(frames: ZstdFrames, frame: Uint8Array, outputBytesMax: number): Uint8Array {
  try {
    return frames.decompress(frame, outputBytesMax);
  } catch (error) {
    if (error instanceof LogFault) throw error;
    throw malformed(FORMAT, `it cannot be read within ${outputBytesMax} bytes: ${String(error)}`, error);
  }
}

interface Frame {
  readonly start: number;
  readonly end: number;
  readonly isSkippable: boolean;
  /** What it certainly becomes: its content size, or the blocks whose size is told by their header. */
  readonly outputBytesMin: number;
  readonly outputBytesMax: number;
}

class FrameReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #start: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#start = start;
    this.#at = start;
  }

  read(): Frame {
    const magic = this.#number(4);
    if ((magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) return this.#skippable();
    if (magic !== MAGIC) throw malformed(FORMAT, 'it does not begin with the magic');
    const descriptor = this.#number(1);
    if ((descriptor & 8) !== 0) throw malformed(FORMAT, 'a reserved bit is set');
    const isSingleSegment = (descriptor & 32) !== 0;
    const windowBytes = isSingleSegment ? Number.POSITIVE_INFINITY : windowOf(this.#number(1));
    if (this.#number(DICTIONARY_ID_BYTES[descriptor & 3] ?? 0) !== 0) throw malformed(FORMAT, 'it needs a dictionary');
    const contentBytes = this.#contentBytes(descriptor >>> 6, isSingleSegment);
    const blocks = this.#blocks(Math.min(windowBytes, contentBytes ?? windowBytes, BLOCK_BYTES_MAX), windowBytes);
    if ((descriptor & 4) !== 0) this.#skip(CHECKSUM_BYTES);
    return {
      start: this.#start,
      end: this.#at,
      isSkippable: false,
      outputBytesMin: contentBytes ?? blocks.outputBytesMin,
      outputBytesMax: contentBytes ?? blocks.outputBytesMax,
    };
  }

  #skippable(): Frame {
    const size = this.#number(SKIPPABLE_HEADER_BYTES - 4);
    this.#skip(size);
    return { start: this.#start, end: this.#at, isSkippable: true, outputBytesMin: 0, outputBytesMax: 0 };
  }

  #contentBytes(flag: number, isSingleSegment: boolean): number | undefined {
    if (flag === 0) return isSingleSegment ? this.#number(1) : undefined;
    const size = this.#number(CONTENT_SIZE_BYTES[flag] ?? 0);
    return flag === 1 ? size + 256 : size;
  }

  #blocks(compressedMax: number, windowBytes: number): { outputBytesMin: number; outputBytesMax: number } {
    const blockBytesMax = Math.min(windowBytes, BLOCK_BYTES_MAX);
    let outputBytesMin = 0;
    let outputBytesMax = 0;
    for (let isLast = false; !isLast; ) {
      const header = this.#number(BLOCK_HEADER_BYTES);
      isLast = (header & 1) !== 0;
      const type = (header >>> 1) & 3;
      const size = header >>> 3;
      if (size > blockBytesMax) throw malformed(FORMAT, 'a block is larger than allowed');
      this.#skip(type === BLOCK_RLE ? 1 : size);
      if (type > BLOCK_COMPRESSED) throw malformed(FORMAT, 'a block is of an unknown type');
      const isTold = type === BLOCK_RAW || type === BLOCK_RLE;
      outputBytesMin += isTold ? size : 0;
      outputBytesMax += isTold ? size : compressedMax;
    }
    return { outputBytesMin, outputBytesMax };
  }

  /** A little-endian unsigned number of this many bytes. */
  #number(byteCount: number): number {
    const from = this.#at;
    this.#skip(byteCount);
    let number = 0;
    for (let index = byteCount - 1; index >= 0; index--) number = number * 256 + this.#view.getUint8(from + index);
    return number;
  }

  #skip(byteCount: number): void {
    this.#at += byteCount;
    if (this.#at > this.#bytes.length) throw malformed(FORMAT, 'it is cut off');
  }
}

/** The window size from its descriptor (RFC 8878, 3.1.1.1.2). */
function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >>> 3));
  return base + (base / 8) * (descriptor & 7);
}
