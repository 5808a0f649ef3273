// Fetch requests for the broker's tests.

import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import type { Decoded, Encodable } from '../../src/protocol/schema.ts';
import type { BrokerFixture } from './fixture.ts';

export type FetchRequest = Encodable<typeof fetch.request>;
export type FetchResponse = Decoded<typeof fetch.response>;
export type FetchedPartition = FetchResponse['responses'][number]['partitions'][number];

export interface Want {
  readonly topic: string;
  readonly partition?: number;
  readonly fetchOffset?: number;
  readonly partitionMaxBytes?: number;
  readonly currentLeaderEpoch?: number;
  readonly lastFetchedEpoch?: number;
}

/** A request, up to version 12, for these partitions. */
export function fetchRequest(wants: readonly Want[], rest: Partial<FetchRequest> = {}): FetchRequest {
  return {
    maxWaitMs: 0,
    minBytes: 1,
    maxBytes: 1 << 24,
    topics: wants.map(({ topic, ...partition }) => ({
      topic,
      partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20, ...partition }],
    })),
    ...rest,
  };
}

/** The partitions of a response, each with its topic. */
export function partitionsOf({ responses }: FetchResponse): (FetchedPartition & { readonly topic: string })[] {
  return responses.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, ...partition })));
}

/** Everything in one partition, from its start. */
export async function fetchAll(fixture: BrokerFixture, topic: string, partition = 0): Promise<Uint8Array | null> {
  const response = await fixture.request(fetch, 11, fetchRequest([{ topic, partition }]));
  const [only] = partitionsOf(response);
  if (only === undefined || only.errorCode !== 0) throw new Error(`fetch failed with ${only?.errorCode}`);
  return only.records;
}
