// Kafka listeners on free ports with a handler of the test's choice, and a client that frames what it sends.

import { afterEach } from 'vitest';
import type { RequestHandler } from '../../src/broker/request-handler.ts';
import type { KafkaListener } from '../../src/embedded/kafka-listeners.ts';
import { ConnectionSet, type ConnectionSetOptions } from '../../src/net/connection-set.ts';
import { systemClock } from '../../src/platform/node/clock.ts';
import { type KafkaListenerOptions, listenKafka } from '../../src/platform/node/kafka-listener.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { echoHandler, RawClient } from './listener-fixture.ts';

const open: KafkaListener[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((listener) => listener.close(1000)));
});

export interface StartedKafka {
  readonly listener: KafkaListener;
  readonly connections: ConnectionSet;
}

export interface KafkaFixtureOptions extends Partial<KafkaListenerOptions> {
  readonly bounds?: Partial<ConnectionSetOptions>;
  /** The broker behind it is not ready: `serve` is the test's to call. */
  readonly isEarly?: boolean;
}

export async function startKafka({ bounds, isEarly, ...options }: KafkaFixtureOptions = {}): Promise<StartedKafka> {
  const connections = new ConnectionSet({
    logger: silentLogger,
    clock: systemClock,
    connectionsMax: 20_000,
    idleMsMax: -1,
    queuedRequestBytesMax: -1,
    ...bounds,
  });
  const listener = await listenKafka({
    name: 'PLAINTEXT',
    host: '127.0.0.1',
    port: 0,
    handler: echoHandler,
    connections,
    logger: silentLogger,
    requestBytesMax: 104_857_600,
    ...options,
  });
  open.push(listener);
  if (isEarly !== true) listener.serve();
  return { listener, connections };
}

/** A frame with its length, which may be a lie. */
export function framed(payload: string | Uint8Array, claimed?: number): Buffer {
  const bytes = Buffer.from(payload);
  const length = Buffer.alloc(4);
  length.writeInt32BE(claimed ?? bytes.byteLength);
  return Buffer.concat([length, bytes]);
}

/** A well-behaved client: `ask` resolves with the next answer. */
export class TcpClient {
  readonly raw: RawClient;
  #read = 0;

  private constructor(raw: RawClient) {
    this.raw = raw;
  }

  static async open(address: { readonly host?: string | undefined; readonly port: number }): Promise<TcpClient> {
    return new TcpClient(await RawClient.open({ host: address.host ?? '127.0.0.1', port: address.port }));
  }

  send(payload: string | Uint8Array): void {
    this.raw.socket.write(framed(payload));
  }

  ask(payload: string | Uint8Array): Promise<Buffer> {
    this.send(payload);
    return this.next();
  }

  /** The next answer. Throws when the connection ends before. */
  async next(): Promise<Buffer> {
    for (;;) {
      const rest = this.raw.received.subarray(this.#read);
      const end = rest.byteLength < 4 ? Number.POSITIVE_INFINITY : 4 + rest.readInt32BE(0);
      if (rest.byteLength >= end) {
        this.#read += end;
        return rest.subarray(4, end);
      }
      if (this.raw.socket.destroyed) throw new Error('the connection has ended');
      await this.#moved();
    }
  }

  /** Resolves when something has come, or the end. */
  #moved(): Promise<void> {
    const { socket } = this.raw;
    return new Promise((resolve) => {
      const moved = (): void => {
        socket.off('data', moved);
        socket.off('close', moved);
        resolve();
      };
      socket.on('data', moved);
      socket.on('close', moved);
    });
  }
}

/** Answers requests when the test says so, in any order. */
export class HeldHandler implements RequestHandler {
  readonly held: { readonly text: string; readonly answer: () => void }[] = [];
  readonly contexts: Parameters<RequestHandler['handle']>[1][] = [];

  handle(...[frame, context]: Parameters<RequestHandler['handle']>): ReturnType<RequestHandler['handle']> {
    this.contexts.push(context);
    return new Promise((resolve) => {
      const copy = frame.slice();
      const text = new TextDecoder().decode(copy);
      this.held.push({ text, answer: () => resolve({ chunks: [copy], byteLength: copy.byteLength }) });
    });
  }

  whenWritable(): undefined {
    return undefined;
  }

  /** Resolves when so many requests have come. */
  async until(count: number): Promise<void> {
    while (this.held.length < count) await new Promise((resolve) => setImmediate(resolve));
  }
}
