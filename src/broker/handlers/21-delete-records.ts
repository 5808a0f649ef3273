// DeleteRecords (API key 21), versions 0 to 2.
//
// Behaviour: moves the log start offset; -1 means the high watermark. The new start is on record before the answer,
// so that a crash does not bring the records back.
// Versions: 2 flexible.

import { LogFault } from '../../core/fault.ts';
import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { deleteRecords } from '../../protocol/messages/21-delete-records.ts';
import type { Handler } from '../handler.ts';
import { errorOfReply } from '../outcome-errors.ts';
import type { RoutedPartition } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { isInternalTopic } from '../topic-names.ts';

type Wish = RequestOf<typeof deleteRecords>['topics'][number]['partitions'][number];
type TopicResponse = ResponseInput<typeof deleteRecords>['topics'][number];
type PartitionResponse = TopicResponse['partitions'][number];

export const deleteRecordsHandler: Handler<typeof deleteRecords.request, typeof deleteRecords.response> = {
  api: deleteRecords,
  versions: deleteRecords.versions,
  async handle(services, request, call) {
    const topics = await Promise.all(
      request.topics.map(async ({ name, partitions }) => {
        const topic = services.router.topic(name);
        const cuts = partitions.map((wish) => cut(services, wish, topic?.partitions[wish.partitionIndex]));
        return { name, partitions: await Promise.all(cuts) };
      }),
    );
    const recorded = await record(services, topics);
    for (const { partitions } of recorded) for (const { errorCode } of partitions) call.note(errorCode);
    return { topics: recorded };
  },
};

/** Puts the new starts on record; where that fails, the cuts that were made are answered as failed. */
async function record(services: BrokerServices, topics: readonly TopicResponse[]): Promise<readonly TopicResponse[]> {
  const cuts = topics.some(({ partitions }) => partitions.some(({ errorCode }) => errorCode === ERROR_CODES.NONE));
  if (!cuts) return topics;
  try {
    await services.checkpoint();
    return topics;
  } catch (error) {
    if (!(error instanceof LogFault)) throw error;
    services.logger.error('new log start offsets could not be recorded', { fault: error.code, reason: error.message });
    return topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(failed) }));
  }
}

function failed(response: PartitionResponse): PartitionResponse {
  if (response.errorCode !== ERROR_CODES.NONE) return response;
  return { ...response, errorCode: ERROR_CODES.KAFKA_STORAGE_ERROR, lowWatermark: -1 };
}

async function cut(
  services: BrokerServices,
  { partitionIndex, offset }: Wish,
  partition: RoutedPartition | undefined,
): Promise<PartitionResponse> {
  const refused = partition === undefined ? ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION : refusal(partition);
  if (partition === undefined || refused !== ERROR_CODES.NONE) {
    return { partitionIndex, errorCode: refused, lowWatermark: -1 };
  }
  const reply = await services.executor.deleteRecords({ handle: partition.handle, beforeOffset: offset });
  const errorCode = errorOfReply(services, partition, reply.outcome);
  const lowWatermark = errorCode === ERROR_CODES.NONE ? (reply.state?.logStartOffset ?? -1) : -1;
  return { partitionIndex, errorCode, lowWatermark };
}

function refusal({ topic, unavailable }: RoutedPartition): number {
  return isInternalTopic(topic.name) ? ERROR_CODES.INVALID_TOPIC_EXCEPTION : unavailable;
}
