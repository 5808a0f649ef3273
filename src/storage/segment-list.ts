// The segments of a log as a list, oldest first: finding, describing and cutting it.

import { present } from '../core/assert.ts';
import type { SegmentDescription } from './log-options.ts';
import type { Segment, SegmentHome } from './segment.ts';

/** Index of the segment whose offsets include `offset`; the first one for lower offsets. */
export function segmentIndexOf(segments: readonly Segment[], offset: number): number {
  let low = 0;
  let high = segments.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (present(segments[middle], 'segment').baseOffset <= offset) low = middle;
    else high = middle;
  }
  return low;
}

export function describeSegment(segment: Segment, endOffset: number): SegmentDescription {
  return {
    path: segment.path,
    baseOffset: segment.baseOffset,
    endOffset,
    sizeBytes: segment.sizeBytes,
    offsetIndexEntries: segment.offsetIndex.count,
    timeIndexEntries: segment.timeIndex.count,
    damages: segment.damages,
  };
}

/** Newest first, so that a crash in between leaves a log without a hole. */
export function removeSegmentsFrom(segments: Segment[], index: number, { store, directory }: SegmentHome): void {
  while (segments.length > index) {
    present(segments.at(-1), 'last segment').removeFiles();
    segments.pop();
    store.flushDirectory(directory);
  }
}
