// ConsumerGroupDescribe (API key 69), versions 0 and 1.
//
// Behaviour: state, epochs and members of KIP-848 groups, each member with what it has and what it is to have. A classic
// group is not found.
// Versions: 1 the type of each member (KIP-1099).

import type { ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { consumerGroupDescribe } from '../../protocol/messages/69-consumer-group-describe.ts';
import { GROUP_OPERATIONS, NOT_ASKED } from '../authorized-operations.ts';
import { distinctBy } from '../duplicates.ts';
import { type ConsumerGroup, type ConsumerMember, speaksClassic } from '../groups/consumer-group.ts';
import { type PartitionSet, toTopicPartitions } from '../groups/partition-set.ts';
import type { Call, Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';

type GroupResponse = ResponseInput<typeof consumerGroupDescribe>['groups'][number];
type MemberResponse = GroupResponse['members'][number];

const MEMBER_TYPE_CLASSIC = 0;
const MEMBER_TYPE_CONSUMER = 1;

export const consumerGroupDescribeHandler: Handler<
  typeof consumerGroupDescribe.request,
  typeof consumerGroupDescribe.response
> = {
  api: consumerGroupDescribe,
  versions: consumerGroupDescribe.versions,
  async handle(services, request, call) {
    const authorizedOperations = request.includeAuthorizedOperations ? GROUP_OPERATIONS : NOT_ASKED;
    const groups = await Promise.all(
      distinctBy(request.groupIds, (groupId) => groupId).map(async (groupId) => ({
        ...(await described(services, groupId, call)),
        authorizedOperations,
      })),
    );
    return { groups };
  },
};

async function described(services: BrokerServices, groupId: string, call: Call): Promise<GroupResponse> {
  const found = await services.groups.describe(groupId);
  if (typeof found !== 'number' && found.entry.kind === 'consumer') {
    const assignorName = found.shard.consumers.assignorOf(saidBy(found.entry.group));
    return { ...groupOf(services, found.entry.group), assignorName };
  }
  const errorCode = typeof found === 'number' ? found : ERROR_CODES.GROUP_ID_NOT_FOUND;
  const isAbsent = errorCode === ERROR_CODES.GROUP_ID_NOT_FOUND;
  const none = { groupState: isAbsent ? 'Dead' : '', groupEpoch: 0, assignmentEpoch: 0, assignorName: '', members: [] };
  const errorMessage = isAbsent ? `Group ${groupId} is not a consumer group.` : null;
  return { errorCode: call.note(errorCode), errorMessage, groupId, ...none };
}

function saidBy(group: ConsumerGroup): ConsumerMember['said'][] {
  return Array.from(group.members.values(), ({ said }) => said);
}

function groupOf(services: BrokerServices, group: ConsumerGroup): Omit<GroupResponse, 'assignorName'> {
  return {
    errorCode: ERROR_CODES.NONE,
    groupId: group.groupId,
    groupState: group.state,
    groupEpoch: group.epoch,
    assignmentEpoch: group.targetEpoch,
    members: Array.from(group.members.values(), (member) => memberOf(services, group, member)),
  };
}

function memberOf(services: BrokerServices, group: ConsumerGroup, member: ConsumerMember): MemberResponse {
  const { memberId, epoch, said } = member;
  return {
    memberId,
    instanceId: said.instanceId,
    rackId: said.rackId,
    memberEpoch: epoch,
    clientId: said.clientId,
    clientHost: said.clientHost,
    subscribedTopicNames: said.subscribedTopicNames,
    subscribedTopicRegex: said.subscribedTopicRegex,
    assignment: { topicPartitions: named(services, member.assigned) },
    targetAssignment: { topicPartitions: named(services, group.targetOf(memberId)) },
    memberType: speaksClassic(member) ? MEMBER_TYPE_CLASSIC : MEMBER_TYPE_CONSUMER,
  };
}

/** Partitions with the names of their topics; topics that are gone are left out. */
function named({ router }: BrokerServices, keys: PartitionSet): MemberResponse['assignment']['topicPartitions'] {
  return toTopicPartitions(keys).flatMap(({ topicId, partitions }) => {
    const topic = router.topicById(topicId);
    return topic === undefined ? [] : [{ topicId, topicName: topic.name, partitions }];
  });
}
