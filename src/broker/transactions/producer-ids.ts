// Producer ids, each given once in the life of the cluster. They are taken from the metadata in blocks: a block is
// recorded as taken before its first id is given, so that a crash wastes ids and never gives one twice. They are not
// kept in the transaction log, because producers that are merely idempotent need them too, without any such log, and
// because in a cluster they must be unique among all coordinators.

import type { MetadataStore } from '../../cluster/metadata-store.ts';
import { PRODUCER_ID_BLOCK } from '../../core/limits.ts';

export class ProducerIds {
  readonly #metadata: MetadataStore;
  #next = 0;
  #end = 0;
  #taking: Promise<boolean> | undefined;

  constructor(metadata: MetadataStore) {
    this.#metadata = metadata;
  }

  /** An id that nobody has had, or undefined where the metadata cannot be written. */
  async next(): Promise<number | undefined> {
    while (this.#next === this.#end) {
      this.#taking ??= this.#takeBlock();
      if (!(await this.#taking)) return undefined;
    }
    return this.#next++;
  }

  async #takeBlock(): Promise<boolean> {
    try {
      for (;;) {
        const first = this.#metadata.nextProducerId();
        const change = { kind: 'take-producer-ids', first, count: PRODUCER_ID_BLOCK } as const;
        const { outcome } = await this.#metadata.commit([change]);
        if (outcome === 'failed') return false;
        // Somebody else took the block in between: there are others behind it, unless the ids have come to an end.
        if (outcome === 'conflict' && this.#metadata.nextProducerId() === first) return false;
        if (outcome === 'conflict') continue;
        this.#next = first;
        this.#end = first + PRODUCER_ID_BLOCK;
        return true;
      }
    } finally {
      this.#taking = undefined;
    }
  }
}
