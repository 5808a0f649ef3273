// The remote broker's side of an uplink: one transactional producer, whose transactions carry records and, in the same
// stroke, the positions that they end at (KIP-98). Beginning anew ends whatever an earlier life left open. It decides
// nothing about when and what to send.

import { groupByLeader, groupByTopic } from '../client/admin.ts';
import { BrokerFault } from '../client/broker-fault.ts';
import type { Cluster } from '../client/cluster.ts';
import { type CommittedOffset, fetchCommitted } from '../client/groups/committed-offsets.ts';
import { CoordinatorLink } from '../client/groups/coordinator-link.ts';
import { NO_IDENTITY, type ProducerIdentity } from '../client/producer-identity.ts';
import type { TopicPartition } from '../client/record.ts';
import { retrying } from '../client/retry.ts';
import type { ResponseOf } from '../protocol/api.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import { produce } from '../protocol/messages/00-produce.ts';
import { initProducerId } from '../protocol/messages/22-init-producer-id.ts';
import { addPartitionsToTxn } from '../protocol/messages/24-add-partitions-to-txn.ts';
import { addOffsetsToTxn } from '../protocol/messages/25-add-offsets-to-txn.ts';
import { endTxn } from '../protocol/messages/26-end-txn.ts';
import { txnOffsetCommit } from '../protocol/messages/28-txn-offset-commit.ts';
import type { UplinkPosition } from './positions.ts';

/** The last version that says beforehand which partitions take part: every broker with transactions serves it. */
const PRODUCE_VERSION_MAX = 11;
const ACKS_ALL = -1;
const PRODUCE_TIMEOUT_MS = 30_000;
const USE = 'uplink';

/** Batches of one remote partition, in order. */
export interface RemoteBatches extends TopicPartition {
  readonly batches: readonly Uint8Array[];
}

export interface RemoteOptions {
  readonly cluster: Cluster;
  /** Unique to this uplink in the remote cluster: whoever begins with it ends everybody else who has it. */
  readonly transactionalId: string;
  readonly groupId: string;
  /** After this time the remote broker aborts a transaction that nobody ends, in milliseconds. */
  readonly transactionTimeoutMs: number;
}

export class RemoteTransactions {
  readonly #options: RemoteOptions;
  readonly #coordinator: CoordinatorLink;
  readonly #group: CoordinatorLink;
  #identity = NO_IDENTITY;
  #isOpen = false;

  constructor(options: RemoteOptions) {
    const { cluster, transactionalId, groupId } = options;
    this.#options = options;
    this.#coordinator = new CoordinatorLink(cluster, transactionalId, { use: USE, kind: 'transactional id' });
    this.#group = new CoordinatorLink(cluster, groupId, { use: USE });
  }

  get identity(): ProducerIdentity {
    return this.#identity;
  }

  /** Fences every earlier life of this uplink, and ends what it left open: committed where it had asked for that. */
  async begin(): Promise<void> {
    const { transactionalId, transactionTimeoutMs } = this.#options;
    const body = { transactionalId, transactionTimeoutMs };
    const answer = await this.#coordinator.request(initProducerId, body, (response) => response.errorCode);
    this.#identity = { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
    this.#isOpen = false;
  }

  /** The committed positions; partitions without one are left out. Waits for a transaction that is being ended. */
  committed(places: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    return fetchCommitted(this.#group, places);
  }

  /** Sends records and positions as one transaction, all but its end: {@link end}. */
  async stage(records: readonly RemoteBatches[], positions: readonly UplinkPosition[]): Promise<void> {
    this.#isOpen = true;
    const filled = records.filter(({ batches }) => batches.length > 0);
    if (filled.length > 0) await this.#addPartitions(filled);
    await this.#produceAll(filled);
    await this.#addOffsets();
    await this.#commitOffsets(positions);
  }

  /** Commits or aborts. Resolves when the coordinator has decided for good. */
  async end(committed: boolean): Promise<void> {
    await this.#coordinator.request(endTxn, { ...this.#producer, committed }, (response) => response.errorCode);
    this.#isOpen = false;
  }

  /** Aborts what was staged, where there is something and the remote broker can be asked. */
  async abandon(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    await this.end(false);
  }

  get #producer() {
    return { transactionalId: this.#options.transactionalId, ...this.#identity };
  }

  async #addPartitions(places: readonly TopicPartition[]): Promise<void> {
    const topics = groupByTopic(places).map(([name, group]) => ({
      name,
      partitions: group.map(({ partition }) => partition),
    }));
    const { transactionalId, producerId, producerEpoch } = this.#producer;
    const body = {
      v3AndBelowTransactionalId: transactionalId,
      v3AndBelowProducerId: producerId,
      v3AndBelowProducerEpoch: producerEpoch,
      v3AndBelowTopics: topics,
    };
    await this.#coordinator.request(addPartitionsToTxn, body, ({ resultsByTopicV3AndBelow }) =>
      firstOf(resultsByTopicV3AndBelow.flatMap(({ resultsByPartition }) => resultsByPartition.map(codeOfResult))),
    );
  }

  async #addOffsets(): Promise<void> {
    const body = { ...this.#producer, groupId: this.#group.groupId };
    await this.#coordinator.request(addOffsetsToTxn, body, (response) => response.errorCode);
  }

  async #commitOffsets(positions: readonly UplinkPosition[]): Promise<void> {
    const topics = groupByTopic(positions).map(([name, group]) => ({
      name,
      partitions: group.map(({ partition, offset, topicId }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedMetadata: topicId,
      })),
    }));
    const body = { ...this.#producer, groupId: this.#group.groupId, topics };
    await this.#group.request(txnOffsetCommit, body, (response) =>
      firstOf(response.topics.flatMap(({ partitions }) => partitions.map(({ errorCode }) => errorCode))),
    );
  }

  /** The first batch of every partition, then the second of every one: a request carries one of each. */
  async #produceAll(records: readonly RemoteBatches[]): Promise<void> {
    const rounds = Math.max(0, ...records.map(({ batches }) => batches.length));
    for (let round = 0; round < rounds; round++) {
      const due = records.flatMap(({ topic, partition, batches }) => {
        const batch = batches[round];
        return batch === undefined ? [] : [{ topic, partition, batch }];
      });
      await this.#produceRound(due);
    }
  }

  /** A batch that is sent again after a lost connection is known to the partition by its sequence. */
  async #produceRound(due: readonly OneBatch[]): Promise<void> {
    const { cluster } = this.#options;
    await retrying(cluster.options.retry, cluster.retryContext, async () => {
      try {
        const leaders = await groupByLeader(cluster, due);
        await Promise.all([...leaders].map(([leader, batches]) => this.#produce(leader, batches)));
      } catch (error) {
        for (const { topic } of due) cluster.forget(topic);
        throw error;
      }
    });
  }

  async #produce(leader: number, due: readonly OneBatch[]): Promise<void> {
    const { cluster, transactionalId } = this.#options;
    const topicData = groupByTopic(due).map(([name, group]) => ({
      name,
      partitionData: group.map(({ partition, batch }) => ({ index: partition, records: batch })),
    }));
    const body = { transactionalId, acks: ACKS_ALL, timeoutMs: PRODUCE_TIMEOUT_MS, topicData };
    const options = { versionMax: PRODUCE_VERSION_MAX };
    refuse(await cluster.connection(leader, USE).request(produce, body, options));
  }
}

interface OneBatch extends TopicPartition {
  readonly batch: Uint8Array;
}

function refuse(response: ResponseOf<typeof produce>): void {
  for (const { name, partitionResponses } of response.responses) {
    for (const { index, errorCode, errorMessage } of partitionResponses) {
      if (errorCode === ERROR_CODES.NONE || errorCode === ERROR_CODES.DUPLICATE_SEQUENCE_NUMBER) continue;
      throw new BrokerFault(errorCode, `produce to ${name}-${index}`, errorMessage);
    }
  }
}

function codeOfResult({ partitionErrorCode }: { readonly partitionErrorCode: number }): number {
  return partitionErrorCode;
}

/** The error that speaks for all: one of a partition that was merely not attempted is the last to be told. */
function firstOf(codes: readonly number[]): number {
  const failed = codes.filter((code) => code !== ERROR_CODES.NONE);
  return failed.find((code) => code !== ERROR_CODES.OPERATION_NOT_ATTEMPTED) ?? failed[0] ?? ERROR_CODES.NONE;
}
