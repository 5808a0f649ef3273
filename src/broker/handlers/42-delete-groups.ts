// DeleteGroups (API key 42), versions 0 to 2.
//
// Behaviour: deletes groups without members, with their offsets; each is answered for itself, once it is on stable
// storage.
// Versions: 2 flexible.

import { deleteGroups } from '../../protocol/messages/42-delete-groups.ts';
import { distinctBy } from '../duplicates.ts';
import type { Handler } from '../handler.ts';

export const deleteGroupsHandler: Handler<typeof deleteGroups.request, typeof deleteGroups.response> = {
  api: deleteGroups,
  versions: deleteGroups.versions,
  async handle(services, request, call) {
    const results = distinctBy(request.groupsNames, (groupId) => groupId).map(async (groupId) => ({
      groupId,
      errorCode: call.note(await services.groups.delete(groupId)),
    }));
    return { results: await Promise.all(results) };
  },
};
