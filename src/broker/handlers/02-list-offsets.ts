// ListOffsets (API key 2), versions 1 to 11.
//
// Behaviour: the first offset at or after a timestamp, or one of the special ones: -1 the end (the high watermark, or
// for read_committed readers the last stable offset), -2 the start, -3 the record of the largest timestamp, -4 the
// start on local disk, -5 the end in remote storage, -6 the first not yet in remote storage; there is no remote
// storage, so the last two have no offset.
// Versions: 2 isolation level; 4 leader epoch (KIP-320); 6 flexible; 7 timestamp -3 (KIP-734); 8 -4 (KIP-405);
// 9 -5 (KIP-1005); 10 timeout; 11 -6 (KIP-1023).

import type { ListOffsetReply } from '../../partition/commands.ts';
import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { listOffsets } from '../../protocol/messages/02-list-offsets.ts';
import type { Call, Handler } from '../handler.ts';
import { errorOfReply } from '../outcome-errors.ts';
import type { RoutedPartition } from '../router.ts';
import type { BrokerServices } from '../services.ts';

type Request = RequestOf<typeof listOffsets>;
type PartitionRequest = Request['topics'][number]['partitions'][number];
type PartitionResponse = ResponseInput<typeof listOffsets>['topics'][number]['partitions'][number];

const READ_COMMITTED = 1;
const LEADER_EPOCH_VERSION = 4;
/** The first version that knows each special timestamp, from -1 downwards. */
const VERSION_OF_SPECIAL = [1, 1, 7, 8, 9, 11];
const EARLIEST_NOT_REMOTE = -6;

export const listOffsetsHandler: Handler<typeof listOffsets.request, typeof listOffsets.response> = {
  api: listOffsets,
  versions: listOffsets.versions,
  async handle(services, request, call) {
    const end = request.isolationLevel === READ_COMMITTED ? 'last-stable' : 'high-watermark';
    const topics = await Promise.all(
      request.topics.map(async ({ name, partitions }) => {
        const topic = services.router.topic(name);
        const looks = partitions.map((wish) =>
          look(services, call, { wish, end, partition: topic?.partitions[wish.partitionIndex] }),
        );
        return { name, partitions: await Promise.all(looks) };
      }),
    );
    for (const { partitions } of topics) for (const { errorCode } of partitions) call.note(errorCode);
    return { topics };
  },
};

interface Look {
  readonly wish: PartitionRequest;
  readonly end: 'high-watermark' | 'last-stable';
  readonly partition: RoutedPartition | undefined;
}

async function look(services: BrokerServices, call: Call, { wish, end, partition }: Look): Promise<PartitionResponse> {
  const { partitionIndex, timestamp, currentLeaderEpoch } = wish;
  const errorCode = refusal(partition, call, timestamp);
  if (partition === undefined || errorCode !== ERROR_CODES.NONE) return { partitionIndex, errorCode };
  if (timestamp === EARLIEST_NOT_REMOTE) return { partitionIndex, errorCode: ERROR_CODES.NONE };
  const { handle } = partition;
  const reply = await services.executor.listOffset({ handle, timestamp, end, currentLeaderEpoch });
  return { partitionIndex, ...answer(services, partition, reply), ...epoch(call, reply) };
}

function refusal(partition: RoutedPartition | undefined, { version }: Call, timestamp: number): number {
  if (timestamp < 0 && version < (VERSION_OF_SPECIAL[-timestamp - 1] ?? Number.POSITIVE_INFINITY)) {
    return ERROR_CODES.UNSUPPORTED_VERSION;
  }
  return partition === undefined ? ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION : partition.unavailable;
}

function answer(
  services: BrokerServices,
  partition: RoutedPartition,
  { outcome, offset, timestamp }: ListOffsetReply,
): Omit<PartitionResponse, 'partitionIndex'> {
  const errorCode = errorOfReply(services, partition, outcome);
  return errorCode === ERROR_CODES.NONE ? { errorCode, offset, timestamp } : { errorCode };
}

function epoch({ version }: Call, { outcome, leaderEpoch }: ListOffsetReply): { readonly leaderEpoch?: number } {
  return version >= LEADER_EPOCH_VERSION && outcome === 'ok' ? { leaderEpoch } : {};
}
