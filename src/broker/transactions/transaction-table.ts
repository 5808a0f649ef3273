// The transactional ids of one partition of `__transaction_state`: what its log says, and nothing else. It decides
// nothing; decisions arrive as records.

import type { StateMachine } from '../coordinator-log-partition.ts';
import type { Transaction } from './transaction.ts';
import type { TransactionRecord } from './transaction-log-format.ts';

/** One transactional id. */
export interface TransactionEntry {
  transaction: Transaction;
  /** The write that made the state what it is, until it is durable. Nobody is told of the state before. */
  pending: Promise<number> | undefined;
  /** Called in order once the transaction that is being ended is complete, or the table is thrown away. */
  readonly completion: Set<() => void>;
}

export interface TransactionTableOptions {
  readonly index: number;
  /** The log has been read: what it left prepared is to be completed. */
  readonly onLoaded: (table: TransactionTable) => void;
}

export class TransactionTable implements StateMachine<TransactionRecord> {
  readonly index: number;
  readonly entries = new Map<string, TransactionEntry>();
  readonly #onLoaded: TransactionTableOptions['onLoaded'];
  #live = true;

  constructor({ index, onLoaded }: TransactionTableOptions) {
    this.index = index;
    this.#onLoaded = onLoaded;
  }

  /** False once the state is thrown away: nothing may be done in its name any more. */
  get live(): boolean {
    return this.#live;
  }

  apply({ transactionalId, transaction }: TransactionRecord): void {
    const known = this.entries.get(transactionalId);
    if (transaction === undefined) this.entries.delete(transactionalId);
    else if (known === undefined) {
      this.entries.set(transactionalId, { transaction, pending: undefined, completion: new Set() });
    } else known.transaction = transaction;
  }

  /** Records of this log are never part of a transaction. */
  endTransaction(): void {}

  loaded(): void {
    this.#onLoaded(this);
  }

  unloaded(): void {
    this.#live = false;
    for (const entry of this.entries.values()) release(entry);
  }
}

/** Lets those go on who waited for the completion. Not from within `apply`: what they write stands behind its record. */
export function release({ completion }: TransactionEntry): void {
  const waiting = [...completion];
  completion.clear();
  for (const each of waiting) each();
}
