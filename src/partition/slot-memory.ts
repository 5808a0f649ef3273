// What a dispatching thread and the owner of partitions share, and what they give each other: one memory with two slabs
// of record bytes, and buffers that are handed over instead of copied. Every kind of thread uses it.

import { DECOMPRESSED_BATCH_BYTES_MAX, REQUEST_BYTES_LIMIT, SLAB_BYTES } from '../core/limits.ts';
import { Kernels } from '../wasm/kernels.ts';
import type { PartitionCommand, PartitionReply } from './commands.ts';
import type { GroupReply, PartitionGroup } from './group.ts';

/**
 * The most that the scratch memory of a slot may grow to: a batch of the largest request, what it decompresses to, and
 * room beside them. Address space alone until it is used.
 */
const SCRATCH_BYTES_MAX = DECOMPRESSED_BATCH_BYTES_MAX + 2 * REQUEST_BYTES_LIMIT;

/** Memory for the shared build of the kernels, with both slabs in front. */
export function createSlotMemory(): WebAssembly.Memory {
  return Kernels.createSharedMemory({ reservedBytes: 2 * SLAB_BYTES, scratchBytesMax: SCRATCH_BYTES_MAX });
}

/** The slabs of such a memory, for the dispatching side. */
export function slabViews(memory: WebAssembly.Memory): [Uint8Array, Uint8Array] {
  const base = Kernels.heapBase;
  return [
    new Uint8Array(memory.buffer, base, SLAB_BYTES),
    new Uint8Array(memory.buffer, base + SLAB_BYTES, SLAB_BYTES),
  ];
}

/** A group whose record bytes outside of the slabs may be given away with it. */
export function transferableGroup(group: PartitionGroup): {
  readonly group: PartitionGroup;
  readonly transfer: ArrayBuffer[];
} {
  const transfer: ArrayBuffer[] = [];
  if (!group.commands.some(carriesBytes)) return { group, transfer };
  const commands = group.commands.map((command) => {
    if (command.kind !== 'append' || command.bytes === undefined) return command;
    // A view on a socket's buffer cannot be given away: a clone would carry the whole of that buffer along.
    const bytes = new Uint8Array(command.bytes);
    transfer.push(bytes.buffer);
    return { ...command, bytes };
  });
  return { group: { ...group, commands }, transfer };
}

function carriesBytes(command: PartitionCommand): boolean {
  return command.kind === 'append' && command.bytes !== undefined;
}

/** The buffers of record bytes in a reply, each its own: given away they need not be copied. */
export function transferablesOf(reply: GroupReply): ArrayBuffer[] {
  const buffers: ArrayBuffer[] = [];
  for (const one of reply.replies) collectBuffers(one, buffers);
  return buffers;
}

function collectBuffers(reply: PartitionReply, buffers: ArrayBuffer[]): void {
  if (!('reads' in reply)) return;
  for (const { records } of reply.reads) {
    if (records.length > 0 && records.buffer instanceof ArrayBuffer) buffers.push(records.buffer);
  }
}

/** Whether a command may need the codecs. */
export function mayDecompress({ kind }: PartitionCommand): boolean {
  return kind === 'append' || kind === 'list-offset' || kind === 'maintain';
}
