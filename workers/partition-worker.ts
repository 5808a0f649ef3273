// The Piscina entry of a partition-owning thread: builds the owner from what the pool was started with, and hands each
// group to it. Everything else lives in src/partition.

import { parentPort, workerData } from 'node:worker_threads';
import { present } from '../src/core/assert.ts';
import type { GroupReply, PartitionGroup } from '../src/partition/group.ts';
import { GroupExchange } from '../src/partition/group-exchange.ts';
import { LendingMemory } from '../src/partition/lending-memory.ts';
import { PartitionOwner } from '../src/partition/partition-owner.ts';
import { systemClock } from '../src/platform/node/clock.ts';
import { createNodeCodecs } from '../src/platform/node/codecs.ts';
import { serveGroups } from '../src/platform/node/group-port.ts';
import { NodeStore } from '../src/platform/node/node-store.ts';
import type { PartitionTask, PartitionWorkerData } from '../src/platform/node/piscina-thread.ts';
import { mayNeedZstd } from '../src/platform/zstd-need.ts';
import { Kernels } from '../src/wasm/kernels.ts';

const pool = present(parentPort, 'the port to the pool');
const data = workerData as PartitionWorkerData;

/** The pool's one task of this thread. It ends by a bug alone, which rejects it: the dispatching side then ends this thread. */
export function serve(task: PartitionTask): Promise<never> {
  return serveGroups({ port: task.port, exchange: new GroupExchange(data.exchange), execute: openOwner(task) });
}

/** Opens the owner over the task's directory, and returns what executes a group. */
export function openOwner({ storeRoot }: PartitionTask): (group: PartitionGroup) => GroupReply | Promise<GroupReply> {
  const kernels = Kernels.create(data.module, { memory: data.memory, reservedBytes: 2 * data.slabBytes });
  const first = kernels.reservedPointer;
  const slabPointers = [first, first + data.slabBytes] as const;
  const nodeCodecs = createNodeCodecs();
  const owner = new PartitionOwner({
    store: new NodeStore(storeRoot, data.openFilesMax),
    kernels,
    clock: systemClock,
    codecs: nodeCodecs.codecs,
    slabPointers,
    lending: new LendingMemory(data.lending),
    lendsFiles: true,
    // Behind what waits at the port by then.
    later: (action) => setImmediate(action),
    onEvent: (event) => pool.postMessage(event),
  });
  const slabs = slabPointers.map((pointer) => new Uint8Array(data.memory.buffer, pointer, data.slabBytes));
  const mayExecute = ({ commands, slab }: PartitionGroup): boolean =>
    nodeCodecs.isLoaded || !commands.some((command) => mayNeedZstd(command, slabs[slab]));
  // Groups come one at a time, so order holds where one waits.
  return (group) => (mayExecute(group) ? owner.execute(group) : nodeCodecs.load().then(() => owner.execute(group)));
}
