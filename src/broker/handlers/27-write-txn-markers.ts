// WriteTxnMarkers (API key 27), versions 1 and 2.
//
// Behaviour: markers are written into the partitions named, whoever coordinates the transaction: the way to end one
// that hangs. The coordinator itself writes its markers without this request. Answered when all are on stable storage.
// Versions: 1 flexible; 2 transaction version, by which a marker that comes late is told (KIP-1228).

import type { RequestOf, ResponseInput } from '../../protocol/api.ts';
import { writeTxnMarkers } from '../../protocol/messages/27-write-txn-markers.ts';
import type { Call, Handler } from '../handler.ts';
import type { BrokerServices } from '../services.ts';

type MarkerRequest = RequestOf<typeof writeTxnMarkers>['markers'][number];
type MarkerResponse = ResponseInput<typeof writeTxnMarkers>['markers'][number];

export const writeTxnMarkersHandler: Handler<typeof writeTxnMarkers.request, typeof writeTxnMarkers.response> = {
  api: writeTxnMarkers,
  versions: writeTxnMarkers.versions,
  async handle(services, request, call) {
    return { markers: await Promise.all(request.markers.map((marker) => write(services, call, marker))) };
  },
};

async function write(services: BrokerServices, call: Call, wish: MarkerRequest): Promise<MarkerResponse> {
  const { producerId, producerEpoch, coordinatorEpoch, transactionVersion, transactionResult: commit } = wish;
  const marker = { producerId, producerEpoch, coordinatorEpoch, transactionVersion, commit };
  const topics = wish.topics.map(async ({ name, partitionIndexes }) => ({
    name,
    partitions: await Promise.all(
      partitionIndexes.map(async (index) => ({
        partitionIndex: index,
        errorCode: call.note(await services.transactions.writeMarker(marker, { topic: name, index })),
      })),
    ),
  }));
  return { producerId, topics: await Promise.all(topics) };
}
