// A segment's batches for compaction, one at a time through a small window, each with every check. Compaction changes
// nothing that it cannot read: the first batch that is not sound ends it with a fault.

import { BATCH_HEADER_BYTES, BATCH_LENGTH, BATCH_LENGTH_OVERHEAD } from '../../assembly/shared/batch-layout.ts';
import { STATUS_OK } from '../../assembly/shared/status.ts';
import { LogFault } from '../core/fault.ts';
import { CLEANER_WINDOW_BYTES } from '../core/limits.ts';
import { type BatchHeader, headerProblem, readBatchHeader, viewOf } from '../wasm/batch-header.ts';
import type { BatchRecords } from './cleaner-records.ts';
import type { EpochCheckpoint } from './epoch-checkpoint.ts';
import type { Segment } from './segment.ts';

export interface SourceBatch {
  readonly header: BatchHeader;
  /** Valid until the next batch is taken. */
  readonly bytes: Uint8Array;
}

export interface SourceTools {
  readonly records: BatchRecords;
  readonly epochs: EpochCheckpoint;
}

export class SegmentSource {
  readonly #segment: Segment;
  readonly #tools: SourceTools;
  #window: Uint8Array = new Uint8Array(0);
  #start = 0;
  /** Bytes of the window that have been read. */
  #filled = 0;
  #position = 0;
  #expected: number;

  constructor(segment: Segment, tools: SourceTools) {
    this.#segment = segment;
    this.#tools = tools;
    this.#expected = segment.baseOffset;
  }

  /**
   * Reads a part of the next batch where it is a large one, so that whoever has the thread may give it away meanwhile;
   * false where {@link next} has little left to read. Throws as it does.
   */
  prepare(): boolean {
    const remaining = this.#segment.sizeBytes - this.#position;
    if (remaining < BATCH_HEADER_BYTES) return false;
    const bytes = viewOf(this.#hold(BATCH_HEADER_BYTES)).getInt32(BATCH_LENGTH) + BATCH_LENGTH_OVERHEAD;
    if (bytes <= CLEANER_WINDOW_BYTES || bytes > remaining) return false;
    if (this.#start !== this.#position || this.#window.length !== bytes) this.#open(bytes);
    if (this.#filled === bytes) return false;
    this.#fill(CLEANER_WINDOW_BYTES);
    return true;
  }

  /** The next batch; undefined at the end. Throws ERR_CORRUPT_LOG and ERR_STORAGE. */
  next(): SourceBatch | undefined {
    const remaining = this.#segment.sizeBytes - this.#position;
    if (remaining === 0) return undefined;
    if (remaining < BATCH_HEADER_BYTES) throw this.#corrupt(`${remaining} bytes are too few for a batch header`);
    const head = viewOf(this.#hold(BATCH_HEADER_BYTES));
    const problem = headerProblem(head, 0, remaining);
    if (problem !== undefined) throw this.#corrupt(problem);
    const header = readBatchHeader(head, 0);
    const bytes = this.#hold(header.bytes);
    const status = this.#tools.records.check(bytes);
    if (status !== STATUS_OK) throw this.#corrupt(`the batch does not pass its check (status ${status})`);
    this.#checkPlace(header);
    this.#position += header.bytes;
    this.#expected = header.lastOffset + 1;
    return { header, bytes };
  }

  /** Whether the batch that was taken last ends the segment. */
  get isAtEnd(): boolean {
    return this.#position === this.#segment.sizeBytes;
  }

  #checkPlace({ baseOffset, leaderEpoch }: BatchHeader): void {
    if (!this.#segment.gaps.allow(this.#expected, baseOffset)) {
      throw this.#corrupt(`the base offset is ${baseOffset} where ${this.#expected} follows`);
    }
    const epoch = this.#tools.epochs.expectedAt(baseOffset);
    if (epoch !== undefined && epoch !== leaderEpoch) {
      throw this.#corrupt(`the leader epoch is ${leaderEpoch} where ${epoch} is in force`);
    }
  }

  /** The next `length` bytes. */
  #hold(length: number): Uint8Array {
    const at = this.#position - this.#start;
    if (at + length > this.#window.length) {
      this.#open(Math.min(Math.max(length, CLEANER_WINDOW_BYTES), this.#segment.sizeBytes - this.#position));
      this.#fill(this.#window.length);
    } else if (at + length > this.#filled) {
      this.#fill(this.#window.length);
    }
    const from = this.#position - this.#start;
    return this.#window.subarray(from, from + length);
  }

  /** A window of so many bytes, from here on, of which nothing has been read. */
  #open(bytes: number): void {
    this.#window = new Uint8Array(bytes);
    this.#start = this.#position;
    this.#filled = 0;
  }

  #fill(bytesMax: number): void {
    const part = this.#window.subarray(this.#filled, this.#filled + bytesMax);
    if (this.#segment.file.read(part, this.#start + this.#filled) < part.length) {
      throw this.#corrupt('the file is shorter than it was');
    }
    this.#filled += part.length;
  }

  #corrupt(reason: string): LogFault {
    const where = `${this.#segment.path}: at offset ${this.#expected}, position ${this.#position}`;
    return new LogFault('ERR_CORRUPT_LOG', `${where}: ${reason}; the log is not compacted`);
  }
}
