// Partitions in the caller's own thread, with Node's codecs: Zstandard is loaded when the first command may need it, and
// commands behind that one wait with it.

import type { Logger } from '../../core/logger.ts';
import type { Clock, Store } from '../../core/platform.ts';
import type { PartitionExecutor } from '../../partition/commands.ts';
import type { PartitionGroup } from '../../partition/group.ts';
import { startInlineThread } from '../../partition/inline-thread.ts';
import { SlotExecutor } from '../../partition/slot-executor.ts';
import type { Kernels } from '../../wasm/kernels.ts';
import type { NodeCodecs } from './codecs.ts';
import { mayNeedZstd } from './zstd-need.ts';

export interface NodeInlineOptions {
  readonly kernels: Kernels;
  readonly store: Store;
  readonly clock: Clock;
  readonly codecs: NodeCodecs;
  readonly logger: Logger;
}

export function createNodeInlineExecutor(options: NodeInlineOptions): PartitionExecutor {
  const { logger, codecs } = options;
  return new SlotExecutor({
    slots: 1,
    logger,
    startThread: (_slot, listener) => {
      const thread = startInlineThread({ ...options, codecs: codecs.codecs, onEvent: listener.onEvent });
      const run = (group: PartitionGroup) =>
        codecs.isLoaded || !group.commands.some((command) => mayNeedZstd(command))
          ? thread.run(group)
          : codecs.load().then(() => thread.run(group));
      return { ...thread, run };
    },
  });
}
