// What a partition knows of its producers, and the rules that follow: idempotence (KIP-98, KIP-360), open and ended
// transactions, fencing by producer and coordinator epoch (KIP-890). Pure: it is told of batches and markers, reads no
// log and no clock. A check changes nothing; what it let pass is noted once it stands in the log.

import type { LastOfProducer } from '../storage/cleaner-filter.ts';
import { PRODUCER_BATCHES_MAX, type ProducerBatchPlace, type ProducerRecord } from '../storage/producer-snapshot.ts';
import type { AbortedEntry } from '../storage/transaction-index.ts';
import type { Refusal } from './batch-check.ts';
import type { ActiveProducer, AppendOrigin } from './commands.ts';

const SEQUENCE_MAX = 0x7fff_ffff;
const NO_SEQUENCE = -1;
const NO_OFFSET = -1;

/** What a data batch says of its producer. */
export interface ProducerBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** -1 in batches of coordinators. */
  readonly baseSequence: number;
  /** Records less one. */
  readonly lastOffsetDelta: number;
  readonly isTransactional: boolean;
}

/** Where a batch was written. */
export interface BatchStanding {
  readonly baseOffset: number;
  /** As the batch says. */
  readonly timestamp: number;
  /** The broker's time. */
  readonly nowMs: number;
}

export interface Marker {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly coordinatorEpoch: number;
  readonly commit: boolean;
}

/** A transaction that a marker has ended. */
export interface EndedTransaction extends AbortedEntry {
  readonly commit: boolean;
}

/** Where a batch that is repeated stands already. */
export interface DuplicateBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly timestamp: number;
}

/** Why a batch is not to be written; undefined: it is. */
export type ProducerVerdict = { readonly refusal: Refusal } | { readonly duplicate: DuplicateBatch } | undefined;

interface Producer {
  readonly id: number;
  epoch: number;
  coordinatorEpoch: number;
  lastTimestamp: number;
  lastSeenMs: number;
  transactionStart: number;
  /** The last batches of this epoch, oldest first. */
  batches: readonly ProducerBatchPlace[];
}

/** A producer as it was before a batch that may still fail to be written. */
export interface ProducerMemo {
  readonly producerId: number;
  /** Undefined where it was not known. */
  readonly before: Readonly<Producer> | undefined;
}

/** Sequence of the last of a batch's records: behind the largest comes 0. */
export function lastSequenceOf(baseSequence: number, lastOffsetDelta: number): number {
  const last = baseSequence + lastOffsetDelta;
  return last > SEQUENCE_MAX ? last - SEQUENCE_MAX - 1 : last;
}

function firstSequenceOf({ lastSequence, offsetDelta }: ProducerBatchPlace): number {
  const first = lastSequence - offsetDelta;
  return first < 0 ? first + SEQUENCE_MAX + 1 : first;
}

export class ProducerStates {
  readonly #producers = new Map<number, Producer>();
  /** First offsets of open transactions with their producers. Maps keep the order of insertion, and offsets rise. */
  readonly #open = new Map<number, Producer>();
  /** The first of {@link #open}, or infinity. */
  #firstOpen = Number.POSITIVE_INFINITY;
  /** Ended transactions whose marker the high watermark had not passed, by rising marker. */
  #unreplicated: EndedTransaction[] = [];

  /** State as a snapshot has it. */
  static from(records: readonly ProducerRecord[], nowMs: number): ProducerStates {
    const states = new ProducerStates();
    for (const record of records) states.#load(record, nowMs);
    const open = [...states.#producers.values()].filter((producer) => producer.transactionStart >= 0);
    open.sort((a, b) => a.transactionStart - b.transactionStart);
    for (const producer of open) states.#begin(producer, producer.transactionStart);
    return states;
  }

  #load(record: ProducerRecord, nowMs: number): void {
    // Files of others know only what the producer said of the time, which may lie in the future.
    const seen = record.lastSeenMs >= 0 ? record.lastSeenMs : record.lastTimestamp;
    this.#producers.set(record.producerId, {
      id: record.producerId,
      epoch: record.producerEpoch,
      coordinatorEpoch: record.coordinatorEpoch,
      lastTimestamp: record.lastTimestamp,
      lastSeenMs: Math.min(seen, nowMs),
      transactionStart: Math.max(record.transactionStart, NO_OFFSET),
      batches: [...record.batches],
    });
  }

  get size(): number {
    return this.#producers.size;
  }

  /** What compaction must leave a trace of, by producer id. */
  lastOfProducers(): Map<number, LastOfProducer> {
    const last = new Map<number, LastOfProducer>();
    for (const { id, epoch, batches } of this.#producers.values()) {
      last.set(id, { producerEpoch: epoch, lastDataOffset: batches.at(-1)?.lastOffset ?? NO_OFFSET });
    }
    return last;
  }

  /** For a snapshot, by rising producer id. */
  records(): ProducerRecord[] {
    return this.#sorted().map((producer) => ({
      producerId: producer.id,
      producerEpoch: producer.epoch,
      coordinatorEpoch: producer.coordinatorEpoch,
      lastTimestamp: producer.lastTimestamp,
      lastSeenMs: producer.lastSeenMs,
      transactionStart: producer.transactionStart,
      batches: [...producer.batches],
    }));
  }

  /** By rising producer id. */
  describe(): ActiveProducer[] {
    return this.#sorted().map((producer) => ({
      producerId: producer.id,
      producerEpoch: producer.epoch,
      lastSequence: producer.batches.at(-1)?.lastSequence ?? NO_SEQUENCE,
      lastTimestamp: producer.lastTimestamp,
      coordinatorEpoch: producer.coordinatorEpoch,
      currentTransactionStartOffset: producer.transactionStart,
    }));
  }

  #sorted(): Producer[] {
    return [...this.#producers.values()].sort((a, b) => a.id - b.id);
  }

  /** What speaks against a batch of a producer with an id. */
  check(batch: ProducerBatch, origin: AppendOrigin): ProducerVerdict {
    const producer = this.#producers.get(batch.producerId);
    if (producer === undefined) return undefined;
    if (origin === 'client') {
      const duplicate = findDuplicate(producer, batch);
      if (duplicate !== undefined) return { duplicate };
    }
    const refusal = this.#refusal(producer, batch, origin);
    return refusal === undefined ? undefined : { refusal };
  }

  #refusal(producer: Producer, batch: ProducerBatch, origin: AppendOrigin): Refusal | undefined {
    if (batch.producerEpoch < producer.epoch) return olderEpoch(batch, producer);
    if (origin === 'client' && !isInSequence(producer, batch)) return outOfOrder(batch, producer);
    if (producer.transactionStart < 0 || batch.isTransactional) return undefined;
    return {
      outcome: 'invalid-txn-state',
      message: `producer ${producer.id} has a transaction open since offset ${producer.transactionStart}, and the batch is not of it`,
    };
  }

  /** Notes a data batch that was written, or that is being read again. */
  note(batch: ProducerBatch, standing: BatchStanding): void {
    const { baseOffset, timestamp, nowMs } = standing;
    const producer = this.#known(batch.producerId);
    enter(producer, batch.producerEpoch);
    const { batches } = producer;
    const place = {
      lastSequence: batch.baseSequence < 0 ? NO_SEQUENCE : lastSequenceOf(batch.baseSequence, batch.lastOffsetDelta),
      lastOffset: baseOffset + batch.lastOffsetDelta,
      offsetDelta: batch.lastOffsetDelta,
      timestamp,
    };
    // A new list each time: a memo may hold the one before.
    producer.batches = batches.length < PRODUCER_BATCHES_MAX ? [...batches, place] : [...batches.slice(1), place];
    producer.lastTimestamp = timestamp;
    producer.lastSeenMs = nowMs;
    if (!batch.isTransactional || producer.transactionStart >= 0) return;
    this.#begin(producer, baseOffset);
  }

  /** What is known of a producer, for {@link restore}. */
  remember(producerId: number): ProducerMemo {
    const known = this.#producers.get(producerId);
    return { producerId, before: known === undefined ? undefined : { ...known } };
  }

  /** Forgets the one data batch of this producer that was noted since. */
  restore({ producerId, before }: ProducerMemo): void {
    const producer = this.#producers.get(producerId);
    if (producer === undefined) return;
    if (producer.transactionStart >= 0 && (before?.transactionStart ?? NO_OFFSET) < 0) this.#end(producer);
    if (before === undefined) this.#producers.delete(producerId);
    else Object.assign(producer, before);
  }

  #begin(producer: Producer, firstOffset: number): void {
    producer.transactionStart = firstOffset;
    this.#open.set(firstOffset, producer);
    this.#firstOpen = Math.min(this.#firstOpen, firstOffset);
  }

  #end(producer: Producer): void {
    this.#open.delete(producer.transactionStart);
    producer.transactionStart = NO_OFFSET;
    const [first] = this.#open.keys();
    this.#firstOpen = first ?? Number.POSITIVE_INFINITY;
  }

  /** What speaks against a marker of a coordinator. */
  checkMarker(marker: Marker, transactionVersion: number): Refusal | undefined {
    const producer = this.#producers.get(marker.producerId);
    if (producer === undefined) return undefined;
    const repeats = marker.producerEpoch === producer.epoch && producer.transactionStart < 0;
    const lowest = transactionVersion >= 2 && !repeats ? producer.epoch + 1 : producer.epoch;
    if (marker.producerEpoch < lowest) return olderEpoch(marker, producer);
    if (marker.coordinatorEpoch >= producer.coordinatorEpoch) return undefined;
    return {
      outcome: 'transaction-coordinator-fenced',
      message: `the marker's coordinator epoch ${marker.coordinatorEpoch} is below ${producer.coordinatorEpoch}`,
    };
  }

  /** Notes a marker at `standing`; returns the transaction that it ended, if one was open. */
  noteMarker(marker: Marker, standing: BatchStanding): EndedTransaction | undefined {
    const { baseOffset, timestamp, nowMs } = standing;
    const producer = this.#known(marker.producerId);
    enter(producer, marker.producerEpoch);
    producer.coordinatorEpoch = marker.coordinatorEpoch;
    producer.lastTimestamp = timestamp;
    producer.lastSeenMs = nowMs;
    const { transactionStart: firstOffset } = producer;
    if (firstOffset < 0) return undefined;
    this.#end(producer);
    const ended = {
      producerId: producer.id,
      commit: marker.commit,
      firstOffset,
      lastOffset: baseOffset,
      lastStableOffset: Math.min(this.#firstOpen, baseOffset + 1),
    };
    this.#unreplicated.push(ended);
    return ended;
  }

  /**
   * The first offset that is not decided, or whose decision could still be lost: the beginning of the earliest
   * transaction that is open, or whose marker stands at or beyond the high watermark; else the high watermark.
   */
  lastStableOffset(highWatermark: number): number {
    let stable = Math.min(highWatermark, this.#firstOpen);
    if (this.#unreplicated.length === 0) return stable;
    this.#unreplicated = this.#unreplicated.filter(({ lastOffset }) => lastOffset >= highWatermark);
    for (const { firstOffset } of this.#unreplicated) stable = Math.min(stable, firstOffset);
    return stable;
  }

  /** Forgets producers that have written nothing for so long. Never one with an open transaction. */
  expire(nowMs: number, expirationMs: number): void {
    for (const producer of this.#producers.values()) {
      const idle = nowMs - producer.lastSeenMs >= expirationMs;
      if (idle && producer.transactionStart < 0) this.#producers.delete(producer.id);
    }
  }

  #known(id: number): Producer {
    const known = this.#producers.get(id);
    if (known !== undefined) return known;
    const producer: Producer = {
      id,
      epoch: -1,
      coordinatorEpoch: -1,
      lastTimestamp: -1,
      lastSeenMs: -1,
      transactionStart: NO_OFFSET,
      batches: [],
    };
    this.#producers.set(id, producer);
    return producer;
  }
}

/** Sequences begin anew with an epoch. */
function enter(producer: Producer, epoch: number): void {
  if (producer.epoch === epoch) return;
  producer.epoch = epoch;
  producer.batches = [];
}

function findDuplicate(producer: Producer, batch: ProducerBatch): DuplicateBatch | undefined {
  if (batch.producerEpoch !== producer.epoch) return undefined;
  const lastSequence = lastSequenceOf(batch.baseSequence, batch.lastOffsetDelta);
  for (const known of producer.batches) {
    if (known.lastSequence !== lastSequence || firstSequenceOf(known) !== batch.baseSequence) continue;
    const { lastOffset, offsetDelta, timestamp } = known;
    return { baseOffset: lastOffset - offsetDelta, lastOffset, timestamp };
  }
  return undefined;
}

function isInSequence(producer: Producer, { producerEpoch, baseSequence }: ProducerBatch): boolean {
  const last = producerEpoch === producer.epoch ? producer.batches.at(-1) : undefined;
  const lastSequence = last?.lastSequence ?? NO_SEQUENCE;
  return baseSequence === (lastSequence === SEQUENCE_MAX ? 0 : lastSequence + 1);
}

function olderEpoch({ producerEpoch }: { readonly producerEpoch: number }, { id, epoch }: Producer): Refusal {
  return {
    outcome: 'invalid-producer-epoch',
    message: `epoch ${producerEpoch} of producer ${id} is behind the epoch ${epoch} that is known here`,
  };
}

function outOfOrder({ producerEpoch, baseSequence }: ProducerBatch, producer: Producer): Refusal {
  const last = producer.batches.at(-1)?.lastSequence ?? NO_SEQUENCE;
  return {
    outcome: 'out-of-order-sequence',
    message: `sequence ${baseSequence} of producer ${producer.id} in epoch ${producerEpoch} does not follow sequence ${last} in epoch ${producer.epoch}`,
  };
}
