// How groups and their answers cross between threads that share memory: what is hot (appends, and what they were answered)
// as rows of numbers in that memory, all else as objects to be cloned, in their places between them.
// It knows the shape of commands and replies, not what they mean.

import { assert } from '../core/assert.ts';
import { EXCHANGE_ROWS } from '../core/limits.ts';
import type { AppendCommand, AppendReply, PartitionCommand, PartitionReply } from './commands.ts';
import type { GroupReply, PartitionGroup } from './group.ts';

/** Numbers of a row. A command's are overwritten by those of its answer. */
const ROW = 11;

const DURABLE = 1;
const FROM_COORDINATOR = 2;

/**
 * A group as it is posted. A number among the commands stands for so many appends in the next rows. A group of nothing but
 * such appends is one number, twice its length and the slab: cloning that costs next to nothing.
 */
export type PackedGroup =
  | number
  | (Omit<PartitionGroup, 'commands'> & { readonly commands: PackedList<PartitionCommand> });

/** A reply as it is posted: as for {@link PackedGroup}, but nothing but rows is their number. */
export type PackedReply = number | PackedList<PartitionReply>;

type PackedList<T> = readonly (T | number)[];

/** Memory that both threads see. */
export function createExchangeMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(EXCHANGE_ROWS * ROW * Float64Array.BYTES_PER_ELEMENT);
}

/**
 * One side's view of the rows. One group crosses at a time, and each side takes what it reads out of the rows before it
 * writes there; posting a message orders what was written before it.
 */
export class GroupExchange {
  readonly #rows: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#rows = new Float64Array(memory);
  }

  packGroup(group: PartitionGroup): PackedGroup {
    const rows = this.#rows;
    const commands = pack(group.commands, (command, row) => writeAppend(rows, row, command));
    const [count] = commands;
    if (commands.length === 1 && typeof count === 'number' && isBare(group)) return 2 * count + group.slab;
    return { ...group, commands };
  }

  unpackGroup(packed: PackedGroup): PartitionGroup {
    if (typeof packed === 'number') {
      const slab = (packed % 2) as 0 | 1;
      return { slab, commands: unpack([(packed - slab) / 2], (row) => readAppend(this.#rows, row)), released: [] };
    }
    return { ...packed, commands: unpack(packed.commands, (row) => readAppend(this.#rows, row)) };
  }

  /** Writes over the rows of the group that is answered, of which nothing is needed any more. */
  packReply({ replies }: GroupReply): PackedReply {
    const rows = this.#rows;
    const packed = pack(replies, (reply, row) => writeAppended(rows, row, reply));
    const [count] = packed;
    return packed.length === 1 && typeof count === 'number' ? count : packed;
  }

  unpackReply(packed: PackedReply): GroupReply {
    const list = typeof packed === 'number' ? [packed] : packed;
    return { replies: unpack(list, (row) => readAppended(this.#rows, row)) };
  }
}

/** Nothing comes back with it. */
function isBare({ released, returned }: PartitionGroup): boolean {
  return released.length === 0 && returned === undefined;
}

/** Replaces runs of what `write` takes by their lengths. */
function pack<T extends object>(list: readonly T[], write: (one: T, row: number) => boolean): PackedList<T> {
  const packed: (T | number)[] = [];
  let row = 0;
  let run = 0;
  for (const one of list) {
    if (row < EXCHANGE_ROWS && write(one, row)) {
      row++;
      run++;
      continue;
    }
    if (run > 0) packed.push(run);
    run = 0;
    packed.push(one);
  }
  if (run > 0) packed.push(run);
  return packed;
}

function unpack<T extends object>(packed: PackedList<T>, read: (row: number) => T): T[] {
  const list: T[] = [];
  let row = 0;
  for (const one of packed) {
    if (typeof one !== 'number') {
      list.push(one);
      continue;
    }
    assert(row + one <= EXCHANGE_ROWS, 'no more rows are announced than there are');
    for (const end = row + one; row < end; row++) list.push(read(row));
  }
  return list;
}

function writeAppend(rows: Float64Array, row: number, command: PartitionCommand): boolean {
  if (command.kind !== 'append' || command.bytes !== undefined) return false;
  const at = row * ROW;
  rows[at] = command.handle;
  rows[at + 1] = command.position;
  rows[at + 2] = command.length;
  rows[at + 3] = (command.durable ? DURABLE : 0) | (command.origin === 'coordinator' ? FROM_COORDINATOR : 0);
  return true;
}

function readAppend(rows: Float64Array, row: number): AppendCommand {
  const at = row * ROW;
  const flags = rows[at + 3] ?? 0;
  return {
    kind: 'append',
    handle: rows[at] ?? -1,
    position: rows[at + 1] ?? -1,
    length: rows[at + 2] ?? 0,
    bytes: undefined,
    durable: (flags & DURABLE) !== 0,
    origin: (flags & FROM_COORDINATOR) === 0 ? 'client' : 'coordinator',
  };
}

function writeAppended(rows: Float64Array, row: number, reply: PartitionReply): boolean {
  if (!('baseOffset' in reply) || reply.outcome !== 'ok' || reply.state === undefined || reply.fault !== undefined)
    return false;
  const { state } = reply;
  const at = row * ROW;
  rows[at] = reply.baseOffset;
  rows[at + 1] = reply.lastOffset;
  rows[at + 2] = reply.logAppendTimeMs;
  rows[at + 3] = state.logStartOffset;
  rows[at + 4] = state.lastStableOffset;
  rows[at + 5] = state.highWatermark;
  rows[at + 6] = state.logEndOffset;
  rows[at + 7] = state.recoveryPoint;
  rows[at + 8] = state.sizeBytes;
  rows[at + 9] = state.revision;
  rows[at + 10] = reply.isInPlace === true ? 1 : 0;
  return true;
}

function readAppended(rows: Float64Array, row: number): AppendReply {
  const at = row * ROW;
  return {
    outcome: 'ok',
    baseOffset: rows[at] ?? -1,
    lastOffset: rows[at + 1] ?? -1,
    logAppendTimeMs: rows[at + 2] ?? -1,
    isInPlace: rows[at + 10] === 1,
    state: {
      logStartOffset: rows[at + 3] ?? -1,
      lastStableOffset: rows[at + 4] ?? -1,
      highWatermark: rows[at + 5] ?? -1,
      logEndOffset: rows[at + 6] ?? -1,
      recoveryPoint: rows[at + 7] ?? -1,
      sizeBytes: rows[at + 8] ?? -1,
      revision: rows[at + 9] ?? -1,
    },
  };
}
