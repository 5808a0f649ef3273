// The synchronous store of the engine on the origin private file system, for dedicated workers.
//
// OPFS opens files asynchronously, reads and writes them synchronously, and lets one owner in at a time. So names are the
// store's own: a journal (store-journal.ts) holds them, and the bytes of small files with them; a file that outgrows the
// journal moves into a slot, one of the files that are open ahead of need (slot-pool.ts). Creating, renaming and
// replacing are one entry of the journal each, and thereby atomic. Where no slot is free a file stays in the journal until
// one is, so that nothing synchronous ever waits for the pool.
//
// Crash policy. Every write reaches the browser's file before it returns: the death of the tab or of the browser loses
// none. What `flush` has covered survives the loss of power: it flushes the file's slot, and then the journal where it
// has changed. A file's bytes are flushed in their slot before the journal says that they are there; a slot is emptied
// for its next file only when the journal's entry that freed it is flushed.

import { assert } from '../../core/assert.ts';
import { LogFault } from '../../core/fault.ts';
import type { Logger } from '../../core/logger.ts';
import type { Store, StoreEntry, StoreFile } from '../../core/platform.ts';
import { SlotPool } from './slot-pool.ts';
import { type Checksum, ENTRY_KINDS, type Entry, StoreJournal, writeWhole } from './store-journal.ts';
import { StoreTree, TreeDirectory, type TreeFile, type TreeNode } from './store-tree.ts';
import type { HandleDirectory } from './sync-handles.ts';

/** Beyond this a file moves out of the journal, in bytes. */
const INLINE_FILE_BYTES_MAX = 16 * 1024;
/** Memory and journal for files without a slot, all together, in bytes; beyond it writes are refused. */
const INLINE_BYTES_MAX = 64 * 1024 * 1024;
/** Largest content that is replaced by one entry of the journal, in bytes. */
const REPLACE_ENTRY_BYTES_MAX = 64 * 1024;
const FREE_SLOTS_MIN = 8;
/** Files that Chromium lets one origin have open without trouble, and more than two hundred busy partitions take. */
const SLOTS_MAX = 1024;
const JOURNAL_NAMES = ['journal-0', 'journal-1'] as const;
const NO_BYTES = new Uint8Array(0);

export interface OpfsStoreOptions {
  readonly directory: HandleDirectory;
  /** CRC32C. It must not use memory that callers of the store write from. */
  readonly checksum: Checksum;
  readonly logger: Logger;
  readonly slotsMax?: number;
  /** Slots that are open ahead of need. */
  readonly freeSlotsMin?: number;
}

export class OpfsStore implements Store {
  readonly #journal: StoreJournal;
  readonly #slots: SlotPool;
  readonly #logger: Logger;
  readonly #tree = new StoreTree();
  readonly #utf8 = new TextEncoder();
  #inlineBytes = 0;
  #isClosed = false;

  private constructor(journal: StoreJournal, slots: SlotPool, logger: Logger) {
    this.#journal = journal;
    this.#slots = slots;
    this.#logger = logger;
  }

  /**
   * Opens the store in a directory of its own, creating it where it is empty. Throws ERR_DATA_DIRECTORY_LOCKED where
   * another worker has it open, ERR_DATA_DIRECTORY_UNREADABLE where what it holds does not fit together, ERR_STORAGE.
   */
  static async open(options: OpfsStoreOptions): Promise<OpfsStore> {
    const { directory, checksum, logger, slotsMax = SLOTS_MAX, freeSlotsMin = FREE_SLOTS_MIN } = options;
    const slots = new SlotPool({ directory, logger, slotsMax, freeMin: freeSlotsMin });
    let journal: StoreJournal | undefined;
    try {
      const first = await directory.open(JOURNAL_NAMES[0]);
      const second = await directory.open(JOURNAL_NAMES[1]);
      journal = new StoreJournal([first, second], checksum);
      await slots.open();
      const store = new OpfsStore(journal, slots, logger);
      store.#load();
      await slots.grow();
      return store;
    } catch (error) {
      journal?.close();
      slots.close();
      throw openFault(error);
    }
  }

  /** Files that are open, slots and journal together. */
  get openHandles(): number {
    return this.#slots.size + JOURNAL_NAMES.length;
  }

  /** Resolves when slots are free again, as far as there may be more. */
  whenReady(): Promise<void> {
    return this.#slots.grow();
  }

  list(directory: string): StoreEntry[] {
    const node = this.#tree.find(directory);
    if (!(node instanceof TreeDirectory)) return [];
    const entries = [...node.children].map(([name, child]) => ({ name, isDirectory: child instanceof TreeDirectory }));
    return entries.sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  exists(path: string): boolean {
    return this.#tree.find(path) !== undefined;
  }

  createDirectory(path: string): void {
    if (this.#tree.find(path) instanceof TreeDirectory) return;
    this.#change('create directory', path, { kind: ENTRY_KINDS.createDirectory, fileId: 0, number: 0 });
  }

  removeDirectory(path: string): void {
    this.remove(path);
  }

  remove(path: string): void {
    if (this.exists(path)) this.#change('remove', path, { kind: ENTRY_KINDS.remove, fileId: 0, number: 0 });
  }

  rename(from: string, to: string): void {
    if (!this.exists(from)) throw fault('rename', from, 'there is no such file');
    if (!this.#tree.hasParent(to)) throw fault('rename', to, 'there is no such directory');
    const old = this.#utf8.encode(from);
    const entry = { kind: ENTRY_KINDS.rename, fileId: 0, number: old.length, bytes: old };
    this.#commit('rename', from, { ...entry, moreBytes: this.#utf8.encode(to) });
  }

  open(path: string, options: { readonly create: boolean }): StoreFile {
    const known = this.#tree.file(path);
    if (known !== undefined) return new OpfsFile(this, path, known);
    if (!options.create) throw fault('open', path, 'there is no such file');
    return new OpfsFile(this, path, this.#create(path));
  }

  #create(path: string): TreeFile {
    if (!this.#tree.hasParent(path)) throw fault('open', path, 'there is no such directory');
    const fileId = this.#tree.nextId;
    this.#change('create', path, { kind: ENTRY_KINDS.createFile, fileId, number: 0 });
    return this.#tree.fileById(fileId);
  }

  readSmall(path: string): Uint8Array | undefined {
    const file = this.#tree.file(path);
    if (file === undefined) return undefined;
    const content = new Uint8Array(this.sizeOf(path, file));
    this.readFile(path, file, { target: content, position: 0 });
    return content;
  }

  replaceSmall(path: string, content: Uint8Array): void {
    if (!this.#tree.hasParent(path)) throw fault('replace', path, 'there is no such directory');
    if (content.length > REPLACE_ENTRY_BYTES_MAX) {
      this.#replaceByRename(path, content);
      return;
    }
    const name = this.#utf8.encode(path);
    const entry = { kind: ENTRY_KINDS.replace, fileId: this.#tree.nextId, number: name.length, bytes: name };
    this.#commit('replace', path, { ...entry, moreBytes: content });
  }

  #replaceByRename(path: string, content: Uint8Array): void {
    const temporary = this.open(`${path}.tmp`, { create: true });
    temporary.truncate(0);
    temporary.write(content, 0);
    temporary.flushSync();
    this.rename(`${path}.tmp`, path);
  }

  flushDirectory(path: string): void {
    this.#attempt('flush directory', path, () => this.#journal.flush());
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#journal.close();
    this.#slots.close();
  }

  /** For {@link OpfsFile}, like all below it. */
  sizeOf(path: string, file: TreeFile): number {
    const { slot } = file;
    if (slot === undefined) return file.content.size;
    return this.#attempt('size', path, () => this.#slots.handle(slot).getSize());
  }

  readFile(path: string, file: TreeFile, { target, position }: Piece): number {
    const { slot } = file;
    if (slot !== undefined) {
      return this.#attempt('read', path, () => this.#slots.handle(slot).read(target, { at: position }));
    }
    this.#assertOpen();
    const available = file.content.bytes.subarray(position, position + target.length);
    target.set(available);
    return available.length;
  }

  writeFile(path: string, file: TreeFile, { target: source, position }: Piece): void {
    if (source.length === 0) return;
    if (file.slot === undefined) this.#makeRoom(path, file, position + source.length);
    const { slot } = file;
    if (slot === undefined) {
      const entry = { kind: ENTRY_KINDS.write, fileId: file.id, number: position, bytes: source };
      this.#commit('write', path, entry);
    } else {
      this.#attempt('write', path, () => writeWhole(this.#slots.handle(slot), source, position));
    }
  }

  truncateFile(path: string, file: TreeFile, size: number): void {
    if (file.slot === undefined) this.#makeRoom(path, file, size);
    const { slot } = file;
    if (slot === undefined) {
      const entry = { kind: ENTRY_KINDS.truncate, fileId: file.id, number: size, bytes: NO_BYTES };
      this.#commit('truncate', path, entry);
    } else {
      this.#attempt('truncate', path, () => this.#slots.handle(slot).truncate(size));
    }
  }

  flushFile(path: string, file: TreeFile): void {
    const { slot, isRemoved } = file;
    if (isRemoved) return;
    this.#attempt('flush', path, () => {
      if (slot !== undefined) this.#slots.handle(slot).flush();
      this.#journal.flush();
    });
  }

  /** Moves a file into a slot where it is to become too large for the journal and there is one. */
  #makeRoom(path: string, file: TreeFile, size: number): void {
    const growth = Math.max(0, size - file.content.size);
    const isFull = this.#inlineBytes + growth > INLINE_BYTES_MAX;
    if (size <= INLINE_FILE_BYTES_MAX && !isFull) return;
    const slot = this.#slots.take();
    if (slot !== undefined) this.#attempt('move', path, () => this.#place(path, file, slot));
    else if (isFull) throw fault('write', path, `no file is free, and ${this.#inlineBytes} bytes wait for one`);
  }

  #place(path: string, file: TreeFile, slot: number): void {
    try {
      const handle = this.#slots.handle(slot);
      writeWhole(handle, file.content.bytes, 0);
      handle.flush();
      this.#commit('move', path, { kind: ENTRY_KINDS.place, fileId: file.id, number: slot, bytes: NO_BYTES });
    } catch (error) {
      this.#slots.release(slot);
      throw error;
    }
  }

  #change(operation: string, path: string, entry: Omit<Entry, 'bytes'>): void {
    this.#commit(operation, path, { ...entry, bytes: this.#utf8.encode(path) });
  }

  /** Makes a change: first in the journal, then in memory. */
  #commit(operation: string, path: string, entry: Entry): void {
    const freed = this.#attempt(operation, path, () => {
      this.#journal.append(entry);
      return this.#apply(wholeOf(entry));
    });
    if (freed.length > 0) this.#attempt(operation, path, () => this.#release(freed));
    if (this.#journal.isWorn) this.#rewrite();
  }

  #release(slots: readonly number[]): void {
    this.#journal.flush();
    for (const slot of slots) this.#slots.release(slot);
  }

  /** The change that called for it is made; that the journal stays long is no fault of that. */
  #rewrite(): void {
    try {
      this.#journal.rewrite(this.#entries());
    } catch (error) {
      this.#journal.postpone();
      this.#logger.warn('the journal of the store could not be written anew', { error });
    }
  }

  /** Everything that there is, as the fewest entries. */
  *#entries(): Generator<Entry> {
    for (const [path, node] of this.#tree.paths()) yield* this.#entriesOf(path, node);
  }

  *#entriesOf(path: string, node: TreeNode): Generator<Entry> {
    const bytes = this.#utf8.encode(path);
    if (node instanceof TreeDirectory) {
      yield { kind: ENTRY_KINDS.createDirectory, fileId: 0, number: 0, bytes };
      return;
    }
    const { id: fileId, slot, content } = node;
    yield { kind: ENTRY_KINDS.replace, fileId, number: bytes.length, bytes, moreBytes: content.bytes };
    if (slot !== undefined) yield { kind: ENTRY_KINDS.place, fileId, number: slot, bytes: NO_BYTES };
  }

  #load(): void {
    this.#journal.replay((entry) => {
      this.#apply(entry);
    });
    const taken = new Set<number>();
    for (const { slot } of this.#tree.files.values()) {
      if (slot === undefined) continue;
      this.#slots.handle(slot);
      assert(!taken.has(slot), 'a slot has one file');
      taken.add(slot);
    }
    for (const slot of [...this.#slots.slots]) if (!taken.has(slot)) this.#slots.release(slot);
  }

  /** Makes an entry's change in memory; returns the slots that it frees. */
  #apply({ kind, fileId, number, bytes }: Entry): number[] {
    switch (kind) {
      case ENTRY_KINDS.createDirectory:
        this.#tree.createDirectory(text(bytes));
        return [];
      case ENTRY_KINDS.createFile:
        return this.#applyCreate(text(bytes), fileId).freed;
      case ENTRY_KINDS.remove:
        return this.#forget(this.#tree.remove(text(bytes)));
      case ENTRY_KINDS.rename:
        return this.#forget(this.#tree.rename(text(bytes.subarray(0, number)), text(bytes.subarray(number))));
      case ENTRY_KINDS.write:
        this.#applyContent(fileId, (file) => file.content.write(bytes, number));
        return [];
      case ENTRY_KINDS.truncate:
        this.#applyContent(fileId, (file) => file.content.truncate(number));
        return [];
      case ENTRY_KINDS.place:
        this.#applyPlace(fileId, number);
        return [];
      case ENTRY_KINDS.replace:
        return this.#applyReplace(bytes, fileId, number);
      default:
        throw new LogFault('ERR_DATA_DIRECTORY_UNREADABLE', `the journal has an entry of the unknown kind ${kind}`);
    }
  }

  #applyCreate(path: string, fileId: number): { readonly file: TreeFile; readonly freed: number[] } {
    const { file, replaced } = this.#tree.createFile(path, fileId);
    return { file, freed: replaced === undefined ? [] : this.#forget([replaced]) };
  }

  #applyReplace(bytes: Uint8Array, fileId: number, pathBytes: number): number[] {
    const { freed } = this.#applyCreate(text(bytes.subarray(0, pathBytes)), fileId);
    this.#applyContent(fileId, (file) => file.content.write(bytes.subarray(pathBytes), 0));
    return freed;
  }

  #applyContent(fileId: number, change: (file: TreeFile) => void): void {
    const file = this.#tree.fileById(fileId);
    this.#inlineBytes -= file.content.size;
    change(file);
    this.#inlineBytes += file.content.size;
  }

  #applyPlace(fileId: number, slot: number): void {
    const file = this.#tree.fileById(fileId);
    this.#inlineBytes -= file.content.size;
    file.content.clear();
    file.slot = slot;
  }

  #forget(files: readonly TreeFile[]): number[] {
    for (const file of files) if (file.slot === undefined) this.#inlineBytes -= file.content.size;
    return files.flatMap(({ slot }) => slot ?? []);
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new LogFault('ERR_STORAGE', 'the store is closed');
  }

  #attempt<T>(operation: string, path: string, action: () => T): T {
    this.#assertOpen();
    try {
      return action();
    } catch (error) {
      if (error instanceof LogFault) throw error;
      throw fault(operation, path, error instanceof Error ? error.message : String(error), error);
    }
  }
}

/** Bytes of a file from a position on. */
interface Piece {
  readonly target: Uint8Array;
  readonly position: number;
}

/** A handle on a file, which stays the same file when it is renamed. */
class OpfsFile implements StoreFile {
  readonly path: string;
  readonly #store: OpfsStore;
  readonly #file: TreeFile;
  #isClosed = false;

  constructor(store: OpfsStore, path: string, file: TreeFile) {
    this.#store = store;
    this.path = path;
    this.#file = file;
  }

  size(): number {
    return this.#store.sizeOf(this.path, this.#living());
  }

  read(target: Uint8Array, position: number): number {
    return this.#store.readFile(this.path, this.#living(), { target, position });
  }

  write(source: Uint8Array, position: number): void {
    this.#store.writeFile(this.path, this.#living(), { target: source, position });
  }

  /** One write after the other: an access handle has none of several buffers. */
  writeAll(sources: readonly Uint8Array[], position: number): void {
    let at = position;
    for (const source of sources) {
      this.write(source, at);
      at += source.length;
    }
  }

  truncate(size: number): void {
    this.#store.truncateFile(this.path, this.#living(), size);
  }

  /** Synchronous underneath: a worker that flushes does nothing else meanwhile. */
  async flush(): Promise<void> {
    this.flushSync();
  }

  flushSync(): void {
    this.#store.flushFile(this.path, this.#file);
  }

  close(): void {
    this.#isClosed = true;
  }

  /** A removed file's slot may be another's. */
  #living(): TreeFile {
    assert(!this.#isClosed, `${this.path} is open`);
    if (this.#file.isRemoved) throw fault('use', this.path, 'the file was removed');
    return this.#file;
  }
}

/** The entry as a reader of the journal finds it. */
function wholeOf(entry: Entry): Entry {
  const { bytes, moreBytes } = entry;
  if (moreBytes === undefined) return entry;
  const whole = new Uint8Array(bytes.length + moreBytes.length);
  whole.set(bytes);
  whole.set(moreBytes, bytes.length);
  return { kind: entry.kind, fileId: entry.fileId, number: entry.number, bytes: whole };
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function fault(operation: string, path: string, reason: string, cause?: unknown): LogFault {
  return new LogFault('ERR_STORAGE', `${operation} ${path === '' ? '.' : path}: ${reason}`, cause);
}

function openFault(error: unknown): unknown {
  if (error instanceof LogFault) return error;
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  if (error instanceof Error && error.name === 'NoModificationAllowedError') {
    return new LogFault('ERR_DATA_DIRECTORY_LOCKED', `another worker has the store open: ${reason}`, error);
  }
  return new LogFault('ERR_STORAGE', `the store cannot be opened: ${reason}`, error);
}
