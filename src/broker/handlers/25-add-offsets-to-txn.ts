// AddOffsetsToTxn (API key 25), versions 0 to 4.
//
// Behaviour: the partition of `__consumer_offsets` that keeps the group's offsets joins the producer's transaction.
// Versions: 2 PRODUCER_FENCED, which older ones know as INVALID_PRODUCER_EPOCH; 3 flexible; 4 TRANSACTION_ABORTABLE
// (KIP-890), which is never needed here.

import type { RequestOf } from '../../protocol/api.ts';
import { ERROR_CODES } from '../../protocol/errors.ts';
import { addOffsetsToTxn } from '../../protocol/messages/25-add-offsets-to-txn.ts';
import type { Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';
import { fencedFor } from '../transactions/error-versions.ts';
import { onePartition } from '../transactions/topic-partitions.ts';
import { OFFSETS_TOPIC } from '../transactions/transactional-offsets.ts';

const FENCED_VERSION = 2;

export const addOffsetsToTxnHandler: Handler<typeof addOffsetsToTxn.request, typeof addOffsetsToTxn.response> = {
  api: addOffsetsToTxn,
  versions: addOffsetsToTxn.versions,
  async handle(services, request, call) {
    return { errorCode: call.note(fencedFor(call.version, FENCED_VERSION, await add(services, request))) };
  },
};

async function add(services: BrokerServices, request: RequestOf<typeof addOffsetsToTxn>): Promise<number> {
  const { transactionalId, groupId, producerId, producerEpoch } = request;
  if (transactionalId === '') return ERROR_CODES.INVALID_REQUEST;
  if (groupId === '') return ERROR_CODES.INVALID_GROUP_ID;
  const made = await services.transactionalOffsets.ensure();
  if (made !== undefined && made !== ERROR_CODES.NONE) return made;
  const partitions = onePartition(OFFSETS_TOPIC, services.transactionalOffsets.partitionOf(groupId));
  return new Promise((done) => {
    services.transactions.addPartitions(transactionalId, { producerId, producerEpoch, partitions }, done);
  });
}
