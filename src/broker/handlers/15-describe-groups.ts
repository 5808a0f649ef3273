// DescribeGroups (API key 15), versions 0 to 6.
//
// Behaviour: state and members of classic groups. A group that is not there, or is of KIP-848, is Dead.
// Versions: 3 authorized operations (KIP-430); 4 static members (KIP-345); 6 GROUP_ID_NOT_FOUND for absent groups
// (KIP-1043).

import type { ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { describeGroups } from '../../protocol/messages/15-describe-groups.ts';
import { GROUP_OPERATIONS, NOT_ASKED } from '../authorized-operations.ts';
import { distinctBy } from '../duplicates.ts';
import { type ClassicGroup, NO_BYTES } from '../groups/classic-group.ts';
import type { Call, Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';

type GroupResponse = ResponseInput<typeof describeGroups>['groups'][number];

const NOT_FOUND_VERSION = 6;

export const describeGroupsHandler: Handler<typeof describeGroups.request, typeof describeGroups.response> = {
  api: describeGroups,
  versions: describeGroups.versions,
  async handle(services, request, call) {
    const authorizedOperations = request.includeAuthorizedOperations ? GROUP_OPERATIONS : NOT_ASKED;
    const groups = await Promise.all(
      distinctBy(request.groups, (groupId) => groupId).map(async (groupId) => ({
        ...(await described(services, groupId, call)),
        authorizedOperations,
      })),
    );
    return { groups };
  },
};

async function described(services: BrokerServices, groupId: string, call: Call): Promise<GroupResponse> {
  const found = await services.groups.describe(groupId);
  if (typeof found === 'number' && found !== ERROR_CODES.GROUP_ID_NOT_FOUND) {
    return { ...nothing(groupId), errorCode: call.note(found) };
  }
  if (typeof found !== 'number' && found.entry.kind === 'classic') return groupOf(found.entry.group);
  const dead = { ...nothing(groupId), groupState: 'Dead' };
  if (call.version < NOT_FOUND_VERSION) return dead;
  return {
    ...dead,
    errorCode: call.note(ERROR_CODES.GROUP_ID_NOT_FOUND),
    errorMessage: `Group ${groupId} not found.`,
  };
}

function nothing(groupId: string): GroupResponse {
  const none = { groupState: '', protocolType: '', protocolData: '', members: [] } as const;
  return { errorCode: ERROR_CODES.NONE, groupId, ...none };
}

/** What members said and were assigned is told of a stable group alone: before that it is not settled. */
function groupOf(group: ClassicGroup): GroupResponse {
  const isStable = group.state === 'Stable';
  return {
    errorCode: ERROR_CODES.NONE,
    groupId: group.groupId,
    groupState: group.state,
    protocolType: group.protocolType ?? '',
    protocolData: (isStable ? group.protocolName : null) ?? '',
    members: Array.from(group.members.values(), (member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId,
      clientId: member.client.clientId,
      clientHost: member.client.clientHost,
      memberMetadata: isStable ? member.metadataOf(group.protocolName) : NO_BYTES,
      memberAssignment: isStable ? member.assignment : NO_BYTES,
    })),
  };
}
