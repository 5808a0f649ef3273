// A whole broker in the test's own thread: the real handlers over the inline executor and a store in memory.

import { Broker } from '../../src/broker/broker.ts';
import { parseBrokerConfig } from '../../src/broker/config/broker-config.ts';
import type { PartitionCheckpoint, PartitionCheckpoints } from '../../src/broker/partition-checkpoints.ts';
import type { RequestObserver } from '../../src/broker/request-handler.ts';
import { LocalMetadataStore } from '../../src/cluster/local-metadata-store.ts';
import type { Logger } from '../../src/core/logger.ts';
import { createInlineExecutor } from '../../src/partition/inline-executor.ts';
import { systemClock, systemRandom } from '../../src/platform/node/clock.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { createRecordBatchCodec } from '../../src/wasm/record-batch-codec.ts';
import { silentLogger } from '../support/silent-logger.ts';

export interface MemoryBroker {
  readonly broker: Broker;
  readonly wasm: WebAssembly.Module;
  close(): Promise<void>;
}

/** Nothing is kept beyond the broker's life, so nothing is found when it begins. */
class NoCheckpoints implements PartitionCheckpoints {
  readonly path = '/memory';
  readonly cleanShutdown = true;
  readonly partitions = new Map<string, never>();
  readonly #store: MemoryStore;

  constructor(store: MemoryStore) {
    this.#store = store;
  }

  write(_points: ReadonlyMap<string, PartitionCheckpoint>): void {}

  finish(_points: ReadonlyMap<string, PartitionCheckpoint>): void {}

  removePartition(directory: string): void {
    this.#store.removeDirectory(directory);
  }

  space(): undefined {
    return undefined;
  }
}

export async function startMemoryBroker(
  options: {
    readonly configs?: Readonly<Record<string, string>>;
    readonly observer?: RequestObserver;
    readonly logger?: Logger;
  } = {},
): Promise<MemoryBroker> {
  const store = new MemoryStore();
  const wasm = loadWasmModule('plain');
  const logger = options.logger ?? silentLogger;
  const kernels = Kernels.create(wasm);
  const executor = createInlineExecutor({ kernels, store, clock: systemClock, logger });
  const broker = await Broker.start({
    executor,
    metadata: LocalMetadataStore.open({ store, clusterId: 'fuzzed', nodeId: 1, logger }),
    directory: new NoCheckpoints(store),
    config: parseBrokerConfig(options.configs ?? {}),
    clock: systemClock,
    random: systemRandom,
    logger,
    recordBatches: createRecordBatchCodec(kernels),
    observer: options.observer ?? { observe: () => undefined },
    advertised: ({ localHost, localPort }) => ({ host: localHost, port: localPort }),
  });
  const close = async (): Promise<void> => {
    await broker.close();
    await executor.close();
  };
  return { broker, wasm, close };
}
