// The PartitionExecutor over a set of slots: starts slots as partitions come, mirrors every partition's state on the
// dispatching side, lets durable appends wait for the flush that covers them, and answers readers at the end of a log from
// what was appended last, where that is kept.

import { assert, present } from '../core/assert.ts';
import type { FaultRecord } from '../core/fault.ts';
import { SLOT_PARTITIONS_MIN } from '../core/limits.ts';
import type { Logger } from '../core/logger.ts';
import {
  type AppendOrigin,
  type AppendReply,
  type CloseReply,
  type ConfigureCommand,
  type DeleteRecordsCommand,
  type DeleteRecordsReply,
  type DescribeProducersReply,
  type EpochEndCommand,
  type EpochEndReply,
  type FetchCommand,
  type FetchedReads,
  type ListOffsetCommand,
  type ListOffsetReply,
  type MaintainReply,
  type OpenCommand,
  type OpenReply,
  type PartitionEvent,
  type PartitionExecutor,
  type PartitionHandle,
  type PartitionState,
  type ReadReply,
  recordsOf,
  type WriteMarkerCommand,
} from './commands.ts';
import type { SlotThreadFactory } from './group.ts';
import { LOST_APPEND } from './lost-reply.ts';
import { Slot } from './slot.ts';
import { SlotPlacement } from './slot-placement.ts';
import { type Standing, TailCache } from './tail-cache.ts';

interface DurableWait {
  readonly reply: AppendReply;
  readonly settle: (reply: AppendReply) => void;
}

/** What the dispatching side keeps of one open partition. */
interface Mirror {
  /** As it was opened, with the config of the last `configure`. */
  open: OpenCommand;
  state: PartitionState;
  /** Durable appends that are written and wait for their flush, by rising offset. */
  waits: DurableWait[];
  /** The flush that failed; nothing is durable any more until the partition is opened again. */
  flushFault: FaultRecord | undefined;
}

const NO_RELEASE = (): void => undefined;

export interface SlotExecutorOptions {
  /** How many slots there may be. The first is started at once, others where there are partitions enough for them. */
  readonly slots: number;
  /** Partitions in every started slot before a further one is started. */
  readonly slotPartitionsMin?: number | undefined;
  readonly startThread: SlotThreadFactory;
  /** Hears of record bytes that were copied into buffers of their own, for whoever paces garbage collection by them. */
  readonly onBytesCopied?: ((bytes: number) => void) | undefined;
  readonly logger: Logger;
}

export class SlotExecutor implements PartitionExecutor {
  readonly #options: SlotExecutorOptions;
  /** Those that were started. */
  readonly #slots: Slot[] = [];
  readonly #placement: SlotPlacement;
  readonly #mirrors = new Map<PartitionHandle, Mirror>();
  readonly #tails = new TailCache();
  readonly #listeners: ((handle: PartitionHandle, state: PartitionState) => void)[] = [];
  readonly #logger: Logger;
  #closed = false;
  readonly #standingOf = (handle: PartitionHandle): Standing | undefined => {
    const mirror = this.#mirrors.get(handle);
    return mirror === undefined ? undefined : { state: mirror.state, leaderEpoch: mirror.open.leaderEpoch };
  };

  constructor(options: SlotExecutorOptions) {
    const { slots, slotPartitionsMin = SLOT_PARTITIONS_MIN } = options;
    assert(slots >= 1, 'an executor has at least one slot');
    this.#options = options;
    this.#logger = options.logger;
    this.#placement = new SlotPlacement({ slotsMax: slots, slotPartitionsMin });
    this.#startSlot();
  }

  async open(command: Omit<OpenCommand, 'kind'>): Promise<OpenReply> {
    const open: OpenCommand = { kind: 'open', ...command };
    const reply = await this.#place(open).submit(open);
    if (reply.state !== undefined) {
      this.#mirrors.set(open.handle, { open, state: reply.state, waits: [], flushFault: undefined });
      this.#announce(open.handle, reply.state);
    } else if (reply.outcome !== 'worker-lost') {
      this.#placement.release(open.handle);
    }
    return reply;
  }

  append(handle: PartitionHandle, records: Uint8Array, durable: boolean): Promise<AppendReply> {
    return this.#append(handle, records, { durable, origin: 'client' });
  }

  appendFromCoordinator(handle: PartitionHandle, records: Uint8Array, durable: boolean): Promise<AppendReply> {
    return this.#append(handle, records, { durable, origin: 'coordinator' });
  }

  async writeMarker(command: Omit<WriteMarkerCommand, 'kind'>): Promise<AppendReply> {
    const { handle, durable } = command;
    const reply = await this.#slotOf(handle).submit({ kind: 'write-marker', ...command });
    return new Promise((settle) => this.#appended(handle, { reply, settle }, durable));
  }

  async describeProducers(handle: PartitionHandle): Promise<DescribeProducersReply> {
    return this.#slotOf(handle).submit({ kind: 'describe-producers', handle });
  }

  #append(
    handle: PartitionHandle,
    records: Uint8Array,
    { durable, origin }: { readonly durable: boolean; readonly origin: AppendOrigin },
  ): Promise<AppendReply> {
    return new Promise((resolve) => {
      this.#slotOf(handle).append(handle, records, {
        durable,
        origin,
        settle: (reply) => this.#appended(handle, { reply, settle: resolve }, durable),
      });
    });
  }

  async fetch(request: Omit<FetchCommand, 'kind'>): Promise<FetchedReads> {
    const [first] = request.reads;
    if (first === undefined) return { reads: [], release: NO_RELEASE };
    const known = this.#tails.answer(request, this.#standingOf);
    if (known !== undefined) return this.#copied(known);
    const slot = this.#slotOf(first.handle);
    if (request.reads.every((read) => this.#slotOf(read.handle) === slot)) {
      const reply = await slot.fetch({ kind: 'fetch', ...request });
      this.#mirrorReads(request, reply.reads);
      return reply;
    }
    return this.#fetchAcross(request);
  }

  #copied(reads: readonly ReadReply[]): FetchedReads {
    const { onBytesCopied } = this.#options;
    if (onBytesCopied !== undefined) onBytesCopied(reads.reduce((bytes, { records }) => bytes + records.length, 0));
    return { reads, release: NO_RELEASE };
  }

  async listOffset(command: Omit<ListOffsetCommand, 'kind'>): Promise<ListOffsetReply> {
    return this.#slotOf(command.handle).submit({ kind: 'list-offset', ...command });
  }

  async epochEnd(command: Omit<EpochEndCommand, 'kind'>): Promise<EpochEndReply> {
    return this.#slotOf(command.handle).submit({ kind: 'epoch-end', ...command });
  }

  async deleteRecords(command: Omit<DeleteRecordsCommand, 'kind'>): Promise<DeleteRecordsReply> {
    const reply = await this.#slotOf(command.handle).submit({ kind: 'delete-records', ...command });
    this.#mirror(command.handle, reply.state);
    return reply;
  }

  async configure(command: Omit<ConfigureCommand, 'kind'>): Promise<CloseReply> {
    const reply = await this.#slotOf(command.handle).submit({ kind: 'configure', ...command });
    const mirror = this.#mirrors.get(command.handle);
    if (mirror !== undefined) mirror.open = { ...mirror.open, config: command.config };
    return reply;
  }

  async maintain(): Promise<MaintainReply> {
    this.#tails.clear();
    const rounds = await Promise.all(this.#slots.map((slot) => this.#maintainSlot(slot)));
    return {
      finished: true,
      states: rounds.flatMap((round) => round.states),
      faults: rounds.flatMap((round) => round.faults),
    };
  }

  async closePartition(handle: PartitionHandle): Promise<CloseReply> {
    const reply = await this.#slotOf(handle).submit({ kind: 'close', handle });
    this.#forget(handle, reply);
    return reply;
  }

  async remove(handle: PartitionHandle): Promise<CloseReply> {
    const reply = await this.#slotOf(handle).submit({ kind: 'remove', handle });
    this.#forget(handle, reply);
    return reply;
  }

  state(handle: PartitionHandle): PartitionState | undefined {
    return this.#mirrors.get(handle)?.state;
  }

  onStateChange(listener: (handle: PartitionHandle, state: PartitionState) => void): void {
    this.#listeners.push(listener);
  }

  whenWritable(): Promise<void> | undefined {
    let waits: Promise<void>[] | undefined;
    for (const slot of this.#slots) {
      const wait = slot.whenWritable();
      if (wait !== undefined) {
        waits ??= [];
        waits.push(wait);
      }
    }
    return waits === undefined ? undefined : Promise.all(waits).then(() => undefined);
  }

  queueLengths(): readonly number[] {
    return this.#slots.map((slot) => slot.queueLength);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#slots.map((slot) => slot.end()));
    for (const mirror of this.#mirrors.values()) this.#failWaits(mirror);
    this.#mirrors.clear();
  }

  #slotOf(handle: PartitionHandle): Slot {
    return present(this.#slots[this.#placement.slotOf(handle)], 'slot');
  }

  /** The slot in which a partition is to be opened, started for it where that pays. */
  #place({ handle, internal = false }: OpenCommand): Slot {
    if (!this.#closed && this.#placement.wantsSlot(handle, internal)) this.#startFurtherSlot();
    return present(this.#slots[this.#placement.place(handle, internal)], 'slot');
  }

  #startFurtherSlot(): void {
    try {
      this.#startSlot();
    } catch (cause) {
      // No memory for it, or no thread: those that run serve on.
      this.#placement.startNoMore();
      this.#logger.error('a further partition owner could not be started', { cause: String(cause) });
    }
  }

  #startSlot(): void {
    const slot = this.#slots.length;
    this.#slots.push(
      new Slot({
        startThread: (listener) => this.#options.startThread(slot, listener),
        onEvent: (event) => this.#hear(event),
        reopenCommand: (handle) => this.#reopenCommand(handle),
        onReopened: (handle, reply) => this.#reopened(handle, reply),
        onLost: (cause) => this.#slotLost(slot, cause),
        tails: this.#tails,
        logger: this.#logger,
      }),
    );
    this.#placement.started();
  }

  async #maintainSlot(slot: Slot): Promise<MaintainReply> {
    const states: MaintainReply['states'][number][] = [];
    const faults: MaintainReply['faults'][number][] = [];
    for (;;) {
      const reply = await slot.submit({ kind: 'maintain' });
      for (const { handle, state } of reply.states) this.#mirror(handle, state);
      states.push(...reply.states);
      faults.push(...reply.faults);
      if (reply.finished) return { finished: true, states, faults };
    }
  }

  /**
   * A fetch over several slots: each reads with the whole budget at the same time, and what goes beyond it is left out
   * of the answer again, so that no slot waits for another.
   */
  async #fetchAcross(request: Omit<FetchCommand, 'kind'>): Promise<FetchedReads> {
    const indexes = new Map<Slot, number[]>();
    request.reads.forEach((read, index) => {
      const slot = this.#slotOf(read.handle);
      const list = indexes.get(slot);
      if (list === undefined) indexes.set(slot, [index]);
      else list.push(index);
    });
    const reads = new Array<ReadReply>(request.reads.length);
    const replies = await Promise.all(
      [...indexes].map(async ([slot, list]) => {
        const part = list.map((index) => present(request.reads[index], 'read'));
        const reply = await slot.fetch({ kind: 'fetch', ...request, reads: part });
        // Not only when the last slot has answered: an owner may be lost by then, and its partitions begin anew.
        this.#mirrorReads({ ...request, reads: part }, reply.reads);
        list.forEach((index, position) => {
          reads[index] = present(reply.reads[position], 'read reply');
        });
        return reply;
      }),
    );
    return {
      reads: withinBudget(reads, request),
      release: () => {
        for (const reply of replies) reply.release();
      },
    };
  }

  #mirrorReads({ reads, maxBytes }: Omit<FetchCommand, 'kind'>, replies: readonly ReadReply[]): void {
    for (let index = 0; index < replies.length; index++) {
      const read = present(reads[index], 'read');
      const reply = present(replies[index], 'read reply');
      this.#mirror(read.handle, reply.state);
      this.#tails.noteRead(read, reply, maxBytes);
    }
  }

  #appended(handle: PartitionHandle, wait: DurableWait, durable: boolean): void {
    const { reply } = wait;
    this.#mirror(handle, reply.state);
    const mirror = this.#mirrors.get(handle);
    if (!durable || reply.outcome !== 'ok' || mirror === undefined) {
      wait.settle(reply);
    } else if (mirror.state.recoveryPoint > reply.lastOffset) {
      wait.settle({ ...reply, state: mirror.state });
    } else if (mirror.flushFault !== undefined) {
      wait.settle(notDurable(reply, mirror.flushFault));
    } else {
      mirror.waits.push(wait);
    }
  }

  /**
   * Takes a later state over. Events and replies come by different ways, and replies of one group are looked at in any
   * order: an earlier state must not undo a later one, or records stay hidden until the next append.
   */
  #mirror(handle: PartitionHandle, state: PartitionState | undefined): void {
    const mirror = this.#mirrors.get(handle);
    if (mirror === undefined || state === undefined || state.revision <= mirror.state.revision) return;
    const { recoveryPoint, logEndOffset } = mirror.state;
    if (state.logEndOffset < logEndOffset) this.#tails.forget(handle);
    mirror.state = state.recoveryPoint >= recoveryPoint ? state : { ...state, recoveryPoint };
    this.#settleFlushed(mirror);
    this.#announce(handle, mirror.state);
  }

  /** Answers the durable appends that the recovery point covers by now, by whichever way the news came. */
  #settleFlushed(mirror: Mirror): void {
    const { recoveryPoint } = mirror.state;
    let covered = 0;
    while (covered < mirror.waits.length && present(mirror.waits[covered], 'wait').reply.lastOffset < recoveryPoint) {
      covered++;
    }
    if (covered === 0) return;
    for (const { reply, settle } of mirror.waits.splice(0, covered)) settle({ ...reply, state: mirror.state });
  }

  #announce(handle: PartitionHandle, state: PartitionState): void {
    for (const listener of this.#listeners) listener(handle, state);
  }

  #hear(event: PartitionEvent): void {
    const mirror = this.#mirrors.get(event.handle);
    if (mirror === undefined) return;
    if (event.kind === 'flushed') {
      this.#flushed(event.handle, mirror, event.recoveryPoint);
      return;
    }
    if (event.kind === 'compacted') {
      this.#tails.forget(event.handle);
      this.#mirror(event.handle, event.state);
      return;
    }
    if (event.kind === 'compaction-failed') {
      this.#logger.error('a log could not be compacted', { partition: mirror.open.directory, ...event.fault });
      return;
    }
    mirror.flushFault = event.fault;
    this.#logger.error('a flush failed; the partition is read-only', {
      partition: mirror.open.directory,
      ...event.fault,
    });
    const waits = mirror.waits;
    mirror.waits = [];
    for (const { reply, settle } of waits) settle(notDurable(reply, event.fault));
  }

  #flushed(handle: PartitionHandle, mirror: Mirror, recoveryPoint: number): void {
    if (recoveryPoint <= mirror.state.recoveryPoint) return;
    mirror.state = { ...mirror.state, recoveryPoint };
    this.#settleFlushed(mirror);
    this.#announce(handle, mirror.state);
  }

  #forget(handle: PartitionHandle, { outcome, state: last }: CloseReply): void {
    // Of a lost owner only the one that takes its place can say whether the partition is closed.
    if (outcome !== 'worker-lost') this.#placement.release(handle);
    const mirror = this.#mirrors.get(handle);
    if (mirror === undefined) return;
    // Closing flushes: what waited is durable when the close says so.
    if (last !== undefined) this.#flushed(handle, mirror, last.recoveryPoint);
    this.#failWaits(mirror);
    this.#mirrors.delete(handle);
    this.#tails.forget(handle);
  }

  #failWaits(mirror: Mirror): void {
    const waits = mirror.waits;
    mirror.waits = [];
    for (const { settle } of waits) settle(LOST_APPEND);
  }

  #reopenCommand(handle: PartitionHandle): OpenCommand | undefined {
    const mirror = this.#mirrors.get(handle);
    if (mirror === undefined) return undefined;
    const { logStartOffset, recoveryPoint } = mirror.state;
    return { ...mirror.open, logStartOffset, recoveryPoint, cleanShutdown: false };
  }

  #slotLost(slot: number, cause: unknown): void {
    this.#logger.error('a partition owner was lost; its partitions are opened again', { slot, cause: String(cause) });
    for (const [handle, mirror] of this.#mirrors) {
      if (this.#placement.slotOf(handle) !== slot) continue;
      this.#failWaits(mirror);
      this.#tails.forget(handle);
    }
  }

  #reopened(handle: PartitionHandle, reply: OpenReply): void {
    const mirror = this.#mirrors.get(handle);
    if (mirror === undefined) return;
    if (reply.state === undefined) {
      this.#logger.error('a partition could not be opened again', {
        partition: mirror.open.directory,
        ...reply.fault,
      });
      this.#mirrors.delete(handle);
      this.#placement.release(handle);
      return;
    }
    mirror.flushFault = undefined;
    mirror.state = reply.state;
    this.#tails.forget(handle);
    this.#announce(handle, reply.state);
  }
}

function notDurable(reply: AppendReply, fault: FaultRecord): AppendReply {
  return { ...reply, outcome: 'storage-error', fault, baseOffset: -1, lastOffset: -1 };
}

/** Empties the reads that go beyond the budget; the first one with records stays whatever its size (KIP-74). */
function withinBudget(reads: readonly ReadReply[], request: Omit<FetchCommand, 'kind'>): readonly ReadReply[] {
  let left = request.maxBytes;
  let first = request.minOneBatch;
  return reads.map((read) => {
    const { length } = recordsOf(read);
    if (length === 0) return read;
    if (length > left && !first) return { ...read, records: read.records.subarray(0, 0), file: undefined };
    first = false;
    left -= length;
    return read;
  });
}
