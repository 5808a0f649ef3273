// Committed offsets of a group, as a client asks for them and sets them.

import { ERROR_CODES } from '../../protocol/errors.ts';
import { offsetCommit } from '../../protocol/messages/08-offset-commit.ts';
import { offsetFetch } from '../../protocol/messages/09-offset-fetch.ts';
import { groupByTopic } from '../admin.ts';
import { BrokerFault } from '../broker-fault.ts';
import type { TopicPartition } from '../record.ts';
import type { CoordinatorLink } from './coordinator-link.ts';

/** An offset to commit: that of the next record to read. */
export interface OffsetToCommit extends TopicPartition {
  readonly offset: number;
  readonly metadata?: string;
}

export interface CommittedOffset extends TopicPartition {
  readonly offset: number;
  readonly leaderEpoch: number;
  readonly metadata: string;
}

/** Who commits; absent for somebody outside any group, who may while it has no members. */
export interface Committer {
  readonly memberId: string;
  readonly memberEpoch: number;
}

/** Committed offsets: of these partitions, or of all. Partitions without one are left out. */
export async function fetchCommitted(
  link: CoordinatorLink,
  partitions?: readonly TopicPartition[],
): Promise<CommittedOffset[]> {
  const topics =
    partitions === undefined
      ? null
      : groupByTopic(partitions).map(([name, places]) => ({
          name,
          partitionIndexes: places.map(({ partition }) => partition),
        }));
  // What an open transaction has staged is waited for: it may be about to move the offset.
  const { groups } = await link.request(
    offsetFetch,
    { groups: [{ groupId: link.groupId, topics }], requireStable: true },
    (response) => {
      const [group] = response.groups;
      if (group === undefined || group.errorCode !== ERROR_CODES.NONE) return group?.errorCode ?? -1;
      return firstError(group.topics);
    },
  );
  return (groups[0]?.topics ?? []).flatMap(({ name, partitions: found }) =>
    found
      .filter(({ committedOffset }) => committedOffset >= 0)
      .map(({ partitionIndex, committedOffset, committedLeaderEpoch, metadata }) => ({
        topic: name,
        partition: partitionIndex,
        offset: committedOffset,
        leaderEpoch: committedLeaderEpoch,
        metadata: metadata ?? '',
      })),
  );
}

/** Commits. Throws a {@link BrokerFault} for the first partition that is refused. */
export async function commitOffsets(
  link: CoordinatorLink,
  offsets: readonly OffsetToCommit[],
  by?: Committer,
): Promise<void> {
  if (offsets.length === 0) return;
  const topics = groupByTopic(offsets).map(([name, places]) => ({
    name,
    partitions: places.map(({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: offset,
      committedMetadata: metadata ?? '',
    })),
  }));
  const body = {
    groupId: link.groupId,
    memberId: by?.memberId ?? '',
    generationIdOrMemberEpoch: by?.memberEpoch ?? -1,
    topics,
  };
  await link.request(offsetCommit, body, (response) => firstError(response.topics));
}

function firstError(topics: readonly { readonly partitions: readonly { readonly errorCode: number }[] }[]): number {
  for (const { partitions } of topics) {
    for (const { errorCode } of partitions) if (errorCode !== ERROR_CODES.NONE) return errorCode;
  }
  return ERROR_CODES.NONE;
}

/** A refusal by one of these names. */
export function isRefusal(error: unknown, ...names: readonly string[]): boolean {
  return error instanceof BrokerFault && names.includes(error.error);
}
