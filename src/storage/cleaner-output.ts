// The segment that compaction writes, and how it takes the place of those it was made from. By Kafka's protocol, so that
// either broker finishes what the other one left:
//
//   1. `<base>.log.cleaned` and its indexes are written and flushed, names too.
//   2. They are renamed to `.swap`, the log last, and the names flushed. From here on the new segment holds.
//   3. The old segments' files are renamed to `.deleted`, oldest first, and the names flushed.
//   4. `.swap` goes from the names, from the log's last, and the names are flushed.
//
// An open that finds `.cleaned` files takes everything from their offset on for step 1 or 2 and removes it; otherwise a
// `.log.swap` is finished: cleaner-recovery.ts. Every record of the old segments is thus in the log at any moment, or was
// decided to go.

import { CLEANER_WINDOW_BYTES } from '../core/limits.ts';
import { type BatchHeader, readBatchHeader, viewOf } from '../wasm/batch-header.ts';
import { CLEANED_SUFFIX, joinPath, SEGMENT_SUFFIXES, SWAP_SUFFIX, segmentFileName } from './file-names.ts';
import { Segment, type SegmentHome } from './segment.ts';
import type { AbortedEntry } from './transaction-index.ts';

/** Indexes first, the log last: where the log is, everything is. */
const FILES = SEGMENT_SUFFIXES.toReversed();

export class CleanedSegment {
  readonly #home: SegmentHome;
  readonly #segment: Segment;
  readonly #nowMs: number;
  readonly #buffer: Uint8Array = new Uint8Array(CLEANER_WINDOW_BYTES);
  /** What is left to be written of a batch that the buffer is too small for. */
  #behind: Uint8Array = new Uint8Array(0);
  #buffered = 0;
  #written = 0;

  constructor(home: SegmentHome, place: { readonly baseOffset: number; readonly nowMs: number }) {
    this.#home = home;
    this.#nowMs = place.nowMs;
    this.#segment = Segment.create(home, place, CLEANED_SUFFIX);
    this.#segment.file.truncate(0);
  }

  get sizeBytes(): number {
    return this.#segment.sizeBytes;
  }

  /** Appends a batch, which is copied, but for what {@link writeBehind} takes. Returns the bytes that went to the file. */
  append(batch: Uint8Array): number {
    const header: BatchHeader = readBatchHeader(viewOf(batch), 0);
    let spilled = 0;
    if (this.#buffered + batch.length > this.#buffer.length) spilled += this.#spill();
    if (batch.length > this.#buffer.length) {
      this.#behind = batch;
    } else {
      this.#buffer.set(batch, this.#buffered);
      this.#buffered += batch.length;
    }
    this.#segment.note(header);
    return spilled;
  }

  /** Writes a part of the large batch that was appended last, and returns its bytes; 0 where all of it is written. */
  writeBehind(): number {
    const part = this.#behind.subarray(0, this.#buffer.length);
    if (part.length > 0) this.#write(part);
    this.#behind = this.#behind.subarray(part.length);
    return part.length;
  }

  appendAborted(entry: AbortedEntry): void {
    this.#segment.transactionIndex.append(entry);
  }

  #spill(): number {
    const bytes = this.#buffered;
    if (bytes > 0) this.#write(this.#buffer.subarray(0, bytes));
    this.#buffered = 0;
    return bytes;
  }

  #write(bytes: Uint8Array): void {
    this.#segment.file.write(bytes, this.#written);
    this.#written += bytes.length;
  }

  /** Resolves when all of it is on stable storage, but for the names. */
  async finish(): Promise<void> {
    this.#spill();
    this.#segment.seal();
    await Promise.all([this.#segment.file.flush(), this.#segment.flushIndexes()]);
  }

  /** Step 1, its end. */
  flushNames(): void {
    this.#segment.release();
    this.#home.store.flushDirectory(this.#home.directory);
  }

  /** Step 2. After a throw it is to be discarded. */
  enter(): void {
    const { store, directory } = this.#home;
    for (const kind of FILES) {
      const path = this.#path(kind, CLEANED_SUFFIX);
      if (store.exists(path)) store.rename(path, this.#path(kind, SWAP_SUFFIX));
    }
    store.flushDirectory(directory);
  }

  /** The segment as the log is to hold it, after {@link enter}. Readable at once. */
  take(): Segment {
    const { baseOffset, sizeBytes } = this.#segment;
    return new Segment(this.#home, { baseOffset, sizeBytes, nowMs: this.#nowMs }, SWAP_SUFFIX);
  }

  /** Removes every file of it. The log goes first: without it the rest counts for nothing. */
  discard(): void {
    const { store, directory } = this.#home;
    this.#segment.release();
    for (const kind of SEGMENT_SUFFIXES) store.remove(this.#path(kind, SWAP_SUFFIX));
    store.flushDirectory(directory);
    for (const kind of SEGMENT_SUFFIXES) store.remove(this.#path(kind, CLEANED_SUFFIX));
  }

  #path(kind: string, suffix: string): string {
    return joinPath(this.#home.directory, segmentFileName(this.#segment.baseOffset, kind)) + suffix;
  }
}

/** Step 4, for the segment that {@link CleanedSegment.take} gave. */
export function settle(home: SegmentHome, segment: Segment): void {
  segment.release();
  for (const kind of FILES) {
    const path = segment.pathOf(kind);
    if (home.store.exists(path)) home.store.rename(path, path.slice(0, path.length - SWAP_SUFFIX.length));
  }
  segment.suffix = '';
  home.store.flushDirectory(home.directory);
}
