// What a produce request with records of a transaction needs before its records go to their partitions: with version 12
// and up the partitions join the transaction by this alone, before that they must have joined it (KIP-890). Of the
// records it reads the header of the batch.

import {
  ATTRIBUTE_TRANSACTIONAL,
  BATCH_ATTRIBUTES,
  BATCH_HEADER_BYTES,
  BATCH_PRODUCER_EPOCH,
  BATCH_PRODUCER_ID,
} from '../../../assembly/shared/batch-layout.ts';
import type { RequestOf } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import type { produce } from '../../protocol/messages/00-produce.ts';
import type { RoutedPartition, RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { fencedFor } from './error-versions.ts';
import { topicPartitions } from './topic-partitions.ts';
import type { ProducerIdentity } from './transaction.ts';

type Request = RequestOf<typeof produce>;
type TopicData = Request['topicData'][number];

/** From this version on a client knows that it may only abort. */
const ABORTABLE_VERSION = 11;
/** From this version on the partitions join the transaction by themselves. */
const IMPLICIT_VERSION = 12;

export function isTransactional(records: Uint8Array | null): records is Uint8Array {
  if (records === null || records.length < BATCH_HEADER_BYTES) return false;
  // Attributes are 16 bits, big-endian; the flag is in the lower byte.
  return ((records[BATCH_ATTRIBUTES + 1] ?? 0) & ATTRIBUTE_TRANSACTIONAL) !== 0;
}

export function hasTransactionalRecords({ transactionalId, topicData }: Request): boolean {
  // Without the id such records are refused one by one.
  return (
    transactionalId !== null &&
    topicData.some(({ partitionData }) => partitionData.some(({ records }) => isTransactional(records)))
  );
}

function producerOf(records: Uint8Array): ProducerIdentity {
  const view = new DataView(records.buffer, records.byteOffset, BATCH_HEADER_BYTES);
  return {
    producerId: Number(view.getBigInt64(BATCH_PRODUCER_ID)),
    producerEpoch: view.getInt16(BATCH_PRODUCER_EPOCH),
  };
}

/** What the transaction coordinator said to the records of one produce request. */
export class Enlistment {
  readonly #services: BrokerServices;
  readonly #transactionalId: string | null;
  readonly #version: number;
  /** What it said to the partitions that join by themselves, and whose they are; undefined where each is asked after. */
  readonly #joined: { readonly producerId: number; readonly errorCode: number } | undefined;

  constructor(
    services: BrokerServices,
    { transactionalId }: Request,
    said: { readonly version: number; readonly joined?: { readonly producerId: number; readonly errorCode: number } },
  ) {
    this.#services = services;
    this.#transactionalId = transactionalId;
    this.#version = said.version;
    this.#joined = said.joined;
  }

  /** Why the transaction does not allow the append, as a Kafka error code, else NONE. */
  refusal(partition: RoutedPartition, records: Uint8Array): number {
    if (!isTransactional(records)) return ERROR_CODES.NONE;
    if (this.#transactionalId === null) return ERROR_CODES.TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    const producer = producerOf(records);
    return this.#known(this.#verdict(this.#transactionalId, producer, partition));
  }

  #verdict(transactionalId: string, producer: ProducerIdentity, partition: RoutedPartition): number {
    if (this.#joined !== undefined) {
      const same = producer.producerId === this.#joined.producerId;
      return same ? this.#joined.errorCode : ERROR_CODES.INVALID_PRODUCER_ID_MAPPING;
    }
    const { transactions, config } = this.#services;
    if (!config.settings.transactions.verifiesPartitions) return ERROR_CODES.NONE;
    // Nothing comes between this look and the append: whatever ends the transaction is written behind the records.
    const place = { topic: partition.topic.name, index: partition.index };
    return transactions.verifyPartition(transactionalId, producer, place);
  }

  #known(errorCode: number): number {
    switch (errorCode) {
      case ERROR_CODES.CONCURRENT_TRANSACTIONS:
      case ERROR_CODES.COORDINATOR_LOAD_IN_PROGRESS:
      case ERROR_CODES.COORDINATOR_NOT_AVAILABLE:
      case ERROR_CODES.NOT_COORDINATOR:
        // Producers of every version send the batch again for this one.
        return ERROR_CODES.NOT_ENOUGH_REPLICAS;
      case ERROR_CODES.TRANSACTION_ABORTABLE:
        return this.#version < ABORTABLE_VERSION ? ERROR_CODES.INVALID_TXN_STATE : errorCode;
      default:
        return fencedFor(this.#version, Number.POSITIVE_INFINITY, errorCode);
    }
  }
}

export interface EnlistRequest {
  readonly request: Request;
  readonly version: number;
  readonly topicOf: (data: TopicData) => RoutedTopic | undefined;
}

/**
 * Lets the partitions of the request join its transaction where the version asks for that. `proceed` is called once: at
 * once, or in the order of the calls, so that requests of one producer reach their partitions as they came.
 */
export function enlist(
  services: BrokerServices,
  { request, version, topicOf }: EnlistRequest,
  proceed: (enlistment: Enlistment) => void,
): void {
  const { transactionalId } = request;
  const joining = version < IMPLICIT_VERSION || transactionalId === null ? undefined : joiningOf(request, topicOf);
  if (joining === undefined || transactionalId === null) {
    proceed(new Enlistment(services, request, { version }));
    return;
  }
  const { producer, partitions } = joining;
  services.transactions.addPartitions(transactionalId, { ...producer, partitions }, (errorCode) => {
    const joined = { producerId: producer.producerId, errorCode };
    proceed(new Enlistment(services, request, { version, joined }));
  });
}

/** The partitions that exist and whose records are of the transaction of the first of them. */
function joiningOf({ topicData }: Request, topicOf: EnlistRequest['topicOf']) {
  let producer: ProducerIdentity | undefined;
  const named: { readonly name: string; readonly partitions: number[] }[] = [];
  for (const data of topicData) {
    const topic = topicOf(data);
    if (topic === undefined) continue;
    const partitions: number[] = [];
    for (const { index, records } of data.partitionData) {
      if (topic.partitions[index] === undefined || !isTransactional(records)) continue;
      producer ??= producerOf(records);
      if (producerOf(records).producerId === producer.producerId) partitions.push(index);
    }
    if (partitions.length > 0) named.push({ name: topic.name, partitions });
  }
  return producer === undefined ? undefined : { producer, partitions: topicPartitions(named) };
}
