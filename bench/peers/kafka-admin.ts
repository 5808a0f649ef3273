// The few requests that prepare a topic and prove what a load left in it, over TCP: the same for Kafka and Millrace.

import { once } from 'node:events';
import { connect } from 'node:net';
import type { Api } from '../../src/protocol/api.ts';
import { decodeResponseFrame, encodeRequestFrame } from '../../src/protocol/headers.ts';
import { listOffsets } from '../../src/protocol/messages/02-list-offsets.ts';
import { createTopics } from '../../src/protocol/messages/19-create-topics.ts';
import { deleteTopics } from '../../src/protocol/messages/20-delete-topics.ts';
import type { Decoded, Encodable, Fields } from '../../src/protocol/schema.ts';

const LENGTH_BYTES = 4;
const CREATE_TIMEOUT_MS = 240_000;
const SERVED_ATTEMPTS = 600;
const SERVED_ATTEMPT_MS = 50;
/** ListOffsets' word for the place of the next record, and for that of the first one. */
const END = -1;
const BEGINNING = -2;

async function ask<Request extends Fields, Response extends Fields>(
  address: string,
  api: Api<Request, Response>,
  request: { readonly version: number; readonly body: Encodable<Request> },
): Promise<Decoded<Response>> {
  const { version, body } = request;
  const [host = '', port = ''] = address.split(':');
  const socket = connect({ host, port: Number(port) });
  try {
    await once(socket, 'connect');
    const frame = Buffer.concat(encodeRequestFrame(api, body, { version, correlationId: 0, clientId: 'bench' }));
    const length = Buffer.alloc(LENGTH_BYTES);
    length.writeUInt32BE(frame.length);
    socket.write(Buffer.concat([length, frame]));
    let answer = Buffer.alloc(0);
    for await (const part of socket) {
      answer = Buffer.concat([answer, part]);
      if (answer.length >= LENGTH_BYTES && answer.length >= LENGTH_BYTES + answer.readUInt32BE()) {
        return decodeResponseFrame(api, version, answer.subarray(LENGTH_BYTES)).body;
      }
    }
    throw new Error(`${api.name} was not answered`);
  } finally {
    socket.destroy();
  }
}

export interface TopicOptions {
  readonly partitions: number;
  readonly config?: Readonly<Record<string, string>>;
}

export async function createTopic(
  address: string,
  topic: string,
  { partitions, config = {} }: TopicOptions,
): Promise<void> {
  const configs = Object.entries(config).map(([name, value]) => ({ name, value }));
  const wanted = { name: topic, numPartitions: partitions, replicationFactor: 1, assignments: [], configs };
  const body = { topics: [wanted], timeoutMs: CREATE_TIMEOUT_MS, validateOnly: false };
  const answer = await ask(address, createTopics, { version: 4, body });
  const code = answer.topics[0]?.errorCode;
  if (code !== 0) throw new Error(`topic ${topic} was not created: error ${code}`);
  await served(address, topic, partitions);
}

/** Kafka answers CreateTopics before it leads the partitions. */
async function served(address: string, topic: string, partitions: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await topicExtent(address, topic, partitions);
      return;
    } catch (error) {
      if (attempt === SERVED_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, SERVED_ATTEMPT_MS));
    }
  }
}

export async function deleteTopic(address: string, topic: string): Promise<void> {
  const body = { topicNames: [topic], timeoutMs: CREATE_TIMEOUT_MS, topics: [] };
  const answer = await ask(address, deleteTopics, { version: 3, body });
  const code = answer.responses[0]?.errorCode;
  if (code !== 0) throw new Error(`topic ${topic} was not deleted: error ${code}`);
}

export interface TopicExtent {
  /** Sum of the log end offsets: records that were ever written. */
  readonly written: number;
  /** Sum of the log start offsets: records that retention has dropped. */
  readonly dropped: number;
}

export async function topicExtent(address: string, topic: string, partitions: number): Promise<TopicExtent> {
  const sum = async (timestamp: number): Promise<number> => {
    const asked = Array.from({ length: partitions }, (_, partitionIndex) => ({ partitionIndex, timestamp }));
    const body = { replicaId: -1, isolationLevel: 0, topics: [{ name: topic, partitions: asked }] };
    const answer = await ask(address, listOffsets, { version: 4, body });
    return (answer.topics[0]?.partitions ?? []).reduce((total, { offset, errorCode }) => {
      if (errorCode !== 0) throw new Error(`offsets of ${topic} are not told: error ${errorCode}`);
      return total + offset;
    }, 0);
  };
  return { written: await sum(END), dropped: await sum(BEGINNING) };
}
