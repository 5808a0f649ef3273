// Heartbeat (API key 12), versions 0 to 4.
//
// Behaviour: keeps a member of a classic group in it; REBALANCE_IN_PROGRESS tells it to join again.
// Versions: 3 static members (KIP-345).

import { heartbeat } from '../../protocol/messages/12-heartbeat.ts';
import type { Handler } from '../handler.ts';

export const heartbeatHandler: Handler<typeof heartbeat.request, typeof heartbeat.response> = {
  api: heartbeat,
  versions: heartbeat.versions,
  async handle(services, request, call) {
    return { errorCode: call.note(await services.groups.heartbeat(request.groupId, request)) };
  },
};
