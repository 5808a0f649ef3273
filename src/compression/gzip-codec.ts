// Gzip (RFC 1952) in plain JavaScript, piece by piece up to a bound. The library inflates; that each member is whole and is
// what its trailer says is checked here, because it looks at no trailer.

import { Gunzip, gzipSync } from 'fflate';
import type { BatchCodec } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { malformed, oversized } from './malformed.ts';

const GZIP = 'gzip';
/** Deflate makes at most 1032 of one byte, so that one step goes beyond its bound by less than 17 MB. */
const STEP_BYTES = 16 * 1024;
const LEVELS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] as const;
/** CRC-32 of what a member becomes, and how many bytes that are, modulo 2^32; both little-endian. */
const TRAILER_BYTES = 8;
const HEADER_BYTES_MIN = 10;
/** The polynomial of CRC-32, its bits reversed. */
const POLYNOMIAL = 0xedb88320;
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

export const PORTABLE_GZIP: BatchCodec = {
  compress: (bytes, level) => {
    const known = LEVELS.find((each) => each === level);
    return gzipSync(bytes, known === undefined ? {} : { level: known });
  },
  decompress: (bytes, bytesMax) => {
    const output = new MemberOutput(bytes, bytesMax);
    const gunzip = new Gunzip((chunk) => output.add(chunk));
    gunzip.onmember = (offset) => output.endMember(offset);
    try {
      for (let at = 0; at < bytes.length || at === 0; at += STEP_BYTES) {
        const end = Math.min(bytes.length, at + STEP_BYTES);
        gunzip.push(bytes.subarray(at, end), end === bytes.length);
      }
    } catch (error) {
      if (error instanceof LogFault) throw error;
      throw malformed(GZIP, error instanceof Error ? error.message : String(error), error);
    }
    output.endMember(bytes.length);
    return output.joined();
  },
};

/** What members become, up to a bound. */
class MemberOutput {
  readonly #bytes: Uint8Array;
  readonly #bytesMax: number;
  readonly #chunks: Uint8Array[] = [];
  #byteCount = 0;
  /** Of the member that is being read: where it begins, and what has come of it. */
  #start = 0;
  #memberBytes = 0;
  #crc = 0xffffffff;

  constructor(bytes: Uint8Array, bytesMax: number) {
    this.#bytes = bytes;
    this.#bytesMax = bytesMax;
  }

  add(chunk: Uint8Array): void {
    this.#byteCount += chunk.length;
    if (this.#byteCount > this.#bytesMax) throw oversized(GZIP, this.#bytesMax);
    this.#chunks.push(chunk);
    this.#memberBytes += chunk.length;
    let crc = this.#crc;
    for (let index = 0; index < chunk.length; index++) {
      crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ (chunk[index] ?? 0)) & 255] ?? 0);
    }
    this.#crc = crc;
  }

  /** A member ends there, and the next one begins. */
  endMember(end: number): void {
    if (end - this.#start < HEADER_BYTES_MIN + TRAILER_BYTES) throw malformed(GZIP, 'it is cut off');
    const trailer = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + end - TRAILER_BYTES, TRAILER_BYTES);
    const isWhole =
      trailer.getUint32(0, true) === ~this.#crc >>> 0 && trailer.getUint32(4, true) === this.#memberBytes >>> 0;
    if (!isWhole) throw malformed(GZIP, 'it is cut off, or its checksum does not match');
    this.#start = end;
    this.#memberBytes = 0;
    this.#crc = 0xffffffff;
  }

  joined(): Uint8Array {
    const bytes = new Uint8Array(this.#byteCount);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }
}
