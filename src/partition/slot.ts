// The dispatching side of one partition-owning thread: collects commands into groups, keeps one group in flight,
// copies record bytes into the slab, and replaces a thread that was lost. It knows nothing of what the commands mean,
// but for opening again what a lost thread had open.

import { assert, present } from '../core/assert.ts';
import type { Logger } from '../core/logger.ts';
import { BorrowedReads, isLent } from './borrowed-reads.ts';
import type {
  AppendCommand,
  AppendOrigin,
  FetchCommand,
  FetchedReads,
  FetchReply,
  OpenCommand,
  OpenReply,
  PartitionCommand,
  PartitionEvent,
  PartitionHandle,
  PartitionReplies,
  PartitionReply,
} from './commands.ts';
import type { GroupReply, SlotThread, SlotThreadListener } from './group.ts';
import { GroupPace } from './group-pace.ts';
import { lostReply } from './lost-reply.ts';
import { SlabPair } from './slab-pair.ts';
import type { TailCache } from './tail-cache.ts';

/** Partitions opened by one group after a thread was lost: small enough to find one that kills its owner. */
const REOPEN_GROUP = 256;

const NO_RELEASE = (): void => undefined;

/** An append, which is told where its records lie once they are placed. */
interface PlacedAppend extends AppendCommand {
  position: number;
  bytes: Uint8Array | undefined;
}

interface Submission {
  readonly command: PartitionCommand;
  /** The command, where it is an append. */
  readonly append: PlacedAppend | undefined;
  /** Record bytes of an append, unchanged until it is answered: a group that was never sent can be built again. */
  readonly records: Uint8Array | undefined;
  readonly settle: (reply: PartitionReply) => void;
}

export interface SlotOptions {
  readonly startThread: (listener: SlotThreadListener) => SlotThread;
  /** Hears the events of the thread that serves the slot; what one says that was replaced holds no more. */
  readonly onEvent: (event: PartitionEvent) => void;
  /** How a partition must be opened again, from its last known state; undefined when it is not open. */
  readonly reopenCommand: (handle: PartitionHandle) => OpenCommand | undefined;
  readonly onReopened: (handle: PartitionHandle, reply: OpenReply) => void;
  /** Called when the thread is lost, before anything is opened again. */
  readonly onLost: (cause: unknown) => void;
  /** Learns of every append, with the bytes of the log while the slab holds them. */
  readonly tails: TailCache;
  readonly logger: Logger;
}

export class Slot {
  readonly #options: SlotOptions;
  readonly #owned = new Set<PartitionHandle>();
  #thread: SlotThread;
  #slabs: SlabPair;
  /** What the next group is made of; its records already lie in the slab. */
  #filling: Submission[] = [];
  #inFlight: Submission[] = [];
  /** Where the records of the group in flight lie. */
  #slabInFlight: 0 | 1 = 0;
  /** What no slab could take yet; everything behind it waits too, so that order holds. */
  #overflow: Submission[] = [];
  #writable: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;
  /** Positions of what was lent and came back since the last group. */
  #released: number[] = [];
  /** Ids of ranges of files that came back since. */
  #returned: number[] = [];
  /** The group being filled holds an append that no slab could hold. */
  #oversized = false;
  #dispatchDue = false;
  readonly #pace = new GroupPace();
  #turnEndDue = false;
  readonly #turnEnded = (): void => {
    this.#turnEndDue = false;
    this.#dispatch();
  };
  #running = false;
  #recovering = false;
  #ended = false;

  constructor(options: SlotOptions) {
    this.#options = options;
    this.#thread = this.#startThread();
    this.#slabs = new SlabPair(this.#thread.slabs);
  }

  /** Commands waiting and in flight. */
  get queueLength(): number {
    return this.#filling.length + this.#inFlight.length + this.#overflow.length;
  }

  /** Undefined while the slabs take what comes, else resolves when nothing waits for room any more. */
  whenWritable(): Promise<void> | undefined {
    if (this.#overflow.length === 0) return undefined;
    if (this.#writable === undefined) {
      let resolve = (): void => {};
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      this.#writable = { promise, resolve };
    }
    return this.#writable.promise;
  }

  /** Submits a command that carries no record bytes. */
  submit<K extends Exclude<PartitionCommand['kind'], 'append'>>(
    command: Extract<PartitionCommand, { kind: K }>,
  ): Promise<PartitionReplies[K]> {
    return new Promise((resolve) => {
      this.#enqueue({
        command,
        append: undefined,
        records: undefined,
        settle: resolve as (reply: PartitionReply) => void,
      });
    });
  }

  /** Submits a fetch of partitions of this slot. */
  async fetch(command: FetchCommand): Promise<FetchedReads> {
    const fetched = await this.#fetch(command);
    // A file has gone meanwhile: its bytes are asked for themselves, and of whatever is in its place.
    return fetched ?? present(await this.#fetch({ ...command, files: false }), 'reads without files');
  }

  /** Undefined where a file that was lent cannot be had. */
  #fetch(command: FetchCommand): Promise<FetchedReads | undefined> {
    return new Promise((resolve) => {
      const settle = (reply: FetchReply): void => resolve(this.#borrowed(reply));
      this.#enqueue({
        command,
        append: undefined,
        records: undefined,
        settle: settle as (reply: PartitionReply) => void,
      });
    });
  }

  /** Shows what the thread that has just answered has lent. Undefined where not all of it can be had. */
  #borrowed({ reads }: FetchReply): FetchedReads | undefined {
    if (!reads.some(isLent)) return { reads, release: NO_RELEASE };
    const borrowed = new BorrowedReads(this.#thread, reads);
    const thread = this.#thread;
    const release = (): void => {
      borrowed.close();
      // What a thread has lent that was lost went with it, but for its files.
      if (thread !== this.#thread) return;
      this.#released.push(...borrowed.positions);
      this.#returned.push(...borrowed.ranges);
    };
    if (borrowed.isWhole) return { reads: borrowed.reads, release };
    release();
    return undefined;
  }

  /** Submits an append; `settle` is called once, with its reply. */
  append(
    handle: PartitionHandle,
    records: Uint8Array,
    options: {
      readonly durable: boolean;
      readonly origin: AppendOrigin;
      readonly settle: (reply: PartitionReplies['append']) => void;
    },
  ): void {
    const append: PlacedAppend = {
      kind: 'append',
      handle,
      position: -1,
      length: records.length,
      bytes: undefined,
      durable: options.durable,
      origin: options.origin,
    };
    const settle = options.settle as (reply: PartitionReply) => void;
    this.#enqueue({ command: append, append, records, settle });
  }

  /** Ends the thread; whatever waits is answered as lost. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#thread.end();
    this.#settleLost([...this.#inFlight, ...this.#filling, ...this.#overflow]);
    this.#inFlight = [];
    this.#filling = [];
    this.#overflow = [];
    this.#releaseWriters();
  }

  #enqueue(submission: Submission): void {
    if (this.#ended) {
      submission.settle(lostReply(submission.command));
      return;
    }
    const mustWait = this.#recovering || this.#overflow.length > 0;
    if (mustWait || !this.#place(submission)) this.#overflow.push(submission);
    this.#dispatchSoon();
  }

  /** Puts a submission into the group being filled; false when its records find no room in the slab. */
  #place(submission: Submission): boolean {
    const { append, records } = submission;
    if (append === undefined || records === undefined) {
      this.#filling.push(submission);
      return true;
    }
    if (records.length > this.#slabs.capacity) {
      // Too large for a slab: it travels by itself, one per group, so that memory stays bounded.
      if (this.#oversized && this.#slabs.capacity > 0) return false;
      this.#oversized = true;
      append.bytes = records;
      this.#filling.push(submission);
      return true;
    }
    const position = this.#slabs.copyIn(records);
    if (position < 0) return false;
    append.position = position;
    this.#filling.push(submission);
    return true;
  }

  #dispatchSoon(): void {
    if (this.#running || this.#recovering || this.#dispatchDue) return;
    const { afterTurn } = this.#thread;
    if (afterTurn !== undefined && this.#pace.holdsBack(this.#filling.length)) {
      if (this.#turnEndDue) return;
      this.#turnEndDue = true;
      afterTurn(this.#turnEnded);
      return;
    }
    this.#dispatchDue = true;
    // A microtask later, so that frames which arrived by one read of a socket travel in one group.
    queueMicrotask(() => {
      this.#dispatchDue = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    if (this.#running || this.#recovering || this.#ended || this.#filling.length === 0) return;
    this.#running = true;
    this.#inFlight = this.#filling;
    this.#pace.sent(this.#inFlight.length);
    this.#filling = [];
    const slab = this.#slabs.swap();
    this.#slabInFlight = slab;
    this.#oversized = false;
    this.#refill();
    const commands = this.#inFlight.map((submission) => submission.command);
    const thread = this.#thread;
    const released = this.#released;
    const returned = this.#returned.length > 0 ? this.#returned : undefined;
    this.#released = [];
    this.#returned = [];
    thread.run({ slab, commands, released, returned }).then(
      (reply) => {
        if (thread === this.#thread && this.#running) this.#complete(reply);
      },
      (cause: unknown) => {
        if (thread === this.#thread) this.#lost(cause);
      },
    );
  }

  /** Moves what waited for room into the slab that has just become free. */
  #refill(): void {
    const waiting = this.#overflow;
    if (waiting.length === 0) return;
    let taken = 0;
    while (taken < waiting.length && this.#place(present(waiting[taken], 'waiting submission'))) taken++;
    this.#overflow = waiting.slice(taken);
    if (this.#overflow.length === 0) this.#releaseWriters();
  }

  #complete(reply: GroupReply): void {
    const finished = this.#inFlight;
    assert(reply.replies.length === finished.length, 'an owner answers every command of a group');
    this.#inFlight = [];
    this.#running = false;
    // Before the slab is filled anew.
    if (this.#options.tails.isWatching) this.#noteAppends(finished, reply);
    this.#dispatch();
    for (let index = 0; index < finished.length; index++) {
      const submission = present(finished[index], 'finished submission');
      const answer = present(reply.replies[index], 'reply');
      this.#follow(submission.command, answer);
      submission.settle(answer);
    }
  }

  #noteAppends(finished: readonly Submission[], { replies }: GroupReply): void {
    const { tails } = this.#options;
    const slab = this.#thread.slabs[this.#slabInFlight];
    for (let index = 0; index < finished.length; index++) {
      const { command } = present(finished[index], 'finished submission');
      const reply = present(replies[index], 'reply');
      if (command.kind !== 'append' || !('baseOffset' in reply) || reply.outcome !== 'ok') continue;
      const { handle, position, length } = command;
      const isKnown = reply.isInPlace === true && command.bytes === undefined;
      tails.noteAppend(handle, isKnown ? slab.subarray(position, position + length) : undefined, reply);
    }
  }

  /** Keeps the list of partitions that a new thread would have to open. */
  #follow(command: PartitionCommand, reply: PartitionReply): void {
    if (command.kind === 'open' && 'outcome' in reply && reply.outcome === 'ok') this.#owned.add(command.handle);
    if (command.kind === 'close' || command.kind === 'remove') this.#owned.delete(command.handle);
  }

  #settleLost(submissions: readonly Submission[]): void {
    for (const submission of submissions) submission.settle(lostReply(submission.command));
  }

  #startThread(): SlotThread {
    const thread = this.#options.startThread({
      onEvent: (event) => {
        if (thread === this.#thread) this.#options.onEvent(event);
      },
      onLost: (cause) => {
        if (thread === this.#thread) this.#lost(cause);
      },
    });
    return thread;
  }

  #lost(cause: unknown): void {
    if (this.#recovering) return;
    this.#running = false;
    const lost = this.#inFlight;
    this.#inFlight = [];
    if (this.#ended) {
      this.#settleLost(lost);
      return;
    }
    this.#recovering = true;
    this.#options.onLost(cause);
    this.#settleLost(lost);
    this.#replaceThread().then(
      () => {
        this.#recovering = false;
        this.#refill();
        this.#dispatch();
      },
      (failure: unknown) => {
        this.#options.logger.error('a partition owner could not be replaced', { cause: String(failure) });
        void this.end();
      },
    );
  }

  /**
   * Starts a new thread and opens there what the lost one had open. When opening kills the thread too, the groups are
   * halved until one partition stands alone as the cause; that one stays closed and the others go on.
   */
  async #replaceThread(): Promise<void> {
    let groupSize = REOPEN_GROUP;
    for (;;) {
      await this.#startAgain();
      const killers = await this.#reopenAll(groupSize);
      if (killers === undefined) return;
      const [only] = killers;
      if (killers.length === 1 && only !== undefined) this.#giveUp(only);
      else groupSize = Math.ceil(groupSize / 2);
    }
  }

  async #startAgain(): Promise<void> {
    await this.#thread.end();
    this.#thread = this.#startThread();
    this.#slabs = new SlabPair(this.#thread.slabs);
    this.#oversized = false;
    this.#released = [];
    this.#returned = [];
    // What lay in the slab died with it, but it had not been sent: it is placed again when the partitions are open.
    this.#overflow = [...this.#filling, ...this.#overflow];
    this.#filling = [];
  }

  /** Opens every owned partition; returns the group that ended the thread, or undefined when all went through. */
  async #reopenAll(groupSize: number): Promise<readonly OpenCommand[] | undefined> {
    const commands: OpenCommand[] = [];
    for (const handle of this.#owned) {
      const command = this.#options.reopenCommand(handle);
      if (command !== undefined) commands.push(command);
    }
    for (let index = 0; index < commands.length; index += groupSize) {
      const group = commands.slice(index, index + groupSize);
      try {
        const { replies } = await this.#thread.run({ slab: 0, commands: group, released: [] });
        group.forEach((command, position) => {
          const reply = replies[position] as OpenReply;
          // What did not open here may be opened elsewhere.
          if (reply.outcome !== 'ok') this.#owned.delete(command.handle);
          this.#options.onReopened(command.handle, reply);
        });
      } catch {
        return group;
      }
    }
    return undefined;
  }

  #giveUp(command: OpenCommand): void {
    this.#owned.delete(command.handle);
    const fault = {
      code: 'ERR_WORKER_LOST' as const,
      message: `${command.directory}: opening it again ended its owner, so it stays closed`,
    };
    this.#options.logger.error(fault.message);
    this.#options.onReopened(command.handle, { outcome: 'worker-lost', fault, state: undefined });
  }

  #releaseWriters(): void {
    const writable = this.#writable;
    this.#writable = undefined;
    writable?.resolve();
  }
}
