// What a consumer sees of transactions (KIP-98): which batches of a response are not to be given to it. It knows neither
// partitions nor offsets.

import { isCommitMarker } from '../core/record-batch-codec.ts';
import type { DecodedBatch } from '../wasm/record-batch-decoder.ts';

/** Kafka's isolation.level: everything that is there, or only what no open or aborted transaction has written. */
export type Isolation = 'read_uncommitted' | 'read_committed';

/** The numbers by which requests carry it. */
export const ISOLATION_LEVELS: Readonly<Record<Isolation, number>> = { read_uncommitted: 0, read_committed: 1 };

/** One that was aborted, as Fetch tells of it. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/**
 * Tells batches of aborted transactions from the others. Batches are asked about in the order of their offsets; the list
 * is that of their response, which names every aborted transaction with a record among them.
 */
export class AbortedFilter {
  /** The next to begin is the last. */
  readonly #coming: AbortedTransaction[];
  /** Producers whose aborted transaction has begun and whose marker has not come. */
  readonly #aborting = new Set<number>();

  constructor(aborted: readonly AbortedTransaction[]) {
    this.#coming = [...aborted].sort((left, right) => right.firstOffset - left.firstOffset);
  }

  /** Whether the records of the batch belong to an aborted transaction. Markers are to be asked about too: they end one. */
  isAborted(batch: DecodedBatch): boolean {
    for (let next = this.#coming.at(-1); next !== undefined && next.firstOffset <= batch.lastOffset; ) {
      this.#aborting.add(next.producerId);
      this.#coming.pop();
      next = this.#coming.at(-1);
    }
    if (!this.#aborting.has(batch.producerId)) return false;
    if (!batch.isControl) return batch.isTransactional;
    const [marker] = batch.records();
    if (marker !== undefined && !isCommitMarker(marker.key)) this.#aborting.delete(batch.producerId);
    return false;
  }
}
