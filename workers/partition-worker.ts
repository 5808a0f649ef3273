// The Piscina entry of a partition-owning thread: builds the owner from what the pool was started with, and hands each
// group to it. Everything else lives in src/partition.

import { parentPort, workerData } from 'node:worker_threads';
import { present } from '../src/core/assert.ts';
import type { GroupReply, PartitionGroup } from '../src/partition/group.ts';
import { GroupExchange } from '../src/partition/group-exchange.ts';
import { LendingMemory } from '../src/partition/lending-memory.ts';
import { PartitionOwner } from '../src/partition/partition-owner.ts';
import { mayDecompress } from '../src/partition/slot-memory.ts';
import { systemClock } from '../src/platform/node/clock.ts';
import { createNodeCodecs } from '../src/platform/node/codecs.ts';
import { serveGroups } from '../src/platform/node/group-port.ts';
import { NodeStore } from '../src/platform/node/node-store.ts';
import type { PartitionTask, PartitionWorkerData } from '../src/platform/node/piscina-thread.ts';
import { Kernels } from '../src/wasm/kernels.ts';

const pool = present(parentPort, 'the port to the pool');
const nodeCodecs = createNodeCodecs();
const data = workerData as PartitionWorkerData;
const owner = createOwner();

function createOwner(): PartitionOwner {
  const kernels = Kernels.create(data.module, { memory: data.memory, reservedBytes: 2 * data.slabBytes });
  const first = kernels.reservedPointer;
  return new PartitionOwner({
    store: new NodeStore(data.storeRoot, data.openFilesMax),
    kernels,
    clock: systemClock,
    codecs: nodeCodecs.codecs,
    slabPointers: [first, first + data.slabBytes],
    lending: new LendingMemory(data.lending),
    // Behind what waits at the port by then.
    later: (action) => setImmediate(action),
    onEvent: (event) => pool.postMessage(event),
  });
}

/** The pool's one task of this thread. It ends by a bug alone, which rejects it: the dispatching side then ends this thread. */
export function serve({ port }: PartitionTask): Promise<never> {
  return serveGroups({ port, exchange: new GroupExchange(data.exchange), execute });
}

/**
 * Executes one group. The first one that may touch compressed records waits until every codec is there; groups come one at
 * a time, so order holds.
 */
export function execute(group: PartitionGroup): GroupReply | Promise<GroupReply> {
  if (nodeCodecs.isLoaded || !group.commands.some(mayDecompress)) return owner.execute(group);
  return nodeCodecs.load().then(() => owner.execute(group));
}
