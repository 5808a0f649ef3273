// LeaveGroup (API key 13), versions 0 to 5.
//
// Behaviour: takes members out of a classic group at once, by their ids, or by their instance ids without one (so that
// an administrator can). Each is answered for itself.
// Versions: 3 several members (KIP-345); 5 reason (KIP-800).

import type { RequestOf } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { leaveGroup } from '../../protocol/messages/13-leave-group.ts';
import type { Handler } from '../handler.ts';

type Member = RequestOf<typeof leaveGroup>['members'][number];

const MEMBERS_VERSION = 3;

export const leaveGroupHandler: Handler<typeof leaveGroup.request, typeof leaveGroup.response> = {
  api: leaveGroup,
  versions: leaveGroup.versions,
  async handle(services, request, call) {
    const batched = call.version >= MEMBERS_VERSION;
    const members: readonly Pick<Member, 'memberId' | 'groupInstanceId'>[] = batched
      ? request.members
      : [{ memberId: request.memberId, groupInstanceId: null }];
    const result = await services.groups.leave(request.groupId, members);
    // Nobody can be in a group that is not there; it is the members who are unknown.
    const codes = result === ERROR_CODES.UNKNOWN_MEMBER_ID ? members.map(() => result) : result;
    if (typeof codes === 'number') return { errorCode: call.note(codes) };
    if (!batched) return { errorCode: call.note(codes[0] ?? ERROR_CODES.NONE) };
    return {
      errorCode: ERROR_CODES.NONE,
      members: members.map(({ memberId, groupInstanceId }, index) => ({
        memberId,
        groupInstanceId,
        errorCode: call.note(codes[index] ?? ERROR_CODES.NONE),
      })),
    };
  },
};
