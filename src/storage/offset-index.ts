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

export class OffsetIndex extends SparseIndex {
  readonly #baseOffset: number;

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

  protected override keyAt(view: DataView, at: number): number {
    return view.getInt32(at + OFFSET_ENTRY_RELATIVE_OFFSET);
  }

  protected override kernelFloor(kernels: Kernels, window: { pointer: number; count: number }, key: number): number {
    return kernels.offsetIndexFloor(window.pointer, window.count, Math.min(key, 0x7fff_ffff));
  }
}
