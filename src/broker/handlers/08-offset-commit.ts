// OffsetCommit (API key 8), versions 2 to 10.
//
// Behaviour: commits for a member of the current generation or epoch, or, while the group is empty, for anybody who
// claims none; a group that does not exist comes into being. The answer waits until the offsets are on stable storage.
// Topics or partitions that do not exist are refused one by one.
// Versions: up to 4 the request may say how long to keep the offsets; 6 leader epoch (KIP-320); 7 static members
// (KIP-345); 9 epochs of KIP-848; 10 topic ids.

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { offsetCommit } from '../../protocol/messages/08-offset-commit.ts';
import type { OffsetToCommit } from '../groups/group-offsets.ts';
import type { Call, Handler } from '../handler.ts';
import type { RoutedTopic } from '../router.ts';
import type { BrokerServices } from '../services.ts';

type TopicRequest = RequestOf<typeof offsetCommit>['topics'][number];
type TopicResponse = ResponseInput<typeof offsetCommit>['topics'][number];

const TOPIC_ID_VERSION = 10;

export const offsetCommitHandler: Handler<typeof offsetCommit.request, typeof offsetCommit.response> = {
  api: offsetCommit,
  versions: offsetCommit.versions,
  async handle(services, request, call) {
    const { groupId, memberId, groupInstanceId, generationIdOrMemberEpoch, retentionTimeMs } = request;
    const offsets = request.topics.flatMap((topic) => offsetsOf(services, topic, call));
    const codes = await services.groups.offsets.commit(
      { groupId, memberId, groupInstanceId, generationId: generationIdOrMemberEpoch, offsets },
      { version: call.version, retentionMs: retentionTimeMs },
    );
    let next = 0;
    const topics = request.topics.map(
      ({ name, topicId, partitions }): TopicResponse => ({
        name,
        topicId,
        partitions: partitions.map(({ partitionIndex }) => ({
          partitionIndex,
          errorCode: call.note(codes[next++] ?? ERROR_CODES.UNKNOWN_SERVER_ERROR),
        })),
      }),
    );
    return { topics };
  },
};

function offsetsOf({ router }: BrokerServices, request: TopicRequest, { version }: Call): OffsetToCommit[] {
  const byId = version >= TOPIC_ID_VERSION;
  const topic = byId ? router.topicById(request.topicId) : router.topic(request.name);
  return request.partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata }) => ({
    topic: topic?.name ?? request.name,
    partition: partitionIndex,
    offset: committedOffset,
    leaderEpoch: committedLeaderEpoch,
    metadata: committedMetadata,
    errorCode: refusal(topic, partitionIndex, byId),
  }));
}

function refusal(topic: RoutedTopic | undefined, index: number, byId: boolean): number {
  if (topic === undefined && byId) return ERROR_CODES.UNKNOWN_TOPIC_ID;
  return topic?.partitions[index] === undefined ? ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION : ERROR_CODES.NONE;
}
