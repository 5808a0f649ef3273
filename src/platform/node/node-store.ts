// A store over a directory of the file system, with node:fs. Files are held by name; the operating system's handles behind
// them come and go.

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
  writevSync,
} from 'node:fs';
import { join } from 'node:path';
import { assert } from '../../core/assert.ts';
import { LogFault } from '../../core/fault.ts';
import { OPEN_FILES_MAX } from '../../core/limits.ts';
import type { Store, StoreEntry, StoreFile } from '../../core/platform.ts';
import { type HandleOpener, HandlePool } from '../handle-pool.ts';
import { NodeStoreAside } from './node-store-aside.ts';

/** What Linux and macOS take in one vectored write (IOV_MAX). */
const WRITE_BUFFERS_MAX = 1024;

type NodeHandles = HandlePool<NodeFile, number>;

export class NodeStore implements Store {
  readonly #root: string;
  readonly #handles: NodeHandles;
  readonly aside: NodeStoreAside;

  /** `root` must exist. `openFilesMax` bounds the operating system's handles that are open at a time. */
  constructor(root: string, openFilesMax: number = OPEN_FILES_MAX) {
    this.#root = root;
    this.#handles = new HandlePool(openFilesMax, OPENER);
    this.aside = new NodeStoreAside({
      resolve: (path) => this.#resolve(path),
      fault: (operation, path, error) => (isSystemError(error) ? storageFault(operation, path, error) : error),
    });
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
    // To ask first is cheaper than an error, and most names that are made sure of are free.
    if (!this.exists(path)) return;
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
  readonly #handles: NodeHandles;
  #identity: bigint | undefined;
  #closed = false;

  constructor(path: string, absolutePath: string, handles: NodeHandles) {
    this.path = path;
    this.absolutePath = absolutePath;
    this.#handles = handles;
  }

  create(): void {
    this.#handles.handle(this, true);
  }

  size(): number {
    return attempt('size', this.path, () => {
      const open = this.#handles.openHandle(this);
      return open === undefined ? statSync(this.absolutePath).size : fstatSync(open).size;
    });
  }

  identity(): bigint {
    this.#identity ??= attempt('identity', this.path, () => fstatSync(this.#descriptor(), { bigint: true }).ino);
    return this.#identity;
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

  writeAll(sources: readonly Uint8Array[], position: number): void {
    attempt('write', this.path, () => writeAllFully(this.#descriptor(), sources, position));
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
    return this.#handles.handle(this, false);
  }
}

const OPENER: HandleOpener<NodeFile, number> = {
  open: ({ absolutePath }, create) =>
    openSync(absolutePath, create ? constants.O_RDWR | constants.O_CREAT : constants.O_RDWR),
  close: (descriptor) => closeSync(descriptor),
};

function writeFully(descriptor: number, source: Uint8Array, position: number): void {
  let written = 0;
  while (written < source.length) {
    written += writeSync(descriptor, source, written, source.length - written, position + written);
  }
}

/** A vectored write may end anywhere in the buffers, as a plain one may; what is left of one is written by itself. */
function writeAllFully(descriptor: number, sources: readonly Uint8Array[], position: number): void {
  let at = position;
  let next = 0;
  while (next < sources.length) {
    const buffers = sources.slice(next, next + WRITE_BUFFERS_MAX);
    let written = writevSync(descriptor, buffers, at);
    at += written;
    for (const source of buffers) {
      if (written < source.length) {
        writeFully(descriptor, source.subarray(written), at);
        at += source.length - written;
        next += 1;
        break;
      }
      written -= source.length;
      next += 1;
    }
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
