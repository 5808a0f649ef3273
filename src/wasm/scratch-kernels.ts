// Kernels whose scratch a codec works in, kept from batch to batch.

import type { Kernels } from './kernels.ts';

/** Memory of kernels that are kept for the next batch; a larger one is left to the garbage collector with its kernels. */
const KEPT_BYTES_MAX = 32 * 1024 * 1024;

/** Runs `work` on kernels that nobody else uses meanwhile. */
export type UseKernels = (work: (kernels: Kernels) => Uint8Array) => Uint8Array;

/** `load` is called when kernels are first needed, and again after work that took much memory. */
export function scratchKernels(load: () => Kernels): UseKernels {
  let kept: Kernels | undefined;
  return (work) => {
    const kernels = kept ?? load();
    kept = undefined;
    try {
      return work(kernels);
    } finally {
      if (kernels.bytes().length <= KEPT_BYTES_MAX) kept = kernels;
    }
  };
}
