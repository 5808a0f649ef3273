// Groups of a cluster for operators: which there are, who is in them, where they stand, and setting where they stand.

import { LogFault } from '../../core/fault.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { describeGroups } from '../../protocol/messages/15-describe-groups.ts';
import { listGroups } from '../../protocol/messages/16-list-groups.ts';
import { deleteGroups } from '../../protocol/messages/42-delete-groups.ts';
import { consumerGroupDescribe } from '../../protocol/messages/69-consumer-group-describe.ts';
import { Reader } from '../../protocol/reader.ts';
import { BrokerFault } from '../broker-fault.ts';
import type { Cluster } from '../cluster.ts';
import type { TopicPartition } from '../record.ts';
import { retrying } from '../retry.ts';
import { type CommittedOffset, commitOffsets, fetchCommitted, type OffsetToCommit } from './committed-offsets.ts';
import { CoordinatorLink } from './coordinator-link.ts';

export interface GroupListing {
  readonly groupId: string;
  /** `consumer` for groups of consumers; other programs have names of their own. Empty for offsets without a group. */
  readonly protocolType: string;
  readonly state: string;
  /** `classic`, or `consumer` (KIP-848). */
  readonly type: string;
}

export interface GroupMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly assignment: readonly TopicPartition[];
}

export interface GroupDescription extends GroupListing {
  /** Of the members' own choice in classic groups, of the broker in those of KIP-848. */
  readonly assignor: string;
  readonly members: readonly GroupMember[];
}

export class GroupAdmin {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** All groups, by name. */
  async list(): Promise<GroupListing[]> {
    const { options, retryContext, control } = this.#cluster;
    const { groups } = await retrying(options.retry, retryContext, async () => {
      const response = await control.request(listGroups, { statesFilter: [], typesFilter: [] });
      if (response.errorCode !== ERROR_CODES.NONE) throw new BrokerFault(response.errorCode, 'list groups');
      return response;
    });
    return groups
      .map(({ groupId, protocolType, groupState, groupType }) => ({
        groupId,
        protocolType,
        state: groupState,
        type: groupType,
      }))
      .sort((one, other) => (one.groupId < other.groupId ? -1 : 1));
  }

  /** Throws a {@link BrokerFault} GROUP_ID_NOT_FOUND where there is no such group. */
  async describe(groupId: string): Promise<GroupDescription> {
    const listing = (await this.list()).find((group) => group.groupId === groupId);
    if (listing === undefined) throw new BrokerFault(ERROR_CODES.GROUP_ID_NOT_FOUND, `describe group ${groupId}`);
    return listing.type === 'consumer' ? this.#describeConsumer(listing) : this.#describeClassic(listing);
  }

  async #describeConsumer(listing: GroupListing): Promise<GroupDescription> {
    const body = { groupIds: [listing.groupId], includeAuthorizedOperations: false };
    const link = new CoordinatorLink(this.#cluster, listing.groupId);
    const response = await link.request(consumerGroupDescribe, body, ({ groups }) => groups[0]?.errorCode ?? -1);
    const [group] = response.groups;
    const members = (group?.members ?? []).map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost.replace(/^\//, ''),
      assignment: member.assignment.topicPartitions.flatMap(({ topicName: topic, partitions }) =>
        partitions.map((partition) => ({ topic, partition })),
      ),
    }));
    return { ...listing, state: group?.groupState ?? listing.state, assignor: group?.assignorName ?? '', members };
  }

  async #describeClassic(listing: GroupListing): Promise<GroupDescription> {
    const body = { groups: [listing.groupId], includeAuthorizedOperations: false };
    const link = new CoordinatorLink(this.#cluster, listing.groupId);
    const response = await link.request(describeGroups, body, ({ groups }) => groups[0]?.errorCode ?? -1);
    const [group] = response.groups;
    const members = (group?.members ?? []).map((member) => ({
      memberId: member.memberId,
      instanceId: member.groupInstanceId,
      clientId: member.clientId,
      clientHost: member.clientHost.replace(/^\//, ''),
      assignment: listing.protocolType === 'consumer' ? assignmentOf(member.memberAssignment) : [],
    }));
    return { ...listing, state: group?.groupState ?? listing.state, assignor: group?.protocolData ?? '', members };
  }

  /** Every committed offset of a group. */
  fetchOffsets(groupId: string): Promise<CommittedOffset[]> {
    return fetchCommitted(new CoordinatorLink(this.#cluster, groupId));
  }

  /** Sets committed offsets of a group without members; one that does not exist comes into being. */
  setOffsets(groupId: string, offsets: readonly OffsetToCommit[]): Promise<void> {
    return commitOffsets(new CoordinatorLink(this.#cluster, groupId), offsets);
  }

  /** Deletes a group without members, with its offsets. */
  async delete(groupId: string): Promise<void> {
    const link = new CoordinatorLink(this.#cluster, groupId);
    await link.request(deleteGroups, { groupsNames: [groupId] }, ({ results }) => results[0]?.errorCode ?? -1);
  }
}

/** What consumers of a classic group were assigned; nothing where the bytes are not an assignment. */
function assignmentOf(bytes: Uint8Array): TopicPartition[] {
  if (bytes.length === 0) return [];
  try {
    const reader = new Reader(bytes);
    reader.int16();
    const places: TopicPartition[] = [];
    for (let topics = reader.elements(reader.int32Length(), 6); topics > 0; topics--) {
      const topic = reader.text(reader.int16Length());
      for (let left = reader.elements(reader.int32Length(), 4); left > 0; left--) {
        places.push({ topic, partition: reader.int32() });
      }
    }
    return places;
  } catch (error) {
    if (error instanceof LogFault) return [];
    throw error;
  }
}
