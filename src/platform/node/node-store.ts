// A store over a directory of the file system, with node:fs. Files are held by name; operating-system handles behind them
// are few, opened as needed and closed when others need them more, never while a flush of theirs is under way.

import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { assert, present } from '../../core/assert.ts';
import { LogFault } from '../../core/fault.ts';
import { OPEN_FILES_MAX } from '../../core/limits.ts';
import type { Store, StoreEntry, StoreFile } from '../../core/platform.ts';

export class NodeStore implements Store {
  readonly #root: string;
  readonly #handles: HandlePool;

  /** `root` must exist. `openFilesMax` bounds the operating system's handles that are open at a time. */
  constructor(root: string, openFilesMax: number = OPEN_FILES_MAX) {
    this.#root = root;
    this.#handles = new HandlePool(openFilesMax);
  }

  /** Handles of the operating system that are open now. */
  get openHandles(): number {
    return this.#handles.size;
  }

  list(directory: string): StoreEntry[] {
    return attempt('list', directory, () => {
      const entries = absentAsUndefined(() => readdirSync(this.#resolve(directory), { withFileTypes: true })) ?? [];
      const named = entries.map((entry) => ({ name: entry.name, isDirectory: entry.isDirectory() }));
      return named.sort((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  exists(path: string): boolean {
    return existsSync(this.#resolve(path));
  }

  createDirectory(path: string): void {
    attempt('create directory', path, () => mkdirSync(this.#resolve(path), { recursive: true }));
  }

  removeDirectory(path: string): void {
    attempt('remove directory', path, () => rmSync(this.#resolve(path), { recursive: true, force: true }));
  }

  rename(from: string, to: string): void {
    attempt('rename', from, () => renameSync(this.#resolve(from), this.#resolve(to)));
  }

  remove(path: string): void {
    attempt('remove', path, () => absentAsUndefined(() => unlinkSync(this.#resolve(path))));
  }

  open(path: string, options: { readonly create: boolean }): StoreFile {
    const file = new NodeFile(path, this.#resolve(path), this.#handles);
    attempt('open', path, () => {
      if (options.create) file.create();
      else statSync(file.absolutePath);
    });
    return file;
  }

  readSmall(path: string): Uint8Array | undefined {
    return attempt('read', path, () => absentAsUndefined(() => readFileSync(this.#resolve(path))));
  }

  replaceSmall(path: string, content: Uint8Array): void {
    const temporary = `${path}.tmp`;
    attempt('replace', path, () => {
      const descriptor = openSync(this.#resolve(temporary), 'w');
      try {
        writeFully(descriptor, content, 0);
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
      renameSync(this.#resolve(temporary), this.#resolve(path));
    });
  }

  flushDirectory(path: string): void {
    attempt('flush directory', path, () => {
      const descriptor = openSync(this.#resolve(path), 'r');
      try {
        fsyncSync(descriptor);
      } finally {
        closeSync(descriptor);
      }
    });
  }

  close(): void {
    this.#handles.closeAll();
  }

  #resolve(path: string): string {
    assert(!path.split('/').includes('..'), `path ${path} stays inside of the store`);
    return join(this.#root, path);
  }
}

/** A virtual handle: by path, with a descriptor only while the pool grants one. */
class NodeFile implements StoreFile {
  readonly path: string;
  readonly absolutePath: string;
  readonly #handles: HandlePool;
  #closed = false;

  constructor(path: string, absolutePath: string, handles: HandlePool) {
    this.path = path;
    this.absolutePath = absolutePath;
    this.#handles = handles;
  }

  create(): void {
    this.#handles.descriptor(this, true);
  }

  size(): number {
    return attempt('size', this.path, () => {
      const open = this.#handles.openDescriptor(this);
      return open === undefined ? statSync(this.absolutePath).size : fstatSync(open).size;
    });
  }

  read(target: Uint8Array, position: number): number {
    return attempt('read', this.path, () => {
      const descriptor = this.#descriptor();
      let read = 0;
      while (read < target.length) {
        const count = readSync(descriptor, target, read, target.length - read, position + read);
        if (count === 0) break;
        read += count;
      }
      return read;
    });
  }

  write(source: Uint8Array, position: number): void {
    attempt('write', this.path, () => writeFully(this.#descriptor(), source, position));
  }

  truncate(size: number): void {
    attempt('truncate', this.path, () => ftruncateSync(this.#descriptor(), size));
  }

  flush(): Promise<void> {
    return new Promise((resolve, reject) => {
      const descriptor = attempt('flush', this.path, () => this.#descriptor());
      this.#handles.pin(this);
      fdatasync(descriptor, (error) => {
        this.#handles.unpin(this);
        if (error === null) resolve();
        else reject(storageFault('flush', this.path, error));
      });
    });
  }

  flushSync(): void {
    attempt('flush', this.path, () => fdatasyncSync(this.#descriptor()));
  }

  close(): void {
    this.#closed = true;
    this.#handles.release(this);
  }

  #descriptor(): number {
    assert(!this.#closed, `${this.path} is open`);
    return this.#handles.descriptor(this, false);
  }
}

interface Handle {
  readonly descriptor: number;
  /** Flushes under way. */
  pins: number;
  /** Closed by its owner while a flush was under way. */
  released: boolean;
}

/** Descriptors in the order of their last use. */
class HandlePool {
  readonly #openFilesMax: number;
  readonly #handles = new Map<NodeFile, Handle>();
  #latest: NodeFile | undefined;

  constructor(openFilesMax: number) {
    this.#openFilesMax = openFilesMax;
  }

  get size(): number {
    return this.#handles.size;
  }

  openDescriptor(file: NodeFile): number | undefined {
    return this.#handles.get(file)?.descriptor;
  }

  /** With `create` the file is created where it is absent; it is then held like any other. */
  descriptor(file: NodeFile, create: boolean): number {
    const known = this.#handles.get(file);
    if (known !== undefined) {
      if (this.#latest !== file) this.#touch(file, known);
      return known.descriptor;
    }
    this.#makeRoom();
    const descriptor = openSync(file.absolutePath, create ? constants.O_RDWR | constants.O_CREAT : constants.O_RDWR);
    this.#handles.set(file, { descriptor, pins: 0, released: false });
    this.#latest = file;
    return descriptor;
  }

  pin(file: NodeFile): void {
    present(this.#handles.get(file), 'handle to pin').pins += 1;
  }

  unpin(file: NodeFile): void {
    const handle = present(this.#handles.get(file), 'pinned handle');
    handle.pins -= 1;
    if (handle.pins === 0 && handle.released) this.#close(file, handle);
  }

  release(file: NodeFile): void {
    const handle = this.#handles.get(file);
    if (handle === undefined) return;
    if (handle.pins > 0) handle.released = true;
    else this.#close(file, handle);
  }

  closeAll(): void {
    for (const [file, handle] of [...this.#handles]) {
      if (handle.pins > 0) handle.released = true;
      else this.#close(file, handle);
    }
  }

  #touch(file: NodeFile, handle: Handle): void {
    this.#handles.delete(file);
    this.#handles.set(file, handle);
    this.#latest = file;
  }

  /** Closes the handle that was not used for longest. When all are pinned there is one more for a while. */
  #makeRoom(): void {
    if (this.#handles.size < this.#openFilesMax) return;
    for (const [file, handle] of this.#handles) {
      if (handle.pins > 0) continue;
      this.#close(file, handle);
      return;
    }
  }

  #close(file: NodeFile, handle: Handle): void {
    this.#handles.delete(file);
    if (this.#latest === file) this.#latest = undefined;
    closeSync(handle.descriptor);
  }
}

function writeFully(descriptor: number, source: Uint8Array, position: number): void {
  let written = 0;
  while (written < source.length) {
    written += writeSync(descriptor, source, written, source.length - written, position + written);
  }
}

function attempt<T>(operation: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (isSystemError(error)) throw storageFault(operation, path, error);
    throw error;
  }
}

function absentAsUndefined<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (isSystemError(error) && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function storageFault(operation: string, path: string, error: Error): LogFault {
  return new LogFault('ERR_STORAGE', `${operation} ${path === '' ? '.' : path}: ${error.message}`, error);
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
