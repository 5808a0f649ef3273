// What the engine needs from the place it runs in. Everything here enters as an argument, so that a simulator can
// supply its own; only composition roots (platform/*, cli, workers) make the real ones.

/** Time. `now` is wall-clock milliseconds since 1970; `monotonic` is milliseconds that never go back. */
export interface Clock {
  now(): number;
  monotonic(): number;
  /** Calls `task` once after `delayMs`; the handle cancels it. A pending timer never keeps the process alive alone. */
  schedule(delayMs: number, task: () => void): TimerHandle;
}

export interface TimerHandle {
  cancel(): void;
}

/** Randomness: uniformly distributed 32-bit unsigned integers, and 16 random bytes for ids. */
export interface Random {
  uint32(): number;
  uuid(): Uint8Array;
}

/**
 * A place for files, synchronous by design: concurrency lives outside the log. Paths are relative to the store's root
 * and use `/`. Every method throws `LogFault` ERR_STORAGE, with path and cause, when the place refuses.
 */
export interface Store {
  /** Names in a directory, sorted; an absent directory has none. */
  list(directory: string): StoreEntry[];
  exists(path: string): boolean;
  createDirectory(path: string): void;
  /** Removes the directory and everything in it; an absent one is no error. */
  removeDirectory(path: string): void;
  /** Renames a file or a directory, replacing a file that is in the way. */
  rename(from: string, to: string): void;
  /** Removes a file; an absent one is no error. */
  remove(path: string): void;
  /** Opens a file for reading and writing, creating it empty where `create` says so. Absent without it: ERR_STORAGE. */
  open(path: string, options: { readonly create: boolean }): StoreFile;
  /** The whole content of a small file, or undefined where it is absent. */
  readSmall(path: string): Uint8Array | undefined;
  /** Replaces a small file so that a crash leaves either the old content or the new: temporary file, fsync, rename. */
  replaceSmall(path: string, content: Uint8Array): void;
  /** Makes creations, renames and removals inside the directory durable. */
  flushDirectory(path: string): void;
  /** Closes every handle. */
  close(): void;
  /** Where the place has threads for what takes long and nobody waits for. */
  readonly aside?: StoreAside | undefined;
}

/**
 * Work on files beside the calling thread. Rejections are `LogFault` ERR_STORAGE.
 */
export interface StoreAside {
  /** As {@link Store.flushDirectory}. */
  flushDirectory(path: string): Promise<void>;
  /** As {@link Store.remove}. */
  remove(path: string): Promise<void>;
  /** Empties the file that has this path now: it is empty on stable storage when the promise resolves. */
  empty(path: string): Promise<void>;
}

export interface StoreEntry {
  readonly name: string;
  readonly isDirectory: boolean;
}

/**
 * One file. Handles are virtual: a store may close and reopen the operating system's handle behind them, so that any
 * number of files can be held.
 */
export interface StoreFile {
  readonly path: string;
  /** Bytes in the file. */
  size(): number;
  /** What the operating system knows the file by, whatever its path, where others may open it too. */
  identity?(): bigint;
  /** Fills `target` from `position`; returns the bytes read, fewer only at the end of the file. */
  read(target: Uint8Array, position: number): number;
  /** Writes all of `source` at `position`, or throws; after a throw the bytes at `position` and beyond are undefined. */
  write(source: Uint8Array, position: number): void;
  /** As {@link write}, with all of the sources one behind the other; where the place can, in one operation. */
  writeAll(sources: readonly Uint8Array[], position: number): void;
  truncate(size: number): void;
  /** Resolves when everything written before the call is on stable storage (fdatasync). */
  flush(): Promise<void>;
  flushSync(): void;
  close(): void;
}
