// The files of the OPFS store that are open ahead of need. Opening one is asynchronous and the store is synchronous, so
// each slot is a file that stays open; a virtual file that has outgrown the journal takes a free one.

import { LogFault } from '../../core/fault.ts';
import type { Logger } from '../../core/logger.ts';
import type { HandleDirectory, SyncHandle } from './sync-handles.ts';

const SLOT_NAME = /^slot-(\d+)$/;

export interface SlotPoolOptions {
  readonly directory: HandleDirectory;
  readonly logger: Logger;
  /** Slots that are kept free, so far as `slotsMax` allows. */
  readonly freeMin: number;
  /** Files that are open at a time. */
  readonly slotsMax: number;
}

export class SlotPool {
  readonly #options: SlotPoolOptions;
  readonly #handles = new Map<number, SyncHandle>();
  #free: number[] = [];
  #nextSlot = 0;
  #growing: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: SlotPoolOptions) {
    this.#options = options;
  }

  get freeCount(): number {
    return this.#free.length;
  }

  get size(): number {
    return this.#handles.size;
  }

  /** Opens every slot that there is. All count as taken until {@link release}. */
  async open(): Promise<void> {
    const { directory } = this.#options;
    const slots = (await directory.names()).flatMap((name) => {
      const number = SLOT_NAME.exec(name)?.[1];
      return number === undefined ? [] : [Number(number)];
    });
    for (const slot of slots) this.#nextSlot = Math.max(this.#nextSlot, slot + 1);
    const opened = await Promise.allSettled(slots.map(async (slot) => this.#adopt(slot, await open(directory, slot))));
    const failed = opened.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  get slots(): Iterable<number> {
    return this.#handles.keys();
  }

  handle(slot: number): SyncHandle {
    const handle = this.#handles.get(slot);
    if (handle === undefined) throw new LogFault('ERR_STORAGE', `slot-${slot} of the store is missing`);
    return handle;
  }

  /** A free slot, empty; undefined where there is none now. More are opened as they become few. */
  take(): number | undefined {
    const slot = this.#free.pop();
    if (this.#free.length < this.#options.freeMin) void this.grow();
    return slot;
  }

  /** The slot belongs to no file any more: its bytes go, and it is free. */
  release(slot: number): void {
    this.handle(slot).truncate(0);
    this.#free.push(slot);
  }

  /** Opens slots until `freeMin` are free; never rejects. */
  grow(): Promise<void> {
    this.#growing ??= this.#grow().finally(() => {
      this.#growing = undefined;
    });
    return this.#growing;
  }

  async #grow(): Promise<void> {
    const { directory, logger, freeMin, slotsMax } = this.#options;
    while (!this.#isClosed && this.#free.length < freeMin && this.#handles.size < slotsMax) {
      const slot = this.#nextSlot++;
      try {
        this.#adopt(slot, await open(directory, slot));
        if (!this.#isClosed) this.#free.push(slot);
      } catch (error) {
        logger.warn('the store cannot open another file', { slot, error });
        return;
      }
    }
  }

  #adopt(slot: number, handle: SyncHandle): void {
    if (this.#isClosed) handle.close();
    else this.#handles.set(slot, handle);
  }

  close(): void {
    this.#isClosed = true;
    for (const handle of this.#handles.values()) handle.close();
    this.#handles.clear();
    this.#free = [];
  }
}

function open(directory: HandleDirectory, slot: number): Promise<SyncHandle> {
  return directory.open(`slot-${slot}`);
}
