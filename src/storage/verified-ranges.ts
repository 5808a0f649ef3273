// Which bytes of a segment have passed their CRC since the log was opened, so that cold bytes are checked once.
// Bounded: when reads are scattered over many places, the smallest range is forgotten and checked again later.

const RANGES_MAX = 32;

interface Range {
  readonly start: number;
  readonly end: number;
}

export class VerifiedRanges {
  /** Ascending, neither overlapping nor touching. */
  #ranges: Range[] = [];

  /** End of the verified bytes that begin at or before `position`; `position` itself where it is not verified. */
  endFrom(position: number): number {
    for (const range of this.#ranges) {
      if (range.start <= position && position < range.end) return range.end;
    }
    return position;
  }

  add(start: number, end: number): void {
    if (end <= start) return;
    let merged: Range = { start, end };
    const apart: Range[] = [];
    for (const range of this.#ranges) {
      if (range.end < merged.start || range.start > merged.end) apart.push(range);
      else merged = { start: Math.min(range.start, merged.start), end: Math.max(range.end, merged.end) };
    }
    apart.push(merged);
    apart.sort((a, b) => a.start - b.start);
    if (apart.length > RANGES_MAX) apart.splice(smallest(apart), 1);
    this.#ranges = apart;
  }

  /** Forgets everything at `position` and beyond. */
  truncate(position: number): void {
    this.#ranges = this.#ranges
      .filter((range) => range.start < position)
      .map((range) => ({ start: range.start, end: Math.min(range.end, position) }));
  }
}

function smallest(ranges: readonly Range[]): number {
  let found = 0;
  let bytes = Number.POSITIVE_INFINITY;
  for (const [index, range] of ranges.entries()) {
    if (range.end - range.start >= bytes) continue;
    bytes = range.end - range.start;
    found = index;
  }
  return found;
}
