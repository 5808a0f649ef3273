// The two ends of the port by which groups cross between Node's main thread and a thread that owns partitions. A message
// of its own for each group is several times cheaper than a task of the pool, which is left with the thread's life.

import type { MessagePort } from 'node:worker_threads';
import { assert } from '../../core/assert.ts';
import type { GroupReply, PartitionGroup } from '../../partition/group.ts';
import type { GroupExchange, PackedGroup, PackedReply } from '../../partition/group-exchange.ts';
import { transferableGroup, transferablesOf } from '../../partition/slot-memory.ts';

interface Waiting {
  readonly resolve: (reply: GroupReply) => void;
  readonly reject: (cause: unknown) => void;
}

/** The dispatching end. */
export class GroupPort {
  readonly #port: MessagePort;
  readonly #exchange: GroupExchange;
  #waiting: Waiting | undefined;
  #lost: { readonly cause: unknown } | undefined;

  constructor(port: MessagePort, exchange: GroupExchange) {
    this.#port = port;
    this.#exchange = exchange;
    port.on('message', (packed: PackedReply) => this.#hear(packed));
  }

  /** Rejects when the thread is lost before it answers. */
  run(group: PartitionGroup): Promise<GroupReply> {
    assert(this.#waiting === undefined, 'one group at a time is run');
    return new Promise((resolve, reject) => {
      if (this.#lost !== undefined) {
        reject(this.#lost.cause);
        return;
      }
      this.#waiting = { resolve, reject };
      const { group: given, transfer } = transferableGroup(group);
      this.#port.postMessage(this.#exchange.packGroup(given), transfer);
    });
  }

  /** No answer comes any more. Whether a group was in flight, which is then rejected. */
  lose(cause: unknown): boolean {
    this.#lost ??= { cause };
    this.#port.close();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(cause);
    return waiting !== undefined;
  }

  #hear(packed: PackedReply): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    this.#waiting = undefined;
    waiting.resolve(this.#exchange.unpackReply(packed));
  }
}

export interface ServedGroups {
  readonly port: MessagePort;
  readonly exchange: GroupExchange;
  /** Executes one group; an error that leaves it is a bug. */
  readonly execute: (group: PartitionGroup) => GroupReply | Promise<GroupReply>;
}

/** The owner's end: executes what comes, until a bug rejects the promise. */
export function serveGroups({ port, exchange, execute }: ServedGroups): Promise<never> {
  return new Promise((_never, reject) => {
    const answer = (reply: GroupReply): void => port.postMessage(exchange.packReply(reply), transferablesOf(reply));
    port.on('message', (packed: PackedGroup) => {
      try {
        const group = exchange.unpackGroup(packed);
        const reply = execute(group);
        if (reply instanceof Promise) reply.then((late) => answer(late)).catch(reject);
        else answer(reply);
      } catch (error) {
        reject(error);
      }
    });
  });
}
