// The operating system's handles behind the files of a store: few, opened as needed, and closed when others need them
// more, never while a flush of theirs is under way. It knows files as keys alone.

import { present } from '../core/assert.ts';

/** How a runtime opens and closes a file. */
export interface HandleOpener<File, Handle> {
  /** Opens for reading and writing; with `create` the file is created where it is absent. */
  open(file: File, create: boolean): Handle;
  close(handle: Handle): void;
}

interface Held<Handle> {
  readonly handle: Handle;
  /** Flushes under way. */
  pins: number;
  /** Closed by its owner while a flush was under way. */
  released: boolean;
}

/** Handles in the order of their last use. */
export class HandlePool<File, Handle> {
  readonly #openFilesMax: number;
  readonly #opener: HandleOpener<File, Handle>;
  readonly #held = new Map<File, Held<Handle>>();
  #latest: File | undefined;

  constructor(openFilesMax: number, opener: HandleOpener<File, Handle>) {
    this.#openFilesMax = openFilesMax;
    this.#opener = opener;
  }

  get size(): number {
    return this.#held.size;
  }

  /** The file's handle if it is open. */
  openHandle(file: File): Handle | undefined {
    return this.#held.get(file)?.handle;
  }

  /** The file's handle, opened if need be. With `create` the file is created where it is absent. */
  handle(file: File, create: boolean): Handle {
    const known = this.#held.get(file);
    if (known !== undefined) {
      if (this.#latest !== file) this.#touch(file, known);
      return known.handle;
    }
    this.#makeRoom();
    const handle = this.#opener.open(file, create);
    this.#held.set(file, { handle, pins: 0, released: false });
    this.#latest = file;
    return handle;
  }

  /** The handle is in use until {@link unpin}. */
  pin(file: File): void {
    present(this.#held.get(file), 'handle to pin').pins += 1;
  }

  unpin(file: File): void {
    const held = present(this.#held.get(file), 'pinned handle');
    held.pins -= 1;
    if (held.pins === 0 && held.released) this.#close(file, held);
  }

  release(file: File): void {
    const held = this.#held.get(file);
    if (held === undefined) return;
    if (held.pins > 0) held.released = true;
    else this.#close(file, held);
  }

  closeAll(): void {
    for (const file of [...this.#held.keys()]) this.release(file);
  }

  #touch(file: File, held: Held<Handle>): void {
    this.#held.delete(file);
    this.#held.set(file, held);
    this.#latest = file;
  }

  /** Closes the handle that was not used for longest. When all are pinned there is one more for a while. */
  #makeRoom(): void {
    if (this.#held.size < this.#openFilesMax) return;
    for (const [file, held] of this.#held) {
      if (held.pins > 0) continue;
      this.#close(file, held);
      return;
    }
  }

  #close(file: File, { handle }: Held<Handle>): void {
    this.#held.delete(file);
    if (this.#latest === file) this.#latest = undefined;
    this.#opener.close(handle);
  }
}
