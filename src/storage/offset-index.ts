// Offset index: a batch's last offset, relative to the segment, with the batch's position in the log file.

import {
  OFFSET_ENTRY_BYTES,
  OFFSET_ENTRY_POSITION,
  OFFSET_ENTRY_RELATIVE_OFFSET,
} from '../../assembly/shared/index-layout.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { type IndexPlace, SparseIndex } from './sparse-index.ts';

export interface OffsetEntry {
  /** Last offset of the batch at `position`. */
  readonly offset: number;
  readonly position: number;
}

interface FoundEntry {
  readonly index: number;
  readonly position: number;
}

/** Entries of two megabytes of log, by default. */
const NEAR_ENTRIES = 512;

export class OffsetIndex extends SparseIndex {
  readonly #baseOffset: number;
  /** Index of what {@link lastPositionUpTo} found last. */
  #lastFound = 0;

  constructor(place: IndexPlace, path: string, baseOffset: number) {
    super(place, path, OFFSET_ENTRY_BYTES);
    this.#baseOffset = baseOffset;
  }

  /** Both must be above those of the last entry. */
  append(offset: number, position: number): void {
    const { view, at } = this.appendEntry();
    view.setInt32(at + OFFSET_ENTRY_RELATIVE_OFFSET, offset - this.#baseOffset);
    view.setInt32(at + OFFSET_ENTRY_POSITION, position);
  }

  entry(index: number): OffsetEntry {
    const view = this.entryView(index);
    return {
      offset: this.#baseOffset + view.getInt32(OFFSET_ENTRY_RELATIVE_OFFSET),
      position: view.getInt32(OFFSET_ENTRY_POSITION),
    };
  }

  last(): OffsetEntry | undefined {
    const { count } = this;
    return count === 0 ? undefined : this.entry(count - 1);
  }

  /** The last entry whose offset is at or below `offset`. */
  lookup(kernels: Kernels, offset: number): OffsetEntry | undefined {
    const index = this.floor(kernels, offset - this.#baseOffset);
    return index < 0 ? undefined : this.entry(index);
  }

  /** The largest position of an entry that is at or below `position`; undefined where there is none. */
  lastPositionUpTo(position: number): number | undefined {
    // Readers go on: what they look for now stands a little behind what they looked for last.
    const found = this.#lastUpTo(position, this.#lastFound, NEAR_ENTRIES) ?? this.#search(position);
    if (found === undefined) return undefined;
    this.#lastFound = found.index;
    return found.position;
  }

  /** Among so many entries; undefined where that cannot be said from them alone. */
  #lastUpTo(position: number, first: number, count: number): FoundEntry | undefined {
    const view = this.entriesView(first, count);
    const entries = view.byteLength / OFFSET_ENTRY_BYTES;
    let low = 0;
    let high = entries;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (positionAt(view, middle) <= position) low = middle + 1;
      else high = middle;
    }
    const isLast = low < entries || first + entries >= this.count;
    return low === 0 || !isLast ? undefined : { index: first + low - 1, position: positionAt(view, low - 1) };
  }

  #search(position: number): FoundEntry | undefined {
    let low = 0;
    let high = this.count;
    while (high - low > NEAR_ENTRIES) {
      const middle = (low + high) >>> 1;
      if (this.entry(middle).position <= position) low = middle;
      else high = middle;
    }
    return this.#lastUpTo(position, low, high - low + 1);
  }

  protected override keyAt(view: DataView, at: number): number {
    return view.getInt32(at + OFFSET_ENTRY_RELATIVE_OFFSET);
  }

  protected override kernelFloor(kernels: Kernels, window: { pointer: number; count: number }, key: number): number {
    return kernels.offsetIndexFloor(window.pointer, window.count, Math.min(key, 0x7fff_ffff));
  }
}

function positionAt(view: DataView, index: number): number {
  return view.getInt32(index * OFFSET_ENTRY_BYTES + OFFSET_ENTRY_POSITION);
}
