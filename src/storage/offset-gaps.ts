// Where a log's offsets may have gaps, because compaction took records out: everywhere below one offset, nowhere behind
// it. What appends leave has none, and there a batch that is missing, or a base offset that was altered, is noticed.
//
// `compaction-checkpoint` (Kafka ignores it):
//
//   0                     version
//   1                     entries
//   1200 1950             first offset not cleaned yet, end of the gaps
//
// Crash policy: replaced as a whole. The end of the gaps is on stable storage before a cleaned segment takes its place;
// the first dirty offset moves when all of them have, and one that is too low costs another cleaning, nothing else. A
// file that does not parse allows gaps up to the active segment, and so does an entry in Kafka's own checkpoint of its
// cleaner: then Kafka compacted here, of which we know no more.

import type { Store } from '../core/platform.ts';
import { CLEANER_OFFSET_FILE, parsePartitionDirectory } from './checkpoints.ts';
import { joinPath, parentPath } from './file-names.ts';

const COMPACTION_FILE = 'compaction-checkpoint';

export class OffsetGaps {
  readonly #store: Store;
  readonly #directory: string;
  readonly #foreign: boolean;
  #firstDirtyOffset: number;
  #end: number;
  /** Somebody else's gaps end here, also those between two segments. */
  #foreignEnd = 0;

  private constructor(store: Store, directory: string) {
    const content = store.readSmall(joinPath(directory, COMPACTION_FILE));
    const match = /^0\n1\n([0-9]+) ([0-9]+)\n$/.exec(new TextDecoder().decode(content));
    this.#store = store;
    this.#directory = directory;
    this.#firstDirtyOffset = Number(match?.[1] ?? 0);
    this.#end = Number(match?.[2] ?? 0);
    this.#foreign = (content !== undefined && match === null) || wasCleanedByKafka(store, directory);
  }

  static load(store: Store, directory: string): OffsetGaps {
    return new OffsetGaps(store, directory);
  }

  /** Every record below has been compared with all that follow up to here. */
  get firstDirtyOffset(): number {
    return this.#firstDirtyOffset;
  }

  /** Tells where the newest segment begins, which nobody compacts. */
  boundForeign(activeBaseOffset: number): void {
    if (this.#foreign) this.#foreignEnd = activeBaseOffset;
  }

  /** Whether the batch that stands behind offset `expected` - 1 may begin at `baseOffset`. */
  allow(expected: number, baseOffset: number): boolean {
    if (baseOffset === expected) return true;
    return baseOffset > expected && baseOffset <= Math.max(this.#end, this.#foreignEnd);
  }

  /** Whether a segment whose batches end at `nextOffset` may be followed by one that begins at `segmentEnd`. */
  allowAtEnd(nextOffset: number, segmentEnd: number): boolean {
    if (segmentEnd === nextOffset) return true;
    // Our own cleaning keeps the last batch of a segment.
    return segmentEnd > nextOffset && segmentEnd <= this.#foreignEnd;
  }

  /** Gaps may come into being below `end`. On stable storage when it returns. */
  prepare(end: number): void {
    if (end > this.#end) this.#write(this.#firstDirtyOffset, end);
  }

  /** Everything below `offset` is clean. */
  advance(offset: number): void {
    this.#write(offset, Math.max(this.#end, offset));
  }

  /** The log ends at `offset` from now on, and what is appended there has no gaps. */
  truncate(offset: number): void {
    this.#foreignEnd = Math.min(this.#foreignEnd, offset);
    if (offset >= this.#end && offset >= this.#firstDirtyOffset) return;
    this.#write(Math.min(this.#firstDirtyOffset, offset), Math.min(this.#end, offset));
  }

  #write(firstDirtyOffset: number, end: number): void {
    const content = new TextEncoder().encode(`0\n1\n${firstDirtyOffset} ${end}\n`);
    this.#store.replaceSmall(joinPath(this.#directory, COMPACTION_FILE), content);
    this.#store.flushDirectory(this.#directory);
    this.#firstDirtyOffset = firstDirtyOffset;
    this.#end = end;
  }
}

function wasCleanedByKafka(store: Store, directory: string): boolean {
  const content = store.readSmall(joinPath(parentPath(directory), CLEANER_OFFSET_FILE));
  if (content === undefined) return false;
  const { topic, partition } = parsePartitionDirectory(directory.slice(parentPath(directory).length)) ?? {};
  return new TextDecoder().decode(content).includes(`\n${topic} ${partition} `);
}
