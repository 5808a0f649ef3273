// Where a client gets the WebAssembly from that encodes and checks record batches.

import { LogFault } from '../core/fault.ts';
import { Kernels } from '../wasm/kernels.ts';

/** A compiled module, the bytes of `millrace.wasm`, a response or URL that brings them, or a promise of one of these. */
export type ClientWasm =
  | WebAssembly.Module
  | ArrayBuffer
  | Uint8Array<ArrayBuffer>
  | Response
  | URL
  | string
  | Promise<WebAssembly.Module | ArrayBuffer | Uint8Array<ArrayBuffer> | Response>;

/** The file beside this one in the package; bundlers know this form and bring the file along. */
function packaged(): URL {
  return new URL('../../assembly/millrace.wasm', import.meta.url);
}

/** Compiles the source, by default the package's own file over `fetch`. Throws ERR_USAGE where it cannot be loaded. */
export async function loadKernels(source: ClientWasm | undefined): Promise<Kernels> {
  try {
    const loaded = await (source ?? packaged());
    if (loaded instanceof WebAssembly.Module) return Kernels.create(loaded);
    return Kernels.create(await WebAssembly.compile(await bytesOf(loaded)));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LogFault('ERR_USAGE', `millrace.wasm cannot be loaded (option \`wasm\`): ${reason}`, error);
  }
}

async function bytesOf(source: ArrayBuffer | Uint8Array<ArrayBuffer> | Response | URL | string): Promise<BufferSource> {
  if (source instanceof ArrayBuffer || source instanceof Uint8Array) return source;
  const response = source instanceof Response ? source : await fetch(source);
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  return await response.arrayBuffer();
}
