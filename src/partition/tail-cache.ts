// The last batches of partitions that are read at their end, as the log holds them: on the dispatching side, so that who
// waits there for records is answered without another trip to the owner. It keeps nothing where nobody reads, and knows
// nothing of threads. What it answers is what the owner would, but that a read of the owner ends where a segment does.

import { present } from '../core/assert.ts';
import { TAIL_BYTES_MAX, TAIL_BYTES_MIN, TAIL_PARTITIONS_MAX } from '../core/limits.ts';
import {
  type FetchCommand,
  type PartitionHandle,
  type PartitionRead,
  type PartitionState,
  type ReadReply,
  readEnd,
} from './commands.ts';

/** A partition as the dispatching side knows it. */
export interface Standing {
  readonly state: PartitionState;
  readonly leaderEpoch: number;
}

const NOTHING = new Uint8Array(0);
const NONE_ABORTED: readonly never[] = [];

/** Batches of one partition that follow each other without a gap; they lie so in memory, too. */
class Tail {
  #bytes = NOTHING;
  /** Base offset of the first batch. */
  #first = -1;
  /** Of each batch: its last offset, and where in the memory it ends. */
  #lasts: number[] = [];
  #ends: number[] = [];
  /** Readers have had everything below. */
  #served: number;

  constructor(served: number) {
    this.#served = served;
  }

  /** Exclusive. */
  get #end(): number {
    return (this.#lasts.at(-1) ?? -2) + 1;
  }

  get #used(): number {
    return this.#ends.at(-1) ?? 0;
  }

  clear(): void {
    this.#lasts = [];
    this.#ends = [];
  }

  noteServed(offset: number): void {
    if (offset > this.#served) this.#served = offset;
  }

  /** Takes one batch over; false where what nobody has read yet leaves no room for it. */
  push(batch: Uint8Array, baseOffset: number, lastOffset: number): boolean {
    if (baseOffset !== this.#end) this.clear();
    if (!this.#makeRoom(batch.length)) return false;
    if (this.#lasts.length === 0) this.#first = baseOffset;
    const at = this.#used;
    this.#bytes.set(batch, at);
    this.#lasts.push(lastOffset);
    this.#ends.push(at + batch.length);
    return true;
  }

  /** Whether everything from an offset to the end that a reader sees lies here. */
  holds(offset: number, offsetEnd: number): boolean {
    return this.#lasts.length > 0 && offset >= this.#first && offset < offsetEnd && offsetEnd <= this.#end;
  }

  /** A copy of the whole batches from `offset` on, as many as the limits allow. */
  read(
    offset: number,
    limits: { readonly offsetEnd: number; readonly maxBytes: number; readonly minOneBatch: boolean },
  ) {
    const index = this.#indexOf(offset);
    const from = this.#startOf(index);
    let next = index;
    let end = from;
    for (; next < this.#lasts.length && present(this.#lasts[next], 'batch') < limits.offsetEnd; next++) {
      const nextEnd = present(this.#ends[next], 'end of a batch');
      if (nextEnd - from > limits.maxBytes && !(next === index && limits.minOneBatch)) break;
      end = nextEnd;
    }
    if (next > index) this.noteServed(present(this.#lasts[next - 1], 'batch') + 1);
    return this.#bytes.slice(from, end);
  }

  /** The first batch that reaches an offset, sought from the end, where readers are. */
  #indexOf(offset: number): number {
    let index = this.#lasts.length;
    while (index > 0 && present(this.#lasts[index - 1], 'batch') >= offset) index--;
    return index;
  }

  #startOf(index: number): number {
    return index === 0 ? 0 : present(this.#ends[index - 1], 'end of a batch');
  }

  #makeRoom(length: number): boolean {
    if (this.#used + length <= this.#bytes.length) return true;
    if (this.#bytes.length === TAIL_BYTES_MAX) this.#dropServed();
    const needed = this.#used + length;
    if (needed > TAIL_BYTES_MAX) return false;
    if (needed > this.#bytes.length) this.#grow(needed);
    return true;
  }

  #grow(needed: number): void {
    let size = Math.max(TAIL_BYTES_MIN, this.#bytes.length);
    while (size < needed) size *= 2;
    const bytes = new Uint8Array(Math.min(size, TAIL_BYTES_MAX));
    bytes.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = bytes;
  }

  #dropServed(): void {
    const index = this.#indexOf(this.#served);
    if (index === 0) return;
    const start = this.#startOf(index);
    this.#bytes.copyWithin(0, start, this.#used);
    this.#first = present(this.#lasts[index - 1], 'batch') + 1;
    this.#lasts = this.#lasts.slice(index);
    this.#ends = this.#ends.slice(index).map((end) => end - start);
  }
}

export class TailCache {
  /** Of the partitions that are read at their end, the longest known first. */
  readonly #tails = new Map<PartitionHandle, Tail>();

  /** Whether batches of any partition are wanted. */
  get isWatching(): boolean {
    return this.#tails.size > 0;
  }

  /** An owner has answered a read: what follows is wanted where the reader has come to the end by it. */
  noteRead(read: PartitionRead, reply: ReadReply, budget: number): void {
    const { records, state, outcome } = reply;
    const limit = Math.min(read.maxBytes, budget, TAIL_BYTES_MAX);
    if (outcome !== 'ok' || state === undefined || records.length === 0 || records.length >= limit) return;
    const served = readEnd(state, read.end);
    const known = this.#tails.get(read.handle);
    if (known !== undefined) {
      known.noteServed(served);
      return;
    }
    if (this.#tails.size >= TAIL_PARTITIONS_MAX) {
      const [oldest] = this.#tails.keys();
      this.#tails.delete(present(oldest, 'oldest tail'));
    }
    this.#tails.set(read.handle, new Tail(served));
  }

  /**
   * A batch was appended. `bytes` are those of the log, and are copied where the partition is read at its end; undefined
   * where the log's are not known.
   */
  noteAppend(
    handle: PartitionHandle,
    bytes: Uint8Array | undefined,
    { baseOffset, lastOffset }: { readonly baseOffset: number; readonly lastOffset: number },
  ): void {
    const tail = this.#tails.get(handle);
    if (tail === undefined) return;
    if (bytes === undefined) tail.clear();
    // More came than anybody read: this is no place for a reader that follows at leisure.
    else if (!tail.push(bytes, baseOffset, lastOffset)) this.#tails.delete(handle);
  }

  /** What is kept of a partition may be another log's by now. */
  forget(handle: PartitionHandle): void {
    this.#tails.delete(handle);
  }

  /** Gives all memory back; where readers go on it is taken again. */
  clear(): void {
    this.#tails.clear();
  }

  /** What the owners would reply, or undefined where they have to be asked. */
  answer(
    request: Omit<FetchCommand, 'kind'>,
    standingOf: (handle: PartitionHandle) => Standing | undefined,
  ): readonly ReadReply[] | undefined {
    if (this.#tails.size === 0) return undefined;
    for (const read of request.reads) if (!this.#mayAnswer(read, standingOf(read.handle))) return undefined;
    let left = request.maxBytes;
    let minOneBatch = request.minOneBatch;
    return request.reads.map((read) => {
      const { state } = present(standingOf(read.handle), 'standing');
      const tail = present(this.#tails.get(read.handle), 'tail');
      const maxBytes = Math.max(0, Math.min(left, read.maxBytes));
      const records = tail.read(read.offset, { offsetEnd: readEnd(state, read.end), maxBytes, minOneBatch });
      if (records.length > 0) minOneBatch = false;
      left -= records.length;
      // No marker lies among the batches here, so that no transaction was aborted where none is open behind them.
      const abortedTransactions = read.end === 'last-stable' ? NONE_ABORTED : undefined;
      return { outcome: 'ok', records, state, divergingEpoch: undefined, abortedTransactions };
    });
  }

  #mayAnswer(read: PartitionRead, standing: Standing | undefined): boolean {
    const tail = this.#tails.get(read.handle);
    if (tail === undefined || standing === undefined) return false;
    const { state, leaderEpoch } = standing;
    const isOurEpoch = (epoch: number): boolean => epoch < 0 || epoch === leaderEpoch;
    if (!isOurEpoch(read.currentLeaderEpoch) || !isOurEpoch(read.lastFetchedEpoch)) return false;
    if (read.end === 'last-stable' && state.lastStableOffset !== state.highWatermark) return false;
    return read.offset >= state.logStartOffset && tail.holds(read.offset, readEnd(state, read.end));
  }
}
