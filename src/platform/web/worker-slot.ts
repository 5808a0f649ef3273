// The inside of a slot's web Worker: builds the owner of partitions from the first message, and executes group after group.
// What the runtime has of its own (files, time, codecs) comes in from the worker's entry.

import { assert } from '../../core/assert.ts';
import type { LoadedCodecs } from '../../core/compression.ts';
import type { Clock, Store } from '../../core/platform.ts';
import type { PartitionGroup } from '../../partition/group.ts';
import { GroupExchange, type PackedGroup } from '../../partition/group-exchange.ts';
import { PartitionOwner } from '../../partition/partition-owner.ts';
import { mayDecompress, transferablesOf } from '../../partition/slot-memory.ts';
import { Kernels } from '../../wasm/kernels.ts';
import type { FromSlot, SlotStart, ToSlot } from './worker-thread.ts';

/** The worker's own side of its port: `self`. */
export interface SlotPort {
  postMessage(message: FromSlot, transfer: ArrayBuffer[]): void;
  onmessage: ((event: { readonly data: ToSlot }) => void) | null;
}

export interface WorkerSlotOptions {
  readonly port: SlotPort;
  /** Opens the store over the broker's directory, for this worker alone. */
  readonly openStore: (root: string, openFilesMax: number) => Store;
  readonly clock: Clock;
  readonly codecs: LoadedCodecs;
}

/** Serves from now on; to be called while the worker's entry is evaluated, so that no message is missed. */
export function serveSlot(options: WorkerSlotOptions): void {
  const { port } = options;
  let slot: WorkerSlot | undefined;
  port.onmessage = ({ data }) => {
    try {
      if (data.kind === 'start') slot = new WorkerSlot(options, data.start);
      else if (data.kind === 'run') slot?.run(data.group);
      else slot?.end();
    } catch (error) {
      port.postMessage({ kind: 'failed', reason: reasonOf(error) }, []);
    }
  };
}

class WorkerSlot {
  readonly #options: WorkerSlotOptions;
  readonly #store: Store;
  readonly #owner: PartitionOwner;
  readonly #exchange: GroupExchange;
  #hasEnded = false;

  constructor(options: WorkerSlotOptions, start: SlotStart) {
    this.#options = options;
    const { port, clock, codecs } = options;
    const { module, memory, slabBytes, storeRoot, openFilesMax, exchange } = start;
    this.#exchange = new GroupExchange(exchange);
    const kernels = Kernels.create(module, { memory, reservedBytes: 2 * slabBytes });
    const first = kernels.reservedPointer;
    this.#store = options.openStore(storeRoot, openFilesMax);
    this.#owner = new PartitionOwner({
      store: this.#store,
      kernels,
      clock,
      codecs: codecs.codecs,
      slabPointers: [first, first + slabBytes],
      onEvent: (event) => port.postMessage({ kind: 'event', event }, []),
    });
  }

  /** The first group that may touch compressed records waits for the codecs; groups come one at a time, so order holds. */
  run(packed: PackedGroup): void {
    assert(!this.#hasEnded, 'no group comes after the end');
    const group = this.#exchange.unpackGroup(packed);
    const { codecs, port } = this.#options;
    if (codecs.isLoaded || !group.commands.some(mayDecompress)) {
      this.#execute(group);
      return;
    }
    codecs.load().then(
      () => this.#executeLater(group),
      (error: unknown) => port.postMessage({ kind: 'failed', reason: reasonOf(error) }, []),
    );
  }

  #executeLater(group: PartitionGroup): void {
    if (this.#hasEnded) return;
    try {
      this.#execute(group);
    } catch (error) {
      this.#options.port.postMessage({ kind: 'failed', reason: reasonOf(error) }, []);
    }
  }

  #execute(group: PartitionGroup): void {
    const reply = this.#owner.execute(group);
    const packed = this.#exchange.packReply(reply);
    this.#options.port.postMessage({ kind: 'done', reply: packed }, transferablesOf(reply));
  }

  end(): void {
    this.#hasEnded = true;
    this.#owner.end();
    this.#store.close();
    this.#options.port.postMessage({ kind: 'ended' }, []);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
