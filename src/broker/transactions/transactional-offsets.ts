// What the transaction coordinator needs of the group coordinator: where a group's offsets are kept, and that offsets
// staged in a transaction take effect, or are dropped, with its marker.

import { ERROR_CODES } from '../../protocol/errors.ts';

export interface TransactionalOffsets {
  /** Makes the topic of offsets where there is none: a Kafka error code, or undefined where it is there. */
  ensure(): Promise<number> | undefined;
  /** The partition that keeps the group's offsets. */
  partitionOf(groupId: string): number;
  /** Resolves when every offset staged so far is in the log; undefined where all are. A marker must stand behind them. */
  durable(index: number): Promise<number> | undefined;
  /** The marker is in the log of the partition. */
  endTransaction(index: number, producerId: number, committed: boolean): void;
}

export const OFFSETS_TOPIC = '__consumer_offsets';

/** Of a broker that keeps no offsets. */
export const NO_OFFSETS: TransactionalOffsets = {
  ensure: () => Promise.resolve(ERROR_CODES.COORDINATOR_NOT_AVAILABLE),
  partitionOf: () => 0,
  durable: () => undefined,
  endTransaction: () => {},
};
