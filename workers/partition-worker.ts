// The Piscina entry of a partition-owning thread: builds the owner from what the pool was started with, and hands each
// task to it. Everything else lives in src/partition.

import { parentPort } from 'node:worker_threads';
import { workerData } from 'piscina';
import { present } from '../src/core/assert.ts';
import type { GroupReply, PartitionGroup } from '../src/partition/group.ts';
import { LendingMemory } from '../src/partition/lending-memory.ts';
import { PartitionOwner } from '../src/partition/partition-owner.ts';
import { mayDecompress } from '../src/partition/slot-memory.ts';
import { systemClock } from '../src/platform/node/clock.ts';
import { createNodeCodecs } from '../src/platform/node/codecs.ts';
import { NodeStore } from '../src/platform/node/node-store.ts';
import { moveReply, type PartitionWorkerData } from '../src/platform/node/piscina-thread.ts';
import { Kernels } from '../src/wasm/kernels.ts';

const port = present(parentPort, 'the port to the main thread');
const nodeCodecs = createNodeCodecs();
const owner = createOwner(workerData as PartitionWorkerData);

function createOwner(data: PartitionWorkerData): PartitionOwner {
  const kernels = Kernels.create(data.module, { memory: data.memory, reservedBytes: 2 * data.slabBytes });
  const first = kernels.reservedPointer;
  return new PartitionOwner({
    store: new NodeStore(data.storeRoot, data.openFilesMax),
    kernels,
    clock: systemClock,
    codecs: nodeCodecs.codecs,
    slabPointers: [first, first + data.slabBytes],
    lending: new LendingMemory(data.lending),
    onEvent: (event) => port.postMessage(event),
  });
}

/**
 * Executes one group. An error that leaves here is a bug: the dispatching side then ends this thread. The first group
 * that may touch compressed records waits until every codec is there; groups come one at a time, so order holds.
 */
export function execute(group: PartitionGroup): GroupReply | Promise<GroupReply> {
  if (nodeCodecs.isLoaded || !group.commands.some(mayDecompress)) return moveReply(owner.execute(group));
  return nodeCodecs.load().then(() => moveReply(owner.execute(group)));
}
