// A slot in the caller's own thread: for embedding, for tests, and for places that have no threads.

import type { BatchCodecs } from '../core/compression.ts';
import type { Clock, Store } from '../core/platform.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { PartitionEvent } from './commands.ts';
import type { SlotThread } from './group.ts';
import { PartitionOwner } from './partition-owner.ts';

export interface InlineThreadOptions {
  readonly kernels: Kernels;
  readonly store: Store;
  readonly clock: Clock;
  readonly codecs?: BatchCodecs | undefined;
  readonly onEvent: (event: PartitionEvent) => void;
}

const NO_SLAB = new Uint8Array(0);

/** Executes groups where it stands; record bytes are copied once, into the kernels' scratch memory. */
export function startInlineThread(options: InlineThreadOptions): SlotThread {
  const owner = new PartitionOwner({ ...options, slabPointers: [0, 0] });
  return {
    slabs: [NO_SLAB, NO_SLAB],
    run: (group) => new Promise((resolve) => resolve(owner.execute(group))),
    end: () => {
      owner.end();
      return Promise.resolve();
    },
  };
}
