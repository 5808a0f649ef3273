// How a log is opened: its store taken, its WebAssembly compiled.

import { STANDARD_CLOCK } from '../client/client-clock.ts';
import { STANDARD_RANDOM } from '../client/client-random.ts';
import { createPortableCodecs } from '../compression/portable-codecs.ts';
import type { BatchCodecs } from '../core/compression.ts';
import type { Clock, Random, Store } from '../core/platform.ts';
import { DataDirectory } from '../storage/data-directory.ts';
import type { DirectoryLockOptions } from '../storage/directory-lock.ts';
import { MemoryStore } from '../storage/memory-store.ts';
import { Kernels } from '../wasm/kernels.ts';
import type { LogSettings } from './log-settings.ts';
import { PartitionLog } from './partition-log.ts';

/** `millrace.wasm`: a compiled module (all that Workers accept), its bytes, or a promise of one of these. */
export type LogWasm =
  | WebAssembly.Module
  | ArrayBuffer
  | Uint8Array<ArrayBuffer>
  | Promise<WebAssembly.Module | ArrayBuffer | Uint8Array<ArrayBuffer>>;

export interface OpenLogOptions extends LogSettings {
  readonly wasm: LogWasm;
  /** Where the log is kept, alone; it stays the caller's. Default: memory. */
  readonly store?: Store | undefined;
  /** `zstd.wasm`, in the same forms: without it batches under zstd can be neither written nor read. */
  readonly zstdWasm?: LogWasm | undefined;
  /** Codecs in place of the log's own, synchronous ones. */
  readonly codecs?: Partial<BatchCodecs> | undefined;
  readonly clock?: Clock | undefined;
  readonly random?: Random | undefined;
  /** Who may have the store, where several processes could open it. Default: nobody else can. */
  readonly ownership?: Ownership | undefined;
}

type Ownership = Omit<DirectoryLockOptions, 'store'>;

const SOLE_OWNER: Ownership = {
  process: { pid: 1, startedAt: '0' },
  isRunning: () => false,
  pause: () => undefined,
};

/**
 * Opens the log in a store, or makes one there. Throws LogFault ERR_CONFIG, ERR_DATA_DIRECTORY_LOCKED,
 * ERR_DATA_DIRECTORY_UNREADABLE, ERR_CORRUPT_LOG, ERR_STORAGE.
 */
export function openLog(options: OpenLogOptions): Promise<PartitionLog> {
  return openOver(options, { closesStore: false });
}

/** As {@link openLog}, for a store that may have been opened for this log alone and then ends with it. */
export async function openOver(
  options: OpenLogOptions,
  { closesStore }: { readonly closesStore: boolean },
): Promise<PartitionLog> {
  const { wasm, zstdWasm, codecs, ownership = SOLE_OWNER, ...settings } = options;
  const { store = new MemoryStore(), clock = STANDARD_CLOCK, random = STANDARD_RANDOM } = options;
  const module = await compiled(wasm);
  const zstdModule = zstdWasm && (await compiled(zstdWasm));
  const kernels = Kernels.create(module);
  const directory = DataDirectory.open({ store, nodeId: 1, random, ...ownership });
  try {
    return PartitionLog.open({
      directory,
      kernels,
      clock,
      store,
      codecs: { ...createPortableCodecs(module, zstdModule), ...codecs },
      settings,
      closesStore,
    });
  } catch (error) {
    directory.close(false);
    throw error;
  }
}

async function compiled(wasm: LogWasm): Promise<WebAssembly.Module> {
  const loaded = await wasm;
  return loaded instanceof WebAssembly.Module ? loaded : await WebAssembly.compile(loaded);
}
