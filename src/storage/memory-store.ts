// A store in memory. Plain, it serves logs that need not outlive the process. With `simulatesCrashes` it also remembers
// what reached stable storage, so that tests can fail operations, tear writes, hold flushes, flip bits and take the
// machine's power away.

import { LogFault } from '../core/fault.ts';
import type { Store, StoreAside, StoreEntry, StoreFile } from '../core/platform.ts';
import { parentPath } from './file-names.ts';

/** A power loss keeps or loses unflushed writes page by page. */
const PAGE_BYTES = 4096;

export type StoreOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'truncate'
  | 'flush'
  | 'create-directory'
  | 'rename'
  | 'remove'
  | 'flush-directory';

/** Makes one operation, or every one from there on, fail. */
export interface InjectedFailure {
  /** Which operations count; all of them but `read` where it is left out. */
  readonly operation?: StoreOperation;
  /** Fails the nth counted operation from now on; 1 is the next one. */
  readonly nth: number;
  readonly code: 'ENOSPC' | 'EIO';
  /** Bytes of a failing write that arrive all the same. */
  readonly tornBytes?: number;
  /** Every later counted operation fails, too. */
  readonly sticky?: boolean;
}

/** Random 32-bit unsigned integers; a seeded one makes a crash replayable. */
export type CrashRandom = () => number;

interface Change {
  readonly kind: 'write' | 'truncate';
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** A file's content; names point to it. */
class Content {
  #bytes: Uint8Array = new Uint8Array(0);
  size = 0;

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.size);
  }

  write(source: Uint8Array, position: number): void {
    const end = position + source.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    if (position > this.size) this.#bytes.fill(0, this.size, position);
    this.#bytes.set(source, position);
    this.size = Math.max(this.size, end);
  }

  truncate(size: number): void {
    if (size > this.size) this.write(new Uint8Array(size - this.size), this.size);
    this.size = size;
  }

  apply(change: Change): void {
    if (change.kind === 'write') this.write(change.bytes, change.position);
    else this.truncate(change.position);
  }

  copy(): Content {
    const copy = new Content();
    copy.write(this.bytes, 0);
    return copy;
  }
}

/** What names point to: the content now, the content on stable storage, and what lies between. */
class Inode {
  readonly current = new Content();
  readonly durable = new Content();
  changes: Change[] = [];
}

/** Names added and taken away together, as by one rename. */
interface NameChange {
  readonly directory: string;
  readonly set: readonly (readonly [path: string, inode: Inode | undefined])[];
}

export interface MemoryStoreOptions {
  /** Remember what is on stable storage: costs a second copy of every byte. */
  readonly simulatesCrashes?: boolean;
  /** Have an {@link Store.aside}, whose work is done when the caller waits for anything. */
  readonly hasAside?: boolean;
}

export class MemoryStore implements Store {
  readonly #simulatesCrashes: boolean;
  readonly aside: StoreAside | undefined;
  readonly #files = new Map<string, Inode>();
  readonly #directories = new Set<string>(['']);
  /** Names on stable storage, where crashes are simulated. */
  readonly #durableFiles = new Map<string, Inode>();
  #nameChanges: NameChange[] = [];
  #failures: { failure: InjectedFailure; counted: number }[] = [];
  #heldFlushes: (() => void)[] | undefined;
  #dead = false;
  /** Operations so far, by kind. */
  readonly operations: Map<StoreOperation, number> = new Map();
  /** Called before every read with path, position and length: for tests that count what is read. */
  onRead: ((path: string, position: number, length: number) => void) | undefined;

  constructor(options: MemoryStoreOptions = {}) {
    this.#simulatesCrashes = options.simulatesCrashes ?? false;
    if (options.hasAside === true) this.aside = asideOf(this);
  }

  list(directory: string): StoreEntry[] {
    const names = new Map<string, boolean>();
    for (const path of this.#files.keys()) if (parentPath(path) === directory) names.set(baseName(path), false);
    for (const path of this.#directories) {
      if (path !== '' && parentPath(path) === directory) names.set(baseName(path), true);
    }
    const entries = [...names].map(([name, isDirectory]) => ({ name, isDirectory }));
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  exists(path: string): boolean {
    return this.#files.has(path) || this.#directories.has(path);
  }

  createDirectory(path: string): void {
    this.#perform('create-directory', path);
    this.#directories.add(path);
  }

  removeDirectory(path: string): void {
    this.#perform('remove', path);
    this.#directories.delete(path);
    for (const file of [...this.#files.keys()]) if (isWithin(file, path)) this.#files.delete(file);
    for (const file of [...this.#durableFiles.keys()]) if (isWithin(file, path)) this.#durableFiles.delete(file);
    for (const directory of [...this.#directories]) if (isWithin(directory, path)) this.#directories.delete(directory);
  }

  rename(from: string, to: string): void {
    this.#perform('rename', from);
    if (this.#directories.has(from)) {
      this.#renameDirectory(from, to);
      return;
    }
    const inode = this.#files.get(from);
    if (inode === undefined) throw storageFault('rename', from, 'ENOENT');
    this.#changeNames(from, [
      [from, undefined],
      [to, inode],
    ]);
  }

  remove(path: string): void {
    this.#perform('remove', path);
    if (this.#files.has(path)) this.#changeNames(path, [[path, undefined]]);
  }

  open(path: string, options: { readonly create: boolean }): StoreFile {
    this.#perform('open', path);
    return new MemoryFile(this, path, this.#inodeFor(path, options.create));
  }

  #inodeFor(path: string, create: boolean): Inode {
    const known = this.#files.get(path);
    if (known !== undefined) return known;
    if (!create || !this.#directories.has(parentPath(path))) throw storageFault('open', path, 'ENOENT');
    const inode = new Inode();
    this.#changeNames(path, [[path, inode]]);
    return inode;
  }

  readSmall(path: string): Uint8Array | undefined {
    return this.#files.get(path)?.current.bytes.slice();
  }

  replaceSmall(path: string, content: Uint8Array): void {
    const temporary = this.open(`${path}.tmp`, { create: true });
    temporary.truncate(0);
    temporary.write(content, 0);
    temporary.flushSync();
    temporary.close();
    this.rename(`${path}.tmp`, path);
  }

  flushDirectory(path: string): void {
    this.#perform('flush-directory', path);
    const kept: NameChange[] = [];
    for (const change of this.#nameChanges) {
      if (change.directory === path) applyNames(this.#durableFiles, change);
      else kept.push(change);
    }
    this.#nameChanges = kept;
  }

  close(): void {
    this.#dead = true;
  }

  /** Lets a later operation fail; several failures may be pending. */
  fail(failure: InjectedFailure): void {
    this.#failures.push({ failure, counted: 0 });
  }

  /** Forgets failures that are pending or sticky. */
  heal(): void {
    this.#failures = [];
  }

  /** From now on asynchronous flushes wait for {@link releaseFlushes}. */
  holdFlushes(): void {
    this.#heldFlushes ??= [];
  }

  /** Carries out the flushes that wait, and holds no more. */
  releaseFlushes(): void {
    const held = this.#heldFlushes ?? [];
    this.#heldFlushes = undefined;
    for (const flush of held) flush();
  }

  /** Paths of all files, sorted. */
  paths(): string[] {
    return [...this.#files.keys()].sort();
  }

  /** Replaces a file's content, on stable storage too. */
  put(path: string, bytes: Uint8Array): void {
    const inode = new Inode();
    inode.current.write(bytes, 0);
    inode.durable.write(bytes, 0);
    for (let parent = parentPath(path); parent !== ''; parent = parentPath(parent)) this.#directories.add(parent);
    this.#files.set(path, inode);
    this.#durableFiles.set(path, inode);
  }

  /** Inverts one bit of a file, wherever it is stored. */
  flipBit(path: string, position: number, bit: number): void {
    const inode = this.#files.get(path);
    for (const content of [inode?.current, inode?.durable]) {
      const byte = content?.bytes[position];
      if (content !== undefined && byte !== undefined) content.bytes[position] = byte ^ (1 << bit);
    }
  }

  /** The store as another process finds it after this one was killed: everything that was written is there. */
  afterKill(): MemoryStore {
    return this.#successor(new Map([...this.#files].map(([path, inode]) => [path, inode.current])));
  }

  /**
   * The store as it may be after a power loss: what was flushed is there, and of the rest every page and every name is
   * kept or lost as `random` says.
   */
  afterPowerLoss(random: CrashRandom): MemoryStore {
    const names = new Map(this.#durableFiles);
    for (const change of this.#nameChanges) if (random() % 2 === 0) applyNames(names, change);
    const contents = new Map<Inode, Content>();
    const files = new Map<string, Content>();
    for (const [path, inode] of names) {
      const content = contents.get(inode) ?? survivor(inode, random);
      contents.set(inode, content);
      files.set(path, content);
    }
    return this.#successor(files);
  }

  #successor(files: ReadonlyMap<string, Content>): MemoryStore {
    const store = new MemoryStore({
      simulatesCrashes: this.#simulatesCrashes,
      hasAside: this.aside !== undefined,
    });
    for (const directory of this.#directories) store.#directories.add(directory);
    for (const [path, content] of files) store.put(path, content.bytes);
    this.#dead = true;
    return store;
  }

  #renameDirectory(from: string, to: string): void {
    const moved = (path: string) => (isWithin(path, from) ? to + path.slice(from.length) : path);
    for (const names of [this.#files, this.#durableFiles]) {
      for (const [path, inode] of [...names]) {
        names.delete(path);
        names.set(moved(path), inode);
      }
    }
    for (const path of [...this.#directories]) {
      if (path !== from && !isWithin(path, from)) continue;
      this.#directories.delete(path);
      this.#directories.add(path === from ? to : moved(path));
    }
    this.#nameChanges = this.#nameChanges.map(({ directory, set }) => ({
      directory: directory === from ? to : moved(directory),
      set: set.map(([path, inode]) => [moved(path), inode] as const),
    }));
  }

  #changeNames(path: string, set: NameChange['set']): void {
    const change = { directory: parentPath(path), set };
    applyNames(this.#files, change);
    if (this.#simulatesCrashes) this.#nameChanges.push(change);
  }

  /** Counts an operation on a file or directory, and lets it fail when one was asked to. */
  #perform(operation: StoreOperation, path: string): void {
    const failure = this.countedFailure(operation, path);
    if (failure !== undefined) throw storageFault(operation, path, failure.code);
  }

  /** The failure that this operation is to end with, if any. For {@link MemoryFile}. */
  countedFailure(operation: StoreOperation, path: string): InjectedFailure | undefined {
    if (this.#dead) throw storageFault(operation, path, 'the store is closed');
    this.operations.set(operation, (this.operations.get(operation) ?? 0) + 1);
    let found: InjectedFailure | undefined;
    for (const each of this.#failures) {
      if (!counts(each.failure, operation)) continue;
      each.counted += 1;
      const { nth, sticky } = each.failure;
      if (each.counted === nth || (sticky === true && each.counted > nth)) found ??= each.failure;
    }
    return found;
  }

  get simulatesCrashes(): boolean {
    return this.#simulatesCrashes;
  }

  /** Runs a flush now or, while flushes are held, later. For {@link MemoryFile}. */
  whenReleased(flush: () => void): void {
    if (this.#heldFlushes === undefined) flush();
    else this.#heldFlushes.push(flush);
  }
}

class MemoryFile implements StoreFile {
  readonly path: string;
  readonly #store: MemoryStore;
  readonly #inode: Inode;
  #closed = false;

  constructor(store: MemoryStore, path: string, inode: Inode) {
    this.#store = store;
    this.path = path;
    this.#inode = inode;
  }

  size(): number {
    return this.#inode.current.size;
  }

  read(target: Uint8Array, position: number): number {
    this.#store.onRead?.(this.path, position, target.length);
    this.#perform('read');
    const available = this.#inode.current.bytes.subarray(position, position + target.length);
    target.set(available);
    return available.length;
  }

  write(source: Uint8Array, position: number): void {
    const failure = this.#countedFailure('write');
    const bytes = failure === undefined ? source : source.subarray(0, failure.tornBytes ?? 0);
    if (bytes.length > 0) this.#change({ kind: 'write', position, bytes });
    if (failure !== undefined) throw storageFault('write', this.path, failure.code);
  }

  /** One operation: a failure's torn bytes may end anywhere in the sources. */
  writeAll(sources: readonly Uint8Array[], position: number): void {
    const joined = new Uint8Array(sources.reduce((bytes, source) => bytes + source.length, 0));
    let at = 0;
    for (const source of sources) {
      joined.set(source, at);
      at += source.length;
    }
    this.write(joined, position);
  }

  truncate(size: number): void {
    this.#perform('truncate');
    this.#change({ kind: 'truncate', position: size, bytes: NOTHING });
  }

  flush(): Promise<void> {
    const failure = this.#countedFailure('flush');
    const covered = this.#inode.changes.length;
    return new Promise((resolve, reject) => {
      this.#store.whenReleased(() => {
        if (failure !== undefined) return reject(storageFault('flush', this.path, failure.code));
        this.#makeDurable(covered);
        resolve();
      });
    });
  }

  flushSync(): void {
    this.#perform('flush');
    this.#makeDurable(this.#inode.changes.length);
  }

  close(): void {
    this.#closed = true;
  }

  #change(change: Change): void {
    this.#inode.current.apply(change);
    if (this.#store.simulatesCrashes) this.#inode.changes.push({ ...change, bytes: change.bytes.slice() });
  }

  #makeDurable(count: number): void {
    for (const change of this.#inode.changes.splice(0, count)) this.#inode.durable.apply(change);
  }

  #perform(operation: StoreOperation): void {
    const failure = this.#countedFailure(operation);
    if (failure !== undefined) throw storageFault(operation, this.path, failure.code);
  }

  #countedFailure(operation: StoreOperation): InjectedFailure | undefined {
    if (this.#closed) throw storageFault(operation, this.path, 'the file is closed');
    return this.#store.countedFailure(operation, this.path);
  }
}

const NOTHING = new Uint8Array(0);

function asideOf(store: Store): StoreAside {
  const later = (action: () => void) => Promise.resolve().then(action);
  return {
    flushDirectory: (path) => later(() => store.flushDirectory(path)),
    remove: (path) => later(() => store.remove(path)),
    async empty(path) {
      const file = store.open(path, { create: false });
      await later(() => file.truncate(0));
      await later(() => file.flushSync());
      file.close();
    },
  };
}

function counts(failure: InjectedFailure, operation: StoreOperation): boolean {
  return failure.operation === undefined ? operation !== 'read' : failure.operation === operation;
}

/** The flushed content with a random part of the unflushed changes; a write may arrive page by page. */
function survivor(inode: Inode, random: CrashRandom): Content {
  const content = inode.durable.copy();
  for (const change of inode.changes) {
    if (change.kind === 'truncate') {
      if (random() % 2 === 0) content.apply(change);
    } else {
      for (const page of pagesOf(change)) if (random() % 2 === 0) content.apply(page);
    }
  }
  return content;
}

function pagesOf({ position, bytes }: Change): Change[] {
  const pages: Change[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = Math.min(PAGE_BYTES - ((position + at) % PAGE_BYTES), bytes.length - at);
    pages.push({ kind: 'write', position: position + at, bytes: bytes.subarray(at, at + length) });
    at += length;
  }
  return pages;
}

function applyNames(names: Map<string, Inode>, change: NameChange): void {
  for (const [path, inode] of change.set) {
    if (inode === undefined) names.delete(path);
    else names.set(path, inode);
  }
}

function isWithin(path: string, directory: string): boolean {
  return path.startsWith(`${directory}/`);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function storageFault(operation: string, path: string, code: string): LogFault {
  return new LogFault('ERR_STORAGE', `${operation} ${path}: ${code}`);
}
