// Produce (API key 0). The client sends record batches, a response says where each went. acks=0 has no response.
// Version 3 is the first with record batches (magic 2) and the transactional id; 7 allows zstd (KIP-110); 8 tells
// which records were refused (KIP-467); 10 names the new leader (KIP-951); within a transaction, 12 needs transaction
// version 2 and adds the partitions by itself (KIP-890); 13 names topics by id (KIP-516).

import { api } from '../api.ts';
import { array, int16, int32, int64, records, string, struct, uuid } from '../schema.ts';

export const produce = api({
  key: 0,
  name: 'Produce',
  versions: [3, 13],
  // librdkafka turns compression off for brokers that do not advertise version 0 (KAFKA-18659).
  advertisedFrom: 0,
  flexibleFrom: 9,
  request: {
    transactionalId: string({ nullableFrom: 0, default: null }),
    acks: int16(),
    timeoutMs: int32(),
    topicData: array({
      name: string({ to: 12, ignorable: true }),
      topicId: uuid({ from: 13, ignorable: true }),
      partitionData: array({
        index: int32(),
        records: records({ nullableFrom: 0 }),
      }),
    }),
  },
  response: {
    responses: array({
      name: string({ to: 12, ignorable: true }),
      topicId: uuid({ from: 13, ignorable: true }),
      partitionResponses: array({
        index: int32(),
        errorCode: int16(),
        baseOffset: int64(),
        logAppendTimeMs: int64({ default: -1 }),
        logStartOffset: int64({ from: 5, default: -1, ignorable: true }),
        recordErrors: array(
          {
            batchIndex: int32(),
            batchIndexErrorMessage: string({ nullableFrom: 8, default: null }),
          },
          { from: 8, ignorable: true },
        ),
        errorMessage: string({ from: 8, nullableFrom: 8, default: null, ignorable: true }),
        currentLeader: struct(
          {
            leaderId: int32({ default: -1 }),
            leaderEpoch: int32({ default: -1 }),
          },
          { from: 10, tag: 0 },
        ),
      }),
    }),
    throttleTimeMs: int32({ default: 0 }),
    nodeEndpoints: array(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullableFrom: 10, default: null }),
      },
      { from: 10, tag: 0 },
    ),
  },
});
