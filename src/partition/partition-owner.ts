// Everything one thread owns: its partitions by handle, the execution of command groups, and the flushes that run
// beside them. The same class serves a worker thread and the caller's own thread.

import { assert, present, unreachable } from '../core/assert.ts';
import type { BatchCodecs } from '../core/compression.ts';
import { type FaultRecord, LogFault } from '../core/fault.ts';
import type { Clock, Store } from '../core/platform.ts';
import { StagingMemory } from '../storage/append-run.ts';
import { Log } from '../storage/log.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { CleanerSchedule } from './cleaner-schedule.ts';
import type {
  AppendCommand,
  AppendOrigin,
  AppendReply,
  CloseReply,
  FetchCommand,
  FetchReply,
  MaintainReply,
  OpenCommand,
  OpenReply,
  PartitionCommand,
  PartitionEvent,
  PartitionHandle,
  PartitionReply,
  PartitionState,
  ReadReply,
  WriteMarkerCommand,
} from './commands.ts';
import { FileLending } from './file-lending.ts';
import type { GroupReply, PartitionGroup } from './group.ts';
import type { LendingMemory } from './lending-memory.ts';
import { PageCache } from './page-cache.ts';
import { Partition } from './partition.ts';
import { ReadAhead } from './read-ahead.ts';
import type { ReadPlaces } from './read-places.ts';

/** Longest time one `maintain` command holds the thread, in milliseconds; the next one goes on from there. */
const MAINTAIN_SLICE_MS = 5;
const NO_OFFSETS = { baseOffset: -1, lastOffset: -1, logAppendTimeMs: -1 } as const;
const NO_RECORDS = new Uint8Array(0);

export interface PartitionOwnerOptions {
  readonly store: Store;
  readonly kernels: Kernels;
  readonly clock: Clock;
  /** For reading and converting compressed batches; without them they pass unread. */
  readonly codecs?: BatchCodecs | undefined;
  /** Where each slab begins in the kernels' memory. */
  readonly slabPointers: readonly [number, number];
  /** From where large reads are lent; without it everything that is read is given away. */
  readonly lending?: LendingMemory | undefined;
  /** Whether large reads are left in their files, for a dispatcher that sends from there. */
  readonly lendsFiles?: boolean | undefined;
  /** Calls back once what has arrived was served; where it is given, with `lending`, readers that go on are read ahead of. */
  readonly later?: ((action: () => void) => void) | undefined;
  readonly onEvent: (event: PartitionEvent) => void;
}

interface Owned {
  readonly handle: PartitionHandle;
  readonly partition: Partition;
  /** Somebody waits for stable storage beyond what the running flush covers. */
  flushDue: boolean;
  flushing: boolean;
}

export class PartitionOwner {
  readonly #options: PartitionOwnerOptions;
  readonly #owned = new Map<PartitionHandle, Owned>();
  /** Partitions whose flush begins when the group is done. */
  #flushes: Owned[] = [];
  /** Partitions with batches that wait for the end of the group, or for another command, to be written together. */
  readonly #staged = new Set<Partition>();
  readonly #staging = new StagingMemory();
  /** Handles still to be maintained in this round. */
  #round: PartitionHandle[] = [];

  readonly #cleaner: CleanerSchedule;
  readonly #ahead: ReadAhead | undefined;
  readonly #files: FileLending | undefined;

  constructor(options: PartitionOwnerOptions) {
    this.#options = options;
    this.#cleaner = this.#createCleaner(options);
    const { lending, lendsFiles, later, clock } = options;
    if (lendsFiles === true) this.#files = new FileLending(new PageCache({ clock, later }));
    if (lending !== undefined && later !== undefined) this.#ahead = new ReadAhead({ memory: lending, clock, later });
  }

  #createCleaner({ clock, onEvent }: PartitionOwnerOptions): CleanerSchedule {
    return new CleanerSchedule({
      clock,
      partitions: () => this.#owned.values(),
      isOpen: ({ handle, partition }) => this.#owned.get(handle)?.partition === partition,
      wantFlush: (handle) => {
        const owned = this.#owned.get(handle);
        if (owned !== undefined) this.#wantFlush(owned);
        this.#startFlushes();
      },
      onCompacted: ({ handle, partition }) => onEvent({ kind: 'compacted', handle, state: partition.state() }),
      onFault: ({ handle }, fault) => onEvent({ kind: 'compaction-failed', handle, fault: fault.toRecord() }),
    });
  }

  /** Stops what runs beside the groups. Partitions must have been closed before. */
  end(): void {
    this.#cleaner.stop();
  }

  /** Executes a group, in order; batches for one partition that follow each other are written together. Throws only for a bug: the thread is then to end. */
  execute(group: PartitionGroup): GroupReply {
    const slabPointer = this.#options.slabPointers[group.slab];
    for (const position of group.released) this.#options.lending?.takeBack(position);
    for (const id of group.returned ?? []) this.#files?.takeBack(id);
    const replies = group.commands.map((command) => this.#executeOne(command, slabPointer));
    this.#settleAll();
    this.#cleaner.noteWork();
    this.#startFlushes();
    return { replies };
  }

  #executeOne(command: PartitionCommand, slabPointer: number): PartitionReply {
    switch (command.kind) {
      case 'append':
        return this.#append(command, slabPointer);
      case 'write-marker':
        return this.#writeMarker(command);
      case 'describe-producers':
        return this.#settled(command.handle)?.partition.describeProducers() ?? { ...UNKNOWN, producers: [] };
      case 'fetch':
        return this.#fetch(command);
      case 'open':
        return this.#open(command);
      case 'list-offset': {
        const owned = this.#settled(command.handle);
        return owned?.partition.listOffset(command) ?? { ...UNKNOWN, offset: -1, timestamp: -1, leaderEpoch: -1 };
      }
      case 'epoch-end': {
        const owned = this.#settled(command.handle);
        return owned?.partition.epochEnd(command) ?? { ...UNKNOWN, leaderEpoch: -1, endOffset: -1 };
      }
      case 'delete-records':
        return this.#settled(command.handle)?.partition.deleteRecords(command.beforeOffset) ?? NOT_OPEN;
      case 'configure':
        return this.#withOwned(command.handle, (owned) => {
          owned.partition.configure(command.config);
          this.#cleaner.wake();
        });
      case 'maintain':
        return this.#maintain();
      case 'close':
        return this.#close(command.handle, (owned) => owned.partition.close());
      case 'remove':
        return this.#close(command.handle, (owned) => owned.partition.log.remove());
      default:
        return unreachable(command);
    }
  }

  #open(command: OpenCommand): OpenReply {
    const { store, kernels, clock, codecs } = this.#options;
    const known = this.#settled(command.handle);
    if (known !== undefined) return { outcome: 'ok', state: known.partition.state() };
    try {
      const partition = Partition.open(
        Log.open({ ...command, store, kernels, clock, codecs, staging: this.#staging }),
        {
          ...command,
          kernels,
          clock,
          codecs,
        },
      );
      this.#owned.set(command.handle, { handle: command.handle, partition, flushDue: false, flushing: false });
      this.#cleaner.wake();
      return { outcome: 'ok', state: partition.state() };
    } catch (error) {
      const fault = faultOf(error);
      const outcome = fault.code === 'ERR_CORRUPT_LOG' ? 'corrupt-log' : 'storage-error';
      return { outcome, fault, state: undefined };
    }
  }

  #append(command: AppendCommand, slabPointer: number): AppendReply {
    const owned = this.#owned.get(command.handle);
    if (owned === undefined) return { ...NOT_OPEN, ...NO_OFFSETS };
    const { partition } = owned;
    const reply =
      command.bytes === undefined
        ? partition.stage(slabPointer + command.position, command.length, { origin: command.origin, stays: true })
        : this.#stageCopy(partition, command.bytes, command.origin);
    if (partition.hasStaged) this.#staged.add(partition);
    return this.#appended(owned, reply, command.durable);
  }

  #writeMarker(command: WriteMarkerCommand): AppendReply {
    const owned = this.#settled(command.handle);
    if (owned === undefined) return { ...NOT_OPEN, ...NO_OFFSETS };
    return this.#appended(owned, owned.partition.writeMarker(command), command.durable);
  }

  #appended(owned: Owned, reply: AppendReply, durable: boolean): AppendReply {
    if (reply.outcome === 'ok' && (durable || this.#reachedFlushMessages(owned))) this.#wantFlush(owned);
    return reply;
  }

  #stageCopy(partition: Partition, bytes: Uint8Array, origin: AppendOrigin): AppendReply {
    const { kernels } = this.#options;
    try {
      const pointer = kernels.reserve(bytes.length);
      kernels.bytes().set(bytes, pointer);
      return partition.stage(pointer, bytes.length, { origin, stays: false });
    } catch (error) {
      // Memory that cannot grow refuses this one batch; the partition goes on.
      partition.settle();
      return { ...NO_OFFSETS, outcome: 'storage-error', fault: faultOf(error), state: partition.state() };
    }
  }

  /** The partition, with everything written that was staged for it: commands but appends see no less. */
  #settled(handle: PartitionHandle): Owned | undefined {
    const owned = this.#owned.get(handle);
    owned?.partition.settle();
    return owned;
  }

  #settleAll(): void {
    for (const partition of this.#staged) partition.settle();
    this.#staged.clear();
    this.#staging.clear();
  }

  #reachedFlushMessages(owned: Owned): boolean {
    return owned.partition.log.unflushedRecords >= owned.partition.config.flushMessages;
  }

  #fetch(command: FetchCommand): FetchReply {
    let left = command.maxBytes;
    let first = command.minOneBatch;
    const reads: ReadReply[] = [];
    const memory = command.lends === true ? this.#options.lending : undefined;
    const places: ReadPlaces = {
      ahead: memory === undefined ? undefined : this.#ahead,
      files: command.files === true ? this.#files : undefined,
    };
    for (const read of command.reads) {
      const partition = this.#settled(read.handle)?.partition;
      if (partition === undefined) {
        reads.push({ ...NOT_OPEN, records: NO_RECORDS, divergingEpoch: undefined, abortedTransactions: undefined });
        continue;
      }
      const maxBytes = Math.max(0, Math.min(left, read.maxBytes));
      const reply = partition.read(read, { maxBytes, minOneBatch: first, memory }, places);
      const { length } = reply.range ?? reply.records;
      if (length > 0) first = false;
      left -= length;
      if (reply.range !== undefined) reads.push(reply);
      else if (reply.lent !== undefined) reads.push({ ...reply, records: NO_RECORDS });
      else reads.push(memory === undefined ? reply : lentReply(reply, memory));
    }
    return { reads };
  }

  #withOwned(handle: PartitionHandle, action: (owned: Owned) => void): CloseReply {
    const owned = this.#settled(handle);
    if (owned === undefined) return NOT_OPEN;
    action(owned);
    return { outcome: 'ok', state: owned.partition.state() };
  }

  #close(handle: PartitionHandle, action: (owned: Owned) => void): CloseReply {
    const owned = this.#settled(handle);
    if (owned === undefined) return NOT_OPEN;
    this.#owned.delete(handle);
    this.#ahead?.forget(owned.partition);
    try {
      action(owned);
      return { outcome: 'ok', state: owned.partition.state() };
    } catch (error) {
      return { outcome: 'storage-error', fault: faultOf(error), state: owned.partition.state() };
    }
  }

  #wantFlush(owned: Owned): void {
    if (owned.flushDue) return;
    owned.flushDue = true;
    if (!owned.flushing) this.#flushes.push(owned);
  }

  #startFlushes(): void {
    if (this.#flushes.length === 0) return;
    const flushes = this.#flushes;
    this.#flushes = [];
    for (const owned of flushes) void this.#flush(owned);
  }

  /**
   * Group commit: one flush of a partition runs at a time, and whatever asks meanwhile is covered by the next one.
   * It runs beside the groups, so a slow disk under one partition holds up no other.
   */
  async #flush(owned: Owned): Promise<void> {
    const { log } = owned.partition;
    owned.flushing = true;
    while (owned.flushDue && this.#owned.get(owned.handle) === owned) {
      owned.flushDue = false;
      try {
        await log.flush();
      } catch (error) {
        owned.flushing = false;
        this.#options.onEvent({ kind: 'flush-failed', handle: owned.handle, fault: faultOf(error) });
        return;
      }
      this.#options.onEvent({ kind: 'flushed', handle: owned.handle, recoveryPoint: log.recoveryPoint });
    }
    owned.flushing = false;
  }

  /** Retention, rolls by time, flush.ms and the removal of deleted files, for as many partitions as the slice allows. */
  #maintain(): MaintainReply {
    this.#settleAll();
    const { clock } = this.#options;
    const sliceEnd = clock.monotonic() + MAINTAIN_SLICE_MS;
    const states: { handle: PartitionHandle; state: PartitionState }[] = [];
    const faults: { handle: PartitionHandle; fault: FaultRecord }[] = [];
    if (this.#round.length === 0) this.#round = [...this.#owned.keys()];
    while (this.#round.length > 0 && clock.monotonic() < sliceEnd) {
      const handle = present(this.#round.pop(), 'handle of the round');
      const owned = this.#owned.get(handle);
      if (owned === undefined) continue;
      const before = owned.partition.state();
      const fault = this.#maintainOne(owned);
      if (fault !== undefined) faults.push({ handle, fault });
      const state = owned.partition.state();
      if (state !== before) states.push({ handle, state });
    }
    return { finished: this.#round.length === 0, states, faults };
  }

  #maintainOne(owned: Owned): FaultRecord | undefined {
    const { clock } = this.#options;
    const { partition } = owned;
    const { log, config } = partition;
    try {
      const now = clock.now();
      partition.maintain(now);
      const since = log.unflushedSinceMs;
      if (since !== undefined && clock.monotonic() - since >= config.flushMs) this.#wantFlush(owned);
      return undefined;
    } catch (error) {
      return faultOf(error);
    }
  }
}

const UNKNOWN = {
  outcome: 'unknown-partition',
  fault: { code: 'ERR_CLOSED', message: 'the partition is not open here' },
} as const;

const NOT_OPEN = { ...UNKNOWN, state: undefined } as const;

/** Faults are answers; anything else is a bug and ends the thread. */
/** The reply, saying what of it is lent. Written out, because spreading costs a new hidden class each time. */
function lentReply(reply: ReadReply, memory: LendingMemory): ReadReply {
  const { records, lent } = memory.settle(reply.records);
  if (records === reply.records || reply.records.length === 0) return reply;
  const { outcome, state, divergingEpoch, abortedTransactions } = reply;
  assert(outcome === 'ok', 'only a read that went well has records');
  return { outcome, records, lent, state, divergingEpoch, abortedTransactions };
}

function faultOf(error: unknown): FaultRecord {
  if (error instanceof LogFault) return error.toRecord();
  throw error;
}
