// A slot's thread as a Piscina of exactly one worker, which never ends by itself: affinity by construction.
// Record bytes reach the worker through shared memory, and leave it lent through shared memory, or as transferred buffers.

import { createRequire } from 'node:module';
import { move, Piscina, transferableSymbol, valueSymbol } from 'piscina';
import { OPEN_FILES_MAX, SLAB_BYTES } from '../../core/limits.ts';
import type { PartitionEvent } from '../../partition/commands.ts';
import type { GroupReply, PartitionGroup, SlotThread, SlotThreadListener } from '../../partition/group.ts';
import { createLendingMemory } from '../../partition/lending-memory.ts';
import { createSlotMemory, slabViews, transferableGroup, transferablesOf } from '../../partition/slot-memory.ts';

/** What the worker is started with. */
export interface PartitionWorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly slabBytes: number;
  readonly storeRoot: string;
  readonly openFilesMax: number;
  readonly lending: SharedArrayBuffer;
}

export interface PiscinaThreadOptions {
  /** The shared build, compiled once for all slots. */
  readonly module: WebAssembly.Module;
  readonly storeRoot: string;
  readonly listener: SlotThreadListener;
  /** Hears of record bytes that arrived in buffers of their own, for whoever paces garbage collection by them. */
  readonly onBytesReceived?: ((bytes: number) => void) | undefined;
  /** The worker's entry; tests put one in its place that breaks on purpose. */
  readonly workerFile?: string | undefined;
  /** JavaScript heap of the worker, in MiB: beyond it the worker ends and is replaced. */
  readonly heapMegabytesMax?: number | undefined;
}

export function startPiscinaThread(options: PiscinaThreadOptions): SlotThread {
  const memory = createSlotMemory();
  const lending = createLendingMemory();
  const data: PartitionWorkerData = {
    module: options.module,
    memory,
    slabBytes: SLAB_BYTES,
    storeRoot: options.storeRoot,
    openFilesMax: OPEN_FILES_MAX,
    lending,
  };
  const pool = new Piscina<PartitionGroup, GroupReply>({
    filename: options.workerFile ?? createRequire(import.meta.url).resolve('#workers/partition-worker.js'),
    name: 'execute',
    minThreads: 1,
    maxThreads: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
    // The worker must stay in its event loop between tasks, because flushes complete there.
    atomics: 'disabled',
    recordTiming: false,
    workerData: data,
    ...(options.heapMegabytesMax === undefined
      ? {}
      : { resourceLimits: { maxOldGenerationSizeMb: options.heapMegabytesMax } }),
  });
  pool.on('message', (event: PartitionEvent) => options.listener.onEvent(event));
  // Piscina rejects the task that was in flight, and says `error` only when there was none.
  pool.on('error', (cause: unknown) => options.listener.onLost(cause));
  // Piscina lets the process end while a worker is idle; this one may still owe the end of a flush.
  for (const thread of pool.threads) thread.ref();
  return {
    slabs: slabViews(memory),
    lending: new Uint8Array(lending),
    run: async (group) => {
      const reply = await runGroup(pool, group);
      if (options.onBytesReceived !== undefined) reportBytes(reply, options.onBytesReceived);
      return reply;
    },
    end: () => pool.destroy(),
  };
}

function runGroup(pool: Piscina<PartitionGroup, GroupReply>, group: PartitionGroup): Promise<GroupReply> {
  const { group: given, transfer } = transferableGroup(group);
  return transfer.length === 0 ? pool.run(given) : pool.run(given, { transferList: transfer });
}

function reportBytes(reply: GroupReply, hear: (bytes: number) => void): void {
  let bytes = 0;
  for (const buffer of transferablesOf(reply)) bytes += buffer.byteLength;
  if (bytes > 0) hear(bytes);
}

/** Marks the record bytes of a reply as given away to the main thread, so that they are not copied. */
export function moveReply(reply: GroupReply): GroupReply {
  const buffers = transferablesOf(reply);
  if (buffers.length === 0) return reply;
  return move({ [transferableSymbol]: buffers, [valueSymbol]: reply }) as unknown as GroupReply;
}
