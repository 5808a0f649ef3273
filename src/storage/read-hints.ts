// Where the next batches of a few sequential readers begin, so that they need no index. Bounded; a reader that is pushed
// out finds its place by the index again.

import type { Segment } from './segment.ts';

const HINTS_MAX = 4;

/** The batch with base offset `offset` begins at `position`, unless the segment has ended there. */
export interface ReadHint {
  readonly offset: number;
  readonly segment: Segment;
  readonly position: number;
}

export class ReadHints {
  #hints: ReadHint[] = [];
  #next = 0;

  find(offset: number): ReadHint | undefined {
    return this.#hints.find((hint) => hint.offset === offset);
  }

  /** Notes where a reader ended; it takes the place of the hint that the reader came with. */
  add(hint: ReadHint, cameBy: ReadHint | undefined): void {
    const known = cameBy === undefined ? -1 : this.#hints.indexOf(cameBy);
    if (known >= 0) {
      this.#hints[known] = hint;
      return;
    }
    this.#hints[this.#next] = hint;
    this.#next = (this.#next + 1) % HINTS_MAX;
  }

  clear(): void {
    this.#hints = [];
    this.#next = 0;
  }
}
