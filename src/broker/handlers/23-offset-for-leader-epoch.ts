// OffsetForLeaderEpoch (API key 23), versions 2 to 4.
//
// Behaviour: the end of the largest epoch that is not above the one asked for; none (-1, -1) where the epoch asked for
// is above every one known.
// Versions: 3 replica id; 4 flexible.

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { offsetForLeaderEpoch } from '../../protocol/messages/23-offset-for-leader-epoch.ts';
import type { Handler } from '../handler.ts';
import { errorOfReply } from '../outcome-errors.ts';
import type { RoutedPartition } from '../router.ts';
import type { BrokerServices } from '../services.ts';

type Wish = RequestOf<typeof offsetForLeaderEpoch>['topics'][number]['partitions'][number];
type PartitionResponse = ResponseInput<typeof offsetForLeaderEpoch>['topics'][number]['partitions'][number];

export const offsetForLeaderEpochHandler: Handler<
  typeof offsetForLeaderEpoch.request,
  typeof offsetForLeaderEpoch.response
> = {
  api: offsetForLeaderEpoch,
  versions: offsetForLeaderEpoch.versions,
  async handle(services, request, call) {
    const topics = await Promise.all(
      request.topics.map(async ({ topic: name, partitions }) => {
        const topic = services.router.topic(name);
        const looks = partitions.map((wish) => look(services, wish, topic?.partitions[wish.partition]));
        return { topic: name, partitions: await Promise.all(looks) };
      }),
    );
    for (const { partitions } of topics) for (const { errorCode } of partitions) call.note(errorCode);
    return { topics };
  },
};

async function look(
  services: BrokerServices,
  wish: Wish,
  partition: RoutedPartition | undefined,
): Promise<PartitionResponse> {
  const refused = partition === undefined ? ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION : partition.unavailable;
  if (partition === undefined || refused !== ERROR_CODES.NONE) return { partition: wish.partition, errorCode: refused };
  const { leaderEpoch, currentLeaderEpoch } = wish;
  const reply = await services.executor.epochEnd({ handle: partition.handle, leaderEpoch, currentLeaderEpoch });
  const errorCode = errorOfReply(services, partition, reply.outcome);
  if (errorCode !== ERROR_CODES.NONE) return { partition: wish.partition, errorCode };
  return { partition: wish.partition, errorCode, leaderEpoch: reply.leaderEpoch, endOffset: reply.endOffset };
}
