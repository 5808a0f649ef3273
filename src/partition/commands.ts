// What crosses the line between whoever dispatches (broker, replication) and whoever owns a partition: plain data,
// fit for structured clone. Record bytes travel beside it, in the slot's slab, in memory that the owner lends, or as a transferred buffer.
// Nothing here knows the wire protocol: outcomes are words, and the broker maps them to Kafka's error codes.

import type { FaultRecord } from '../core/fault.ts';
import type { FileRange, FramePart } from '../core/file-range.ts';
import type { LogConfig } from '../storage/log-config.ts';

/** A partition's number inside this process: dense, given out by the router, never reused while the process lives. */
export type PartitionHandle = number;

export interface OpenCommand {
  readonly kind: 'open';
  readonly handle: PartitionHandle;
  /** Directory of the partition in the store, `<topic>-<partition>`. */
  readonly directory: string;
  /** Topic id as Kafka prints it (base64url of 16 bytes); it stands in `partition.metadata`. */
  readonly topicId: string;
  readonly config: LogConfig;
  /** Epoch that this leadership writes into every batch. */
  readonly leaderEpoch: number;
  /** Offset up to which the log was known to be flushed; recovery reads from the segment that holds it. */
  readonly recoveryPoint: number;
  /** Log start offset at the last checkpoint; the log may have moved it further by deleting segments. */
  readonly logStartOffset: number;
  /** The data directory was closed in order, so no segment needs reading. */
  readonly cleanShutdown: boolean;
  /** Of a topic that the broker keeps for itself. */
  readonly internal?: boolean | undefined;
}

export interface AppendCommand {
  readonly kind: 'append';
  readonly handle: PartitionHandle;
  /** Where the record batch lies in the group's slab; -1 when it comes in `bytes` because no slab could hold it. */
  readonly position: number;
  readonly length: number;
  readonly bytes: Uint8Array | undefined;
  /** Whether the caller waits for stable storage (acks=all): a `flushed` event for the last offset then follows. */
  readonly durable: boolean;
  /** Who wrote the batch; a coordinator's own batches carry a producer id without sequence numbers. */
  readonly origin: AppendOrigin;
}

/**
 * `client`: checked in full. `coordinator`: a group coordinator's transactional offset commits; the producer epoch is
 * checked, sequences are not.
 */
export type AppendOrigin = 'client' | 'coordinator';

/** Ends a producer's transaction in this partition: appends a control batch, one record, COMMIT or ABORT. */
export interface WriteMarkerCommand {
  readonly kind: 'write-marker';
  readonly handle: PartitionHandle;
  readonly producerId: number;
  /** With transaction version 2 the epoch after the transaction's (KIP-890), otherwise the transaction's own. */
  readonly producerEpoch: number;
  /** Epoch of the transaction coordinator; one below what the producer's last marker carried is fenced. */
  readonly coordinatorEpoch: number;
  readonly commit: boolean;
  /**
   * 0 and 1 accept an epoch at or above the producer's; 2 only one above it, so that a marker that comes late cannot
   * end the transaction after its own. A repeated marker is accepted where no transaction is open, and written again.
   */
  readonly transactionVersion: number;
  /** As of an append. */
  readonly durable: boolean;
}

export interface DescribeProducersCommand {
  readonly kind: 'describe-producers';
  readonly handle: PartitionHandle;
}

export interface PartitionRead {
  readonly handle: PartitionHandle;
  readonly offset: number;
  readonly maxBytes: number;
  /** Which end bounds the read: consumers stop at the high watermark or the last stable offset. */
  readonly end: 'high-watermark' | 'last-stable' | 'log-end';
  /** Epoch the reader believes in, for fencing; -1 for none. */
  readonly currentLeaderEpoch: number;
  /** Epoch of the last batch the reader has, for finding divergence (KIP-595); -1 for none. */
  readonly lastFetchedEpoch: number;
}

/** Reads of one fetch request that fall to one slot: in order, sharing one budget. */
export interface FetchCommand {
  readonly kind: 'fetch';
  readonly maxBytes: number;
  /** The first non-empty partition returns one whole batch even above the limits (KIP-74). */
  readonly minOneBatch: boolean;
  /** Whether records may be lent instead of given: {@link FetchedReads.release} has then to be called. By default not. */
  readonly lends?: boolean | undefined;
  /** With `lends`: whether records may also stay in a file, to be sent from there ({@link ReadReply.file}). */
  readonly files?: boolean | undefined;
  readonly reads: readonly PartitionRead[];
}

export interface ListOffsetCommand {
  readonly kind: 'list-offset';
  readonly handle: PartitionHandle;
  /** Milliseconds since 1970, or one of {@link SPECIAL_TIMESTAMPS}. */
  readonly timestamp: number;
  readonly end: 'high-watermark' | 'last-stable';
  readonly currentLeaderEpoch: number;
}

/** The negative timestamps of Kafka's ListOffsets. */
export const SPECIAL_TIMESTAMPS = { latest: -1, earliest: -2, max: -3, earliestLocal: -4, latestTiered: -5 } as const;

export interface EpochEndCommand {
  readonly kind: 'epoch-end';
  readonly handle: PartitionHandle;
  readonly leaderEpoch: number;
  readonly currentLeaderEpoch: number;
}

export interface DeleteRecordsCommand {
  readonly kind: 'delete-records';
  readonly handle: PartitionHandle;
  /** New log start offset; -1 means the high watermark. */
  readonly beforeOffset: number;
}

export interface ConfigureCommand {
  readonly kind: 'configure';
  readonly handle: PartitionHandle;
  readonly config: LogConfig;
}

/** Retention, time-based rolls and flushes, removal of deleted files: everything the slot owns, in bounded steps. */
export interface MaintainCommand {
  readonly kind: 'maintain';
}

/** Flushes and closes the partition in order. */
export interface CloseCommand {
  readonly kind: 'close';
  readonly handle: PartitionHandle;
}

/** Closes the partition and removes its directory. */
export interface RemoveCommand {
  readonly kind: 'remove';
  readonly handle: PartitionHandle;
}

export type PartitionCommand =
  | OpenCommand
  | AppendCommand
  | WriteMarkerCommand
  | DescribeProducersCommand
  | FetchCommand
  | ListOffsetCommand
  | EpochEndCommand
  | DeleteRecordsCommand
  | ConfigureCommand
  | MaintainCommand
  | CloseCommand
  | RemoveCommand;

/** Where a partition stands. logStartOffset <= lastStableOffset <= highWatermark <= logEndOffset, always. */
export interface PartitionState {
  readonly logStartOffset: number;
  readonly lastStableOffset: number;
  readonly highWatermark: number;
  readonly logEndOffset: number;
  /** Everything below is on stable storage. */
  readonly recoveryPoint: number;
  readonly sizeBytes: number;
  /** Grows with every change while the partition is open: of two states the larger one is the later. */
  readonly revision: number;
}

/** Where a reader has to stop. */
export function readEnd(state: PartitionState, which: PartitionRead['end']): number {
  if (which === 'log-end') return state.logEndOffset;
  return which === 'last-stable' ? state.lastStableOffset : state.highWatermark;
}

/** Outcomes that are answers, not faults. The broker's error mapping is exhaustive over them. */
export type PartitionOutcome =
  | 'ok'
  | 'unknown-partition'
  | 'offset-out-of-range'
  | 'fenced-leader-epoch'
  | 'unknown-leader-epoch'
  | 'corrupt-message'
  | 'invalid-record'
  | 'invalid-timestamp'
  | 'message-too-large'
  | 'unsupported-compression'
  /** The sequence does not follow the producer's last one in this partition, and is none of its last five batches. */
  | 'out-of-order-sequence'
  /** The producer has written here, or ended a transaction, with a higher epoch. */
  | 'invalid-producer-epoch'
  /** A batch outside of a transaction from a producer that has one open here. */
  | 'invalid-txn-state'
  /** A marker of a coordinator that a later one has replaced. */
  | 'transaction-coordinator-fenced'
  | 'corrupt-log'
  | 'storage-error'
  | 'worker-lost';

interface Reply {
  readonly outcome: PartitionOutcome;
  /** Says what was wrong, where the outcome is not `ok`. */
  readonly fault?: FaultRecord;
}

export interface OpenReply extends Reply {
  readonly state: PartitionState | undefined;
}

export interface AppendReply extends Reply {
  /** Offsets given to the batch, or that a batch repeated by an idempotent producer had got; -1 where it was refused. */
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** The broker's time where the topic stamps it, otherwise -1. */
  readonly logAppendTimeMs: number;
  /** Whether the bytes in the slab are now those of the log: stamped where they lay, and not converted. */
  readonly isInPlace?: boolean | undefined;
  readonly state: PartitionState | undefined;
}

export interface ReadReply extends Reply {
  /** Whole record batches; the first may begin below the offset asked for. Empty, never absent. */
  readonly records: Uint8Array;
  /** Where the records lie instead, in the memory from which the owner lends. */
  readonly lent?: LentBytes | undefined;
  /** Where in a file they lie instead. On the dispatching side it is `file`. */
  readonly range?: LentRange | undefined;
  /** The records, where they are to be sent from a file: `records` is empty then. */
  readonly file?: FileRange | undefined;
  readonly state: PartitionState | undefined;
  /** Where the reader's log departs from this one (KIP-595), else undefined. */
  readonly divergingEpoch: { readonly epoch: number; readonly endOffset: number } | undefined;
  /**
   * For reads with end `last-stable`: the aborted transactions that overlap with what was read, from the offset asked
   * for to the end of the last batch, by rising first offset. Undefined for other reads.
   */
  readonly abortedTransactions: readonly AbortedTransaction[] | undefined;
}

export interface AbortedTransaction {
  readonly producerId: number;
  /** Offset of the transaction's first batch in this partition. */
  readonly firstOffset: number;
}

export interface FetchReply {
  readonly reads: readonly ReadReply[];
}

/** Bytes of the memory from which a slot's owner lends. */
export interface LentBytes {
  readonly position: number;
  readonly length: number;
}

/** Bytes of a file that stays what it is until the range comes back by its `id`. */
export interface LentRange {
  readonly id: number;
  /** In the store. Another file may have taken it over since: `identity` tells. */
  readonly path: string;
  readonly identity: bigint;
  readonly position: number;
  readonly length: number;
}

/** The records of a read, wherever they are: of either kind the length is in bytes. */
export function recordsOf({ file, records }: ReadReply): FramePart {
  return file ?? records;
}

/** What a fetch read, on the dispatching side. */
export interface FetchedReads extends FetchReply {
  /** The records are not used any more. To be called once where the fetch said that it `lends`; else it does nothing. */
  release(): void;
}

export interface ListOffsetReply extends Reply {
  /** -1 where no record qualifies. */
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

export interface EpochEndReply extends Reply {
  /** Largest epoch not above the one asked for, and its exclusive end; -1 and -1 where there is none. */
  readonly leaderEpoch: number;
  readonly endOffset: number;
}

export interface DeleteRecordsReply extends Reply {
  readonly state: PartitionState | undefined;
}

/** What a partition remembers of one producer; as Kafka's DescribeProducers shows it. */
export interface ActiveProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Sequence of the last record; -1 where the producer has written none in this epoch. */
  readonly lastSequence: number;
  /** Milliseconds since 1970, of the last batch or marker; -1 for none. */
  readonly lastTimestamp: number;
  /** Of the last marker; -1 where there was none. */
  readonly coordinatorEpoch: number;
  /** First offset of the open transaction, or -1. */
  readonly currentTransactionStartOffset: number;
}

export interface DescribeProducersReply extends Reply {
  /** By rising producer id. */
  readonly producers: readonly ActiveProducer[];
}

export interface MaintainReply {
  /** Whether the slot's round is complete; until then the next `maintain` goes on where this one stopped. */
  readonly finished: boolean;
  /** Partitions whose state changed. */
  readonly states: readonly { readonly handle: PartitionHandle; readonly state: PartitionState }[];
  /** Partitions whose maintenance failed, each read-only from now on. */
  readonly faults: readonly { readonly handle: PartitionHandle; readonly fault: FaultRecord }[];
}

export interface CloseReply extends Reply {
  readonly state: PartitionState | undefined;
}

/** The reply that belongs to each command. */
export interface PartitionReplies {
  readonly open: OpenReply;
  readonly append: AppendReply;
  readonly 'write-marker': AppendReply;
  readonly 'describe-producers': DescribeProducersReply;
  readonly fetch: FetchReply;
  readonly 'list-offset': ListOffsetReply;
  readonly 'epoch-end': EpochEndReply;
  readonly 'delete-records': DeleteRecordsReply;
  readonly configure: CloseReply;
  readonly maintain: MaintainReply;
  readonly close: CloseReply;
  readonly remove: CloseReply;
}

export type PartitionReply = PartitionReplies[keyof PartitionReplies];

/** What an owner reports without being asked. */
export type PartitionEvent =
  | { readonly kind: 'flushed'; readonly handle: PartitionHandle; readonly recoveryPoint: number }
  | { readonly kind: 'flush-failed'; readonly handle: PartitionHandle; readonly fault: FaultRecord }
  /** Compaction has changed the log's segments. */
  | { readonly kind: 'compacted'; readonly handle: PartitionHandle; readonly state: PartitionState }
  | { readonly kind: 'compaction-failed'; readonly handle: PartitionHandle; readonly fault: FaultRecord };

/**
 * The dispatching side's whole view of the partitions: the router of the broker talks to this and to nothing below.
 * Every promise settles: when an owner is lost, with outcome `worker-lost`. None rejects but for a bug.
 */
export interface PartitionExecutor {
  open(command: Omit<OpenCommand, 'kind'>): Promise<OpenReply>;
  /**
   * Appends one record batch. `records` must stay unchanged until the promise resolves. It resolves when the batch has
   * reached the operating system, or with `durable` when it is on stable storage.
   */
  append(handle: PartitionHandle, records: Uint8Array, durable: boolean): Promise<AppendReply>;
  /** As {@link append}, for batches of a coordinator: see {@link AppendOrigin}. */
  appendFromCoordinator(handle: PartitionHandle, records: Uint8Array, durable: boolean): Promise<AppendReply>;
  /** Ends a transaction in a partition. Resolves as {@link append}; order with appends is that of the calls. */
  writeMarker(command: Omit<WriteMarkerCommand, 'kind'>): Promise<AppendReply>;
  describeProducers(handle: PartitionHandle): Promise<DescribeProducersReply>;
  /** Reads many partitions within one budget; replies stand in the order of `reads`. */
  fetch(request: Omit<FetchCommand, 'kind'>): Promise<FetchedReads>;
  listOffset(command: Omit<ListOffsetCommand, 'kind'>): Promise<ListOffsetReply>;
  epochEnd(command: Omit<EpochEndCommand, 'kind'>): Promise<EpochEndReply>;
  deleteRecords(command: Omit<DeleteRecordsCommand, 'kind'>): Promise<DeleteRecordsReply>;
  configure(command: Omit<ConfigureCommand, 'kind'>): Promise<CloseReply>;
  maintain(): Promise<MaintainReply>;
  closePartition(handle: PartitionHandle): Promise<CloseReply>;
  remove(handle: PartitionHandle): Promise<CloseReply>;
  /** Last state seen of a partition, from any reply or event; undefined before it is open. */
  state(handle: PartitionHandle): PartitionState | undefined;
  /** Called after the state of a partition moved (append, flush, retention) or its owner came back. */
  onStateChange(listener: (handle: PartitionHandle, state: PartitionState) => void): void;
  /** Resolves when more bytes may be taken in; undefined when they may now. Connections stop reading meanwhile. */
  whenWritable(): Promise<void> | undefined;
  /** For the metrics: commands waiting and in flight, by slot. */
  queueLengths(): readonly number[];
  /** Ends the owners. Partitions must have been closed before. */
  close(): Promise<void>;
}
