// Finds and reads batches of one segment. Headers are checked on every walk; bytes that this process has not written are
// checked with their CRC before they are served, once. What does not pass leads to an inspection of the whole segment,
// after which every batch is known to be sound or damaged, and sound ones behind damage are served again.

import { BATCH_HEADER_BYTES } from '../../assembly/shared/batch-layout.ts';
import { STATUS_OK } from '../../assembly/shared/status.ts';
import type { BatchCodecs } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import {
  type BatchHeader,
  baseOffsetAt,
  batchBytesAt,
  headerProblem,
  lastOffsetAt,
  readBatchHeader,
  viewOf,
} from '../wasm/batch-header.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { EpochCheckpoint } from './epoch-checkpoint.ts';
import type { ReadMemory } from './read-memory.ts';
import type { Segment } from './segment.ts';
import type { Damage } from './segment-scan.ts';

const WALK_WINDOW_BYTES = 8192;
const NOTHING = new Uint8Array(0);

/** Where a batch stands in its segment. */
export interface BatchPlace {
  readonly position: number;
  readonly header: BatchHeader;
}

export interface ReadLimits {
  readonly maxBytes: number;
  readonly minOneBatch: boolean;
  /** No batch that reaches this offset is read. */
  readonly offsetEnd: number;
  /** By default fresh memory, as much as is served. */
  readonly memory?: ReadMemory | undefined;
}

export interface SegmentBytes {
  readonly bytes: Uint8Array;
  readonly nextOffset: number;
}

export interface ReadTools {
  readonly kernels: Kernels;
  readonly epochs: EpochCheckpoint;
  /** Without them a compressed batch is not looked into. */
  readonly codecs?: BatchCodecs | undefined;
}

/** The fault that names a damaged place. */
export function damageFault(path: string, damage: Damage): LogFault {
  const { position, offset, nextOffset, reason } = damage;
  const lost = `offsets ${offset} to ${nextOffset - 1} cannot be read`;
  return new LogFault('ERR_CORRUPT_LOG', `${path}: at offset ${offset}, position ${position}: ${reason}; ${lost}`);
}

/** Walks headers from a known batch on, over damage, within a small window of the file. */
export class HeaderWalk {
  readonly #segment: Segment;
  #window: Uint8Array = NOTHING;
  #view: DataView = viewOf(NOTHING);
  #windowStart = 0;
  #position: number;
  /** Base offset that the next batch must have; undefined right behind an index entry. */
  #expected: number | undefined;

  constructor(segment: Segment, from: { readonly position: number; readonly offset: number | undefined }) {
    this.#segment = segment;
    this.#position = from.position;
    this.#expected = from.offset;
  }

  /** The next batch; undefined at the end of the segment, and where what stands there is not one. */
  next(): BatchPlace | undefined {
    this.#skipDamage();
    const position = this.#position;
    const remaining = this.#segment.sizeBytes - position;
    if (remaining < BATCH_HEADER_BYTES) return undefined;
    const at = this.#hold(position);
    if (headerProblem(this.#view, at, remaining) !== undefined) return undefined;
    const header = readBatchHeader(this.#view, at);
    if (this.#expected !== undefined && !this.#segment.gaps.allow(this.#expected, header.baseOffset)) return undefined;
    this.#position += header.bytes;
    this.#expected = header.lastOffset + 1;
    return { position, header };
  }

  #skipDamage(): void {
    for (const damage of this.#segment.damages) {
      if (damage.position !== this.#position || damage.offset !== this.#expected) continue;
      this.#position = damage.end;
      this.#expected = damage.nextOffset;
    }
  }

  #hold(position: number): number {
    const end = this.#windowStart + this.#window.length;
    if (position < this.#windowStart || position + BATCH_HEADER_BYTES > end) {
      this.#window = new Uint8Array(Math.min(WALK_WINDOW_BYTES, this.#segment.sizeBytes - position));
      this.#view = viewOf(this.#window);
      this.#windowStart = position;
      this.#segment.file.read(this.#window, position);
    }
    return position - this.#windowStart;
  }
}

/**
 * The batch that contains `offset` or, where compaction took that out, the next one. Throws ERR_CORRUPT_LOG where it is
 * damaged or missing.
 */
export function locateBatch(segment: Segment, tools: ReadTools, offset: number): BatchPlace {
  segment.ensureIndex();
  const found = walkTo(segment, tools, offset);
  if (found !== undefined) return found;
  if (!segment.inspected) segment.examine();
  throwIfDamaged(segment, offset);
  const again = walkTo(segment, tools, offset);
  if (again !== undefined) return again;
  const reason = `no batch holds offset ${offset}`;
  throw damageFault(segment.path, {
    position: segment.sizeBytes,
    end: segment.sizeBytes,
    offset,
    nextOffset: offset + 1,
    reason,
  });
}

function throwIfDamaged(segment: Segment, offset: number): void {
  const damage = segment.damages.find((each) => offset >= each.offset && offset < each.nextOffset);
  if (damage !== undefined) throw damageFault(segment.path, damage);
}

function walkTo(segment: Segment, tools: ReadTools, offset: number): BatchPlace | undefined {
  const entry = segment.offsetIndex.lookup(tools.kernels, offset);
  const from =
    entry === undefined ? { position: 0, offset: segment.baseOffset } : { position: entry.position, offset: undefined };
  if (from.position < 0 || from.position >= segment.sizeBytes) return undefined;
  const walk = new HeaderWalk(segment, from);
  let place = walk.next();
  // An entry that does not name the batch at its position belongs to a broken index.
  if (entry !== undefined && place?.header.lastOffset !== entry.offset) return undefined;
  while (place !== undefined && place.header.lastOffset < offset) place = walk.next();
  if (place === undefined || place.header.baseOffset <= offset) return place;
  const lost = segment.damages.some((damage) => offset >= damage.offset && offset < damage.nextOffset);
  return lost || !segment.gaps.allow(offset, place.header.baseOffset) ? undefined : place;
}

/**
 * Whether the segment has nothing at `offset` and behind it. Walked from the last index entry on: in a segment of Kafka's
 * cleaner that need not be the last batch's. False where the walk meets what is not a batch: looking for it then tells.
 */
export function endsBefore(segment: Segment, offset: number): boolean {
  segment.ensureIndex();
  const last = segment.offsetIndex.last();
  if (last !== undefined && last.offset >= offset) return false;
  const from =
    last === undefined ? { position: 0, offset: segment.baseOffset } : { position: last.position, offset: undefined };
  const walk = new HeaderWalk(segment, from);
  let end = from.position;
  for (let place = walk.next(); place !== undefined; place = walk.next()) {
    if (place.header.lastOffset >= offset) return false;
    end = place.position + place.header.bytes;
  }
  return end === segment.sizeBytes;
}

/**
 * Reads whole batches from `place` on. Undefined where the first one turns out not to be sound: the segment has then been
 * inspected, and locating the batch again gives the fault.
 */
export function readBatches(
  segment: Segment,
  tools: ReadTools,
  request: ReadLimits & { readonly position: number; readonly baseOffset: number },
): SegmentBytes | undefined {
  const { position, memory } = request;
  const available = segment.sizeBytes - position;
  if (available < BATCH_HEADER_BYTES || isDamaged(segment, position)) return suspect(segment);
  const wanted = Math.min(available, Math.max(request.maxBytes, BATCH_HEADER_BYTES));
  let buffer = readAt(segment, position, { bytes: wanted, memory });
  let view = viewOf(buffer);
  let at = 0;
  let nextOffset = request.baseOffset;
  while (at + BATCH_HEADER_BYTES <= buffer.length) {
    const bad =
      headerProblem(view, at, available - at) !== undefined || !segment.gaps.allow(nextOffset, baseOffsetAt(view, at));
    if (bad && at === 0) return suspect(segment);
    const lastOffset = lastOffsetAt(view, at);
    // A first batch that leads too far is more likely altered than asked for with an end inside of it.
    if (at === 0 && lastOffset >= request.offsetEnd && !segment.inspected) return suspect(segment);
    if (bad || lastOffset >= request.offsetEnd) break;
    const bytes = batchBytesAt(view, at);
    if (at + bytes > request.maxBytes && !(at === 0 && request.minOneBatch)) break;
    if (at + bytes > buffer.length) {
      buffer = readAt(segment, position, { bytes, memory });
      view = viewOf(buffer);
    }
    at += bytes;
    nextOffset = lastOffset + 1;
  }
  const served = verifiedBytes(segment, tools, { position, bytes: buffer.subarray(0, at) });
  if (served === 0 && at > 0) return suspect(segment);
  const given = memory === undefined ? trimmed(buffer, served) : buffer.subarray(0, served);
  return { bytes: given, nextOffset: served === at ? nextOffset : endOffset(view, served) };
}

function isDamaged(segment: Segment, position: number): boolean {
  return segment.damages.some((damage) => damage.position <= position && position < damage.end);
}

function suspect(segment: Segment): undefined {
  if (!segment.inspected) segment.examine();
  return undefined;
}

function readAt(
  segment: Segment,
  position: number,
  { bytes, memory }: { readonly bytes: number; readonly memory: ReadMemory | undefined },
): Uint8Array {
  const buffer = memory === undefined ? new Uint8Array(bytes) : memory.take(bytes).subarray(0, bytes);
  segment.file.read(buffer, position);
  return buffer;
}

/** A buffer that is mostly unused is not kept alive for the sake of its beginning. */
function trimmed(buffer: Uint8Array, length: number): Uint8Array {
  if (length === buffer.length) return buffer;
  return length * 2 < buffer.length ? buffer.slice(0, length) : buffer.subarray(0, length);
}

function endOffset(view: DataView, end: number): number {
  let at = 0;
  let offset = -1;
  while (at < end) {
    offset = lastOffsetAt(view, at) + 1;
    at += batchBytesAt(view, at);
  }
  return offset;
}

/** How many of the bytes, whole batches, may be served: all that is trusted or passes its CRC, up to the first that does not. */
function verifiedBytes(segment: Segment, tools: ReadTools, part: { position: number; bytes: Uint8Array }): number {
  const { position, bytes } = part;
  const end = position + bytes.length;
  const coldEnd = Math.min(end, segment.trustedFrom);
  if (segment.verified.endFrom(position) >= coldEnd || position >= coldEnd) return bytes.length;
  const view = viewOf(bytes);
  let at = segment.verified.endFrom(position) - position;
  while (position + at < coldEnd) {
    const batchEnd = at + batchBytesAt(view, at);
    if (!isSound(tools, bytes.subarray(at, batchEnd))) {
      segment.verified.add(position, position + at);
      return at;
    }
    at = batchEnd;
  }
  segment.verified.add(position, position + at);
  return bytes.length;
}

function isSound({ kernels, epochs }: ReadTools, batch: Uint8Array): boolean {
  const pointer = kernels.reserve(batch.length);
  kernels.bytes().set(batch, pointer);
  if (kernels.checkStoredBatch(pointer, batch.length) !== STATUS_OK) return false;
  const header = readBatchHeader(viewOf(batch), 0);
  const epoch = epochs.expectedAt(header.baseOffset);
  return epoch === undefined || header.leaderEpoch === epoch;
}
