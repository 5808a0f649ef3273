// What the store needs of the origin private file system: files that are opened asynchronously and, once open, are read
// and written synchronously. A test puts files in memory in its place.

/** An open file. `FileSystemSyncAccessHandle` is one. */
export interface SyncHandle {
  getSize(): number;
  /** Returns the bytes read, fewer only at the end of the file. */
  read(target: Uint8Array, options: { readonly at: number }): number;
  /** Returns the bytes written: fewer than asked for where the quota is used up. */
  write(source: Uint8Array, options: { readonly at: number }): number;
  truncate(size: number): void;
  /** Everything written is on stable storage when it returns. */
  flush(): void;
  close(): void;
}

/** A flat directory of such files. */
export interface HandleDirectory {
  names(): Promise<string[]>;
  /** Opens the file, creating it where it is absent. Rejects where somebody else has it open. */
  open(name: string): Promise<SyncHandle>;
}

/** The directory of this name in the origin private file system, created where it is absent. For dedicated workers. */
export async function openOpfsDirectory(path: readonly string[]): Promise<HandleDirectory> {
  let directory = await navigator.storage.getDirectory();
  for (const name of path) directory = await directory.getDirectoryHandle(name, { create: true });
  return new OpfsDirectory(directory);
}

/** Whether this origin has private files. Synchronous access to them is then there for its dedicated workers. */
export function hasPrivateFiles(): boolean {
  return typeof navigator.storage?.getDirectory === 'function' && 'FileSystemFileHandle' in globalThis;
}

class OpfsDirectory implements HandleDirectory {
  readonly #directory: FileSystemDirectoryHandle;

  constructor(directory: FileSystemDirectoryHandle) {
    this.#directory = directory;
  }

  async names(): Promise<string[]> {
    const names: string[] = [];
    for await (const name of this.#directory.keys()) names.push(name);
    return names;
  }

  async open(name: string): Promise<SyncHandle> {
    const file = await this.#directory.getFileHandle(name, { create: true });
    return await file.createSyncAccessHandle();
  }
}
