// The names of the OPFS store and what they stand for: directories, and files that live in the journal or in a slot.
// Plain memory: it is built by the journal's entries, and knows neither handles nor bytes on disk.

import { assert } from '../../core/assert.ts';

/** Bytes of a file that is not in a slot. */
export class InlineContent {
  #bytes = new Uint8Array(0);
  #size = 0;

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#size);
  }

  get size(): number {
    return this.#size;
  }

  write(source: Uint8Array, position: number): void {
    const end = position + source.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    if (position > this.#size) this.#bytes.fill(0, this.#size, position);
    this.#bytes.set(source, position);
    this.#size = Math.max(this.#size, end);
  }

  truncate(size: number): void {
    if (size > this.#size) this.write(new Uint8Array(size - this.#size), this.#size);
    this.#size = size;
  }

  /** Gives the memory back. */
  clear(): void {
    this.#bytes = new Uint8Array(0);
    this.#size = 0;
  }
}

/** A file. `slot` is undefined while its bytes are in the journal. */
export class TreeFile {
  readonly id: number;
  content = new InlineContent();
  slot: number | undefined;
  isRemoved = false;

  constructor(id: number) {
    this.id = id;
  }
}

/** A directory, by the names in it. */
export class TreeDirectory {
  readonly children = new Map<string, TreeFile | TreeDirectory>();
}

export type TreeNode = TreeFile | TreeDirectory;

export class StoreTree {
  readonly #root = new TreeDirectory();
  readonly #files = new Map<number, TreeFile>();
  #nextId = 1;

  /** An id that no file has. */
  get nextId(): number {
    return this.#nextId;
  }

  get files(): ReadonlyMap<number, TreeFile> {
    return this.#files;
  }

  get root(): TreeDirectory {
    return this.#root;
  }

  find(path: string): TreeNode | undefined {
    let node: TreeNode | undefined = this.#root;
    if (path === '') return node;
    for (const name of path.split('/')) {
      if (!(node instanceof TreeDirectory)) return undefined;
      node = node.children.get(name);
    }
    return node;
  }

  file(path: string): TreeFile | undefined {
    const node = this.find(path);
    return node instanceof TreeFile ? node : undefined;
  }

  fileById(id: number): TreeFile {
    const file = this.#files.get(id);
    assert(file !== undefined, `the journal's file ${id} exists`);
    return file;
  }

  /** Whether a file of this path has a directory to be in. */
  hasParent(path: string): boolean {
    return this.find(split(path).parent) instanceof TreeDirectory;
  }

  createDirectory(path: string): void {
    let node = this.#root;
    for (const name of path.split('/')) {
      const known = node.children.get(name);
      assert(!(known instanceof TreeFile), `${path} leads through no file`);
      const child = known ?? new TreeDirectory();
      node.children.set(name, child);
      node = child;
    }
  }

  /** Puts an empty file there, and returns the one that it takes the place of. */
  createFile(path: string, id: number): { readonly file: TreeFile; readonly replaced: TreeFile | undefined } {
    const replaced = this.file(path);
    if (replaced !== undefined) this.#forget(replaced);
    const file = new TreeFile(id);
    this.#parentOf(path).children.set(split(path).name, file);
    this.#files.set(id, file);
    this.#nextId = Math.max(this.#nextId, id + 1);
    return { file, replaced };
  }

  /** Takes a file or a directory away; returns the files that went. */
  remove(path: string): TreeFile[] {
    const node = this.find(path);
    if (node === undefined) return [];
    this.#parentOf(path).children.delete(split(path).name);
    const gone = [...filesIn(node)];
    for (const file of gone) this.#forget(file);
    return gone;
  }

  /** Moves a file or a directory; returns the files that were in the way. */
  rename(from: string, to: string): TreeFile[] {
    const node = this.find(from);
    assert(node !== undefined, `${from} exists`);
    if (from === to) return [];
    this.#parentOf(from).children.delete(split(from).name);
    const gone = this.remove(to);
    this.#parentOf(to).children.set(split(to).name, node);
    return gone;
  }

  /** Every path, directories before what is in them. */
  *paths(): Generator<readonly [path: string, node: TreeNode]> {
    yield* pathsIn(this.#root, '');
  }

  #parentOf(path: string): TreeDirectory {
    const { parent } = split(path);
    const node = this.find(parent);
    assert(node instanceof TreeDirectory, `${parent} is a directory`);
    return node;
  }

  #forget(file: TreeFile): void {
    file.isRemoved = true;
    this.#files.delete(file.id);
  }
}

function split(path: string): { readonly parent: string; readonly name: string } {
  const slash = path.lastIndexOf('/');
  return { parent: slash < 0 ? '' : path.slice(0, slash), name: path.slice(slash + 1) };
}

function* filesIn(node: TreeNode): Generator<TreeFile> {
  if (node instanceof TreeFile) yield node;
  else for (const child of node.children.values()) yield* filesIn(child);
}

function* pathsIn(directory: TreeDirectory, prefix: string): Generator<readonly [string, TreeNode]> {
  for (const [name, node] of directory.children) {
    yield [prefix + name, node];
    if (node instanceof TreeDirectory) yield* pathsIn(node, `${prefix}${name}/`);
  }
}
