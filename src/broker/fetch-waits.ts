// Fetches that wait for records. A wait hangs on its partitions and is touched only when one of them moves, so that a
// thousand idle long polls cost nothing. It reads no records and knows no sessions.

import type { Clock } from '../core/platform.ts';
import type { PartitionState } from '../partition/commands.ts';
import { type Deadline, Deadlines } from './deadlines.ts';
import type { ConnectionContext } from './request-handler.ts';
import type { PartitionWait, RoutedPartition } from './router.ts';

/** Why a wait ended: there may be enough bytes, a partition changed otherwise, time is over, or nobody listens. */
export type WakeReason = 'bytes' | 'changed' | 'deadline' | 'closed';

export interface FetchWaitOptions {
  readonly connection: ConnectionContext;
  readonly partitions: readonly RoutedPartition[];
  /** New bytes, of all partitions together, that end the wait. */
  readonly bytes: number;
  /** Whether only bytes below the last stable offset count. */
  readonly stable: boolean;
  /** On the monotonic clock. */
  readonly deadlineMs: number;
}

/**
 * Bytes that became readable between two states. How many lie between two last stable offsets is known to the log alone:
 * where a transaction was or is open, an advance counts for any number, and whoever waits looks again.
 */
export function arrivedBytes(before: PartitionState, after: PartitionState, stable: boolean): number {
  const grown = after.highWatermark > before.highWatermark ? Math.max(1, after.sizeBytes - before.sizeBytes) : 0;
  if (!stable) return grown;
  const settled = before.lastStableOffset === before.highWatermark && after.lastStableOffset === after.highWatermark;
  if (settled) return grown;
  return after.lastStableOffset > before.lastStableOffset ? Number.POSITIVE_INFINITY : 0;
}

/** One waiting fetch. */
export class FetchWait implements Deadline, PartitionWait {
  readonly deadlineMs: number;
  heapIndex = -1;
  readonly connection: ConnectionContext;
  readonly partitions: readonly RoutedPartition[];
  bytesLeft: number;
  readonly stable: boolean;
  readonly #waits: FetchWaits;
  readonly #resolve: (reason: WakeReason) => void;

  constructor(waits: FetchWaits, options: FetchWaitOptions, resolve: (reason: WakeReason) => void) {
    this.#waits = waits;
    this.connection = options.connection;
    this.partitions = options.partitions;
    this.bytesLeft = options.bytes;
    this.stable = options.stable;
    this.deadlineMs = options.deadlineMs;
    this.#resolve = resolve;
  }

  expire(): void {
    this.end('deadline');
  }

  end(reason: WakeReason): void {
    this.#waits.forget(this);
    this.#resolve(reason);
  }
}

export class FetchWaits {
  readonly #deadlines: Deadlines;
  readonly #byConnection = new Map<ConnectionContext, Set<FetchWait>>();
  #closed = false;

  constructor(clock: Clock) {
    this.#deadlines = new Deadlines(clock);
  }

  /** Fetches waiting now. */
  get size(): number {
    return this.#deadlines.size;
  }

  /** Resolves when enough bytes have come, a partition changed otherwise, the deadline passed or the connection ended. */
  wait(options: FetchWaitOptions): Promise<WakeReason> {
    if (options.connection.closed.aborted) return Promise.resolve('closed');
    if (this.#closed) return Promise.resolve('deadline');
    return new Promise((resolve) => {
      const wait = new FetchWait(this, options, resolve);
      for (const partition of wait.partitions) {
        partition.waits ??= new Set();
        partition.waits.add(wait);
      }
      this.#follow(wait);
      this.#deadlines.add(wait);
    });
  }

  /** One listener per connection, however many requests it has waiting. */
  #follow(wait: FetchWait): void {
    const known = this.#byConnection.get(wait.connection);
    if (known !== undefined) {
      known.add(wait);
      return;
    }
    const waits = new Set([wait]);
    this.#byConnection.set(wait.connection, waits);
    wait.connection.closed.addEventListener('abort', () => {
      this.#byConnection.delete(wait.connection);
      for (const each of [...waits]) each.end('closed');
    });
  }

  forget(wait: FetchWait): void {
    for (const partition of wait.partitions) partition.waits?.delete(wait);
    this.#byConnection.get(wait.connection)?.delete(wait);
    this.#deadlines.remove(wait);
  }

  /** Counts what an append brought; wakes those that have enough. */
  moved(partition: RoutedPartition, before: PartitionState, after: PartitionState): void {
    const { waits } = partition;
    if (waits === undefined || waits.size === 0) return;
    if (after.logStartOffset !== before.logStartOffset || after.logEndOffset < before.logEndOffset) {
      this.changed(partition);
      return;
    }
    const all = arrivedBytes(before, after, false);
    const stable = arrivedBytes(before, after, true);
    if (all === 0 && stable === 0) return;
    for (const wait of waits) {
      wait.bytesLeft -= wait.stable ? stable : all;
      if (wait.bytesLeft <= 0) wait.end('bytes');
    }
  }

  /** Wakes every fetch that looks at the partition: it is gone, offline, or its log was cut. */
  changed(partition: RoutedPartition): void {
    for (const wait of [...(partition.waits ?? [])]) wait.end('changed');
  }

  /** Answers every waiting fetch now, and those to come at once. */
  close(): void {
    this.#closed = true;
    for (const waits of this.#byConnection.values()) for (const wait of [...waits]) wait.end('deadline');
    this.#deadlines.close();
  }
}
