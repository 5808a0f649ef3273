// Who gets which partition in a KIP-848 group. Pure functions of the members, their subscriptions, the topics and what
// each had; the same input gives the same assignment everywhere.
//
//   uniform   as even as possible over all topics, and as much as possible stays where it was
//   range     per topic, neighbours to one member; equal topics are laid out equally, so that partitions of the same
//             number meet in the same member. What was before does not count

import { present } from '../../core/assert.ts';
import type { Uuid } from '../../protocol/uuid.ts';
import { type PartitionKey, type PartitionSet, partitionKey } from './partition-set.ts';

export interface AssignorMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** Topics subscribed to that exist. */
  readonly topics: ReadonlySet<Uuid>;
  /** The target until now. */
  readonly current: PartitionSet;
}

export interface AssignorInput {
  readonly members: readonly AssignorMember[];
  /** Partition counts. */
  readonly topics: ReadonlyMap<Uuid, number>;
}

export type Assignment = ReadonlyMap<string, PartitionSet>;
export type Assignor = (input: AssignorInput) => Assignment;

type Draft = Map<string, Set<PartitionKey>>;

export const ASSIGNORS: Readonly<Record<string, Assignor>> = { uniform, range };

function draftOf(members: readonly AssignorMember[]): Draft {
  return new Map(members.map(({ memberId }) => [memberId, new Set<PartitionKey>()]));
}

/** Static members keep their place in the order when they come back under another member id. */
function inOrder(members: readonly AssignorMember[]): AssignorMember[] {
  const nameOf = ({ memberId, instanceId }: AssignorMember): string => instanceId ?? memberId;
  return [...members].sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
}

function range({ members, topics }: AssignorInput): Assignment {
  const draft = draftOf(members);
  const ordered = inOrder(members);
  for (const [topicId, count] of topics) {
    const takers = ordered.filter((member) => member.topics.has(topicId));
    let partition = 0;
    takers.forEach(({ memberId }, index) => {
      const share = Math.floor(count / takers.length) + (index < count % takers.length ? 1 : 0);
      for (let taken = 0; taken < share; taken++) draft.get(memberId)?.add(partitionKey(topicId, partition++));
    });
  }
  return draft;
}

function uniform(input: AssignorInput): Assignment {
  const [first, ...others] = input.members;
  const alike = others.every(({ topics }) => first !== undefined && sameTopics(topics, first.topics));
  return alike ? uniformAlike(input) : uniformMixed(input);
}

function sameTopics(one: ReadonlySet<Uuid>, other: ReadonlySet<Uuid>): boolean {
  return one.size === other.size && [...one].every((topic) => other.has(topic));
}

function* partitionsOf(topics: ReadonlyMap<Uuid, number>): Generator<{ topicId: Uuid; key: PartitionKey }> {
  for (const [topicId, count] of topics) {
    for (let partition = 0; partition < count; partition++) yield { topicId, key: partitionKey(topicId, partition) };
  }
}

/** All subscribe to the same: everybody gets the same number, some one more, and keeps what it had up to that. */
function uniformAlike({ members, topics }: AssignorInput): Assignment {
  const draft = draftOf(members);
  const wanted = new Set<PartitionKey>();
  for (const { topicId, key } of partitionsOf(topics)) if (members[0]?.topics.has(topicId) === true) wanted.add(key);
  const ordered = inOrder(members);
  const least = Math.floor(wanted.size / Math.max(1, members.length));
  let withOneMore = members.length === 0 ? 0 : wanted.size % members.length;
  // Those who have more than the least are the ones to have one more, so that less moves.
  const having = (member: AssignorMember): number => [...member.current].filter((key) => wanted.has(key)).length;
  const quotas = new Map<string, number>();
  for (const member of [...ordered].sort((one, other) => having(other) - having(one))) {
    quotas.set(member.memberId, withOneMore > 0 ? least + 1 : least);
    if (withOneMore > 0) withOneMore--;
  }
  for (const { memberId, current } of ordered) {
    const own = present(draft.get(memberId), 'draft');
    for (const key of current) {
      if (own.size < (quotas.get(memberId) ?? 0) && wanted.delete(key)) own.add(key);
    }
  }
  const left = wanted.values();
  for (const { memberId } of ordered) {
    const own = present(draft.get(memberId), 'draft');
    while (own.size < (quotas.get(memberId) ?? 0)) {
      const { value, done } = left.next();
      if (done === true) break;
      own.add(value);
    }
  }
  return draft;
}

/** Subscriptions differ: partitions with the fewest takers first, each to the least loaded, then evened out. */
function uniformMixed({ members, topics }: AssignorInput): Assignment {
  const draft = draftOf(members);
  const ordered = inOrder(members);
  const takersOf = new Map<Uuid, AssignorMember[]>();
  for (const topicId of topics.keys()) {
    takersOf.set(
      topicId,
      ordered.filter((member) => member.topics.has(topicId)),
    );
  }
  const ownerOf = keepCurrent(ordered, takersOf, { draft, topics });
  const loadOf = (memberId: string): number => draft.get(memberId)?.size ?? 0;
  const unassigned = [...partitionsOf(topics)].filter(({ key }) => !ownerOf.has(key));
  const takerCount = (topicId: Uuid): number => takersOf.get(topicId)?.length ?? 0;
  unassigned.sort((one, other) => takerCount(one.topicId) - takerCount(other.topicId));
  for (const { topicId, key } of unassigned) {
    const taker = leastLoaded(takersOf.get(topicId) ?? [], loadOf);
    if (taker === undefined) continue;
    draft.get(taker)?.add(key);
    ownerOf.set(key, taker);
  }
  evenOut({ draft, ownerOf, takersOf, topics });
  return draft;
}

function keepCurrent(
  members: readonly AssignorMember[],
  takersOf: ReadonlyMap<Uuid, readonly AssignorMember[]>,
  { draft, topics }: { readonly draft: Draft; readonly topics: ReadonlyMap<Uuid, number> },
): Map<PartitionKey, string> {
  const ownerOf = new Map<PartitionKey, string>();
  const topicOf = new Map([...partitionsOf(topics)].map(({ topicId, key }) => [key, topicId]));
  for (const member of members) {
    for (const key of member.current) {
      const topicId = topicOf.get(key);
      if (topicId === undefined || ownerOf.has(key) || takersOf.get(topicId)?.includes(member) !== true) continue;
      draft.get(member.memberId)?.add(key);
      ownerOf.set(key, member.memberId);
    }
  }
  return ownerOf;
}

function leastLoaded(takers: readonly AssignorMember[], loadOf: (memberId: string) => number): string | undefined {
  let least: string | undefined;
  for (const { memberId } of takers) if (least === undefined || loadOf(memberId) < loadOf(least)) least = memberId;
  return least;
}

/**
 * Moves partitions from members with more to members with at least two fewer, until none can be moved. Each move lowers
 * the sum of the squares of the loads, so it ends.
 */
function evenOut(state: {
  readonly draft: Draft;
  readonly ownerOf: Map<PartitionKey, string>;
  readonly takersOf: ReadonlyMap<Uuid, readonly AssignorMember[]>;
  readonly topics: ReadonlyMap<Uuid, number>;
}): void {
  const { draft, ownerOf, takersOf, topics } = state;
  const loadOf = (memberId: string): number => draft.get(memberId)?.size ?? 0;
  for (let moved = true; moved; ) {
    moved = false;
    for (const { topicId, key } of partitionsOf(topics)) {
      const owner = ownerOf.get(key);
      const taker = leastLoaded(takersOf.get(topicId) ?? [], loadOf);
      if (owner === undefined || taker === undefined || loadOf(owner) <= loadOf(taker) + 1) continue;
      draft.get(owner)?.delete(key);
      draft.get(taker)?.add(key);
      ownerOf.set(key, taker);
      moved = true;
    }
  }
}
