// The same hostile requests over real sockets, by WebSocket and by TCP, with the framing itself damaged as well, beside an
// honest client.

import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ROUTES } from '../../src/broker/handlers/table.ts';
import { connect } from '../../src/client/client.ts';
import { makeGateway } from '../net/json-fixture.ts';
import { framed, startKafka } from '../net/kafka-listener-fixture.ts';
import { clientFrame, RawClient, startListener } from '../net/listener-fixture.ts';
import { startMemoryBroker } from '../net/memory-broker.ts';
import { mutated, SeededRandom } from '../protocol/frame-fuzzer.ts';
import { FUZZ_SECONDS, FUZZ_SEED } from './fuzz-settings.ts';
import { HostileRequests } from './hostile-requests.ts';
import { HostileMessages } from './json-target.ts';
import { TOPIC_NAMES } from './request-target.ts';

const CONNECTIONS_AT_ONCE = 10;
const FRAMES_PER_CONNECTION = 20;

const KINDS = ['tcp', 'kafka', 'json'] as const;
type Kind = (typeof KINDS)[number];

interface Plan {
  readonly kind: Kind;
  readonly frames: readonly Uint8Array[];
  readonly endsByReset: boolean;
}

interface Hostility {
  readonly random: SeededRandom;
  readonly requests: HostileRequests;
  readonly messages: HostileMessages;
}

function frameOf(kind: Kind, { requests, messages }: Hostility): Uint8Array {
  if (kind === 'tcp') return framed(requests.next());
  if (kind === 'kafka') return clientFrame(requests.next(), { first: 0x82 });
  return clientFrame(new TextEncoder().encode(messages.next()), { first: 0x81 });
}

function planOf(hostility: Hostility): Plan {
  const { random } = hostility;
  const kind = random.pick(KINDS);
  const frames = Array.from({ length: FRAMES_PER_CONNECTION }, () => {
    const frame = frameOf(kind, hostility);
    return random.next(8) === 0 ? mutated(frame, random) : frame;
  });
  return { kind, frames, endsByReset: random.next(2) === 0 };
}

interface Address {
  readonly host: string;
  readonly port: number;
}

async function attack(
  addresses: { readonly webSocket: Address; readonly tcp: Address },
  { kind, frames, endsByReset }: Plan,
): Promise<void> {
  const raw = await RawClient.open(kind === 'tcp' ? addresses.tcp : addresses.webSocket);
  if (kind !== 'tcp') await raw.upgrade(kind);
  for (const frame of frames) if (raw.socket.writable) raw.socket.write(frame);
  if (endsByReset) raw.socket.resetAndDestroy();
  else raw.socket.end();
  await raw.closed;
}

describe('hostile clients over real sockets', () => {
  it(
    `harm nobody else (MILLRACE_FUZZ_SEED=${FUZZ_SEED})`,
    async () => {
      const running = await startMemoryBroker();
      const gateway = makeGateway(running);
      const listener = await startListener({ handler: running.broker, openJson: (parts) => gateway.open(parts) });
      const kafka = await startKafka({ handler: running.broker });
      const addresses = { webSocket: listener, tcp: { host: '127.0.0.1', port: kafka.listener.port } };
      const client = await connect({ url: `ws://${listener.authority}/`, webSocket: WebSocket, wasm: running.wasm });
      await client
        .admin()
        .createTopics({ topics: [{ topic: 'honest', numPartitions: 1, configs: { 'max.message.bytes': '1048588' } }] });
      const producer = client.producer({ retries: 0 });

      const random = new SeededRandom(FUZZ_SEED);
      const requests = new HostileRequests(FUZZ_SEED, { apis: ROUTES.map(({ api }) => api), topicNames: TOPIC_NAMES });
      const messages = new HostileMessages(FUZZ_SEED);
      const hostility = { random, requests, messages };
      const endMs = performance.now() + FUZZ_SECONDS * 1000;
      let rounds = 0;
      for (; performance.now() < endMs; rounds++) {
        // Made before anything is sent, so that a seed gives the same bytes however the sockets are timed.
        const plans = Array.from({ length: CONNECTIONS_AT_ONCE }, () => planOf(hostility));
        const attacks = plans.map((plan) => attack(addresses, plan));
        const value = `round ${rounds}`;
        const [place] = await producer.send({ topic: 'honest', records: [{ value }] });
        expect(place?.offset).toBe(rounds);
        await Promise.all(attacks);
      }
      const consumer = client.consumer();
      await consumer.assign([{ topic: 'honest', from: 'beginning' }]);
      let read = 0;
      for await (const record of consumer.records({ untilEnd: true })) {
        expect(record.text()).toBe(`round ${read}`);
        read += 1;
      }
      expect(read).toBe(rounds);
      console.log(`fuzz: ${rounds * CONNECTIONS_AT_ONCE} hostile connections, seed ${FUZZ_SEED}`);
      client.close();
      await Promise.all([listener.close(1000), kafka.listener.close(1000)]);
      gateway.close();
      // Whatever was under way has failed by now and gives its bytes back.
      while (listener.webSockets.requestBytesHeld + kafka.connections.memory.used > 0)
        await new Promise((resolve) => setImmediate(resolve));
      await running.close();
    },
    (FUZZ_SECONDS + 60) * 1000,
  );
});
