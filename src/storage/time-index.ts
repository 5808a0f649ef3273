// Time index: the largest timestamp in the segment so far, with the last offset of the batch that brought it.

import {
  TIME_ENTRY_BYTES,
  TIME_ENTRY_RELATIVE_OFFSET,
  TIME_ENTRY_TIMESTAMP,
} from '../../assembly/shared/index-layout.ts';
import { readInt64, writeInt64 } from '../wasm/batch-header.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { type IndexPlace, SparseIndex } from './sparse-index.ts';

export interface TimeEntry {
  readonly timestamp: number;
  /** Last offset of the first batch whose largest timestamp is `timestamp`. */
  readonly offset: number;
}

export class TimeIndex extends SparseIndex {
  readonly #baseOffset: number;
  /** The last entry as of `#lastCount` entries, so that appending reads no file. */
  #last: TimeEntry | undefined;
  #lastCount = -1;

  constructor(place: IndexPlace, path: string, baseOffset: number) {
    super(place, path, TIME_ENTRY_BYTES);
    this.#baseOffset = baseOffset;
  }

  /** Appends where the timestamp is above the last entry's; timestamps ascend strictly. */
  maybeAppend(timestamp: number, offset: number): void {
    if (timestamp < 0 || timestamp <= (this.last()?.timestamp ?? -1)) return;
    const { view, at } = this.appendEntry();
    writeInt64(view, at + TIME_ENTRY_TIMESTAMP, timestamp);
    view.setInt32(at + TIME_ENTRY_RELATIVE_OFFSET, offset - this.#baseOffset);
    this.#last = { timestamp, offset };
    this.#lastCount = this.count;
  }

  entry(index: number): TimeEntry {
    const view = this.entryView(index);
    return {
      timestamp: readInt64(view, TIME_ENTRY_TIMESTAMP),
      offset: this.#baseOffset + view.getInt32(TIME_ENTRY_RELATIVE_OFFSET),
    };
  }

  last(): TimeEntry | undefined {
    const { count } = this;
    if (count !== this.#lastCount) {
      this.#last = count === 0 ? undefined : this.entry(count - 1);
      this.#lastCount = count;
    }
    return this.#last;
  }

  /** The last entry whose timestamp is at or below `timestamp`. */
  lookup(kernels: Kernels, timestamp: number): TimeEntry | undefined {
    const index = this.floor(kernels, timestamp);
    return index < 0 ? undefined : this.entry(index);
  }

  protected override keyAt(view: DataView, at: number): number {
    return readInt64(view, at + TIME_ENTRY_TIMESTAMP);
  }

  protected override kernelFloor(kernels: Kernels, window: { pointer: number; count: number }, key: number): number {
    return kernels.timeIndexFloor(window.pointer, window.count, key);
  }
}
