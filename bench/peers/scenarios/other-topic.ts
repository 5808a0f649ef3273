// A place for records in products that do not speak Kafka's protocol: a stream of NATS, a key of Redis.

import { randomUUID } from 'node:crypto';
import type { PooledBroker } from '../broker-pool.ts';
import { firstAnswer } from '../line-socket.ts';
import { load } from '../load-programs.ts';

export interface OtherTopic {
  /** The load program for the product. */
  readonly program: 'nats-load' | 'redis-load';
  readonly topic: string;
}

/** Bytes that a stream keeps: NATS drops what is older, as retention does. */
const STREAM_BYTES_MAX = 4 * 1024 ** 3;

export async function withOtherTopic<Result>(
  { peer, server }: PooledBroker,
  run: (place: OtherTopic) => Promise<Result>,
): Promise<Result> {
  const topic = `bench-${randomUUID().slice(0, 8)}`;
  if (peer.name === 'nats') {
    const place = { broker: server.address, topic };
    await load('nats-load', 'stream', { ...place, max_bytes: STREAM_BYTES_MAX });
    const result = await run({ program: 'nats-load', topic });
    await load('nats-load', 'remove', place);
    return result;
  }
  const result = await run({ program: 'redis-load', topic });
  await firstAnswer(server.address, `DEL ${topic}\r\n`, (text) => text.startsWith(':'));
  return result;
}
