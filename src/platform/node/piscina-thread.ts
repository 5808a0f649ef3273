// A slot's thread as a Piscina of exactly one worker, which never ends by itself: affinity by construction.
// Groups cross by a port beside the pool. Record bytes reach the worker through shared memory, and leave it lent through
// shared memory, or as transferred buffers.

import { createRequire } from 'node:module';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { OPEN_FILES_MAX, SLAB_BYTES } from '../../core/limits.ts';
import type { PartitionEvent } from '../../partition/commands.ts';
import type { GroupReply, SlotThread, SlotThreadListener } from '../../partition/group.ts';
import { createExchangeMemory, GroupExchange } from '../../partition/group-exchange.ts';
import { createLendingMemory } from '../../partition/lending-memory.ts';
import { createSlotMemory, slabViews, transferablesOf } from '../../partition/slot-memory.ts';
import { GroupPort } from './group-port.ts';
import { openRange } from './open-range.ts';

/**
 * A quarter of V8's own limit. An owner's garbage is small objects, for records stay in shared memory: requests take the same
 * time, and two owners that have opened 10,000 partitions hold 188 MB instead of 239.
 */
const YOUNG_GENERATION_MEGABYTES = 12;

/** What the worker is started with. */
export interface PartitionWorkerData {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly slabBytes: number;
  readonly openFilesMax: number;
  readonly lending: SharedArrayBuffer;
  readonly exchange: SharedArrayBuffer;
}

/** The one task of a partition-owning thread: serves the groups that come by the port, until the thread is lost. */
export interface PartitionTask {
  readonly port: MessagePort;
  readonly storeRoot: string;
}

export interface ThreadOptions {
  /** The shared build, compiled once for all slots. */
  readonly module: WebAssembly.Module;
  /** The worker's entry; tests put one in its place that breaks on purpose. */
  readonly workerFile?: string | undefined;
  /** JavaScript heap of the worker, in MiB: beyond it the worker ends and is replaced. */
  readonly heapMegabytesMax?: number | undefined;
}

export interface PiscinaThreadOptions extends ThreadOptions {
  readonly storeRoot: string;
  readonly listener: SlotThreadListener;
  /** Hears of record bytes that arrived in buffers of their own, for whoever paces garbage collection by them. */
  readonly onBytesReceived?: ((bytes: number) => void) | undefined;
  /** A thread that was begun before; by default one is begun now. */
  readonly begun?: BegunThread | undefined;
}

/** A thread that starts up, and owns nothing yet. It keeps no process alive. */
export interface BegunThread extends Memories {
  readonly module: WebAssembly.Module;
  readonly pool: Piscina<PartitionTask, never>;
}

type Memories = Pick<PartitionWorkerData, 'memory' | 'lending' | 'exchange'>;

/** Begins to start a thread, which takes longer than everything else in a start: so it goes first. */
export function beginThread(options: ThreadOptions): BegunThread {
  const memories = { memory: createSlotMemory(), lending: createLendingMemory(), exchange: createExchangeMemory() };
  const pool = startPool(options, memories);
  // A thread that fails with a task rejects it; one that fails before is started anew for the task.
  pool.on('error', () => undefined);
  return { ...memories, module: options.module, pool };
}

export function startPiscinaThread(options: PiscinaThreadOptions): SlotThread {
  const { memory, lending, exchange, pool } = options.begun ?? beginThread(options);
  const { port1, port2 } = new MessageChannel();
  const groups = new GroupPort(port1, new GroupExchange(exchange));
  let isEnding = false;
  const lose = (cause: unknown): void => {
    if (!groups.lose(cause) && !isEnding) options.listener.onLost(cause);
  };
  pool.on('message', (event: PartitionEvent) => options.listener.onEvent(event));
  // One task lasts as long as the thread, and ends only by its loss.
  pool.run({ port: port2, storeRoot: options.storeRoot }, { transferList: [port2] }).catch(lose);
  return {
    slabs: slabViews(memory),
    lending: new Uint8Array(lending),
    openRange: (range) => openRange(options.storeRoot, range),
    afterTurn: (action) => void setImmediate(action),
    run: async (group) => {
      const reply = await groups.run(group);
      if (options.onBytesReceived !== undefined) reportBytes(reply, options.onBytesReceived);
      return reply;
    },
    end: async () => {
      isEnding = true;
      await pool.destroy();
    },
  };
}

function startPool(
  { module, workerFile, heapMegabytesMax }: ThreadOptions,
  memories: Memories,
): Piscina<PartitionTask, never> {
  const data: PartitionWorkerData = {
    ...memories,
    module,
    slabBytes: SLAB_BYTES,
    openFilesMax: OPEN_FILES_MAX,
  };
  return new Piscina<PartitionTask, never>({
    filename: workerFile ?? createRequire(import.meta.url).resolve('#workers/partition-worker.cjs'),
    name: 'serve',
    minThreads: 1,
    maxThreads: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
    // The worker must stay in its event loop, because groups come and flushes complete there.
    atomics: 'disabled',
    recordTiming: false,
    workerData: data,
    resourceLimits: {
      maxYoungGenerationSizeMb: YOUNG_GENERATION_MEGABYTES,
      ...(heapMegabytesMax === undefined ? {} : { maxOldGenerationSizeMb: heapMegabytesMax }),
    },
  });
}

function reportBytes(reply: GroupReply, hear: (bytes: number) => void): void {
  let bytes = 0;
  for (const buffer of transferablesOf(reply)) bytes += buffer.byteLength;
  if (bytes > 0) hear(bytes);
}
