// A store over a directory of the file system, with Deno's own files. Deno reads and writes at a cursor alone, so every
// access sets it first; the calls are synchronous, so nothing comes between. Files are held by name; the handles behind
// them come and go.

import { assert } from '../../core/assert.ts';
import { LogFault } from '../../core/fault.ts';
import { OPEN_FILES_MAX } from '../../core/limits.ts';
import type { Store, StoreEntry, StoreFile } from '../../core/platform.ts';
import { HandlePool } from '../handle-pool.ts';
import type { DenoApi, DenoFile } from './deno-api.ts';

const FROM_START = 0;

type DenoHandles = HandlePool<DenoStoreFile, DenoFile>;

export class DenoStore implements Store {
  readonly #deno: DenoApi;
  readonly #root: string;
  readonly #handles: DenoHandles;

  /** `root` must exist. `openFilesMax` bounds the operating system's handles that are open at a time. */
  constructor(deno: DenoApi, root: string, openFilesMax: number = OPEN_FILES_MAX) {
    this.#deno = deno;
    this.#root = root;
    this.#handles = new HandlePool(openFilesMax, {
      open: ({ absolutePath }, create) => deno.openSync(absolutePath, { read: true, write: true, create }),
      close: (file) => file.close(),
    });
  }

  list(directory: string): StoreEntry[] {
    return this.#attempt('list', directory, () => {
      const entries = this.#absentAsUndefined(() => [...this.#deno.readDirSync(this.#resolve(directory))]) ?? [];
      const named = entries.map(({ name, isDirectory }) => ({ name, isDirectory }));
      return named.sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  exists(path: string): boolean {
    return (
      this.#attempt('look for', path, () => this.#absentAsUndefined(() => this.#deno.statSync(this.#resolve(path)))) !==
      undefined
    );
  }

  createDirectory(path: string): void {
    this.#attempt('create directory', path, () => this.#deno.mkdirSync(this.#resolve(path), { recursive: true }));
  }

  removeDirectory(path: string): void {
    this.#attempt('remove directory', path, () =>
      this.#absentAsUndefined(() => this.#deno.removeSync(this.#resolve(path), { recursive: true })),
    );
  }

  rename(from: string, to: string): void {
    this.#attempt('rename', from, () => this.#deno.renameSync(this.#resolve(from), this.#resolve(to)));
  }

  remove(path: string): void {
    this.#attempt('remove', path, () => this.#absentAsUndefined(() => this.#deno.removeSync(this.#resolve(path))));
  }

  open(path: string, options: { readonly create: boolean }): StoreFile {
    const file = new DenoStoreFile({
      path,
      absolutePath: this.#resolve(path),
      handles: this.#handles,
      attempt: (operation, action) => this.#attempt(operation, path, action),
    });
    this.#attempt('open', path, () => {
      if (options.create) this.#handles.handle(file, true);
      else this.#deno.statSync(file.absolutePath);
    });
    return file;
  }

  readSmall(path: string): Uint8Array | undefined {
    return this.#attempt('read', path, () =>
      this.#absentAsUndefined(() => this.#deno.readFileSync(this.#resolve(path))),
    );
  }

  replaceSmall(path: string, content: Uint8Array): void {
    const temporary = this.#resolve(`${path}.tmp`);
    this.#attempt('replace', path, () => {
      const file = this.#deno.openSync(temporary, { write: true, create: true, truncate: true });
      try {
        writeFully(file, content);
        file.syncSync();
      } finally {
        file.close();
      }
      this.#deno.renameSync(temporary, this.#resolve(path));
    });
  }

  flushDirectory(path: string): void {
    this.#attempt('flush directory', path, () => {
      const directory = this.#deno.openSync(this.#resolve(path), { read: true });
      try {
        directory.syncSync();
      } finally {
        directory.close();
      }
    });
  }

  close(): void {
    this.#handles.closeAll();
  }

  #resolve(path: string): string {
    assert(!path.split('/').includes('..'), `path ${path} stays inside of the store`);
    return path === '' ? this.#root : `${this.#root}/${path}`;
  }

  #attempt<T>(operation: string, path: string, action: () => T): T {
    try {
      return action();
    } catch (error) {
      if (!this.#isSystemError(error)) throw error;
      throw new LogFault('ERR_STORAGE', `${operation} ${path === '' ? '.' : path}: ${error.message}`, error);
    }
  }

  #absentAsUndefined<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFound') return undefined;
      throw error;
    }
  }

  /** Deno has a class for some of the operating system's errors, and a code for most. */
  #isSystemError(error: unknown): error is Error {
    if (!(error instanceof Error) || error instanceof LogFault) return false;
    return Object.hasOwn(this.#deno.errors, error.name) || ('code' in error && typeof error.code === 'string');
  }
}

interface FileParts {
  readonly path: string;
  readonly absolutePath: string;
  readonly handles: DenoHandles;
  readonly attempt: <T>(operation: string, action: () => T) => T;
}

/** A virtual handle: by path, with a handle of the operating system only while the pool grants one. */
class DenoStoreFile implements StoreFile {
  readonly path: string;
  readonly absolutePath: string;
  readonly #parts: FileParts;
  #closed = false;

  constructor(parts: FileParts) {
    this.path = parts.path;
    this.absolutePath = parts.absolutePath;
    this.#parts = parts;
  }

  size(): number {
    return this.#parts.attempt('size', () => this.#handle().statSync().size);
  }

  read(target: Uint8Array, position: number): number {
    return this.#parts.attempt('read', () => {
      const file = this.#handle();
      file.seekSync(position, FROM_START);
      let read = 0;
      while (read < target.length) {
        const count = file.readSync(read === 0 ? target : target.subarray(read));
        if (count === null || count === 0) break;
        read += count;
      }
      return read;
    });
  }

  write(source: Uint8Array, position: number): void {
    this.#parts.attempt('write', () => {
      const file = this.#handle();
      file.seekSync(position, FROM_START);
      writeFully(file, source);
    });
  }

  /** One write after the other: Deno has none of several buffers. */
  writeAll(sources: readonly Uint8Array[], position: number): void {
    let at = position;
    for (const source of sources) {
      this.write(source, at);
      at += source.length;
    }
  }

  truncate(size: number): void {
    this.#parts.attempt('truncate', () => this.#handle().truncateSync(size));
  }

  async flush(): Promise<void> {
    const { handles, attempt } = this.#parts;
    const file = attempt('flush', () => this.#handle());
    handles.pin(this);
    let failure: unknown;
    try {
      await file.syncData();
    } catch (error) {
      failure = error;
    } finally {
      handles.unpin(this);
    }
    if (failure !== undefined) {
      attempt('flush', () => {
        throw failure;
      });
    }
  }

  flushSync(): void {
    this.#parts.attempt('flush', () => this.#handle().syncDataSync());
  }

  close(): void {
    this.#closed = true;
    this.#parts.handles.release(this);
  }

  #handle(): DenoFile {
    assert(!this.#closed, `${this.path} is open`);
    return this.#parts.handles.handle(this, false);
  }
}

function writeFully(file: DenoFile, source: Uint8Array): void {
  let written = 0;
  while (written < source.length) written += file.writeSync(written === 0 ? source : source.subarray(written));
}
