// OffsetFetch (API key 9), versions 1 to 10.
//
// Behaviour: committed offsets with their metadata and leader epochs, -1 where there is none: of the partitions named,
// or of all. With requireStable a partition with offsets in an open transaction answers UNSTABLE_OFFSET_COMMIT
// (KIP-447). Nothing is told that is not on stable storage.
// Versions: 1 has no error for the whole, so each partition carries it; 2 null topics mean all; 5 leader epoch
// (KIP-320); 7 requireStable; 8 several groups (KIP-709); 9 members of KIP-848 prove that they are; 10 topic ids.

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { offsetFetch } from '../../protocol/messages/09-offset-fetch.ts';
import { ZERO_UUID } from '../../protocol/uuid.ts';
import type { FetchedOffset, FetchedOffsets, OffsetQuery } from '../groups/group-offsets.ts';
import type { Call, Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';

type Request = RequestOf<typeof offsetFetch>;
type GroupRequest = Request['groups'][number];
type Response = ResponseInput<typeof offsetFetch>;
type GroupResponse = NonNullable<Response['groups']>[number];
type PartitionResponse = GroupResponse['topics'][number]['partitions'][number];

const GROUP_ERROR_VERSION = 2;
const GROUPS_VERSION = 8;
const TOPIC_ID_VERSION = 10;

export const offsetFetchHandler: Handler<typeof offsetFetch.request, typeof offsetFetch.response> = {
  api: offsetFetch,
  versions: offsetFetch.versions,
  async handle(services, request, call) {
    if (call.version < GROUPS_VERSION) return single(services, request, call);
    const { groups, requireStable } = request;
    return {
      groups: await Promise.all(groups.map((group) => groupResponse(services, { group, requireStable }, call))),
    };
  },
};

/** Named topics, merged by name: a topic that is named twice is answered once. */
function named(
  topics: readonly { readonly name: string; readonly partitionIndexes: readonly number[] }[] | null,
): ReadonlyMap<string, readonly number[]> | undefined {
  if (topics === null) return undefined;
  const merged = new Map<string, readonly number[]>();
  for (const { name, partitionIndexes } of topics) {
    merged.set(name, [...new Set([...(merged.get(name) ?? []), ...partitionIndexes])]);
  }
  return merged;
}

async function single(services: BrokerServices, request: Request, call: Call): Promise<Response> {
  const { groupId, requireStable } = request;
  const topics = named(request.topics);
  const query = { groupId, memberId: null, memberEpoch: -1, topics, requireStable };
  const fetched = await services.groups.offsets.fetch(query);
  if (typeof fetched !== 'number') return { topics: Array.from(fetched, (each) => topicOf(each, call)) };
  const errorCode = call.note(fetched);
  const ofPartitions = call.version < GROUP_ERROR_VERSION ? errorCode : ERROR_CODES.NONE;
  const failed = Array.from(topics ?? [], ([name, indexes]) => ({
    name,
    partitions: indexes.map((partitionIndex) => absent(partitionIndex, ofPartitions)),
  }));
  return { errorCode, topics: call.version < GROUP_ERROR_VERSION ? failed : [] };
}

async function groupResponse(
  services: BrokerServices,
  { group, requireStable }: { readonly group: GroupRequest; readonly requireStable: boolean },
  call: Call,
): Promise<GroupResponse> {
  const { groupId, memberId, memberEpoch } = group;
  const byId = call.version >= TOPIC_ID_VERSION;
  const { known, unknown } = resolved(services, group, byId);
  const query: OffsetQuery = { groupId, memberId, memberEpoch, topics: known, requireStable };
  const fetched = await services.groups.offsets.fetch(query);
  if (typeof fetched === 'number') return { groupId, errorCode: call.note(fetched), topics: [] };
  return { groupId, topics: [...topicsOf(services, { fetched, byId }, call), ...unknown] };
}

/** Topics by name, and answers for ids that no topic has. */
function resolved(
  { router }: BrokerServices,
  { topics }: GroupRequest,
  byId: boolean,
): { readonly known: OffsetQuery['topics']; readonly unknown: GroupResponse['topics'] } {
  if (topics === null || !byId) return { known: named(topics), unknown: [] };
  const known: { name: string; partitionIndexes: readonly number[] }[] = [];
  const unknown: GroupResponse['topics'][number][] = [];
  for (const { topicId, partitionIndexes } of topics) {
    const topic = router.topicById(topicId);
    if (topic !== undefined) known.push({ name: topic.name, partitionIndexes });
    else {
      const partitions = partitionIndexes.map((index) => absent(index, ERROR_CODES.UNKNOWN_TOPIC_ID));
      unknown.push({ topicId, partitions });
    }
  }
  return { known: named(known), unknown };
}

function topicsOf(
  { router }: BrokerServices,
  { fetched, byId }: { readonly fetched: FetchedOffsets; readonly byId: boolean },
  call: Call,
): GroupResponse['topics'] {
  const topics = Array.from(fetched, (each) => ({ ...topicOf(each, call), topicId: router.topic(each[0])?.id }));
  // Offsets of a topic that is gone have no id to be told under.
  return byId ? topics.filter(({ topicId }) => (topicId ?? ZERO_UUID) !== ZERO_UUID) : topics;
}

function topicOf(
  [name, partitions]: readonly [string, ReadonlyMap<number, FetchedOffset>],
  call: Call,
): { name: string; partitions: PartitionResponse[] } {
  return {
    name,
    partitions: Array.from(partitions, ([partitionIndex, { offset, leaderEpoch, metadata, errorCode }]) => ({
      partitionIndex,
      committedOffset: offset,
      committedLeaderEpoch: leaderEpoch,
      metadata,
      errorCode: call.note(errorCode),
    })),
  };
}

function absent(partitionIndex: number, errorCode: number): PartitionResponse {
  return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode };
}
