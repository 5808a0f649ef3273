// The same hostile requests over real sockets, by WebSocket and by TCP, with the framing itself damaged as well, beside an
// honest client.

import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ROUTES } from '../../src/broker/handlers/table.ts';
import type { ConnectionContext, RequestHandler } from '../../src/broker/request-handler.ts';
import { connect } from '../../src/client/client.ts';
import { makeGateway } from '../net/json-fixture.ts';
import { framed, startKafka } from '../net/kafka-listener-fixture.ts';
import { clientFrame, RawClient, startListener } from '../net/listener-fixture.ts';
import { startMemoryBroker } from '../net/memory-broker.ts';
import { mutated, SeededRandom } from '../protocol/frame-fuzzer.ts';
import { SEED } from '../support/seed.ts';
import { FUZZ_SECONDS } from './fuzz-settings.ts';
import { HostileRequests } from './hostile-requests.ts';
import { HostileMessages } from './json-target.ts';
import { askedBy, servedVersions, TOPIC_NAMES } from './request-target.ts';

const CONNECTIONS_AT_ONCE = 10;
const FRAMES_PER_CONNECTION = 20;
/** Connections of one frame each, so that no other frame ends the connection before. */
const TURNS_AT_ONCE = 20;

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

/** Every API and version over TCP and over WebSocket. */
function* plansInTurn(requests: HostileRequests): Generator<Plan, void> {
  for (const kind of ['tcp', 'kafka'] as const) {
    for (const request of requests.inTurn()) {
      const frame = kind === 'tcp' ? framed(request) : clientFrame(request, { first: 0x82 });
      yield { kind, frames: [frame], endsByReset: false };
    }
  }
}

/** What has been asked of the broker, by way of which listener. */
class Witness implements RequestHandler {
  readonly asked = new Set<string>();
  readonly #handler: RequestHandler;

  constructor(handler: RequestHandler) {
    this.#handler = handler;
  }

  handle(frame: Uint8Array, context: ConnectionContext): ReturnType<RequestHandler['handle']> {
    this.asked.add(askedBy(frame) ?? '');
    return this.#handler.handle(frame, context);
  }

  whenWritable(): Promise<void> | undefined {
    return this.#handler.whenWritable();
  }
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
    `harm nobody else (MILLRACE_SEED=${SEED})`,
    async () => {
      const running = await startMemoryBroker();
      const gateway = makeGateway(running);
      const witnesses = { webSocket: new Witness(running.broker), tcp: new Witness(running.broker) };
      const listener = await startListener({ handler: witnesses.webSocket, openJson: (parts) => gateway.open(parts) });
      const kafka = await startKafka({ handler: witnesses.tcp });
      const addresses = { webSocket: listener, tcp: { host: '127.0.0.1', port: kafka.listener.port } };
      const client = await connect({ url: `ws://${listener.authority}/`, webSocket: WebSocket, wasm: running.wasm });
      await client
        .admin()
        .createTopics({ topics: [{ topic: 'honest', numPartitions: 1, configs: { 'max.message.bytes': '1048588' } }] });
      const producer = client.producer({ retries: 0 });

      const random = new SeededRandom(SEED);
      const requests = new HostileRequests(SEED, { apis: ROUTES.map(({ api }) => api), topicNames: TOPIC_NAMES });
      const messages = new HostileMessages(SEED);
      const hostility = { random, requests, messages };
      const inTurn = [...plansInTurn(requests)];
      const turns = inTurn.length;
      let endMs = 0;
      let rounds = 0;
      for (; inTurn.length > 0 || performance.now() < endMs; rounds++) {
        // Made before anything is sent, so that a seed gives the same bytes however the sockets are timed.
        const plans =
          inTurn.length > 0
            ? inTurn.splice(0, TURNS_AT_ONCE)
            : Array.from({ length: CONNECTIONS_AT_ONCE }, () => planOf(hostility));
        const attacks = plans.map((plan) => attack(addresses, plan));
        const value = `round ${rounds}`;
        const [place] = await producer.send({ topic: 'honest', records: [{ value }] });
        expect(place?.offset).toBe(rounds);
        await Promise.all(attacks);
        // What is random has the time to itself.
        if (inTurn.length === 0 && endMs === 0) endMs = performance.now() + FUZZ_SECONDS * 1000;
      }
      for (const { asked } of [witnesses.webSocket, witnesses.tcp]) {
        expect(servedVersions().filter((each) => !asked.has(each))).toEqual([]);
      }
      const consumer = client.consumer();
      await consumer.assign([{ topic: 'honest', from: 'beginning' }]);
      let read = 0;
      for await (const record of consumer.records({ untilEnd: true })) {
        expect(record.text()).toBe(`round ${read}`);
        read += 1;
      }
      expect(read).toBe(rounds);
      console.log(`fuzz: ${turns} hostile requests in turn, ${rounds} rounds, seed ${SEED}`);
      client.close();
      await Promise.all([listener.close(1000), kafka.listener.close(1000)]);
      gateway.close();
      // Whatever was under way has failed by now and gives its bytes back.
      while (listener.webSockets.requestBytesHeld + kafka.connections.memory.used > 0)
        await new Promise((resolve) => setImmediate(resolve));
      await running.close();
    },
    (FUZZ_SECONDS + 600) * 1000,
  );
});
