// Which batches belong to aborted transactions, and which markers have nothing left to end: told of a log's batches in
// order, as compaction goes through them.

import { ATTRIBUTE_TRANSACTIONAL } from '../../assembly/shared/batch-layout.ts';
import type { BatchHeader } from '../wasm/batch-header.ts';
import type { AbortedEntry } from './transaction-index.ts';

export type MarkerKind = 'commit' | 'abort';

interface Aborted {
  readonly entry: AbortedEntry;
  /** A batch of it is still there. */
  seen: boolean;
}

export class CleanedTransactions {
  /** By rising first offset; those before `#next` have begun. */
  #entries: AbortedEntry[] = [];
  #next = 0;
  /** Aborted transactions that are under way, by producer. */
  readonly #aborted = new Map<number, Aborted>();
  /** Producers with a batch of a transaction that was not aborted, whose end has not come. */
  readonly #committed = new Set<number>();

  /** Adds transactions that begin where the next batches stand, or have begun before the first ones. */
  add(entries: readonly AbortedEntry[]): void {
    const waiting = this.#entries.slice(this.#next);
    this.#entries = [...waiting, ...entries].sort((a, b) => a.firstOffset - b.firstOffset);
    this.#next = 0;
  }

  /** Whether the data batch belongs to an aborted transaction. */
  noteBatch(header: BatchHeader): boolean {
    this.#beginUpTo(header.lastOffset);
    if ((header.attributes & ATTRIBUTE_TRANSACTIONAL) === 0) return false;
    const aborted = this.#aborted.get(header.producerId);
    if (aborted === undefined) {
      this.#committed.add(header.producerId);
      return false;
    }
    aborted.seen = true;
    return true;
  }

  /** Whether no batch of the transaction that this marker ends is left. */
  noteMarker(header: BatchHeader, kind: MarkerKind): boolean {
    this.#beginUpTo(header.lastOffset);
    const { producerId } = header;
    if (kind === 'commit') return !this.#committed.delete(producerId);
    const aborted = this.#aborted.get(producerId);
    this.#aborted.delete(producerId);
    return aborted?.seen !== true;
  }

  #beginUpTo(offset: number): void {
    for (;;) {
      const entry = this.#entries[this.#next];
      if (entry === undefined || entry.firstOffset > offset) return;
      this.#next += 1;
      this.#aborted.set(entry.producerId, { entry, seen: false });
    }
  }
}
