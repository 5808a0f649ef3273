// Both builds of the kernels for the tests of this folder, and the few helpers that they share.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Kernels } from '../../src/wasm/kernels.ts';
import { compileModule } from '../../src/wasm/module.ts';

const require = createRequire(import.meta.url);

export const PLAIN_PATH = require.resolve('#wasm/millrace.wasm');
export const SHARED_PATH = require.resolve('#wasm/millrace-shared.wasm');

const plainModule = compileModule(readFileSync(PLAIN_PATH));
const sharedModule = compileModule(readFileSync(SHARED_PATH));

export function plainKernels(): Kernels {
  return Kernels.create(plainModule);
}

export function sharedKernels(reservedBytes = 65_536): Kernels {
  const memory = Kernels.createSharedMemory({ reservedBytes, scratchBytesMax: 256 * 1024 * 1024 });
  return Kernels.create(sharedModule, { memory, reservedBytes });
}

/** Name and maker of each build, for `describe.each`. */
export const BUILDS: readonly (readonly [string, () => Kernels])[] = [
  ['plain build', plainKernels],
  ['shared build', sharedKernels],
];

/** Copies the bytes into scratch, `misalignment` bytes behind an aligned address; returns where they lie. */
export function place(kernels: Kernels, bytes: Uint8Array, misalignment = 0): number {
  const pointer = kernels.reserve(bytes.length + misalignment) + misalignment;
  kernels.bytes().set(bytes, pointer);
  return pointer;
}

/** Reproducible bytes (xorshift32). */
export function noise(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2_654_435_761 || 1;
  for (let index = 0; index < length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[index] = state;
  }
  return bytes;
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
