// A store in the SQLite database of a Durable Object. Names are held in memory and in a table, bytes in chunks
// (sqlite-chunks.ts). Beside it the database may hold tables of others.
//
//   <prefix>_settings   name, value: what the rows were written with
//   <prefix>_names      path, file: the number of a file, or NULL for a directory
//   <prefix>_chunks     sqlite-chunks.ts
//
// What is durable when: the runtime makes everything that is written in one turn one transaction, commits transactions in
// their order, and lets nothing out of the object (no message, no answer) before what was written earlier is durable.
// So a flush that must return at once has nothing to do, and one that is waited for asks the runtime.

import { assert, present } from '../../core/assert.ts';
import { LogFault } from '../../core/fault.ts';
import type { Store, StoreEntry, StoreFile } from '../../core/platform.ts';
import type { ObjectStorage } from './runtime.ts';
import { SqliteChunks } from './sqlite-chunks.ts';

/**
 * Bytes of a chunk in a new database. Measured in workerd: appends of 1 KiB cost the same with 4 and with 16 KiB and
 * twice as much with 64 KiB; scans read 720 MB/s with 16 KiB and 1090 MB/s with 64 KiB; below, rows are too many.
 */
export const CHUNK_BYTES_DEFAULT = 16 * 1024;
/** Files and directories of one store: their names are held in memory. */
const NAMES_MAX = 200_000;
const ZEROS_BYTES = 64 * 1024;

export interface SqliteStoreOptions {
  /** Begins the names of the tables, so that one database can hold several stores. Default `millrace`. */
  readonly prefix?: string;
  /** For a new database alone; a known one keeps its own. At least 512 and at most a mebibyte. */
  readonly chunkBytes?: number;
}

/** A file behind its names. */
interface Inode {
  readonly number: number;
  /** Undefined before it was asked for. */
  size: number | undefined;
  removed: boolean;
}

type Entry = Inode | 'directory';

export class SqliteStore implements Store {
  readonly #storage: ObjectStorage;
  readonly #tables: { readonly settings: string; readonly names: string };
  readonly #chunks: SqliteChunks;
  readonly #entries = new Map<string, Entry>();
  /** Names by directory. */
  readonly #children = new Map<string, Set<string>>([['', new Set()]]);
  #nextFile = 1;
  #isClosed = false;
  /** Writes so far, and how many of them the latest flush covers. */
  #writes = 0;
  #flushedWrites = -1;
  #flush: Promise<void> = Promise.resolve();

  constructor(storage: ObjectStorage, options: SqliteStoreOptions = {}) {
    const { prefix = 'millrace', chunkBytes = CHUNK_BYTES_DEFAULT } = options;
    assert(/^[a-z][a-z0-9_]*$/i.test(prefix), 'a prefix is a name');
    assert(chunkBytes >= 512 && chunkBytes <= 1024 * 1024, 'a chunk fits a row');
    this.#storage = storage;
    this.#tables = { settings: `${prefix}_settings`, names: `${prefix}_names` };
    this.#chunks = attempt('open', '', () => {
      const { settings, names } = this.#tables;
      storage.sql.exec(`CREATE TABLE IF NOT EXISTS ${settings} (name TEXT PRIMARY KEY, value) WITHOUT ROWID`);
      storage.sql.exec(`CREATE TABLE IF NOT EXISTS ${names} (path TEXT PRIMARY KEY, file INTEGER) WITHOUT ROWID`);
      storage.sql.exec(`INSERT OR IGNORE INTO ${settings} VALUES ('chunk-bytes', ?)`, chunkBytes);
      return new SqliteChunks(storage.sql, prefix, this.#setting('chunk-bytes'));
    });
    this.#loadNames();
  }

  list(directory: string): StoreEntry[] {
    const names = [...(this.#children.get(directory) ?? [])].sort();
    return names.map((name) => ({ name, isDirectory: this.#entries.get(joined(directory, name)) === 'directory' }));
  }

  exists(path: string): boolean {
    return path === '' || this.#entries.has(path);
  }

  createDirectory(path: string): void {
    if (this.exists(path)) return;
    const parent = parentOf(path);
    if (!this.exists(parent)) this.createDirectory(parent);
    this.#perform('create directory', path, () => this.#add(path, 'directory'));
  }

  removeDirectory(path: string): void {
    if (this.#entries.get(path) !== 'directory') return;
    this.#perform('remove directory', path, () => {
      for (const each of this.#within(path)) this.#drop(each);
      this.#drop(path);
    });
  }

  rename(from: string, to: string): void {
    this.#perform('rename', from, () => {
      const entry = this.#entries.get(from);
      if (entry === undefined) throw absent();
      if (from === to) return;
      if (this.#entries.get(to) === 'directory') throw new Error('a directory is in the way');
      this.#requireParent(to);
      this.#drop(to);
      const moved = [from, ...(entry === 'directory' ? this.#within(from) : [])];
      for (const path of moved) this.#move(path, to + path.slice(from.length));
    });
  }

  remove(path: string): void {
    if (!this.#entries.has(path)) return;
    this.#perform('remove', path, () => {
      if (this.#entries.get(path) === 'directory') throw new Error('is a directory');
      this.#drop(path);
    });
  }

  open(path: string, options: { readonly create: boolean }): StoreFile {
    const known = this.#entries.get(path);
    const inode = known ?? this.#perform('open', path, () => this.#create(path, options.create));
    if (inode === 'directory') throw fault('open', path, new Error('is a directory'));
    return new SqliteFile(path, inode, {
      chunks: this.#chunks,
      perform: (operation, action) => this.#perform(operation, path, action),
      flush: () => this.#flushAll(path),
    });
  }

  readSmall(path: string): Uint8Array | undefined {
    if (!this.#entries.has(path)) return undefined;
    const file = this.open(path, { create: false });
    const content = new Uint8Array(file.size());
    file.read(content, 0);
    return content;
  }

  replaceSmall(path: string, content: Uint8Array): void {
    this.#perform('replace', path, () =>
      this.#storage.transactionSync(() => {
        const file = this.open(path, { create: true });
        file.truncate(0);
        file.write(content, 0);
      }),
    );
  }

  flushDirectory(path: string): void {
    if (!this.exists(path)) throw fault('flush directory', path, absent());
  }

  close(): void {
    this.#isClosed = true;
    this.#chunks.forget();
  }

  #setting(name: string): number {
    const { settings } = this.#tables;
    const [row] = this.#storage.sql.exec(`SELECT value FROM ${settings} WHERE name = ?`, name).raw();
    const value = row?.[0];
    if (typeof value !== 'number') throw new Error(`the setting ${name} is missing`);
    return value;
  }

  #loadNames(): void {
    attempt('open', '', () => {
      for (const [path, number] of this.#storage.sql.exec(`SELECT path, file FROM ${this.#tables.names}`).raw()) {
        if (typeof path !== 'string') continue;
        if (typeof number === 'number') {
          this.#hold(path, { number, size: undefined, removed: false });
          this.#nextFile = Math.max(this.#nextFile, number + 1);
        } else {
          this.#hold(path, 'directory');
        }
      }
    });
  }

  /** Runs a change; one that fails leaves nothing in memory that the rows do not say. */
  #perform<T>(operation: string, path: string, action: () => T): T {
    if (this.#isClosed) throw new LogFault('ERR_CLOSED', `${operation} ${path}: the store is closed`);
    this.#writes += 1;
    try {
      return attempt(operation, path, action);
    } catch (error) {
      this.#chunks.forget();
      throw error;
    }
  }

  #flushAll(path: string): Promise<void> {
    if (this.#flushedWrites !== this.#writes) {
      this.#flushedWrites = this.#writes;
      this.#flush = this.#storage.sync();
    }
    return this.#flush.catch((error: unknown) => {
      throw fault('flush', path, error);
    });
  }

  #create(path: string, create: boolean): Inode {
    if (!create) throw absent();
    this.#requireParent(path);
    const inode: Inode = { number: this.#nextFile, size: 0, removed: false };
    this.#nextFile += 1;
    this.#add(path, inode);
    return inode;
  }

  #requireParent(path: string): void {
    const parent = parentOf(path);
    if (parent !== '' && this.#entries.get(parent) !== 'directory') throw absent();
  }

  #add(path: string, entry: Entry): void {
    if (this.#entries.size >= NAMES_MAX) throw new Error(`there are ${NAMES_MAX} files already`);
    const number = entry === 'directory' ? null : entry.number;
    this.#storage.sql.exec(`INSERT INTO ${this.#tables.names} (path, file) VALUES (?, ?)`, path, number);
    this.#hold(path, entry);
  }

  #hold(path: string, entry: Entry): void {
    this.#entries.set(path, entry);
    if (entry === 'directory' && !this.#children.has(path)) this.#children.set(path, new Set());
    const parent = parentOf(path);
    const siblings = this.#children.get(parent) ?? new Set();
    this.#children.set(parent, siblings.add(nameOf(path)));
  }

  /** Takes a name away, and a file's bytes with it. */
  #drop(path: string): void {
    const entry = this.#entries.get(path);
    if (entry === undefined) return;
    this.#storage.sql.exec(`DELETE FROM ${this.#tables.names} WHERE path = ?`, path);
    if (entry !== 'directory') {
      this.#chunks.remove(entry.number);
      entry.removed = true;
    }
    this.#release(path);
  }

  #release(path: string): void {
    this.#entries.delete(path);
    this.#children.delete(path);
    this.#children.get(parentOf(path))?.delete(nameOf(path));
  }

  #move(from: string, to: string): void {
    const entry = present(this.#entries.get(from), 'entry that is renamed');
    this.#storage.sql.exec(`UPDATE ${this.#tables.names} SET path = ? WHERE path = ?`, to, from);
    this.#release(from);
    this.#hold(to, entry);
  }

  /** Everything below a directory, those above before those below them. */
  #within(directory: string): string[] {
    const paths = [...(this.#children.get(directory) ?? [])].map((name) => joined(directory, name));
    return paths.flatMap((path) => [path, ...this.#within(path)]);
  }
}

/** What a file needs of its store. */
interface FileHome {
  readonly chunks: SqliteChunks;
  readonly perform: <T>(operation: string, action: () => T) => T;
  readonly flush: () => Promise<void>;
}

/** Bound to the file and not to its name: it goes on when the file is renamed, and ends when it is removed. */
class SqliteFile implements StoreFile {
  readonly path: string;
  readonly #inode: Inode;
  readonly #home: FileHome;
  #isClosed = false;

  constructor(path: string, inode: Inode, home: FileHome) {
    this.path = path;
    this.#inode = inode;
    this.#home = home;
  }

  size(): number {
    if (this.#inode.size === undefined) {
      this.#inode.size = attempt('size', this.path, () => this.#home.chunks.sizeOf(this.#inode.number));
    }
    return this.#inode.size;
  }

  read(target: Uint8Array, position: number): number {
    this.#requireOpen();
    const count = Math.max(0, Math.min(target.length, this.size() - position));
    if (count > 0) {
      attempt('read', this.path, () => this.#home.chunks.read(this.#inode.number, target.subarray(0, count), position));
    }
    return count;
  }

  write(source: Uint8Array, position: number): void {
    this.#change('write', () => {
      if (position > this.size()) this.#fillTo(position);
      this.#put(source, position);
    });
  }

  /** One write after the other: the runtime makes one transaction of them in any case. */
  writeAll(sources: readonly Uint8Array[], position: number): void {
    let at = position;
    for (const source of sources) {
      this.write(source, at);
      at += source.length;
    }
  }

  truncate(size: number): void {
    const before = this.size();
    if (size === before) return;
    this.#change('truncate', () => {
      if (size > before) return this.#fillTo(size);
      this.#home.chunks.cut(this.#inode.number, size, before);
      this.#inode.size = size;
    });
  }

  flush(): Promise<void> {
    return this.#home.flush();
  }

  /** The runtime keeps the promise: nothing that comes after can be durable, or be seen outside, before this is. */
  flushSync(): void {
    this.#requireOpen();
  }

  close(): void {
    this.#isClosed = true;
  }

  #put(source: Uint8Array, position: number): void {
    this.#home.chunks.write(this.#inode.number, source, { position, sizeBytes: this.size() });
    this.#inode.size = Math.max(this.size(), position + source.length);
  }

  #fillTo(size: number): void {
    const zeros = new Uint8Array(Math.min(ZEROS_BYTES, size - this.size()));
    while (this.size() < size) this.#put(zeros.subarray(0, size - this.size()), this.size());
  }

  #change(operation: string, action: () => void): void {
    this.#requireOpen();
    try {
      this.#home.perform(operation, action);
    } catch (error) {
      // Some chunks may have been written: the rows say how much.
      this.#inode.size = undefined;
      throw error;
    }
  }

  #requireOpen(): void {
    assert(!this.#isClosed, `${this.path} is open`);
    if (this.#inode.removed) throw fault('use', this.path, new Error('the file was removed'));
  }
}

function attempt<T>(operation: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof LogFault && error.message.startsWith(operation) ? error : fault(operation, path, error);
  }
}

function fault(operation: string, path: string, error: unknown): LogFault {
  const reason = error instanceof Error ? error.message : String(error);
  return new LogFault('ERR_STORAGE', `${operation} ${path === '' ? '.' : path}: ${reason}`, error);
}

function absent(): Error {
  return new Error('no such file or directory');
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')));
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function joined(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}
