// TxnOffsetCommit (API key 28), versions 0 to 5.
//
// Behaviour: offsets are staged in a producer's transaction: nobody sees them until it commits. The partition that keeps
// the group must be part of the transaction, also at the very moment of the staging: nothing is staged behind the marker.
// Versions: 2 leader epoch (KIP-320); 3 flexible, and the member is fenced by its generation (KIP-447); 4
// TRANSACTION_ABORTABLE, which older ones know as INVALID_TXN_STATE; 5 the group's partition joins the transaction by
// this alone (KIP-890).

import type { RequestOf } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { txnOffsetCommit } from '../../protocol/messages/28-txn-offset-commit.ts';
import type { OffsetToCommit } from '../groups/group-offsets.ts';
import type { Call, Handler } from '../handler.ts';
import type { Router } from '../router.ts';
import type { BrokerServices } from '../services.ts';
import { abortableFor, fencedFor } from '../transactions/error-versions.ts';
import { onePartition } from '../transactions/topic-partitions.ts';
import { OFFSETS_TOPIC } from '../transactions/transactional-offsets.ts';

type Request = RequestOf<typeof txnOffsetCommit>;

const LOADING_VERSION = 2;
const FENCED_VERSION = 3;
const ABORTABLE_VERSION = 4;
const IMPLICIT_VERSION = 5;

export const txnOffsetCommitHandler: Handler<typeof txnOffsetCommit.request, typeof txnOffsetCommit.response> = {
  api: txnOffsetCommit,
  versions: txnOffsetCommit.versions,
  async handle(services, request, call) {
    const outcome = await stage(services, request, call);
    let next = 0;
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => {
        const errorCode = typeof outcome === 'number' ? outcome : (outcome[next++] ?? ERROR_CODES.UNKNOWN_SERVER_ERROR);
        return { partitionIndex, errorCode: call.note(known(call, errorCode)) };
      }),
    }));
    return { topics };
  },
};

/** One error code for all, or one for each offset in order. */
async function stage(services: BrokerServices, request: Request, call: Call): Promise<number | readonly number[]> {
  const { transactionalId, groupId, producerId, producerEpoch, memberId, groupInstanceId, generationId } = request;
  if (transactionalId === '') return ERROR_CODES.INVALID_REQUEST;
  if (groupId === '') return ERROR_CODES.INVALID_GROUP_ID;
  const { transactions, transactionalOffsets, config } = services;
  const made = await transactionalOffsets.ensure();
  if (made !== undefined && made !== ERROR_CODES.NONE) return made;
  const producer = { producerId, producerEpoch };
  const place = { topic: OFFSETS_TOPIC, index: transactionalOffsets.partitionOf(groupId) };
  const joins = call.version >= IMPLICIT_VERSION;
  if (joins) {
    const partitions = onePartition(place.topic, place.index);
    const errorCode = await new Promise<number>((done) => {
      transactions.addPartitions(transactionalId, { ...producer, partitions }, done);
    });
    if (errorCode !== ERROR_CODES.NONE) return errorCode;
  }
  const verifies = joins || config.settings.transactions.verifiesPartitions;
  const commit = { groupId, memberId, groupInstanceId, generationId, offsets: offsetsOf(services.router, request) };
  return services.groups.offsets.stage(commit, producer, () =>
    verifies ? transactions.verifyPartition(transactionalId, producer, place) : ERROR_CODES.NONE,
  );
}

function offsetsOf(router: Router, { topics }: Request): OffsetToCommit[] {
  return topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata }) => ({
      topic: name,
      partition: partitionIndex,
      offset: committedOffset,
      leaderEpoch: committedLeaderEpoch,
      metadata: committedMetadata,
      errorCode:
        router.topic(name)?.partitions[partitionIndex] === undefined
          ? ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION
          : ERROR_CODES.NONE,
    })),
  );
}

function known({ version }: Call, errorCode: number): number {
  // Clients of every version ask again for this one.
  if (errorCode === ERROR_CODES.CONCURRENT_TRANSACTIONS) return ERROR_CODES.COORDINATOR_NOT_AVAILABLE;
  if (errorCode === ERROR_CODES.COORDINATOR_LOAD_IN_PROGRESS && version < LOADING_VERSION) {
    return ERROR_CODES.COORDINATOR_NOT_AVAILABLE;
  }
  return abortableFor(version, ABORTABLE_VERSION, fencedFor(version, FENCED_VERSION, errorCode));
}
