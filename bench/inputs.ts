// Inputs and kernels that several suites share.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Kernels, type KernelsOptions } from '../src/wasm/kernels.ts';

/** The plain build. */
export function loadKernels(options: KernelsOptions = {}): Kernels {
  return Kernels.create(readFileSync(createRequire(import.meta.url).resolve('#wasm/millrace.wasm')), options);
}

/** The same bytes in every run (xorshift32). */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = Math.imul(seed, 2_654_435_761) || 1;
  for (let index = 0; index < length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state;
  }
  return bytes;
}
