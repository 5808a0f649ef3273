// Which segments of a log are due to go. What becomes of their files: removed-files.ts.

import type { LogConfig } from './log-config.ts';
import type { Segment } from './segment.ts';
import { HeaderWalk, type ReadTools } from './segment-read.ts';
import { largestTimestampOf } from './timestamps.ts';

export interface RetentionScope {
  /** Oldest first; the last is active. */
  readonly segments: readonly Segment[];
  readonly logStartOffset: number;
  readonly nowMs: number;
}

/** What it takes to look into segments, and the settings by which they go. */
export type RetentionTools = ReadTools & { readonly config: LogConfig };

/** How many segments from the front are due: below the log start, above retention.bytes, or older than retention.ms. */
export function countDue(scope: RetentionScope, tools: RetentionTools): number {
  const { segments } = scope;
  const { config } = tools;
  const limited = config.deletes && config.retentionBytes >= 0;
  let excessBytes = limited ? totalBytes(segments) - config.retentionBytes : Number.NEGATIVE_INFINITY;
  let count = 0;
  for (const segment of segments) {
    const next = segments[count + 1];
    excessBytes -= segment.sizeBytes;
    const belowStart = next !== undefined && next.baseOffset <= scope.logStartOffset;
    const tooMuch = next !== undefined && excessBytes >= 0;
    if (!belowStart && !tooMuch && !isExpired(segment, scope, tools)) break;
    count += 1;
  }
  return count;
}

export function totalBytes(segments: readonly Segment[]): number {
  let bytes = 0;
  for (const segment of segments) bytes += segment.sizeBytes;
  return bytes;
}

/** By the largest timestamp in the segment. Batches without a timestamp never expire. */
function isExpired(segment: Segment, { segments, nowMs }: RetentionScope, tools: RetentionTools): boolean {
  const { config } = tools;
  if (!config.deletes || config.retentionMs < 0 || segment.sizeBytes === 0) return false;
  const known = segment.largest !== undefined;
  const timestamp = largestTimestampOf(segment, tools);
  if (!known && segment !== segments.at(-1)) segment.releaseIndexFiles();
  if (timestamp < 0) return isEmptied(segment);
  return nowMs - timestamp > config.retentionMs;
}

/** Compaction has left no record in it. */
function isEmptied(segment: Segment): boolean {
  const walk = new HeaderWalk(segment, { position: 0, offset: undefined });
  let end = 0;
  for (let place = walk.next(); place !== undefined; place = walk.next()) {
    if (place.header.recordCount > 0) return false;
    end = place.position + place.header.bytes;
  }
  return end === segment.sizeBytes;
}
