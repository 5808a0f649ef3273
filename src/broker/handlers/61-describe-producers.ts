// DescribeProducers (API key 61), version 0.
//
// Behaviour: the producers that each partition remembers, with the start of the transaction that each has open there
// (KIP-664): how a transaction that hangs is found.

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { describeProducers } from '../../protocol/messages/61-describe-producers.ts';
import type { Call, Handler } from '../handler.ts';
import { errorOfReply } from '../outcome-errors.ts';
import type { BrokerServices } from '../services.ts';

type TopicRequest = RequestOf<typeof describeProducers>['topics'][number];
type PartitionResponse = ResponseInput<typeof describeProducers>['topics'][number]['partitions'][number];

export const describeProducersHandler: Handler<typeof describeProducers.request, typeof describeProducers.response> = {
  api: describeProducers,
  versions: describeProducers.versions,
  async handle(services, request, call) {
    const topics = request.topics.map(async (topic) => ({
      name: topic.name,
      partitions: await Promise.all(topic.partitionIndexes.map((index) => describe(services, call, { topic, index }))),
    }));
    return { topics: await Promise.all(topics) };
  },
};

async function describe(
  services: BrokerServices,
  call: Call,
  { topic, index }: { readonly topic: TopicRequest; readonly index: number },
): Promise<PartitionResponse> {
  const partition = services.router.topic(topic.name)?.partitions[index];
  if (partition === undefined) return refused(index, call.note(ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION));
  if (partition.state === undefined) return refused(index, call.note(partition.unavailable));
  const { outcome, producers, fault } = await services.executor.describeProducers(partition.handle);
  const errorCode = call.note(errorOfReply(services, partition, outcome));
  if (errorCode !== ERROR_CODES.NONE) return { ...refused(index, errorCode), errorMessage: fault?.message ?? null };
  const activeProducers = producers.map(({ currentTransactionStartOffset, ...producer }) => ({
    ...producer,
    currentTxnStartOffset: currentTransactionStartOffset,
  }));
  return { partitionIndex: index, errorCode, activeProducers };
}

function refused(partitionIndex: number, errorCode: number): PartitionResponse {
  return { partitionIndex, errorCode, activeProducers: [] };
}
