// Partitions in the caller's own thread, where Zstandard has to be loaded: that begins when the first command may need it,
// and commands behind that one wait with it. Where it fails they go on, and the codec itself refuses what needs it.

import type { LoadedCodecs } from '../core/compression.ts';
import type { Logger } from '../core/logger.ts';
import type { Clock, Store } from '../core/platform.ts';
import type { PartitionExecutor } from '../partition/commands.ts';
import type { PartitionGroup } from '../partition/group.ts';
import { startInlineThread } from '../partition/inline-thread.ts';
import { SlotExecutor } from '../partition/slot-executor.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { mayNeedZstd } from './zstd-need.ts';

export interface LoadingExecutorOptions {
  readonly kernels: Kernels;
  readonly store: Store;
  readonly clock: Clock;
  readonly codecs: LoadedCodecs;
  readonly logger: Logger;
}

export function createLoadingExecutor(options: LoadingExecutorOptions): PartitionExecutor {
  const { logger, codecs } = options;
  return new SlotExecutor({
    slots: 1,
    logger,
    startThread: (_slot, listener) => {
      const thread = startInlineThread({ ...options, codecs: codecs.codecs, onEvent: listener.onEvent });
      const loaded = (): Promise<void> =>
        codecs.load().catch((error: unknown) => logger.warn('the codec zstd cannot be loaded', { error }));
      const run = (group: PartitionGroup) =>
        codecs.isLoaded || !group.commands.some((command) => mayNeedZstd(command))
          ? thread.run(group)
          : loaded().then(() => thread.run(group));
      return { ...thread, run };
    },
  });
}
