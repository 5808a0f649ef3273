// Who an idempotent producer is to the brokers, and the sequence numbers by which a partition tells a batch that it has
// from one that is new (KIP-98, KIP-360). How often and when batches are sent again is produce-sender.ts's business.

import { LogFault } from '../core/fault.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { initProducerId } from '../protocol/messages/22-init-producer-id.ts';
import { BrokerFault } from './broker-fault.ts';
import type { Cluster } from './cluster.ts';
import { retrying } from './retry.ts';

/** An id and epoch. The id is -1 for a producer without idempotence. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

/** What the header of a batch says of its producer. */
export interface BatchStamp extends ProducerIdentity {
  readonly baseSequence: number;
}

export const NO_IDENTITY: ProducerIdentity = { producerId: -1, producerEpoch: -1 };
/** Batches that a partition remembers of a producer: an older one could not be told from a new one. */
export const IDEMPOTENT_IN_FLIGHT_MAX = 5;
const PRODUCER_EPOCH_LAST = 32_767;
const SEQUENCE_MASK = 0x7fff_ffff;
/** Only transactions time out, and the broker is to have nothing to object. */
const NO_TRANSACTION_TIMEOUT = 0x7fff_ffff;

export interface IdentityOptions {
  /** Off: `NO_IDENTITY`. Preferred: off where the broker cannot or may not. Required: then that is an error. */
  readonly idempotence: 'off' | 'preferred' | 'required';
}

/** The identity of one producer, asked for when it is first needed. */
export class IdentitySource {
  readonly #cluster: Cluster;
  readonly #options: IdentityOptions;
  #current: Promise<ProducerIdentity> | undefined;

  constructor(cluster: Cluster, options: IdentityOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /**
   * The identity to begin with. Throws ERR_UNSUPPORTED for a broker before Kafka 0.11 and CLUSTER_AUTHORIZATION_FAILED
   * where idempotence is required; ERR_CONNECTION, ERR_TIMEOUT, after which the next call asks again.
   */
  current(): Promise<ProducerIdentity> {
    this.#current ??= this.#ask().catch((error: unknown) => {
      this.#current = undefined;
      throw error;
    });
    return this.#current;
  }

  /** Another identity than `spent`, whose epochs are used up; partitions that ask for the same reason share it. */
  async after(spent: ProducerIdentity): Promise<ProducerIdentity> {
    const current = await this.current();
    if (current.producerId !== spent.producerId) return current;
    this.#current = undefined;
    return await this.current();
  }

  async #ask(): Promise<ProducerIdentity> {
    const { idempotence } = this.#options;
    if (idempotence === 'off') return NO_IDENTITY;
    try {
      return await retrying(this.#cluster.options.retry, this.#cluster.retryContext, () => this.#request());
    } catch (error) {
      if (idempotence === 'preferred' && cannotBe(error)) return NO_IDENTITY;
      throw error;
    }
  }

  async #request(): Promise<ProducerIdentity> {
    const body = { transactionalId: null, transactionTimeoutMs: NO_TRANSACTION_TIMEOUT };
    const { errorCode, producerId, producerEpoch } = await this.#cluster.control.request(initProducerId, body);
    if (errorCode !== ERROR_CODES.NONE) throw new BrokerFault(errorCode, 'init producer id');
    return { producerId, producerEpoch };
  }
}

/** Brokers before Kafka 0.11 do not know the request, and those before 2.8 need a permission for it. */
function cannotBe(error: unknown): boolean {
  if (error instanceof BrokerFault) return error.errorCode === ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED;
  return error instanceof LogFault && error.code === 'ERR_UNSUPPORTED';
}

/**
 * The sequence numbers of one partition. Each partition counts the epochs for itself: brokers compare them with what
 * this partition has seen, and with nothing else.
 */
export class PartitionSequence {
  #identity: ProducerIdentity;
  #next = 0;

  constructor(identity: ProducerIdentity) {
    this.#identity = identity;
  }

  get identity(): ProducerIdentity {
    return this.#identity;
  }

  get isIdempotent(): boolean {
    return this.#identity.producerId >= 0;
  }

  /** No epoch is left: going on takes another identity. */
  get isSpent(): boolean {
    return this.#identity.producerEpoch >= PRODUCER_EPOCH_LAST;
  }

  /** The numbers of the next batch. After 2^31 - 1 comes 0. */
  take(recordCount: number): BatchStamp {
    if (!this.isIdempotent) return { ...NO_IDENTITY, baseSequence: -1 };
    const stamp = { ...this.#identity, baseSequence: this.#next };
    this.#next = (this.#next + recordCount) & SEQUENCE_MASK;
    return stamp;
  }

  /** Begins again at 0, under the next epoch or under another identity. */
  restart(identity?: ProducerIdentity): void {
    const { producerId, producerEpoch } = this.#identity;
    this.#identity = identity ?? { producerId, producerEpoch: producerEpoch + 1 };
    this.#next = 0;
  }
}
