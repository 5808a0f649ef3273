// Partitions in the caller's own thread, with Node's codecs: Zstandard is loaded when the first command may need it, and
// commands behind that one wait with it.

import type { Logger } from '../../core/logger.ts';
import type { Clock, Store } from '../../core/platform.ts';
import { type PartitionCommand, type PartitionExecutor, SPECIAL_TIMESTAMPS } from '../../partition/commands.ts';
import type { PartitionGroup } from '../../partition/group.ts';
import { startInlineThread } from '../../partition/inline-thread.ts';
import { SlotExecutor } from '../../partition/slot-executor.ts';
import type { Kernels } from '../../wasm/kernels.ts';
import type { NodeCodecs } from './codecs.ts';

export interface NodeInlineOptions {
  readonly kernels: Kernels;
  readonly store: Store;
  readonly clock: Clock;
  readonly codecs: NodeCodecs;
  readonly logger: Logger;
}

/** Where the attributes of a batch tell its codec. */
const ATTRIBUTES_LOW_BYTE = 22;
const CODEC_MASK = 7;
const CODEC_ZSTD = 4;

export function createNodeInlineExecutor(options: NodeInlineOptions): PartitionExecutor {
  const { logger, codecs } = options;
  return new SlotExecutor({
    slots: 1,
    logger,
    startThread: (_slot, listener) => {
      const thread = startInlineThread({ ...options, codecs: codecs.codecs, onEvent: listener.onEvent });
      const run = (group: PartitionGroup) =>
        codecs.isLoaded || !group.commands.some(mayNeedZstd)
          ? thread.run(group)
          : codecs.load().then(() => thread.run(group));
      return { ...thread, run };
    },
  });
}

function mayNeedZstd(command: PartitionCommand): boolean {
  switch (command.kind) {
    case 'append':
      return ((command.bytes?.[ATTRIBUTES_LOW_BYTE] ?? 0) & CODEC_MASK) === CODEC_ZSTD;
    case 'open':
      // Those of the broker's own are never compressed.
      return (
        command.config.compression.type === 'zstd' || (command.config.compacts && !command.directory.startsWith('__'))
      );
    case 'configure':
      return command.config.compression.type === 'zstd' || command.config.compacts;
    case 'list-offset':
      return command.timestamp >= 0 || command.timestamp === SPECIAL_TIMESTAMPS.max;
    default:
      return false;
  }
}
