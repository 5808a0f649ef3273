// Reads a segment's batches one by one with every check there is: header, CRC, offsets (without gaps but where compaction
// may have left some), leader epoch.
// Base offset and epoch lie outside of the CRC, so the last two are what protects them. It decides what is a torn tail
// and what is damage in the middle, and changes nothing; FORMAT.md says what follows from either.

import { BATCH_HEADER_BYTES, BATCH_MAGIC, BATCH_MAGIC_VALUE } from '../../assembly/shared/batch-layout.ts';
import { STATUS_CRC, STATUS_OK } from '../../assembly/shared/status.ts';
import { SCAN_WINDOW_BYTES } from '../core/limits.ts';
import type { StoreFile } from '../core/platform.ts';
import { type BatchHeader, baseOffsetAt, headerProblem, readBatchHeader, viewOf } from '../wasm/batch-header.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { OffsetGaps } from './offset-gaps.ts';

/** Attribute bits that no batch has set. */
const ATTRIBUTES_UNUSED = 0xff80;
/** The search for the next sound batch takes CRCs of at most this many times the bytes it searches. */
const SEARCH_CRC_FACTOR = 4;
const RELATIVE_OFFSET_MAX = 0x7fff_ffff;

/** A part of a segment that cannot be served, between sound batches or at the end. */
export interface Damage {
  /** Bytes [position, end); empty where offsets are missing between two sound batches. */
  readonly position: number;
  readonly end: number;
  /** Offsets [offset, nextOffset) are lost with it. */
  readonly offset: number;
  readonly nextOffset: number;
  readonly reason: string;
}

/** Bytes behind the last sound batch that are no batch of this log. */
export interface BadTail {
  readonly position: number;
  readonly offset: number;
  readonly reason: string;
  /** The batch's own CRC is right: no torn write, but a changed offset or epoch. */
  readonly intact: boolean;
}

export interface ScanResult {
  /** End of the last sound batch. */
  readonly position: number;
  /** Offset behind the last sound batch. */
  readonly nextOffset: number;
  readonly damages: readonly Damage[];
  readonly tail: BadTail | undefined;
}

export interface ScanRequest {
  readonly kernels: Kernels;
  readonly file: StoreFile;
  readonly from: number;
  /** End of the bytes to scan. */
  readonly end: number;
  readonly expectedOffset: number;
  /** Where offsets may be missing; undefined: nowhere. */
  readonly gaps: Pick<OffsetGaps, 'allow'> | undefined;
  /** Epoch that the batch at an offset must carry; undefined where any will do. */
  readonly epochAt: ((offset: number) => number | undefined) | undefined;
}

/** Called for every sound batch, in order. It must not use the kernels. */
export type OnBatch = (header: BatchHeader, position: number) => void;

/** What a scan meets next. A `tail` ends it. */
export type ScanEvent =
  | { readonly kind: 'batch'; readonly header: BatchHeader; readonly position: number }
  | { readonly kind: 'damage'; readonly damage: Damage }
  | { readonly kind: 'tail'; readonly tail: BadTail };

export function scanBatches(request: ScanRequest & { readonly onBatch: OnBatch }): ScanResult {
  const scan = new SegmentScan(request);
  const damages: Damage[] = [];
  let tail: BadTail | undefined;
  for (let event = scan.next(); event !== undefined; event = scan.next()) {
    if (event.kind === 'batch') request.onBatch(event.header, event.position);
    else if (event.kind === 'damage') damages.push(event.damage);
    else tail = event.tail;
  }
  return { position: scan.position, nextOffset: scan.nextOffset, damages, tail };
}

interface Problem {
  readonly reason: string;
  readonly intact: BatchHeader | undefined;
}

/** Goes through a segment event by event. Between two of them the kernels belong to the scan, unless it is paused. */
export class SegmentScan {
  readonly #request: ScanRequest;
  readonly #window: ScanWindow;
  #position: number;
  #expected: number;
  #ended = false;

  constructor(request: ScanRequest) {
    this.#request = request;
    this.#window = new ScanWindow(request);
    this.#position = request.from;
    this.#expected = request.expectedOffset;
  }

  /** End of what was gone through. */
  get position(): number {
    return this.#position;
  }

  /** Offset behind what was gone through. */
  get nextOffset(): number {
    return this.#expected;
  }

  /** The kernels are about to be used by somebody else; the next event reads the file anew. */
  pause(): void {
    this.#window.forget();
  }

  next(): ScanEvent | undefined {
    if (this.#ended || this.#position >= this.#request.end) return undefined;
    const position = this.#position;
    const offset = this.#expected;
    const found = this.#check(position, offset);
    if (!('reason' in found)) {
      this.#position += found.bytes;
      this.#expected = found.lastOffset + 1;
      return { kind: 'batch', header: found, position };
    }
    const { reason } = found;
    const next = this.#resume(position, offset, found);
    if (next === undefined) {
      this.#ended = true;
      return { kind: 'tail', tail: { position, offset, reason, intact: found.intact !== undefined } };
    }
    this.#position = next.position;
    this.#expected = next.offset;
    const damage = { position, end: next.position, offset, nextOffset: next.offset, reason };
    return { kind: 'damage', damage };
  }

  #check(position: number, expected: number): BatchHeader | Problem {
    const { end, kernels, epochAt } = this.#request;
    const remaining = end - position;
    if (remaining < BATCH_HEADER_BYTES) return problem(`${remaining} bytes are too few for a batch header`);
    const headerAt = this.#window.hold(position, BATCH_HEADER_BYTES);
    const bad = headerProblem(this.#window.view, headerAt, remaining);
    if (bad !== undefined) return problem(bad);
    const header = readBatchHeader(this.#window.view, headerAt);
    const at = this.#window.hold(position, header.bytes);
    const status = kernels.checkStoredBatch(this.#window.pointer + at, header.bytes);
    if (status === STATUS_CRC) return problem('the CRC does not match the batch');
    if (status !== STATUS_OK) return problem(`the batch does not pass its check (status ${status})`);
    if (header.baseOffset !== expected && !this.#isGap(position, expected, header)) {
      return problem(`the base offset is ${header.baseOffset} where ${expected} follows`, header);
    }
    const epoch = epochAt?.(header.baseOffset);
    if (epoch !== undefined && epoch !== header.leaderEpoch) {
      return problem(`the leader epoch is ${header.leaderEpoch} where ${epoch} is in force`, header);
    }
    return header;
  }

  /** Behind a gap the next batch must not contradict: a base offset lies outside of the CRC. */
  #isGap(position: number, expected: number, header: BatchHeader): boolean {
    const { gaps, end } = this.#request;
    if (gaps?.allow(expected, header.baseOffset) !== true) return false;
    const next = position + header.bytes;
    if (end - next < BATCH_HEADER_BYTES) return true;
    const at = this.#window.hold(next, BATCH_HEADER_BYTES);
    const { view } = this.#window;
    return headerProblem(view, at, end - next) !== undefined || baseOffsetAt(view, at) > header.lastOffset;
  }

  /** Where sound batches go on behind a problem. */
  #resume(position: number, expected: number, bad: Problem): { position: number; offset: number } | undefined {
    const { intact } = bad;
    if (intact !== undefined && intact.baseOffset > expected && this.#isFollowed(position, intact)) {
      return { position, offset: intact.baseOffset };
    }
    return this.#search(position + 1, expected);
  }

  /** A batch whose successor continues its offsets stands right itself: what is missing lies before it. */
  #isFollowed(position: number, header: BatchHeader): boolean {
    const next = position + header.bytes;
    if (next >= this.#request.end) return false;
    return !('reason' in this.#check(next, header.lastOffset + 1));
  }

  /** The next place from `from` on where a batch stands that could belong here. */
  #search(from: number, expected: number): { position: number; offset: number } | undefined {
    const { end } = this.#request;
    let crcBytesLeft = SEARCH_CRC_FACTOR * (end - from) + SCAN_WINDOW_BYTES;
    let position = from;
    while (end - position >= BATCH_HEADER_BYTES) {
      const at = this.#window.hold(position, BATCH_HEADER_BYTES);
      const candidate = this.#window.findMagic(at);
      if (candidate === undefined) {
        position = Math.max(position + 1, this.#window.end - BATCH_HEADER_BYTES + 1);
        continue;
      }
      position += candidate - at;
      const bytes = this.#plausibleBytes(position, expected);
      crcBytesLeft -= bytes;
      if (bytes > 0 && crcBytesLeft < 0) return undefined;
      const offset = bytes > 0 ? baseOffsetAt(this.#window.view, this.#window.hold(position, BATCH_HEADER_BYTES)) : -1;
      if (offset >= expected && !('reason' in this.#check(position, offset))) return { position, offset };
      position += 1;
    }
    return undefined;
  }

  /** Bytes of the batch that may stand at `position`, or 0. */
  #plausibleBytes(position: number, expected: number): number {
    const at = this.#window.hold(position, BATCH_HEADER_BYTES);
    const { view } = this.#window;
    if (headerProblem(view, at, this.#request.end - position) !== undefined) return 0;
    const header = readBatchHeader(view, at);
    const near = header.baseOffset >= expected && header.baseOffset - expected <= RELATIVE_OFFSET_MAX;
    const known = (header.attributes & ATTRIBUTES_UNUSED) === 0 && header.recordCount >= 0;
    return near && known ? header.bytes : 0;
  }
}

function problem(reason: string, intact?: BatchHeader): Problem {
  return { reason, intact };
}

/** The part of the file that lies in the kernels' memory. */
class ScanWindow {
  readonly #request: ScanRequest;
  #start = 0;
  #length = 0;
  pointer = 0;
  view: DataView = new DataView(new ArrayBuffer(0));

  constructor(request: ScanRequest) {
    this.#request = request;
  }

  forget(): void {
    this.#start = 0;
    this.#length = 0;
  }

  /** Position of the first byte behind the window. */
  get end(): number {
    return this.#start + this.#length;
  }

  /** Makes the bytes [position, position + length) part of the window; returns where they begin in the view. */
  hold(position: number, length: number): number {
    if (position < this.#start || position + length > this.end) this.#load(position, length);
    return position - this.#start;
  }

  /** Where from `at` on the next byte stands that could be a batch's magic, less the magic's place in the batch. */
  findMagic(at: number): number | undefined {
    const window = this.#request.kernels.bytes().subarray(this.pointer, this.pointer + this.#length);
    const found = window.indexOf(BATCH_MAGIC_VALUE, at + BATCH_MAGIC);
    const start = found - BATCH_MAGIC;
    return found < 0 || start + BATCH_HEADER_BYTES > this.#length ? undefined : start;
  }

  #load(position: number, length: number): void {
    const { kernels, file, end } = this.#request;
    const wanted = Math.min(Math.max(length, SCAN_WINDOW_BYTES), end - position);
    this.pointer = kernels.reserve(wanted);
    const target = kernels.bytes().subarray(this.pointer, this.pointer + wanted);
    this.#length = file.read(target, position);
    this.#start = position;
    // A file that became shorter than its size reads as zeros, which no check takes for a batch.
    if (this.#length < wanted) target.fill(0, this.#length);
    this.#length = wanted;
    this.view = viewOf(target);
  }
}
