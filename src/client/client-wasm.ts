// Where a client gets the WebAssembly from that encodes and checks record batches, and that of Zstandard.

import { ZstdLoader } from '../compression/zstd-loader.ts';
import { LogFault } from '../core/fault.ts';
import { Kernels } from '../wasm/kernels.ts';

/** A compiled module, the bytes of the file, a response or URL that brings them, or a promise of one of these. */
export type ClientWasm =
  | WebAssembly.Module
  | ArrayBuffer
  | Uint8Array<ArrayBuffer>
  | Response
  | URL
  | string
  | Promise<WebAssembly.Module | ArrayBuffer | Uint8Array<ArrayBuffer> | Response>;

/** The files beside this one in the package; bundlers know this form and bring the files along. */
function packagedKernels(): URL {
  return new URL('../../assembly/millrace.wasm', import.meta.url);
}

function packagedZstd(): URL {
  return new URL('../../assembly/zstd.wasm', import.meta.url);
}

/** Compiles the source, by default the package's own file over `fetch`. Throws ERR_USAGE where it cannot be loaded. */
export async function loadKernels(source: ClientWasm | undefined): Promise<Kernels> {
  try {
    return Kernels.create(await loadModule(source ?? packagedKernels()));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LogFault('ERR_USAGE', `millrace.wasm cannot be loaded (option \`wasm\`): ${reason}`, error);
  }
}

/** Zstandard of the source, by default the package's own file, fetched when the codec is first used. */
export function loadedZstd(source: ClientWasm | undefined): ZstdLoader {
  return new ZstdLoader(() => loadModule(source ?? packagedZstd()));
}

async function loadModule(source: ClientWasm): Promise<WebAssembly.Module> {
  const loaded = await source;
  return loaded instanceof WebAssembly.Module ? loaded : await WebAssembly.compile(await bytesOf(loaded));
}

async function bytesOf(source: ArrayBuffer | Uint8Array<ArrayBuffer> | Response | URL | string): Promise<BufferSource> {
  if (source instanceof ArrayBuffer || source instanceof Uint8Array) return source;
  const response = source instanceof Response ? source : await fetch(source);
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  return await response.arrayBuffer();
}
