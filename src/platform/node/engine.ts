// The engine in a Node process: the WebAssembly from the package's own files, every codec, and a directory for a store.

import { resolve } from 'node:path';
import { LogFault } from '../../core/fault.ts';
import type { OpenLogOptions as PortableOptions } from '../../engine/open-log.ts';
import { openOver } from '../../engine/open-log.ts';
import type { PartitionLog } from '../../engine/partition-log.ts';
import { createNodeCodecs } from './codecs.ts';
import { openNodeDirectory } from './data-directory.ts';
import { loadWasmModule } from './wasm-modules.ts';

export interface OpenLogOptions extends Omit<PortableOptions, 'wasm'> {
  /** Where the log is kept, made where it is missing; in its place a `store`. Default: memory. */
  readonly directory?: string | undefined;
  /** By default the package's own. */
  readonly wasm?: PortableOptions['wasm'] | undefined;
}

/**
 * Opens the log in a directory, a store, or memory. Throws LogFault ERR_CONFIG, ERR_DATA_DIRECTORY_LOCKED,
 * ERR_DATA_DIRECTORY_UNREADABLE, ERR_CORRUPT_LOG, ERR_STORAGE, ERR_USAGE.
 *
 *     const log = await openLog({ directory: './orders' });
 */
export async function openLog(options: OpenLogOptions = {}): Promise<PartitionLog> {
  const { directory, wasm = loadWasmModule('plain'), ...rest } = options;
  const nodeCodecs = createNodeCodecs();
  await nodeCodecs.load();
  const codecs = { ...nodeCodecs.codecs, ...rest.codecs };
  if (directory === undefined) return openOver({ ...rest, wasm, codecs }, { closesStore: false });
  if (rest.store !== undefined) throw new LogFault('ERR_USAGE', 'openLog takes a `directory` or a `store`, not both');
  const { store, ownership } = openNodeDirectory(resolve(directory));
  try {
    return await openOver({ ownership, ...rest, wasm, codecs, store }, { closesStore: true });
  } catch (error) {
    store.close();
    throw error;
  }
}

// What this file declares itself goes before the portable entry's.
export * from '../../engine/index.ts';
