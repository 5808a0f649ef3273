// Batches that are taken by a log and not yet written: a run goes to the file with one write. Small batches are copied
// together, for a copy costs less than a buffer of its own in a vectored write. It knows neither files nor segments.

import { APPEND_RUN_BATCHES_MAX, STAGED_BATCH_BYTES_MAX, STAGING_BYTES } from '../core/limits.ts';

/** Memory in which the logs of one thread gather small batches. To be cleared when no run holds anything. */
export class StagingMemory {
  /** Allocated by the first batch. */
  #bytes: Uint8Array | undefined;
  #used = 0;

  /** Copies a batch behind what is there and returns its position, or -1 where it is too large or finds no room. */
  copyIn(batch: Uint8Array): number {
    const position = this.#used;
    if (batch.length > STAGED_BATCH_BYTES_MAX || position + batch.length > STAGING_BYTES) return -1;
    this.#bytes ??= new Uint8Array(STAGING_BYTES);
    this.#bytes.set(batch, position);
    this.#used = position + batch.length;
    return position;
  }

  view(start: number, end: number): Uint8Array {
    return this.#bytes?.subarray(start, end) ?? new Uint8Array(0);
  }

  clear(): void {
    this.#used = 0;
  }
}

/** What its segment has to know of a batch that is written. */
export interface RunBatch {
  readonly bytes: number;
  readonly lastOffset: number;
  readonly maxTimestamp: number;
}

/** What of a run counts when the next batch is looked at. */
export interface RunSize {
  readonly count: number;
  readonly bytes: number;
  /** Largest timestamp of the first batch; undefined where there is none. */
  readonly firstTimestamp: number | undefined;
}

export class AppendRun implements RunSize {
  readonly #staging: StagingMemory | undefined;
  #batches: RunBatch[] = [];
  /** What is to be written, in order, but for the end that is still growing in the staging memory. */
  #pieces: Uint8Array[] = [];
  #copied = { start: 0, end: 0 };
  bytes = 0;

  /** Without staging memory no batch is copied. */
  constructor(staging: StagingMemory | undefined) {
    this.#staging = staging;
  }

  get count(): number {
    return this.#batches.length;
  }

  get firstTimestamp(): number | undefined {
    return this.#batches[0]?.maxTimestamp;
  }

  get lastOffset(): number | undefined {
    return this.#batches.at(-1)?.lastOffset;
  }

  /** In the order in which they were added. */
  get batches(): readonly RunBatch[] {
    return this.#batches;
  }

  /**
   * Adds a batch. `stays` says that its bytes are left alone until the run is written. Returns whether the run must be
   * written now: because they are not, or because it is as long as it may become.
   */
  add(batch: Uint8Array, { lastOffset, maxTimestamp }: Omit<RunBatch, 'bytes'>, stays: boolean): boolean {
    this.#batches.push({ bytes: batch.length, lastOffset, maxTimestamp });
    this.bytes += batch.length;
    const position = this.#staging?.copyIn(batch) ?? -1;
    if (position < 0) {
      this.#endCopied();
      this.#pieces.push(batch);
      if (!stays) return true;
    } else {
      if (position !== this.#copied.end) this.#endCopied(position);
      this.#copied.end = position + batch.length;
    }
    return this.#batches.length >= APPEND_RUN_BATCHES_MAX;
  }

  /** The bytes of all batches, in order. */
  pieces(): readonly Uint8Array[] {
    this.#endCopied();
    return this.#pieces;
  }

  clear(): void {
    this.#batches = [];
    this.#pieces = [];
    this.#copied = { start: 0, end: 0 };
    this.bytes = 0;
  }

  /** Ends the piece that grows in the staging memory; the next one begins at `position`. */
  #endCopied(position = 0): void {
    const { start, end } = this.#copied;
    if (end > start && this.#staging !== undefined) this.#pieces.push(this.#staging.view(start, end));
    this.#copied = { start: position, end: position };
  }
}
