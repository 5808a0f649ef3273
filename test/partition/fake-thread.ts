// A slot thread under a test's control: groups wait until the test answers them or lets the thread die.

import type { PartitionCommand, PartitionEvent, PartitionReply, PartitionState } from '../../src/partition/commands.ts';
import type { GroupReply, PartitionGroup, SlotThread, SlotThreadListener } from '../../src/partition/group.ts';

export function stateAt(logEndOffset: number, recoveryPoint = 0): PartitionState {
  return {
    logStartOffset: 0,
    lastStableOffset: logEndOffset,
    highWatermark: logEndOffset,
    logEndOffset,
    recoveryPoint,
    sizeBytes: logEndOffset * 100,
    revision: logEndOffset + recoveryPoint,
  };
}

interface Running {
  readonly group: PartitionGroup;
  readonly resolve: (reply: GroupReply) => void;
  readonly reject: (cause: unknown) => void;
}

/** Answers like an owner whose partitions gain one record per append, and which lends ten bytes for each read. */
export class FakeThread implements SlotThread {
  readonly slabs: readonly [Uint8Array, Uint8Array];
  readonly lending = new Uint8Array(1024).map((_, index) => index & 0xff);
  readonly groups: PartitionGroup[] = [];
  readonly afterTurn: SlotThread['afterTurn'];
  ended = false;
  readonly #listener: SlotThreadListener;
  #running: Running | undefined;
  #arrival: (() => void) | undefined;
  #ends = new Map<number, number>();
  #recoveryPoint = 0;
  /** Handles whose opening kills the thread. */
  readonly #poison: ReadonlySet<number>;

  constructor(
    listener: SlotThreadListener,
    options: {
      readonly slabBytes?: number;
      readonly poison?: ReadonlySet<number>;
      readonly afterTurn?: SlotThread['afterTurn'];
    } = {},
  ) {
    this.afterTurn = options.afterTurn;
    const slabBytes = options.slabBytes ?? 1024;
    this.slabs = [new Uint8Array(slabBytes), new Uint8Array(slabBytes)];
    this.#listener = listener;
    this.#poison = options.poison ?? new Set();
  }

  run(group: PartitionGroup): Promise<GroupReply> {
    if (this.#running !== undefined) throw new Error('two groups in flight');
    this.groups.push(group);
    return new Promise((resolve, reject) => {
      this.#running = { group, resolve, reject };
      this.#arrival?.();
      // Opening needs no help from the test.
      if (group.commands.every((command) => command.kind === 'open')) this.answer();
    });
  }

  end(): Promise<void> {
    this.ended = true;
    return Promise.resolve();
  }

  /** Resolves when a group is in flight. */
  async arrived(): Promise<PartitionGroup> {
    if (this.#running === undefined) {
      await new Promise<void>((resolve) => {
        this.#arrival = resolve;
      });
      this.#arrival = undefined;
    }
    if (this.#running === undefined) throw new Error('no group in flight');
    return this.#running.group;
  }

  /** Answers the group in flight; `recoveryPoint` is what the owner has flushed meanwhile. */
  answer(flushed: { readonly recoveryPoint: number } = { recoveryPoint: 0 }): void {
    this.#recoveryPoint = Math.max(this.#recoveryPoint, flushed.recoveryPoint);
    const running = this.#take();
    if (running.group.commands.some((command) => command.kind === 'open' && this.#poison.has(command.handle))) {
      running.reject(new Error('poisoned'));
      return;
    }
    running.resolve({ replies: running.group.commands.map((command) => this.#reply(command)) });
  }

  answerIfAny(): void {
    if (this.#running !== undefined) this.answer();
  }

  /** Dies in the middle of the group in flight. */
  die(): void {
    this.#take().reject(new Error('the thread died'));
  }

  dieIdle(): void {
    this.#listener.onLost(new Error('the thread died while idle'));
  }

  say(event: PartitionEvent): void {
    this.#listener.onEvent(event);
  }

  #take(): Running {
    const running = this.#running;
    if (running === undefined) throw new Error('no group in flight');
    this.#running = undefined;
    return running;
  }

  #reply(command: PartitionCommand): PartitionReply {
    switch (command.kind) {
      case 'append': {
        const baseOffset = this.#ends.get(command.handle) ?? 0;
        this.#ends.set(command.handle, baseOffset + 1);
        const state = stateAt(baseOffset + 1, this.#recoveryPoint);
        return { outcome: 'ok', baseOffset, lastOffset: baseOffset, logAppendTimeMs: -1, state };
      }
      case 'open':
        return { outcome: 'ok', state: stateAt(command.recoveryPoint, command.recoveryPoint) };
      case 'fetch':
        return {
          reads: command.reads.map(({ handle }) => ({
            outcome: 'ok',
            records: new Uint8Array(0),
            lent: { position: handle * 16, length: 10 },
            state: stateAt(this.#ends.get(handle) ?? 0, this.#recoveryPoint),
            divergingEpoch: undefined,
            abortedTransactions: undefined,
          })),
        };
      default:
        return { outcome: 'ok', state: stateAt(0) };
    }
  }
}
