// SyncGroup (API key 14), versions 0 to 5.
//
// Behaviour: the leader's assignments make the generation stable, and every member is answered with its own once they
// are on stable storage.
// Versions: 3 static members (KIP-345); 5 protocol type and name, which must then be given (KIP-559).

import { ERROR_CODES } from '../../protocol/errors.ts';
import { syncGroup } from '../../protocol/messages/14-sync-group.ts';
import { syncError } from '../groups/classic-group.ts';
import type { Handler } from '../handler.ts';

const PROTOCOL_VERSION = 5;

export const syncGroupHandler: Handler<typeof syncGroup.request, typeof syncGroup.response> = {
  api: syncGroup,
  versions: syncGroup.versions,
  async handle(services, request, call) {
    const { protocolType, protocolName } = request;
    if (call.version >= PROTOCOL_VERSION && (protocolType === null || protocolName === null)) {
      return syncError(call.note(ERROR_CODES.INCONSISTENT_GROUP_PROTOCOL));
    }
    const outcome = await services.groups.sync(request.groupId, {
      ...request,
      // The group outlives the frame of which these are views.
      assignments: request.assignments.map(({ memberId, assignment }) => ({
        memberId,
        assignment: assignment.slice(),
      })),
    });
    call.note(outcome.errorCode);
    return outcome;
  },
};
