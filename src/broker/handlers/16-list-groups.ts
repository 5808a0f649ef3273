// ListGroups (API key 16), versions 0 to 5.
//
// Behaviour: every group, those included that are nothing but committed offsets; filters compare without regard to case.
// Versions: 4 states (KIP-518); 5 types (KIP-848).

import type { ResponseInput } from '../../protocol/api.ts';
import { listGroups } from '../../protocol/messages/16-list-groups.ts';
import { CONSUMER_PROTOCOL_TYPE } from '../groups/consumer-protocol.ts';
import type { GroupEntry } from '../groups/group-shard.ts';
import type { Handler } from '../handler.ts';

type ListedGroup = Required<ResponseInput<typeof listGroups>['groups'][number]>;

export const listGroupsHandler: Handler<typeof listGroups.request, typeof listGroups.response> = {
  api: listGroups,
  versions: listGroups.versions,
  handle(services, request, call) {
    const { entries, errorCode } = services.groups.list();
    const states = new Set(request.statesFilter.map((state) => state.toLowerCase()));
    const types = new Set(request.typesFilter.map((type) => type.toLowerCase()));
    const groups = entries
      .map(listed)
      .filter(({ groupState }) => states.size === 0 || states.has(groupState.toLowerCase()))
      .filter(({ groupType }) => types.size === 0 || types.has(groupType.toLowerCase()));
    return { errorCode: call.note(errorCode), groups };
  },
};

function listed(entry: GroupEntry): ListedGroup & { groupState: string; groupType: string } {
  const { groupId, state: groupState } = entry.group;
  const protocolType = entry.kind === 'consumer' ? CONSUMER_PROTOCOL_TYPE : (entry.group.protocolType ?? '');
  return { groupId, protocolType, groupState, groupType: entry.kind };
}
