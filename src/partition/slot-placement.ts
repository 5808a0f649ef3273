// In which slot each partition lives, and when a further slot pays. It starts no slot and knows nothing of commands.

import { present } from '../core/assert.ts';
import type { PartitionHandle } from './commands.ts';

interface Home {
  readonly slot: number;
  readonly internal: boolean;
}

/** How many partitions live in one slot. */
interface Population {
  clients: number;
  internal: number;
}

export interface SlotPlacementOptions {
  /** Slots that may be started. */
  readonly slotsMax: number;
  /** Partitions of clients in every started slot before a further one is started; and how many go to one in a row. */
  readonly slotPartitionsMin: number;
}

/**
 * A partition stays where it was placed while it is open. The slots are filled in turn, some partitions at a time, so that
 * neighbours live together: a client's request is for a range of them more often than not, and waits for every slot that it
 * goes to. Each kind is counted for itself: a broker's own partitions are mostly idle, and neither start a slot nor keep
 * clients' partitions out of one.
 */
export class SlotPlacement {
  readonly #slotPartitionsMin: number;
  readonly #homes = new Map<PartitionHandle, Home>();
  readonly #populations: Population[] = [];
  #slotsMax: number;

  constructor(options: SlotPlacementOptions) {
    this.#slotsMax = options.slotsMax;
    this.#slotPartitionsMin = options.slotPartitionsMin;
  }

  /** Counts a slot that was started: the one with the next number. */
  started(): void {
    this.#populations.push({ clients: 0, internal: 0 });
  }

  /** No slot but those that were started is to be had. */
  startNoMore(): void {
    this.#slotsMax = this.#populations.length;
  }

  /** Whether a partition that is placed now should have a further slot started before. */
  wantsSlot(handle: PartitionHandle, internal: boolean): boolean {
    return (
      !internal &&
      this.#populations.length < this.#slotsMax &&
      !this.#homes.has(handle) &&
      this.#populations.every(({ clients }) => clients >= this.#slotPartitionsMin)
    );
  }

  /** Gives a partition its slot, or says which one it has. */
  place(handle: PartitionHandle, internal: boolean): number {
    const known = this.#homes.get(handle);
    if (known !== undefined) return known.slot;
    const kind = kindOf(internal);
    const blocks = this.#populations.map((population) => Math.floor(population[kind] / this.#slotPartitionsMin));
    const slot = blocks.indexOf(Math.min(...blocks));
    present(this.#populations[slot], 'population')[kind]++;
    this.#homes.set(handle, { slot, internal });
    return slot;
  }

  /** The slot of a partition; where none was placed the first, whose owner then says that it has no such partition. */
  slotOf(handle: PartitionHandle): number {
    return this.#homes.get(handle)?.slot ?? 0;
  }

  /** Forgets a partition that no owner has any more. */
  release(handle: PartitionHandle): void {
    const home = this.#homes.get(handle);
    if (home === undefined) return;
    this.#homes.delete(handle);
    present(this.#populations[home.slot], 'population')[kindOf(home.internal)]--;
  }
}

function kindOf(internal: boolean): keyof Population {
  return internal ? 'internal' : 'clients';
}
