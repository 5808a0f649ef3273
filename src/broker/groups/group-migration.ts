// What a group with members becomes when it moves between the protocols (KIP-848, online migration): the records that a
// classic group goes on with as a KIP-848 group, and the other way round. It changes nothing itself.

import { ClassicGroup, ClassicMember, type MemberProtocol } from './classic-group.ts';
import { type MemberRefusal, refuseMember } from './consumer-checks.ts';
import { type ConsumerGroup, MEMBER_STATES, speaksClassic, toCurrentValue } from './consumer-group.ts';
import { CONSUMER_PROTOCOL_TYPE, readAssignment, readSubscription, writeAssignment } from './consumer-protocol.ts';
import type { GroupContext, TopicDirectory } from './group-context.ts';
import type { ClassicGroupValue, ConsumerGroupRecord } from './group-records.ts';
import { namedPartitions, partitionsNamed } from './partition-names.ts';
import { filtered, type PartitionKey, type PartitionSet, toTopicPartitions } from './partition-set.ts';
import { GroupTimer } from './timer.ts';

interface UpgradedMember {
  readonly memberId: string;
  readonly assigned: PartitionSet;
  readonly records: readonly ConsumerGroupRecord[];
}

/**
 * The records of a KIP-848 group at the generation of the classic one, whose members have what they were last assigned.
 * Members in the middle of a rebalance are taken to have it still, until they join again and say what they own.
 */
export function upgradeRecords(group: ClassicGroup, topics: TopicDirectory): ConsumerGroupRecord[] | MemberRefusal {
  const { groupId, generationId: epoch } = group;
  const taken = new Set<PartitionKey>();
  const members: UpgradedMember[] = [];
  for (const member of group.members.values()) {
    const upgraded = upgradedMember(group, member, { topics, taken });
    if ('errorCode' in upgraded) return upgraded;
    for (const key of upgraded.assigned) taken.add(key);
    members.push(upgraded);
  }
  return [
    ...members.flatMap(({ records }) => records),
    { kind: 'group-epoch', group: groupId, value: { epoch } },
    ...members.map(({ memberId: member, assigned }): ConsumerGroupRecord => {
      return { kind: 'target', group: groupId, member, value: { topicPartitions: toTopicPartitions(assigned) } };
    }),
    { kind: 'target-epoch', group: groupId, value: { assignmentEpoch: epoch } },
  ];
}

function upgradedMember(
  { groupId, generationId: epoch, protocolName }: ClassicGroup,
  member: ClassicMember,
  { topics, taken }: { readonly topics: TopicDirectory; readonly taken: ReadonlySet<PartitionKey> },
): UpgradedMember | MemberRefusal {
  const { memberId, groupInstanceId: instanceId, client, sessionTimeoutMs, rebalanceTimeoutMs } = member;
  // Before the first generation no protocol is selected; consumers subscribe alike in all that they support.
  const name = protocolName ?? member.protocols[0]?.name ?? null;
  const subscription = readSubscription(member.metadataOf(name));
  const assignment = readAssignment(member.assignment);
  if (subscription === undefined || assignment === undefined) {
    return refuseMember(
      'GROUP_ID_NOT_FOUND',
      `Group ${groupId} cannot become a KIP-848 group: what its members tell each other is malformed.`,
    );
  }
  if (assignment.hasUserData) {
    return refuseMember(
      'UNSUPPORTED_VERSION',
      `Group ${groupId} cannot become a KIP-848 group: its assignor is one of its own, and tells members more than their partitions.`,
    );
  }
  // An assignor may have given a partition to two; a KIP-848 group has one owner for each.
  const assigned = filtered(partitionsNamed(assignment.partitions, topics), (key) => !taken.has(key));
  const said = {
    instanceId,
    rackId: subscription.rackId,
    ...client,
    subscribedTopicNames: [...new Set(subscription.topics)].sort(),
    subscribedTopicRegex: null,
    rebalanceTimeoutMs,
    serverAssignor: null,
    classicMemberMetadata: { sessionTimeoutMs, supportedProtocols: member.protocols },
  };
  const current = {
    epoch,
    previousEpoch: epoch,
    state: MEMBER_STATES.stable,
    assigned,
    pendingRevocation: new Set<never>(),
  };
  return {
    memberId,
    assigned,
    records: [
      { kind: 'member', group: groupId, member: memberId, value: said },
      { kind: 'current', group: groupId, member: memberId, value: toCurrentValue(current) },
    ],
  };
}

export interface DowngradedGroup {
  readonly value: ClassicGroupValue;
  /** Everything that each member supports: the record holds but what the selected protocol says. */
  readonly protocols: ReadonlyMap<string, readonly MemberProtocol[]>;
}

/**
 * The classic group that the members without those in `leaving` make, each with its target assignment, in a generation of
 * the group epoch. Undefined where there are none, or not all speak the classic protocol.
 */
export function downgradedGroup(
  group: ConsumerGroup,
  leaving: ReadonlySet<string>,
  context: GroupContext,
): DowngradedGroup | undefined {
  const members = [...group.members.values()].filter(({ memberId }) => !leaving.has(memberId));
  if (members.length === 0 || !members.every(speaksClassic)) return undefined;
  const classic = new ClassicGroup(group.groupId);
  classic.protocolType = CONSUMER_PROTOCOL_TYPE;
  classic.generationId = group.epoch;
  classic.stateSinceMs = context.clock.now();
  for (const { memberId, said } of members) {
    const { instanceId: groupInstanceId, clientId, clientHost, classicMemberMetadata, rebalanceTimeoutMs } = said;
    const session = new GroupTimer(context, () => undefined);
    const member = new ClassicMember({ memberId, groupInstanceId, client: { clientId, clientHost }, session });
    member.sessionTimeoutMs = classicMemberMetadata?.sessionTimeoutMs ?? 0;
    member.rebalanceTimeoutMs = rebalanceTimeoutMs;
    member.protocols = classicMemberMetadata?.supportedProtocols ?? [];
    classic.add(member);
  }
  // Whoever joined was asked for a protocol that all have; another broker may have let in others.
  const [first] = classic.members.values();
  if (first === undefined || !classic.supports(CONSUMER_PROTOCOL_TYPE, first.protocols)) return undefined;
  classic.protocolName = classic.selectProtocol();
  for (const member of classic.members.values()) {
    const version = readSubscription(member.metadataOf(classic.protocolName))?.version ?? 0;
    member.assignment = writeAssignment(version, namedPartitions(group.targetOf(member.memberId), context.topics));
  }
  const protocols = new Map(Array.from(classic.members.values(), (each) => [each.memberId, each.protocols]));
  return { value: classic.toValue(), protocols };
}
