// Finds and compiles the WebAssembly builds in a Node process.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** `shared` works on the memory of a slot, together with the main thread; `plain` has a memory of its own. */
export type WasmBuild = 'plain' | 'shared';

/** Compiles one build. The package's `imports` map names the file, from sources and from the built package alike. */
export function loadWasmModule(build: WasmBuild): WebAssembly.Module {
  const file = build === 'plain' ? '#wasm/millrace.wasm' : '#wasm/millrace-shared.wasm';
  return new WebAssembly.Module(readFileSync(createRequire(import.meta.url).resolve(file)));
}
