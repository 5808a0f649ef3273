// What readers that go on will ask for next, read before they do: into lent memory, while nobody waits for the owner, and
// only where the disk makes readers wait. It keeps bytes of the log, not what may be shown of them: that is decided when
// the reader comes.

import { present } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import {
  READ_AHEAD_BYTES_MAX,
  READ_AHEAD_BYTES_MIN,
  READ_AHEAD_BYTES_PER_MS_MAX,
  READ_AHEAD_MS_MAX,
  READ_AHEAD_WISHES_MAX,
} from '../core/limits.ts';
import type { Clock } from '../core/platform.ts';
import type { Log } from '../storage/log.ts';
import type { LentBytes, PartitionRead } from './commands.ts';
import type { GrantedRange } from './file-lending.ts';
import type { LendingMemory } from './lending-memory.ts';

/** A partition, as far as it is read. */
export interface ReadSource {
  readonly log: Log;
  /** Where a reader has to stop now. */
  readEnd(which: PartitionRead['end']): number;
}

/** Where a reader's next range begins. */
interface Wish {
  readonly partition: ReadSource;
  readonly offset: number;
  readonly maxBytes: number;
  readonly end: PartitionRead['end'];
}

interface Range {
  readonly partition: ReadSource;
  readonly offset: number;
  /** Exclusive. */
  readonly offsetEnd: number;
  /** As many bytes were asked for. */
  readonly maxBytes: number;
  /** There was more that could be read, but for bytes or the segment's end. */
  readonly isWhole: boolean;
  /** Of the log's reader, when it was read. */
  readonly generation: number;
  readonly lent: LentBytes;
  /** It had to be waited for. */
  readonly isSlow: boolean;
  readonly sinceMs: number;
}

/** What a reader may have, and what it wants. */
export interface SequelRead {
  readonly offset: number;
  /** Exclusive, and not beyond the log's end. */
  readonly offsetEnd: number;
  readonly maxBytes: number;
  readonly minOneBatch: boolean;
  /** What its next read will ask for. */
  readonly next: Pick<PartitionRead, 'maxBytes' | 'end'>;
}

/** Whole batches; where they are lent already, `lent` says so. */
export interface ReadRange {
  readonly records: Uint8Array;
  readonly lent: LentBytes | undefined;
  /** They stay in a file instead. */
  readonly granted?: GrantedRange | undefined;
}

export interface ReadAheadOptions {
  readonly memory: LendingMemory;
  readonly clock: Clock;
  /** Calls back when what has arrived was served. */
  readonly later: (action: () => void) => void;
}

export class ReadAhead {
  readonly #options: ReadAheadOptions;
  /** The oldest first. */
  #ranges: Range[] = [];
  #wishes: Wish[] = [];
  #bytes = 0;
  #isDue = false;
  readonly #step = (): void => {
    this.#isDue = false;
    const wish = this.#wishes.shift();
    if (wish !== undefined) this.#fulfil(wish);
    this.#stepLater();
  };

  constructor(options: ReadAheadOptions) {
    this.#options = options;
    options.memory.onFull(() => this.#dropOldest());
  }

  /** Bytes of the lent memory that are taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Gives what {@link Log.read} would, and notes what comes next where the reader goes on. Throws as that does. */
  read(partition: ReadSource, read: SequelRead): ReadRange {
    const { offset, offsetEnd, maxBytes, minOneBatch, next } = read;
    const range = this.#take(partition, read);
    if (range !== undefined) {
      if (range.isSlow)
        this.#expect({ partition, offset: range.offsetEnd, maxBytes: next.maxBytes, end: next.end }, offsetEnd);
      return { records: this.#options.memory.view(range.lent), lent: range.lent };
    }
    const { log } = partition;
    this.#wishes = this.#wishes.filter((wish) => wish.partition !== partition || wish.offset !== offset);
    const { memory, clock } = this.#options;
    const sinceMs = clock.monotonic();
    const records = log.read({ offset, offsetEnd, maxBytes, minOneBatch, memory });
    if (records.length >= READ_AHEAD_BYTES_MIN && log.reader.isSequel && this.#wasSlow(records.length, sinceMs)) {
      this.#expect({ partition, offset: log.reader.lastEnd, maxBytes: next.maxBytes, end: next.end }, offsetEnd);
    }
    return { records, lent: undefined };
  }

  /** What {@link read} has lent is not shown after all. */
  giveBack(lent: LentBytes): void {
    this.#options.memory.takeBack(lent.position);
  }

  /** The partition is closed, or goes. */
  forget(partition: ReadSource): void {
    this.#wishes = this.#wishes.filter((wish) => wish.partition !== partition);
    for (const range of this.#ranges) if (range.partition === partition) this.#drop(range);
  }

  #take(partition: ReadSource, read: SequelRead): Range | undefined {
    const index = this.#ranges.findIndex((each) => each.partition === partition && each.offset === read.offset);
    if (index < 0) return undefined;
    const range = present(this.#ranges[index], 'range');
    if (range.generation !== partition.log.reader.generation) {
      this.#drop(range);
      return undefined;
    }
    if (!mayServe(range, read)) return undefined;
    this.#ranges.splice(index, 1);
    this.#bytes -= range.lent.length;
    return range;
  }

  #expect(wish: Wish, offsetEnd: number): void {
    const { partition, offset } = wish;
    if (offset >= offsetEnd || this.#wishes.length >= READ_AHEAD_WISHES_MAX) return;
    const isSame = (each: { readonly partition: ReadSource; readonly offset: number }): boolean =>
      each.partition === partition && each.offset === offset;
    if (this.#ranges.some(isSame) || this.#wishes.some(isSame)) return;
    this.#wishes.push(wish);
    this.#stepLater();
  }

  #stepLater(): void {
    if (this.#isDue || this.#wishes.length === 0) return;
    this.#isDue = true;
    this.#options.later(this.#step);
  }

  #fulfil({ partition, offset, maxBytes, end }: Wish): void {
    const { memory, clock } = this.#options;
    const { log } = partition;
    const offsetEnd = partition.readEnd(end);
    if (offset < log.logStartOffset || offset >= offsetEnd || !this.#makeRoom(maxBytes)) return;
    const sinceMs = clock.monotonic();
    try {
      const bytes = log.read({ offset, offsetEnd, maxBytes, minOneBatch: false, memory });
      const { lent } = memory.settle(bytes);
      if (lent === undefined) return;
      const { lastEnd, generation } = log.reader;
      this.#bytes += lent.length;
      const isWhole = lastEnd < offsetEnd;
      const isSlow = this.#wasSlow(lent.length, sinceMs);
      this.#ranges.push({
        partition,
        offset,
        offsetEnd: lastEnd,
        maxBytes,
        isWhole,
        generation,
        lent,
        isSlow,
        sinceMs,
      });
    } catch (error) {
      memory.settle(NOTHING);
      // The reader will meet the fault itself.
      if (!(error instanceof LogFault)) throw error;
    }
  }

  #wasSlow(bytes: number, sinceMs: number): boolean {
    return bytes <= READ_AHEAD_BYTES_PER_MS_MAX * (this.#options.clock.monotonic() - sinceMs);
  }

  /** Ranges that nobody came for make room; those of other readers do not, or all would be read twice. */
  #makeRoom(bytes: number): boolean {
    const oldestMs = this.#options.clock.monotonic() - READ_AHEAD_MS_MAX;
    for (const range of this.#ranges) {
      const { partition, generation, sinceMs } = range;
      if (sinceMs < oldestMs || generation !== partition.log.reader.generation) this.#drop(range);
    }
    return this.#bytes + bytes <= READ_AHEAD_BYTES_MAX && this.#options.memory.hasRoom(bytes);
  }

  #dropOldest(): boolean {
    const [oldest] = this.#ranges;
    if (oldest === undefined) return false;
    this.#drop(oldest);
    return true;
  }

  #drop(range: Range): void {
    this.#ranges = this.#ranges.filter((each) => each !== range);
    this.#bytes -= range.lent.length;
    this.#options.memory.takeBack(range.lent.position);
  }
}

const NOTHING = new Uint8Array(0);

/** Whether a read within the bounds would give just this range. */
function mayServe(range: Range, { offsetEnd, maxBytes }: SequelRead): boolean {
  if (range.offsetEnd > offsetEnd || (!range.isWhole && range.offsetEnd < offsetEnd)) return false;
  return range.lent.length <= maxBytes && maxBytes <= range.maxBytes;
}
