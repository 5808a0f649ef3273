// Looks at log files from outside, for tools and for tests: every batch of one file, and whether a whole log is what it
// should be. Reads alone; it may run on the files of a broker that is not running.

import type { Store } from '../core/platform.ts';
import { type BatchHeader, baseOffsetAt, viewOf } from '../wasm/batch-header.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { EpochCheckpoint } from './epoch-checkpoint.ts';
import {
  joinPath,
  LOG_SUFFIX,
  logFileBaseOffset,
  OFFSET_INDEX_SUFFIX,
  parentPath,
  segmentFileName,
  TIME_INDEX_SUFFIX,
} from './file-names.ts';
import { OffsetGaps } from './offset-gaps.ts';
import { OffsetIndex } from './offset-index.ts';
import { type ScanEvent, SegmentScan } from './segment-scan.ts';
import { TimeIndex } from './time-index.ts';

const EVENTS_PER_STEP = 512;

/** A batch of a file with its bytes' place, or a stretch that is not a batch. */
export type DumpEntry = ScanEvent;

/** Every batch of a `.log` file with its CRC checked, and what is wrong between them. Throws ERR_STORAGE. */
export function* dumpLogFile(store: Store, path: string, kernels: Kernels): Generator<DumpEntry, void, undefined> {
  const file = store.open(path, { create: false });
  try {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const expectedOffset = logFileBaseOffset(name) ?? firstOffset(file.size(), (target) => file.read(target, 0));
    const gaps = gapsOf(store, parentPath(path));
    const scan = new SegmentScan({
      kernels,
      file,
      from: 0,
      end: file.size(),
      expectedOffset,
      gaps,
      epochAt: undefined,
    });
    for (let step = nextEvents(scan); step.length > 0; step = nextEvents(scan)) yield* step;
  } finally {
    file.close();
  }
}

/** Where batches of the log may be missing, as far as its directory tells. */
function gapsOf(store: Store, directory: string): OffsetGaps {
  const gaps = OffsetGaps.load(store, directory);
  const baseOffsets = store.list(directory).flatMap(({ name }) => logFileBaseOffset(name) ?? []);
  gaps.boundForeign(Math.max(0, ...baseOffsets));
  return gaps;
}

/** A file of any other name tells its first offset itself. */
function firstOffset(fileBytes: number, read: (target: Uint8Array) => number): number {
  const head = new Uint8Array(8);
  return fileBytes < head.length || read(head) < head.length ? 0 : baseOffsetAt(viewOf(head), 0);
}

/** A bounded step; afterwards the kernels are free for whoever looks at the batches. */
function nextEvents(scan: SegmentScan): ScanEvent[] {
  const events: ScanEvent[] = [];
  while (events.length < EVENTS_PER_STEP) {
    const event = scan.next();
    if (event === undefined) break;
    events.push(event);
  }
  scan.pause();
  return events;
}

/**
 * Checks a log that nobody has open: CRC and epoch of every batch, offsets without a gap but where it was compacted, and every index entry against
 * the batch that it names. Returns what is wrong, in words; nothing when all is well.
 */
export function checkLog(store: Store, directory: string, kernels: Kernels): string[] {
  const baseOffsets = store.list(directory).flatMap(({ name }) => logFileBaseOffset(name) ?? []);
  if (baseOffsets.length === 0) return [`${directory}: there is no segment`];
  const epochs = EpochCheckpoint.load(store, directory);
  const gaps = gapsOf(store, directory);
  const problems: string[] = [];
  for (const [index, baseOffset] of baseOffsets.entries()) {
    const check = new SegmentCheck({ store, directory, kernels, epochs, gaps }, baseOffset);
    problems.push(...check.run(baseOffsets[index + 1]));
  }
  return problems;
}

interface CheckTools {
  readonly store: Store;
  readonly directory: string;
  readonly kernels: Kernels;
  readonly epochs: EpochCheckpoint;
  readonly gaps: OffsetGaps;
}

class SegmentCheck {
  readonly #tools: CheckTools;
  readonly #baseOffset: number;
  /** By last offset: where the batch stands, its time, and whether that is the largest so far. */
  readonly #batches = new Map<number, { position: number; timestamp: number; isLargest: boolean }>();
  #largest = -1;
  /** The same with batches that compaction has emptied, which count in Kafka's index. */
  #largestOfAll = -1;
  readonly #problems: string[] = [];

  constructor(tools: CheckTools, baseOffset: number) {
    this.#tools = tools;
    this.#baseOffset = baseOffset;
  }

  run(nextBaseOffset: number | undefined): string[] {
    const end = this.#checkBatches();
    if (nextBaseOffset !== undefined && !this.#tools.gaps.allowAtEnd(end, nextBaseOffset)) {
      this.#problem(LOG_SUFFIX, `ends at offset ${end}, but the next segment begins at ${nextBaseOffset}`);
    }
    this.#checkOffsetIndex();
    this.#checkTimeIndex();
    return this.#problems;
  }

  #checkBatches(): number {
    const { store, kernels, epochs, gaps } = this.#tools;
    const file = store.open(this.#path(LOG_SUFFIX), { create: false });
    try {
      const epochAt = (offset: number) => epochs.expectedAt(offset);
      const expectedOffset = this.#baseOffset;
      const scan = new SegmentScan({ kernels, file, from: 0, end: file.size(), expectedOffset, gaps, epochAt });
      for (let event = scan.next(); event !== undefined; event = scan.next()) this.#take(event);
      return scan.nextOffset;
    } finally {
      file.close();
    }
  }

  #take(event: ScanEvent): void {
    if (event.kind === 'batch') {
      this.#note(event.header, event.position);
      return;
    }
    const { offset, position, reason } = event.kind === 'damage' ? event.damage : event.tail;
    this.#problem(LOG_SUFFIX, `at offset ${offset}, position ${position}: ${reason}`);
  }

  #note(header: BatchHeader, position: number): void {
    const { maxTimestamp: timestamp, recordCount } = header;
    const isLargest = timestamp > this.#largestOfAll || (timestamp > this.#largest && recordCount > 0);
    this.#largestOfAll = Math.max(this.#largestOfAll, timestamp);
    if (recordCount > 0) this.#largest = Math.max(this.#largest, timestamp);
    this.#batches.set(header.lastOffset, { position, timestamp, isLargest });
  }

  #checkOffsetIndex(): void {
    const path = this.#path(OFFSET_INDEX_SUFFIX);
    if (!this.#tools.store.exists(path)) return;
    const index = new OffsetIndex(this.#tools, path, this.#baseOffset);
    if (!index.isWhole()) this.#problem(OFFSET_INDEX_SUFFIX, 'holds a part of an entry');
    let previous = -1;
    for (let at = 0; at < index.count; at++) {
      const { offset, position } = index.entry(at);
      const agrees = this.#batches.get(offset)?.position === position;
      if (!agrees) this.#problem(OFFSET_INDEX_SUFFIX, `entry ${at} names offset ${offset} at position ${position}`);
      if (offset <= previous) this.#problem(OFFSET_INDEX_SUFFIX, `entry ${at} is out of order`);
      previous = offset;
    }
    index.release();
  }

  #checkTimeIndex(): void {
    const path = this.#path(TIME_INDEX_SUFFIX);
    if (!this.#tools.store.exists(path)) return;
    const index = new TimeIndex(this.#tools, path, this.#baseOffset);
    if (!index.isWhole()) this.#problem(TIME_INDEX_SUFFIX, 'holds a part of an entry');
    let previous = -1;
    for (let at = 0; at < index.count; at++) {
      const { offset, timestamp } = index.entry(at);
      const batch = this.#batches.get(offset);
      const agrees = batch?.isLargest === true && batch.timestamp === timestamp;
      if (!agrees) this.#problem(TIME_INDEX_SUFFIX, `entry ${at} names timestamp ${timestamp} at offset ${offset}`);
      if (timestamp <= previous) this.#problem(TIME_INDEX_SUFFIX, `entry ${at} is out of order`);
      previous = timestamp;
    }
    index.release();
  }

  #path(suffix: string): string {
    return joinPath(this.#tools.directory, segmentFileName(this.#baseOffset, suffix));
  }

  #problem(suffix: string, what: string): void {
    this.#problems.push(`${this.#path(suffix)}: ${what}`);
  }
}
