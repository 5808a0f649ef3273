// JoinGroup (API key 11), versions 0 to 9.
//
// Behaviour: see groups/classic-rebalance.ts; the answer waits until the group has a new generation. What the members
// tell each other passes through unread, but for the topics that consumers subscribe to. In a KIP-848 group with members
// the answer comes at once: see groups/classic-members.ts.
// Versions: 1 rebalance timeout (KIP-62; before it the session timeout counts); 4 new members join again with the id
// they are given (KIP-394); 5 static members (KIP-345); 7 protocol type; 8 reason (KIP-800); 9 a leader that need not
// assign (KIP-814).

import type { ResponseInput } from '../../protocol/api.ts';
import { joinGroup } from '../../protocol/messages/11-join-group.ts';
import type { JoinOutcome } from '../groups/classic-group.ts';
import { type Call, groupClient, type Handler } from '../handler.ts';

const REBALANCE_TIMEOUT_VERSION = 1;
const MEMBER_ID_VERSION = 4;
const NULLABLE_PROTOCOL_VERSION = 7;
const SKIP_ASSIGNMENT_VERSION = 9;

export const joinGroupHandler: Handler<typeof joinGroup.request, typeof joinGroup.response> = {
  api: joinGroup,
  versions: joinGroup.versions,
  async handle(services, request, call) {
    const { groupId, memberId, groupInstanceId, protocolType, sessionTimeoutMs } = request;
    const { version } = call;
    const outcome = await services.groups.join(groupId, {
      memberId,
      groupInstanceId,
      protocolType,
      // The group outlives the frame of which these are views.
      protocols: request.protocols.map(({ name, metadata }) => ({ name, metadata: metadata.slice() })),
      sessionTimeoutMs,
      rebalanceTimeoutMs: version >= REBALANCE_TIMEOUT_VERSION ? request.rebalanceTimeoutMs : sessionTimeoutMs,
      client: groupClient(call),
      needsMemberId: version >= MEMBER_ID_VERSION,
      maySkipAssignment: version >= SKIP_ASSIGNMENT_VERSION,
    });
    return response(outcome, call);
  },
};

function response(outcome: JoinOutcome, call: Call): ResponseInput<typeof joinGroup> {
  const { version } = call;
  return {
    ...outcome,
    errorCode: call.note(outcome.errorCode),
    protocolName: outcome.protocolName ?? (version >= NULLABLE_PROTOCOL_VERSION ? null : ''),
  };
}
