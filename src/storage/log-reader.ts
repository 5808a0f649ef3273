// Reads across the segments of one log: by the hint that the last read left, or by the index. It knows no log end and no
// log start; log.ts has checked the offset.

import { LogFault } from '../core/fault.ts';
import { type ReadHint, ReadHints } from './read-hints.ts';
import type { Segment, SegmentHome } from './segment.ts';
import { findRange, type RangeLimits, type SegmentRange } from './segment-range.ts';
import { endsBefore, locateBatch, type ReadLimits, readBatches, type SegmentBytes } from './segment-read.ts';

/** Where a batch begins. */
interface SegmentPlace {
  readonly segment: Segment;
  readonly position: number;
}

const EMPTY = new Uint8Array(0);

export class LogReader {
  readonly #home: SegmentHome;
  readonly #segmentOf: (offset: number) => Segment;
  readonly #hints = new ReadHints();
  #lastEnd = -1;
  #isSequel = false;
  #generation = 0;

  constructor(home: SegmentHome, segmentOf: (offset: number) => Segment) {
    this.#home = home;
    this.#segmentOf = segmentOf;
  }

  /** Segments went or were cut: what was noted of them holds no more. */
  forget(): void {
    this.#hints.clear();
    this.#generation++;
  }

  /** Offset behind what was read last. */
  get lastEnd(): number {
    return this.#lastEnd;
  }

  /** Whether what was read last began where an earlier read had ended. */
  get isSequel(): boolean {
    return this.#isSequel;
  }

  /** What was read stays what the log holds there as long as this does. */
  get generation(): number {
    return this.#generation;
  }

  read(offset: number, limits: ReadLimits): Uint8Array {
    const hint = this.#hints.find(offset);
    const hinted = hint === undefined ? undefined : this.#readHinted(hint, limits);
    const bytes = hinted ?? this.#readLocated(offset, limits);
    if (bytes === undefined) return EMPTY;
    if (bytes.length === 0 && limits.minOneBatch) throw this.#overlong(offset, limits);
    return bytes;
  }

  /**
   * Where the batches from the one that contains `offset` on lie in a file, as far as the limits allow. Undefined where
   * they are to be read.
   */
  range(request: RangeLimits & { readonly offset: number }): SegmentRange | undefined {
    const { offset } = request;
    if (offset >= request.offsetEnd) return undefined;
    const hint = this.#hints.find(offset);
    const start = hint === undefined ? this.#startOf(offset) : this.#startOfHint(hint);
    if (start === undefined) return undefined;
    const { segment, position } = start;
    return findRange(this.#home, segment, { position, ...request });
  }

  /** A range that was found for `offset` is what its reader gets. */
  noteServed(offset: number, { segment, position, length, nextOffset }: SegmentRange): void {
    this.#hints.add({ offset: nextOffset, segment, position: position + length }, this.#hints.find(offset));
  }

  /** Undefined where the hint leads to the end of a segment behind which offsets are missing. */
  #startOfHint({ offset, segment, position }: ReadHint): SegmentPlace | undefined {
    if (position < segment.sizeBytes) return { segment, position };
    const next = this.#segmentOf(offset);
    return next.baseOffset === offset ? { segment: next, position: 0 } : undefined;
  }

  #startOf(offset: number): SegmentPlace | undefined {
    const segment = this.#segmentWith(offset);
    return segment === undefined ? undefined : { segment, position: locateBatch(segment, this.#home, offset).position };
  }

  /** Below its end a log has a batch for every offset: one that leads beyond the end is from another history. */
  #overlong(offset: number, { offsetEnd }: ReadLimits): LogFault {
    const { path } = this.#segmentOf(offset);
    return new LogFault('ERR_CORRUPT_LOG', `${path}: at offset ${offset}: the batch leads beyond offset ${offsetEnd}`);
  }

  #readHinted(hint: ReadHint, limits: ReadLimits): Uint8Array | undefined {
    const start = this.#startOfHint(hint);
    if (start === undefined) return undefined;
    const { segment, position } = start;
    const read = readBatches(segment, this.#home, { position, baseOffset: hint.offset, ...limits });
    return read === undefined ? undefined : this.#served({ segment, position, read, hint });
  }

  /** Undefined where compaction has left nothing from `offset` to the end that is asked for. */
  #readLocated(offset: number, limits: ReadLimits): Uint8Array | undefined {
    const segment = this.#segmentWith(offset);
    if (segment === undefined) return undefined;
    // The first round may find the batch damaged. The second then meets the damage, or the batch that lies behind it.
    for (let round = 0; round < 2; round++) {
      const { position, header } = locateBatch(segment, this.#home, offset);
      if (header.baseOffset >= limits.offsetEnd) return undefined;
      const read = readBatches(segment, this.#home, { position, baseOffset: header.baseOffset, ...limits });
      if (read !== undefined) return this.#served({ segment, position, read });
    }
    throw new LogFault('ERR_CORRUPT_LOG', `${segment.path}: at offset ${offset}: the file changes while it is read`);
  }

  /** Where somebody else compacted, a segment may hold nothing at `offset` and behind it; at last the log does not. */
  #segmentWith(offset: number): Segment | undefined {
    let segment = this.#segmentOf(offset);
    for (;;) {
      const end = this.#home.endOffsetOf(segment);
      if (offset === end || !segment.gaps.allowAtEnd(offset, end)) return segment;
      if (!endsBefore(segment, offset)) return segment;
      const next = this.#segmentOf(end);
      if (next === segment) return undefined;
      segment = next;
    }
  }

  #served(served: { segment: Segment; position: number; read: SegmentBytes; hint?: ReadHint }): Uint8Array {
    const { segment, position, read, hint } = served;
    this.#lastEnd = read.nextOffset;
    this.#isSequel = hint !== undefined;
    if (read.bytes.length === 0) return EMPTY;
    this.#hints.add({ offset: read.nextOffset, segment, position: position + read.bytes.length }, hint);
    return read.bytes;
  }
}
