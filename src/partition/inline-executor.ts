// A whole PartitionExecutor in the caller's own thread.

import type { BatchCodecs } from '../core/compression.ts';
import type { Logger } from '../core/logger.ts';
import type { Clock, Store } from '../core/platform.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { PartitionExecutor } from './commands.ts';
import { startInlineThread } from './inline-thread.ts';
import { SlotExecutor } from './slot-executor.ts';

export interface InlineExecutorOptions {
  readonly kernels: Kernels;
  readonly store: Store;
  readonly clock: Clock;
  readonly codecs?: BatchCodecs | undefined;
  readonly logger: Logger;
}

export function createInlineExecutor(options: InlineExecutorOptions): PartitionExecutor {
  return new SlotExecutor({
    slots: 1,
    logger: options.logger,
    startThread: (_slot, listener) => startInlineThread({ ...options, onEvent: listener.onEvent }),
  });
}
