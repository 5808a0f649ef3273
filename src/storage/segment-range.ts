// Where whole batches lie together in a segment's file, found by its offset index without reading them: for whoever has
// the operating system send them from there. What would have to be looked at first, because it might be damaged or
// reaches the reader's end, is not found here but read.

import { BATCH_HEADER_BYTES } from '../../assembly/shared/batch-layout.ts';
import { baseOffsetAt, headerProblem, viewOf } from '../wasm/batch-header.ts';
import type { Segment, SegmentHome } from './segment.ts';
import type { ReadLimits } from './segment-read.ts';

/** Whole batches of one segment. */
export interface SegmentRange {
  readonly segment: Segment;
  readonly position: number;
  /** In bytes. */
  readonly length: number;
  readonly nextOffset: number;
}

export type RangeLimits = Pick<ReadLimits, 'maxBytes' | 'offsetEnd'>;

/** The batches from `position` on, where one begins, as far as the limits allow. Undefined where they are to be read. */
export function findRange(
  home: SegmentHome,
  segment: Segment,
  limits: RangeLimits & { readonly position: number },
): SegmentRange | undefined {
  const { position } = limits;
  if (segment.damages.length > 0) return undefined;
  const found = wholeRest(home, segment, limits) ?? upToEntry(home, segment, limits);
  if (found === undefined || !isTrusted(segment, position, position + found.length)) return undefined;
  return found;
}

function wholeRest(
  home: SegmentHome,
  segment: Segment,
  { position, maxBytes, offsetEnd }: RangeLimits & { readonly position: number },
): SegmentRange | undefined {
  const nextOffset = home.endOffsetOf(segment);
  const length = segment.sizeBytes - position;
  return length <= 0 || length > maxBytes || nextOffset > offsetEnd
    ? undefined
    : { segment, position, length, nextOffset };
}

/** A batch begins at each entry: that of the last one within the limits says where those before it end. */
function upToEntry(
  home: SegmentHome,
  segment: Segment,
  { position, maxBytes, offsetEnd }: RangeLimits & { readonly position: number },
): SegmentRange | undefined {
  segment.ensureIndex();
  const end = segment.offsetIndex.lastPositionUpTo(position + maxBytes);
  if (end === undefined || end <= position || end + BATCH_HEADER_BYTES > segment.sizeBytes) return undefined;
  const header = new Uint8Array(BATCH_HEADER_BYTES);
  if (segment.file.read(header, end) < header.length) return undefined;
  const view = viewOf(header);
  if (headerProblem(view, 0, segment.sizeBytes - end) !== undefined) return undefined;
  const nextOffset = baseOffsetAt(view, 0);
  const isWithin = nextOffset > segment.baseOffset && nextOffset <= Math.min(offsetEnd, home.endOffsetOf(segment));
  return isWithin ? { segment, position, length: end - position, nextOffset } : undefined;
}

/** Whether the bytes were written by this process, or have passed their CRC since. */
function isTrusted(segment: Segment, start: number, end: number): boolean {
  return start >= segment.trustedFrom || segment.verified.endFrom(start) >= Math.min(end, segment.trustedFrom);
}
