// A segment's batches for compaction, one at a time through a small window, each with every check. Compaction changes
// nothing that it cannot read: the first batch that is not sound ends it with a fault.

import { BATCH_HEADER_BYTES } from '../../assembly/shared/batch-layout.ts';
import { STATUS_OK } from '../../assembly/shared/status.ts';
import { LogFault } from '../core/fault.ts';
import { CLEANER_WINDOW_BYTES } from '../core/limits.ts';
import { type BatchHeader, headerProblem, readBatchHeader, viewOf } from './batch-header.ts';
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
  #position = 0;
  #expected: number;

  constructor(segment: Segment, tools: SourceTools) {
    this.#segment = segment;
    this.#tools = tools;
    this.#expected = segment.baseOffset;
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
    if (at + length <= this.#window.length) return this.#window.subarray(at, at + length);
    const wanted = Math.min(Math.max(length, CLEANER_WINDOW_BYTES), this.#segment.sizeBytes - this.#position);
    this.#window = new Uint8Array(wanted);
    this.#start = this.#position;
    const read = this.#segment.file.read(this.#window, this.#position);
    if (read < length) throw this.#corrupt('the file is shorter than it was');
    return this.#window.subarray(0, length);
  }

  #corrupt(reason: string): LogFault {
    const where = `${this.#segment.path}: at offset ${this.#expected}, position ${this.#position}`;
    return new LogFault('ERR_CORRUPT_LOG', `${where}: ${reason}; the log is not compacted`);
  }
}
