// What an owner has lent for one fetch, on the dispatching side: memory that is looked at where it lies, and files that are
// opened here, so that they stay what they are whatever becomes of their owner.

import type { LentBytes, LentRange, ReadReply } from './commands.ts';
import type { OpenRange, SlotThread } from './group.ts';

export function isLent({ lent, range }: ReadReply): boolean {
  return lent !== undefined || range !== undefined;
}

export class BorrowedReads {
  /** With the records where they can be used, in place of where the owner says that they are. */
  readonly reads: readonly ReadReply[];
  /** Of what is lent of the owner's memory. */
  readonly positions: number[] = [];
  /** Ids of what is lent of its files. */
  readonly ranges: number[] = [];
  readonly #thread: SlotThread;
  readonly #open: OpenRange[] = [];
  #isWhole = true;

  constructor(thread: SlotThread, reads: readonly ReadReply[]) {
    this.#thread = thread;
    this.reads = reads.map(({ lent, range, ...read }) => {
      if (lent !== undefined) return { ...read, records: this.#view(lent, read.records) };
      return range === undefined ? read : { ...read, file: this.#openRange(range) };
    });
  }

  /** Whether all of it can be had. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Closes what was opened. */
  close(): void {
    for (const range of this.#open.splice(0)) range.close();
  }

  #view({ position, length }: LentBytes, otherwise: Uint8Array): Uint8Array {
    this.positions.push(position);
    return this.#thread.lending?.subarray(position, position + length) ?? otherwise;
  }

  #openRange(range: LentRange): OpenRange['file'] | undefined {
    this.ranges.push(range.id);
    const open = this.#thread.openRange?.(range);
    if (open === undefined) this.#isWhole = false;
    else this.#open.push(open);
    return open?.file;
  }
}
