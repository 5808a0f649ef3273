// The few requests that prepare a topic and prove what a run left in it.

import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Api } from '../../src/protocol/api.ts';
import { decodeResponseFrame, encodeRequestFrame } from '../../src/protocol/headers.ts';
import { listOffsets } from '../../src/protocol/messages/02-list-offsets.ts';
import { createTopics } from '../../src/protocol/messages/19-create-topics.ts';
import type { Decoded, Encodable, Fields } from '../../src/protocol/schema.ts';

async function ask<Request extends Fields, Response extends Fields>(
  url: string,
  api: Api<Request, Response>,
  request: { readonly version: number; readonly body: Encodable<Request> },
): Promise<Decoded<Response>> {
  const { version, body } = request;
  const socket = new WebSocket(url, 'kafka', { perMessageDeflate: false });
  await once(socket, 'open');
  socket.send(Buffer.concat(encodeRequestFrame(api, body, { version, correlationId: 0, clientId: 'bench' })));
  const [answer] = await once(socket, 'message');
  socket.terminate();
  return decodeResponseFrame(api, version, answer).body;
}

export async function createTopic(url: string, topic: string, numPartitions: number): Promise<void> {
  const body = {
    topics: [{ name: topic, numPartitions, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 30_000,
    validateOnly: false,
  };
  const answer = await ask(url, createTopics, { version: 5, body });
  const code = answer.topics[0]?.errorCode;
  if (code !== 0) throw new Error(`topic ${topic} was not created: error ${code}`);
}

/** Sum of the log end offsets of all partitions. */
export async function recordsIn(url: string, topic: string, partitions: number): Promise<number> {
  const indexes = Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, timestamp: -1 }));
  const body = { replicaId: -1, isolationLevel: 0, topics: [{ name: topic, partitions: indexes }] };
  const answer = await ask(url, listOffsets, { version: 5, body });
  return (answer.topics[0]?.partitions ?? []).reduce((sum, partition) => sum + partition.offset, 0);
}
