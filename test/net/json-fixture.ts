// A json session over a fake transport and a broker in memory.

import type { FrameSink } from '../../src/net/frame-transport.ts';
import { JsonGateway } from '../../src/net/json-gateway.ts';
import { RequestMemory } from '../../src/net/request-memory.ts';
import type { SavedSession } from '../../src/net/saved-session.ts';
import { systemClock, systemRandom } from '../../src/platform/node/clock.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { FakeTransport, TEST_LIMITS, testContext } from './fake-transport.ts';
import type { MemoryBroker } from './memory-broker.ts';

export type Message = Readonly<Record<string, unknown>>;

export function makeGateway({ broker, wasm }: MemoryBroker): JsonGateway {
  return new JsonGateway({ handler: broker, wasm, clock: systemClock, random: systemRandom });
}

/** Tells the test of every message. */
class WatchedTransport extends FakeTransport {
  onSend: () => void = () => undefined;

  override send(chunks: readonly Uint8Array[], byteLength: number): void {
    super.send(chunks, byteLength);
    this.onSend();
  }
}

export class JsonTester {
  readonly transport = new WatchedTransport();
  readonly memory = new RequestMemory(100_000_000);
  readonly #sink: FrameSink;
  #taken = 0;
  #waiting: (() => void) | undefined;

  /** `saved` is of an earlier session. */
  constructor(gateway: JsonGateway, saved?: SavedSession) {
    const lifetime = new AbortController();
    this.transport.onSend = () => this.#waiting?.();
    this.#sink = gateway.open({
      transport: this.transport,
      lifetime,
      context: testContext(lifetime.signal),
      limits: {
        ...TEST_LIMITS,
        requestsInFlightMax: 100,
        requestBytesInFlightMax: 10_000_000,
        outboundBytesHigh: 100_000,
      },
      memory: this.memory,
      logger: silentLogger,
      saved,
    });
  }

  /** What the session needs to go on over another transport. */
  save(): SavedSession | undefined {
    return this.#sink.save?.();
  }

  send(message: Message | string): void {
    const text = typeof message === 'string' ? message : JSON.stringify(message);
    this.#sink.onFrame(new TextEncoder().encode(text));
  }

  /** The next message from the broker. */
  async next(): Promise<Message> {
    while (this.transport.sent.length === this.#taken) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    const frame = this.transport.sent[this.#taken];
    this.#taken += 1;
    return JSON.parse(new TextDecoder().decode(frame));
  }

  /** Messages received and not yet taken. */
  get waitingCount(): number {
    return this.transport.sent.length - this.#taken;
  }

  async ask(message: Message | string): Promise<Message> {
    this.send(message);
    return await this.next();
  }

  /** The peer reads what is buffered. */
  drain(): void {
    this.transport.read();
    this.#sink.onDrain();
  }

  tick(nowMs: number): void {
    this.#sink.onTick(nowMs);
  }

  end(): void {
    this.#sink.onClose();
  }
}
