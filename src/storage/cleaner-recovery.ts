// Finishes or undoes at open what a compaction left, this broker's or Kafka's. The protocol: cleaner-output.ts.

import type { Store } from '../core/platform.ts';
import type { Kernels } from '../wasm/kernels.ts';
import {
  CLEANED_SUFFIX,
  fileOffset,
  joinPath,
  LOG_SUFFIX,
  SEGMENT_SUFFIXES,
  SWAP_SUFFIX,
  segmentFileName,
} from './file-names.ts';
import type { OffsetGaps } from './offset-gaps.ts';
import { scanBatches } from './segment-scan.ts';

export interface CleanerRecoveryOptions {
  readonly store: Store;
  readonly kernels: Kernels;
  readonly directory: string;
  readonly gaps: OffsetGaps;
}

/** Returns the names that are in the directory afterwards. */
export function recoverCleaning(options: CleanerRecoveryOptions, names: readonly string[]): readonly string[] {
  const unfinished = names.some((name) => name.endsWith(CLEANED_SUFFIX) || name.endsWith(SWAP_SUFFIX));
  if (!unfinished) return names;
  const recovery = new CleanerRecovery(options);
  recovery.removeHalfWritten(names);
  recovery.finishSwaps();
  return recovery.names();
}

class CleanerRecovery {
  readonly #options: CleanerRecoveryOptions;

  constructor(options: CleanerRecoveryOptions) {
    this.#options = options;
  }

  names(): string[] {
    const entries = this.#options.store.list(this.#options.directory);
    return entries.flatMap(({ name, isDirectory }) => (isDirectory ? [] : [name]));
  }

  /** Where a file is still `.cleaned`, what is `.swap` already was renamed without the rest. */
  removeHalfWritten(names: readonly string[]): void {
    const cleaned = names.filter((name) => name.endsWith(CLEANED_SUFFIX));
    const first = Math.min(...cleaned.map((name) => fileOffset(name) ?? Number.POSITIVE_INFINITY));
    const swaps = names.filter((name) => name.endsWith(SWAP_SUFFIX) && (fileOffset(name) ?? -1) >= first);
    this.#remove(swaps.filter(isLogSwap));
    this.#remove(swaps.filter((name) => !isLogSwap(name)));
    this.#remove(cleaned);
  }

  #remove(names: readonly string[]): void {
    if (names.length === 0) return;
    const { store, directory } = this.#options;
    for (const name of names) store.remove(joinPath(directory, name));
    store.flushDirectory(directory);
  }

  finishSwaps(): void {
    const swaps = this.names().filter((name) => name.endsWith(SWAP_SUFFIX));
    for (const name of swaps.filter(isLogSwap)) this.#retire(name);
    const left = this.names().filter((name) => name.endsWith(SWAP_SUFFIX));
    this.#rename(left.filter((name) => !isLogSwap(name)));
    this.#rename(left.filter(isLogSwap));
  }

  /** Removes the segments that the new one replaces; the new one itself where it is not sound and they are all there. */
  #retire(logSwap: string): void {
    const { store, directory, gaps } = this.#options;
    const baseOffset = fileOffset(logSwap) ?? 0;
    const { endOffset, isSound } = this.#inspect(joinPath(directory, logSwap), baseOffset);
    const isUntouched = store.exists(joinPath(directory, segmentFileName(baseOffset, LOG_SUFFIX)));
    if (!isSound && isUntouched) {
      this.#remove([logSwap]);
      this.#remove(SEGMENT_SUFFIXES.slice(1).map((kind) => segmentFileName(baseOffset, kind) + SWAP_SUFFIX));
      return;
    }
    gaps.prepare(endOffset);
    this.#remove(
      this.names().filter((name) => {
        const offset = fileOffset(name) ?? -1;
        return SEGMENT_SUFFIXES.some((kind) => name.endsWith(kind)) && offset >= baseOffset && offset < endOffset;
      }),
    );
  }

  #inspect(path: string, baseOffset: number): { readonly endOffset: number; readonly isSound: boolean } {
    const { store, kernels } = this.#options;
    const file = store.open(path, { create: false });
    try {
      const { nextOffset, tail, damages } = scanBatches({
        kernels,
        file,
        from: 0,
        end: file.size(),
        expectedOffset: baseOffset,
        gaps: { allow: (expected, offset) => offset >= expected },
        epochAt: undefined,
        onBatch: () => {},
      });
      return { endOffset: nextOffset, isSound: tail === undefined && damages.length === 0 };
    } finally {
      file.close();
    }
  }

  #rename(names: readonly string[]): void {
    if (names.length === 0) return;
    const { store, directory } = this.#options;
    for (const name of names) {
      const path = joinPath(directory, name);
      store.rename(path, path.slice(0, path.length - SWAP_SUFFIX.length));
    }
    store.flushDirectory(directory);
  }
}

function isLogSwap(name: string): boolean {
  return name.endsWith(LOG_SUFFIX + SWAP_SUFFIX);
}
