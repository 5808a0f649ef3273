// Fetch (API key 1). The client asks for records from offsets on, and may leave out what has not changed (fetch
// sessions, KIP-227). Version 4 brings transactions (KIP-98); 7 sessions; 9 the leader epoch (KIP-320); 11 the rack
// (KIP-392); 12 the epoch last fetched (KIP-595); 13 names topics by id (KIP-516); 15 moves the replica's id to
// replicaState (KIP-903); 16 names new leaders (KIP-951); 17 the directory id (KIP-853); 18 the follower's high
// watermark (KIP-1166).

import { api } from '../api.ts';
import { array, int8, int16, int32, int64, int64Clamped, records, string, struct, uuid } from '../schema.ts';

export const fetch = api({
  key: 1,
  name: 'Fetch',
  versions: [4, 18],
  flexibleFrom: 12,
  request: {
    clusterId: string({ from: 12, nullableFrom: 12, default: null, tag: 0, ignorable: true }),
    replicaId: int32({ to: 14, default: -1 }),
    replicaState: struct(
      {
        replicaId: int32({ default: -1 }),
        replicaEpoch: int64({ default: -1 }),
      },
      { from: 15, tag: 1 },
    ),
    maxWaitMs: int32(),
    minBytes: int32(),
    maxBytes: int32({ default: 0x7fffffff }),
    isolationLevel: int8({ default: 0 }),
    sessionId: int32({ from: 7, default: 0, ignorable: true }),
    sessionEpoch: int32({ from: 7, default: -1, ignorable: true }),
    topics: array({
      topic: string({ to: 12, ignorable: true }),
      topicId: uuid({ from: 13, ignorable: true }),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32({ from: 9, default: -1, ignorable: true }),
        fetchOffset: int64(),
        lastFetchedEpoch: int32({ from: 12, default: -1 }),
        logStartOffset: int64({ from: 5, default: -1, ignorable: true }),
        partitionMaxBytes: int32(),
        replicaDirectoryId: uuid({ from: 17, tag: 0, ignorable: true }),
        highWatermark: int64Clamped({ from: 18, default: Number.MAX_SAFE_INTEGER, tag: 1, ignorable: true }),
      }),
    }),
    forgottenTopicsData: array(
      {
        topic: string({ to: 12, ignorable: true }),
        topicId: uuid({ from: 13, ignorable: true }),
        partitions: array(int32()),
      },
      { from: 7 },
    ),
    rackId: string({ from: 11, default: '', ignorable: true }),
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16({ from: 7, ignorable: true }),
    sessionId: int32({ from: 7, default: 0 }),
    responses: array({
      topic: string({ to: 12, ignorable: true }),
      topicId: uuid({ from: 13, ignorable: true }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        highWatermark: int64(),
        lastStableOffset: int64({ default: -1 }),
        logStartOffset: int64({ from: 5, default: -1, ignorable: true }),
        divergingEpoch: struct(
          {
            epoch: int32({ default: -1 }),
            endOffset: int64({ default: -1 }),
          },
          { from: 12, tag: 0 },
        ),
        currentLeader: struct(
          {
            leaderId: int32({ default: -1 }),
            leaderEpoch: int32({ default: -1 }),
          },
          { from: 12, tag: 1 },
        ),
        snapshotId: struct(
          {
            endOffset: int64({ default: -1 }),
            epoch: int32({ default: -1 }),
          },
          { from: 12, tag: 2 },
        ),
        abortedTransactions: array(
          {
            producerId: int64(),
            firstOffset: int64(),
          },
          { nullableFrom: 0 },
        ),
        preferredReadReplica: int32({ from: 11, default: -1 }),
        records: records({ nullableFrom: 0 }),
      }),
    }),
    nodeEndpoints: array(
      {
        nodeId: int32(),
        host: string(),
        port: int32(),
        rack: string({ nullableFrom: 16, default: null }),
      },
      { from: 16, tag: 0 },
    ),
  },
});
