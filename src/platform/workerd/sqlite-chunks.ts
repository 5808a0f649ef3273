// The bytes of files as rows of SQLite: chunks of one size, the last of a file shorter. It knows files by number and
// neither their names nor their faults.
//
//   <prefix>_chunks
//     id     file number * 2^20 + chunk number: one B-tree, a file's chunks side by side
//     bytes  the chunk; every chunk but a file's last has exactly `chunkBytes`
//
// Crash policy: SQLite's. What runs without giving way to events is one transaction, and transactions become durable in
// their order, so a crash leaves the files as they were at some moment between two turns. A chunk is written as a whole,
// so that a small append costs what its chunk has: chunks are small (CHUNK_BYTES_DEFAULT says how that was found), and
// the ones in use are kept in memory, so that an append reads nothing.

import { LogFault } from '../../core/fault.ts';
import type { SqlDatabase } from './runtime.ts';

/** Chunks of one file at most; a file number and a chunk number together stay below 2^53. */
const FILE_CHUNKS_MAX = 2 ** 20;
const FILES_MAX = 2 ** 33;
/** Bytes of chunks that are kept in memory. */
const CACHE_BYTES_MAX = 4 * 1024 * 1024;
const CAPACITY_MIN = 256;

/** A chunk in memory; its capacity grows up to the size of chunks. */
interface CachedChunk {
  buffer: Uint8Array;
  length: number;
}

export class SqliteChunks {
  readonly chunkBytes: number;
  readonly #sql: SqlDatabase;
  /** In the order of their last use. */
  readonly #cache = new Map<number, CachedChunk>();
  readonly #cacheEntriesMax: number;
  readonly #statements: ReturnType<typeof statementsOf>;

  constructor(sql: SqlDatabase, prefix: string, chunkBytes: number) {
    this.#sql = sql;
    this.chunkBytes = chunkBytes;
    this.#cacheEntriesMax = Math.max(2, Math.floor(CACHE_BYTES_MAX / chunkBytes));
    this.#statements = statementsOf(prefix);
    sql.exec(`CREATE TABLE IF NOT EXISTS ${prefix}_chunks (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)`);
  }

  /** Bytes in a file, as its last chunk says. */
  sizeOf(file: number): number {
    const first = firstId(file);
    for (const [id, length] of this.#sql.exec(this.#statements.last, first, first + FILE_CHUNKS_MAX).raw()) {
      if (typeof id === 'number' && typeof length === 'number') return (id - first) * this.chunkBytes + length;
    }
    return 0;
  }

  /** Fills `target` from `position`; all of it lies within the file. */
  read(file: number, target: Uint8Array, position: number): void {
    const first = Math.floor(position / this.chunkBytes);
    const last = Math.floor((position + target.length - 1) / this.chunkBytes);
    if (last - first > 1) this.#scan(firstId(file) + first, firstId(file) + last, { target, position });
    else for (let chunk = first; chunk <= last; chunk++) this.#readChunk(file, chunk, { target, position });
  }

  /** Writes at `position`, which lies within the file or at its end. `sizeBytes` is that of the file so far. */
  write(file: number, source: Uint8Array, at: { readonly position: number; readonly sizeBytes: number }): void {
    const { chunkBytes } = this;
    if (at.position + source.length > FILE_CHUNKS_MAX * chunkBytes) {
      throw new LogFault('ERR_STORAGE', `a file has ${FILE_CHUNKS_MAX * chunkBytes} bytes at most`);
    }
    let done = 0;
    while (done < source.length) {
      const position = at.position + done;
      const within = position % chunkBytes;
      const count = Math.min(chunkBytes - within, source.length - done);
      const part = source.subarray(done, done + count);
      const id = firstId(file) + Math.floor(position / chunkBytes);
      if (count === chunkBytes) this.#replace(id, part);
      else this.#merge(id, part, within, position - within < at.sizeBytes);
      done += count;
    }
  }

  /** Cuts a file of `before` bytes down to `sizeBytes`. */
  cut(file: number, sizeBytes: number, before: number): void {
    const whole = Math.floor(sizeBytes / this.chunkBytes);
    const rest = sizeBytes % this.chunkBytes;
    if (rest > 0) {
      const id = firstId(file) + whole;
      const chunk = this.#load(id);
      chunk.length = rest;
      this.#store(id, chunk);
    }
    const from = firstId(file) + whole + (rest > 0 ? 1 : 0);
    this.#delete(from, firstId(file) + Math.ceil(before / this.chunkBytes));
  }

  /** Removes all of a file's bytes. */
  remove(file: number): void {
    this.#delete(firstId(file), firstId(file) + FILE_CHUNKS_MAX);
  }

  /** Forgets what is in memory: something failed, and the rows alone are to be believed. */
  forget(): void {
    this.#cache.clear();
  }

  #replace(id: number, bytes: Uint8Array): void {
    this.#cache.delete(id);
    this.#sql.exec(this.#statements.put, id, bytes);
  }

  #merge(id: number, part: Uint8Array, within: number, exists: boolean): void {
    const chunk = exists ? this.#load(id) : { buffer: new Uint8Array(0), length: 0 };
    const end = within + part.length;
    chunk.buffer = grown(chunk.buffer, end, this.chunkBytes);
    chunk.buffer.set(part, within);
    chunk.length = Math.max(chunk.length, end);
    this.#store(id, chunk);
  }

  #store(id: number, chunk: CachedChunk): void {
    this.#sql.exec(this.#statements.put, id, chunk.buffer.subarray(0, chunk.length));
    this.#keep(id, chunk);
  }

  #delete(from: number, end: number): void {
    if (from >= end) return;
    this.#sql.exec(this.#statements.remove, from, end);
    for (const id of [...this.#cache.keys()]) if (id >= from && id < end) this.#cache.delete(id);
  }

  #readChunk(file: number, number: number, { target, position }: Reading): void {
    const { buffer, length } = this.#load(firstId(file) + number);
    copyInto({ target, position }, buffer.subarray(0, length), number * this.chunkBytes);
  }

  /** Reads chunks `first` to `last` in one statement, and keeps none of them. */
  #scan(first: number, last: number, reading: Reading): void {
    let expected = first;
    for (const [id, bytes] of this.#sql.exec(this.#statements.scan, first, last).raw()) {
      if (id !== expected || !(bytes instanceof ArrayBuffer)) break;
      copyInto(reading, new Uint8Array(bytes), (id % FILE_CHUNKS_MAX) * this.chunkBytes);
      expected += 1;
    }
    if (expected !== last + 1) throw missing(expected);
  }

  #load(id: number): CachedChunk {
    const known = this.#cache.get(id);
    if (known !== undefined) {
      this.#cache.delete(id);
      this.#cache.set(id, known);
      return known;
    }
    for (const [bytes] of this.#sql.exec(this.#statements.get, id).raw()) {
      if (!(bytes instanceof ArrayBuffer)) break;
      const chunk = { buffer: new Uint8Array(bytes), length: bytes.byteLength };
      this.#keep(id, chunk);
      return chunk;
    }
    throw missing(id);
  }

  #keep(id: number, chunk: CachedChunk): void {
    this.#cache.delete(id);
    this.#cache.set(id, chunk);
    if (this.#cache.size <= this.#cacheEntriesMax) return;
    const [oldest] = this.#cache.keys();
    if (oldest !== undefined) this.#cache.delete(oldest);
  }
}

/** Bytes that are wanted, by their position in the file. */
interface Reading {
  readonly target: Uint8Array;
  readonly position: number;
}

function statementsOf(prefix: string) {
  const table = `${prefix}_chunks`;
  return {
    last: `SELECT id, length(bytes) FROM ${table} WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1`,
    get: `SELECT bytes FROM ${table} WHERE id = ?`,
    scan: `SELECT id, bytes FROM ${table} WHERE id BETWEEN ? AND ? ORDER BY id`,
    put: `INSERT OR REPLACE INTO ${table} (id, bytes) VALUES (?, ?)`,
    remove: `DELETE FROM ${table} WHERE id >= ? AND id < ?`,
  } as const;
}

function firstId(file: number): number {
  if (file >= FILES_MAX) throw new LogFault('ERR_STORAGE', 'no file numbers are left');
  return file * FILE_CHUNKS_MAX;
}

/** Copies what a chunk that begins at `chunkStart` has of the bytes wanted. */
function copyInto({ target, position }: Reading, bytes: Uint8Array, chunkStart: number): void {
  const from = Math.max(position, chunkStart);
  const end = Math.min(position + target.length, chunkStart + bytes.length);
  if (end > from) target.set(bytes.subarray(from - chunkStart, end - chunkStart), from - position);
}

function grown(buffer: Uint8Array, needed: number, capacityMax: number): Uint8Array {
  if (needed <= buffer.length) return buffer;
  const larger = new Uint8Array(Math.min(capacityMax, Math.max(CAPACITY_MIN, needed, buffer.length * 2)));
  larger.set(buffer);
  return larger;
}

function missing(id: number): LogFault {
  return new LogFault(
    'ERR_STORAGE',
    `chunk ${id % FILE_CHUNKS_MAX} of file ${Math.floor(id / FILE_CHUNKS_MAX)} is missing`,
  );
}
