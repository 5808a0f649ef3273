// A slot's thread as a web Worker, seen from the dispatching side. Record bytes reach the worker through shared memory, and
// leave it as transferred buffers. worker-slot.ts is the other end.

import { assert } from '../../core/assert.ts';
import { LogFault } from '../../core/fault.ts';
import { OPEN_FILES_MAX, SLAB_BYTES } from '../../core/limits.ts';
import type { PartitionEvent } from '../../partition/commands.ts';
import type { GroupReply, PartitionGroup, SlotThread, SlotThreadListener } from '../../partition/group.ts';
import {
  createExchangeMemory,
  GroupExchange,
  type PackedGroup,
  type PackedReply,
} from '../../partition/group-exchange.ts';
import { createSlotMemory, slabViews, transferableGroup } from '../../partition/slot-memory.ts';

/** What the worker is started with. */
export interface SlotStart {
  /** The shared build. */
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly slabBytes: number;
  readonly storeRoot: string;
  readonly openFilesMax: number;
  readonly exchange: SharedArrayBuffer;
}

export type ToSlot =
  | { readonly kind: 'start'; readonly start: SlotStart }
  | { readonly kind: 'run'; readonly group: PackedGroup }
  | { readonly kind: 'end' };

export type FromSlot =
  | { readonly kind: 'done'; readonly reply: PackedReply }
  /** A bug: the worker is to be ended. */
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'event'; readonly event: PartitionEvent }
  | { readonly kind: 'ended' };

export interface WorkerThreadOptions {
  readonly worker: Worker;
  /** The shared build, compiled once for all slots. */
  readonly module: WebAssembly.Module;
  readonly storeRoot: string;
  readonly listener: SlotThreadListener;
}

/** A worker that does not end itself within this time is ended by force. */
const END_MS_MAX = 2000;

interface Waiting {
  resolve(reply: GroupReply): void;
  reject(cause: unknown): void;
}

/** Gives the worker its memory; groups may be run at once. */
export function startWorkerThread(options: WorkerThreadOptions): SlotThread {
  return new WorkerThread(options);
}

class WorkerThread implements SlotThread {
  readonly slabs: readonly [Uint8Array, Uint8Array];
  readonly #worker: Worker;
  readonly #listener: SlotThreadListener;
  readonly #exchange: GroupExchange;
  #waiting: Waiting | undefined;
  #ending: Promise<void> | undefined;
  #onEnded: () => void = () => {};
  #isLost = false;

  constructor({ worker, module, storeRoot, listener }: WorkerThreadOptions) {
    const memory = createSlotMemory();
    this.slabs = slabViews(memory);
    const exchange = createExchangeMemory();
    this.#exchange = new GroupExchange(exchange);
    this.#worker = worker;
    this.#listener = listener;
    worker.onmessage = ({ data }: MessageEvent<FromSlot>) => this.#hear(data);
    worker.onerror = (event) => {
      // An error that nobody takes ends the whole process in some runtimes.
      event.preventDefault();
      this.#lose(new LogFault('ERR_WORKER_LOST', event.message));
    };
    const start = { module, memory, slabBytes: SLAB_BYTES, storeRoot, openFilesMax: OPEN_FILES_MAX, exchange };
    this.#post({ kind: 'start', start });
  }

  #post(message: ToSlot, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  run(group: PartitionGroup): Promise<GroupReply> {
    assert(this.#waiting === undefined, 'one group at a time is run');
    return new Promise((resolve, reject) => {
      if (this.#isLost || this.#ending !== undefined) {
        reject(new LogFault('ERR_WORKER_LOST', 'the worker has ended'));
        return;
      }
      this.#waiting = { resolve, reject };
      const { group: given, transfer } = transferableGroup(group);
      this.#post({ kind: 'run', group: this.#exchange.packGroup(given) }, transfer);
    });
  }

  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  /** The worker closes its files itself: not every runtime does that for a worker that is terminated. */
  async #end(): Promise<void> {
    let force: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#onEnded = resolve;
      force = setTimeout(resolve, END_MS_MAX);
      this.#post({ kind: 'end' });
    });
    clearTimeout(force);
    this.#worker.terminate();
    this.#settleLost(new LogFault('ERR_WORKER_LOST', 'the worker was ended'));
  }

  #hear(message: FromSlot): void {
    switch (message.kind) {
      case 'done': {
        const waiting = this.#waiting;
        this.#waiting = undefined;
        waiting?.resolve(this.#exchange.unpackReply(message.reply));
        break;
      }
      case 'event':
        this.#listener.onEvent(message.event);
        break;
      case 'failed':
        this.#lose(new LogFault('ERR_WORKER_LOST', message.reason));
        break;
      case 'ended':
        this.#onEnded();
        break;
    }
  }

  #lose(cause: LogFault): void {
    if (this.#isLost) return;
    this.#isLost = true;
    if (this.#ending !== undefined) this.#onEnded();
    // The dispatching side hears of it once: by the group that was under way, or by itself.
    else if (!this.#settleLost(cause)) this.#listener.onLost(cause);
  }

  #settleLost(cause: LogFault): boolean {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(cause);
    return waiting !== undefined;
  }
}
