// The journal of the OPFS store: every change of a name, and the bytes of small files, in the order in which they were
// made. Two files take turns; the one with a valid header and the higher generation is the journal.
//
//   header, 16 bytes              entry
//   +------+----------+---------+ +-------------+--------+------+---------+----------+---------+
//   | "MRJ1" generation   CRC32C | | body bytes  | CRC32C | kind | file id | number   | bytes   |
//   | 4    | 8        | 4       | | 4           | 4      | 1    | 4       | 8        | ...     |
//   +------+----------+---------+ +-------------+--------+------+---------+----------+---------+
//                                                         \------------ body, covered by the CRC ----------/
//   Big-endian. The header's CRC covers the 12 bytes before it.
//
// Crash policy. An entry counts when it is whole; the first that is not ends the journal and is cut off. Entries are
// only appended, so what is lost with the power is an end of the journal, never its middle. A journal that is mostly
// history is written anew into the other file: entries, flush, header, flush, and only then is the old one emptied. So at
// any moment one of the two is whole.

import { LogFault } from '../../core/fault.ts';
import type { SyncHandle } from './sync-handles.ts';

const MAGIC = 0x4d524a31;
const HEADER_BYTES = 16;
const HEADER_CRC_AT = 12;
const ENTRY_HEAD_BYTES = 8;
const BODY_HEAD_BYTES = 13;
const NUMBER_AT = 5;
const FIRST_BUFFER_BYTES = 64 * 1024;
/** Entries of a journal written anew are gathered into writes of about this size. */
const REWRITE_BYTES = 1024 * 1024;
/** A journal below this is left as it is, however much of it is history. */
const HISTORY_BYTES_MIN = 4 * 1024 * 1024;
/** Beyond this many times of what it has to say, a journal is written anew. */
const HISTORY_RATIO = 4;

/** What an entry does. The numbers are stored. */
export const ENTRY_KINDS = {
  createDirectory: 1,
  createFile: 2,
  remove: 3,
  /** `number` is the length of the old path in bytes; the new one follows it. */
  rename: 4,
  /** `number` is the position. */
  write: 5,
  /** `number` is the size. */
  truncate: 6,
  /** The file's bytes are in slot `number` from here on. */
  place: 7,
  /** A file with its whole content: `number` is the length of its path in bytes; the content follows it. */
  replace: 8,
} as const;

export type EntryKind = (typeof ENTRY_KINDS)[keyof typeof ENTRY_KINDS];

export interface Entry {
  readonly kind: number;
  /** 0 where the entry is about a path alone. */
  readonly fileId: number;
  readonly number: number;
  /** Two parts, one after the other; a reader finds them in one. */
  readonly bytes: Uint8Array;
  readonly moreBytes?: Uint8Array;
}

export type Checksum = (bytes: Uint8Array) => number;

export class StoreJournal {
  readonly #files: readonly [SyncHandle, SyncHandle];
  readonly #checksum: Checksum;
  #current = 0;
  #generation = 0;
  #end = HEADER_BYTES;
  #wornAt = HISTORY_BYTES_MIN;
  #isDirty = false;
  #fault: LogFault | undefined;
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);

  constructor(files: readonly [SyncHandle, SyncHandle], checksum: Checksum) {
    this.#files = files;
    this.#checksum = checksum;
  }

  /** Bytes of the journal, for tests and for what is told of the store. */
  get byteCount(): number {
    return this.#end;
  }

  /** Whether so much of it is history that it should be written anew. */
  get isWorn(): boolean {
    return this.#end > this.#wornAt;
  }

  /** Puts writing it anew off for a while, after it was not possible. */
  postpone(): void {
    this.#wornAt = this.#end + HISTORY_BYTES_MIN;
  }

  /** Gives every entry to `apply`, in order, and cuts off what is not whole. A store without a journal gets one. */
  replay(apply: (entry: Entry) => void): void {
    const generations = this.#files.map((file) => this.#generationOf(file));
    this.#current = (generations[1] ?? 0) > (generations[0] ?? 0) ? 1 : 0;
    this.#generation = generations[this.#current] ?? 0;
    if (this.#generation === 0) {
      this.rewrite([]);
      return;
    }
    const content = new Uint8Array(this.#file.getSize());
    this.#file.read(content, { at: 0 });
    this.#end = this.#applyAll(content, apply);
    if (this.#end < content.length) this.#file.truncate(this.#end);
    // A crash may have come between the new journal and the end of the old one.
    this.#other.truncate(0);
  }

  /** Appends an entry. After a throw the journal is as it was, or takes no more. */
  append(entry: Entry): void {
    if (this.#fault !== undefined) throw this.#fault;
    const bytes = this.#encode(entry, 0);
    this.#write(this.#buffer.subarray(0, bytes));
  }

  /** Everything appended is on stable storage when it returns. */
  flush(): void {
    if (!this.#isDirty) return;
    this.#file.flush();
    this.#isDirty = false;
  }

  /** Writes the journal anew from entries that say all there is to say. */
  rewrite(entries: Iterable<Entry>): void {
    const target = this.#other;
    target.truncate(0);
    let end = HEADER_BYTES;
    let filled = 0;
    const writeOut = (): void => {
      writeWhole(target, this.#buffer.subarray(0, filled), end);
      end += filled;
      filled = 0;
    };
    for (const entry of entries) {
      filled += this.#encode(entry, filled);
      if (filled >= REWRITE_BYTES) writeOut();
    }
    writeOut();
    target.flush();
    this.#turnTo(target, end);
  }

  /** From its header on the other file is the journal. One that may or may not have a header must not stay beside ours. */
  #turnTo(target: SyncHandle, end: number): void {
    try {
      writeWhole(target, this.#header(this.#generation + 1), 0);
      target.flush();
    } catch (error) {
      this.#empty(target);
      throw error;
    }
    this.#generation += 1;
    this.#current = 1 - this.#current;
    this.#end = end;
    this.#wornAt = Math.max(HISTORY_BYTES_MIN, end * HISTORY_RATIO);
    this.#isDirty = false;
    this.#other.truncate(0);
  }

  #empty(target: SyncHandle): void {
    try {
      target.truncate(0);
      target.flush();
    } catch (error) {
      this.#fault = new LogFault('ERR_STORAGE', `the journal cannot be written anew: ${String(error)}`, error);
    }
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  get #file(): SyncHandle {
    return this.#files[this.#current === 0 ? 0 : 1];
  }

  get #other(): SyncHandle {
    return this.#files[this.#current === 0 ? 1 : 0];
  }

  #write(bytes: Uint8Array<ArrayBuffer>): void {
    this.#isDirty = true;
    try {
      writeWhole(this.#file, bytes, this.#end);
    } catch (error) {
      this.#cutBack();
      throw error;
    }
    this.#end += bytes.length;
  }

  /** A part of an entry must not stay behind the end: a later shorter one would leave the rest of it to be read. */
  #cutBack(): void {
    try {
      this.#file.truncate(this.#end);
    } catch (error) {
      this.#fault = new LogFault('ERR_STORAGE', `the journal cannot be cut back: ${String(error)}`, error);
    }
  }

  #header(generation: number): Uint8Array<ArrayBuffer> {
    const header = new Uint8Array(HEADER_BYTES);
    const view = new DataView(header.buffer);
    view.setUint32(0, MAGIC);
    view.setBigUint64(4, BigInt(generation));
    view.setUint32(HEADER_CRC_AT, this.#checksum(header.subarray(0, HEADER_CRC_AT)));
    return header;
  }

  #generationOf(file: SyncHandle): number {
    const header = new Uint8Array(HEADER_BYTES);
    if (file.read(header, { at: 0 }) < HEADER_BYTES) return 0;
    const view = new DataView(header.buffer);
    if (view.getUint32(0) !== MAGIC) return 0;
    if (view.getUint32(HEADER_CRC_AT) !== this.#checksum(header.subarray(0, HEADER_CRC_AT))) return 0;
    return Number(view.getBigUint64(4));
  }

  /** Returns where the last whole entry ends. */
  #applyAll(content: Uint8Array, apply: (entry: Entry) => void): number {
    const view = new DataView(content.buffer);
    let at = HEADER_BYTES;
    while (at + ENTRY_HEAD_BYTES + BODY_HEAD_BYTES <= content.length) {
      const bodyBytes = view.getUint32(at);
      const start = at + ENTRY_HEAD_BYTES;
      if (bodyBytes < BODY_HEAD_BYTES || bodyBytes > content.length - start) break;
      const body = content.subarray(start, start + bodyBytes);
      if (view.getUint32(at + 4) !== this.#checksum(body)) break;
      apply({
        kind: view.getUint8(start),
        fileId: view.getUint32(start + 1),
        number: Number(view.getBigUint64(start + NUMBER_AT)),
        bytes: body.subarray(BODY_HEAD_BYTES),
      });
      at = start + bodyBytes;
    }
    return at;
  }

  /** Puts the entry into the buffer; returns its bytes. */
  #encode({ kind, fileId, number, bytes, moreBytes }: Entry, at: number): number {
    const bodyBytes = BODY_HEAD_BYTES + bytes.length + (moreBytes?.length ?? 0);
    this.#reserve(at + ENTRY_HEAD_BYTES + bodyBytes);
    const view = new DataView(this.#buffer.buffer);
    const start = at + ENTRY_HEAD_BYTES;
    view.setUint32(at, bodyBytes);
    view.setUint8(start, kind);
    view.setUint32(start + 1, fileId);
    view.setBigUint64(start + NUMBER_AT, BigInt(number));
    this.#buffer.set(bytes, start + BODY_HEAD_BYTES);
    if (moreBytes !== undefined) this.#buffer.set(moreBytes, start + BODY_HEAD_BYTES + bytes.length);
    view.setUint32(at + 4, this.#checksum(this.#buffer.subarray(start, start + bodyBytes)));
    return ENTRY_HEAD_BYTES + bodyBytes;
  }

  #reserve(bytes: number): void {
    if (bytes <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(bytes, this.#buffer.length * 2));
    grown.set(this.#buffer);
    this.#buffer = grown;
  }
}

/** Writes all bytes, or throws: a write is short where the quota is used up. */
export function writeWhole(file: SyncHandle, bytes: Uint8Array, at: number): void {
  if (bytes.length === 0) return;
  const written = file.write(bytes, { at });
  if (written < bytes.length) throw new Error(`only ${written} of ${bytes.length} bytes were written`);
}
