// The unit that crosses to a partition's owner: all commands that arrived while the last group was being executed.
// One group is in flight per slot, so batching, group commit and order come from this one rule.

import type { FileRange } from '../core/file-range.ts';
import type { LentRange, PartitionCommand, PartitionEvent, PartitionReply } from './commands.ts';

export interface PartitionGroup {
  /** Which of the slot's two slabs holds the record bytes of this group. */
  readonly slab: 0 | 1;
  readonly commands: readonly PartitionCommand[];
  /** Positions of what was lent and is not used any more. */
  readonly released: readonly number[];
  /** Ids of lent ranges of files that are not used any more; absent for none. */
  readonly returned?: readonly number[] | undefined;
}

export interface GroupReply {
  /** One reply per command, in order. */
  readonly replies: readonly PartitionReply[];
}

/** A range of a file that is open. */
export interface OpenRange {
  readonly file: FileRange;
  close(): void;
}

/** One thread that owns partitions, seen from the dispatching side. */
export interface SlotThread {
  /**
   * The two inbound slabs: the dispatcher fills one while the owner works on the other. Empty ones where owner and
   * dispatcher share a thread: record bytes are then handed over by reference, in the command.
   */
  readonly slabs: readonly [Uint8Array, Uint8Array];
  /** The memory from which the owner lends what it read; absent where it gives everything away. */
  readonly lending?: Uint8Array | undefined;
  /** Opens what the owner lends of its files; undefined where the file cannot be had. Absent where they are not lent. */
  readonly openRange?: ((range: LentRange) => OpenRange | undefined) | undefined;
  /** Executes one group; bytes in its commands must stay unchanged until it is done. Rejects when the thread was lost or met a bug: it must then be ended and replaced. */
  run(group: PartitionGroup): Promise<GroupReply>;
  /** Calls back once the dispatcher has taken what had arrived for it; absent where groups are sent at once. */
  readonly afterTurn?: ((action: () => void) => void) | undefined;
  /** Resolves when the thread is gone and holds no file any more. */
  end(): Promise<void>;
}

/** What a thread tells the dispatching side without being asked. */
export interface SlotThreadListener {
  onEvent(event: PartitionEvent): void;
  /** The thread is gone, whether or not a group was in flight. */
  onLost(cause: unknown): void;
}

export type SlotThreadFactory = (slot: number, listener: SlotThreadListener) => SlotThread;
