// The same hostile requests over real sockets, with the WebSocket framing itself damaged as well, beside an honest client.

import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ROUTES } from '../../src/broker/handlers/table.ts';
import { connect } from '../../src/client/client.ts';
import type { HttpListener } from '../../src/platform/node/http-listener.ts';
import { makeGateway } from '../net/json-fixture.ts';
import { clientFrame, RawClient, startListener } from '../net/listener-fixture.ts';
import { startMemoryBroker } from '../net/memory-broker.ts';
import { mutated, SeededRandom } from '../protocol/frame-fuzzer.ts';
import { FUZZ_SECONDS, FUZZ_SEED } from './fuzz-settings.ts';
import { HostileRequests } from './hostile-requests.ts';
import { HostileMessages } from './json-target.ts';
import { TOPIC_NAMES } from './request-target.ts';

const CONNECTIONS_AT_ONCE = 10;
const FRAMES_PER_CONNECTION = 20;

interface Plan {
  readonly subprotocol: 'kafka' | 'json';
  readonly frames: readonly Uint8Array[];
  readonly endsByReset: boolean;
}

function planOf(random: SeededRandom, requests: HostileRequests, messages: HostileMessages): Plan {
  const isBinary = random.next(2) === 0;
  const frames = Array.from({ length: FRAMES_PER_CONNECTION }, () => {
    const payload = isBinary ? requests.next() : new TextEncoder().encode(messages.next());
    const frame = clientFrame(payload, { first: isBinary ? 0x82 : 0x81 });
    return random.next(8) === 0 ? mutated(frame, random) : frame;
  });
  return { subprotocol: isBinary ? 'kafka' : 'json', frames, endsByReset: random.next(2) === 0 };
}

async function attack(listener: HttpListener, { subprotocol, frames, endsByReset }: Plan): Promise<void> {
  const raw = await RawClient.open(listener);
  await raw.upgrade(subprotocol);
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
      const client = await connect({ url: `ws://${listener.authority}/`, webSocket: WebSocket, wasm: running.wasm });
      await client
        .admin()
        .createTopics({ topics: [{ topic: 'honest', numPartitions: 1, configs: { 'max.message.bytes': '1048588' } }] });
      const producer = client.producer({ retries: 0 });

      const random = new SeededRandom(FUZZ_SEED);
      const requests = new HostileRequests(FUZZ_SEED, { apis: ROUTES.map(({ api }) => api), topicNames: TOPIC_NAMES });
      const messages = new HostileMessages(FUZZ_SEED);
      const endMs = performance.now() + FUZZ_SECONDS * 1000;
      let rounds = 0;
      for (; performance.now() < endMs; rounds++) {
        // Made before anything is sent, so that a seed gives the same bytes however the sockets are timed.
        const plans = Array.from({ length: CONNECTIONS_AT_ONCE }, () => planOf(random, requests, messages));
        const attacks = plans.map((plan) => attack(listener, plan));
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
      await listener.close(1000);
      gateway.close();
      // Whatever was under way has failed by now and gives its bytes back.
      while (listener.webSockets.requestBytesHeld > 0) await new Promise((resolve) => setImmediate(resolve));
      await running.close();
    },
    (FUZZ_SECONDS + 60) * 1000,
  );
});
