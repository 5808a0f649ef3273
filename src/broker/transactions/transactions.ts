// What the handlers ask of the transaction coordinator.

import type {
  Answer,
  EndRequest,
  InitProducerRequest,
  PartitionsRequest,
  ProducerIdentity,
  Transaction,
} from './transaction.ts';

/** A partition by the name of its topic. */
export interface Place {
  readonly topic: string;
  readonly index: number;
}

/** What a control batch says of the transaction that it ends. */
export interface Marker extends ProducerIdentity {
  readonly commit: boolean;
  readonly coordinatorEpoch: number;
  readonly transactionVersion: number;
}

export interface Transactions {
  /** A producer id for a producer without a transactional id; undefined where none can be given. */
  freshProducerId(): Promise<number | undefined>;
  initProducer(request: InitProducerRequest): Promise<Answer>;
  endTransaction(transactionalId: string, request: EndRequest): Promise<Answer>;
  /**
   * Partitions join a transaction. While the transaction before is being completed this waits a moment, so that a
   * producer which begins the next one at once need not try again. `done` is told a Kafka error code: at once where the
   * partitions are in and durable, otherwise in the order of the calls.
   */
  addPartitions(transactionalId: string, request: PartitionsRequest, done: (errorCode: number) => void): void;
  /** Whether records of the producer's transaction may go to the partition: NONE, or a Kafka error code. */
  verifyPartition(transactionalId: string, producer: ProducerIdentity, place: Place): number;
  /** One attempt to end a transaction in a partition, whoever coordinates it: a Kafka error code. */
  writeMarker(marker: Marker, place: Place): Promise<number>;
  /** The state, once it is durable; undefined for an id that is not known, a Kafka error code where it is not loaded. */
  describe(transactionalId: string): Promise<Transaction | number | undefined>;
  /** Every transaction that is loaded, and an error code where some are not. */
  list(): { readonly errorCode: number; readonly transactions: readonly Transaction[] };
}
