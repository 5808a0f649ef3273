// Offsets by timestamp, over the segments of one log: the time index narrows, headers decide which batch, and records
// inside the batch decide which offset. A compressed batch that cannot be looked into (no codecs, or records that do not
// decompress) answers as a whole, with its base offset and its largest timestamp.

import { ATTRIBUTE_LOG_APPEND_TIME } from '../../assembly/shared/batch-layout.ts';
import { codecName } from '../core/compression.ts';
import { type FaultCode, LogFault } from '../core/fault.ts';
import { DECOMPRESSED_BATCH_BYTES_MAX } from '../core/limits.ts';
import type { BatchHeader } from '../wasm/batch-header.ts';
import { type DecodedBatch, RecordBatchDecoder } from '../wasm/record-batch-decoder.ts';
import type { Segment } from './segment.ts';
import { type BatchPlace, HeaderWalk, locateBatch, type ReadTools, readBatches } from './segment-read.ts';
import type { TimeEntry } from './time-index.ts';

const UNREADABLE: ReadonlySet<FaultCode> = new Set(['ERR_CORRUPT_LOG', 'ERR_UNSUPPORTED'] as const);

export interface TimestampedOffset {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** The part of a log that a search may answer from. */
export interface SearchScope {
  readonly segments: readonly Segment[];
  readonly logStartOffset: number;
  readonly offsetEnd: number;
}

/**
 * Largest timestamp of a segment, -1 where its batches have none. What the time index says is held against the log; an
 * index that does not agree is rebuilt, so retention never takes a segment for older than it is.
 */
export function largestTimestampOf(segment: Segment, tools: ReadTools): number {
  return largestOf(segment, tools).timestamp;
}

function largestOf(segment: Segment, tools: ReadTools): TimeEntry {
  if (segment.largest !== undefined) return segment.largest;
  const last = segment.timeIndex.isWhole() ? segment.timeIndex.last() : undefined;
  if (segment.sizeBytes === 0) segment.largest = { timestamp: -1, offset: -1 };
  else if (last !== undefined && agrees(segment, tools, last) && isLargest(segment, tools, last))
    segment.largest = last;
  else segment.examine();
  return segment.largest ?? { timestamp: -1, offset: -1 };
}

function agrees(segment: Segment, tools: ReadTools, entry: TimeEntry): boolean {
  if (entry.offset < segment.baseOffset) return false;
  try {
    const { header } = locateBatch(segment, tools, entry.offset);
    return header.lastOffset === entry.offset && header.maxTimestamp === entry.timestamp;
  } catch (error) {
    if (error instanceof LogFault && error.code === 'ERR_CORRUPT_LOG') return false;
    throw error;
  }
}

/** Whether no later batch has a larger timestamp. With timestamps that rise there is no later batch to look at. */
function isLargest(segment: Segment, tools: ReadTools, entry: TimeEntry): boolean {
  const { position, header } = locateBatch(segment, tools, entry.offset);
  const walk = new HeaderWalk(segment, { position, offset: header.baseOffset });
  let end = position;
  for (let place = walk.next(); place !== undefined; place = walk.next()) {
    if (place.header.maxTimestamp > entry.timestamp && place.header.recordCount > 0) return false;
    end = place.position + place.header.bytes;
  }
  return end === segment.sizeBytes;
}

/** The first record in scope whose timestamp is at or above `timestamp`. Damaged batches are passed over. */
export function findTimestamp(scope: SearchScope, tools: ReadTools, timestamp: number): TimestampedOffset | undefined {
  for (const segment of scope.segments) {
    if (segment.sizeBytes === 0 || largestTimestampOf(segment, tools) < timestamp) continue;
    const found = findInSegment(segment, { ...scope, timestamp }, tools);
    if (found !== undefined) return found.offset < scope.offsetEnd ? found : undefined;
  }
  return undefined;
}

type Target = SearchScope & { readonly timestamp: number };

function findInSegment(segment: Segment, target: Target, tools: ReadTools): TimestampedOffset | undefined {
  const walk = new HeaderWalk(segment, startOf(segment, target, tools));
  for (let place = walk.next(); place !== undefined; place = walk.next()) {
    const { header } = place;
    if (header.maxTimestamp < target.timestamp || header.lastOffset < target.logStartOffset) continue;
    if (header.baseOffset >= target.offsetEnd) return undefined;
    const inspected = segment.inspected;
    const records = timestampsOf(segment, place, tools);
    // The batch was found damaged just now: the walk begins again, over the damage.
    if (records === undefined) return inspected ? undefined : findInSegment(segment, target, tools);
    const record = records.find(
      (each) => each.timestamp >= target.timestamp && each.offset + each.span >= target.logStartOffset,
    );
    if (record !== undefined) return answer(record, header, target.logStartOffset);
  }
  return undefined;
}

function answer(record: RecordTime, header: BatchHeader, logStartOffset: number): TimestampedOffset {
  const offset = Math.max(record.offset, logStartOffset);
  return { offset, timestamp: record.timestamp, leaderEpoch: header.leaderEpoch };
}

/** Every batch before the place has only smaller timestamps, or lies below the log start. */
function startOf(segment: Segment, target: Target, tools: ReadTools): { position: number; offset: number } {
  const beginning = { position: 0, offset: segment.baseOffset };
  const entry = segment.timeIndex.lookup(tools.kernels, target.timestamp);
  if (entry === undefined || segment.damages.length > 0) return beginning;
  if (!agrees(segment, tools, entry)) return beginning;
  const { position, header } = locateBatch(segment, tools, entry.offset);
  return { position, offset: header.baseOffset };
}

interface RecordTime {
  readonly offset: number;
  /** Offsets behind `offset` that the answer stands for: a whole batch answers with its base offset. */
  readonly span: number;
  readonly timestamp: number;
}

/** Offsets and timestamps of a batch's records; undefined where the batch is not sound. */
function timestampsOf(segment: Segment, place: BatchPlace, tools: ReadTools): RecordTime[] | undefined {
  const { position, header } = place;
  // Compaction keeps the header of some batches, with the largest timestamp of what was in them.
  if (header.recordCount === 0) return [];
  const limits = { maxBytes: header.bytes, minOneBatch: true, offsetEnd: header.lastOffset + 1 };
  const read = readBatches(segment, tools, { position, baseOffset: header.baseOffset, ...limits });
  if (read === undefined) return undefined;
  const span = header.lastOffset - header.baseOffset;
  const whole = [{ offset: header.baseOffset, span, timestamp: header.maxTimestamp }];
  if ((header.attributes & ATTRIBUTE_LOG_APPEND_TIME) !== 0) return whole;
  const decoder = new RecordBatchDecoder(tools.kernels);
  const [batch] = decoder.batches(read.bytes, { checkCrc: false });
  return batch === undefined ? whole : (recordTimes(batch, tools) ?? whole);
}

function recordTimes(batch: DecodedBatch, { codecs }: ReadTools): RecordTime[] | undefined {
  const name = codecName(batch.compression);
  if (name !== undefined && codecs === undefined) return undefined;
  try {
    const plain = name && codecs?.[name].decompress(batch.recordsBytes, DECOMPRESSED_BATCH_BYTES_MAX);
    return batch.records(plain).map(({ offset, timestamp }) => ({ offset, span: 0, timestamp }));
  } catch (error) {
    // Uncompressed records were checked when they came in; compressed ones may be from a time without codecs, or from
    // a host that has another codec than this one.
    if (name !== undefined && error instanceof LogFault && UNREADABLE.has(error.code)) return undefined;
    throw error;
  }
}

/** The first record in scope that has the largest timestamp in scope. */
export function findMaxTimestamp(scope: SearchScope, tools: ReadTools): TimestampedOffset | undefined {
  let best: Segment | undefined;
  for (const segment of scope.segments) {
    if (segment.sizeBytes === 0) continue;
    if (best === undefined || largestTimestampOf(segment, tools) > largestTimestampOf(best, tools)) best = segment;
  }
  if (best === undefined) return undefined;
  const { timestamp, offset } = largestOf(best, tools);
  if (timestamp < 0) return undefined;
  const visible = offset >= scope.logStartOffset && offset < scope.offsetEnd;
  const found = visible ? findTimestamp(scope, tools, timestamp) : undefined;
  return found ?? findTimestamp(scope, tools, visibleMax(scope));
}

/** Largest timestamp of the batches in scope, by their headers: for when the largest of all lies outside or has gone. */
function visibleMax({ segments, logStartOffset, offsetEnd }: SearchScope): number {
  let largest = -1;
  for (const segment of segments) {
    const walk = new HeaderWalk(segment, { position: 0, offset: segment.baseOffset });
    for (let place = walk.next(); place !== undefined; place = walk.next()) {
      const { header } = place;
      const isVisible = header.lastOffset >= logStartOffset && header.lastOffset < offsetEnd;
      if (!isVisible || header.recordCount === 0) continue;
      largest = Math.max(largest, header.maxTimestamp);
    }
  }
  return largest < 0 ? Number.POSITIVE_INFINITY : largest;
}
