// The state of one transactional id, and every rule by which it moves: pure functions of the state, a request and the
// time. Nothing here waits, writes or knows the log; whoever calls persists the state that comes out before it tells
// anybody or acts on it.
//
//   Empty -> Ongoing -> PrepareCommit -> CompleteCommit -> Ongoing | Empty ...
//                    -> PrepareAbort  -> CompleteAbort
//
// A Prepare state is the decision: from then on the outcome is fixed, markers go to every partition, and Complete says
// that they are all there. Sources: KIP-98, KIP-360 (recovery of an epoch), KIP-890 (transaction version 2: the epoch is
// bumped at every end, so that a late request of one transaction cannot touch the next).

import { assert } from '../../core/assert.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { hasPartition, includesAll, NO_PARTITIONS, type TopicPartitions, union } from './topic-partitions.ts';

/** Kafka's names, at the places of Kafka's numbers. */
export const TRANSACTION_STATES = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
] as const;
export type TransactionState = (typeof TRANSACTION_STATES)[number];

export const NO_PRODUCER_ID = -1;
export const NO_PRODUCER_EPOCH = -1;
/** The last epoch that a client is given: the one above is kept for fencing it. */
export const PRODUCER_EPOCH_MAX = 32_766;
/** The version in which every end of a transaction bumps the epoch (KIP-890). */
export const EPOCH_BUMP_VERSION = 2;

export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** Everything known of a transactional id. Immutable; all of it stands in the log. */
export interface Transaction extends ProducerIdentity {
  readonly transactionalId: string;
  /** The id that the producer had before its epochs ran out; -1 for none. */
  readonly previousProducerId: number;
  /** The id that the producer has once the markers are written; -1 for the same. */
  readonly nextProducerId: number;
  /** The epoch from which the present one was bumped at its producer's own wish; -1 for none. */
  readonly lastProducerEpoch: number;
  readonly timeoutMs: number;
  readonly state: TransactionState;
  readonly partitions: TopicPartitions;
  /** Milliseconds since 1970; -1 before the first transaction. */
  readonly startTimeMs: number;
  readonly updateTimeMs: number;
  /** The transaction version by which the last end was asked for: 0 or 2. */
  readonly clientVersion: number;
}

export interface Answer extends ProducerIdentity {
  readonly errorCode: number;
}

/** What follows from a request. */
export type Decision =
  /** Nothing changes. */
  | { readonly kind: 'answer'; readonly answer: Answer }
  /** The state moves; the answer is given once that is durable. */
  | { readonly kind: 'move'; readonly to: Transaction; readonly answer: Answer }
  /** The same again, with a producer id that nobody has had. */
  | { readonly kind: 'producer-id-needed' };

/** Time, and an id that nobody has had where one was asked for. */
export interface Moment {
  readonly nowMs: number;
  readonly freshProducerId?: number | undefined;
}

export function refusal(errorCode: number): Answer {
  return { errorCode, producerId: NO_PRODUCER_ID, producerEpoch: NO_PRODUCER_EPOCH };
}

function refuse(errorCode: number): Decision {
  return { kind: 'answer', answer: refusal(errorCode) };
}

function identityOf({ producerId, producerEpoch }: ProducerIdentity): Answer {
  return { errorCode: ERROR_CODES.NONE, producerId, producerEpoch };
}

function moveTo(to: Transaction): Decision {
  return { kind: 'move', to, answer: identityOf(to) };
}

export function isPrepared({ state }: Transaction): boolean {
  return state === 'PrepareCommit' || state === 'PrepareAbort';
}

function isComplete({ state }: Transaction): boolean {
  return state === 'CompleteCommit' || state === 'CompleteAbort';
}

function isExhausted(epoch: number): boolean {
  return epoch >= PRODUCER_EPOCH_MAX;
}

/** A transactional id seen for the first time: it has no epoch until it is initialized. */
export function newTransaction(transactionalId: string, producerId: number, nowMs: number): Transaction {
  return {
    transactionalId,
    producerId,
    previousProducerId: NO_PRODUCER_ID,
    nextProducerId: NO_PRODUCER_ID,
    producerEpoch: NO_PRODUCER_EPOCH,
    lastProducerEpoch: NO_PRODUCER_EPOCH,
    timeoutMs: 0,
    state: 'Empty',
    partitions: NO_PARTITIONS,
    startTimeMs: -1,
    updateTimeMs: nowMs,
    clientVersion: 0,
  };
}

export interface InitProducerRequest {
  readonly transactionalId: string;
  readonly timeoutMs: number;
  /** What a producer that recovers has (KIP-360); undefined for one that begins. */
  readonly expected: ProducerIdentity | undefined;
}

/**
 * A producer takes the transactional id over, or goes on with it after an error. An open transaction is aborted under a
 * bumped epoch, which fences its producer; CONCURRENT_TRANSACTIONS then brings the new one back when that is done.
 */
export function initProducer(known: Transaction | undefined, request: InitProducerRequest, moment: Moment): Decision {
  const { expected, timeoutMs, transactionalId } = request;
  if (known === undefined) {
    if (moment.freshProducerId === undefined) return { kind: 'producer-id-needed' };
    const fresh = newTransaction(transactionalId, moment.freshProducerId, moment.nowMs);
    return moveTo({ ...fresh, producerEpoch: 0, timeoutMs });
  }
  if (isPrepared(known)) return refuse(ERROR_CODES.CONCURRENT_TRANSACTIONS);
  if (expected !== undefined && !mayRecover(known, expected)) return refuse(ERROR_CODES.PRODUCER_FENCED);
  if (known.state === 'Ongoing') return fence(known, moment);
  if (expected !== undefined && isRetryOfBump(known, expected)) {
    return moveTo(initialized(known, { timeoutMs, nowMs: moment.nowMs }));
  }
  if (expected !== undefined && expected.producerEpoch !== known.producerEpoch) {
    return refuse(ERROR_CODES.PRODUCER_FENCED);
  }
  return bump(known, request, moment);
}

/** The producer's id is the present one, or the one before, whose epochs had run out. */
function mayRecover(known: Transaction, { producerId, producerEpoch }: ProducerIdentity): boolean {
  if (producerId === known.producerId) return true;
  return producerId === known.previousProducerId && isExhausted(producerEpoch);
}

/** The epoch was bumped before at this producer's wish, and it never had the answer. */
function isRetryOfBump(known: Transaction, { producerEpoch }: ProducerIdentity): boolean {
  return producerEpoch === known.lastProducerEpoch && producerEpoch !== known.producerEpoch;
}

function initialized(
  known: Transaction,
  change: { readonly timeoutMs: number; readonly nowMs: number } & Partial<Transaction>,
): Transaction {
  const { nowMs, ...rest } = change;
  return {
    ...known,
    ...rest,
    state: 'Empty',
    partitions: NO_PARTITIONS,
    startTimeMs: -1,
    updateTimeMs: nowMs,
    nextProducerId: NO_PRODUCER_ID,
  };
}

function bump(known: Transaction, { expected, timeoutMs }: InitProducerRequest, moment: Moment): Decision {
  const { nowMs } = moment;
  // A producer that begins fences whoever had the id: the epoch before must not let that one recover.
  const lastProducerEpoch = expected === undefined ? NO_PRODUCER_EPOCH : known.producerEpoch;
  if (!isExhausted(known.producerEpoch)) {
    const producerEpoch = known.producerEpoch + 1;
    return moveTo(initialized(known, { timeoutMs, nowMs, producerEpoch, lastProducerEpoch }));
  }
  if (moment.freshProducerId === undefined) return { kind: 'producer-id-needed' };
  return moveTo(
    initialized(known, {
      timeoutMs,
      nowMs,
      producerId: moment.freshProducerId,
      previousProducerId: known.producerId,
      producerEpoch: 0,
      lastProducerEpoch,
    }),
  );
}

function fence(known: Transaction, moment: Moment): Decision {
  const decision = abortByCoordinator(known, moment);
  return decision.kind === 'move' ? { ...decision, answer: refusal(ERROR_CODES.CONCURRENT_TRANSACTIONS) } : decision;
}

/** Aborts an open transaction without its producer: it is fenced or took too long. */
export function abortByCoordinator(known: Transaction, moment: Moment): Decision {
  assert(known.state === 'Ongoing', 'only an open transaction is aborted');
  return prepare(known, { state: 'PrepareAbort', clientVersion: EPOCH_BUMP_VERSION }, moment);
}

/**
 * The outcome is decided. With version 2 the epoch is bumped at once, and the markers carry the new one: whatever the
 * transaction's producer still sends under the old one is refused. Epochs that run out bring a new producer id, which
 * holds from the completion on; the markers then carry the epoch that no client is ever given.
 */
function prepare(
  known: Transaction,
  { state, clientVersion }: Pick<Transaction, 'state' | 'clientVersion'>,
  { nowMs, freshProducerId }: Moment,
): Decision {
  const decided = { ...known, state, clientVersion, updateTimeMs: nowMs };
  if (clientVersion < EPOCH_BUMP_VERSION) return moveTo(decided);
  const bumped = { ...decided, producerEpoch: known.producerEpoch + 1, lastProducerEpoch: known.producerEpoch };
  if (!isExhausted(known.producerEpoch)) return moveTo(bumped);
  if (freshProducerId === undefined) return { kind: 'producer-id-needed' };
  const to = { ...bumped, nextProducerId: freshProducerId };
  return { kind: 'move', to, answer: { errorCode: ERROR_CODES.NONE, producerId: freshProducerId, producerEpoch: 0 } };
}

/** The state once every marker is written. */
export function completed(known: Transaction, nowMs: number): Transaction {
  assert(isPrepared(known), 'what completes has been prepared');
  const state = known.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort';
  const done: Transaction = { ...known, state, partitions: NO_PARTITIONS, updateTimeMs: nowMs };
  if (known.nextProducerId === NO_PRODUCER_ID) return done;
  return {
    ...done,
    producerId: known.nextProducerId,
    previousProducerId: known.producerId,
    nextProducerId: NO_PRODUCER_ID,
    producerEpoch: 0,
  };
}

/** Kafka's error code where the producer may not act on the transaction now, else NONE. */
function standing(known: Transaction | undefined, { producerId, producerEpoch }: ProducerIdentity): number {
  if (known === undefined) return ERROR_CODES.INVALID_PRODUCER_ID_MAPPING;
  // The producer has been told its next id, which holds when the markers are written.
  if (isPrepared(known) && known.nextProducerId !== NO_PRODUCER_ID && producerId === known.nextProducerId) {
    return ERROR_CODES.CONCURRENT_TRANSACTIONS;
  }
  if (producerId !== known.producerId) return ERROR_CODES.INVALID_PRODUCER_ID_MAPPING;
  if (producerEpoch !== known.producerEpoch) return ERROR_CODES.PRODUCER_FENCED;
  return isPrepared(known) ? ERROR_CODES.CONCURRENT_TRANSACTIONS : ERROR_CODES.NONE;
}

export interface PartitionsRequest extends ProducerIdentity {
  readonly partitions: TopicPartitions;
}

/** Partitions join the transaction, and begin it where none is open. */
export function addPartitions(known: Transaction | undefined, request: PartitionsRequest, nowMs: number): Decision {
  const errorCode = standing(known, request);
  if (errorCode !== ERROR_CODES.NONE || known === undefined) return refuse(errorCode);
  const ongoing = known.state === 'Ongoing';
  if (ongoing && includesAll(known.partitions, request.partitions)) {
    return { kind: 'answer', answer: identityOf(known) };
  }
  return moveTo({
    ...known,
    state: 'Ongoing',
    partitions: union(ongoing ? known.partitions : NO_PARTITIONS, request.partitions),
    startTimeMs: ongoing ? known.startTimeMs : nowMs,
    updateTimeMs: nowMs,
  });
}

/**
 * Whether records of the transaction may go to the partition: NONE, TRANSACTION_ABORTABLE where it is not part of it
 * (KIP-890), or why the producer may not write at all.
 */
export function verifyPartition(
  known: Transaction | undefined,
  producer: ProducerIdentity,
  { topic, index }: { readonly topic: string; readonly index: number },
): number {
  const errorCode = standing(known, producer);
  if (errorCode !== ERROR_CODES.NONE || known === undefined) return errorCode;
  const member = known.state === 'Ongoing' && hasPartition(known.partitions, topic, index);
  return member ? ERROR_CODES.NONE : ERROR_CODES.TRANSACTION_ABORTABLE;
}

export interface EndRequest extends ProducerIdentity {
  readonly commit: boolean;
  /** 2 where the client has its epoch bumped at every end (EndTxn version 5 and up), else 0. */
  readonly clientVersion: number;
}

/** Commits or aborts. The same once more is answered as before, and the opposite of what was decided is refused. */
export function endTransaction(known: Transaction | undefined, request: EndRequest, moment: Moment): Decision {
  if (known === undefined) return refuse(ERROR_CODES.INVALID_PRODUCER_ID_MAPPING);
  if (isRetryOfEnd(known, request)) return repeated(known, request);
  const errorCode = standing(known, request);
  if (errorCode === ERROR_CODES.CONCURRENT_TRANSACTIONS && isOpposite(known, request)) {
    return refuse(ERROR_CODES.INVALID_TXN_STATE);
  }
  if (errorCode !== ERROR_CODES.NONE) return refuse(errorCode);
  if (known.state === 'Ongoing') {
    const state = request.commit ? 'PrepareCommit' : 'PrepareAbort';
    return prepare(known, { state, clientVersion: request.clientVersion }, moment);
  }
  if (request.clientVersion >= EPOCH_BUMP_VERSION) return endOfNothing(known, request, moment);
  return isComplete(known) ? repeated(known, request) : refuse(ERROR_CODES.INVALID_TXN_STATE);
}

/** Version 2: the epoch, or the id, was bumped from what the request carries. */
function isRetryOfEnd(known: Transaction, { producerId, producerEpoch, clientVersion }: EndRequest): boolean {
  if (clientVersion < EPOCH_BUMP_VERSION || known.clientVersion < EPOCH_BUMP_VERSION) return false;
  if (!isPrepared(known) && !isComplete(known)) return false;
  if (producerId === known.producerId) return producerEpoch === known.producerEpoch - 1;
  return (
    isComplete(known) &&
    producerId === known.previousProducerId &&
    producerEpoch === PRODUCER_EPOCH_MAX &&
    known.producerEpoch === 0
  );
}

function repeated(known: Transaction, { commit }: EndRequest): Decision {
  const committed = known.state === 'PrepareCommit' || known.state === 'CompleteCommit';
  if (committed !== commit) return refuse(ERROR_CODES.INVALID_TXN_STATE);
  if (isPrepared(known)) return refuse(ERROR_CODES.CONCURRENT_TRANSACTIONS);
  return { kind: 'answer', answer: identityOf(known) };
}

/** Without epoch bumps a request of the present epoch is the same end once more, so its direction tells. */
function isOpposite(known: Transaction, { commit, clientVersion, producerId }: EndRequest): boolean {
  if (clientVersion >= EPOCH_BUMP_VERSION || producerId !== known.producerId) return false;
  return (known.state === 'PrepareCommit') !== commit;
}

/**
 * Version 2: a producer may abort before any of its partitions came here, since they are added along with its records.
 * The epoch is bumped, so that records still under way are refused. There is nothing to commit.
 */
function endOfNothing(known: Transaction, { commit }: EndRequest, moment: Moment): Decision {
  if (commit) return refuse(ERROR_CODES.INVALID_TXN_STATE);
  const empty = { ...known, partitions: NO_PARTITIONS, startTimeMs: moment.nowMs };
  const prepared = prepare(empty, { state: 'PrepareAbort', clientVersion: EPOCH_BUMP_VERSION }, moment);
  return prepared.kind === 'move' ? { ...prepared, to: completed(prepared.to, moment.nowMs) } : prepared;
}

export function isTimedOut({ state, startTimeMs, timeoutMs }: Transaction, nowMs: number): boolean {
  return state === 'Ongoing' && startTimeMs + timeoutMs < nowMs;
}

/** Whether the id may be forgotten: nothing is open, and nothing has been heard for so long. */
export function isExpired(known: Transaction, nowMs: number, expirationMs: number): boolean {
  return !isPrepared(known) && known.state !== 'Ongoing' && known.updateTimeMs + expirationMs <= nowMs;
}
