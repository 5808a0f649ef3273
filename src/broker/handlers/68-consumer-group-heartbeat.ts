// ConsumerGroupHeartbeat (API key 68), versions 0 and 1 (KIP-848).
//
// Behaviour: see groups/consumer-groups.ts. What a member does not repeat (null, -1) is as it said before.
// Versions: 1 regular expressions (groups/topic-pattern.ts says which), and member ids made by the members (KIP-1082).

import { consumerGroupHeartbeat } from '../../protocol/messages/68-consumer-group-heartbeat.ts';
import { toPartitionSet } from '../groups/partition-set.ts';
import { groupClient, type Handler } from '../handler.ts';

export const consumerGroupHeartbeatHandler: Handler<
  typeof consumerGroupHeartbeat.request,
  typeof consumerGroupHeartbeat.response
> = {
  api: consumerGroupHeartbeat,
  versions: consumerGroupHeartbeat.versions,
  async handle(services, request, call) {
    const { topicPartitions, ...said } = request;
    const owned = topicPartitions === null ? undefined : toPartitionSet(topicPartitions);
    const heartbeat = { ...said, owned, client: groupClient(call) };
    const { assignment, ...outcome } = await services.groups.consumerHeartbeat(heartbeat, call.version);
    call.note(outcome.errorCode);
    return { ...outcome, assignment: assignment === null ? null : { topicPartitions: assignment } };
  },
};
