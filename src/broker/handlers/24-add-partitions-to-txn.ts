// AddPartitionsToTxn (API key 24), versions 0 to 5.
//
// Behaviour: partitions join a producer's transaction, and begin it where none is open. All or none: where one does not
// exist, the others are OPERATION_NOT_ATTEMPTED. While the transaction before is being completed the answer waits a
// moment and is then CONCURRENT_TRANSACTIONS.
// Versions: 2 PRODUCER_FENCED, which older ones know as INVALID_PRODUCER_EPOCH; 3 flexible; 4 several transactions, for
// brokers, and `verifyOnly`, which adds nothing and tells whether the partitions are part of the transaction (KIP-890);
// 5 TRANSACTION_ABORTABLE, which version 4 knows as INVALID_TXN_STATE.

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { addPartitionsToTxn } from '../../protocol/messages/24-add-partitions-to-txn.ts';
import type { Call, Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';
import { abortableFor, fencedFor } from '../transactions/error-versions.ts';
import { topicPartitions } from '../transactions/topic-partitions.ts';
import type { ProducerIdentity } from '../transactions/transaction.ts';

type Topics = RequestOf<typeof addPartitionsToTxn>['v3AndBelowTopics'];
type TopicResults = ResponseInput<typeof addPartitionsToTxn>['resultsByTopicV3AndBelow'];

const FENCED_VERSION = 2;
const BATCHED_VERSION = 4;
const ABORTABLE_VERSION = 5;

interface Addition {
  readonly transactionalId: string;
  readonly producer: ProducerIdentity;
  readonly topics: Topics;
  readonly verifyOnly: boolean;
}

export const addPartitionsToTxnHandler: Handler<typeof addPartitionsToTxn.request, typeof addPartitionsToTxn.response> =
  {
    api: addPartitionsToTxn,
    versions: addPartitionsToTxn.versions,
    async handle(services, request, call) {
      if (call.version < BATCHED_VERSION) {
        const transactionalId = request.v3AndBelowTransactionalId;
        const producer = {
          producerId: request.v3AndBelowProducerId,
          producerEpoch: request.v3AndBelowProducerEpoch,
        };
        const addition = { transactionalId, producer, topics: request.v3AndBelowTopics, verifyOnly: false };
        return { resultsByTopicV3AndBelow: await add(services, call, addition) };
      }
      const resultsByTransaction = await Promise.all(
        request.transactions.map(async ({ transactionalId, topics, verifyOnly, ...producer }) => ({
          transactionalId,
          topicResults: await add(services, call, { transactionalId, producer, topics, verifyOnly }),
        })),
      );
      return { errorCode: ERROR_CODES.NONE, resultsByTransaction };
    },
  };

async function add(services: BrokerServices, call: Call, addition: Addition): Promise<NonNullable<TopicResults>> {
  const codeOf = await decide(services, addition);
  return addition.topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((partitionIndex) => ({
      partitionIndex,
      partitionErrorCode: call.note(known(call, codeOf(name, partitionIndex))),
    })),
  }));
}

/** The error code for each partition. */
type CodeOf = (topic: string, index: number) => number;

async function decide(services: BrokerServices, addition: Addition): Promise<CodeOf> {
  const { transactionalId, producer, topics, verifyOnly } = addition;
  if (transactionalId === '') return () => ERROR_CODES.INVALID_REQUEST;
  const { transactions, router } = services;
  if (verifyOnly) return (topic, index) => transactions.verifyPartition(transactionalId, producer, { topic, index });
  const exists = (topic: string, index: number): boolean => router.topic(topic)?.partitions[index] !== undefined;
  const complete = topics.every(({ name, partitions }) => partitions.every((index) => exists(name, index)));
  if (!complete) {
    return (topic, index) =>
      exists(topic, index) ? ERROR_CODES.OPERATION_NOT_ATTEMPTED : ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
  }
  const partitions = topicPartitions(topics);
  const errorCode = await new Promise<number>((done) => {
    transactions.addPartitions(transactionalId, { ...producer, partitions }, done);
  });
  return () => errorCode;
}

function known({ version }: Call, errorCode: number): number {
  return abortableFor(version, ABORTABLE_VERSION, fencedFor(version, FENCED_VERSION, errorCode));
}
