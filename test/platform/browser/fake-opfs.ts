// An origin private file system in memory, that remembers what was flushed: for killing the tab, and the machine's power.

import type { HandleDirectory, SyncHandle } from '../../../src/platform/browser/sync-handles.ts';

const PAGE_BYTES = 512;

interface Change {
  readonly position: number;
  /** Undefined for a truncation. */
  readonly bytes: Uint8Array | undefined;
}

class Content {
  #bytes = new Uint8Array(0);
  #size = 0;

  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#size);
  }

  apply({ position, bytes }: Change): void {
    const size = bytes === undefined ? position : Math.max(this.#size, position + bytes.length);
    if (size > this.#bytes.length) {
      const grown = new Uint8Array(size * 2);
      grown.set(this.bytes);
      this.#bytes = grown;
    }
    if (size > this.#size) this.#bytes.fill(0, this.#size, size);
    if (bytes !== undefined) this.#bytes.set(bytes, position);
    this.#size = size;
  }
}

/** A file: as it is, and the changes since the flush before which it was `flushed`. */
class FakeFile {
  readonly current = new Content();
  readonly flushed = new Content();
  changes: Change[] = [];
  isOpen = false;
}

export class FakeOpfs implements HandleDirectory {
  readonly #files = new Map<string, FakeFile>();
  /** Writes and truncations that may still succeed, each; undefined for any number. */
  operationsLeft: number | undefined;
  /** How much of the operation that fails is carried out all the same. */
  tornBytes = 0;
  opened = 0;
  /** Opens that wait until they are let through. */
  #held: (() => void)[] | undefined;

  names(): Promise<string[]> {
    return Promise.resolve([...this.#files.keys()]);
  }

  holdOpens(): void {
    this.#held ??= [];
  }

  releaseOpens(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const resolve of held) resolve();
  }

  async open(name: string): Promise<SyncHandle> {
    if (this.#held !== undefined) await new Promise<void>((resolve) => this.#held?.push(resolve));
    const file = this.#files.get(name) ?? new FakeFile();
    if (file.isOpen) throw new DOMException('it is open', 'NoModificationAllowedError');
    this.#files.set(name, file);
    file.isOpen = true;
    this.opened++;
    return new FakeHandle(this, file);
  }

  /** Whether the next change may be made. */
  spend(): boolean {
    if (this.operationsLeft === undefined) return true;
    this.operationsLeft--;
    return this.operationsLeft >= 0;
  }

  /** What another tab finds after this one was killed. */
  afterKill(): FakeOpfs {
    return this.#copy((file) => file.current.bytes);
  }

  /** What is found when the power is back: of what was not flushed, each page as `random` says. */
  afterPowerLoss(random: () => number): FakeOpfs {
    return this.#copy((file) => {
      const survivor = new Content();
      survivor.apply({ position: 0, bytes: file.flushed.bytes });
      for (const change of file.changes)
        for (const piece of pieces(change)) if (random() % 2 === 0) survivor.apply(piece);
      return survivor.bytes;
    });
  }

  #copy(content: (file: FakeFile) => Uint8Array<ArrayBuffer>): FakeOpfs {
    const copy = new FakeOpfs();
    for (const [name, file] of this.#files) {
      const kept = new FakeFile();
      const change = { position: 0, bytes: content(file) };
      kept.current.apply(change);
      kept.flushed.apply(change);
      copy.#files.set(name, kept);
    }
    return copy;
  }
}

function pieces(change: Change): Change[] {
  const { position, bytes } = change;
  if (bytes === undefined) return [change];
  const cut: Change[] = [];
  for (let at = 0; at < bytes.length; at += PAGE_BYTES) {
    cut.push({ position: position + at, bytes: bytes.subarray(at, at + PAGE_BYTES) });
  }
  return cut;
}

class FakeHandle implements SyncHandle {
  readonly #opfs: FakeOpfs;
  readonly #file: FakeFile;

  constructor(opfs: FakeOpfs, file: FakeFile) {
    this.#opfs = opfs;
    this.#file = file;
  }

  getSize(): number {
    return this.#file.current.bytes.length;
  }

  read(target: Uint8Array, { at }: { readonly at: number }): number {
    const available = this.#file.current.bytes.subarray(at, at + target.length);
    target.set(available);
    return available.length;
  }

  write(source: Uint8Array, { at }: { readonly at: number }): number {
    if (!this.#opfs.spend()) {
      const torn = source.subarray(0, this.#opfs.tornBytes);
      if (torn.length > 0) this.#change({ position: at, bytes: torn.slice() });
      throw new DOMException('the quota is used up', 'QuotaExceededError');
    }
    this.#change({ position: at, bytes: source.slice() });
    return source.length;
  }

  truncate(size: number): void {
    if (!this.#opfs.spend()) throw new DOMException('the file cannot be cut', 'InvalidStateError');
    this.#change({ position: size, bytes: undefined });
  }

  flush(): void {
    if (!this.#opfs.spend()) throw new DOMException('the file cannot be flushed', 'InvalidStateError');
    for (const change of this.#file.changes.splice(0)) this.#file.flushed.apply(change);
  }

  close(): void {
    this.#file.isOpen = false;
  }

  #change(change: Change): void {
    this.#file.current.apply(change);
    this.#file.changes.push(change);
  }
}
